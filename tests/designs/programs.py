"""Random programs of few pages and few types, so that mappings meet each other.

Six pages of addresses, six pages of one window below 4 GiB, two types, two
processes and the kernel's own mappings: small enough that conflicts are common.
"""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st

from pfntrack.check import Violation, judge_state, judge_step
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.mm.step import pfnmap
from pfntrack.mm.vma import is_cow_mapping
from pfntrack.pat import CacheMode, Physical
from pfntrack.pat.events import Oops
from pfntrack.releases.kernel import Kernel
from pfntrack.releases.release import Release
from pfntrack.releases.world import Outcome, World
from pfntrack.traces.machine import q35_mtrr
from support import MACHINE

Program = list[Op]
TYPES = (CacheMode.UC_MINUS, CacheMode.WC)
MODES = ("remap", "narrow", "fault", "fault_all", "two")
PARTIAL = 10
INSERTING, TWO_PAGES = (4, 5), (8, 9, PARTIAL)

# Every program has these files open.
FILES: Program = [
    *(
        ops.Open("A", 2 * number + at, "driver", "W", mode=mode, cache=cache)
        for number, mode in enumerate(MODES)
        for at, cache in enumerate(TYPES)
    ),
    ops.Open("A", PARTIAL, "driver", "W", mode="remap", cache=CacheMode.WC, first=1, pages=1),
    ops.Open("A", 11, "sysfs", "W", wc=True),
    ops.Open("A", 12, "devmem", sync=True),
]

process = st.sampled_from("AAAB")
page = st.integers(0, 5)
count = st.integers(1, 4)
off = st.integers(0, 2)
fd = st.integers(0, 12)
cache = st.sampled_from(TYPES)
key = st.sampled_from("xy")
symbol = st.sampled_from(
    ["__pte_alloc", "vm_area_dup", "memtype_reserve", "pfnmap_track_ctx_alloc", "move_page_tables"]
)

maps = st.builds(
    ops.Mmap,
    process,
    page,
    count,
    fd,
    off,
    st.sampled_from([True, True, False]),
    window=st.just("W"),
)
operations = st.one_of(
    maps,
    maps,
    st.builds(ops.Munmap, process, page, count),
    st.builds(ops.AnonOver, process, page, count),
    st.builds(ops.Mprotect, process, page, count, st.sampled_from(["r", "-"])),
    st.builds(ops.Mremap, process, page, count, count),
    st.builds(ops.Mremap, process, page, count, count, st.just(True), st.just(True), to=page),
    st.builds(ops.Read, process, page),
    st.builds(ops.Write, process, page),
    st.builds(ops.Fork, st.just("A"), st.just("B")),
    st.builds(ops.Exit, st.just("B")),
    st.builds(ops.Zap, process, fd, off, st.integers(0, 3), st.booleans()),
    st.builds(ops.ZapVma, process, page, count),
    st.builds(ops.Remap, process, page, count, st.just("W"), off, cache),
    st.builds(ops.InsertPfn, process, page, st.just("W"), off),
    st.builds(ops.Ioremap, key, st.just("W"), off, count, cache),
    st.builds(ops.Iounmap, key),
    st.builds(ops.Fail, process, symbol),
)
programs = st.lists(operations, min_size=3, max_size=12)


def fresh() -> World:
    """A machine on which A has all files open."""
    return World(phys=Physical(mtrr=q35_mtrr())).start("A")


def legal(world: World, op: Op) -> bool:
    """Could programs and drivers do this now?"""
    living = {each.name: each for each in world.processes}
    actor = living.get(getattr(op, "p", "A"))
    if actor is None:
        return False
    if isinstance(op, ops.Fork):
        return op.child not in living
    if isinstance(op, ops.Ioremap):
        return all(op.id != held.key for held in world.phys.ioremaps)
    if isinstance(op, ops.Remap):
        # A driver maps inside the VMA it was given, and only what is empty.
        inside = any(v.covers(op.at) and op.at + op.pages <= v.end for v in actor.space.vmas)
        return inside and not any(
            run.start < op.at + op.pages and op.at < run.end for run in actor.space.ptes
        )
    if isinstance(op, ops.InsertPfn):
        # Raw pages are inserted into shared raw mappings only.
        return any(
            vma.covers(op.at) and pfnmap(vma) and not is_cow_mapping(vma.flags)
            for vma in actor.space.vmas
        )
    if isinstance(op, ops.Mmap):
        # Some drivers need two pages; those that insert at fault time refuse private maps.
        return op.pages > 1 if op.fd in TWO_PAGES else op.shared or op.fd not in INSERTING
    return True


def play(release: Release, program: Program) -> Iterator[tuple[World, Op, Outcome]]:
    """The legal steps of a program after opening the files, until a BUG ends it."""
    kernel = Kernel(release, MACHINE, explain=False)
    world = fresh()
    for op in FILES:
        world = kernel.perform(world, op).world
    for op in program:
        if not legal(world, op):
            continue
        outcome = kernel.perform(world, op)
        yield world, op, outcome
        world = outcome.world
        if any(isinstance(event, Oops) for event in outcome.events):
            return


def broken(release: Release, before: World, op: Op, outcome: Outcome) -> list[Violation]:
    """What does not hold after one step.

    A call on a range of which a part is not mapped fails when the rest is
    done, by POSIX, so it is no business of I9.
    """
    kernel = Kernel(release, MACHINE, explain=False)
    found = judge_step(kernel, before, op, outcome.world, outcome.result, outcome.events)
    if isinstance(op, ops.Mprotect | ops.Madvise | ops.Mremap):
        found = [each for each in found if each.property != "I9"]
    return [*found, *judge_state(kernel, outcome.world)]
