"""What a search found out."""

from __future__ import annotations

import attrs

from pfntrack.check.judged.properties import PROPERTIES

# A move: the number of the action, and the place of the process that makes it.
Move = tuple[int, int]


@attrs.frozen
class Counterexample:
    """The shortest way to break a property: moves from the start."""

    broken: str
    moves: tuple[Move, ...]

    @property
    def depth(self) -> int:
        return len(self.moves)


@attrs.frozen
class Coverage:
    """How often actions of a group were tried, and how often they changed the state."""

    tried: int = 0
    effective: int = 0


@attrs.frozen
class Found:
    """The result of a search.

    `transitions` stay within the bounds, `cut` are those that would leave
    them. A `complete` search has seen every state within its bounds; `why`
    says what kept another one from it. Counterexamples that are not `settled`
    were met on a level that was not finished. `missed` bounds the probability
    that a state was taken for another one and passed over.
    """

    states: int
    transitions: int
    cut: int
    depth: int
    complete: bool
    counterexamples: dict[str, Counterexample]
    coverage: dict[str, Coverage]
    why: str = ""
    missed: float = 0.0
    settled: frozenset[str] | None = attrs.field(default=None, eq=False)
    cost: Cost | None = attrs.field(default=None, eq=False)

    @property
    def verdicts(self) -> dict[str, int]:
        """Broken properties and the length of the shortest program that breaks each."""
        found = self.counterexamples
        return {name: found[name].depth for name in PROPERTIES if name in found}

    def exact(self, name: str) -> bool:
        """Is the counterexample as short as any?

        Not known if the search ended within a level: what that level has shown
        may be one step longer than what the rest of it would show.
        """
        found = self.counterexamples.get(name)
        return found is None or self.complete or self.settled is None or name in self.settled

    @property
    def idle(self) -> list[str]:
        """Groups of actions that never changed a state: what holds without them is vacuous."""
        return [group for group, each in self.coverage.items() if not each.effective]


@attrs.frozen
class Cost:
    """What a search took: evaluations of the model, of properties, seconds, bytes."""

    evaluations: int
    judgements: int = 0
    seconds: float = 0.0
    state_bytes: int = 0
    table_bytes: int = 0


def coverage(
    groups: tuple[str, ...], numbers: list[str], tried: list[int], effective: list[int]
) -> dict[str, Coverage]:
    """Counts per group of actions; `numbers` are the groups of the actions."""
    sums = {group: [0, 0] for group in groups}
    for group, one, other in zip(numbers, tried, effective, strict=True):
        sums[group][0] += one
        sums[group][1] += other
    return {group: Coverage(*pair) for group, pair in sums.items()}
