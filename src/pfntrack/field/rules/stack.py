"""Traces judged by their functions: who called whom decides, not file, line or offset."""

from __future__ import annotations

import re

import attrs

from pfntrack.field.catalogue.diagnoses.base import Code
from pfntrack.field.catalogue.diagnoses.look_alikes import (
    ELSEWHERE,
    FREED_PAGE,
    INSIDE,
    PROTECTION,
    SPANS,
)
from pfntrack.field.catalogue.messages.message import Message
from pfntrack.field.catalogue.messages.sites import exactly
from pfntrack.field.finding import Finding
from pfntrack.field.read.facts import Fact, hex_range
from pfntrack.field.rules.base import Case, Rule, always, finding

_REMAP = re.compile(
    r"^(?:io_)?remap_p(?:fn|te|md|ud|4d)_range\w*$|^vm_iomap_memory$|^track_pfn_remap$"
)
_INSERT = re.compile(r"^(?:__)?(?:vmf?_insert|insert)_(?:mixed|pfn|page)\w*$")
_LOOKUP = re.compile(
    r"^(?:lookup_memtype|memtype_lookup|pat_pfn_immune_to_uc_mtrr|track_pfn_insert)$"
)
_MEMTYPE = re.compile(
    r"^(?:memtype_(?!reserve_io|free_io)\w+|reserve_memtype|free_memtype|reserve_pfn_range"
    r"|free_pfn_range|reserve_ram_pages_type|lookup_memtype|(?:un)?track_pfn\w*|get_pat_info"
    r"|pfnmap_\w+|interval_(?:insert|remove|iter)\w*memtype)$"
)
_ZAP = re.compile(r"^(?:truncate_pagecache|unmap_mapping_\w+|zap_\w+|revoke_iomem|\w*revoke\w*)$")
_FAULT = re.compile(r"^(?:__)?(?:do_fault|handle_mm_fault|fixup_user_fault)$")
_CPA = re.compile(r"^(?:__)?(?:change_page_attr|cpa_)\w*$|^_?set_(?:memory|pages)_\w+$")
_LOCK_FILE = re.compile(r"(?:rwsem|mmap_lock)\.h$")
_FOLLOW = re.compile(r"^follow_(?:pte|pfnmap_start|phys|pfn)$")
# Frames of the core, which are not the caller that a report should go to.
_CORE = re.compile(
    r"^(?:__)?(?:remap_|io_remap|vm_iomap|vmf?_insert|insert_p|track_|untrack_|pfnmap_|memtype_"
    r"|reserve_|free_|follow_|get_pat|ioremap|memremap|devm_|iounmap|mmap_region|do_mmap|vm_mmap|ksys_|x64_"
    r"|__x64|__ia32|do_|el0|unmap_|zap_|exit_|mmput|__mmput|copy_|kernel_clone|vfs_|__do_|rwsem|down_"
    r"|handle_|asm_|exc_|__change|change_page|set_memory|_?set_pages|cpa_|__cpa|call_mmap|mmap_)"
)


def caller(fact: Fact) -> str:
    """The driver or function that made the call, as far as the trace tells; or empty."""
    module = fact.text_of("module")
    func = fact.text_of("func")
    outside = next((n for n in fact.frames if n != func and not _CORE.match(n)), "")
    if module and outside:
        return f"{outside}() of {module}"
    return module or (f"{outside}()" if outside else "")


def _by(fact: Fact) -> str:
    name = caller(fact)
    return f" ({name})" if name else ""


def _any(pattern: re.Pattern[str], fact: Fact) -> bool:
    return any(pattern.match(name) for name in (fact.text_of("func"), *fact.frames) if name)


@attrs.frozen(slots=True)
class _Verdict:
    code: str
    confidence: str
    because: str
    answer: str
    severity: str = ""
    variant: Code | None = None


def _warned(fact: Fact, case: Case) -> _Verdict | None:
    func, file = fact.text_of("func"), fact.text_of("file")
    if _LOCK_FILE.search(file):
        return _lock(fact, case)
    if not file and _REMAP.match(func) and _any(_FAULT, fact):
        return _Verdict(
            "REMAP_WITHOUT_WRITE_LOCK",
            "medium",
            "remap_pfn_range() is called from a fault handler, where the mmap lock is only held "
            "for reading",
            f"Harmless, and not about memory types: a driver{_by(fact)} calls remap_pfn_range() "
            "from its fault handler, without the mmap lock held for writing; the mapping works.",
        )
    if func == "__ioremap_caller" and "generic_access_phys" in fact.frames:
        return _Verdict(
            "IOREMAP_ON_RAM",
            "high",
            "generic_access_phys() is in the trace: memory of another process is read",
            "Harmless: a debugger or tracer read a device mapping whose page had been copied to "
            "RAM; only that read fails.",
            "info",
        )
    if func == "__ioremap_caller" or (func.startswith("ioremap") and "ioremap.c" in file):
        return _Verdict(
            "IOREMAP_BAD_REQUEST",
            "medium",
            "the warning is the one of __ioremap_caller(); its text line is missing or it has none",
            f"A driver{_by(fact)} gave ioremap() a range that it refuses: empty, wrapped, or "
            'system RAM (then a line "ioremap on RAM" stands before the warning).',
        )
    if _CPA.match(func) and file.endswith("pgtable.h"):
        return _Verdict(
            "NOT_PAT",
            "medium",
            f"the warning comes from {file}, inlined into {func}()",
            "Not memory types but protections: a check of page-table entries complained while "
            f"kernel pages were changed{_by(fact)}, most likely a read-only one that is dirty.",
            variant=PROTECTION,
        )
    if "set_memory.c" in file or "pageattr.c" in file:
        return _Verdict(
            "SET_MEMORY_UNMAPPED",
            "medium",
            f"the warning comes from {func}()",
            f"set_memory_*() was called{_by(fact)} for kernel addresses it cannot change.",
        )
    if _REMAP.match(func) and "memory.c" in file:
        return _Verdict(
            "REMAP_UNALIGNED",
            "medium",
            "the only warning of that function is about its address",
            f"A driver{_by(fact)} called remap_pfn_range() with an address inside a page, and was "
            "refused with EINVAL.",
        )
    if func == "reserve_ram_pages_type":
        return _Verdict(
            "UNCLASSIFIED_TRACE",
            "medium",
            "its only warning is about strong uncached RAM",
            f"Harmless: somebody{_by(fact)} asked for strong uncached RAM, which the kernel does "
            "not track; it is uncached-minus instead.",
            "info",
        )
    if func in ("memtype_reserve", "reserve_memtype"):
        return _Verdict(
            "RANGE_BOGUS",
            "medium",
            "memtype_reserve() warns about a range whose start lies at or behind its end; the line "
            "with the range is missing",
            f"A driver{_by(fact)} asked for an impossible range (empty or wrapped); the line with "
            "the range is missing.",
        )
    return None


def _lock(fact: Fact, case: Case) -> _Verdict | None:
    if _any(_REMAP, fact) and not _any(_ZAP, fact):
        return _Verdict(
            "REMAP_WITHOUT_WRITE_LOCK",
            "high",
            "the assertion about the mmap lock failed inside remap_pfn_range()",
            f"Harmless, and not about memory types: a driver{_by(fact)} calls remap_pfn_range() "
            "without the mmap lock held for writing; the mapping works.",
        )
    if _any(_FOLLOW, fact) and len(fact.frames) < 3:
        window = case.window("UNTRACK_FROM_ZAP_WITHOUT_MMAP_LOCK")
        code = "UNCLASSIFIED_TRACE" if window is False else "UNTRACK_FROM_ZAP_WITHOUT_MMAP_LOCK"
        return _Verdict(
            code,
            "low",
            "the page-table walk asserts the mmap lock; the frames that would name the caller are "
            "missing",
            "A page-table walk was made without the mmap lock: from 6.10 to 6.15 mostly because a "
            "tracked mapping is emptied through its file; the trace is too short to be sure.",
        )
    if _any(_FOLLOW, fact) and not any("track_pfn" in name for name in fact.frames):
        return _Verdict(
            "UNCLASSIFIED_TRACE",
            "medium",
            "the page-table walk asserts the mmap lock",
            f"A caller{_by(fact)} walks page tables without the mmap lock; memory types play no "
            "part.",
            "info",
        )
    return None


def _crashed(fact: Fact, case: Case) -> _Verdict | None:
    what, top = fact.text_of("what"), fact.frames[:6]
    in_memory = re.search(r"mm/(?:huge_)?memory\.c", fact.text_of("file")) is not None
    if what == "bug" and in_memory and any(_INSERT.match(name) for name in top):
        return _Verdict(
            "INSERT_PFN_WRONG_VMA",
            "high",
            "the BUG is inside the insertion of a pfn",
            f"A driver{_by(fact)} inserted a page into a mapping that is not prepared for it; the "
            "kernel stopped the process.",
        )
    if what == "bug" and in_memory and any(_REMAP.match(name) for name in top):
        return _Verdict(
            "REMAP_OVER_EXISTING",
            "high",
            "the BUG is inside remap_pfn_range(), which wants empty page-table entries",
            f"A driver{_by(fact)} remapped pages that were mapped already, or more than its "
            "mapping holds; the kernel stopped the process.",
        )
    if what == "bug" and in_memory and case.log.has("remap_call"):
        return _Verdict(
            "REMAP_OVER_EXISTING",
            "medium",
            "the driver says that it calls remap_pfn_range(), and a BUG of mm/memory.c follows",
            f"A driver{_by(fact)} remapped pages that were mapped already, or more than its "
            "mapping holds; the kernel stopped the process.",
        )
    if what == "bad_page_map":
        flags = fact.number("vm_flags")
        if flags is not None and not flags & 0x400 and fact.text_of("mmap"):
            return _freed_page(fact, flags)
        if flags is None or not flags & 0x400 or _foreign(fact):
            return None
        return _Verdict(
            "BAD_PAGE_MAP_PFNMAP",
            "medium",
            f"vm_flags 0x{flags:x} contain VM_PFNMAP (0x400)",
            "A raw pfn mapping holds an entry that does not belong there, usually because a driver "
            "changed a copy of the mapping's descriptor.",
        )
    if what in ("lockup", "stall", "hung") and any(_LOOKUP.match(n) for n in fact.frames[:9]):
        return _Verdict(
            "LOOKUP_IN_STALL",
            "medium",
            "the stuck CPU is inside the look-up of a memory type",
            "A CPU was stuck while it looked up a memory type: it either waits for the list's lock "
            "(then another CPU is the cause) or looks up too much.",
        )
    if any(_MEMTYPE.match(name) for name in (fact.text_of("func"), *top) if name):
        return _Verdict(
            "UNCLASSIFIED_TRACE",
            "low",
            f"{what}: the trace goes through the memory-type code",
            f"{_NAMES.get(what, 'A failure')} inside the code for memory types{_by(fact)}; it is "
            "none of the known cases.",
            "error" if what in ("oops", "kasan", "bug") else "",
        )
    return None


def _freed_page(fact: Fact, flags: int) -> _Verdict:
    maker = fact.text_of("mmap") + "()"
    module = fact.text_of("module")
    return _Verdict(
        "NOT_PAT",
        "medium",
        f"vm_flags 0x{flags:x} lack VM_PFNMAP (0x400), and the mapping was made by {maker}",
        f"Not memory types: a mapping that {maker}{f' of {module}' if module else ''} made "
        "holds a page that is not held for it, so the driver (or the memory) is at fault.",
        variant=FREED_PAGE,
    )


_NAMES = {
    "oops": "An oops",
    "kasan": "A memory error (KASAN)",
    "bug": "A BUG",
    "lockdep": "A lockdep report",
    "lockup": "A lockup",
    "stall": "A stall",
    "hung": "A hung task",
}


def _foreign(fact: Fact) -> bool:
    """Frames of another architecture."""
    return any(name in ("unwind_backtrace", "el0_svc", "show_stack_loglvl") for name in fact.frames)


def traces(case: Case, used: set[int]) -> list[Finding]:
    """Findings for traces that are not about the release of a tracked mapping."""
    found = []
    ram = case.log.of("ioremap_on_ram")
    for fact in case.log.of("warning", "crash"):
        if id(fact) in used:
            continue
        if fact.text_of("func") == "__ioremap_caller" and any(
            abs(near.line - fact.line) <= 6 for near in ram
        ):
            # The line before says it better; this is its trace.
            used.add(id(fact))
            continue
        verdict = _warned(fact, case) if fact.kind == "warning" else _crashed(fact, case)
        if verdict is None and fact.kind == "warning":
            verdict = _other(fact)
        elif verdict is None and fact.text_of("what") == "bug":
            message = exactly(fact.text_of("file"), fact.text_of("func"))
            verdict = _placed(fact, message) if message is not None else None
        if verdict is None:
            continue
        used.add(id(fact))
        rule = Rule(verdict.code, always, verdict.confidence, verdict.because, verdict.severity)
        made = finding(rule, (fact,), case)
        found.append(attrs.evolve(made, answer=verdict.answer, variant=verdict.variant))
    return found


def _other(fact: Fact) -> _Verdict | None:
    """A warning inside this code that no rule knows: what its place means, as far as known."""
    func, file = fact.text_of("func"), fact.text_of("file")
    message = exactly(file, func)
    if message is not None and not _CRASHES & set(message.codes):
        return _placed(fact, message)
    known = _MEMTYPE.match(func) or re.search(r"mm/pat(?:/|\.c|_rb)", file)
    if not known:
        return None
    name = f"{func}()" if func else f"a function of {file}"
    return _Verdict(
        "UNCLASSIFIED_TRACE",
        "low",
        f"the warning comes from {name}",
        f"A warning of {name}{_by(fact)}: a check of the memory-type code failed; it is "
        "none of the known cases.",
    )


# These are about a BUG, which ends the process; a warning of the same function is another thing.
_CRASHES = {"REMAP_OVER_EXISTING", "INSERT_PFN_WRONG_VMA"}


def _placed(fact: Fact, message: Message) -> _Verdict:
    """The catalogue's meaning of the place, said of this trace."""
    code = message.codes[0]
    if "UNCLASSIFIED_TRACE" in message.codes:
        code = "UNCLASSIFIED_TRACE"
    meaning = message.meaning[0].lower() + message.meaning[1:].rstrip(".")
    what = "warning" if fact.kind == "warning" else "BUG"
    text = f"A {what} of {fact.text_of('func')}(){_by(fact)}: {meaning}."
    return _Verdict(
        code,
        "low",
        f"the {what} comes from {fact.text_of('func')}()",
        f"Not memory types. {text}" if code == "NOT_PAT" else text,
        variant=ELSEWHERE if code == "NOT_PAT" else None,
    )


def io_reserve(case: Case, used: set[int]) -> list[Finding]:
    """Warnings of memtype_reserve_io() that are about resources, not about memory types."""
    found = []
    sanity = case.log.of("resource_sanity")
    for fact in case.log.of("warning"):
        if fact.text_of("func") != "memtype_reserve_io" or id(fact) in used:
            continue
        used.add(id(fact))
        near = [s for s in sanity if id(s) not in used and 0 <= fact.line - s.line <= 12]
        rule = Rule("NOT_PAT", always, "high" if near else "low", "the check of resources failed")
        facts = (*near[:1], fact)
        used.update(id(each) for each in facts)
        made = finding(rule, facts, case)
        if near:
            answer = sentence(near[0], case)
            variant = INSIDE if inside(near[0]) else SPANS
        else:
            answer = (
                "Usually harmless: a driver mapped a range that spans several resources; the line "
                "before the warning, which names them, is missing."
            )
            variant = SPANS
        found.append(attrs.evolve(made, answer=answer, variant=variant))
    return found


def inside(sanity: Fact) -> bool:
    """Whether the resource in the line lies inside the request."""
    start, end = sanity.number("inner_start"), sanity.number("inner_end")
    if start is None or end is None or not sanity.has_range:
        return False
    return sanity.span[0] <= start and end <= sanity.span[1]


def sentence(sanity: Fact, case: Case) -> str:
    """What a line of the resource check says, in one sentence."""
    name = sanity.text_of("resource").split(" [mem")[0]
    where = hex_range(*sanity.span) if sanity.has_range else "a range"
    who = "a driver" + _mapper(sanity, case)
    if inside(sanity):
        return f"Harmless: {who} mapped {where}, and {name}, a smaller resource, lies inside it."
    return (
        f"Not memory types: {who} mapped {where}, which spans more than the resource {name}; "
        "the mapping was made."
    )


def _mapper(sanity: Fact, case: Case) -> str:
    """The function that the next line ("caller ... mapping multiple BARs") names, in brackets."""
    after = [f for f in case.log.of("bars_caller") if 0 <= f.line - sanity.line <= 3]
    if not after:
        return ""
    module = after[0].text_of("module")
    return f" ({after[0].text_of('func')}(){f' of {module}' if module else ''})"
