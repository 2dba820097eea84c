"""The table of known defects as text, Markdown, JSON and test results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pfntrack.check.asked.bugs import BUGS, FOUND
from pfntrack.check.asked.hunt import Hunted, Passed, meaning
from pfntrack.report.searches.cases import Case
from pfntrack.scenario import format_scenario

TITLES = {
    BUGS: "Known defects, found again by search",
    FOUND: "What 7.3 was seen to do, found by search",
}


def text(hunted: Sequence[Hunted], files: Mapping[str, str]) -> str:
    """Every row with its program; `files` are those that programs were written to, by bug."""
    lines: list[str] = []
    for group, title in TITLES.items():
        rows = [each for each in hunted if each.row.group == group]
        if rows:
            lines += [title, ""]
        for each in rows:
            lines += [*_row(each, files.get(each.row.bug)), ""]
    good = sum(each.as_expected for each in hunted)
    lines.append(f"{good} of {len(hunted)} rows are as expected")
    return "\n".join(lines) + "\n"


def _row(each: Hunted, file: str | None) -> Iterator[str]:
    row = each.row
    yield f"{row.bug}: {row.about}"
    yield f"  {row.had} breaks {row.broken} ({meaning(row)})"
    yield f"  bounds      {each.bounds}"
    yield f"  operations  {', '.join(each.operations)}"
    if each.program is None:
        yield f"  NOT FOUND in {each.states:,} states"
    else:
        where = f" -> {file}" if file else ""
        yield f"  shortest    {_steps(each.steps)}, {each.states:,} states seen{where}"
        for line in each.lines:
            yield f"                {line}"
    for passed in each.mended:
        yield f"  {passed.name:<11} {_verdict(passed, row.broken)}"
    if each.free is not None:
        yield f"  kept by     {', '.join(each.free) or 'no design'}"
    if not each.as_expected:
        yield f"  NOT AS EXPECTED: {each.complaint}"


def _steps(steps: int | None) -> str:
    return "none" if steps is None else f"{steps} {'step' if steps == 1 else 'steps'}"


def _verdict(passed: Passed, name: str) -> str:
    if passed.why:
        return f"inconclusive: {passed.why}"
    if passed.steps is not None:
        return f"breaks {name} after {_steps(passed.steps)}"
    return f"keeps {name} within these bounds, {passed.states:,} states"


def markdown(hunted: Sequence[Hunted]) -> str:
    """One table per group."""
    lines: list[str] = []
    for group, title in TITLES.items():
        rows = [each for each in hunted if each.row.group == group]
        if not rows:
            continue
        last = "kept within the bounds by" if group == FOUND else "mended in"
        lines += [f"### {title}", "", f"| | breaks | steps | shortest program | {last} |"]
        lines.append("|---|---|---|---|---|")
        for each in rows:
            row = each.row
            names = each.free if each.free is not None else _holding(each)
            cells = (
                f"{row.bug}: {row.about}",
                f"{row.had}: {row.broken}",
                "not found" if each.steps is None else str(each.steps),
                f"`{'; '.join(each.lines)}`" if each.lines else "",
                ", ".join(f"`{name}`" for name in names),
            )
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _holding(each: Hunted) -> tuple[str, ...]:
    return tuple(passed.name for passed in each.mended if passed.holds)


def as_json(hunted: Sequence[Hunted], files: Mapping[str, str]) -> dict[str, Any]:
    """`pfntrack.bugs/1`."""
    return {
        "schema": "pfntrack.bugs/1",
        "as_expected": all(each.as_expected for each in hunted),
        "rows": [_row_json(each, files.get(each.row.bug)) for each in hunted],
    }


def _row_json(each: Hunted, file: str | None) -> dict[str, Any]:
    row = each.row
    return {
        "bug": row.bug,
        "group": row.group,
        "about": row.about,
        "model": row.had,
        "property": row.broken,
        "meaning": meaning(row),
        "bounds": each.bounds,
        "operations": list(each.operations),
        "steps": each.steps,
        "known_steps": row.steps,
        "states": each.states,
        "program": list(each.lines),
        "scenario": None if each.program is None else format_scenario(each.program),
        "file": file,
        "mended": [
            {
                "model": passed.name,
                "holds": passed.holds,
                "states": passed.states,
                "steps": passed.steps,
                "why": passed.why or None,
            }
            for passed in each.mended
        ],
        "kept_by": None if each.free is None else list(each.free),
        "as_expected": each.as_expected,
        "complaint": each.complaint or None,
        "seconds": round(each.seconds, 3),
    }


def cases(hunted: Sequence[Hunted]) -> list[Case]:
    """Each row as a test: found at its length, and mended."""
    return [
        Case(
            f"{each.row.bug} {each.row.had} {each.row.broken}",
            each.as_expected,
            (each.complaint,) if each.complaint else (),
        )
        for each in hunted
    ]
