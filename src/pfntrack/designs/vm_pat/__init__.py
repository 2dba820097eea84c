"""VM_PAT, a flag per VMA and the pfn read back from its first entry, in its versions.

Read `vm_pat` (6.1 and 6.12 as Debian has them), then the older and the proposed forms,
each of which says only what differs.
"""
