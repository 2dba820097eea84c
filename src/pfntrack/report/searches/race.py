"""What `pfntrack race` found, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pfntrack.check.judged.properties import PROPERTIES, RACE_PROPERTIES
from pfntrack.check.race.found import AT_END, DURING, LATER, Finding, Race, outside
from pfntrack.check.race.rows import Row, rows
from pfntrack.check.race.scenarios import Raced, as_scenario, shortened
from pfntrack.check.run import run_scenario
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases.kernel import Kernel
from pfntrack.report.runs.facts import result_word
from pfntrack.report.runs.json_run import release_json, row_json
from pfntrack.report.runs.lanes import lanes
from pfntrack.report.runs.lanes_svg import lanes_svg
from pfntrack.report.runs.text import notes
from pfntrack.scenario.text import format_op, format_scenario, format_schedule

Json = dict[str, Any]

RACE = "pfntrack.race/1"
MEANINGS = {**PROPERTIES, **RACE_PROPERTIES}
_WHEN = {DURING: "while they run", AT_END: "when both have returned", LATER: "later"}


def race_text(raced: Sequence[Raced], files: Mapping[int, str]) -> str:
    """All overlaps of one scenario; `files` names the scenarios written, by the findings' id()."""
    first = raced[0]
    lines = notes([first.release])
    lines.append(f"{first.scenario.name} on {first.release.title} ({first.release.design.name})")
    if first.scenario.about:
        lines.append(first.scenario.about)
    for each in raced:
        lines += _overlap(each, files)
    return "\n".join(lines) + "\n"


def _overlap(raced: Raced, files: Mapping[int, str]) -> Iterator[str]:
    race, machine = raced.race, raced.scenario.machine
    size = race.size
    yield ""
    yield f"{raced.number:3}. {format_op(race.overlap, machine)}"
    yield (
        f"     {size.schedules:,} schedules, {size.moments:,} distinct moments"
        f"{'' if size.complete else '; not all were tried'}"
    )
    for words, (number, new) in results(race).items():
        ways = f", in {number} states" if number > 1 else ""
        alone = ", " + ("all" if new == number else str(new)) if number > 1 else ", as"
        note = f"{alone} in no order without overlap" if new else ""
        yield f"     returns {' and '.join(words)}{ways}{note}"
    if race.serial:
        yield f"     broken one after the other as well: {', '.join(race.serial)}"
    if not race.findings:
        yield "     no property broke on any schedule"
    for finding in race.findings:
        yield from _finding(finding, files)
    yield from _schedules(raced)


def results(race: Race) -> dict[tuple[str, ...], tuple[int, int]]:
    """What the calls return: in how many states they leave the world, how many only together."""
    found: dict[tuple[str, ...], tuple[int, int]] = {}
    for ending in race.endings:
        words = tuple(result_word(each) if each else "never" for each in ending.results)
        number, new = found.get(words, (0, 0))
        found[words] = number + 1, new + outside(ending, race.serial_endings)
    return found


def _finding(finding: Finding, files: Mapping[int, str]) -> Iterator[str]:
    known = ", one after the other as well" if finding.serial else ""
    yield ""
    yield f"BROKEN {finding.property} {_WHEN[finding.when]}{known}: {finding.violation.reason}"
    if meaning := MEANINGS.get(finding.property):
        yield f"     ({meaning})"
    yield f"     schedule {format_schedule(shortened(finding))}"
    if id(finding) in files:
        yield f"     written to {files[id(finding)]}"


def _schedules(raced: Raced) -> Iterator[str]:
    """The schedules of all races part by part; none that an earlier one shows as well."""
    overlap, machine = raced.race.overlap, raced.scenario.machine
    sides = format_op(overlap.left, machine), format_op(overlap.right, machine)
    seen: set[object] = set()
    for finding in raced.race.races:
        if finding.violation in seen or finding.whole in seen:
            continue
        found = shown(raced, finding)
        seen.update(each for row in found for each in row.broken)
        seen.add(finding.whole)
        yield ""
        yield f"{finding.property}, schedule {format_schedule(shortened(finding))}:"
        yield from lanes(found, *sides)


def race_svg(raced: Raced, finding: Finding) -> str:
    """The picture of the schedule that shows a finding."""
    overlap, machine = raced.race.overlap, raced.scenario.machine
    sides = format_op(overlap.left, machine), format_op(overlap.right, machine)
    where = f"{raced.scenario.name} on {raced.release.title}"
    title = f"{where}: {finding.property}: {finding.violation.reason}"
    return lanes_svg(shown(raced, finding), *sides, title)


def shown(raced: Raced, finding: Finding) -> list[Row]:
    """The rows of the schedule that shows a finding."""
    scenario = as_scenario(raced, finding)
    run = run_scenario(scenario, raced.release)
    course = run.steps[raced.number - 1].course
    assert course is not None  # noqa: S101 - the step overlaps two operations
    kernel = Kernel(raced.release, scenario.machine.machine())
    found = rows(kernel, course)
    return found[: len(finding.schedule)] if finding.when == DURING else found


def race_json(raced: Sequence[Raced]) -> Json:
    """The document of one scenario under one release."""
    first = raced[0]
    return {
        "schema": RACE,
        "scenario": first.scenario.name,
        "about": first.scenario.about,
        **release_json(first.release),
        "properties": MEANINGS,
        "overlaps": [_overlap_json(each) for each in raced],
    }


def _overlap_json(raced: Raced) -> Json:
    race, machine = raced.race, raced.scenario.machine
    return {
        "step": raced.number,
        "left": format_op(race.overlap.left, machine),
        "right": format_op(race.overlap.right, machine),
        "schedules": race.size.schedules,
        "moments": race.size.moments,
        "complete": race.size.complete,
        "broken_in_series": list(race.serial),
        "endings": [
            {"left": words[0], "right": words[1], "states": number, "only_together": new}
            for words, (number, new) in results(race).items()
        ],
        "findings": [_finding_json(raced, finding) for finding in race.findings],
    }


def _finding_json(raced: Raced, finding: Finding) -> Json:
    violation = finding.violation
    return {
        "property": finding.property,
        "reason": violation.reason,
        "start": violation.first << PAGE_SHIFT,
        "end": violation.end << PAGE_SHIFT,
        "when": finding.when,
        "in_series": finding.serial,
        "schedule": format_schedule(shortened(finding)),
        "scenario": format_scenario(as_scenario(raced, finding)),
        "parts": [row_json(row) for row in shown(raced, finding)],
    }
