"""Collectors that read a kernel's memory: dumps, /proc/kcore and guests of QEMU.

They need drgn (the extra `vmcore`). Symbols come from the kernel's own tables
and types from its own BTF, so no debug package is needed; DWARF is used when
given. `btf`, `note` and `qmp` work without drgn.
"""
