"""The answer in one sentence: what the reader wants to know first, true of the facts at hand.

A sentence names only what the lines hold. Where a rule gave a sentence of its own, that stands.
"""

from __future__ import annotations

from collections.abc import Callable

from pfntrack.field.catalogue.diagnoses.base import NEVER_NOPAT
from pfntrack.field.finding import Finding
from pfntrack.field.read.collect import Log
from pfntrack.field.read.facts import Fact, hex_range, human_size

_FIXED: dict[str, str] = {
    "KERNEL_BUG_SANITIZE_PHYS": "An error of the kernel, not of the driver: a range at the very "
    "top of the physical address space was read as empty.",
    "UNTRACK_FROM_ZAP_WITHOUT_MMAP_LOCK": "A device mapping was emptied through its file, and the "
    "kernel released its whole reservation on the way, without the lock it needs: what is still "
    "mapped is unprotected.",
    "UNTRACK_AFTER_FAILED_REMAP": "Harmless: remap_pfn_range() failed half-way and its clean-up "
    "warned about itself.",
    "UNTRACK_MREMAP_MOVE": "mremap() moved a device mapping, and the old, empty place was released "
    "once more.",
    "TRACKCTX_SECOND_REMAP": "The driver remaps one mapping a second time, which 6.16 and later "
    "refuse with EINVAL and without a message.",
    "PAT_OFF_BECAUSE_MTRR_OFF": "PAT is off because this kernel ties it to the MTRRs and they are "
    "off; nothing is broken, but nothing is write-combining.",
    "PAT_OFF_USER": "PAT is off by choice (nopat or the configuration), so nothing is "
    "write-combining.",
    "XEN_PV_PAT_LAYOUT": "Nothing is wrong: PAT works, with the table that Xen sets up.",
    "MTRR_LEGACY_OVERLAP": "Harmless where PAT is on: an MTRR was asked for inside another one and "
    "not given.",
    "IOREMAP_FAILED": "A driver got no mapping from ioremap(); the kernel's own line, which says "
    "why, is not in the text.",
    "HEALTHY": "Healthy: the lines about memory types are the normal ones.",
    "SYNTHETIC_RULE_CHECK": "Nothing is broken: the lines were constructed to check the rule.",
}
_SENTENCES: dict[str, Callable[[Finding], str]] = {}


def answer(made: Finding) -> str:
    """The first sentence of the report for this finding."""
    text = made.answer or _sentence(made)
    # Where the text holds several boots, the answer is about the one that it names.
    return f"In {made.boot}: {text}" if made.boot else text


def _sentence(made: Finding) -> str:
    write = _SENTENCES.get(made.code)
    text = write(made) if write is not None else _FIXED.get(made.code, "")
    return text or made.entry.what.split(". ")[0].rstrip(".") + "."


def _for(*codes: str) -> Callable[[Callable[[Finding], str]], Callable[[Finding], str]]:
    def register(function: Callable[[Finding], str]) -> Callable[[Finding], str]:
        for code in codes:
            _SENTENCES[code] = function
        return function

    return register


def _lead(made: Finding, *kinds: str) -> Fact:
    return next((f for f in made.facts if f.kind in kinds), made.facts[0])


def _where(fact: Fact) -> str:
    if not fact.has_range:
        return "a range that the text does not name"
    return f"{hex_range(*fact.span)} ({human_size(fact.size)})" if fact.size > 0 else "the range"


def _who(fact: Fact, default: str = "a mapping") -> str:
    comm = fact.text_of("comm")
    return comm if comm and not fact.values.get("pid_elided") else default


def _pair(fact: Fact) -> str:
    first, second = fact.text_of("type_a"), fact.text_of("type_b")
    return f" ({first} and {second})" if first and second else ""


@_for("RAM_TYPE_OVERRIDDEN")
def _ram(made: Finding) -> str:
    fact = _lead(made, "map_pfn_ram")
    wanted, got = fact.text_of("req"), fact.text_of("got")
    if not wanted or not got:
        return "The mapping of RAM was made, with the type its pages have; mostly harmless."
    verdict = "Not harmless here" if made.level != "info" else "Mostly harmless"
    return (
        f"{verdict}: {_who(fact, 'a process')} got its mapping of RAM {_where(fact)}, as {got} "
        f"instead of {wanted}."
    )


@_for("RAM_TYPE_ALREADY_SET")
def _typed(made: Finding) -> str:
    fact = _lead(made, "ram_type_failed")
    end = "and the mapping failed" if made.level == "error" else "mostly harmless"
    return f"RAM {_where(fact)} already has a type, so a second request for it was refused; {end}."


@_for("REQ_UC_EXISTING_WB")
def _over(made: Finding) -> str:
    fact = made.facts[0]
    wanted = fact.text_of("want") or fact.text_of("req_name")
    got = fact.text_of("got_name") or fact.text_of("got")
    return (
        f"{_where(fact)} is already reserved as {got}, so {_who(fact, 'a driver')} was refused "
        f"its {wanted} mapping."
    )


@_for("REQ_WP_ENCODED_AS_OTHER")
def _encoded(made: Finding) -> str:
    wanted = made.facts[0].text_of("want") or made.facts[0].text_of("req")
    return f"{_who(made.facts[0], 'A program')} asked for {wanted}, which is no type of this table."


@_for("RANGE_SPANS_MIXED_OWNERS")
def _mixed(made: Finding) -> str:
    fact = made.facts[0]
    return (
        f"{_who(fact, 'A mapping')} was refused because {_where(fact)} covers reservations of two "
        f"different types{_pair(fact)} that others hold."
    )


@_for("STALE_OR_LIVE_GPU_RESERVATION")
def _passthrough(made: Finding) -> str:
    fact = made.facts[0]
    verdict = next((n for n in made.notes if n.startswith("live or stale: ")), "")
    state = verdict.removeprefix("live or stale: ").split(":")[0]
    tail = {
        "live": "a host driver or process still uses them: release it first",
        "possibly stale": "nothing was seen that still uses them: possibly left behind",
    }.get(state, "whether the host driver still uses them is not known yet")
    return (
        f"The guest cannot map {_where(fact)} because reservations of the host driver"
        f"{_pair(fact)} still cover it; {tail}."
    )


@_for("LIVE_DRIVER_VS_XORG", "LIVE_DRIVER_VS_FBDEV")
def _display(made: Finding) -> str:
    fact = made.facts[0]
    if fact.kind == "map_pfn_expected":
        return (
            f"{_who(fact, 'A graphics program')} was refused {_where(fact)} because it is already "
            f"reserved as {fact.text_of('got')}, most likely by the graphics driver."
        )
    return (
        f"{_who(fact, 'A graphics program')} was refused {_where(fact)} because the graphics "
        f"driver holds parts of it with other types{_pair(fact)}."
    )


@_for("RANGE_CROSSES_RESOURCE")
def _crosses(made: Finding) -> str:
    fact = made.facts[0]
    return (
        f"{_who(fact, 'A driver')} asked for {_where(fact)}, which runs over the end of its "
        "window: an error in its arithmetic."
    )


@_for("RANGE_BOGUS")
def _bogus(made: Finding) -> str:
    fact = made.facts[0]
    if not fact.has_range:
        return "The range that was asked for is impossible; the line that names it is missing."
    return (
        f"{_who(fact, 'A driver')} asked for an impossible range, {hex_range(*fact.span)}: memory "
        "types are only the messenger."
    )


@_for("CONFLICT_UNDERSPECIFIED")
def _vague(made: Finding) -> str:
    fact = made.facts[0]
    have = [_where(fact)] if fact.has_range else []
    if _pair(fact):
        have.append(f"the two types{_pair(fact)}")
    if fact.text_of("comm"):
        have.append(f"the task {fact.text_of('comm')}")
    known = f"; the text gives {', '.join(have)}" if have else ""
    return (
        "A mapping was refused because of memory types, and which two reservations differ is "
        f"still open{known}."
    )


@_for(
    "KERNEL_BUG_SIGN_EXTENSION",
    "KERNEL_BUG_MREMAP_SHRINK",
    "KERNEL_BUG_VMA_SPLIT",
    "UNMAP_SHAPE_DIFFERS",
    "KERNEL_BUG_AMBIGUOUS_FREE",
)
def _release(made: Finding) -> str:
    fact = _lead(made, "free_invalid")
    if not fact.has_range:
        return (
            "A release found no reservation; without the range its cause cannot be told, but no "
            "data is at risk."
        )
    cause = {
        "KERNEL_BUG_SIGN_EXTENSION": "a 32-bit address was sign-extended",
        "KERNEL_BUG_MREMAP_SHRINK": "mremap() cut it off a longer mapping",
        "KERNEL_BUG_VMA_SPLIT": "it is a piece of a mapping that was split",
        "KERNEL_BUG_AMBIGUOUS_FREE": "an earlier release took the wrong reservation",
        "UNMAP_SHAPE_DIFFERS": "it was not reserved in this shape, or not at all",
    }[made.code]
    sure = "probably because" if made.confidence != "high" else "because"
    harm = "no data is at risk; at worst a reservation stays until reboot"
    return f"The release of {_where(fact)} found no reservation, {sure} {cause}; {harm}."


@_for("SET_MEMORY_ON_TRACKED_PMEM")
def _pmem(made: Finding) -> str:
    if made.level == "info":
        return "Harmless: clearing the poison released a reservation that never existed."
    return (
        "A poisoned page of persistent memory could not be isolated, because its namespace is "
        "reserved with another type."
    )


@_for("UNTRACK_AFTER_ZAP")
def _zapped(made: Finding) -> str:
    return _leak("its pages had been removed earlier", made)


@_for("UNTRACK_COW_FIRST_PAGE")
def _copied(made: Finding) -> str:
    return _leak(
        "its first page was gone: copied on write (before 6.9), or removed by an earlier zap", made
    )


def _leak(why: str, made: Finding) -> str:
    fact = made.facts[0]
    return (
        f"A device mapping of {_who(fact, 'a process')} could not be released because {why}; its "
        "reservation stays until reboot, no data is at risk."
    )


@_for("UNTRACK_FAILED_FORK")
def _forked(made: Finding) -> str:
    return (
        f"The mapping itself works; fork() of {_who(made.facts[0], 'the process')} failed, and its "
        "clean-up released what the child had never reserved."
    )


@_for("FORK_COPY_FAILED")
def _fork_copy(made: Finding) -> str:
    return (
        f"The mapping works, but fork() of {_who(made.facts[0], 'the process')} fails: the first "
        "page of the parent's device mapping is gone or was copied, so its range cannot be read."
    )


@_for("PARTIAL_REMAP_LOOKUP_MIXED")
def _partial(made: Finding) -> str:
    fact = made.facts[0]
    error = fact.number("err")
    what = f"remap_pfn_range() of {_where(fact)}" if fact.has_range else "remap_pfn_range()"
    return (
        f"{what} failed with {error if error is not None else 'EINVAL'} and no message: most "
        "likely the part it maps is reserved with different types."
    )


@_for("PAT_OFF_CPU")
def _no_cpu(made: Finding) -> str:
    return (
        "PAT is off because the processor or the firmware does not offer it"
        f"{' (the reason is inferred)' if made.confidence == 'low' else ''}; write-combining is "
        "served as uncached-minus."
    )


@_for("MTRR_TRIM")
def _trim(made: Finding) -> str:
    mb = _lead(made, "mtrr_trim").number("mb")
    return f"The firmware left {f'{mb} MB of ' if mb else ''}RAM uncached, so the kernel drops it."


@_for("SILENT_DOWNGRADE_ADJACENT")
def _downgrade(made: Finding) -> str:
    return f"{_where(made.facts[0])} lost its write-combining to a neighbouring reservation."


def warnings(made: Finding, log: Log) -> tuple[str, ...]:
    """What not to do: bad advice is named only where somebody in the text thinks of it."""
    thinks_of_nopat = log.has("advice_nopat") or log.has("nopat_option")
    return tuple(
        text
        for text in made.entry.dont
        if (text != NEVER_NOPAT or thinks_of_nopat)
        and ("NVreg_" not in text or log.has("advice_module_option"))
    )
