"""A refused call leaves the physical part as it was, unless the kernel is known to leak there."""

from __future__ import annotations

import random

import attrs
from hypothesis import given
from hypothesis import strategies as st

from lab.double import plain_setting
from pfntrack.lab.play.lockstep import Done
from pfntrack.lab.random.generate import Maker
from pfntrack.lab.random.walk import Walk
from pfntrack.pat.memtype_interval import Memtype
from pfntrack.pat.physical import Physical
from pfntrack.releases import RELEASES, World

# VM_PAT: the error paths of fork and of whatever remaps release by range, and what they
# find may be another mapping's entry (recorded: fail-fork-copy, twice-nested).
KNOWN = {
    (design, call, "tree")
    for design in ("vm-pat-5.10", "vm-pat")
    for call in ("Fork", "Mmap", "Remap")
}


def _spaces(world: World) -> list[object]:
    return [(p.name, p.space.vmas, p.space.ptes, p.fds) for p in world.processes]


def _changed(before: Physical, after: Physical) -> set[str]:
    """Fields that differ; what pages hold is no bookkeeping, nor is the order of equal starts."""
    after = attrs.evolve(after, written=before.written, clock=before.clock)
    before, after = (attrs.evolve(each, tree=_entries(each)) for each in (before, after))
    names = [field.name for field in attrs.fields(Physical)]
    return {name for name in names if getattr(before, name) != getattr(after, name)}


def _entries(phys: Physical) -> tuple[Memtype, ...]:
    nobodys = (attrs.evolve(entry, owner=0) for entry in phys.tree)
    return tuple(sorted(nobodys, key=lambda entry: (entry.start, entry.end, entry.type)))


def _refused(before: World, done: Done) -> bool:
    """Refused as a whole: nothing of the call shows in any address space either."""
    failed = done.result.ret < 0 and not done.result.signal
    return failed and _spaces(before) == _spaces(done.world)


@given(st.sampled_from(sorted(RELEASES)), st.integers(0, 2**32), st.booleans())
def test_refused_calls_leave_nothing(series: str, seed: int, vfio: bool) -> None:
    """All drivers, all operations, all releases."""
    where = plain_setting(series)
    walk = Walk(where.kernel(RELEASES[series]), where.start)
    Maker(random.Random(seed), walk, vfio=vfio).extend(60)
    before = where.start
    for done in walk.done:
        if _refused(before, done):
            kind = RELEASES[series].design.name, type(done.op).__name__
            left = {(*kind, name) for name in _changed(before.phys, done.world.phys)}
            assert left <= KNOWN, f"{done.op} was refused with {done.result.err}"
        before = done.world
