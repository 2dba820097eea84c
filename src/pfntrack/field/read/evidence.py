"""Lines that are no message of the memory-type code but change what it means.

Two tables: circumstances (a suspend, a virtual machine, persistent memory) and
consequences (a failed probe, a GPU hang), which are reported apart from the cause.
"""

from __future__ import annotations

import re

import attrs

from pfntrack.field.read.facts import Fact, Value
from pfntrack.field.read.lines import Line


@attrs.frozen(slots=True)
class _Sign:
    """One sign: words of which one must be present, and what its presence means."""

    name: str
    words: tuple[str, ...]
    pattern: re.Pattern[str]


def _sign(name: str, words: str, pattern: str) -> _Sign:
    return _Sign(name, tuple(words.split("|")), re.compile(pattern))


CIRCUMSTANCES: tuple[_Sign, ...] = (
    _sign(
        "suspend",
        "suspend|resum|hibernat",
        r"PM: (?:suspend|resume|hibernat)|system resumption"
        r"|systemctl suspend|power_state|Freezing user space|after suspend|on resume",
    ),
    _sign("revoke", "revoke|reset", r"revoke_gpu_mappings|vfio_pci_zap|revoke_iomem|driver reset"),
    _sign(
        "vfio",
        "vfio|VFIO|Failed to mmap|qemu",
        r"\bvfio\b|vfio[-_]|VFIO|qemu-system"
        r"|Failed to mmap [0-9a-f:.]{7,13} BAR",
    ),
    _sign(
        "pmem",
        "pmem|fsdax|dax page|ndctl|namespace|Persistent Memory|nvdimm|from 1:1 map",
        r"pmem|fsdax|for dax page|ndctl|namespace\d|Persistent Memory|nvdimm|from 1:1 map",
    ),
    _sign(
        "hardware_poison",
        "Memory failure|memory error|Hardware Error",
        r"Memory failure: 0x|hardware memory error|\[Hardware Error\]",
    ),
    _sign(
        "xen", "Xen", r"Hypervisor detected: Xen|Booting paravirtualized kernel on Xen|\bXEN PV\b"
    ),
    _sign(
        "mtrr_off",
        "MTRR|Disabled",
        r"MTRRs? (?:all blank|disabled|variable ranges disabled)"
        r"|MTRR: Disabled|MTRRs disabled|^Disabled$",
    ),
    _sign("nopat_option", "nopat", r"[Cc]ommand line: .*\bnopat\b"),
    _sign("mremap", "mremap", r"\bmremap\b"),
    _sign(
        "iounmap_frames", "iounmap|unmap_iomem", r"\b(?:iounmap|acpi_os_unmap_(?:iomem|memory))\+0x"
    ),
    _sign("shrink", "shrink", r"\bshr(?:ink|unk|inking)\b"),
    _sign(
        "split",
        "munmap|mprotect|split",
        r"\bmunmap_split\b|\bmprotect\b|\bsplit(?:s|ting)?\b.{0,40}\bVMA"
        r"|\bVMAs?\b.{0,40}\bsplit|partial(?:ly)? munmap",
    ),
    _sign(
        "fault_injection",
        "FAULT_INJECTION|should_fail|fail_nth",
        r"FAULT_INJECTION|should_fail|fail_nth",
    ),
    _sign(
        "constructed",
        "ynthetic|SYNTHETIC|onstructed",
        r"\b(?:[Ss]ynthetic|SYNTHETIC|[Cc]onstructed)\b",
    ),
    _sign(
        "strict_devmem",
        "STRICT_DEVMEM|STRICT_IOMEM|io_strict|iomem=",
        r"CONFIG_(?:IO_)?STRICT_DEVMEM"
        r"|io_strict|iomem=(?:strict|relaxed)",
    ),
    _sign("sysfs_resource", "/resource", r"/resource\d(?:_wc)?\b"),
    _sign("remap_call", "remap_pfn_range", r"\b(?:io_)?remap_pfn_range\b"),
    _sign("stolen_size", "Stolen memory", r"Stolen memory base 0x[0-9a-f]{1,16}, size \d{6,12}KiB"),
    _sign(
        "advice_nopat",
        "nopat",
        r"(?i)\b(?:boot|add|append|use|try|with|parameter|option)\b.{0,60}\bnopat\b"
        r"|\bnopat\b.{0,40}\b(?:workaround|fixes|helps|kernel option)",
    ),
    _sign("advice_module_option", "NVreg_UsePageAttributeTable", r"NVreg_UsePageAttributeTable"),
)
CONSEQUENCES: tuple[_Sign, ...] = (
    _sign(
        "gpu_hang",
        "GPU hang|Xid|Asynchronous wait",
        r"GPU hang|NVRM: Xid|Asynchronous wait on fence",
    ),
    _sign(
        "probe_failed",
        "probe",
        r"probe (?:of \S{1,60} |with driver \S{1,40} )?failed with error -\d{1,3}",
    ),
    _sign(
        "map_failed",
        "map",
        r"[Uu]nable to map adapter|Failure to map|Failed to (?:io)?re?map\w*|cannot map"
        r"|Could not map memory at|Failed to mmap",
    ),
    _sign("mapping_lost", "mapping multiple BARs", r"caller \S{1,80} mapping multiple BARs"),
    _sign(
        "vm_io_failed",
        "vfio_region_write|vfio_region_read",
        r"vfio_region_(?:write|read)\(.{1,80}failed",
    ),
    _sign(
        "display_died",
        "terminated with status|Server aborting|trap invalid opcode",
        r"lightdm main process .{0,20}terminated|gdm.{0,40}terminated|Server aborting|trap "
        r"invalid opcode",
    ),
    _sign(
        "firmware",
        "dmi:|ACPI Error|ACPI Exception",
        r"dmi: Firmware registration failed|ACPI (?:Error|Exception)",
    ),
)

_DRIVER_ERROR = re.compile(
    r"^(\w{2,24})(?: [0-9a-f]{4}:[0-9a-f:.]{7,9})?: ?"
    r"(?:.{0,40}?\berror (-\d{1,3}) (?:in|from) (?:io_)?remap_pfn_range\b|.{0,60}?"
    r"\b(?:track_pfn_remap|(?:io_)?remap_pfn_range|vm_iomap_memory|dma_mmap_\w{2,12})\b"
    r"\D{0,40}(-\d{1,3})\b)"
)
_DRIVER_RANGE = re.compile(
    r"^(\w{2,24}): ?.{0,60}?\baddr\w{0,6}[=: ]{1,3}(0x[0-9a-f]{1,16}),? size[=: "
    r"]{1,3}(0x[0-9a-f]{1,12}|\d{1,14})"
)
# strace and pcimem show the arguments: an impossible one explains EINVAL by itself.
_MMAP_CALL = re.compile(
    r"\bmmap(?:64|2)?\((?:NULL|0x?[0-9a-f]*|\(nil\)), (0x[0-9a-f]{1,16}|\d{1,20}), [^,]{1,60}, "
    r"[^,]{1,80}, -?\d{1,6}(?:<[^>]{0,120}>)?, (0x[0-9a-f]{1,16}|\d{1,20})\)"
)
_PCIMEM = re.compile(r"Error at line \d{1,5}, file \S{1,40} \((\d{1,3})\) \[")
_MMAP_ERROR = re.compile(
    r"\b[Mm]map\w{0,4}\b.{0,160}?(?:\b(EINVAL|EAGAIN|EPERM|EBUSY)\b|((?i:invalid argument))"
    r"|(Resource temporarily unavailable)|(Operation not permitted)|(No such device))"
)
_ERRNO_WORDS = ("", "EINVAL", "EAGAIN", "EPERM", "ENODEV")
_LSPCI_BAR = re.compile(
    r"Memory at ([0-9a-f]{4,16}) \((32|64)-bit, (non-)?prefetchable\)(?: \[\w+\])? "
    r"\[size=(\d{1,6})([KMGT]?)\]"
)
_DMESG_BAR = re.compile(
    r"(?:pci|[\w-]{2,20}) ([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.\d): BAR (\d): ?(?:assigned "
    r")?\[mem (0x[0-9a-f]{1,16})-(0x[0-9a-f]{1,16})"
)
_DMESG_BAR_2 = re.compile(
    r"([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.\d): BAR (\d) \[mem "
    r"(0x[0-9a-f]{1,16})-(0x[0-9a-f]{1,16})"
)
_ASKED = re.compile(r"pat_memtype_list.{0,40}\bgrep\s+(?:-\w+\s+)?['\"]?(?:0x)?([0-9a-f]{5,16})\b")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


_AREA = re.compile(
    r"\b(?:\w{0,24}ioremap\w{0,12}|iounmap|\w{0,8}memremap\w{0,8}|io_?remap_pfn|remap_pfn_range"
    r"|memtype|memory types?|x86/PAT"
    r"|MTRRs?|mtrr|pfn_?map|PFNMAP|VM_PAT|write-?combin\w+|uncached-minus|pat_memtype_list|untrack_pfn"
    r"|track_pfn|resource\d(?:_wc)?|dma_mmap_\w+|set_memory_\w+|STRICT_DEVMEM|vm_insert\w*"
    r"|vmf_insert\w*|follow_pte|follow_pfn\w*|Page Attribute|nopat)\b|mm/(?:memory|mremap)\.c:"
    r"|\bMAP_FAILED\b.{0,60}\b(?i:bar)|\b(?i:bar)\d?\w{0,6}\b.{0,40}\bMAP_FAILED\b"
    r"|(?i:\bpcie? bars?\b)|(?i:\bmap\w{0,4} pfns?\b)|\bmap_pfn|mm/page_table_check\.c:"
    r"|\bBARs? \d|/dev/mem\b|\bBAR\b.{0,40}\bmap"
    r"|\bm?map\w{0,6}\b.{0,60}\bBAR|\bPAT\b.{0,30}(?:able|MSR|memory|type|kernel|guest)"
)
# The usual lines of every boot say nothing by themselves.
_ORDINARY = re.compile(r"BAR \d.{0,30}(?:assigned|\[mem)|\.config|CONFIG_|BIOS-e820|apparmor=")


def of_this_area(line: Line) -> bool:
    """Whether the line has a word of the subject, though no message is known in it."""
    body = line.body
    return bool(_AREA.search(body)) and not _ORDINARY.search(body)


def circumstances(line: Line) -> list[str]:
    """Names of the circumstances this line tells about."""
    body = line.body
    return [
        sign.name
        for sign in CIRCUMSTANCES
        if any(word in body for word in sign.words) and sign.pattern.search(body)
    ]


def consequence(line: Line) -> Fact | None:
    """The consequence this line reports, if any."""
    body = line.body
    for sign in CONSEQUENCES:
        if any(word in body for word in sign.words) and sign.pattern.search(body):
            return Fact(
                "followup", line.number, line.text.strip(), {"name": sign.name}, time=line.time
            )
    return None


def driver_error(line: Line, ranges: dict[str, tuple[int, int]]) -> Fact | None:
    """A driver saying that a remap failed; `ranges` remembers what it said it would map."""
    body = line.body
    if "addr" in body and "size" in body:
        said = _DRIVER_RANGE.match(body)
        if said:
            size = int(said.group(3), 0)
            ranges[said.group(1)] = (int(said.group(2), 16), size)
    if "remap" not in body and "mmap" not in body:
        return None
    match = _DRIVER_ERROR.match(body)
    if not match:
        return None
    driver, error = match.group(1), int(match.group(2) or match.group(3))
    values: dict[str, Value] = {"driver": driver, "err": error}
    start = end = None
    if driver in ranges:
        start, size = ranges[driver]
        values["size"], end = size, start + size
    return Fact("driver_msg", line.number, line.text.strip(), values, start, end, line.time)


def mmap_error(line: Line) -> Fact | None:
    """A user-space report that mmap() failed, with the error it names."""
    body = line.body
    if "Error at line" in body and _PCIMEM.search(body):
        return Fact("user_error", line.number, line.text.strip(), {"errno": "EINVAL"})
    if "No such device" in body and "[Errno 19]" in body:
        return Fact("user_error", line.number, line.text.strip(), {"errno": "ENODEV"})
    if "map" not in body:
        return None
    match = _MMAP_ERROR.search(body)
    if not match:
        return None
    error = next((match.group(1) or _ERRNO_WORDS[at - 1]) for at in range(1, 6) if match.group(at))
    values: dict[str, Value] = {"errno": error}
    call = _MMAP_CALL.search(body)
    if call is not None:
        length, offset = (int(g, 16 if g.startswith("0x") else 10) for g in call.groups())
        if length == 0 or offset % 4096:
            values["bad_argument"] = "length zero" if length == 0 else "offset inside a page"
    return Fact("user_error", line.number, line.text.strip(), values, time=line.time)


def bar(line: Line) -> Fact | None:
    """A memory BAR as lspci or the PCI core prints it."""
    body = line.body
    if "Memory at " in body:
        match = _LSPCI_BAR.search(body)
        if match:
            start = int(match.group(1), 16)
            size = int(match.group(4)) * _UNITS[match.group(5)]
            values: dict[str, Value] = {"prefetchable": match.group(3) is None}
            return Fact("bar", line.number, line.text.strip(), values, start, start + size)
    if "BAR " in body and "[mem 0x" in body:
        match = _DMESG_BAR.search(body) or _DMESG_BAR_2.search(body)
        if match:
            start, last = int(match.group(3), 16), int(match.group(4), 16)
            values = {"device": match.group(1), "bar": int(match.group(2))}
            return Fact("bar", line.number, line.text.strip(), values, start, last + 1)
    return None


def asked_address(line: Line) -> Fact | None:
    """The address somebody looked up in the memtype list."""
    if "pat_memtype_list" not in line.body:
        return None
    match = _ASKED.search(line.body)
    if not match:
        return None
    return Fact("asked", line.number, line.text.strip(), {}, int(match.group(1), 16))
