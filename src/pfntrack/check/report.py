"""What a search found out."""

from __future__ import annotations

import attrs

from pfntrack.check.properties import PROPERTIES

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
    them. `evaluations` counts runs of the model's operations. A `complete`
    search has seen every state within its bounds.
    """

    states: int
    transitions: int
    cut: int
    depth: int
    evaluations: int
    complete: bool
    counterexamples: dict[str, Counterexample]
    coverage: dict[str, Coverage]

    @property
    def verdicts(self) -> dict[str, int]:
        """Broken properties and the length of the shortest program that breaks each."""
        found = self.counterexamples
        return {name: found[name].depth for name in PROPERTIES if name in found}
