"""The comparison of two kernels by search, as text and JSON."""

from __future__ import annotations

from typing import Any

from pfntrack.check.asked.pair import Compared
from pfntrack.check.run import Run
from pfntrack.check.search.setting import Setting
from pfntrack.report.runs.json_run import comparison_json
from pfntrack.report.runs.text import comparison_text, notes
from pfntrack.report.searches.check import bounds_json
from pfntrack.scenario import Scenario, format_scenario


def text(
    one: Setting, other: Setting, found: Compared, runs: list[Run] | None, file: str | None
) -> str:
    """Where they differ first, and the program under both; or how far they are alike."""
    names = f"{one.release.title} and {other.release.title}"
    lines = [
        *notes([one.release, other.release]),
        f"bounds: {one.bounds}",
        f"operations: {', '.join(one.ordered)}",
    ]
    lines.append(f"seen: {found.pairs:,} pairs of states, {found.transitions:,} transitions")
    difference = found.difference
    if difference is None:
        if found.why:
            lines += [f"incomplete: {found.why}", "", f"{names}: no difference seen so far"]
        else:
            lines += ["", f"{names}: no difference within {one.bounds}"]
        return "\n".join(lines) + "\n"
    where = f" -> {file}" if file else ""
    steps = len(difference.moves)
    lines += [
        "",
        f"{names} differ after {steps} {'step' if steps == 1 else 'steps'}, "
        f"in {difference.field}{where}",
        f"  {one.release.title}: {difference.values[0] or 'nothing'}",
        f"  {other.release.title}: {difference.values[1] or 'nothing'}",
        "",
    ]
    return "\n".join(lines) + "\n" + (comparison_text(comparison_json(runs)) if runs else "")


def difference_json(
    one: Setting,
    other: Setting,
    found: Compared,
    fields: list[str],
    runs: list[Run],
    made: Scenario | None,
    file: str | None,
) -> dict[str, Any]:
    """`pfntrack.difference/1`."""
    difference = found.difference
    return {
        "schema": "pfntrack.difference/1",
        "models": [one.release.name, other.release.name],
        "asked": [one.release.asked or one.release.name, other.release.asked or other.release.name],
        "notes": notes([one.release, other.release]),
        "bounds": bounds_json(one.bounds),
        "operations": list(one.ordered),
        "fields": fields,
        "equal": found.equal,
        "why": found.why or None,
        "pairs": found.pairs,
        "transitions": found.transitions,
        "cut": found.cut,
        "depth": found.depth,
        "seconds": round(found.seconds, 3),
        "difference": None
        if difference is None or made is None
        else {
            "steps": len(difference.moves),
            "field": difference.field,
            "values": list(difference.values),
            "scenario": format_scenario(made),
            "file": file,
            "comparison": [comparison_json(runs)],
        },
    }
