"""Warnings, BUGs and lines about raw pfn mappings of user space."""

from __future__ import annotations

from pfntrack.field.catalogue.messages.message import USER, Message

_FRAMES = "pfntrack triage FILE, with the whole trace: its frames decide"


def _site(
    kind: str,
    form: str,
    printed_by: str,
    meaning: str,
    trap: str,
    codes: tuple[str, ...],
    sites: tuple[str, ...],
    since: str = "",
    texts: tuple[str, ...] = (),
) -> Message:
    return Message(
        kind, form, printed_by, "warn or BUG", "", meaning, trap, codes, since, texts, sites, USER,
        _FRAMES,
    )  # fmt: skip


USER_MESSAGES: tuple[Message, ...] = (
    _site(
        "follow_pte_unlocked",
        "WARNING: ... at include/linux/rwsem.h:NN follow_pte",
        "rwsem_assert_held_nolockdep(), called by follow_pte() or follow_pfnmap_start()",
        "A page table was walked without the mmap lock; up to 6.15 mostly because a device "
        "mapping was emptied through its file (truncate, revoke, driver reset).",
        "The warning is about the lock. What breaks beside it is the reservation: the whole of it "
        "is released although only a part was emptied.",
        ("UNTRACK_FROM_ZAP_WITHOUT_MMAP_LOCK",),
        (
            "rwsem.h follow_pte*", "rwsem.h follow_pfnmap_start", "mmap_lock.h follow_pte*",
            "mmap_lock.h follow_pfnmap_start", "rwsem.h untrack_pfn", "rwsem.h get_pat_info",
            "mmap_lock.h untrack_pfn", "rwsem.h unmap_single_vma",
        ),
        "6.10 to 6.15",
    ),
    _site(
        "mmap_lock_assert",
        "WARNING: ... at include/linux/mmap_lock.h:NN (or rwsem.h) FUNCTION",
        "mmap_assert_locked(), mmap_assert_write_locked() and the vma_assert_*() family",
        "A function that needs the mmap lock (or the lock of one mapping) was called without it; "
        "the function in the header, or the frame above, is the one that needs it.",
        "remap_pfn_range() and everything that sets flags of a mapping wants it for writing. The "
        "assertion reports only: the call goes on.",
        ("REMAP_WITHOUT_WRITE_LOCK",),
        (
            "mmap_lock.h remap_pfn_range*", "rwsem.h remap_pfn_range*",
            "mmap_lock.h track_pfn_remap", "rwsem.h track_pfn_remap", "rwsem.h vm_flags_set",
            "mmap_lock.h vm_flags_set", "mmap_lock.h vma_assert_*", "mmap_lock.h mmap_assert_*",
            "rwsem.h rwsem_assert_held*", "mmap_lock.h", "rwsem.h",
            "rwsem.h vma_start_write", "mmap_lock.h vma_start_write", "mmap_lock.h *", "rwsem.h *",
        ),
    ),
    _site(
        "remap_bug",
        "kernel BUG at mm/memory.c:NNN! in remap_pte_range (remap_pfn_range)",
        "remap_pte_range() and remap_pfn_range_internal() in mm/memory.c",
        "remap_pfn_range() met a page-table entry that is not empty, or an empty range: the "
        "driver remaps pages twice, or more than the mapping holds.",
        "The line number says little; the frame above remap_pfn_range() is the driver to mend.",
        ("REMAP_OVER_EXISTING",),
        ("memory.c remap_p?[ed]_range", "memory.c remap_pud_range"),
    ),
    _site(
        "remap_internal",
        "WARNING (or BUG): ... at mm/memory.c:NNN remap_pfn_range_internal",
        "remap_pfn_range_internal() (older: remap_pfn_range_notrack(), remap_pfn_range())",
        "A WARNING: remap_pfn_range() got a user address inside a page and refused with EINVAL. "
        "A BUG: it met a page-table entry that is not empty, or an empty range.",
        "The same function reports both; the first word of the header tells them apart. With "
        "mmap_lock.h or rwsem.h in the header it is a missing lock instead.",
        ("REMAP_UNALIGNED", "REMAP_OVER_EXISTING"),
        ("memory.c remap_pfn_range*",),
    ),
    _site(
        "insert_pfn_bug",
        "kernel BUG at mm/memory.c:NNN! in vmf_insert_pfn_prot",
        "vmf_insert_pfn_prot() in mm/memory.c, vmf_insert_pfn_pmd(), vmf_insert_pfn_pud()",
        "A raw pfn was inserted into a mapping whose flags do not allow it: neither VM_PFNMAP nor "
        "VM_MIXEDMAP, both of them, or a private writable mapping.",
        "It is the driver's mmap handler that forgot the flags, not the fault that found it.",
        ("INSERT_PFN_WRONG_VMA",),
        (
            "memory.c vmf_insert_pfn*", "memory.c __vm_insert_mixed", "huge_memory.c vmf_insert_p*",
            "memory.c vm_insert_page*", "memory.c vmf_insert_mixed*",
        ),
    ),
    _site(
        "memory_bug",
        "kernel BUG at mm/memory.c:NNN! (nothing else pasted)",
        "a BUG_ON() of mm/memory.c: remap_pte_range(), vmf_insert_pfn_prot() and others",
        "An assertion of mm/memory.c failed. Which one, the function in the RIP line says.",
        "remap_pfn_range* in the frames: pages remapped twice or too many. vmf_insert_pfn*: "
        "mapping without VM_PFNMAP. Neither: it is not about raw pfn mappings.",
        ("REMAP_OVER_EXISTING", "INSERT_PFN_WRONG_VMA"),
        ("mm/memory.c",),
    ),
    _site(
        "insert_pfn_differs",
        "WARNING: ... at mm/memory.c:NNN insert_pfn (insert_pfn_pmd, insert_pfn_pud, insert_pmd)",
        "insert_pfn() in mm/memory.c; insert_pfn_pmd() and its siblings in mm/huge_memory.c",
        "A fault handler inserted a pfn where another pfn is mapped already; the old entry stays.",
        "The driver changed what it backs without emptying the mapping first "
        "(unmap_mapping_range()).",
        ("UNCLASSIFIED_TRACE",),
        (
            "memory.c insert_pfn", "huge_memory.c insert_pfn_p*", "huge_memory.c insert_pmd",
            "huge_memory.c insert_pud", "huge_memory.c insert_*",
        ),
    ),
    _site(
        "reserve_pfn_range_warning",
        "WARNING: ... at arch/x86/mm/pat/memtype.c:NNN reserve_pfn_range",
        "reserve_pfn_range(), where the compiler put a check of memtype_reserve() into it",
        "A full remap asked for a range that the tree cannot hold, or for a type RAM cannot have; "
        "the lines beside the warning name the range.",
        "The call of the driver is above it: the frames name it.",
        ("RANGE_BOGUS", "UNCLASSIFIED_TRACE"),
        ("memtype.c reserve_pfn_range", "pat.c reserve_pfn_range"),
    ),
    _site(
        "pfnmap_warning",
        "WARNING: ... at arch/x86/mm/pat/memtype.c:NNN pfnmap_track (pfnmap_untrack)",
        "pfnmap_track() and pfnmap_untrack(), 6.16 and later",
        "The tracking of a remap (6.16 and later) met an impossible range or a failed release.",
        "In these kernels nothing is read back from page tables: fork, zap and split are not "
        "the cause. Look at the range, and at out-of-tree modules.",
        ("RANGE_BOGUS", "UNCLASSIFIED_TRACE"),
        ("memtype.c pfnmap_*",),
        "6.16",
    ),
    _site(
        "io_mapping_warning",
        "WARNING (or BUG): ... io_mapping_map_user (io_mapping_map_wc, ...)",
        "io_mapping_map_user() in mm/io-mapping.c, include/linux/io-mapping.h",
        "The graphics driver's window was used beyond its end, or by a mapping that lacks the "
        "flags of a raw pfn mapping.",
        "The caller is the driver in the frame above.",
        ("UNCLASSIFIED_TRACE",),
        ("io-mapping.c io_mapping_map_user", "io-mapping.h io_mapping_map_*wc"),
    ),
    _site(
        "mmap_action",
        "WARNING: ... at mm/util.c:NNN mmap_action_prepare (mmap_action_complete)",
        "check_mmap_action(), mmap_action_prepare(), mmap_action_complete() in mm/util.c",
        "A driver's mmap_prepare() asked for an action on the mapping that is not possible there, "
        "or changed the error of one.",
        "The first frame outside mm/ is the driver.",
        ("UNCLASSIFIED_TRACE",),
        ("util.c *mmap_action*",),
        "6.18",
    ),
    _site(
        "zap_range",
        "WARNING (or BUG): ... zap_vma_ptes, unmap_page_range, unmap_mapping_page: empty range",
        "the zap functions of mm/memory.c",
        "A driver emptied a range that is empty or runs backwards, or that is not inside the "
        "mapping.",
        "Address arithmetic of the caller; tracking is not reached.",
        ("UNCLASSIFIED_TRACE",),
        (
            "memory.c unmap_page_range", "memory.c zap_vma_*", "memory.c __zap_vma_range",
            "memory.c unmap_mapping_*", "memory.c unmap_vmas", "memory.c zap_page_range*",
        ),
    ),
    _site(
        "normal_page",
        "WARNING: ... at mm/memory.c:NNN vm_normal_page (__vm_normal_page)",
        "vm_normal_page() in mm/memory.c",
        "The page of a mapping was looked up and the entry is of a kind that should not be there "
        "(the zero page where none may be).",
        "Not about memory types; the caller decides.",
        ("UNCLASSIFIED_TRACE",),
        ("memory.c *vm_normal_page*",),
    ),
    _site(
        "moved_by_driver",
        "WARNING: ... at mm/mmap.c:NNN mmap_region (mm/vma.c from 6.12)",
        "mmap_region() in mm/mmap.c, __mmap_new_vma() in mm/vma.c",
        "Most likely a driver's mmap handler changed the address of the mapping (vm_start), which "
        "is not allowed; from 6.1 on the mmap fails with EINVAL then.",
        "Drivers moved vm_start to remap one mapping in parts; remap_pfn_range() with an address "
        "and a size does it without.",
        ("UNCLASSIFIED_TRACE",),
        ("mmap.c mmap_region", "mmap.c __mmap_region", "vma.c __mmap_new*", "vma.c __mmap_r*"),
    ),
    _site(
        "split_or_move",
        "WARNING: ... __split_vma, move_vma, exit_mmap, vm_area_free_rcu_cb",
        "mm/vma.c, mm/mremap.c, mm/mmap.c, kernel/fork.c",
        "The list of mappings of a process is inconsistent, or an address was not aligned.",
        "Not about memory types, even where a device mapping was split or moved.",
        ("UNCLASSIFIED_TRACE",),
        (
            "vma.c __split_vma", "mmap.c __split_vma", "mremap.c move_vma", "mmap.c exit_mmap",
            "fork.c vm_area_free*",
        ),
    ),
    _site(
        "bad_page_map",
        "BUG: Bad page map in process COMM pte:... pmd:...",
        "print_bad_pte() in mm/memory.c (7.x: print_bad_page_map())",
        "An entry in a page table is not what its mapping allows. In a raw pfn mapping (0x400 set "
        "in vm_flags) the driver's flags were lost or RAM was mapped without the special bit.",
        "Without 0x400 in vm_flags it is memory corruption or a driver of another kind, not this.",
        ("BAD_PAGE_MAP_PFNMAP", "NOT_PAT"),
        (),
        "",
        (
            "BUG: Bad page map in process *", "BUG: Bad page map: * messages suppressed",
            "addr:* vm_flags:* anon_vma:* mapping:*", "file:* fault:* mmap:*", "=pgd:*",
        ),
    ),
    _site(
        "mremap_private",
        "COMM (PID): attempted to duplicate a private mapping with mremap.",
        "vma_to_resize() in mm/mremap.c",
        "mremap() with an old size of zero duplicates shared mappings only; refused with EINVAL.",
        "Not about memory types.",
        ("NOT_PAT",),
        (),
        "up to 6.16",
        ("attempted to duplicate a private mapping with mremap",),
    ),
)  # fmt: skip
