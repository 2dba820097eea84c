"""Diagnoses next to memory types: wrong addresses, missing locks, pinning, MTRRs."""

from __future__ import annotations

from pfntrack.field.catalogue.diagnoses.base import BOOT, DMESG, IOMEM, LIST, LSPCI, UNAME, C, Code
from pfntrack.field.read.kernelrelease import Window

_NEXT = "The frame above it names the caller: report it to that driver with the whole trace."

NEAR_CODES: tuple[Code, ...] = (
    Code(
        "REMAP_WITHOUT_WRITE_LOCK",
        "remap_pfn_range() without the mmap lock held for writing",
        "A driver called remap_pfn_range() outside its mmap handler, with the mmap lock held for "
        "reading only or not at all. The mapping is made; only the assertion complains.",
        "remap_pfn_range() sets flags of the mapping, and since 6.3 setting flags asserts that the "
        "mmap lock is held for writing; up to 6.8 the assertion is only active with lockdep.",
        "info",
        "harmless",
        (
            "Nothing is needed to keep working. The driver should take mmap_write_lock() around "
            "the call, or fill the mapping from its fault handler with vmf_insert_pfn().",
        ),
        (),
        (UNAME, DMESG),
        Window("6.3", None),
        (),
        (
            C("1c71222e5f23", "mm: replace vma->vm_flags direct modifications with modifier calls"),
            C("f70405afc99b", "locking: Add rwsem_assert_held() and rwsem_assert_held_write()"),
        ),
    ),
    Code(
        "REMAP_OVER_EXISTING",
        "remap_pfn_range() over pages that are mapped already",
        "A driver remapped pages that are filled already, or a range longer than the mapping, "
        "which runs into the next one; the kernel stops (BUG_ON) at a page-table entry that is not "
        "empty.",
        "Every page-table entry that remap_pfn_range() fills has to be empty.",
        "error",
        "crash",
        (
            "Fix the driver: check the length against the mapping (vm_end - vm_start), remap every "
            "page once, or zap the range first (zap_vma_ptes(), unmap_mapping_range()).",
        ),
        (),
        (UNAME, DMESG),
    ),
    Code(
        "INSERT_PFN_WRONG_VMA",
        "Page inserted into a mapping that is not prepared for it",
        "A driver inserted a raw pfn (vmf_insert_pfn() and relatives) into a mapping that lacks "
        "VM_PFNMAP or VM_MIXEDMAP, or that is a private writable one; the kernel stops (BUG_ON).",
        "vmf_insert_pfn() wants exactly one of VM_PFNMAP and VM_MIXEDMAP, and no copy-on-write "
        "mapping with VM_PFNMAP.",
        "error",
        "crash",
        ("Fix the driver: set the flags in its mmap handler, and refuse private writable mmaps.",),
        (),
        (UNAME, DMESG),
    ),
    Code(
        "REMAP_UNALIGNED",
        "remap_pfn_range() at an address that is not page-aligned",
        "A driver passed an address inside a page; the call was refused with EINVAL.",
        "remap_pfn_range() warns once and refuses when the user address is not page-aligned.",
        "warning",
        "mmap-EINVAL",
        ("Fix the driver's address arithmetic.",),
        (),
        (UNAME, DMESG),
    ),
    Code(
        "IOREMAP_ON_RAM",
        "ioremap() of system RAM",
        "A driver asked ioremap() for an address that is system RAM. It was refused: the "
        "address is wrong, or the driver meant memremap().",
        "ioremap() is for device memory; RAM is refused before memory types are looked at.",
        "error",
        "driver-failure",
        (
            "Compare the range with /proc/iomem, and report it to the driver (or to the firmware "
            "that supplied the address). A driver that wants RAM has to use memremap().",
        ),
        (),
        (IOMEM, DMESG),
    ),
    Code(
        "IOREMAP_BAD_REQUEST",
        "ioremap() was given an impossible range",
        "A driver called ioremap() with size zero, with a range that wraps around, or with an "
        "address beyond what the processor can address. It got no mapping.",
        "ioremap() checks the range before memory types are looked at; it warns once (6.x) for "
        "an empty or wrapped range and prints the address for one that is too large.",
        "error",
        "driver-failure",
        (
            "Look for an unassigned BAR (lspci, boot messages about resources): its address and "
            "size read as zero or all ones. " + _NEXT,
        ),
        (),
        (LSPCI, DMESG),
    ),
    Code(
        "IOREMAP_FAILED",
        "ioremap() failed; the reason is not in the text",
        "A driver got no mapping from ioremap(), and the kernel's own line, which says why, is not "
        "in the text.",
        "ioremap() refuses system RAM, empty or wrapped ranges, and ranges reserved with a type "
        "that excludes the wanted one, with a line for each; without a line only when kernel "
        "addresses or memory ran out (32-bit kernels). Other architectures have their own rules.",
        "warning",
        "driver-failure",
        (
            "Read the kernel log around the driver's line at all levels. `ioremap on RAM` or a "
            "range of /proc/iomem that says System RAM: the driver has to use memremap() or "
            "reserved memory. `conflicting memory types`: two owners; triage that log.",
        ),
        (),
        (DMESG, IOMEM),
    ),
    Code(
        "MEMREMAP_REFUSED",
        "memremap() of a range that is partly RAM",
        "A driver asked memremap() for a range that is RAM and something else, or for RAM with a "
        "type that RAM cannot get this way. It got no mapping.",
        "memremap() wants a range that is all RAM (write-back only) or no RAM at all.",
        "error",
        "driver-failure",
        ("Compare the range with /proc/iomem and report it to the driver or firmware.",),
        (),
        (IOMEM, DMESG),
    ),
    Code(
        "IOUNMAP_BAD_ADDRESS",
        "iounmap() of something that is not mapped",
        "A driver gave iounmap() an address that is no ioremap mapping (twice unmapped, or never "
        "mapped). Nothing is unmapped, no reservation is released.",
        "iounmap() looks the address up among the kernel's mappings.",
        "warning",
        "driver-bug",
        (_NEXT,),
        (),
        (UNAME, DMESG),
    ),
    Code(
        "SET_MEMORY_UNMAPPED",
        "set_memory_*() on an address without a page-table entry",
        "A driver asked to change the memory type of kernel addresses that are not mapped.",
        "set_memory_*() walks the kernel's page tables; an address without an entry outside the "
        "direct map is refused with a warning.",
        "warning",
        "driver-failure",
        ("The address comes from the caller: " + _NEXT,),
        (),
        (UNAME, DMESG),
    ),
    Code(
        "PFNMAP_NOT_PINNABLE",
        "Device memory cannot be pinned",
        "Something tried to pin a mapping of device memory (for RDMA, iommufd, VFIO DMA, CUDA or "
        "HIP registration) and was refused with EFAULT: such a mapping has no pages to pin.",
        "get_user_pages() and pin_user_pages() refuse mappings with VM_PFNMAP or VM_IO on every "
        "kernel. Only callers with a path of their own (the VFIO type 1 IOMMU driver for VFIO "
        "mappings, dma-buf) can use them.",
        "warning",
        "registration-refused",
        (
            "Hand the memory over as a dma-buf (VFIO_DEVICE_FEATURE_DMA_BUF with "
            "IOMMU_IOAS_MAP_FILE since 6.19, ibv_reg_dmabuf_mr()), or switch peer-to-peer mapping "
            "off in the monitor if it is not needed.",
        ),
        (),
        (UNAME, DMESG),
    ),
    Code(
        "BAR_MMAP_REFUSED",
        "The monitor could not map a BAR; the reason is not in the text",
        "The virtual machine monitor could not map a BAR or access it; it emulates the accesses "
        "instead, slowly, or the device fails. Why, the kernel log says, not this text.",
        'Two reasons are common: another owner holds the BAR (a line with "can\'t reserve"), or '
        'memory types conflict (a line with "conflicting memory types").',
        "warning",
        "vm-slow",
        ("Run the first command and triage its output: one of the two lines will be in it.",),
        (),
        (DMESG, IOMEM),
    ),
    Code(
        "MMAP_FAILED_SILENTLY",
        "mmap() failed and nothing in the text says why",
        "A mapping was refused, and no kernel message in the text explains it.",
        "These refuse without a message, in the order in which they are met: a wrong length or "
        "offset; strict devmem (/dev/mem, sysfs resource files of a bound device); a second "
        "full remap of one mapping (6.16 and later); a partial remap over different types. A "
        "conflict of types prints two lines, but at info level, so they are often hidden.",
        "warning",
        "mmap-EINVAL",
        (
            "Read the whole log first (first command). If it holds no x86/PAT line, look whether "
            "a driver is bound to the device and whether CONFIG_IO_STRICT_DEVMEM is set.",
        ),
        (),
        (DMESG, LSPCI),
    ),
    Code(
        "LOOKUP_IN_STALL",
        "A stall while memory types were looked up",
        "A CPU was stuck or slow, and its trace is inside the look-up of a memory type.",
        "Each look-up takes one global lock and walks the list of reservations. Fault storms over "
        "large device mappings spend their time there; a CPU that waits for the lock is a victim "
        "of whoever holds it.",
        "warning",
        "slow",
        (
            "Compare the traces of all CPUs: one that is inside memtype_reserve() or in the "
            "list code holds the lock, the others only wait. A list of thousands of rows "
            "(second command) makes each look-up slow.",
        ),
        (),
        (DMESG, LIST + " | wc -l"),
    ),
    Code(
        "FORK_COPY_FAILED",
        "fork() could not read the range of the parent's mapping",
        "fork() wanted to reserve the parent's device mapping once more for the child and could "
        "not read its physical range, because the first page is gone or was copied. "
        "The fork fails; nothing is torn down here and nothing leaks by it.",
        "Up to 6.15 track_pfn_copy() reads the range to reserve for the child from the first "
        "page-table entry of the parent's mapping.",
        "warning",
        "fork-fails",
        (
            "Use 6.16 or later, where fork() shares the parent's context.",
            "Until then exclude the mapping from fork: madvise(MADV_DONTFORK).",
        ),
        (),
        (UNAME, DMESG),
        Window("2.6.29", "6.16"),
        (C("f8e97613fed2", "mm: convert VM_PFNMAP tracking to pfnmap_track() + pfnmap_untrack()"),),
    ),
    Code(
        "BAD_PAGE_MAP_PFNMAP",
        "Page table of a device mapping holds what does not belong there",
        "The kernel found an entry in a raw pfn mapping (VM_PFNMAP) that it cannot account for: a "
        "page of RAM with a page structure, or an entry left by a driver that copied the mapping.",
        "Entries of a raw pfn mapping are special and have no page behind them. Changing a copy "
        "of the mapping's descriptor instead of the real one loses exactly these flags.",
        "error",
        "corruption-possible",
        ("Report it to the driver whose file is mapped (the lines with file: and mmap: name it).",),
        (),
        (UNAME, DMESG),
    ),
    Code(
        "UNCLASSIFIED_TRACE",
        "A trace through this code without a known cause",
        "The trace goes through the code for memory types or raw pfn mappings, but it is none of "
        "the cases that are known.",
        "The functions decide, not the offsets: none of the combinations known for these releases "
        "fits.",
        "warning",
        "unknown",
        (
            "The whole trace, the lines before it and the kernel release would decide it; "
            "report it to the maintainers of the caller.",
        ),
        (),
        (UNAME, DMESG),
    ),
    Code(
        "PAT_OFF",
        "PAT is off; the reason is not in the text",
        "PAT is not in use on this machine, so write-combining is served as uncached-minus.",
        "arch_phys_wc_add() asks for an MTRR only where PAT is off; with PAT it returns before it "
        "could fail. So its complaint proves that PAT is off.",
        "warning",
        "slow",
        (
            "Find the x86/PAT line earlier in the log: it names the reason. In a virtual machine: "
            "kernels 4.6 to 6.1 switch PAT off where the hypervisor offers no MTRRs; use 6.2 or "
            "later. An option that turns PAT off may also stand on the command line.",
        ),
        (),
        (BOOT, "cat /proc/cmdline"),
    ),
    Code(
        "PAT_CPUS_DIFFER",
        "A processor without PAT beside one with it",
        "The boot processor has PAT and is using it, another processor has not.",
        "All processors must decode page tables alike; the kernel cannot go on.",
        "error",
        "crash",
        ("Give all processors (or all virtual ones) the same model; update the firmware.",),
        (),
        (BOOT, "cat /proc/cpuinfo"),
    ),
    Code(
        "WC_UNAVAILABLE_TO_DRIVER",
        "The driver says that write-combining is unavailable",
        "A driver tested for write-combining itself and found none. Some go on without it, with "
        "slow writes to the device; NVIDIA's refuses the allocations that need it.",
        "Such tests look at the PAT table or measure. In guests (Xen PV, TDX, SEV) the table "
        "differs or the hypervisor overrides the type, although PAT itself may be on.",
        "warning",
        "slow-or-refused",
        (
            "Compare with the boot line x86/PAT: Configuration. If it holds WC, PAT works and the "
            "driver's test or the hypervisor is the cause; else see why PAT is off.",
        ),
        (),
        (BOOT, UNAME),
    ),
    Code(
        "FRAMEBUFFER_NOT_MAPPED",
        "A framebuffer driver could not map its memory",
        "The framebuffer driver got no mapping of the video memory from ioremap().",
        "The reason is in the lines before it: a conflict of types (-16), a bad range, or no "
        "address space left.",
        "warning",
        "driver-failure",
        ("Read the lines before it at log level debug; the range is in /proc/iomem.",),
        (),
        (DMESG, IOMEM),
    ),
    Code(
        "MTRR_REQUEST_REFUSED",
        "An MTRR request was refused",
        "A driver asked for an MTRR (or gave one back) and was refused.",
        "MTRRs are the older mechanism. With PAT the type comes from the page tables.",
        "info",
        "harmless",
        (
            "Ignore it where PAT is on; there the failed request costs nothing. Without PAT the "
            "memory stays uncached and slow.",
        ),
        (),
        (BOOT, "cat /proc/mtrr"),
    ),
    Code(
        "MTRR_CPUS_DIFFER",
        "MTRRs differed between processors",
        "The firmware set the MTRRs of the processors differently; the kernel corrected it at boot "
        "by copying those of the boot processor.",
        "All processors have to agree on MTRRs; the kernel enforces that at boot.",
        "info",
        "harmless",
        ("Nothing now. A firmware update cures it; if the message comes after resume, report it.",),
        (),
        (BOOT, "cat /proc/mtrr"),
    ),
    Code(
        "MTRR_STATE",
        "State of the MTRRs, told at boot",
        "The kernel reports how it found the MTRRs.",
        "Memory types of RAM come from the MTRRs, those of mappings from PAT.",
        "none",
        "harmless",
        (),
        (),
        (BOOT, "cat /proc/mtrr"),
    ),
)
