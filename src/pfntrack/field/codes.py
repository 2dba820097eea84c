"""The catalogue of diagnoses: for each code what it means, the rule behind it, cure and traps.

Pure data. Windows count mainline and kernel.org stable releases; Debian keeps the
upstream number, so the same window holds for its kernels.
"""

from __future__ import annotations

import attrs

from pfntrack.field.kernelrelease import Window

LIST = "sudo cat /sys/kernel/debug/x86/pat_memtype_list"
IOMEM = "sudo cat /proc/iomem"
UNAME = "uname -a"
LSPCI = "sudo lspci -nnk -vv"
DMESG = "sudo dmesg --level=emerg,alert,crit,err,warn,notice,info,debug"
BOOT = "sudo dmesg | grep -i -e PAT -e MTRR"

NEVER_NOPAT = (
    "Do not boot with nopat: it only silences the check, costs write-combining everywhere and "
    "leaves the aliasing in place."
)
NEVER_PATCH = (
    "Do not patch the conflict check out of the kernel: aliased types corrupt data silently."
)
NEVER_FREE = (
    "Do not free reservations by hand or with a module that frees ranges: without proof that no "
    "mapping is left, a live user loses its protection."
)


@attrs.frozen(slots=True)
class Citation:
    """Where a statement comes from: a commit, a public thread, or the kernel source."""

    ref: str
    title: str


@attrs.frozen(slots=True)
class Code:
    """One diagnosis of the vocabulary."""

    code: str
    title: str
    what: str
    rule: str
    severity: str
    harm: str
    do: tuple[str, ...]
    dont: tuple[str, ...] = ()
    commands: tuple[str, str] = (LIST, IOMEM)
    window: Window | None = None
    fixed_by: tuple[Citation, ...] = ()
    see: tuple[Citation, ...] = ()
    followups: tuple[str, ...] = ()


_TWO_ENTRIES = (
    "A request that overlaps reservations of one single type is given that type. "
    '"conflicting memory types A<->B" is printed only when the range overlaps at least two '
    "existing reservations of different types: A is the type of the leftmost, B the first that "
    "differs. Neither has to be the type that was asked for, and the task in the message is only "
    "the one that came last."
)
_ONE_ENTRY = (
    "One existing reservation dictates the type. The newcomer accepts it, except in four cases: "
    "uncached-minus, write-combining or write-through asked where write-back is reserved, and "
    "write-through where write-combining is reserved. Only these are refused."
)
_NO_OWNER = (
    "A reservation has no owner; it is found again by its exact range only. From 4.5 to 6.15 a "
    "release may also cut the tail off a longer reservation that ends at the same address."
)
_PFN_FROM_PTE = (
    "Up to 6.15 the physical range to release is read back from the first page-table entry of the "
    "mapping. When that entry is gone or is no device page, the kernel warns once and releases "
    "nothing (WARN_ON_ONCE: silence afterwards proves nothing)."
)
_RAM_FLAGS = (
    "RAM is not in the reservation tree: its type lives in page flags, one type per page, without "
    "a count. Mapping RAM never changes the flags; the mapping gets the type of the first page."
)
_C = Citation
_REWORK = (
    _C("f8e97613fed2", "mm: convert VM_PFNMAP tracking to pfnmap_track() + pfnmap_untrack()"),
    _C("cba4dbeb7bfc", "the same 6.16 series: releases match exactly or not at all"),
)
_REWORK_WINDOW = Window("4.5", "6.16")

_ALL = (
    Code(
        "RAM_TYPE_OVERRIDDEN",
        "RAM mapped with another type than its pages have",
        "A driver or /dev/mem mapped system RAM into a process with a memory type that the pages "
        "do not have. The mapping was made, with the type of the pages instead.",
        _RAM_FLAGS,
        "info",
        "harmless-unless-the-type-matters",
        (
            "If the device reads these pages without snooping the CPU caches, fix the exporter: "
            "set_memory_wc()/set_pages_array_wc() when the buffer is allocated and set_memory_wb() "
            "before the pages go back; never one without the other.",
            "If the owner already chose a type, let the second user ask for the same one.",
            "If the device is cache-coherent (x86 DMA normally is), map the pages without changing "
            "the protection; the line then disappears and nothing else changes.",
        ),
        (NEVER_NOPAT,),
        (UNAME, DMESG),
        None,
        (),
        (
            _C("arch/x86/mm/pat/memtype.c:reserve_pfn_range", "RAM branch"),
            _C("LKML 2019-09-29, ion_system_heap: support X86 archtecture", "set_memory_* missing"),
            _C("intel-gfx 2021, i915: fix remap_io_sg to verify the pgprot", "reverted in 5.13"),
        ),
        ("GPU hang, stale data or corruption where the device does not snoop",),
    ),
    Code(
        "RAM_TYPE_ALREADY_SET",
        "RAM page already has a type",
        "set_memory_*() or ioremap() asked for a type on RAM pages that already carry a type "
        "other than write-back.",
        "RAM types are page flags without a count: a page that is not write-back refuses every "
        "further request, even for the same type.",
        "info",
        "harmless-or-driver-bug",
        (
            "Usually a driver that types the same page twice or never sets it back to write-back; "
            "harmless if the types are equal. Report it to the driver.",
            "If ioremap failed in consequence, the address comes from firmware or a driver and "
            "points into RAM; ask for its source (ACPI method, resource).",
        ),
        (NEVER_NOPAT,),
        (UNAME, DMESG),
        None,
        (),
        (_C("9542ada80319", "x86: track memtype for RAM in page struct"),),
        ("ioremap memtype_reserve failed -16", "ACPI errors about unmappable memory"),
    ),
    Code(
        "REQ_UC_EXISTING_WB",
        "Uncached, combining or through asked over an existing write-back reservation",
        "Somebody asked for an uncached, write-combining or write-through mapping of a range that "
        "is already reserved cached, and was refused.",
        _ONE_ENTRY,
        "error",
        "mapping-refused",
        (
            "Find who reserved the range write-back: ACPI tables and operation regions, SMBIOS, "
            "memremap(), a framebuffer or uio region (see /proc/iomem and the memtype list).",
            "Make the second mapping cached as well (uio and fb drivers can choose their "
            "protection; tools can open /dev/mem without O_SYNC), or use the kernel driver that "
            "owns the device instead of a tool.",
            'In SNP or TDX guests with a failing TPM: a kernel with "x86/kvm: Force legacy PCI '
            'hole to UC when overriding MTRRs for TDX/SNP" (Debian 6.12.57 and later).',
        ),
        (NEVER_NOPAT, NEVER_PATCH),
        (LIST, IOMEM),
        None,
        (),
        (
            _C("arch/x86/include/asm/pgtable.h:is_new_memtype_allowed", "the four refused pairs"),
            _C("8e690b817e38", "x86/kvm: Override default caching mode for SEV-SNP and TDX"),
            _C(
                "linux-hyperv 5.4.y, hyperv_fb", "VRAM tracked write-back, fb mmap EINVAL; reverted"
            ),
        ),
        ("probe of the device fails with -12", "mmap returns EINVAL or EAGAIN"),
    ),
    Code(
        "REQ_WP_ENCODED_AS_OTHER",
        "The type asked for has no encoding of its own",
        "The type asked for (write-protected, or write-through on a changed or old table) shares "
        "its page-table encoding with another type, so the kernel compared a type nobody chose.",
        "A page-table entry holds a slot number, not a type. A type that the PAT table does not "
        "contain is encoded as uncached-minus and reads back as that. The pair in the message is "
        "none of the four that the kernel refuses, so the decoded types cannot be the "
        "intended ones.",
        "error",
        "mapping-refused",
        (
            'Compare with the boot line "x86/PAT: Configuration [0-7]": a type that is not in it '
            "cannot be mapped. Use one that is.",
            "Do not write the PAT register behind the kernel's back; it decodes entries with its "
            "own table.",
        ),
        (NEVER_NOPAT,),
        (BOOT, LIST),
        None,
        (),
        (_C("arch/x86/mm/init.c:update_cache_mode_entry", "slots and the modes they decode to"),),
    ),
    Code(
        "RANGE_SPANS_MIXED_OWNERS",
        "The range covers reservations of different types",
        "The requested range covers at least two reservations that others hold with different "
        "types, typically a whole BAR of which a driver mapped parts write-combining and parts "
        "uncached.",
        _TWO_ENTRIES,
        "error",
        "mapping-refused",
        (
            "List the reservations that overlap the range and who holds them (run again with "
            "--memtype-list and --iomem); the two that differ are the cause.",
            "Map only the part that is needed and has one type, or start the consumer before the "
            "driver makes its mappings, or unbind that driver first.",
            "Report to the vendor of the driver: it should keep one type for what it shares.",
        ),
        (NEVER_NOPAT, NEVER_PATCH, NEVER_FREE),
        (LIST, IOMEM),
        None,
        (),
        (_C("arch/x86/mm/pat/memtype_interval.c:memtype_check_conflict", "source of the line"),),
        ("devres warnings from the error path", "driver errors about a failed mapping"),
    ),
    Code(
        "RANGE_CROSSES_RESOURCE",
        "The range runs over the end of a BAR or resource",
        "The requested range begins in one device window and ends in the next, so it meets "
        "reservations that were never meant for it.",
        _TWO_ENTRIES,
        "error",
        "driver-failure",
        (
            "This is arithmetic in the driver that asked (offset plus size exceeds its window): "
            "update or report the driver with the range and the window from lspci.",
            "Avoid the feature that triggers the mapping until then (for graphics: hardware video "
            "decoding in the application named in the line).",
        ),
        (NEVER_NOPAT, NEVER_PATCH),
        (LSPCI, IOMEM),
        None,
        (),
        (_C("kernel/resource.c:iomem_map_sanity_check", "range against resources"),),
        ("GPU faults (Xid 31, 32) and lost contexts afterwards",),
    ),
    Code(
        "RANGE_BOGUS",
        "Impossible range: the caller's arithmetic",
        "The range itself cannot be right: wrapped, negative, empty, all ones, or far larger than "
        "any window of the device.",
        "memtype_reserve() refuses start >= end with a warning; every other absurd range is "
        "treated as real and collides with whatever it covers. PAT is only the messenger.",
        "error",
        "driver-failure",
        (
            "Look for the size or address computation of the driver in the lines before (a size "
            "read as zero, an unassigned BAR, an offset that wraps) and report it there.",
            "For an unassigned BAR (0 to all ones): check resource allocation messages; try "
            "without pci=realloc or hpmemsize options; a kernel with the follow-up fix to the "
            "bridge-window sizing change 67f9085596ee.",
        ),
        (NEVER_NOPAT,),
        (LSPCI, DMESG),
        None,
        (),
        (
            _C("67f9085596ee", "PCI: bridge window sizing, 6.15-rc; BAR left unassigned"),
            _C("syzbot 353be47c9ce21b68b7ed", "usbfs: wrapped range"),
            _C("kernel bugzilla 11346", "2.6.27-rc: BUG in reserve_memtype, wrapped ACPI table"),
        ),
        ("ioremap memtype_reserve failed -16 or -22", "probe fails with -12"),
    ),
    Code(
        "CONFLICT_UNDERSPECIFIED",
        "A conflict, but not enough facts",
        "The kernel refused a mapping because of memory types, but addresses or the task are "
        "missing from what was sent, so the two reservations cannot be named.",
        _TWO_ENTRIES,
        "warning",
        "mapping-refused",
        ("Send the lines unedited, and the output of the two commands below from the same boot.",),
        (NEVER_NOPAT, NEVER_PATCH, NEVER_FREE),
        (LIST, IOMEM),
        None,
        (),
        (_C("arch/x86/mm/pat/memtype_interval.c:memtype_check_conflict", "source of the line"),),
    ),
    Code(
        "STALE_OR_LIVE_GPU_RESERVATION",
        "Passthrough: the host driver's reservations are still there",
        "A virtual machine maps a passed-through device, and reservations of the host driver "
        "still cover the BAR. Whether they are stale or still in use has to be decided first.",
        _TWO_ENTRIES,
        "error",
        "vm-slow",
        (
            "Decide live or stale: is a host driver still bound (lspci -k), does /proc/iomem show "
            "a name below the BAR, does a process map it (/proc/*/maps)? Run again with --lspci, "
            "--iomem, --maps or --snapshot.",
            "If live: stop what uses the card on the host and unbind its driver before the VM "
            "starts; better, bind the card to vfio-pci at boot.",
            "If stale: kernels 5.14 to 6.10 lose releases when amdgpu with SVM or another device "
            "memory user raised the direct-map limit; use 6.11 or later (6.10.10, 6.1.110). Until "
            "then a reboot clears them.",
        ),
        (
            NEVER_FREE,
            NEVER_PATCH,
            NEVER_NOPAT,
            "The nvidia module option NVreg_UsePageAttributeTable on the kernel command line does "
            "nothing for this.",
        ),
        (LIST, LSPCI),
        Window("5.14", "6.11", (("6.10", "6.10.10"), ("6.1", "6.1.110"))),
        (
            _C(
                "ea72ce5da228",
                "x86/kaslr: Expose and use the end of the physical memory address space",
            ),
        ),
        (
            _C(
                "freedesktop drm/amd 2794",
                "leftover entries grow with every bind cycle (link inferred)",
            ),
        ),
        (
            "ioremap memtype_reserve failed -16",
            "QEMU: Failed to mmap BAR, vfio_region_write failed",
        ),
    ),
    Code(
        "LIVE_DRIVER_VS_XORG",
        "User space maps an aperture that a live kernel driver holds",
        "A graphics program maps a whole BAR or aperture directly while the kernel's graphics "
        "driver holds parts of it with another type.",
        _TWO_ENTRIES,
        "error",
        "mapping-refused",
        (
            "Use the kernel mode-setting driver and a display server that goes through it instead "
            "of mapping the BAR; update both together.",
            "Do not run tools that poke the card through /dev/mem while its driver is loaded.",
        ),
        (NEVER_NOPAT, NEVER_PATCH),
        (LIST, LSPCI),
        None,
        (),
        (
            _C(
                "linux-kernel 2009-09-18, 2.6.31-git7 Xorg conflicting memory types",
                "i915 aperture",
            ),
        ),
        ("the display server dies or falls back", "freeing invalid memtype of the same range"),
    ),
    Code(
        "LIVE_DRIVER_VS_FBDEV",
        "Framebuffer mapping against the live graphics driver",
        "A program maps the framebuffer device with one type while the graphics driver has mapped "
        "parts of the same memory with others.",
        _TWO_ENTRIES,
        "error",
        "mapping-refused",
        (
            "The framebuffer driver has to use one type for its memory (pgprot_writecombine() in "
            "its fb_mmap, ioremap_wc() in the kernel); report it there.",
            "Raise the log level (loglevel=7): the reason is printed at info level.",
        ),
        (NEVER_NOPAT, NEVER_PATCH),
        (LIST, IOMEM),
        None,
        (),
        (_C("arch/x86/mm/pat/memtype_interval.c:memtype_check_conflict", "source of the line"),),
        ("the display server or splash screen dies",),
    ),
    Code(
        "KERNEL_BUG_SANITIZE_PHYS",
        "Range at the top of the physical address space",
        "The range ends exactly where the physical address space ends; the kernel masked its "
        "exclusive end to zero and then saw an empty range.",
        "memtype_reserve() masked the exclusive end. Masking must be done on the last byte. "
        "memtype_free() still does it the wrong way, so such a range cannot be released.",
        "error",
        "driver-failure",
        (
            "Use a kernel with the fix: 5.15, or stable 5.14.7 or 5.10.68 and later.",
            "On fixed kernels a release of such a range still fails; it is harmless apart from the "
            "reservation that stays.",
        ),
        (NEVER_NOPAT,),
        (UNAME, LSPCI),
        Window("4.19", "5.15", (("5.14", "5.14.7"), ("5.10", "5.10.68"))),
        (_C("aeef8b5089b7", "x86/pat: Pass valid address to sanitize_phys()"),),
        (_C("510ee090abc3", "x86/mm/pat: Prevent hang during boot when mapping pages"),),
        ("ioremap memtype_reserve failed -22", "the driver cannot map its registers"),
    ),
    Code(
        "KERNEL_BUG_SIGN_EXTENSION",
        "32-bit physical address was sign-extended",
        "A 32-bit kernel widened a physical address above 2 GiB as if it were negative when it "
        "released the mapping, did not find that range and left the reservation behind.",
        "A release is found by its exact range; no physical address has its upper half all ones.",
        "info",
        "leak",
        ("Ignore it: one reservation stays until reboot. Any later kernel is free of it.",),
        (NEVER_NOPAT,),
        (UNAME, LIST),
        Window("2.6.29", "2.6.32"),
        (),
        (_C("32-bit 2.6.31 boot logs", "usplash: freeing invalid memtype ffffffff..."),),
    ),
    Code(
        "KERNEL_BUG_MREMAP_SHRINK",
        "mremap() shrink of a tracked mapping",
        "A mapping was shrunk, the kernel tried to release the part that was cut off, found no "
        "reservation of exactly that range, and the whole reservation stays.",
        _NO_OWNER,
        "info",
        "leak",
        ("Use 4.5 or later (6.16 removes the whole class).",),
        (NEVER_NOPAT, NEVER_FREE),
        (UNAME, LIST),
        Window("3.7", "4.5"),
        (_C("2039e6acaf94", "x86/mm/pat: Change free_memtype() to support shrinking case"),),
        (),
    ),
    Code(
        "KERNEL_BUG_VMA_SPLIT",
        "Piece of a split mapping released",
        "A mapping was split (partial munmap or mprotect) and a head or middle piece was released; "
        "no reservation of that range exists, so the piece stays reserved.",
        _NO_OWNER,
        "info",
        "leak",
        (
            "Use 6.16 or later, where a reservation lives until the last piece is gone.",
            "Until then unmap in the shape of the mmap, or from the top down.",
        ),
        (NEVER_NOPAT, NEVER_FREE),
        (UNAME, LIST),
        _REWORK_WINDOW,
        _REWORK,
        (_C("LKML 2024-08, Support splitting of virtual memory areas", "analysis, never merged"),),
        ("later requests for the range get the stale type or are refused",),
    ),
    Code(
        "KERNEL_BUG_AMBIGUOUS_FREE",
        "A release took the wrong reservation",
        "Two overlapping reservations existed and releasing a piece of one shortened the other; "
        "later releases miss, and dead reservations stay.",
        _NO_OWNER,
        "info",
        "wrong-owner",
        (
            "Use 6.16 or later, where only exact ranges are released.",
            "Avoid partial unmaps of overlapping mappings of one device until then.",
        ),
        (NEVER_NOPAT, NEVER_FREE),
        (UNAME, LIST),
        _REWORK_WINDOW,
        _REWORK,
        (_C("LKML 2024-09, splitting of virtual memory areas", "two mappings, one partial unmap"),),
    ),
    Code(
        "UNMAP_SHAPE_DIFFERS",
        "Releases in another shape than the mappings",
        "Many releases miss because a program or driver unmaps device memory in pieces other than "
        "it was mapped, or releases ranges that were never reserved.",
        _NO_OWNER,
        "info",
        "leak",
        (
            "Unmap in the shape of the mmap, or use 6.16 or later.",
            "On 6.16 and later mmap cannot cause this: suspect a driver or out-of-tree module "
            "that calls the release itself (page 0 again and again: pages never allocated).",
        ),
        (NEVER_NOPAT, NEVER_FREE),
        (UNAME, LIST),
        _REWORK_WINDOW,
        _REWORK,
        (_C("NVIDIA/open-gpu-kernel-modules 1277", "flood for page 0 from an error path"),),
    ),
    Code(
        "SET_MEMORY_ON_TRACKED_PMEM",
        "Poison handling on tracked persistent memory",
        "A poisoned page of persistent memory was to be made uncached, but its namespace is "
        "reserved write-back, so the page could not be isolated; clearing the poison later "
        "released a reservation that never existed.",
        "set_memory_*() on memory outside RAM passes no slack: any difference is a conflict. In "
        "this one case A is the request and B the existing reservation.",
        "error",
        "containment-failed",
        (
            "Use 5.19 or later: the page is then unmapped instead of retyped.",
            'The "freeing invalid memtype" for the same page after the poison was cleared is '
            "harmless.",
            "Treat the memory error itself: ndctl list -M, clear the bad block.",
        ),
        (NEVER_NOPAT, NEVER_PATCH),
        (UNAME, LIST),
        Window(None, "5.19"),
        (_C("5898b43af954", "mce: fix set_mce_nospec to always unmap the whole page"),),
        (_C("linux-nvdimm 2021-2022, set_memory_uc on pmem", "discussion"),),
        ("Could not invalidate pfn from 1:1 map",),
    ),
    Code(
        "UNTRACK_AFTER_ZAP",
        "Mapping was emptied before it was unmapped",
        "The pages of a tracked mapping were removed earlier (suspend, driver reset, revoke, "
        "truncation), and the later munmap or exit found nothing to read the range from.",
        _PFN_FROM_PTE,
        "warning",
        "leak",
        (
            "Use 6.16 or later, where the range is kept with the mapping.",
            "The reservation stays until reboot; no data is at risk.",
        ),
        (NEVER_NOPAT, NEVER_FREE),
        (UNAME, DMESG),
        Window("3.7", "6.16"),
        _REWORK,
        (_C("20240712144244.3090089-1-peterx@redhat.com", "warning right after resume"),),
    ),
    Code(
        "UNTRACK_FROM_ZAP_WITHOUT_MMAP_LOCK",
        "Tracked mapping emptied through its file",
        "Truncating or revoking through the file (unmap_mapping_range) reached the release of the "
        "reservation, which walks page tables without the lock that this needs and releases the "
        "whole range although only a part was emptied.",
        "Up to 6.15 any emptying of any part of a tracked mapping releases its whole reservation. "
        "From 6.10 the page-table walk asserts the mmap lock, which this path does not hold.",
        "warning",
        "protection-lost",
        (
            "Use 6.16 or later.",
            "Expect the warning at every suspend with drivers that revoke mappings; what is still "
            "mapped afterwards has no reservation.",
        ),
        (NEVER_NOPAT,),
        (UNAME, DMESG),
        Window("3.7", "6.16"),
        _REWORK,
        (
            _C("c5541ba378e3", "mm: follow_pte() improvements (the assertion, 6.10)"),
            _C("syzbot 35a4414f6e247f515443", "WARNING in follow_pte"),
        ),
    ),
    Code(
        "UNTRACK_COW_FIRST_PAGE",
        "First page of a private mapping was copied",
        "The first page of a private, writable mapping of device memory had been copied on write "
        "(and possibly swapped out), so the entry read at exit was not the device page.",
        _PFN_FROM_PTE,
        "warning",
        "leak",
        ("Use a kernel with the fix: 6.9, or 6.8.5, 6.6.26, 6.1.85 and later in their series.",),
        (NEVER_NOPAT,),
        (UNAME, DMESG),
        Window(
            "3.7",
            "6.9",
            (
                ("6.8", "6.8.5"),
                ("6.6", "6.6.26"),
                ("6.1", "6.1.85"),
                ("5.15", "5.15.154"),
                ("5.10", "5.10.215"),
                ("5.4", "5.4.274"),
                ("4.19", "4.19.312"),
            ),
        ),
        (_C("04c35ab3bdae", "x86/mm/pat: fix VM_PAT handling in COW mappings (CVE-2024-35877)"),),
        (),
    ),
    Code(
        "UNTRACK_FAILED_FORK",
        "Failed fork tore down a mapping it had not tracked",
        "fork() failed half-way and the cleanup released the child's copy of a mapping that was "
        "never reserved or never filled.",
        _PFN_FROM_PTE + " Up to 6.15 fork also reserved once more for the child, with a strict "
        "comparison of types.",
        "warning",
        "leak",
        (
            "Use 6.15 or later, or 6.12.31 (6.12.23 to 6.12.30 have the fix but leak on mremap and "
            "split), or 6.1.160.",
            "The fork failed for another reason (memory, a limit, or the first page had been "
            "copied); "
            "that is what to look for.",
        ),
        (NEVER_NOPAT,),
        (UNAME, DMESG),
        Window(
            "2.6.29",
            "6.15",
            (("6.14", "6.14.2"), ("6.13", "6.13.11"), ("6.12", "6.12.23"), ("6.1", "6.1.160")),
        ),
        (
            _C("d155df53f310", "x86/mm/pat: clear VM_PAT if copy_p4d_range failed"),
            _C(
                "dc84bc2aba85", "x86/mm/pat: Fix VM_PAT handling when fork() fails (CVE-2025-22090)"
            ),
            _C("e9f180d7cfde", "x86/mm/pat: fix of the above for split and mremap"),
        ),
        (_C("syzbot 5f488e922d047d8f00cc", "WARNING in untrack_pfn"),),
    ),
    Code(
        "UNTRACK_AFTER_FAILED_REMAP",
        "remap_pfn_range() failed half-way",
        "remap_pfn_range() ran out of memory, emptied what it had mapped, and the emptying already "
        "released the reservation that the error path releases again.",
        _PFN_FROM_PTE,
        "warning",
        "harmless",
        ("Ignore it, or use 6.16 or later. The cause is memory pressure or fault injection.",),
        (NEVER_NOPAT,),
        (UNAME, DMESG),
        Window(
            "6.11",
            "6.16",
            (),
            (
                ("5.10", "5.10.233", None),
                ("5.15", "5.15.173", None),
                ("6.1", "6.1.111", None),
                ("6.6", "6.6.52", None),
            ),
        ),
        _REWORK,
        (
            _C("79a61cc3fc04", "mm: avoid leaving partial pfn mappings around in error case"),
            _C("syzbot 16b1da89309a06cd0e3a", "WARNING in get_pat_info"),
        ),
    ),
    Code(
        "UNTRACK_MREMAP_MOVE",
        "mremap() moved a tracked mapping",
        "mremap() moved the pages and then unmapped the old, now empty range, which still counted "
        "as tracked.",
        _PFN_FROM_PTE,
        "warning",
        "leak",
        ("Use 4.5 or later.",),
        (NEVER_NOPAT,),
        (UNAME, DMESG),
        Window("3.7", "4.5"),
        (_C("d9fe4fab1197", "x86/mm/pat: Add untrack_pfn_moved for mremap"),),
        (_C("kernel bugzilla 97321", "WARNING at untrack_pfn after mremap of /dev/mem"),),
    ),
    Code(
        "TRACKCTX_SECOND_REMAP",
        "Second full remap of one mapping, EINVAL without a message",
        "From 6.16 a mapping can be tracked once. A driver that remaps the whole mapping a second "
        "time (often by moving vm_start and vm_end in a loop) is refused with EINVAL and no "
        "message, even for RAM.",
        "remap_pfn_range() over the whole mapping attaches a tracking context; a mapping that has "
        "one already is refused. A partial remap attaches none.",
        "error",
        "mmap-EINVAL",
        (
            "Fix the driver: one remap for the whole mapping, or partial remaps with the true "
            "bounds of the mapping.",
            "A kernel below 6.16 works until the driver is fixed (hfi1 is unchanged in 7.3.4).",
            "Rule out other causes of a silent EINVAL: info-level messages hidden, strict "
            "/dev/mem, a wrong offset, a partial remap over mixed types.",
        ),
        (NEVER_NOPAT,),
        (UNAME, DMESG),
        Window("6.16", None),
        (),
        (
            _C("f8e97613fed2", "mm: convert VM_PFNMAP tracking (introduced the rule)"),
            _C("cornelisnetworks/opa-psm2 74", "hfi1 receive buffers, bisected"),
        ),
    ),
    Code(
        "PARTIAL_REMAP_LOOKUP_MIXED",
        "Partial remap over pages of different types, EINVAL without a message",
        "The driver mapped a part of its mapping; the kernel then only looks up every page, found "
        "different types and refused without any message.",
        "A remap smaller than the mapping reserves nothing: all its pages must be looked up to one "
        "type, and a page without a reservation counts as uncached-minus. No message exists.",
        "error",
        "mmap-EINVAL",
        (
            "Make the type uniform over the BAR (one mapping type in the driver that owns it), or "
            "map chunk by chunk in the types that are reserved.",
            "Compare the failing chunk with the memtype list: look for a boundary inside it.",
        ),
        (NEVER_NOPAT,),
        (LIST, UNAME),
        None,
        (),
        (_C("NVIDIA/gdrcopy 44", "track_pfn_remap failed -22 without a PAT line"),),
    ),
    Code(
        "SILENT_DOWNGRADE_ADJACENT",
        "Silent downgrade by a neighbouring reservation",
        "A request next to, not over, another reservation was given the neighbour's type: "
        "write-combining became uncached-minus without a message, and graphics got slow.",
        "Ranges are half-open: neighbours do not overlap. The first interval-tree version compared "
        "the exclusive end as if it were inclusive.",
        "warning",
        "slow-graphics",
        ("Use 5.5 or later (the 5.5 merge window had the error before the fix).",),
        (NEVER_NOPAT,),
        (LIST, UNAME),
        Window("5.5", "5.5"),
        (_C("91298f1a302d", "x86/mm/pat: Fix off-by-one bugs in interval tree search"),),
        (_C("8d04a5f97a5f", "x86/mm/pat: Convert the PAT tree to a generic interval tree"),),
    ),
    Code(
        "CHECK_WC_OF_BAR",
        "Is the BAR write-combining?",
        "The question is which type a BAR really has. The memtype list answers it if its ranges "
        "are read half-open: the end of a list row is exclusive although it looks inclusive.",
        "A row [S-E) covers addresses below E only; a row that ends at the BAR belongs to its "
        "neighbour. Downgrades to an existing type are silent.",
        "info",
        "question",
        (
            "Look for rows that start inside the BAR, not for rows that contain its address as "
            "text; check while the application has the device open.",
            "For DPDK: igb_uio with wc_activate=1, or a vfio-pci that maps prefetchable BARs "
            "write-combining.",
        ),
        (NEVER_NOPAT,),
        (LIST, LSPCI),
        None,
        (),
        (_C("amzn/amzn-drivers 215", "the neighbour's row was taken for the BAR's"),),
    ),
    Code(
        "PAT_OFF_BECAUSE_MTRR_OFF",
        "PAT off because MTRRs are off",
        "The machine offers no usable MTRRs, and this kernel ties PAT to them: it keeps the "
        "power-on table, serves write-combining as uncached-minus and tracks nothing.",
        "From 4.6 to 6.1 PAT was initialised together with the MTRRs. There is no memtype list "
        "and no message in this state.",
        "info",
        "no-write-combining",
        (
            "Nothing is wrong. Kernel 6.2 or later uses PAT without MTRRs; or let the hypervisor "
            "offer MTRRs.",
        ),
        (),
        (UNAME, BOOT),
        Window("4.6", "6.2"),
        (),
        (_C("edfe63ec97ed", "x86/mtrr: Fix Xorg crashes in Qemu sessions"),),
    ),
    Code(
        "PAT_OFF_CPU",
        "PAT off: processor or firmware",
        "The processor (or the CPU model of the virtual machine) has no PAT, or the firmware left "
        "it at zero; the power-on table is used and nothing is tracked.",
        "Without PAT every request is granted and nothing is recorded; write-combining becomes "
        "uncached-minus.",
        "info",
        "no-write-combining",
        (
            "For a virtual machine choose a CPU model with PAT (-cpu host or any recent "
            "model); old "
            "processors cannot be helped and need nothing.",
        ),
        (),
        (BOOT, UNAME),
    ),
    Code(
        "PAT_OFF_USER",
        "PAT off by choice",
        "PAT was switched off on the kernel command line or in the kernel configuration: no "
        "write-combining, no tracking, no messages.",
        "Without PAT every request is granted and nothing is recorded; write-combining becomes "
        "uncached-minus.",
        "info",
        "no-write-combining",
        ("Remove the option (often a leftover of an old workaround), or enable CONFIG_X86_PAT.",),
        (),
        (BOOT, "cat /proc/cmdline"),
    ),
    Code(
        "XEN_PV_PAT_LAYOUT",
        "Xen PV: PAT works with Xen's own table",
        "The machine is a Xen PV guest or dom0. Xen's PAT table differs from Linux's, is fully "
        'usable, and the "skipping" or "disabled" line does not mean that PAT is off.',
        "The table WB WT UC- UC WC WP UC UC contains every type Linux needs, in other slots.",
        "info",
        "none",
        (
            "Nothing. Software that inspects the table itself (some graphics drivers) may wrongly "
            "claim that write-combining is unavailable.",
        ),
        (),
        (BOOT, UNAME),
        None,
        (),
        (
            _C(
                "72cbc8f04fe2",
                "x86/PAT: Have pat_enabled() properly reflect state when running on Xen",
            ),
        ),
    ),
    Code(
        "MTRR_LEGACY_OVERLAP",
        "MTRR request over another MTRR",
        "A driver asked for a write-combining MTRR inside a region that another MTRR already "
        "covers; the request was dropped.",
        "MTRRs are the older mechanism. With PAT the type comes from the page tables, so the "
        "failed MTRR costs nothing where the driver also uses PAT.",
        "info",
        "harmless",
        ("Ignore it on any kernel with PAT; otherwise a firmware option for MTRR mapping.",),
        ("Do not blame PAT: the message comes from the MTRR code.",),
        (BOOT, "cat /proc/mtrr"),
    ),
    Code(
        "MTRR_TRIM",
        "Firmware left RAM uncached; the kernel dropped it",
        "The MTRRs that the firmware set do not cover all RAM as write-back. The kernel does not "
        "use the uncovered part.",
        "RAM that an MTRR makes uncached would be extremely slow, so it is cut off at boot. PAT "
        "cannot override an uncached MTRR.",
        "error",
        "lost-ram",
        (
            "Update the firmware or change its memory remapping or MTRR option.",
            "disable_mtrr_trim brings the RAM back for a test only: it is very slow.",
        ),
        ("Do not blame PAT.",),
        (BOOT, "cat /proc/mtrr"),
    ),
    Code(
        "NOT_PAT",
        "Another cause, not memory-type tracking",
        "The lines report something that looks similar but does not come from memory-type "
        "tracking.",
        "Strict /dev/mem and resource checks refuse before memory types are looked at.",
        "none",
        "none",
        (
            "For /dev/mem and sysfs resource files: CONFIG_STRICT_DEVMEM and "
            "CONFIG_IO_STRICT_DEVMEM "
            "refuse ranges that a driver claims; use the driver's own interface.",
        ),
        (NEVER_NOPAT,),
        (DMESG, "grep -e STRICT_DEVMEM /boot/config-$(uname -r)"),
    ),
    Code(
        "HEALTHY",
        "Nothing wrong",
        "The lines show memory-type tracking in its normal state.",
        "Reservations may overlap freely as long as their types agree.",
        "none",
        "none",
        (),
    ),
    Code(
        "SYNTHETIC_RULE_CHECK",
        "Constructed lines that check the conflict rule",
        "The text says of itself that it was constructed; the lines can be checked against the "
        "rule without any machine.",
        _TWO_ENTRIES,
        "info",
        "none",
        ("Compare the lines with the rule; nothing on a machine needs a cure.",),
        (NEVER_NOPAT,),
    ),
)
CODES: dict[str, Code] = {code.code: code for code in _ALL}
