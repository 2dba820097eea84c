"""Messages next to memory types: ioremap, memremap, set_memory, MTRRs, drivers, user space.

They look like the subject, or decide it: a line that says "could not reserve" proves that
memory types were never asked. Each row is a kind, words that must be there, and the expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs

from pfntrack.field.read.facts import Value

Built = tuple[dict[str, Value], tuple[int, int] | None]
_HEX = r"(?:0x)?([0-9a-fA-F]{1,16})(?![0-9a-fA-FxX])"


@attrs.frozen(slots=True)
class Near:
    """How one neighbouring message is recognised and read."""

    kind: str
    words: tuple[str, ...]
    pattern: re.Pattern[str]
    build: Callable[[re.Match[str]], Built]


def _named(match: re.Match[str]) -> Built:
    """Named groups as fields; `start` and `last` as a range whose end is inclusive."""
    values: dict[str, Value] = {}
    ends: dict[str, int] = {}
    for name, text in match.groupdict().items():
        if text is None:
            continue
        if name in ("start", "last", "end", "size"):
            ends[name] = int(text, 16)
        elif name in ("bar", "errno", "count"):
            values[name] = int(text)
        else:
            values[name] = text.strip()
    if "start" not in ends:
        return values, None
    first = ends["start"]
    if "last" in ends:
        return values, (first, ends["last"] + 1)
    if "end" in ends:
        return values, (first, ends["end"])
    if "size" in ends:
        return values, (first, first + ends["size"])
    values["address"] = first
    return values, None


def _row(kind: str, words: str, pattern: str) -> Near:
    return Near(kind, tuple(words.split("|")), re.compile(pattern), _named)


_START, _LAST = r"(?:0x)?(?P<start>[0-9a-f]{1,16})", r"(?:0x)?(?P<last>[0-9a-f]{1,16})"
_END, _SIZE = r"(?:0x)?(?P<end>[0-9a-f]{1,16})", r"(?:0x)?(?P<size>[0-9a-f]{1,16})"
_DEVICE = r"(?P<device>[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])"
_DMA_MAP = (
    r"(?:VFIO_MAP_DMA|vfio_dma_map|vfio_container_dma_map|IOMMU_IOAS_MAP|IOAS|map an IOVA range)"
    r".{0,120}?(?:(?P<text>Bad address|Invalid argument|EFAULT|EINVAL)|os error (?P<errno>\d{1,3})"
    r"|(?:= ?|: ?|error )-(?P<code>\d{1,3})\b)"
)
_PIN = (
    r"(?P<call>ibv_reg_mr|hipHostRegister\w*|cudaHostRegister\w*|cuMemHostRegister\w*|ib_umem_get"
    r"|io_uring_register_buffers|get_user_pages\w*|pin_user_pages\w*|reg_mr)\b.{0,120}?"
    r"(?P<text>[Bb]ad address|EFAULT|-14\b|[Ii]nvalid|not permitted|not supported|fail|error)"
)
NEAR: tuple[Near, ...] = (
    _row("ioremap_on_ram", "ioremap on RAM at", rf"ioremap on RAM at {_START} - {_LAST}"),
    _row(
        "ioremap_on_ram",
        "ioremap on RAM pfn",
        r"ioremap on RAM pfn (?P<pfn>(?:0x)?[0-9a-f]{1,13})(?![0-9a-fx])",
    ),
    _row(
        "ioremap_invalid",
        "ioremap: invalid",
        rf"ioremap: invalid physical address {_START}(?![0-9a-fx])",
    ),
    _row(
        "ioremap_wrapped", "ioremap", r"ioremap: (?P<why>(?:invalid|bad) (?:size|range)\b.{0,60})"
    ),
    _row(
        "ioremap_early",
        "called early from",
        r"ioremap\(\) called early from (?P<func>[A-Za-z_]\w{0,60})",
    ),
    _row("iounmap_bad", "iounmap", r"iounmap: bad address (?P<pointer>\S{1,24})"),
    _row(
        "bars_fine", "mapping multiple BARs", r"Info: mapping multiple BARs\. Your kernel is fine"
    ),
    _row(
        "bars_caller",
        "mapping multiple BARs",
        r"caller (?P<func>[A-Za-z_][\w.]{0,60})\S{0,24} (?:\[(?P<module>[\w-]{1,40})\] )?mapping",
    ),
    _row(
        "memremap_refused",
        "memremap attempted on",
        r"memremap attempted on (?P<where>(?:unknown/)?mixed(?: range)?|ram)"
        rf"(?: range)? {_START} size: {_SIZE}(?![0-9a-fx])",
    ),
    _row("cpa_zero", "CPA: called for zero pte", r"CPA: called for zero pte\. ?(?P<where>.{0,80})"),
    _row(
        "cpa_wx", "CPA", r"CPA (?:detected W\^X violation|refuse W\^X violation)(?P<where>.{0,80})"
    ),
    _row(
        "huge_mtrr",
        "Cannot satisfy",
        rf"p[mu]d_set_huge: Cannot satisfy \[mem {_START}-{_END}\] with a huge-page mapping",
    ),
    _row("mtrr_overlap", "overlaps existing", r"mtrr: .{0,60}overlaps existing (?P<what>.{0,60})"),
    _row("mtrr_refused", "no more MTRRs", r"(?P<what>no more MTRRs available)"),
    _row(
        "mtrr_refused",
        "is not aligned on a",
        r"(?P<what>base\(.{0,80}not aligned on a size.{0,60})",
    ),
    _row(
        "mtrr_refused",
        "must be multiples of 4",
        r"(?P<what>size and base must be multiples of 4 ?kiB)",
    ),
    _row("mtrr_refused", "no MTRR for", r"(?P<what>no MTRR for [0-9a-f,x]{1,40} found)"),
    _row(
        "mtrr_refused",
        "support write-combining",
        r"(?P<what>your processor doesn't support write-combining)",
    ),
    _row("mtrr_refused", "MTRR allocation failed", r"(?P<what>MTRR allocation failed)"),
    _row("mtrr_mask", "incorrect mask", r"(?P<what>your BIOS has configured an incorrect mask)"),
    _row(
        "mtrr_cpus",
        "your CPUs had inconsistent",
        r"(?P<what>your CPUs had inconsistent .{0,40}settings)",
    ),
    _row("mtrr_cleanup", "mtrr_cleanup", r"mtrr_cleanup: (?P<what>.{0,60}optimal value)"),
    _row("mtrr_blank", "MTRRs all blank", r"(?P<what>CPU MTRRs all blank.{0,40})"),
    _row("mtrr_readonly", "MTRRs set to read-only", r"(?P<what>MTRRs set to read-only)"),
    _row("mtrr_map", "MTRR map:", r"MTRR map: (?P<count>\d{1,4}) entries"),
    _row(
        "mtrr_off",
        "MTRR|isabled",
        r"(?P<what>MTRRs disabled by BIOS|(?i:mtrr): Disabled\b"
        r"|MTRRs? (?:variable ranges )?disabled\b(?!, skipping))",
    ),
    _row("mtrr_off", "mtrr: Disabled", r"(?P<what>mtrr: Disabled)"),
    _row(
        "mtrr_firmware",
        "MTRR",
        r"MTRR: (?:Fixed MSR 0x|default type WB/UC|\w{2} selected as default|Physical address)",
    ),
    # The kernel prints hashed pointers here; FreeBSD prints numbers and an error.
    _row(
        "wc_mtrr_failed",
        "Failed to add WC MTRR",
        r"Failed to add WC MTRR for \[(?P<pointers>[^\]]{1,60})\](?P<freebsd>: -\d{1,3})?",
    ),
    _row("pat_cpus", "secondary CPU", r"PAT enabled, but not supported by secondary CPU"),
    _row(
        "bar_reserve",
        "can't",
        rf"(?:{_DEVICE}: )?BAR (?P<bar>\d{{1,2}})[: ].{{0,80}}?can't (?:reserve|claim)"
        rf"(?:.{{0,8}}\[mem {_START}-{_LAST}[^\]]{{0,30}}\])?",
    ),
    _row(
        "bar_reserve",
        "unable to reserve|mem",
        rf"{_DEVICE}: .{{0,40}}unable to reserve .{{0,30}}\[mem {_START}-{_LAST}",
    ),
    _row(
        "bar_reserve",
        "cannot reserve|egion",
        rf"(?:{_DEVICE}: )?.{{0,30}}cannot reserve (?:memory|PCI|MMIO|I/O)? ?regions?",
    ),
    _row(
        "bar_unassigned",
        "assign",
        rf"(?:{_DEVICE}: )?(?:BAR (?P<bar>\d{{1,2}})|bridge window|resource \d{{1,2}})[: ].{{0,60}}"
        r"(?:can't assign; no space|failed to assign|no space for)",
    ),
    _row("bar_unassigned", "NVRM: BAR", r"NVRM: BAR(?P<bar>\d) is 0M @ 0x0"),
    _row(
        "bar_unassigned",
        "can't claim BAR",
        rf"(?:{_DEVICE}: )?can't claim BAR (?P<bar>\d{{1,2}}) \[mem {_START}-{_LAST}"
        r"[^\]]{0,30}\]: no",
    ),
    _row(
        "bar_reserve",
        "can't request region",
        rf"can't request region for resource \[mem {_START}-{_LAST}",
    ),
    *(_row("dma_map_refused", word, _DMA_MAP) for word in ("_MAP_DMA", "dma_map", "IOAS", "IOVA")),
    *(_row("pin_refused", word, _PIN) for word in ("reg_mr", "Register", "user_pages", "umem_get")),
    _row(
        "no_wc_file",
        "resource|_wc",
        r"(?:no (?:such )?(?:file )?|missing |without |cannot find )\S{0,60}resource\d_wc"
        r"|resource\d_wc\b.{0,60}(?:No such file|not exist|missing|not (?:there|found|created))",
    ),
    _row(
        "iomap_regions",
        "pcim_iomap_regions",
        r"pcim_iomap_regions\W.{0,40}?\(?(?P<code>-(?:\d{1,3}))\b",
    ),
    _row(
        "devmem_read",
        "/dev/mem|Operation not permitted",
        r"(?:error )?read(?:ing)?\b.{0,12}/dev/mem\b.{0,12}: Operation not permitted",
    ),
    _row("strict_hint", "/dev/mem", r"/dev/mem\b.{0,40}Operation not permitted"),
    _row("strict_hint", "STRICT_DEVMEM?", r"enable (?P<option>CONFIG_(?:IO_)?STRICT_DEVMEM)\?"),
    _row(
        "wc_unavailable",
        "NVRM",
        r"NVRM: .{0,80}(?P<what>WC support is unavailable|PAT configuration unsupported"
        r"|rite-combining .{0,30}(?:unavailable|disabled|not supported))",
    ),
    _row(
        "wc_unavailable",
        "mlx|",
        r"mlx\d\w{0,8}.{0,80}(?P<what>(?:WC|[Ww]rite.?[Cc]ombining|BlueFlame).{0,24}"
        r"(?:not supported|unsupported|isn't supported|disabled))",
    ),
    _row(
        "fb_ioremap",
        "ioremap",
        r"(?P<driver>vesafb|efifb|uvesafb|simple-framebuffer|\w{2,12}fb)\b.{0,20}:? .{0,20}"
        rf"(?:cannot|can't|could not|abort, cannot) ioremap.{{0,40}}?(?:0x{_SIZE} @ {_START})?",
    ),
    _row(
        "fb_held",
        "could not acquire memory",
        r"(?P<driver>simple-framebuffer|simplefb|simpledrm|efifb|ofdrm).{0,40}could not acquire "
        r"memory",
    ),
    _row(
        "fb_held",
        "cannot reserve video memory",
        r"(?P<driver>efifb|vesafb|uvesafb)\w{0,12}:? .{0,20}cannot reserve video memory",
    ),
    _row(
        "iomem",
        " : ",
        rf"^{_START}-{_LAST} : (?P<name>(?!PAT\b)[A-Za-z0-9][^|]{{0,80}})$",
    ),
    # What a driver says itself, when the kernel's own line is missing; so it comes last.
    _row(
        "ioremap_failed",
        "emap",
        r"(?i)(?:^|[\s:(])(?:failed to |(?:can(?:not|'t)|could not|unable to) (?:\w{2,9} )?)"
        r"(?:devm_)?ioremap\w{0,12}\b",
    ),
    _row(
        "ioremap_failed",
        "ioremap",
        r"(?i)\bioremap(?!_change)\w{0,12}(?:\(\))?:? {0,2}(?:has |was )?"
        r"(?:fail(?:ed|ure)\b|error\b(?! for)|return(?:ed|s) (?:NULL|0\b|-\d))",
    ),
    # A bisection that ends at the change of the tracking (6.16) names the cause itself.
    _row("bisected", "f8e97613fed2|bad", r"f8e97613fed2[0-9a-f]{0,28}\b.{0,40}\bbad\b"),
    _row("qemu_mmap", "Failed to mmap", rf"Failed to mmap {_DEVICE} BAR (?P<bar>\d)"),
    _row(
        "qemu_region",
        "vfio_region_",
        r"vfio_region_(?:write|read)\((?P<where>[0-9a-f:.]{4,16}:region\d.{0,40}?)\) failed: "
        r"(?P<text>.{1,40})",
    ),
)
KINDS = frozenset(row.kind for row in NEAR)
