"""A program in the making, performed on the model step by step."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from pfntrack.errors import ModelError
from pfntrack.lab.play.lockstep import Done, perform
from pfntrack.mm import ops, pagetable
from pfntrack.mm.ops import Op
from pfntrack.pat.events import Call, Note
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases import Kernel, World
from pfntrack.releases.calls import span
from pfntrack.releases.world import Process

WINDOW = "H"
"""The window that programs of the search map."""

END_OF_ARENA = 1 << 12

ADVICE = ("dontfork", "dofork", "dontneed", "dontdump", "dodump", "wipeonfork", "sequential")
"""What ordinary memory is advised."""

Branch = tuple[str, str]
"""A function of the model and the rule that decided, or an operation and its result."""


def branches(done: Done) -> frozenset[Branch]:
    """What of the model one step passed through."""
    found = {(e.function, e.rule) for e in done.events if isinstance(e, Note)}
    found |= {("event", e.kind) for e in done.events if not isinstance(e, Note | Call)}
    found |= {(e.via, e.function) for e in done.events if isinstance(e, Call)}
    result = done.result
    return frozenset(found | {(type(done.op).__name__, result.err or result.signal or "ok")})


def ordinary(process: Process, at: int, pages: int) -> bool:
    """Is there ordinary memory in the range?"""
    return any(
        vma.ordinary and vma.start < at + pages and at < vma.end for vma in process.space.vmas
    )


def _concerns_ordinary(process: Process, op: Op) -> bool:
    """Does it do to ordinary memory what the model does not claim to know?"""
    if isinstance(op, ops.Fail):
        # How many calls there are depends on what was joined.
        return op.vma_at is None and ordinary(process, 0, END_OF_ARENA)
    if isinstance(op, ops.Madvise) and op.advice in ADVICE:
        return False
    if isinstance(op, ops.Mremap | ops.Access | ops.Mlock | ops.Mseal | ops.ZapVma | ops.Madvise):
        pages = max(getattr(op, "pages", 1), getattr(op, "old", 1), 1)
        return ordinary(process, op.at, pages)
    return False


@attrs.define(slots=True)
class Walk:
    """A program in the making, and what the model did at each step.

    ``disordered``: mappings of files in whose index a ``vm_pgoff`` has changed.
    What a zap through such a file finds is not claimed by the model.
    """

    kernel: Kernel
    world: World
    done: list[Done] = attrs.field(factory=list)
    seen: set[Branch] = attrs.field(factory=set)
    disordered: set[str] = attrs.field(factory=set)

    @property
    def steps(self) -> list[Op]:
        """The operations so far."""
        return [each.op for each in self.done]

    def step(self, op: Op) -> bool:
        """Perform an operation if a program can, and if the kernel survives it."""
        if not self._sayable(op):
            return False
        try:
            done = perform(self.kernel, self.world, op)
        except (ModelError, AssertionError, KeyError):
            return False
        if done.bug or not self._claimed(done):
            return False
        self.world = done.world
        self.done.append(done)
        self.seen |= branches(done)
        self.disordered |= {
            vma.file.mapping
            for process in done.world.processes
            for vma in process.space.vmas
            if vma.indexed is not None and vma.file is not None
        }
        return True

    def _sayable(self, op: Op) -> bool:
        """Can the guest be asked for it?"""
        named = getattr(op, "p", None)
        processes = self.world.processes
        if not processes or (named is not None and all(p.name != named for p in processes)):
            return False
        if named is not None and _concerns_ordinary(self.world.process(named), op):
            return False
        if isinstance(op, ops.Zap):
            fds = next(each.fds for each in processes if each.name == op.p)
            # Only the module's file can be asked for it.
            kinds = [file for fd, file in fds if (fd, file.kind) == (op.fd, "driver")]
            return bool(kinds) and kinds[0].mapping not in self.disordered
        devices = dict(self.world.phys.devices)
        if isinstance(op, ops.RamAlloc):
            return f"ram{op.id}" not in devices
        if isinstance(op, ops.Open) and op.window.startswith("ram"):
            return op.window in devices
        if isinstance(op, ops.Mmap) and not op.shared:
            # Mapped privately its place becomes an offset, and that differs from boot to boot.
            files = dict(self.world.process(op.p).fds)
            window = files[op.fd].window if op.fd in files else None
            return window is None or not window.ram
        if isinstance(op, ops.Ioremap):
            return all(held.key != op.id for held in self.world.phys.ioremaps)
        if isinstance(op, ops.Fail | ops.Unfail):
            return self._disarmable(op)
        if isinstance(op, ops.Release):
            # The kernel's complaint about one that is not held is not modelled.
            held = span(self.kernel.machine, op.window, op.off, op.pages)
            return any((each.start, each.end) == held for each in self.world.phys.claims)
        # Claiming pages zaps the mappings of /dev/mem and sysfs.
        return not (isinstance(op, ops.Request) and self.disordered)

    def _disarmable(self, op: ops.Fail | ops.Unfail) -> bool:
        """The module keeps one failure at a time, whoever disarms it."""
        armed = {failure.task for failure in self.world.failures}
        if isinstance(op, ops.Fail):
            return not armed
        return armed <= {self.world.process(op.p).task.comm}

    def _claimed(self, done: Done) -> bool:
        """Does the model claim to know what happens? Not what foreign memory holds."""
        op = done.op
        if not isinstance(op, ops.Read | ops.Write | ops.Access):
            return True
        space = done.world.process(op.p).space
        run = pagetable.lookup(space.ptes, op.at)
        return run is None or run.pfn is None or self._in_window(run.pfn)

    def _in_window(self, pfn: int) -> bool:
        names = [WINDOW, *(name for name, _ in self.world.phys.devices if name.startswith("ram"))]
        windows = [self.kernel.machine.window(name) for name in names]
        return any(w is not None and w.pfn <= pfn < w.pfn + w.pages for w in windows)

    def end(self) -> None:
        """All processes exit, newest first; the last one gives back what was left behind."""
        while len(self.world.processes) > 1:
            if not self.step(ops.Exit(self.world.processes[-1].name)):
                return
        if not self.world.processes:
            return
        last = self.world.processes[0].name
        if self.world.process(last).space.vmas:
            self.step(ops.Munmap(last, 0, END_OF_ARENA))
        self._give_back()
        self.step(ops.Exit(last))

    def _give_back(self) -> None:
        """Undo what outlives processes, so that the next program needs no fresh guest."""
        window = self.kernel.machine.window(WINDOW)
        if window is None:
            return
        phys = self.world.phys
        for claim in phys.claims:
            if claim.owner == "driver" and window.start <= claim.start < window.end:
                first = (claim.start - window.start) >> PAGE_SHIFT
                pages = (claim.end - claim.start) >> PAGE_SHIFT
                self.step(ops.Release(WINDOW, first, pages))
        for held in phys.ioremaps:
            # Those of drivers have longer names, and go with their files.
            if held.mapped and re.fullmatch(r"k\d+", held.key):
                self.step(ops.Iounmap(held.key))
        mapped = {(each.start, each.end) for each in self.world.phys.ioremaps if each.mapped}
        for entry in self.world.phys.tree:
            if window.start <= entry.start < window.end and (entry.start, entry.end) not in mapped:
                first = (entry.start - window.start) >> PAGE_SHIFT
                self.step(ops.WcFree(WINDOW, first, (entry.end - entry.start) >> PAGE_SHIFT))


def follow(kernel: Kernel, world: World, steps: Sequence[Op]) -> Walk | None:
    """The walk of a given program, None if it is not legal from here."""
    walk = Walk(kernel, world)
    return walk if all(walk.step(op) for op in steps) else None
