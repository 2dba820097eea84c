"""Claims about overlapping operations: what holds always, possibly or never.

A claim with a mode is about all schedules, also where the scenario gives one; a
claim without is about that one, or about all where none is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from pfntrack.check.race.found import Ending, Race, race
from pfntrack.mm.ops import Op
from pfntrack.mm.overlap import Overlap
from pfntrack.releases.kernel import Kernel
from pfntrack.releases.observe import observe
from pfntrack.releases.world import World
from pfntrack.scenario.evaluate import Verdict, applies, judge
from pfntrack.scenario.expect import Expect, ExpectProperty
from pfntrack.scenario.seen import Seen, seen
from pfntrack.state import State

_ALL: dict[str, Callable[[Sequence[bool]], bool]] = {
    "always": all,
    "possible": any,
    "never": lambda held: not any(held),
}


def judge_overlap(
    kernel: Kernel,
    before: World,
    overlap: Overlap,
    rest: Sequence[Op],
    claims: Sequence[Expect],
    sight: Seen,
    start: State,
) -> tuple[Verdict, ...]:
    """Verdicts on the claims of one step: of the schedule that was run, and of all.

    `sight` is what that schedule showed, `start` the state after boot.
    """
    names = kernel.release.name, kernel.release.design.name
    verdicts: list[Verdict] = []
    found: Race | None = None
    for claim in claims:
        mode = claim.mode or ("" if overlap.schedule else "always")
        plain = attrs.evolve(claim, mode="", on=())
        if not mode:
            verdicts += judge((claim,), sight, *names)
        elif applies(claim, *names):
            if found is None:
                found = race(kernel, before, overlap, rest)
            ill = _over_all(kernel, found, mode, plain, start)
            verdicts.append(Verdict(claim, ill))
    return tuple(verdicts)


def _over_all(kernel: Kernel, found: Race, mode: str, claim: Expect, start: State) -> str:
    """What is wrong with a claim about all schedules; nothing if it holds."""
    if not found.size.complete:
        return "too many schedules to try"
    if isinstance(claim, ExpectProperty):
        return _property(found, mode, claim)
    held, shown = [], dict[str, None]()
    for ending in found.endings:
        (verdict,) = judge((claim,), _sight(kernel, ending, start))
        held.append(verdict.holds)
        if verdict.holds is (mode == "never"):
            shown[verdict.found or "it"] = None
    if _ALL[mode](held):
        return ""
    return " or ".join(shown) or "no schedule"


def _property(found: Race, mode: str, claim: ExpectProperty) -> str:
    """`breaks` looks at every moment of every schedule."""
    broken = {finding.property for finding in found.findings}
    held = []
    for ending in found.endings:
        here = ending.broken if claim.broken and mode == "always" else broken
        held.append(all((name in here) is claim.broken for name in claim.names))
    if _ALL[mode](held):
        return ""
    return f"breaks {', '.join(sorted(broken)) or 'nothing'}"


def _sight(kernel: Kernel, ending: Ending, start: State) -> Seen:
    state = observe(kernel.release, kernel.machine, ending.world)
    results = tuple(result for result in ending.results if result is not None)
    worse = next((each for each in results if each.ret < 0), results[0])
    return seen(start, state, worse, ending.events, ending.broken, results)
