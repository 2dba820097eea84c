"""Runs and comparisons as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pfntrack.check.judged.properties import PROPERTIES, RACE_PROPERTIES
from pfntrack.check.race.rows import rows
from pfntrack.check.run import Run, StepRun
from pfntrack.mm.overlap import Overlap
from pfntrack.pat.events import Event, Note
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases import Release
from pfntrack.report.runs import facts
from pfntrack.report.runs.changes import changes
from pfntrack.report.runs.facts import DEBUGPAT, Json, result_word
from pfntrack.report.runs.lanes import lanes
from pfntrack.report.runs.pages import LEGEND, picture
from pfntrack.scenario.text import format_op
from pfntrack.state import State

WIDTH = 64
_WORDS = (("reservations", "reserved"), ("entries", "mapped"), ("tracking", "tracked"))


def place(state: State, first: int, end: int) -> str:
    """Pages `[first, end)` (pfns), by window if possible; nothing for none."""
    if first == end:
        return ""
    low, high = first << PAGE_SHIFT, end << PAGE_SHIFT
    for window in state.windows:
        if window.start <= low and high <= window.end:
            page = (low - window.start) >> PAGE_SHIFT
            return f"{window.name}[{page},{page + end - first}): "
    return f"pfns [{first:#x},{end:#x}): "


def notes(releases: Iterable[Release]) -> list[str]:
    """First lines: which kernels were asked for and are not those that are modelled."""
    return [release.note for release in releases if release.note]


def run_text(run: Run, *, pictures: bool = False) -> str:
    """The whole run, step by step; with a picture of the pages where it has changed."""
    scenario = run.scenario
    release = run.release
    lines = [*notes([release]), f"{scenario.name} on {release.title} ({release.design.name})"]
    if scenario.about:
        lines.append(scenario.about)
    lines.append("")
    state = run.start
    shown: list[str] = []
    for step in run.steps:
        lines += _step(run, state, step)
        state = step.state
        if pictures and (drawn := picture(state, run.start, step.broken)) != shown:
            lines += [f"       | {line}" for line in drawn or ["nothing is mapped or reserved"]]
            shown = drawn
    lines += ["", *([LEGEND] if pictures else []), *_ending(run)]
    return "\n".join(lines) + "\n"


def _step(run: Run, before: State, step: StepRun) -> Iterator[str]:
    head = f"{step.number:3}. {step.text} "
    yield f"{head:.<{WIDTH}} {result_word(step.result)}"
    if step.course is not None and isinstance(step.op, Overlap):
        left, right = (format_op(each) for each in (step.op.left, step.op.right))
        yield from lanes(rows(run.kernel(), step.course), left, right)
    for kind, line in changes(before, step.state):
        yield f"       {kind + ':':<14} {line}"
    for line in _why(step.events):
        yield f"       why: {line}"
    for event in step.events:
        if text := event.text():
            debug = " (debugpat)" if isinstance(event, DEBUGPAT) else ""
            yield f"       log{debug}: {text}"
    for violation in step.fresh:
        where = place(step.state, violation.first, violation.end)
        yield f"       BROKEN {violation.property}: {where}{violation.reason}"
    for found in step.converted:
        where = place(step.state, found.first, found.end)
        yield f"       note: {where}{found.text}"
    for verdict in step.verdicts:
        if not verdict.holds:
            yield f"       UNMET: {verdict}"


def _why(events: Sequence[Event]) -> list[str]:
    """The rules that decided, each once, in order."""
    rules = [f"{e.function}(): {e.rule}" for e in events if isinstance(e, Note)]
    return list(dict.fromkeys(rules))


def _ending(run: Run) -> Iterator[str]:
    for verdict in run.verdicts:
        if not verdict.holds:
            yield f"UNMET at the end: {verdict}"
    left = [str(r) for r in run.leaked.reservations if _leaked(run, r.start, r.end)]
    if left:
        yield f"left when all processes are gone: {', '.join(left)}"
    if run.broken:
        for name, meaning in {**PROPERTIES, **RACE_PROPERTIES}.items():
            if name in run.broken:
                yield f"broken: {name} ({meaning})"
    else:
        yield "no property broke"
    claims = sum(len(step.verdicts) for step in run.steps) + len(run.verdicts)
    if claims:
        yield f"expectations: {claims - len(run.unmet)} of {claims} hold"


def _leaked(run: Run, start: int, end: int) -> bool:
    return any(v.first << PAGE_SHIFT <= start and end <= v.end << PAGE_SHIFT for v in run.leaks)


def comparison_text(document: Json) -> str:
    """A comparison document as text: the same scenario under several releases, side by side.

    Releases that show the same share a line; the first step at which they
    differ is marked, and there the rules that decided are named.
    """
    runs, first = document["runs"], document["first_difference"]
    scenario = runs[0]["scenario"]
    lines = [run["note"] for run in runs if run["note"]]
    lines += [scenario["name"], *([scenario["about"]] if scenario["about"] else []), ""]
    for number, step in enumerate(document["steps"], 1):
        mark = "   <-- the first difference" if number == first else ""
        lines.append(f"{number:3}. {runs[0]['steps'][number - 1]['text']}{mark}")
        for members in _members(step["groups"]):
            names = "all" if len(members) == len(runs) else _names([runs[at] for at in members])
            run = runs[members[0]]
            why = _rules(run["steps"][number - 1]) if mark else []
            lines += _hanging(names, [*_seen(run, number - 1, step["differs"]), *why])
    what = f"{', '.join(document['compared'][:-1])} and {document['compared'][-1]}"
    lines += ["", *([f"compared: {what}"] if first else [])]
    ends = [_end(run) for run in runs]
    for end in dict.fromkeys(ends):
        alike = [run for run, other in zip(runs, ends, strict=True) if other == end]
        lines.append(f"{_names(alike)}: {end}")
    if first is None:
        lines.append(f"No step differs in {what}.")
    return "\n".join(lines) + "\n"


def _members(groups: Sequence[int]) -> list[list[int]]:
    """Positions of runs that show the same, in order of appearance."""
    found: dict[int, list[int]] = {}
    for at, group in enumerate(groups):
        found.setdefault(group, []).append(at)
    return list(found.values())


def _names(runs: Sequence[Json]) -> str:
    """Releases with their designs: `6.1, 6.12 (vm-pat)`."""
    by_design: dict[str, list[str]] = {}
    for run in runs:
        name, asked = run["release"], run["asked"]
        title = name if asked == name else f"{asked}, modelled as {name}"
        by_design.setdefault(run["design"], []).append(title)
    return ", ".join(f"{', '.join(names)} ({design})" for design, names in by_design.items())


def _hanging(name: str, lines: Sequence[str]) -> Iterator[str]:
    """A name, and its lines indented below it."""
    yield f"       {name}: {lines[0]}"
    for line in lines[1:]:
        yield f"           {line}"


def _end(run: Json) -> str:
    spans = [(leak["start"], leak["end"]) for leak in run["end"]["leaks"]]
    left = [
        facts.held(each)
        for each in run["end"]["state"]["reservations"]
        if any(start <= each["start"] and each["end"] <= end for start, end in spans)
    ]
    broken = [each for each in PROPERTIES if each in run["broken"]]
    return f"breaks {', '.join(broken) or 'nothing'}; leaves {', '.join(left) or 'nothing'} behind"


def _seen(run: Json, at: int, differs: Sequence[str]) -> list[str]:
    """The facts of a step in a few lines; what is empty is left out.

    VMAs are told where nothing else shows how they differ.
    """
    seen: dict[str, list[str]] = {}
    for fact in facts.facts(run, at):
        seen.setdefault(fact.field, []).append(fact.text)
    lines = seen["result"]
    for field, word in (
        ("reservations", "reserved"),
        ("entries", "mapped"),
        ("tracking", "tracked"),
    ):
        if field in seen:
            lines.append(f"{word:<8} {', '.join(seen[field])}")
    if "mappings" in differs and not {"result", "entries", "tracking"} & set(differs):
        lines.append(f"areas    {', '.join(seen.get('mappings', ['none']))}")
    lines += [f"log      {text}" for text in seen.get("log", [])]
    return lines + seen.get(facts.PROPERTIES, []) + seen.get(facts.NOTES, [])


def _rules(step: Json) -> list[str]:
    """The rules that decided, each once, in order."""
    return list(dict.fromkeys(f"why: {each['function']}(): {each['rule']}" for each in step["why"]))
