"""Messages next to memory types: which line decides, what it means, how bad it is."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from pfntrack.field.catalogue.diagnoses import look_alikes as texts
from pfntrack.field.catalogue.diagnoses.base import Code
from pfntrack.field.finding import Finding
from pfntrack.field.read.facts import Fact, hex_range, human_size
from pfntrack.field.read.ranges import overlap
from pfntrack.field.rules.base import Case, Rule, always, finding


@attrs.frozen(slots=True)
class Reading:
    """One kind of message: the diagnosis, and the sentence that answers."""

    kinds: tuple[str, ...]
    code: str
    answer: Callable[[Fact], str]
    variant: Code | None = None
    confidence: str = "high"
    severity: str = ""
    when: Callable[[Fact], bool] = lambda _: True


def place(fact: Fact) -> str:
    """The range of a fact in words, or what stands in for it."""
    if fact.has_range:
        return f"{hex_range(*fact.span)} ({human_size(fact.size)})"
    pfn = fact.text_of("pfn")
    return f"page frame {pfn}" if pfn else "a range that the line does not name"


def _says(text: str) -> Callable[[Fact], str]:
    return lambda _: text


def _bar(fact: Fact) -> str:
    device = fact.text_of("device")
    number = fact.number("bar")
    name = f"BAR {number}" if number is not None else "The BAR or window"
    return (name + (f" of {device}" if device else "")) + (
        f" {hex_range(*fact.span)}" if fact.has_range else ""
    )


def _claimed(fact: Fact) -> str:
    """The owners that rows of /proc/iomem in the text show, or that there is one."""
    return fact.text_of("owners") or "another owner in /proc/iomem"


def _with_owners(fact: Fact, case: Case) -> Fact:
    """The fact of a refused claim with what lies inside its range, where the text shows it.

    A row around the whole range is the bus or the device itself, not the owner.
    """
    if fact.kind != "bar_reserve" or not fact.has_range:
        return fact
    rows = [row for row in case.log.of("iomem") if overlap(row.span, fact.span)]
    inner = [
        row.text_of("name")
        for row in rows
        if row.text_of("name") != fact.text_of("device")
        and (row.size < fact.size or row.span == fact.span)
        and not row.text_of("name").startswith("PCI Bus")
    ]
    if not inner:
        return fact
    owners = " and ".join(dict.fromkeys(inner[:3])) + " in /proc/iomem"
    return attrs.evolve(fact, values={**fact.values, "owners": owners})


def _errno(fact: Fact) -> int | None:
    """The error of a refused DMA mapping, from a number or from its words."""
    for name in ("errno", "code"):
        text = fact.text_of(name)
        if text.isdigit():
            return int(text)
    text = fact.text_of("text").lower()
    if "address" in text or "efault" in text or text == "-14":
        return 14
    return 22 if "invalid" in text or "einval" in text else None


READINGS: tuple[Reading, ...] = (
    Reading(
        ("ioremap_on_ram",),
        "IOREMAP_ON_RAM",
        lambda f: (
            f"A driver asked ioremap() for system RAM, {place(f)}, and was refused: the "
            "address is wrong; memory types are not the cause."
        ),
    ),
    Reading(
        ("ioremap_invalid", "ioremap_wrapped"),
        "IOREMAP_BAD_REQUEST",
        lambda f: (
            "A driver asked ioremap() for "
            + (
                f"address 0x{f.number('address'):x}, "
                if f.number("address") is not None
                else "a range "
            )
            + "which the processor cannot address, and was refused."
        ),
    ),
    Reading(
        ("ioremap_early",),
        "NOT_PAT",
        lambda f: (
            f"Harmless, and not of x86: {f.text_of('func')}() calls ioremap() before it is ready, "
            "and the mapping was made all the same."
        ),
        texts.EARLY,
    ),
    Reading(
        ("memremap_refused",),
        "MEMREMAP_REFUSED",
        lambda f: (
            f"A driver asked memremap() for {place(f)}, which is "
            f"{'RAM' if f.text_of('where') == 'ram' else 'partly RAM'}, and was refused."
        ),
    ),
    Reading(
        ("iounmap_bad",),
        "IOUNMAP_BAD_ADDRESS",
        _says("A driver unmapped an address that is no ioremap mapping: its own mistake."),
    ),
    Reading(
        ("cpa_zero",),
        "SET_MEMORY_UNMAPPED",
        _says("set_memory_*() was called for kernel addresses that are not mapped, and refused."),
    ),
    Reading(("cpa_wx",), "NOT_PAT", _says("Not memory types, but protections: "), texts.WX),
    Reading(
        ("pat_cpus",),
        "PAT_CPUS_DIFFER",
        _says("One processor has no PAT although the boot processor uses it; the kernel stops."),
    ),
    Reading(
        ("wc_mtrr_failed",),
        "NOT_PAT",
        _says("Harmless, and not a message of Linux but of FreeBSD."),
        texts.FREEBSD,
        when=lambda f: bool(f.text_of("freebsd")),
    ),
    Reading(
        ("wc_mtrr_failed",),
        "PAT_OFF",
        _says(
            "PAT is off on this machine: a driver asked for a write-combining MTRR, which it does "
            "only then, and did not get it, so that memory is uncached and slow."
        ),
    ),
    Reading(
        ("wc_unavailable",),
        "WC_UNAVAILABLE_TO_DRIVER",
        _says(
            "NVIDIA's driver finds no write-combining by its own test of the PAT table, and is "
            "slow or refuses what needs it; that PAT is really off is not said by this."
        ),
        confidence="medium",
        when=lambda f: "NVRM" in f.text,
    ),
    Reading(
        ("wc_unavailable",),
        "WC_UNAVAILABLE_TO_DRIVER",
        _says(
            "The driver says that write-combining is unavailable, by a test of its own, so it is "
            "slow; that PAT is off is not said by this."
        ),
        confidence="medium",
    ),
    Reading(
        ("dma_map_refused",),
        "PFNMAP_NOT_PINNABLE",
        _says(
            "The memory could not be pinned for DMA (EFAULT); if it is a mapped BAR, that is so on "
            "every kernel: device memory has no pages to pin."
        ),
        confidence="medium",
        when=lambda f: _errno(f) == 14,
    ),
    Reading(
        ("dma_map_refused",),
        "NOT_PAT",
        _says(
            "The IOMMU refused the arguments of the mapping (EINVAL); memory types play no part."
        ),
        texts.DMA_ARGUMENT,
        "medium",
    ),
    Reading(
        ("pin_refused",),
        "PFNMAP_NOT_PINNABLE",
        lambda f: (
            f"{f.text_of('call')} was refused; if its address is a mapped BAR, that is so on "
            "every kernel: device memory has no pages to pin."
        ),
        confidence="low",
    ),
    Reading(
        ("no_wc_file",),
        "NOT_PAT",
        _says("resourceN_wc exists only for a prefetchable BAR, and only where PAT is on."),
        texts.NO_WC_FILE,
    ),
    Reading(
        ("devmem_read",),
        "NOT_PAT",
        _says(
            "Strict devmem refused the read: RAM above the first MiB cannot be read through "
            "/dev/mem, whatever iomem= says."
        ),
        texts.STRICT_RAM,
    ),
    Reading(
        ("strict_hint", "strict_devmem"),
        "NOT_PAT",
        _says(
            "Strict devmem refused the access; iomem=relaxed at boot allows it for device memory, "
            "nothing does for RAM."
        ),
        texts.STRICT,
    ),
    Reading(
        ("bar_reserve",),
        "NOT_PAT",
        lambda f: f"{_bar(f)} is claimed by {_claimed(f)}; memory types are not the cause.",
        texts.CLAIMED,
    ),
    Reading(
        ("iomap_regions",),
        "NOT_PAT",
        _says(
            "The driver could not claim its BARs (-16): another owner holds one of them in "
            "/proc/iomem; memory types are not the cause."
        ),
        texts.CLAIMED,
        when=lambda f: f.text_of("code") == "-16",
    ),
    Reading(
        ("iomap_regions",),
        "NOT_PAT",
        _says(
            "The driver got no mapping of its BARs, most likely because one has no address or is "
            "switched off (lspci: [virtual], [disabled]); memory types are not the cause."
        ),
        texts.UNASSIGNED,
        "medium",
    ),
    Reading(
        ("bar_unassigned",),
        "NOT_PAT",
        lambda f: (
            f"{_bar(f)} has no usable address, so it cannot be mapped; memory types are not the "
            "cause."
        ),
        texts.UNASSIGNED,
    ),
    Reading(
        ("fb_held",),
        "NOT_PAT",
        _says("Harmless: another driver already holds the framebuffer's memory."),
        texts.HELD,
    ),
    Reading(
        ("fb_ioremap",),
        "FRAMEBUFFER_NOT_MAPPED",
        _says("The framebuffer driver got no mapping of its memory; the lines before say why."),
        confidence="medium",
    ),
    Reading(
        ("huge_mtrr",),
        "NOT_PAT",
        lambda f: (
            f"Harmless: {place(f)} is mapped with small pages because an MTRR boundary "
            "lies inside it."
        ),
        texts.HUGE,
    ),
    Reading(("bars_fine",), "NOT_PAT", _says("Harmless, as the line says."), texts.BARS_FINE),
    Reading(
        ("mtrr_overlap",),
        "MTRR_LEGACY_OVERLAP",
        _says("Harmless where PAT is on: an MTRR was asked for over another one and not given."),
    ),
    Reading(
        ("mtrr_refused",),
        "MTRR_REQUEST_REFUSED",
        lambda f: f"Harmless where PAT is on: an MTRR request was refused ({f.text_of('what')}).",
    ),
    Reading(
        ("mtrr_cpus",),
        "MTRR_CPUS_DIFFER",
        _says(
            "Harmless now: the firmware set the MTRRs of the processors differently and the kernel "
            "corrected it."
        ),
    ),
    Reading(
        ("mtrr_mask",),
        "MTRR_STATE",
        _says("Harmless: the firmware's MTRR mask was wrong and the kernel corrected it."),
    ),
    Reading(
        ("mtrr_cleanup",),
        "MTRR_STATE",
        _says("Harmless with PAT: the kernel could not tidy up the MTRRs and left them alone."),
    ),
    Reading(
        ("mtrr_blank",),
        "MTRR_STATE",
        _says("Harmless: the firmware or hypervisor set no MTRRs."),
    ),
    Reading(
        ("mtrr_firmware",),
        "MTRR_STATE",
        _says("Normal: the firmware (coreboot) tells how it sets the MTRRs, before any kernel."),
    ),
    Reading(("mtrr_readonly",), "MTRR_STATE", _says("Harmless: MTRRs may not be changed here.")),
    Reading(("mtrr_map",), "MTRR_STATE", _says("Normal: the kernel counts the MTRRs it found.")),
    Reading(
        ("mtrr_off",),
        "MTRR_STATE",
        _says(
            "The MTRRs are off (firmware or hypervisor); kernels 4.6 to 6.1 switch PAT off with "
            "them, earlier and later ones do not."
        ),
        severity="info",
    ),
)
# What a monitor says when a BAR could not be mapped; only the kernel's lines say why.
_MONITOR = ("qemu_mmap", "qemu_region")


def neighbours(case: Case, used: set[int]) -> list[Finding]:
    """Findings for lines next to the subject; those already used as evidence are left alone."""
    found: list[Finding] = []
    groups: dict[int, list[Fact]] = {}
    for fact in case.log.facts:
        if id(fact) in used:
            continue
        for at, reading in enumerate(READINGS):
            if fact.kind in reading.kinds and reading.when(fact):
                groups.setdefault(at, []).append(fact)
                break
    for at, facts in groups.items():
        reading = READINGS[at]
        rule = Rule(reading.code, always, reading.confidence, _basis(facts[0]), reading.severity)
        facts[0] = _with_owners(facts[0], case)
        made = finding(rule, tuple(facts), case)
        answer = reading.answer(facts[0])
        if answer.endswith(": "):
            answer += reading.variant.what if reading.variant is not None else ""
        found.append(attrs.evolve(made, answer=answer, variant=reading.variant))
    return found


def monitors(case: Case, explained: bool) -> list[Finding]:
    """A BAR that a monitor could not map, where nothing else says why."""
    facts = case.log.of(*_MONITOR)
    if explained or not facts:
        return []
    rule = Rule("BAR_MMAP_REFUSED", always, "medium", "only the monitor's own message is there")
    made = finding(rule, tuple(facts), case)
    answer = (
        f"{_bar(facts[0])} could not be mapped by the monitor and is slow or dead in the guest; "
        "only the kernel log says why."
    )
    return [attrs.evolve(made, answer=answer, missing=("the kernel log of the host",))]


def without_reason(case: Case, explained: bool) -> list[Finding]:
    """A driver says that ioremap() failed, and no line of the kernel says why."""
    facts = case.log.of("ioremap_failed")
    if explained or not facts:
        return []
    rule = Rule("IOREMAP_FAILED", always, "low", "only the driver's own message is there")
    made = finding(rule, tuple(facts), case)
    return [attrs.evolve(made, missing=("the lines of the kernel around it",))]


def _basis(fact: Fact) -> str:
    return f"line {fact.line} says it" if fact.line else "the line says it"
