"""The result of a search in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.report import Cost, Found
from pfntrack.check.search.setting import Setting


def text(setting: Setting, found: Found, watched: frozenset[str], files: Mapping[str, str]) -> str:
    """What was searched, what broke, and how far the rest holds.

    `files` are the scenarios that were written for broken properties.
    """
    return "\n".join(_lines(setting, found, watched, files)) + "\n"


def _lines(
    setting: Setting, found: Found, watched: frozenset[str], files: Mapping[str, str]
) -> Iterator[str]:
    release = setting.release
    if release.note:
        yield release.note
    yield f"{release.title} ({release.design.name})"
    yield f"bounds: {setting.bounds}"
    yield f"operations: {', '.join(setting.ordered)}"
    yield (
        f"seen: {found.states:,} states, {found.transitions:,} transitions, "
        f"programs of up to {found.depth} steps; {found.cut:,} steps left the bounds"
    )
    if found.missed:
        yield (
            "states were told apart by 63-bit hashes: some state was passed over "
            f"with a probability of at most {found.missed:.1e}"
        )
    if not found.complete:
        yield f"incomplete: {found.why}"
    if found.idle:
        yield f"never changed anything: {', '.join(found.idle)}; verdicts say nothing about them"
    yield ""
    for name in PROPERTIES:
        if name in watched and name in found.verdicts:
            where = f" -> {files[name]}" if name in files else ""
            steps = found.verdicts[name]
            yield f"{name} BROKEN after {steps} {'step' if steps == 1 else 'steps'}{where}"
            if not found.exact(name):
                yield (
                    f"  the search ended before all programs of {steps} steps were tried: "
                    "the shortest may be a step shorter"
                )
            yield f"  {PROPERTIES[name]}"
    kept = [name for name in PROPERTIES if name in watched - found.verdicts.keys()]
    if kept:
        what = "holds" if len(kept) == 1 else "hold"
        reach = f"{what} for {setting.bounds}"
        if found.missed:
            reach += f", unless a state was passed over (probability <= {found.missed:.1e})"
        if not found.complete:
            reach = f"not broken by the {found.states:,} states seen so far"
        yield f"{', '.join(kept)}: {reach}"


def cost_text(cost: Cost, states: int) -> str:
    """What the search took, in one line."""
    each = cost.state_bytes / max(1, states)
    return (
        f"{cost.seconds:.1f} s, {cost.evaluations:,} evaluations of the model, "
        f"{cost.judgements:,} of properties, {each:.0f} bytes per state, "
        f"tables {cost.table_bytes / 2**20:.1f} MiB"
    )
