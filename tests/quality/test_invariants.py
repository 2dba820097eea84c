"""Whatever legal programs do, the model's state stays well formed, and steps are functions."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from examples import examples, until
from pfntrack.drivers.parametric import MODES
from pfntrack.mm import ops
from pfntrack.mm.calls.madvise import ADVICES
from pfntrack.mm.ops import Op
from pfntrack.mm.pagetable import PTRS_PER_PTE, PageTable, blocks, put
from pfntrack.mm.space import AddressSpace
from pfntrack.mm.step import TrackContext
from pfntrack.mm.vma import VM_PAT, VM_SHARED, VM_WRITE
from pfntrack.pat import CacheMode, Machine, Physical
from pfntrack.pat.events import FreeInvalid, Oops, Warn
from pfntrack.pat.mtrr import Mtrr
from pfntrack.releases.kernel import SYMBOLS, Kernel
from pfntrack.releases.release import RELEASES
from pfntrack.releases.world import Outcome, World
from pfntrack.traces.machine import q35_mtrr
from support import ALL, MACHINE, NO_PAT

Program = list[Op]

# Descriptors that every program starts with; one of a driver that maps the
# second and third page only.
PARTIAL = 21
PREAMBLE: Program = [
    ops.Open("A", 0, "devmem", sync=True),
    ops.Open("A", 1, "devmem"),
    ops.Open("A", 2, "sysfs", "W"),
    ops.Open("A", 3, "sysfs", "H", wc=True),
    ops.RamAlloc("0", 16),
    *(ops.Open("A", 4 + n, "driver", "W", mode=mode) for n, mode in enumerate(MODES)),
    ops.Open("A", 20, "driver", "ram0", cache=CacheMode.WC),
    ops.Open("A", PARTIAL, "driver", "W", mode="remap", first=1, pages=2),
    ops.Open("A", 22, "sysfs", "W", readonly=True),
    ops.VfioOpen("A", (23, 24, 25), "L"),
    # A mapping to begin with, so that short programs do something.
    ops.Mmap("A", 0, 6, 4),
]
FDS = [0, 1, 2, 3, *range(4, 4 + len(MODES)), 20, PARTIAL, 22, 25]

process = st.sampled_from("AAAABC")
# Two clusters of pages, one around the border of two page tables.
page = st.one_of(
    st.integers(0, 5), st.integers(0, 11), st.integers(PTRS_PER_PTE - 4, PTRS_PER_PTE + 4)
)
near = st.integers(0, 5)
count = st.integers(1, 6)
few = st.integers(1, 3)
off = st.integers(0, 6)
fd = st.sampled_from(FDS)
window = st.sampled_from(["W", "H", "L", "LOW", "ram0"])
cache = st.sampled_from(CacheMode)
prot = st.sampled_from(["rw", "r", "-", "w"])
# Failing releases are bugs by themselves; everything else may fail.
symbol = st.sampled_from(sorted(SYMBOLS - {"memtype_free"}))

memory_ops = st.one_of(
    st.builds(
        ops.Mmap,
        process,
        page,
        count,
        fd,
        off,
        st.booleans(),
        prot,
        st.sampled_from(["W", "H", "LOW"]),
    ),
    st.builds(ops.AnonOver, process, page, count, prot),
    st.builds(ops.Munmap, process, page, count),
    st.builds(ops.Mprotect, process, page, count, prot),
    st.builds(ops.Madvise, process, page, count, st.sampled_from(sorted(ADVICES))),
    st.builds(ops.Mremap, process, near, st.integers(0, 6), count, st.booleans()),
    st.builds(
        ops.Mremap,
        process,
        near,
        few,
        few,
        st.just(True),
        st.just(True),
        st.sampled_from([False, False, True]),
        page,
    ),
    st.builds(ops.Mlock, process, page, count, st.booleans()),
    st.builds(ops.Read, process, page),
    st.builds(ops.Write, process, page),
    st.builds(ops.Write, process, page),
)
other_ops = st.one_of(
    st.builds(ops.Mseal, process, page, count),
    st.builds(ops.Access, process, near),
    st.builds(ops.Fork, process, process),
    st.builds(ops.Fork, st.just("A"), st.just("B")),
    st.builds(ops.Exit, st.sampled_from("BC"), st.booleans()),
    st.builds(ops.Close, process, fd),
    st.builds(
        ops.Zap, process, fd, off, st.integers(0, 4), st.booleans(), st.sampled_from(["", "W"])
    ),
    st.builds(ops.ZapVma, process, near, few),
    st.builds(ops.Remap, process, near, few, window, off, cache),
    st.builds(ops.InsertPfn, process, page, st.just("W"), off),
    st.builds(
        ops.Ioremap,
        st.sampled_from("xyz"),
        st.sampled_from(["W", "H", "LOW"]),
        off,
        count,
        cache,
    ),
    st.builds(ops.Iounmap, st.sampled_from("xyz")),
    st.builds(ops.Request, st.just("W"), off, count),
    st.builds(ops.Release, st.just("W"), off, count),
    st.builds(ops.RamType, st.just("0"), cache),
    st.builds(ops.DriverBind, st.just("V")),
    st.builds(ops.DriverUnbind, st.just("V")),
    st.builds(ops.VfioMemory, process, st.just(25), st.booleans()),
    st.builds(ops.Fail, process, symbol, st.integers(1, 3)),
    st.builds(ops.Unfail, process),
    st.builds(ops.Sysctl, st.just("vm/max_map_count"), st.sampled_from(["13", "16", "65530"])),
    st.builds(ops.Sysctl, st.just("vm/overcommit_memory"), st.sampled_from(["0", "1", "2"])),
    st.builds(ops.SetMtrr, st.just("base=0xfe000000 size=0x10000 type=write-back")),
)
# States that programs rarely reach by chance.
starts = st.sampled_from(
    [
        [],
        [ops.ZapVma("A", 0, 6)],
        [ops.ZapVma("A", 2, 1)],
        [ops.ZapVma("A", 2, 1), ops.Remap("A", 2, 1, "W", 2)],
        [ops.Fork("A", "B")],
        [ops.Mprotect("A", 1, 1, "r"), ops.Fork("A", "B")],
        [ops.Mmap("A", 0, 4, 4, 0, shared=False), ops.Write("A", 0)],
        [ops.Mmap("A", 0, 6, 25), ops.Read("A", 1)],
        [ops.Mmap("A", PTRS_PER_PTE - 2, 4, 4, 2)],
        [ops.Mmap("A", 0, 6, 10, 0)],
    ]
)
random_ops = st.lists(st.one_of(memory_ops, memory_ops, other_ops), min_size=4, max_size=16)
programs = st.builds(lambda start, rest: [*start, *rest], starts, random_ops)
has_pat = st.sampled_from([True, True, True, False])
releases = pytest.mark.parametrize("release", ALL)
some = settings(
    max_examples=examples(150),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def first_world(mtrr: Mtrr | None = None) -> World:
    """Process A on a fresh machine."""
    return World(phys=Physical(mtrr=mtrr or q35_mtrr())).start("A")


def legal(world: World, op: Op) -> bool:
    """Could a program do this now? Its process lives and its descriptor is open."""
    living = {each.name: each for each in world.processes}
    actor = living.get(getattr(op, "p", "A"))
    if actor is None:
        return not hasattr(op, "p")
    if isinstance(op, ops.Fork):
        return op.child not in living
    if isinstance(op, ops.Ioremap):
        return all(op.id != held.key for held in world.phys.ioremaps)
    if isinstance(op, ops.Remap):
        # No driver maps beyond the VMA that it was given.
        return any(vma.covers(op.at) and op.at + op.pages <= vma.end for vma in actor.space.vmas)
    if isinstance(op, ops.Mmap) and op.fd == PARTIAL and op.pages < 3:
        return False
    number = getattr(op, "fd", None)
    return (
        number is None
        or any(number == open_fd for open_fd, _ in actor.fds)
        or isinstance(op, ops.Open)
    )


def run(release: str, machine: Machine, program: Program) -> Iterator[tuple[World, Op, Outcome]]:
    """Play what is legal of a program, until a BUG ends it."""
    kernel = Kernel(RELEASES[release], machine)
    world = first_world()
    for op in (*PREAMBLE, *program):
        if not legal(world, op):
            continue
        outcome = kernel.perform(world, op)
        yield world, op, outcome
        world = outcome.world
        if any(isinstance(event, Oops) for event in outcome.events):
            return


def end_of(release: str, machine: Machine, program: Program) -> tuple[World, bool]:
    """The world when all processes have exited, newest first; and whether a BUG came before."""
    world, bug = first_world(), False
    for _, _, outcome in run(release, machine, program):
        world = outcome.world
        bug |= any(isinstance(event, Oops) for event in outcome.events)
    kernel = Kernel(RELEASES[release], machine)
    for each in reversed(world.processes):
        world = kernel.perform(world, ops.Exit(each.name)).world
    return world, bug


def contexts(world: World) -> tuple[TrackContext, ...]:
    """The tracking contexts that exist."""
    held = world.phys.tracking
    return held if isinstance(held, tuple) else ()


# What may never happen.


def check_space(space: AddressSpace) -> None:
    """VMAs and page table of one process are well formed and fit each other."""
    for vma in space.vmas:
        assert vma.start < vma.end
        assert vma.pgoff >= 0
    for low, high in pairwise(space.vmas):
        assert low.end <= high.start
    check_table(space.ptes)
    for run_ in space.ptes:
        covering = [vma for vma in space.vmas if vma.start < run_.end and run_.start < vma.end]
        assert run_.end - run_.start == sum(
            min(vma.end, run_.end) - max(vma.start, run_.start) for vma in covering
        ), "an entry outside all mappings"
        if run_.write:
            assert all(vma.flags & VM_WRITE for vma in covering), "writable without permission"
        if run_.write and run_.special:
            assert all(vma.flags & VM_SHARED for vma in covering), "a private raw page is writable"
        if run_.huge:
            assert 0 == run_.start % PTRS_PER_PTE == run_.end % PTRS_PER_PTE
        else:
            assert set(blocks(run_.start, run_.end)) <= space.tables, "an entry without a table"
    needed = {block for vma in space.vmas for block in blocks(vma.start, vma.end)}
    assert space.tables <= needed, "a table that no mapping needs"


def check_table(table: PageTable) -> None:
    """Runs are sorted, disjoint and as long as possible."""
    for run_ in table:
        assert run_.start < run_.end
    for low, high in pairwise(table):
        assert low.end <= high.start
    assert table == put((), *table), "runs that could be one"


def check_contexts(world: World) -> None:
    """Every context has exactly as many references as VMAs that hold it."""
    held = Counter(
        vma.track for each in world.processes for vma in each.space.vmas if vma.track is not None
    )
    assert dict(held) == {each.id: each.refs for each in contexts(world)}


def check_tree(world: World) -> None:
    """Entries are sorted by start and not empty."""
    for entry in world.phys.tree:
        assert entry.start < entry.end
        assert 0 == entry.start % 4096 == entry.end % 4096
    for low, high in pairwise(world.phys.tree):
        assert low.start <= high.start


def check_world(release: str, machine: Machine, world: World) -> None:
    """All of it."""
    for each in world.processes:
        check_space(each.space)
        if release == "7.3":
            assert not any(vma.flags & VM_PAT for vma in each.space.vmas)
        else:
            assert all(vma.track is None for vma in each.space.vmas)
    check_contexts(world)
    check_tree(world)
    names = [each.name for each in world.processes]
    assert sorted(set(names)) == sorted(names)
    if not machine.pat_enabled:
        assert 0 == len(world.phys.tree) == len(world.phys.ram_types)


@releases
@some
@given(pat=has_pat, program=programs)
def test_state_is_never_corrupt(release: str, pat: bool, program: Program) -> None:
    """After every operation of every program all parts of the state fit together."""
    machine = MACHINE if pat else NO_PAT
    for _, op, outcome in run(release, machine, program):
        if not any(isinstance(event, Oops) for event in outcome.events):
            check_world(release, machine, outcome.world)
        if isinstance(op, ops.Read | ops.Write):
            assert outcome.result.signal or 0 == outcome.result.ret


@releases
@settings(some, max_examples=examples(60))
@given(program=programs)
def test_performing_is_a_function(release: str, program: Program) -> None:
    """The same operation on the same world has the same outcome, and the world stays as it was."""
    kernel = Kernel(RELEASES[release], MACHINE)
    for world, op, outcome in run(release, MACHINE, program):
        before = copy.deepcopy(world)
        again = kernel.perform(world, op)
        assert outcome == again
        assert before == world
        assert hash(outcome.world) == hash(again.world)


@releases
@settings(some, max_examples=examples(60))
@given(program=programs)
def test_explanations_change_nothing(release: str, program: Program) -> None:
    """With and without notes and calls, the state and the log are the same."""
    quiet = Kernel(RELEASES[release], MACHINE, explain=False)
    for world, op, outcome in run(release, MACHINE, program):
        plain = quiet.perform(world, op)
        assert (outcome.world, outcome.result) == (plain.world, plain.result)
        assert [e for e in outcome.events if e.kind not in ("call", "note")] == list(plain.events)


@releases
@some
@given(pat=has_pat, program=programs)
def test_nothing_of_a_process_outlives_it(release: str, pat: bool, program: Program) -> None:
    """When all have exited there are no mappings and no contexts, whatever leaked in the tree."""
    machine = MACHINE if pat else NO_PAT
    world, bug = end_of(release, machine, program)
    assert () == world.processes
    if not bug:
        assert () == contexts(world)
    assert () == world.failures


@some
@given(program=programs)
def test_7_3_never_leaks(program: Program) -> None:
    """When all have exited, only what the kernel itself holds is reserved."""
    world, bug = end_of("7.3", MACHINE, program)
    if bug:
        return
    kernels = sorted((held.start, held.end) for held in world.phys.ioremaps)
    assert kernels == sorted((entry.start, entry.end) for entry in world.phys.tree)


@some
@given(program=programs)
def test_7_3_never_complains(program: Program) -> None:
    """No program makes 7.3 warn or free something invalid."""
    for _, _, outcome in run("7.3", MACHINE, program):
        assert [] == [e for e in outcome.events if isinstance(e, FreeInvalid)]
        warns = [e.chain for e in outcome.events if isinstance(e, Warn)]
        # RAM has no flag for strong UC, and says so in every release.
        assert {("reserve_ram_pages_type", "memtype_reserve")} >= set(warns)


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_older_releases_do_leak(release: str) -> None:
    """The property above is not empty: two steps break it up to 6.12."""
    world, bug = end_of(release, MACHINE, [ops.Munmap("A", 0, 1)])
    assert not bug
    assert [(0xFE000000, 0xFE001000)] == [(entry.start, entry.end) for entry in world.phys.tree]


@releases
def test_programs_do_something(release: str) -> None:
    """The generated operations reach all kinds of outcome, so the properties are not empty."""
    wanted = set(
        (
            "Mmap ok, Munmap ok, Mprotect ok, Madvise ok, Mremap ok, Mremap EFAULT, Fork ok, "
            "Read ok, Write ok, Write SEGV, Write BUS, Zap ok, ZapVma ok, Remap ok, Ioremap ok, "
            "Request ok, VfioMemory ok, Exit ok"
        ).split(", ")
    )
    results: set[str] = set()
    sizes: list[int] = []

    @settings(some, max_examples=examples(300), database=None)
    @given(program=programs)
    def collect(program: Program) -> None:
        steps = list(run(release, MACHINE, program))
        sizes.append(len(steps) - len(PREAMBLE))
        for _, op, outcome in steps:
            word = outcome.result.signal or outcome.result.err or "ok"
            results.add(f"{type(op).__name__} {word}")

    until(lambda: wanted <= results, collect)
    assert set() == wanted - results
    assert 4 * len(sizes) <= sum(sizes)
