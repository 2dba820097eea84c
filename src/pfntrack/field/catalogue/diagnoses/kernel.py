"""Diagnoses of kernel defects and of failures without a message, with their version windows."""

from __future__ import annotations

from pfntrack.field.catalogue.diagnoses.base import (
    DMESG,
    LIST,
    LSPCI,
    NEVER_FREE,
    NEVER_NOPAT,
    NEVER_PATCH,
    NO_OWNER,
    PFN_FROM_PTE,
    REWORK,
    REWORK_WINDOW,
    UNAME,
    C,
    Code,
)
from pfntrack.field.read.kernelrelease import Window

KERNEL: tuple[Code, ...] = (
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
        (C("aeef8b5089b7", "x86/pat: Pass valid address to sanitize_phys()"),),
        (C("510ee090abc3", "x86/mm/pat: Prevent hang during boot when mapping pages"),),
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
        (C("32-bit 2.6.31 boot logs", "usplash: freeing invalid memtype ffffffff..."),),
    ),
    Code(
        "KERNEL_BUG_MREMAP_SHRINK",
        "mremap() shrink of a tracked mapping",
        "A mapping was shrunk, the kernel tried to release the part that was cut off, found no "
        "reservation of exactly that range, and the whole reservation stays.",
        NO_OWNER,
        "info",
        "leak",
        ("Use 4.5 or later (6.16 removes the whole class).",),
        (NEVER_NOPAT, NEVER_FREE),
        (UNAME, LIST),
        Window("3.7", "4.5"),
        (C("2039e6acaf94", "x86/mm/pat: Change free_memtype() to support shrinking case"),),
        (),
    ),
    Code(
        "KERNEL_BUG_VMA_SPLIT",
        "Piece of a split mapping released",
        "A mapping was split (partial munmap or mprotect) and a head or middle piece was released; "
        "no reservation of that range exists, so the piece stays reserved.",
        NO_OWNER,
        "info",
        "leak",
        (
            "Use 6.16 or later, where a reservation lives until the last piece is gone.",
            "Until then unmap in the shape of the mmap, or from the top down.",
        ),
        (NEVER_NOPAT, NEVER_FREE),
        (UNAME, LIST),
        REWORK_WINDOW,
        REWORK,
        (C("LKML 2024-08, Support splitting of virtual memory areas", "analysis, never merged"),),
        ("later requests for the range get the stale type or are refused",),
    ),
    Code(
        "KERNEL_BUG_AMBIGUOUS_FREE",
        "A release took the wrong reservation",
        "Two overlapping reservations existed and releasing a piece of one shortened the other; "
        "later releases miss, and dead reservations stay.",
        NO_OWNER,
        "info",
        "wrong-owner",
        (
            "Use 6.16 or later, where only exact ranges are released.",
            "Avoid partial unmaps of overlapping mappings of one device until then.",
        ),
        (NEVER_NOPAT, NEVER_FREE),
        (UNAME, LIST),
        REWORK_WINDOW,
        REWORK,
        (C("LKML 2024-09, splitting of virtual memory areas", "two mappings, one partial unmap"),),
    ),
    Code(
        "UNMAP_SHAPE_DIFFERS",
        "Releases in another shape than the mappings",
        "Releases miss because a program or driver unmaps device memory in pieces other than "
        "it was mapped, or releases ranges that were never reserved.",
        NO_OWNER,
        "info",
        "leak",
        (
            "Unmap in the shape of the mmap, or use 6.16 or later.",
            "On 6.16 and later mmap cannot cause this: suspect a driver or out-of-tree module "
            "that calls the release itself (page 0 again and again: pages never allocated).",
        ),
        (NEVER_NOPAT, NEVER_FREE),
        (UNAME, LIST),
        REWORK_WINDOW,
        REWORK,
        (C("NVIDIA/open-gpu-kernel-modules 1277", "flood for page 0 from an error path"),),
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
        (C("5898b43af954", "mce: fix set_mce_nospec to always unmap the whole page"),),
        (C("linux-nvdimm 2021-2022, set_memory_uc on pmem", "discussion"),),
        ("Could not invalidate pfn from 1:1 map",),
    ),
    Code(
        "UNTRACK_AFTER_ZAP",
        "Mapping was emptied before it was unmapped",
        "The pages of a tracked mapping were removed earlier (suspend, driver reset, revoke, "
        "truncation), and the later munmap or exit found nothing to read the range from.",
        PFN_FROM_PTE,
        "warning",
        "leak",
        (
            "Use 6.16 or later, where the range is kept with the mapping.",
            "The reservation stays until reboot; no data is at risk.",
        ),
        (NEVER_NOPAT, NEVER_FREE),
        (UNAME, DMESG),
        Window("3.7", "6.16"),
        REWORK,
        (C("20240712144244.3090089-1-peterx@redhat.com", "warning right after resume"),),
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
        REWORK,
        (
            C("c5541ba378e3", "mm: follow_pte() improvements"),
            C("syzbot 35a4414f6e247f515443", "WARNING in follow_pte"),
        ),
    ),
    Code(
        "UNTRACK_COW_FIRST_PAGE",
        "First page of a private mapping was copied",
        "The entry read at exit was not the device page: most likely the first page of a private, "
        "writable mapping had been copied on write (and possibly swapped out). A mapping that was "
        "emptied earlier leaves the same trace.",
        PFN_FROM_PTE,
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
        (C("04c35ab3bdae", "x86/mm/pat: fix VM_PAT handling in COW mappings"),),
        (C("CVE-2024-35877", "the number of this defect"),),
    ),
    Code(
        "UNTRACK_FAILED_FORK",
        "Failed fork tore down a mapping it had not tracked",
        "fork() failed half-way, and its clean-up released the child's copy of a mapping, which "
        "had never been reserved or never filled.",
        PFN_FROM_PTE + " Up to 6.15 fork also reserved once more for the child, with a strict "
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
            C("d155df53f310", "x86/mm/pat: clear VM_PAT if copy_p4d_range failed"),
            C(
                "dc84bc2aba85",
                "x86/mm/pat: Fix VM_PAT handling when fork() fails in copy_page_range()",
            ),
            C(
                "e9f180d7cfde",
                "kernel/fork: only call untrack_pfn_clear() on VMAs duplicated for fork()",
            ),
        ),
        (
            C("CVE-2025-22090", "the number of this defect"),
            C("syzbot 5f488e922d047d8f00cc", "WARNING in untrack_pfn"),
        ),
    ),
    Code(
        "UNTRACK_AFTER_FAILED_REMAP",
        "remap_pfn_range() failed half-way",
        "remap_pfn_range() ran out of memory, emptied what it had mapped, and the emptying already "
        "released the reservation that the error path releases again.",
        PFN_FROM_PTE,
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
        REWORK,
        (
            C("79a61cc3fc04", "mm: avoid leaving partial pfn mappings around in error case"),
            C("syzbot 16b1da89309a06cd0e3a", "WARNING in get_pat_info"),
        ),
    ),
    Code(
        "UNTRACK_MREMAP_MOVE",
        "mremap() moved a tracked mapping",
        "mremap() moved the pages and then unmapped the old, now empty range, which still counted "
        "as tracked.",
        PFN_FROM_PTE,
        "warning",
        "leak",
        ("Use 4.5 or later.",),
        (NEVER_NOPAT,),
        (UNAME, DMESG),
        Window("3.7", "4.5"),
        (C("d9fe4fab1197", "x86/mm/pat: Add untrack_pfn_moved for mremap"),),
        (C("kernel bugzilla 97321", "WARNING at untrack_pfn after mremap of /dev/mem"),),
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
            C(
                "f8e97613fed2",
                "mm: convert VM_PFNMAP tracking to pfnmap_track() + pfnmap_untrack()",
            ),
            C("cornelisnetworks/opa-psm2 74", "hfi1 receive buffers, bisected"),
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
        (C("NVIDIA/gdrcopy 44", "track_pfn_remap failed -22 without a PAT line"),),
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
        (C("91298f1a302d", "x86/mm/pat: Fix off-by-one bugs in interval tree search"),),
        (C("8d04a5f97a5f", "x86/mm/pat: Convert the PAT tree to a generic interval tree"),),
    ),
)
