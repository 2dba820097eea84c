"""Topics made from the program's own registries: properties, designs, releases, defects, words.

Nothing is typed in here that a registry knows, so a design or release that is added is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from pfntrack.audit.judged.finding import CODES as FINDINGS
from pfntrack.audit.judged.owners import Standing
from pfntrack.check.asked.bugs import ROWS, Row
from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.designs import DESIGNS
from pfntrack.errors import PfntrackError
from pfntrack.field.catalogue.diagnoses.codes import CODES
from pfntrack.field.read.kernelrelease import KernelRelease, parse_release
from pfntrack.field.topics import topic
from pfntrack.field.topics.topic import Topic
from pfntrack.releases.release import HISTORIC, RELEASES, Release
from pfntrack.releases.resolve import release_for
from pfntrack.scenario.loader import library

_VERSION = re.compile(r"[0-9]{1,2}\.[0-9]{1,3}(?:\.[0-9]{1,3})?(?:-rc[0-9]{0,2})?(?:[-+].{0,60})?")
_LOCKING = "locking: the page tables are walked and the list is changed under the locks they need"
# What the audit's words for a reservation mean.
_STANDINGS = {
    Standing.OWNED: "a mapping or an ioremap of exactly this range was seen: all is well",
    Standing.PIECES: "the pieces of a mapping that was cut up hold it together",
    Standing.POSSIBLE: "somebody may hold it, but what would prove it could not be read",
    Standing.DRIVER: "no mapping of it was seen, but a driver is bound to the device that it is in",
    Standing.UNSTABLE: "it comes and goes between readings, so it says nothing about leaks",
    Standing.SUSPECTED: "no holder was seen, and that is not proved",
    Standing.STALE: "nobody holds it, and that is proved: it stays until reboot",
}


def program_topics() -> Iterator[Topic]:
    """All topics that the registries give."""
    yield from _properties()
    yield from _designs()
    for release in (*RELEASES.values(), *HISTORIC.values()):
        yield _release(release, release.name)
    yield from _defects()
    for name in library():
        yield Topic(
            topic.SCENARIOS,
            (name, f"{name}.pfn"),
            "A scenario of the library: a small program of mappings, with what each kernel does.",
            f"pfntrack run {name} --release 6.12",
        )
    yield from _audit()


def version(text: str) -> Topic | None:
    """A kernel version that no registry lists, by the release that stands for it."""
    if not _VERSION.fullmatch(text):
        return None
    found = parse_release(text)
    if found is None:
        return None
    try:
        release = release_for(str(found))
    except PfntrackError as error:
        return Topic(
            topic.RELEASES,
            (text,),
            f"It cannot be modelled: {error}. Its messages are known all the same.",
            f"pfntrack triage FILE --kernel {found}",
            _windows(found),
        )
    return _release(release, text)


def _properties() -> Iterator[Topic]:
    for name, text in {**PROPERTIES, "I8": _LOCKING}.items():
        broken = [row for row in ROWS if name in row.broken.replace(",", " ").split()]
        where = ", ".join(dict.fromkeys(f"{row.bug} ({row.had})" for row in broken))
        checked = name in PROPERTIES
        short, _, rest = text.partition(": ")
        names = (name, short) if rest and " " not in short else (name,)
        yield Topic(
            topic.PROPERTIES,
            names,
            f"{text[0].upper()}{text[1:]}."
            + ("" if checked else " It is judged by the warnings that I4 counts."),
            f"pfntrack check --release 6.12 --property {name if checked else 'I4'}",
            (("Broken by", where),) if where else (),
        )


def _designs() -> Iterator[Topic]:
    for name, design in DESIGNS.items():
        homes = [r.name for r in (*RELEASES.values(), *HISTORIC.values()) if r.design.name == name]
        rows = [("Releases", ", ".join(homes))] if homes else []
        if not homes:
            rows.append(("Base", f"the rest of the kernel is that of {design.base}"))
        lost = [row.bug for row in ROWS if row.had == name]
        won = [row.bug for row in ROWS if isinstance(row, Row) and name in row.mended]
        rows += [
            (head, ", ".join(dict.fromkeys(bugs)))
            for head, bugs in (("Defects", lost), ("Mends", won))
            if bugs
        ]
        other = "7.3" if design.base != "7.3" or "7.3" not in homes else "6.12"
        yield Topic(
            topic.DESIGNS,
            (name,),
            f"{design.summary[0].upper()}{design.summary[1:]}.",
            f"pfntrack compare truncate-middle --with {name},{other}",
            tuple(rows),
        )


def _release(release: Release, asked: str) -> Topic:
    design = release.design
    rows = [("Taken from", release.kernels)]
    if release.note:
        rows.append(("Note", release.note))
    found = parse_release(asked)
    return Topic(
        topic.RELEASES,
        (asked, f"Linux {asked}", f"v{asked}"),
        f"It tracks user mappings by {design.name}: {design.summary}.",
        f"pfntrack compare truncate-middle --with {release.asked or release.name},ours",
        (*rows, *(_windows(found) if found is not None else ())),
    )


def _windows(found: KernelRelease) -> tuple[tuple[str, str], ...]:
    """The diagnoses of defects whose window holds the kernel; later patch levels may be free."""
    inside: list[str] = []
    mended: list[str] = []
    last = attrs.evolve(found, patch=998, rc=None)
    whole = found.patch == 0 and found.rc is None and found.major > 2
    for code in CODES.values():
        if code.window is not None and code.window.affects(found):
            late = whole and code.window.affects(last) is False
            (mended if late else inside).append(code.code)
    rows = [("Has", ", ".join(inside) or "none of the defects that triage knows")]
    if mended:
        rows.append(("Had", f"{', '.join(mended)}: mended by later patch levels of {found.series}"))
    return tuple(rows)


def _defects() -> Iterator[Topic]:
    for name in dict.fromkeys(row.bug for row in ROWS):
        rows = [row for row in ROWS if row.bug == name]
        first = rows[0]
        yield Topic(
            topic.DEFECTS,
            (name,),
            f"{first.about[0].upper()}{first.about[1:].rstrip('.')}.",
            f"pfntrack bugs {name.split()[0]}",
            (
                ("Had by", ", ".join(dict.fromkeys(row.had for row in rows))),
                ("Breaks", ", ".join(dict.fromkeys(row.broken for row in rows))),
            ),
        )


def _audit() -> Iterator[Topic]:
    for name, code in FINDINGS.items():
        yield Topic(
            topic.AUDIT,
            (name,),
            f"{code.meaning[0].upper()}{code.meaning[1:]}.",
            "sudo pfntrack audit --live",
            (("Harm", code.harm), ("Do", code.advice)),
        )
    for standing in Standing:
        text = _STANDINGS[standing]
        yield Topic(
            topic.AUDIT,
            (standing.value,),
            f"Of a reservation: {text}.",
            "sudo pfntrack audit --live",
        )
