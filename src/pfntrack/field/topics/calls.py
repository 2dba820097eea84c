"""Topics: functions of the kernel that drivers call or that traces show, and flags of VMAs."""

from __future__ import annotations

from pfntrack.field.topics.topic import CALLS, Topic


def _topic(names: str, answer: str, after: str) -> Topic:
    return Topic(CALLS, tuple(names.split()), answer, after)


CALL_TOPICS: tuple[Topic, ...] = (
    _topic(
        "ioremap devm_ioremap ioremap_nocache pci_iomap pci_ioremap_bar devm_ioremap_resource",
        "Maps device memory for the kernel and reserves it uncached-minus. Afterwards the whole "
        "range is uncached-minus for everybody, resourceN_wc and mmap() of write-combining "
        "included.",
        "pfntrack run kernel-uc-then-user-wc --release 6.12",
    ),
    _topic(
        "ioremap_wc devm_ioremap_wc pci_iomap_wc pci_iomap_wc_range io_mapping_create_wc "
        "io_mapping_init_wc devm_memremap_wc",
        "Maps device memory for the kernel write-combining, if nobody has reserved it otherwise; "
        "with PAT off it silently gives uncached-minus.",
        "pfntrack run ioremap-types --release 6.12",
    ),
    _topic(
        "ioremap_uc ioremap_np",
        "Strong uncached, whatever the MTRRs say; ioremap_np() does not exist on x86. Hardly any "
        "driver needs either.",
        "pfntrack explain UC-",
    ),
    _topic(
        "ioremap_cache ioremap_prot ioremap_encrypted ioremap_wt acpi_os_map_iomem",
        "Maps firmware tables and the like cached. Over device memory that the MTRRs do not call "
        "write-back the request becomes uncached-minus; RAM is refused with a warning.",
        "pfntrack run ioremap-types --release 6.12",
    ),
    _topic(
        "memremap devm_memremap devm_memremap_pages memremap_pages memunmap pmem DAX",
        "Maps memory without side effects: RAM through the direct map, else like ioremap_cache() "
        "or _wc(). Persistent memory is reserved write-back this way; a mixed range is refused.",
        "pfntrack explain 'memremap attempted on mixed range'",
    ),
    _topic(
        "iounmap",
        "Takes an ioremap() down and releases exactly its range; a bad address is only logged.",
        "pfntrack explain 'iounmap: bad address'",
    ),
    _topic(
        "remap_pfn_range io_remap_pfn_range remap_pfn_range_notrack remap_pfn_range_internal",
        "Maps physical pages into a VMA. Over the whole VMA it reserves the range with the type "
        "of vm_page_prot; over a part it only looks the type up and refuses mixed types with "
        "EINVAL. From 6.16 a VMA can be remapped whole only once.",
        "pfntrack compare two-remaps --with 6.12,7.3",
    ),
    _topic(
        "vm_iomap_memory",
        "Checks offset and length, then remap_pfn_range() over the whole VMA: the right call for "
        "mmap() of a BAR. Set vm_page_prot before it.",
        "pfntrack run iomap-with-offset --release 6.12",
    ),
    _topic(
        "vmf_insert_pfn vmf_insert_pfn_prot vm_insert_pfn vmf_insert_mixed vmf_insert_pfn_pmd "
        "vmf_insert_pfn_pud vmf_insert_mixed_mkwrite",
        "Maps one page (or huge page) in a fault handler; it reserves nothing and takes the type "
        "that is reserved, uncached-minus if nothing is. Keep an ioremap_wc() of the range for "
        "write-combining.",
        "pfntrack run fault-wc-under-ioremap --release 6.12",
    ),
    _topic(
        "pgprot_noncached pgprot_device",
        "Sets uncached-minus in vm_page_prot, before the remap. Together with "
        "pgprot_writecombine() it makes strong uncached up to 6.12.",
        "pfntrack explain UC-",
    ),
    _topic(
        "pgprot_writecombine pgprot_writethrough pgprot_dmacoherent",
        "Sets the type in vm_page_prot: a request, which the reservation that is already there "
        "overrides. Call it once, on an untouched vm_page_prot: up to 6.12 it only adds bits.",
        "pfntrack run map-wc --release 6.12",
    ),
    _topic(
        "set_memory_wc set_memory_uc set_memory_wb set_memory_wt set_pages_array_wc "
        "set_pages_array_uc set_pages_array_wb set_memory_np change_page_attr",
        "Changes the type of RAM that the kernel has mapped: the pages' type is stored in page "
        "flags, and a second request for another type is refused. Give pages back write-back.",
        "pfntrack run ram-asked-wc --release 6.12",
    ),
    _topic(
        "arch_phys_wc_add arch_phys_wc_del mtrr_add mtrr_add_page",
        "Asks for a write-combining MTRR only where PAT is off; with PAT on it does nothing and "
        "succeeds. A complaint of it proves that PAT is off.",
        "dmesg | grep -i 'x86/PAT'",
    ),
    _topic(
        "arch_io_reserve_memtype_wc arch_io_free_memtype_wc memtype_reserve_io memtype_free_io",
        "Reserves a BAR write-combining for faults of user space, without mapping it. It fails "
        "with EBUSY where somebody holds the BAR with another type.",
        "pfntrack explain memtype_reserve_io",
    ),
    _topic(
        "dma_mmap_coherent dma_mmap_wc dma_mmap_attrs dma_alloc_wc",
        "Maps DMA memory (RAM) by remap_pfn_range(); the type is that of its pages. A driver that "
        "calls it in pieces of one VMA is refused from 6.16 on.",
        "pfntrack explain TRACKCTX_SECOND_REMAP",
    ),
    _topic(
        "memtype_reserve reserve_memtype memtype_free free_memtype memtype_check_insert "
        "reserve_pfn_range free_pfn_range pat_x_mtrr_type",
        "The reservation list itself: a request gets the type of the first reservation that it "
        "overlaps, and is refused (EBUSY) if it overlaps two of different types. A release needs "
        "the exact range.",
        "sudo cat /sys/kernel/debug/x86/pat_memtype_list",
    ),
    _topic(
        "lookup_memtype pfnmap_setup_cachemode pfnmap_setup_cachemode_pfn track_pfn_insert",
        "The type of one page for a fault or a partial remap: what the list says, else "
        "uncached-minus. It takes one global lock, so storms of faults queue there.",
        "pfntrack explain LOOKUP_IN_STALL",
    ),
    _topic(
        "untrack_pfn untrack_pfn_vma untrack_pfn_clear untrack_pfn_moved get_pat_info VM_PAT",
        "Up to 6.15: releases the reservation of a tracked mapping, whose range it reads back "
        "from the first page-table entry. Where that is gone it warns once and the reservation "
        "stays.",
        "pfntrack compare zap-all-then-munmap --with 6.12,7.3",
    ),
    _topic(
        "track_pfn_remap track_pfn_copy track_pfn_vma_new track_pfn_vma_copy",
        "Up to 6.15: reserves the range of a mapping at remap_pfn_range(), and once more for the "
        "child at fork().",
        "pfntrack compare private-fork --with 6.12,7.3",
    ),
    _topic(
        "pfnmap_track pfnmap_untrack pfnmap_track_ctx pfnmap_track_ctx_release track_context",
        "From 6.16: one counted context holds the reservation of a whole mapping, shared by all "
        "its pieces and children, and released with the last of them.",
        "pfntrack run munmap-head --design track-context",
    ),
    _topic(
        "VM_PFNMAP VM_IO VM_MIXEDMAP PFNMAP pfnmap",
        "Flags of a VMA over device memory. VM_PFNMAP: entries without struct page, so nothing "
        "can be pinned; VM_MIXEDMAP: pages and pfns mixed, never reserved.",
        "sudo grep -B22 -w pf /proc/PID/smaps",
    ),
    _topic(
        "unmap_mapping_range zap_vma_ptes zap_page_range zap_special_vma_range truncate",
        "Empties mappings while they stay. Up to 6.15 any such zap of any part releases the whole "
        "reservation; the rest stays mapped without one, and munmap() warns later.",
        "pfntrack compare truncate-middle --with 6.12,7.3",
    ),
    _topic(
        "follow_pte follow_pfn follow_phys follow_pfnmap_start generic_access_phys "
        "access_process_vm",
        "Reads the pfn out of a page table, for KVM, VFIO and debuggers; the mmap lock must be "
        "held (asserted from 6.10 on).",
        "pfntrack explain UNTRACK_FROM_ZAP_WITHOUT_MMAP_LOCK",
    ),
    _topic(
        "MADV_DONTFORK dontfork",
        "Keeps a device mapping out of children. It avoids fork()'s ENOMEM on kernels up to 6.15.",
        "pfntrack run dontfork --release 6.12",
    ),
    _topic(
        "fork clone copy_page_range dup_mmap",
        "Up to 6.15 fork() reserves every tracked mapping once more for the child and fails "
        "(ENOMEM) if it cannot read the parent's first page; from 6.16 both share one context.",
        "pfntrack compare private-write-first --with 6.12,7.3",
    ),
    _topic(
        "mremap",
        "Moves or resizes a mapping; a raw pfn mapping cannot grow. Before 4.5 shrinking and "
        "moving left reservations behind.",
        "pfntrack compare mremap-shrink --with 3.7,6.12,7.3",
    ),
    _topic(
        "munmap mprotect split",
        "Unmapping or protecting a part splits the mapping. Up to 6.15 the pieces release ranges "
        "that are not reserved like this: freeing invalid memtype, and a reservation stays.",
        "pfntrack compare munmap-head --with 6.12,7.3",
    ),
)
