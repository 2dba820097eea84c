"""What is judged between two parts of overlapping calls.

Most bookkeeping is in order only when calls are over: a reservation is made before the
entry that needs it. What must hold at every moment is what a CPU can use: no page is
usable with two types (I5), none without the reservation that stands for it (I2); both
also for translations that are cleared and not yet flushed (`I5-tlb`). I8 is judged
by what each part changed, and by the locks its call held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from pfntrack.check.judged import owners
from pfntrack.check.judged.properties import (
    Violation,
    cover,
    no_alias,
    quiet,
    same_type,
    wrong_owner,
)
from pfntrack.designs.base import Design
from pfntrack.mm import ops
from pfntrack.mm.shared import Held, LockName, Stale
from pfntrack.mm.vma import Vma
from pfntrack.pat.events import Event, Warn
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases.kernel import Kernel
from pfntrack.releases.together import Moment, Part
from pfntrack.releases.world import Course, World


def judge_moment(kernel: Kernel, moment: Moment) -> list[Violation]:
    """Properties that are broken in a state between two parts."""
    if not kernel.machine.pat_enabled:
        return []
    world = moment.world()
    return [*cover(world, kernel.machine), *no_alias(world), *stale(kernel, world, moment.stale)]


def judge_part(kernel: Kernel, before: Moment, part: Part, after: Moment) -> list[Violation]:
    """Properties that one part of a call breaks."""
    return [
        *judge_events(part.events),
        *unlocked(kernel.release.design, before, part, after),
    ]


def judge_events(events: Iterable[Event]) -> list[Violation]:
    """I3 and I4 of what was logged; a warning is told apart by who called the function."""
    events = list(events)
    found = wrong_owner(events)
    for event in events:
        if isinstance(event, Warn) and len(event.chain) > 1:
            inner, outer = event.chain[:2]
            found.append(
                Violation("I4", 0, 0, f"the kernel warns in {inner}(), called by {outer}()")
            )
        else:
            found += quiet([event])
    return found


def judge_course(kernel: Kernel, course: Course) -> list[Violation]:
    """All that breaks on one schedule, each thing once."""
    found: list[Violation] = []
    for before, part, after in zip(course.moments, course.parts, course.moments[1:], strict=False):
        found += judge_part(kernel, before, part, after)
        found += judge_moment(kernel, after)
    return list(dict.fromkeys(found))


def stale(kernel: Kernel, world: World, cleared: Iterable[Stale]) -> list[Violation]:
    """I5-tlb: what a CPU may still use is reserved as it was, and mapped by nobody otherwise."""
    found = []
    mappings = owners.user_mappings(world) + owners.kernel_mappings(world)
    for each in cleared:
        first, end = each.pfn, each.pfn + each.end - each.start
        who = f"process {each.space} may still use {each.cache} from a TLB"
        for other in mappings:
            low, high = max(first, other.first), min(end, other.end)
            if low < high and not same_type(other.type, each.cache):
                reason = f"{who}, {other.who} maps it as {other.type}"
                found.append(Violation("I5-tlb", low, high, reason))
        if each.reserved and owners.trackable(kernel.machine, first, end):
            found += [
                Violation("I5-tlb", page, page + 1, f"{who}, and its reservation has gone")
                for page in range(first, end)
                if not _reserved(world, page, each)
            ][:1]
    return found


def _reserved(world: World, page: int, each: Stale) -> bool:
    at = page << PAGE_SHIFT
    return any(
        entry.start <= at < entry.end and entry.type is each.cache for entry in world.phys.tree
    )


# What the kernel changes under mmap_lock held for writing, or not at all.
def unlocked(design: Design, before: Moment, part: Part, after: Moment) -> list[Violation]:
    """I8: flags (and what a design keeps in VMAs) change under mmap_lock held for writing."""
    found = []
    for kind, name in part.wrote:
        if kind != "vmas" or _may_change(before, part, name):
            continue
        for old, new in _changed(before, after, name):
            if old.flags != new.flags:
                what = "vm_flags"
            elif old.track != new.track and not design.follows_entries:
                what = "what the tracking keeps"
            else:
                continue
            where = f"{what} of process {name}'s VMA [{new.start},{new.end})"
            place = part.pause.function
            reason = f"{where} changed without mmap_lock for writing, at {place}()"
            found.append(Violation("I8", 0, 0, reason))
    return found


def _may_change(before: Moment, part: Part, name: str) -> bool:
    """Does the call hold the lock, or is the process its unborn child?"""
    op = before.calls[part.call].op
    if isinstance(op, ops.Fork) and op.child == name:
        return True
    wants = part.pause.wants
    held: list[Held] = [*before.held, *part.held, *([wants] if wants else [])]
    lock = LockName("mmap_lock", name)
    return any(each.call == part.call and each.lock == lock and each.write for each in held)


def _changed(before: Moment, after: Moment, name: str) -> Iterator[tuple[Vma, Vma]]:
    """VMAs that are in the same place before and after, and differ."""
    old = {vma.start: vma for vma in cast("tuple[Vma, ...]", before.values["vmas", name])}
    for vma in cast("tuple[Vma, ...]", after.values["vmas", name]):
        was = old.get(vma.start)
        if was is not None and was != vma and was.end == vma.end:
            yield was, vma


def inversions(edges: Iterable[tuple[Held, Held]]) -> list[Violation]:
    """I8: two kinds of locks taken in both orders, as lockdep says it."""
    kinds = {(one.lock.kind, two.lock.kind) for one, two in edges}
    return [
        Violation("I8", 0, 0, f"{one} is taken under {two}, and {two} under {one}")
        for one, two in sorted(kinds)
        if one < two and (two, one) in kinds
    ]
