"""Diagnoses of requests: granted with another type, refused, or impossible."""

from __future__ import annotations

from pfntrack.field.catalogue.diagnoses.base import (
    BOOT,
    DMESG,
    IOMEM,
    LIST,
    LSPCI,
    NEVER_FREE,
    NEVER_NOPAT,
    NEVER_PATCH,
    ONE_ENTRY,
    RAM_FLAGS,
    TWO_ENTRIES,
    UNAME,
    C,
    Code,
)
from pfntrack.field.read.kernelrelease import Window

REFUSED: tuple[Code, ...] = (
    Code(
        "RAM_TYPE_OVERRIDDEN",
        "RAM mapped with another type than its pages have",
        "A driver or /dev/mem mapped system RAM into a process with a memory type that the pages "
        "do not have. The mapping was made, with the type of the pages instead.",
        RAM_FLAGS,
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
            C("arch/x86/mm/pat/memtype.c:reserve_pfn_range", "RAM branch"),
            C("LKML 2019-09-29, ion_system_heap: support X86 archtecture", "set_memory_* missing"),
            C("intel-gfx 2021, i915: fix remap_io_sg to verify the pgprot", "reverted in 5.13"),
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
        (C("9542ada80319", "x86: track memtype for RAM in page struct"),),
        ("ioremap memtype_reserve failed -16", "ACPI errors about unmappable memory"),
    ),
    Code(
        "REQ_UC_EXISTING_WB",
        "Uncached, combining or through asked over an existing write-back reservation",
        "Somebody asked for an uncached, write-combining or write-through mapping of a range that "
        "is already reserved write-back (cached), and was refused.",
        ONE_ENTRY,
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
            C("arch/x86/include/asm/pgtable.h:is_new_memtype_allowed", "the four refused pairs"),
            C("8e690b817e38", "x86/kvm: Override default caching mode for SEV-SNP and TDX"),
            C("linux-hyperv 5.4.y, hyperv_fb", "VRAM tracked write-back, fb mmap EINVAL; reverted"),
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
        (C("arch/x86/mm/init.c:update_cache_mode_entry", "slots and the modes they decode to"),),
    ),
    Code(
        "RANGE_SPANS_MIXED_OWNERS",
        "The range covers reservations of different types",
        "The requested range covers at least two reservations that others hold with different "
        "types, typically a whole BAR of which a driver mapped parts write-combining and parts "
        "uncached.",
        TWO_ENTRIES,
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
        (C("arch/x86/mm/pat/memtype_interval.c:memtype_check_conflict", "source of the line"),),
        ("devres warnings from the error path", "driver errors about a failed mapping"),
    ),
    Code(
        "RANGE_CROSSES_RESOURCE",
        "The range runs over the end of a BAR or resource",
        "The requested range begins in one device window and ends in the next, so it meets "
        "reservations that were never meant for it.",
        TWO_ENTRIES,
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
        (C("kernel/resource.c:iomem_map_sanity_check", "range against resources"),),
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
            C(
                "67f9085596ee",
                "PCI: Allow relaxed bridge window tail sizing for optional resources",
            ),
            C("syzbot 353be47c9ce21b68b7ed", "usbfs: wrapped range"),
            C("kernel bugzilla 11346", "2.6.27-rc: BUG in reserve_memtype, wrapped ACPI table"),
        ),
        ("ioremap memtype_reserve failed -16 or -22", "probe fails with -12"),
    ),
    Code(
        "CONFLICT_UNDERSPECIFIED",
        "A conflict, but not enough facts",
        "The kernel refused a mapping because of memory types; what was sent does not tell which "
        "two reservations differ and who holds them.",
        TWO_ENTRIES,
        "warning",
        "mapping-refused",
        (
            "Send the lines before and after it, unedited and at info level, and the output of the "
            "two commands below from the same boot.",
        ),
        (NEVER_NOPAT, NEVER_PATCH, NEVER_FREE),
        (LIST, IOMEM),
        None,
        (),
        (C("arch/x86/mm/pat/memtype_interval.c:memtype_check_conflict", "source of the line"),),
    ),
    Code(
        "STALE_OR_LIVE_GPU_RESERVATION",
        "Passthrough: the host driver's reservations are still there",
        "A virtual machine maps a passed-through device, and reservations of the host driver "
        "still cover the BAR. Whether they are stale or still in use has to be decided first.",
        TWO_ENTRIES,
        "error",
        "vm-slow",
        (
            "Decide live or stale: is a host driver still bound (lspci -k), does /proc/iomem show "
            "a name below the BAR, does a process map it (/proc/*/maps)? Run again with --lspci, "
            "--iomem, --maps or --snapshot.",
            "If live: stop what uses the card on the host and unbind its driver before the VM "
            "starts; better, bind the card to vfio-pci at boot. No kernel update changes that.",
            "If stale: kernels 5.14 to 6.10 lose releases when amdgpu with SVM or another device "
            "memory user raised the direct-map limit; use 6.11 or later (6.10.10, 6.6.51, "
            "6.1.110). Until then a reboot clears them.",
        ),
        (
            NEVER_FREE,
            NEVER_PATCH,
            NEVER_NOPAT,
            "The nvidia module option NVreg_UsePageAttributeTable on the kernel command line does "
            "nothing for this.",
        ),
        (LIST, LSPCI),
        Window("5.14", "6.11", (("6.10", "6.10.10"), ("6.6", "6.6.51"), ("6.1", "6.1.110"))),
        (
            C(
                "ea72ce5da228",
                "x86/kaslr: Expose and use the end of the physical memory address space",
            ),
        ),
        (
            C(
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
        TWO_ENTRIES,
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
            C(
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
        TWO_ENTRIES,
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
        (C("arch/x86/mm/pat/memtype_interval.c:memtype_check_conflict", "source of the line"),),
        ("the display server or splash screen dies",),
    ),
)
