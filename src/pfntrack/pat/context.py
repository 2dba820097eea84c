"""A kernel call in progress.

The functions of the model read like the kernel's: they take a `Context`, act
on its physical state by replacing immutable values, and leave events behind.
A context lives for one operation and never leaves it, so that the operation
as a whole is a pure function of the components it was given.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import attrs

from pfntrack.pat.events import Call, Event, Note, Task
from pfntrack.pat.mtrr import MtrrLookup
from pfntrack.pat.physical import Machine, Physical

P = ParamSpec("P")
T = TypeVar("T")


class RamFlags(enum.Enum):
    """Which page flags hold a RAM page's type."""

    UNCACHED_ARCH_1 = "PG_uncached and PG_arch_1"
    ARCH_2_ARCH_1 = "PG_arch_2 and PG_arch_1"


@attrs.frozen
class PatQuirks:
    """How the releases differ in `arch/x86/mm/pat`."""

    end_match: bool = True
    mtrr_lookup: MtrrLookup = MtrrLookup.MERGED_MAP
    ram_flags: RamFlags = RamFlags.ARCH_2_ARCH_1
    pgprot_replaces: bool = False
    # The exclusive end is masked as if it were an address (reserve: 4.19 to
    # 5.14; free: 4.19 to 7.3), which turns the top of the space into 0.
    reserve_masks_end: bool = False
    free_masks_end: bool = True
    # The interval tree is asked with the exclusive end (5.5 merge window).
    closed_interval: bool = False


@attrs.frozen
class Failure:
    """An armed fault: the `nth` matching call of `symbol` by `task` returns `value`.

    A function that returns a pointer returns NULL instead, whatever the value.
    `vma_at` limits the fault to calls for the VMA that starts there, or made
    while `copy_page_range()` is at it. `seen` counts matching calls, `fired`
    those that failed.
    """

    symbol: str
    value: int
    task: str = ""
    nth: int = 1
    vma_at: int | None = None
    seen: int = 0
    fired: int = 0


class Context:
    """The state that one operation works on."""

    def __init__(
        self,
        machine: Machine,
        quirks: PatQuirks,
        phys: Physical,
        task: Task,
        *,
        failures: tuple[Failure, ...] = (),
        explain: bool = True,
    ) -> None:
        self.machine = machine
        self.pat = quirks
        self.phys = phys
        self.task = task
        self.failures = failures
        self.explain = explain
        self.copying_vma: int | None = None
        self.struck = 0
        # The ghost in whose name reservations are made and released; 0 is the kernel.
        self.owner = 0
        self.events: list[Event] = []

    def ask(
        self, question: Callable[Concatenate[Context, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Perform a call that sees and changes nothing but the physical part.

        What comes of it follows from the physical part and the arguments, so a
        search need not perform it twice. All of the memory management that
        reaches the physical part does so here, or is searched more slowly.
        """
        return question(self, *args, **kwargs)

    def save(self) -> Physical:
        """The physical part as it is, to go back to with `undo`, not to look at."""
        return self.phys

    def undo(self, saved: Physical) -> None:
        """Make the physical part what it was."""
        self.phys = saved

    def emit(self, event: Event) -> None:
        """Leave a log line or warning behind."""
        self.events.append(event)

    def call(self, function: str, via: str = "", **fields: object) -> None:
        """Leave a tracking call behind."""
        if self.explain:
            self.events.append(Call(function, self.task, tuple(fields.items()), via))

    def note(self, function: str, rule: str, *values: object) -> None:
        """Say which rule of `function` decided; costs nothing unless asked for."""
        if self.explain:
            self.events.append(Note(function, rule.format(*values)))

    def fails(self, symbol: str, vma_at: int | None = None) -> bool:
        """Does an armed fault strike this call of `symbol`, made for the VMA at `vma_at`?

        The value that it returns is then `struck`.
        """
        hit_any = False
        for at, failure in enumerate(self.failures):
            if failure.symbol != symbol or failure.task not in ("", self.task.comm):
                continue
            if failure.vma_at is not None and failure.vma_at not in (vma_at, self.copying_vma):
                continue
            seen = failure.seen + 1
            hit = seen == failure.nth
            changed = attrs.evolve(failure, seen=seen, fired=failure.fired + hit)
            self.failures = (*self.failures[:at], changed, *self.failures[at + 1 :])
            if hit:
                self.note(symbol, "made to fail here: returns {}", failure.value)
                self.struck = failure.value
                hit_any = True
        return hit_any
