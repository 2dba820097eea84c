"""Special texts of a diagnosis: what a line means instead, or in this case.

The variants of NOT_PAT say what happened; their code stays the same, because for this tool
the answer is the same: memory types did not decide it.
"""

from __future__ import annotations

from pfntrack.field.catalogue.diagnoses.base import DMESG, IOMEM, LIST, ONE_ENTRY, UNAME, Code


def _not_pat(title: str, what: str, rule: str, do: str, severity: str, harm: str) -> Code:
    advice = (do,) if do else ()
    return Code("NOT_PAT", title, what, rule, severity, harm, advice, (), (DMESG, IOMEM))


STRICT = _not_pat(
    "Strict devmem",
    "Strict devmem refused the access: a driver claims the range, or it is RAM. Memory types "
    "were not asked.",
    "CONFIG_STRICT_DEVMEM keeps /dev/mem away from RAM; CONFIG_IO_STRICT_DEVMEM keeps /dev/mem and "
    "the sysfs resource files away from what a driver claims (mmap gives EINVAL, or EPERM).",
    "Device memory: boot with iomem=relaxed, or unbind the driver, or use the driver's own "
    "interface. RAM: only a kernel without CONFIG_STRICT_DEVMEM allows it. With Secure Boot the "
    "lockdown refuses both.",
    "none",
    "access-refused",
)
STRICT_RAM = _not_pat(
    "Strict devmem: RAM",
    "RAM was read through /dev/mem, which CONFIG_STRICT_DEVMEM refuses above the first MiB. "
    "Memory types were not asked.",
    "CONFIG_STRICT_DEVMEM keeps /dev/mem away from RAM whatever the command line says; "
    "iomem=relaxed is about device memory that a driver claims.",
    "Use /proc/kcore or a memory dump (kdump, QEMU), or a kernel without CONFIG_STRICT_DEVMEM.",
    "none",
    "access-refused",
)
EARLY = _not_pat(
    "ioremap() called early",
    "Code of the architecture called ioremap() before the allocator of kernel addresses was "
    "ready; the kernel served it and asks for early_ioremap(). x86 prints no such line.",
    "A notice for whoever ports the code (powerpc and others since 5.12).",
    "",
    "none",
    "harmless",
)
PROTECTION = _not_pat(
    "A check of protections",
    "A check of page-table entries complained while the attributes of kernel pages were changed. "
    "It is about protections: from 6.7 on an entry that is read-only and dirty counts as one of "
    "a shadow stack.",
    "pfn_pte() and its relatives warn once about such entries, whatever their memory type.",
    "Report it to the module named in the trace; nothing about memory types can be done.",
    "none",
    "harmless",
)
ELSEWHERE = _not_pat(
    "A check of neighbouring code",
    "A check of code next to memory types failed; memory types were not asked.",
    "The function in the header says which check it is.",
    "Report it, with the whole trace, to the caller that the frames name.",
    "none",
    "unknown",
)
FREED_PAGE = _not_pat(
    "A page in a page table that is not held there",
    "The kernel found a page in a process's page table that nobody holds for it (already freed, "
    "or counted wrongly). Raw pfn mappings and memory types are not involved: the mapping has no "
    "VM_PFNMAP.",
    "print_bad_pte() reports entries whose page and count do not fit; only VM_PFNMAP mappings "
    "have no pages behind them.",
    "Report it to the driver that made the mapping (the mmap: word names it); without a driver "
    "suspect memory or a driver that writes over page tables.",
    "none",
    "corruption-possible",
)
CLAIMED = _not_pat(
    "The BAR is claimed by another owner",
    "The BAR could not be reserved because /proc/iomem shows another owner; memory types were not "
    "asked.",
    "A driver has to claim a BAR before it maps it; the claim fails (EBUSY, -16) where the boot "
    "framebuffer (BOOTFB, efifb, simpledrm), another driver or the firmware's map holds it.",
    "Look into /proc/iomem below the range. The boot framebuffer: unbind it, or boot with "
    "initcall_blacklist=sysfb_init (video=efifb:off does it for efifb only, not for simpledrm). "
    "MMCONFIG or a reserved range: a firmware setting or update.",
    "none",
    "driver-failure-or-slow",
)
UNASSIGNED = _not_pat(
    "The BAR got no address",
    "The BAR has no address: the PCI core found no room for it. Memory types were not asked.",
    "A BAR without an address cannot be mapped at all.",
    "Look at the bridge windows above the device (lspci -vv); firmware settings for large BARs, "
    "or pci=realloc, make room.",
    "none",
    "driver-failure",
)
INSIDE = _not_pat(
    "The range holds a smaller resource",
    "A driver mapped its whole range although a smaller resource lies inside it. The mapping "
    "was made.",
    "The check of resources complains when a request is larger than a resource that it covers; "
    "the boot framebuffer inside a BAR and a device inside a window of the firmware are the "
    "common cases.",
    "Nothing is needed. It goes away when the inner owner (for a graphics card the boot "
    "framebuffer) is released first.",
    "none",
    "harmless",
)
SPANS = _not_pat(
    "The range spans several resources",
    "A driver mapped a range that spans more than one resource. The mapping was made.",
    "The check of resources only reports; memory types decide later and would print x86/PAT lines.",
    "Report it to the driver if it misbehaves; otherwise nothing is needed.",
    "none",
    "harmless",
)
BARS_FINE = _not_pat(
    "Several BARs in one mapping",
    "The kernel notes that a driver mapped several BARs at once, and says itself that it is fine.",
    "A notice of the resource check.",
    "",
    "none",
    "harmless",
)
HUGE = _not_pat(
    "No huge page because of an MTRR",
    "The kernel mapped a device range with small pages because an MTRR boundary lies inside it. "
    "It works; look-ups in it are a little slower.",
    "A huge page must have one memory type all over; where MTRRs differ inside it, 4 KiB pages "
    "are used.",
    "",
    "none",
    "harmless",
)
WX = _not_pat(
    "Writable and executable kernel memory",
    "The kernel refused or noticed memory that is writable and executable at once: protection, not "
    "memory types.",
    "The same code changes protections and memory types; this check is about protections.",
    "Report it to the module named in the trace.",
    "none",
    "none",
)
HELD = _not_pat(
    "The framebuffer is held by another driver",
    "The boot framebuffer could not claim its memory because another driver already holds it.",
    "Usually the graphics driver was faster; the generic framebuffer is then not needed.",
    "",
    "none",
    "harmless",
)
NO_MMAP = _not_pat(
    "A file that cannot be mapped",
    "mmap() gave ENODEV: the file has no mmap. A sysfs resource file of an I/O port BAR is such a "
    "file; only memory BARs can be mapped.",
    "ENODEV comes before any driver or memory type is asked.",
    "Look at lspci -v: map a region that says Memory, not I/O ports.",
    "none",
    "none",
)
BAD_LENGTH = _not_pat(
    "mmap() with an impossible argument",
    "mmap() was called with length zero, or an offset that is no multiple of the page size: that "
    "is EINVAL before any driver is asked.",
    "mmap(2) refuses these arguments itself.",
    "Correct the call.",
    "none",
    "none",
)
DMA_ARGUMENT = _not_pat(
    "DMA mapping refused for its arguments",
    "The IOMMU mapping was refused with EINVAL: an address outside what the IOMMU can address, "
    "misaligned, or mapped already. Memory types are not asked there.",
    "EINVAL is about the arguments; a mapping of device memory that cannot be pinned gives EFAULT.",
    "Compare the address with the IOMMU's width (39 bits is common in nested guests).",
    "none",
    "none",
)
CHANGE_ATTR = Code(
    "CONFLICT_UNDERSPECIFIED",
    "The direct map could not follow",
    "A mapping was refused because the kernel's own (direct) mapping of the same memory could not "
    "be given the same type.",
    "Memory that the direct map covers must have one type in both mappings; for device memory "
    "outside of it nothing has to follow.",
    "warning",
    "mapping-refused",
    ("Send the lines before it: changing the direct map prints its own reason.",),
    (),
    (DMESG, IOMEM),
)
WT_OVER_WC = Code(
    "REQ_UC_EXISTING_WB",
    "Write-through asked over an existing write-combining reservation",
    "Somebody asked for a write-through mapping of a range that is already reserved "
    "write-combining, and was refused.",
    ONE_ENTRY,
    "error",
    "mapping-refused",
    (
        "Ask for write-combining as well, or let the owner of the reservation (a driver, see "
        "/proc/iomem and the memtype list) release it first.",
    ),
    (),
    (LIST, IOMEM),
)
OLD_RELEASE = Code(
    "UNMAP_SHAPE_DIFFERS",
    "A release that found nothing, on a kernel before 3.5",
    "A release found no reservation of exactly that range: it was refused when it was to be made, "
    "or was released in another shape.",
    "Before 3.7 each page range was reserved and released by itself; the notation without "
    "[mem ...] is of a kernel before 3.5, so the defects of later kernels do not apply.",
    "info",
    "leak",
    ("Look for a refused reservation of the same range before it; then it is harmless.",),
    (),
    (UNAME, LIST),
)
BY_IOUNMAP = Code(
    "UNMAP_SHAPE_DIFFERS",
    "iounmap() released what was not reserved like this",
    "A kernel mapping was taken down (the trace shows iounmap()), and no reservation of exactly "
    "its range existed: it had been released before, or was never made.",
    "A reservation is found again by its exact range only; iounmap() releases the range of the "
    "whole kernel mapping.",
    "info",
    "leak",
    (
        "No user mapping was split, so nothing about unmapping applies. Report it to the caller of "
        "iounmap() in the trace if it comes again and again.",
    ),
    (),
    (UNAME, DMESG),
)
NO_WC_FILE = _not_pat(
    "No resourceN_wc file",
    "The file resourceN_wc exists only for a prefetchable memory BAR, and only where PAT is on.",
    "sysfs makes the second file only where write-combining is allowed for the BAR and possible.",
    "Look at lspci -v: a BAR marked non-prefetchable has none; map resourceN instead (uncached).",
    "none",
    "none",
)
FREEBSD = _not_pat(
    "FreeBSD, not Linux",
    "The line has FreeBSD's form (plain addresses and an error): its drm drivers ask for an MTRR "
    "beside PAT. Harmless there, and not about Linux.",
    "Linux prints this only where PAT is off, with hashed pointers and without an error.",
    "",
    "none",
    "harmless",
)
