"""What could be done next, and what each of these operations would break.

Offers are made from what is there: open files, mappings, living processes. Each is
performed on the model, so an operation that no program could do here is not offered, and
what one breaks is found and not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from pfntrack.check.run import Run, run_scenario
from pfntrack.errors import PfntrackError
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.pat.cachemode import CacheMode
from pfntrack.releases import Release
from pfntrack.scenario import Scenario, Step, format_op
from pfntrack.scenario.evaluate import result_word
from pfntrack.state.schema import Process, VmaState

NAMES = "ABCDEFGH"
# More would not be read, and each is performed.
MOST = 40
# A file is mapped with so many pages at most, and no more processes are forked than that.
_PAGES = 4
_PROCESSES = 3


@attrs.frozen
class Effect:
    """What an operation does under one release: its result, and the properties it breaks."""

    result: str
    breaks: tuple[str, ...]


@attrs.frozen
class Offer:
    """An operation in the language of scenarios, and its effect under each release."""

    text: str
    effects: tuple[Effect, ...]


def offers(scenario: Scenario, releases: Sequence[Release], done: int | None = None) -> list[Offer]:
    """The operations that make sense after `done` steps (all without a number).

    Places come from the state under the first release. Raises ScenarioError: one of the
    steps cannot be done.
    """
    steps = scenario.steps[:done]
    bare = attrs.evolve(scenario, steps=tuple(Step(step.op, step.line) for step in steps), final=())
    run = run_scenario(bare, releases[0])
    found: dict[str, Offer] = {}
    for op in _candidates(run):
        if len(found) == MOST:
            break
        text = format_op(op, scenario.machine)
        if text not in found and (effects := _effects(bare, op, releases)):
            found[text] = Offer(text, effects)
    return list(found.values())


def _effects(scenario: Scenario, op: Op, releases: Sequence[Release]) -> tuple[Effect, ...]:
    """The effect of one more step under each release; none if one of them cannot do it."""
    longer = attrs.evolve(scenario, steps=(*scenario.steps, Step(op)))
    made = []
    for release in releases:
        try:
            last = run_scenario(longer, release).steps[-1]
        except PfntrackError:
            return ()
        broken = tuple(dict.fromkeys(violation.property for violation in last.fresh))
        made.append(Effect(result_word(last.result), broken))
    return tuple(made)


def _candidates(run: Run) -> Iterator[Op]:
    processes = (run.steps[-1].state if run.steps else run.start).processes
    opened = {op.fd: op for step in run.scenario.steps if isinstance(op := step.op, ops.Open)}
    if not opened:
        yield from _first(run)
    for process in processes:
        yield from _mapping(process, opened)
        for vma in process.vmas:
            yield from _pieces(process.name, vma)
            yield from _taking(process.name, vma, opened)
    for process in processes:
        free = [name for name in NAMES if name not in {each.name for each in processes}]
        if len(processes) < _PROCESSES and process.vmas:
            yield ops.Fork(process.name, free[0])
        yield ops.Exit(process.name)
    yield from _kernel(run)


def _first(run: Run) -> Iterator[Op]:
    """Files to open where none is open."""
    for window in run.start.windows[:2]:
        yield ops.Open("A", 0, "driver", window.name)
        yield ops.Open("A", 0, "driver", window.name, cache=CacheMode.WC)
        yield ops.Open("A", 0, "driver", window.name, mode="fault")
        yield ops.Open("A", 0, "sysfs", window.name)
        yield ops.Open("A", 0, "sysfs", window.name, wc=True)


def _mapping(process: Process, opened: Mapping[int, ops.Open]) -> Iterator[Op]:
    """Each file once more, behind what is mapped."""
    at = max((vma.end for vma in process.vmas), default=0)
    at += bool(at)
    for fd, op in opened.items():
        pages = op.pages or _PAGES
        yield ops.Mmap(process.name, at, pages, fd)
        yield ops.Mmap(process.name, at, pages, fd, shared=False)


def _pieces(name: str, vma: VmaState) -> Iterator[Op]:
    """What a process does to a mapping, whole and in pieces."""
    pages = vma.end - vma.start
    yield ops.Munmap(name, vma.start, pages)
    if pages > 1:
        yield ops.Munmap(name, vma.start, 1)
        yield ops.Munmap(name, vma.end - 1, 1)
        yield ops.Mremap(name, vma.start, pages, pages - 1)
    if pages > 2:
        yield ops.Munmap(name, vma.start + 1, 1)
    to = vma.end + 16
    yield ops.Mremap(name, vma.start, pages, pages, maymove=True, fixed=True, to=to)
    if "w" in vma.permissions:
        yield ops.Mprotect(name, vma.start, pages, "r")
        yield ops.Write(name, vma.start)
    yield ops.Read(name, vma.start)
    yield ops.Madvise(name, vma.start, pages, "dontfork")


def _taking(name: str, vma: VmaState, opened: Mapping[int, ops.Open]) -> Iterator[Op]:
    """What a driver does to a mapping of its file."""
    pages = vma.end - vma.start
    for fd, op in opened.items():
        if op.target == "driver" and vma.permissions.endswith("s") and vma.pgoff < (1 << 16):
            yield ops.Zap(name, fd, vma.pgoff, 1)
            yield ops.Zap(name, fd, vma.pgoff, pages)
    yield ops.ZapVma(name, vma.start, 1)


def _kernel(run: Run) -> Iterator[Op]:
    """The kernel maps a page of the first window, or gives back what it mapped."""
    held = [step.op.id for step in run.scenario.steps if isinstance(step.op, ops.Ioremap)]
    for name in held:
        yield ops.Iounmap(name)
    for window in run.start.windows[:1]:
        for kind in (CacheMode.WC, CacheMode.UC_MINUS):
            yield ops.Ioremap(f"k{len(held)}", window.name, 0, 1, kind)
