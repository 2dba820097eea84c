"""The properties I1 to I10 and `tight`, as pure functions of states and steps.

A property of states looks at one world; a property of steps at the world
before and after one operation. The bookkeeping is judged against what is
really mapped, never against itself. I8 (locking) is judged where the model
knows the lock: by the warnings that I4 counts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import attrs

from pfntrack.check.judged import owners
from pfntrack.check.judged.oracle import granted_types, ideal, requested, type_at
from pfntrack.designs.base import Design
from pfntrack.mm import ops
from pfntrack.mm.ops import Op, Result
from pfntrack.mm.vma import VM_PFNMAP
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.events import Event, FreeInvalid, Oops, Warn, WrongOwner
from pfntrack.pat.intervals import Disjoint
from pfntrack.pat.memtype_interval import Memtype, Tree
from pfntrack.pat.physical import Machine
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases.kernel import Kernel
from pfntrack.releases.world import World

PROPERTIES = {
    "I1": "no leak: a range that nothing maps is not reserved",
    "I2": "cover: every page mapped by a full remap has a reservation of its type",
    "I3": "owner: a release removes just what the same owner reserved",
    "I4": "quiet: no warning and no failed release",
    "I5": "no alias: all live mappings of a page have one type",
    "I6": "no spurious refusal: what fits all live mappings succeeds",
    "I7": "fidelity: the type asked for is granted unless a live mapping forbids it",
    "I9": "atomic failure: a failed operation leaves the bookkeeping as it was",
    "I10": "fork: the child is tracked like its parent, or nothing of it is left",
    "tight": "nothing stays reserved beyond what a VMA maps",
}

# Judged where calls overlap (`check/race`), and nowhere else.
RACE_PROPERTIES = {
    "I5-tlb": "no stale use: what a TLB still holds stays reserved and has one type",
    "I8": "locks: fields change under their lock, in one order, and nobody waits for ever",
}


@attrs.frozen
class Violation:
    """One broken property: where (pfns, half-open) and why, in one sentence."""

    property: str
    first: int
    end: int
    reason: str


def judge_state(kernel: Kernel, world: World) -> list[Violation]:
    """Properties of one state that are broken in it."""
    design, machine = kernel.release.design, kernel.machine
    if not machine.pat_enabled:
        return []
    return [
        *no_leak(world, design),
        *cover(world, machine),
        *owner(world, design, machine),
        *no_alias(world),
        *tight(world, design),
    ]


def judge_step(
    kernel: Kernel, before: World, op: Op, after: World, result: Result, events: Iterable[Event]
) -> list[Violation]:
    """Properties of one step that it breaks."""
    return [
        *judge_books(kernel, before, op, after, result, events),
        *judge_request(kernel, before, op, after, result),
    ]


def judge_books(
    kernel: Kernel, before: World, op: Op, after: World, result: Result, events: Iterable[Event]
) -> list[Violation]:
    """I3, I4, I9 and I10 of one step: they look only at what the operation touches."""
    events = list(events)
    found = quiet(events) + wrong_owner(events)
    if not kernel.machine.pat_enabled:
        return found
    found += atomic_failure(before, op, after, result)
    if isinstance(op, ops.Fork):
        found += fork(kernel.release.design, before, op, after, result)
    return found


def judge_request(
    kernel: Kernel, before: World, op: Op, after: World, result: Result
) -> list[Violation]:
    """I6 and I7 of one step: they look at all live mappings."""
    asks = isinstance(op, REQUESTS) and kernel.machine.pat_enabled
    if isinstance(op, _ENTITLED) and result.ret >= 0:
        asks = False
    if not asks or _struck(before, after):
        return []
    return _against_oracle(kernel, before, op, after, result)


def no_leak(world: World, design: Design) -> list[Violation]:
    """I1."""
    live = _live(world)
    return [
        Violation("I1", first, end, f"reserved as {entry.type}, but nothing maps or holds it")
        for entry in owners.without_kernel(world, design)
        for first, end in [_pages(entry)]
        if not live.touches(first, end)
    ]


def _live(world: World) -> Disjoint:
    """Pages that some entry maps, or that some VMA was made to map."""
    mapped = [(m.first, m.end) for m in owners.user_mappings(world)]
    return Disjoint(mapped + owners.nominal(world))


def cover(world: World, machine: Machine) -> list[Violation]:
    """I2."""
    found = []
    reserved = _reserved(world)
    for process in world.processes:
        for vma in process.space.vmas:
            if vma.origin is None:
                continue
            for run in owners.entries_of(vma, process.space.ptes):
                pfn = run.pfn or 0
                span = pfn, pfn + run.end - run.start
                if pfn - vma.origin != run.start - vma.start or not owners.trackable(
                    machine, *span
                ):
                    continue
                for first, end in reserved.get(run.cache, _NOTHING).outside(*span):
                    who = f"process {process.name} maps it as {run.cache}"
                    found.append(Violation("I2", first, end, f"{who} without a reservation"))
    return found


_NOTHING = Disjoint(())


def _reserved(world: World) -> dict[CacheMode, Disjoint]:
    """The pages of the tree's entries, by type."""
    found: dict[CacheMode, list[tuple[int, int]]] = {}
    for entry in world.phys.tree:
        found.setdefault(entry.type, []).append(_pages(entry))
    return {kind: Disjoint(spans) for kind, spans in found.items()}


def _pages(entry: Memtype) -> tuple[int, int]:
    return entry.start >> PAGE_SHIFT, -(-entry.end >> PAGE_SHIFT)


def owner(world: World, design: Design, machine: Machine) -> list[Violation]:
    """I3: on every page, at least as many reservations as there are claims."""
    claims = owners.kernel_claims(world) + owners.user_claims(world, design, machine)
    starts = sorted(_pages(entry)[0] for entry in world.phys.tree)
    ends = sorted(_pages(entry)[1] for entry in world.phys.tree)
    found = []
    for first, end, mine in _segments([(claim.first, claim.end) for claim in claims]):
        held = bisect_right(starts, first) - bisect_right(ends, first)
        if held >= len(mine):
            continue
        these = [claims[at] for at in sorted(mine)]
        if any(owners.trackable(machine, c.first, c.end) for c in these):
            who = " and ".join(claim.who for claim in these)
            reason = f"{held} reservations for {len(these)} owners: {who}"
            found.append(Violation("I3", first, end, reason))
    return found


def _segments(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, set[int]]]:
    """The stretches between neighbouring edges of spans, with the numbers of those around each.

    The set is the same object each time, and changes as the next stretch is asked for.
    """
    events: dict[int, list[int]] = {}
    for number, span in enumerate(spans):
        for edge in span:
            events.setdefault(edge, []).append(number)
    inside: set[int] = set()
    for edge, after in pairwise(sorted(events)):
        for number in events[edge]:
            if spans[number][0] == edge < spans[number][1]:
                inside.add(number)
            else:
                inside.discard(number)
        yield edge, after, inside


def wrong_owner(events: Iterable[Event]) -> list[Violation]:
    """I3, in a step: a release took what another owner had reserved."""
    return [
        Violation(
            "I3",
            event.start >> PAGE_SHIFT,
            event.end >> PAGE_SHIFT,
            "released in the name of one owner, taken from another's reservation",
        )
        for event in events
        if isinstance(event, WrongOwner)
    ]


def quiet(events: Iterable[Event]) -> list[Violation]:
    """I4."""
    found = []
    for event in events:
        if isinstance(event, FreeInvalid):
            first, end = event.start >> PAGE_SHIFT, event.end >> PAGE_SHIFT
            found.append(Violation("I4", first, end, "a release that no reservation fits"))
        elif isinstance(event, Warn | Oops):
            where = event.chain[0] if isinstance(event, Warn) else event.function
            found.append(Violation("I4", 0, 0, f"the kernel warns in {where}()"))
    return found


def _alike(one: Tree, other: Tree) -> bool:
    """Are two trees the same, but for an order among equal starts that decides nothing?

    Which type comes first there does decide: it dictates that of the next request.
    """
    types = [[(entry.start, entry.type) for entry in tree] for tree in (one, other)]
    return types[0] == types[1] and Counter(one) == Counter(other)


def no_alias(world: World) -> list[Violation]:
    """I5: UC and UC- count as one type; RAM is judged like any other page."""
    mappings = sorted(
        owners.user_mappings(world) + owners.kernel_mappings(world), key=lambda m: m.first
    )
    # Only those of another type can clash, so alike ones are not looked at in pairs.
    families: dict[CacheMode, list[int]] = {}
    for number, mapping in enumerate(mappings):
        families.setdefault(_family(mapping.type), []).append(number)
    found = []
    for number, one in enumerate(mappings):
        for at in _clashing(mappings, number, families):
            first, end = mappings[at].first, min(one.end, mappings[at].end)
            reason = f"{one.who} maps it as {one.type}, {mappings[at].who} as {mappings[at].type}"
            found.append(Violation("I5", first, end, reason))
    return found


def _clashing(
    mappings: Sequence[owners.Mapping], number: int, families: Mapping[CacheMode, list[int]]
) -> list[int]:
    """Later mappings that begin before this one ends, of another type."""
    one, found = mappings[number], []
    for kind, numbers in families.items():
        if kind is _family(one.type):
            continue
        for at in numbers[bisect_right(numbers, number) :]:
            if mappings[at].first >= one.end:
                break
            found.append(at)
    return sorted(found)


def same_type(one: CacheMode, other: CacheMode) -> bool:
    """Can a CPU not tell the two apart?"""
    return _family(one) is _family(other)


def _family(kind: CacheMode) -> CacheMode:
    """Types that the CPU cannot tell apart are one: UC and UC-."""
    return CacheMode.UC_MINUS if kind is CacheMode.UC else kind


def tight(world: World, design: Design) -> list[Violation]:
    """Nothing stays reserved beyond what some VMA maps."""
    live = _live(world)
    return [
        Violation("tight", first, end, f"still reserved as {entry.type}, mapped by no VMA")
        for entry in owners.without_kernel(world, design)
        for first, end in live.outside(*_pages(entry))
    ]


def atomic_failure(before: World, op: Op, after: World, result: Result) -> list[Violation]:
    """I9: reservations and tracking after a failure are those before it.

    A mapping over an old one may take that away even if it fails: POSIX
    allows it, and every kernel does it. mprotect and madvise may fail with a
    part of their work done.
    """
    if isinstance(op, ops.Mprotect | ops.Madvise):
        return []
    if result.ret >= 0 or result.signal or _replaces(before, op):
        return []
    if _alike(before.phys.tree, after.phys.tree) and before.phys.tracking == after.phys.tracking:
        return []
    return [Violation("I9", 0, 0, f"{type(op).__name__.lower()} failed, but reservations changed")]


def _replaces(before: World, op: Op) -> bool:
    target = None
    if isinstance(op, ops.Mmap | ops.AnonOver):
        target = op.p, op.at, op.at + op.pages
    elif isinstance(op, ops.Mremap) and op.to is not None:
        target = op.p, op.to, op.to + op.new
    if target is None:
        return False
    name, start, end = target
    return any(v.start < end and start < v.end for v in before.process(name).space.vmas)


def fork(
    design: Design, before: World, op: ops.Fork, after: World, result: Result
) -> list[Violation]:
    """I10."""
    if result.ret < 0:
        if sorted(_bare(before)) != sorted(_bare(after)):
            return [Violation("I10", 0, 0, "fork failed, but the reservations are not as before")]
        return []
    parent, child = before.process(op.p), after.process(op.child)
    found = []
    for vma in child.space.vmas:
        mother = next((v for v in parent.space.vmas if v.start == vma.start), None)
        same = mother is not None and design.tracked(mother) == design.tracked(vma)
        if vma.flags & VM_PFNMAP and not same:
            reason = f"the child's VMA [{vma.start},{vma.end}) is not tracked like its parent's"
            found.append(Violation("I10", vma.origin or 0, (vma.origin or 0) + vma.pages, reason))
    return found


def _bare(world: World) -> list[tuple[int, int, int]]:
    return [(e.start, e.end, e.type.value) for e in world.phys.tree]


# What a process may always do to its own memory, tracking or not.
_ENTITLED = (ops.Munmap, ops.Mprotect, ops.Mremap)
REQUESTS = (ops.Mmap, ops.Remap, ops.Ioremap, ops.Fork, *_ENTITLED)


def _struck(before: World, after: World) -> bool:
    """Did an armed failure strike in this step?"""
    return sum(f.fired for f in after.failures) > sum(f.fired for f in before.failures)


def _against_oracle(
    kernel: Kernel, before: World, op: Op, after: World, result: Result
) -> list[Violation]:
    """I6 and I7: compare with a kernel whose books say just what is mapped."""
    outcome = ideal(kernel, before, op)
    if outcome is None or outcome.result.ret < 0:
        return []
    if result.ret < 0:
        reason = f"refused with {result.err}, though no live mapping stands against it"
        return [Violation("I6", 0, 0, reason)]
    if isinstance(op, ops.Fork):
        return []
    could, got = granted_types(outcome.world, op), granted_types(after, op)
    wanted = requested(kernel, before, op)
    edges = sorted(
        {edge for runs in (could, got) for first, end, _ in runs for edge in (first, end)}
    )
    other = [
        (first, end, kind, could_be)
        for first, end in pairwise(edges)
        if (kind := type_at(got, first)) not in (None, wanted)
        if (could_be := type_at(could, first)) not in (None, kind)
    ]
    if not other:
        return []
    # Who gets what was asked for has no reason to complain: an alias is for I5 to see.
    alone = ideal(kernel, before, op, alone=True)
    asked = granted_types(alone.world, op) if alone is not None else []
    return [
        Violation("I7", pfn, pfn + 1, f"{kind} was granted, {could_be} could have been")
        for first, end, kind, could_be in other
        for pfn in range(first, end)
        if type_at(asked, pfn) is not kind
    ]
