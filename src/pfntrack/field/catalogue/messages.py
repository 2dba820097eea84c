"""The message catalogue: what each line means, who prints it, and how its range is written."""

from __future__ import annotations

import attrs

from pfntrack.field.catalogue.codes import CODES, Code
from pfntrack.field.read.lines import clean
from pfntrack.field.read.parse import parse_line, parse_partial
from pfntrack.field.read.traces import begin


@attrs.frozen(slots=True)
class Message:
    """One message of the kernel and how to read it."""

    kind: str
    form: str
    printed_by: str
    level: str
    notation: str
    meaning: str
    trap: str
    codes: tuple[str, ...]
    since: str = ""


MESSAGES: tuple[Message, ...] = (
    Message(
        "conflict",
        "x86/PAT: COMM:PID conflicting memory types S-E A<->B",
        "memtype_check_conflict() in arch/x86/mm/pat/memtype_interval.c",
        "info",
        "hex without 0x, end EXCLUSIVE",
        "The range overlaps at least two reservations of different types; A is the type of the "
        "leftmost, B the first that differs.",
        "Neither A nor B has to be what the task asked for, and the task is only the one that came "
        "last. The next line writes the same range with an inclusive end.",
        (
            "RANGE_SPANS_MIXED_OWNERS",
            "STALE_OR_LIVE_GPU_RESERVATION",
            "LIVE_DRIVER_VS_XORG",
            "LIVE_DRIVER_VS_FBDEV",
            "RANGE_CROSSES_RESOURCE",
            "RANGE_BOGUS",
            "SET_MEMORY_ON_TRACKED_PMEM",
            "CONFLICT_UNDERSPECIFIED",
        ),
        "2.6.26; without the prefix before 4.2",
    ),
    Message(
        "reserve_failed",
        "x86/PAT: memtype_reserve failed [mem S-E], track T, req R",
        "memtype_reserve() in arch/x86/mm/pat/memtype.c",
        "info",
        "[mem 0x..], end inclusive; before 3.5 bare 0xS-0xE with exclusive end",
        "Second line of a refusal: R was asked for, T is what R became after the MTRR hint.",
        "T is the type WANTED, not the type of the existing reservation.",
        ("RANGE_SPANS_MIXED_OWNERS", "STALE_OR_LIVE_GPU_RESERVATION", "CONFLICT_UNDERSPECIFIED"),
        "before 5.6: reserve_memtype failed",
    ),
    Message(
        "map_pfn_expected",
        "x86/PAT: COMM:PID map pfn expected mapping type W for [mem S-E], got G",
        "reserve_pfn_range() in arch/x86/mm/pat/memtype.c",
        "err",
        "[mem 0x..], end inclusive",
        "A mapping wanted W, one existing reservation says G, and the pair is refused.",
        "Only four pairs are refused; every other difference is granted silently, without a line. "
        "Up to 6.15 fork compares strictly and refuses every difference.",
        ("REQ_UC_EXISTING_WB", "REQ_WP_ENCODED_AS_OTHER", "UNTRACK_FAILED_FORK"),
    ),
    Message(
        "map_pfn_ram",
        "x86/PAT: COMM:PID map pfn RAM range req R for [mem S-E], got G",
        "reserve_pfn_range() in arch/x86/mm/pat/memtype.c",
        "warn",
        "[mem 0x..], end inclusive",
        "RAM was mapped with type G of its pages instead of R.",
        "It reports a success: the mapping exists. G is not always write-back.",
        ("RAM_TYPE_OVERRIDDEN",),
    ),
    Message(
        "free_invalid",
        "x86/PAT: COMM:PID freeing invalid memtype [mem S-E]",
        "memtype_free() in arch/x86/mm/pat/memtype.c",
        "info",
        "[mem 0x..], end inclusive; before 3.5 bare S-E with exclusive end",
        "A release found no reservation of that range.",
        "It may be a leak, a consequence of an earlier refusal, or harmless; the range and the "
        "kernel release decide.",
        (
            "KERNEL_BUG_VMA_SPLIT",
            "KERNEL_BUG_MREMAP_SHRINK",
            "KERNEL_BUG_AMBIGUOUS_FREE",
            "UNMAP_SHAPE_DIFFERS",
            "KERNEL_BUG_SIGN_EXTENSION",
            "KERNEL_BUG_SANITIZE_PHYS",
            "SET_MEMORY_ON_TRACKED_PMEM",
        ),
    ),
    Message(
        "ram_type_failed",
        "x86/PAT: reserve_ram_pages_type failed [mem S-E], track 0xN, req 0xN",
        "reserve_ram_pages_type() in arch/x86/mm/pat/memtype.c",
        "info",
        "[mem 0x..], end inclusive; before 3.5 exclusive",
        "set_memory_*() or ioremap() met RAM that already has a type.",
        "Equal types are refused as well. N is the cache-mode number, before 3.19 raw page-table "
        "bits (0x10 is uncached-minus, 0x8 write-combining).",
        ("RAM_TYPE_ALREADY_SET",),
    ),
    Message(
        "change_attr_failed",
        "x86/PAT: COMM:PID ioremap_change_attr failed T for [mem S-E]",
        "memtype_kernel_map_sync() in arch/x86/mm/pat/memtype.c",
        "info",
        "[mem 0x..], end inclusive",
        "The kernel's direct map could not be given the same type.",
        "Concerns RAM below 1 MiB only; never device memory.",
        ("CONFLICT_UNDERSPECIFIED",),
    ),
    Message(
        "reserve_failed_warn",
        "memtype_reserve failed: [mem S-E], req T (with WARNING)",
        "memtype_reserve() in arch/x86/mm/pat/memtype.c",
        "warn",
        "[mem 0x..], end inclusive, printed after masking",
        "The start lies at or behind the end.",
        "An end of all ones is zero minus one: a range at the top of physical memory, a kernel "
        "error, not the caller's.",
        ("RANGE_BOGUS", "KERNEL_BUG_SANITIZE_PHYS"),
    ),
    Message(
        "ioremap_reserve_failed",
        "ioremap memtype_reserve failed -16 (or -22)",
        "__ioremap_caller() in arch/x86/mm/ioremap.c",
        "err",
        "no range",
        "-16: a conflict of types, named in the lines before; -22: a bad or mixed range.",
        "The explaining lines are printed at info level and often hidden.",
        ("CONFLICT_UNDERSPECIFIED", "RANGE_BOGUS"),
    ),
    Message(
        "ioremap_error",
        "ioremap error for 0xS-0xE, requested 0xN, got 0xM",
        "__ioremap_caller() in arch/x86/mm/ioremap.c",
        "err",
        "0x.., end EXCLUSIVE",
        "One existing reservation of type M refuses N.",
        "0 write-back, 1 write-combining, 2 uncached-minus, 3 uncached, 4 write-through, 5 "
        "write-protected; before 3.19 raw page-table bits (0x10 is uncached-minus).",
        ("REQ_UC_EXISTING_WB",),
    ),
    Message(
        "warning",
        "WARNING: ... at arch/x86/mm/pat/memtype.c:NNN untrack_pfn (get_pat_info, track_pfn_copy)",
        "get_pat_info() in arch/x86/mm/pat/memtype.c, 3.7 to 6.15",
        "warn once",
        "no range",
        "The range of a tracked mapping could not be read back from its page tables.",
        "One title, several causes: read the frames. Printed once per boot, so silence later "
        "proves nothing.",
        (
            "UNTRACK_AFTER_ZAP",
            "UNTRACK_FROM_ZAP_WITHOUT_MMAP_LOCK",
            "UNTRACK_COW_FIRST_PAGE",
            "UNTRACK_FAILED_FORK",
            "UNTRACK_AFTER_FAILED_REMAP",
            "UNTRACK_MREMAP_MOVE",
        ),
    ),
    Message(
        "resource_sanity",
        "resource sanity check: requesting [mem S-E], which spans more than NAME [mem ..]",
        "iomem_map_sanity_check() in kernel/resource.c",
        "warn, debug in 7.3",
        "[mem 0x..], end inclusive",
        "A mapping covers more than one resource.",
        "Not PAT by itself; with a WARNING in memtype_reserve_io it is the range of a reservation.",
        ("NOT_PAT", "RANGE_BOGUS", "RANGE_CROSSES_RESOURCE"),
    ),
    Message(
        "pat_config",
        "x86/PAT: Configuration [0-7]: WB WC UC- UC WB WP UC- WT",
        "init_cache_modes() in arch/x86/mm/pat/memtype.c",
        "info",
        "eight slots",
        "The table in use. WB WC UC- UC WB WP UC- WT is complete; WB WC UC- UC WB WC UC- UC is the "
        "erratum table of old processors; WB WT UC- UC WB WT UC- UC means PAT is off; WB WT UC- UC "
        "WC WP UC UC is Xen's.",
        "Xen's table is fully working although a line about skipping may precede it.",
        ("HEALTHY", "PAT_OFF_CPU", "PAT_OFF_BECAUSE_MTRR_OFF", "PAT_OFF_USER", "XEN_PV_PAT_LAYOUT"),
    ),
    Message(
        "pat_enabled_old",
        "x86 PAT enabled: cpu 0, old 0x.., new 0x..",
        "pat_init(), before 4.2",
        "info",
        "register values",
        "The PAT register before and after; the lowest byte is slot 0 (0 UC, 1 WC, 4 WT, 5 WP, 6 "
        "WB, 7 UC-).",
        "Normal.",
        ("HEALTHY",),
    ),
    Message(
        "pat_skip_mtrr",
        "x86/PAT: MTRRs disabled, skipping PAT initialization too.",
        "pat_disable(), 4.6 to 6.1",
        "info",
        "no range",
        "No usable MTRRs, so the power-on table stays and nothing is tracked.",
        "Also printed under Xen PV, where PAT works nevertheless.",
        ("PAT_OFF_BECAUSE_MTRR_OFF", "XEN_PV_PAT_LAYOUT"),
    ),
    Message(
        "pat_disabled",
        "x86/PAT: PAT support disabled via boot option. / PAT not supported by the CPU. / ...",
        "pat_disable() in arch/x86/mm/pat/memtype.c",
        "info",
        "no range",
        "PAT is off, for the reason in the line.",
        "There is no memtype list and no message afterwards.",
        ("PAT_OFF_USER", "PAT_OFF_CPU"),
    ),
    Message(
        "debug_added",
        "x86/PAT: memtype_reserve added [mem S-E], track T, req R, ret X (boot option debugpat)",
        "memtype_reserve() in arch/x86/mm/pat/memtype.c",
        "info",
        "[mem 0x..], end inclusive",
        "A reservation was made; X is the type granted.",
        "R and X may differ without any other line: that is the silent downgrade.",
        ("CHECK_WC_OF_BAR", "SILENT_DOWNGRADE_ADJACENT"),
    ),
    Message(
        "debug_overlap",
        "x86/PAT: Overlap at 0xS-0xE (boot option debugpat)",
        "memtype_check_conflict() in arch/x86/mm/pat/memtype_interval.c",
        "info",
        "0x.., end EXCLUSIVE",
        "The first existing reservation that the next request overlaps.",
        "Only the first; overlap with equal types is normal.",
        ("HEALTHY",),
    ),
    Message(
        "debug_free",
        "x86/PAT: memtype_free request [mem S-E] (boot option debugpat)",
        "memtype_free() in arch/x86/mm/pat/memtype.c",
        "info",
        "[mem 0x..], end inclusive",
        "A release succeeded.",
        "Up to 6.15 it may have shortened another reservation; the line looks the same.",
        ("KERNEL_BUG_AMBIGUOUS_FREE",),
    ),
    Message(
        "list_entry",
        "PAT: [mem 0xS-0xE] type (or, before 5.6, type @ 0xS-0xE)",
        "memtype_seq_show(), file /sys/kernel/debug/x86/pat_memtype_list",
        "file",
        "end EXCLUSIVE in both forms, although [mem ..] looks inclusive",
        "One reservation.",
        "A row that ends at an address belongs to the neighbour below it. No row names an owner.",
        ("HEALTHY", "CHECK_WC_OF_BAR"),
    ),
    Message(
        "mtrr_mismatch",
        "mtrr: type mismatch for B,S old: A new: C",
        "mtrr_add_page()",
        "warn",
        "BASE,SIZE: not a range of two addresses",
        "A requested MTRR lies inside another of a different type.",
        "Not PAT.",
        ("MTRR_LEGACY_OVERLAP",),
    ),
    Message(
        "mtrr_trim",
        "WARNING: BIOS bug: CPU MTRRs don't cover all of memory, losing NMB of RAM.",
        "mtrr_trim_uncached_memory()",
        "warn",
        "megabytes",
        "RAM that no MTRR makes write-back is not used.",
        "Not PAT: the firmware.",
        ("MTRR_TRIM",),
    ),
    Message(
        "strict_devmem",
        "Program X tried to access /dev/mem between S->E.",
        "range_is_allowed(), old kernels",
        "info",
        "end exclusive",
        "Strict /dev/mem refused an access.",
        "Not PAT.",
        ("NOT_PAT",),
    ),
    Message(
        "mce_nospec_failed",
        "Could not invalidate pfn=0xN from 1:1 map",
        "set_mce_nospec(), before 5.19",
        "warn",
        "page frame number",
        "A poisoned page could not be taken out of the direct map.",
        "Follows a refused set_memory_uc() on tracked persistent memory.",
        ("SET_MEMORY_ON_TRACKED_PMEM",),
    ),
    Message(
        "kernel_bug",
        "kernel BUG at arch/x86/mm/pat.c:N!",
        "reserve_memtype(), before 3.7",
        "emerg",
        "no range",
        "An empty or wrapped range; later kernels warn and refuse.",
        "The line number alone says little; the trace names the caller.",
        ("RANGE_BOGUS",),
    ),
)
BY_KIND: dict[str, Message] = {message.kind: message for message in MESSAGES}


def find(query: str) -> Message | Code | None:
    """The catalogue entry for a message line, a kind of message, or a diagnosis code."""
    text = query.strip()
    code = CODES.get(text.upper().replace("-", "_"))
    if code is not None:
        return code
    if text in BY_KIND:
        return BY_KIND[text]
    line = clean(1, text)
    fact = parse_line(line) or parse_partial(line)
    if fact is not None and fact.kind in BY_KIND:
        return BY_KIND[fact.kind]
    if begin(line) is not None:
        return BY_KIND["warning"]
    return _by_words(text)


def _by_words(text: str) -> Message | None:
    """The message that shares most words with the query; none if they share less than two."""
    words = {w for w in text.lower().replace(":", " ").split() if len(w) > 2}
    best = max(MESSAGES, key=lambda m: len(words & _words(m)))
    return best if len(words & _words(best)) >= min(2, len(words)) and words else None


def _words(message: Message) -> set[str]:
    return set(message.form.lower().replace(":", " ").replace(",", " ").split())


def markdown() -> str:
    """The whole catalogue as one documentation page."""
    out = [
        "# Messages and diagnoses",
        "",
        "Generated from the data that `pfntrack triage` uses.",
        "",
    ]
    out += ["## Messages", ""]
    for message in MESSAGES:
        out += [f"### `{message.form}`", "", message.meaning, ""]
        out += [
            f"- Printed by: {message.printed_by} (level {message.level})",
            f"- Range: {message.notation}",
            f"- Trap: {message.trap}",
        ]
        if message.since:
            out.append(f"- Versions: {message.since}")
        out += ["- Diagnoses: " + ", ".join(f"`{code}`" for code in message.codes), ""]
    out += ["## Diagnoses", ""]
    for code in CODES.values():
        out += [
            f"### {code.code}",
            "",
            f"*{code.title}.* {code.what}",
            "",
            f"Rule: {code.rule}",
            "",
        ]
        out.append(f"- Severity: {code.severity} ({code.harm})")
        if code.window is not None:
            out.append(f"- Affected kernels: {code.window}")
        out += [f"- Do: {text}" for text in code.do]
        out += [f"- Do not: {text}" for text in code.dont]
        out += [f"- See: `{c.ref}` {c.title}" for c in (*code.fixed_by, *code.see)]
        out.append("")
    return "\n".join(out).rstrip() + "\n"
