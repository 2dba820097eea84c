"""A recording held against the model: the states that explain it, and the step that broke what.

`replay` keeps the set of worlds that explain all events so far. It stops where no world does, or
where the recording has a fault: what comes later proves nothing.
"""

from __future__ import annotations

import errno
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

import attrs

from pfntrack.check.judged.properties import Violation, judge_state, judge_step
from pfntrack.errors import ModelError
from pfntrack.field.read.kernelrelease import parse_release
from pfntrack.mm import ops
from pfntrack.mm.ops import Op, Result
from pfntrack.mm.vma import is_cow_mapping
from pfntrack.pat.cachemode import BY_CATTR, CacheMode
from pfntrack.pat.events import Added, ConflictingTypes, Event, Freed, FreeInvalid, Note
from pfntrack.pat.memtype_interval import Conflict, Memtype, memtype_check_insert, memtype_erase
from pfntrack.pat.mtrr import UC, WB, Mtrr, Variable, pc_fixed, registers
from pfntrack.pat.physical import Ioremap, Machine, Physical
from pfntrack.record.calls import Act, Calls, calls_of
from pfntrack.record.format import Recording, Reserved
from pfntrack.record.places import Windows
from pfntrack.record.recover import Recovered, Step, recover
from pfntrack.releases import Kernel, Release, World, release_for
from pfntrack.scenario.model import STANDARD_WINDOWS

BLAMED = ("I4", "I3", "I1", "I7", "I6")
MAX_WORLDS = 64
_GUESSES = 2


@attrs.frozen(slots=True)
class Told:
    """One step as it was explained: the operations of one world, and what broke in all."""

    number: int
    step: Step
    program: tuple[Op, ...]
    result: Result | None
    why: tuple[str, ...]
    fresh: tuple[Violation, ...]
    worlds: int


@attrs.frozen(slots=True)
class Unexplained:
    """The first thing that no world explains: what each expected, and what was seen."""

    step: Step
    expected: tuple[str, ...]
    seen: tuple[str, ...]


@attrs.frozen(slots=True)
class Replay:
    """What a recording comes to.

    `faults` make it inconclusive. `blame` is the first step that broke one of `BLAMED` in every
    world that explains the events; with faults it holds for the explained part alone.
    """

    recording: Recording
    release: Release
    recovered: Recovered
    calls: Calls
    told: tuple[Told, ...]
    unexplained: Unexplained | None
    faults: tuple[str, ...]
    broken: Told | None
    left: tuple[Reserved, ...]

    @property
    def conclusive(self) -> bool:
        return not self.faults and self.unexplained is None

    @property
    def blame(self) -> Told | None:
        """The step to blame; None if nothing broke, or nothing is proved."""
        return self.broken if self.conclusive else None

    @property
    def verdict(self) -> str:
        """`clean`, `broken` or `inconclusive`."""
        if not self.conclusive:
            return "inconclusive"
        return "broken" if self.broken else "clean"


@attrs.frozen(slots=True)
class _Track:
    """One world of the set, with what stands broken in it."""

    world: World
    held: frozenset[Violation] = frozenset()


@attrs.frozen(slots=True)
class _Way:
    """One way in which a step went: the world after it, and what it showed."""

    track: _Track
    program: tuple[Op, ...]
    result: Result | None
    why: tuple[str, ...]
    fresh: tuple[Violation, ...]


def release_of(recording: Recording) -> Release:
    """The modelled release that stands for the kernel of a recording."""
    found = parse_release(recording.version or recording.release)
    return release_for(str(found) if found else recording.release)


def replay(recording: Recording, release: Release | None = None) -> Replay:
    """Hold a recording against the model of its release."""
    calls = calls_of(recording)
    places = Windows(recording.iomem)
    canaries = {pid for pid, _, _ in recording.canaries}
    items = [call for call in calls.items if call.pid not in canaries]
    recovered = recover(items, recording.roots, places)
    return _Replayer(recording, release or release_of(recording), calls, recovered).run()


class _Replayer:
    def __init__(
        self, recording: Recording, release: Release, calls: Calls, recovered: Recovered
    ) -> None:
        self.recording = recording
        self.release = release
        self.calls = calls
        self.recovered = recovered
        machine = Machine(
            ram=recovered.ram or Machine().ram,
            windows=(*STANDARD_WINDOWS, *recovered.windows),
            high_memory=max((end for _, end in recovered.ram), default=0),
        )
        self.kernel = Kernel(release, machine)
        self.faults: list[str] = [*calls.faults, *recovered.unsure]
        self.names = itertools.count()

    def run(self) -> Replay:
        tracks = [_Track(self._first())]
        told: list[Told] = []
        unexplained: Unexplained | None = None
        broken: Told | None = None
        if self.recording.mapped_before and self.recording.follow != "command":
            self.faults.append(
                "there were raw mappings before the recording began: nobody saw how they were made"
            )
        for step in self.recovered.steps:
            if (step.call.end or step.call.start) >= self.calls.sound:
                break
            ways, expected = self._explain(tracks, step)
            if not ways:
                unexplained = Unexplained(step, tuple(expected), tuple(_seen(step)))
                break
            tracks = [way.track for way in ways]
            fresh = _common(ways)
            best = ways[0]
            entry = Told(
                len(told) + 1, step, best.program, best.result, best.why, fresh, len(tracks)
            )
            told.append(entry)
            if broken is None and any(each.property in BLAMED for each in fresh):
                broken = entry
        left: tuple[Reserved, ...] = ()
        if unexplained is None and not self.calls.faults:
            left = self._end(tracks)
        return Replay(
            self.recording,
            self.release,
            self.recovered,
            self.calls,
            tuple(told),
            unexplained,
            tuple(self.faults),
            broken,
            left,
        )

    def _first(self) -> World:
        """The books at the begin mark, all held by whoever made them; no process."""
        tree: tuple[Reserved, ...] = self.recording.before
        entries = []
        held = []
        for at, each in enumerate(tree):
            kind = BY_CATTR.get(each.type)
            if kind is None:
                self.faults.append(f"an entry of unknown type {each.type!r} before the recording")
                continue
            entries.append((each.start, each.end, kind))
            held.append(Ioremap(f"before{at}", each.start, each.end, kind))
        phys = Physical(mtrr=self._mtrr(), ioremaps=tuple(held))
        return World(phys=attrs.evolve(phys, tree=tuple(Memtype(*each) for each in entries)))

    def _mtrr(self) -> Mtrr:
        """The registers of the snapshot; beside them, ranges whose requests for WB became UC-."""
        told = registers("\n".join(self.recording.mtrr))
        # Firmware that lists what is write-back leaves the rest uncached.
        default = UC if any(each.type == WB for each in told) else WB
        mtrr = Mtrr(default=default, variable=told, fixed=pc_fixed())
        generation = self.release.pat.mtrr_lookup
        uncached = []
        for call in self.calls.items:
            for each in (call, *call.inside("reserve")):
                if each.name == "reserve" and each.values.get("type") == CacheMode.WB:
                    for act in each.acts:
                        if act.kind != "insert" or act.type != CacheMode.UC_MINUS:
                            continue
                        if (
                            act.start < act.end
                            and mtrr.lookup(act.start, act.end, generation) == WB
                        ):
                            uncached.append(Variable(act.start, act.end - act.start, UC))
        return attrs.evolve(mtrr, variable=(*told, *dict.fromkeys(uncached)))

    # steps -----------------------------------------------------------------

    def _explain(self, tracks: list[_Track], step: Step) -> tuple[list[_Way], list[str]]:
        found: dict[World, _Way] = {}
        expected: list[str] = []
        if step.kind == "stray":
            return [], ["no change of the reservations outside the recorded calls of a process"]
        if step.kind == "other":
            for track in tracks:
                way = self._apply(track, step.acts[0], expected)
                if way is not None:
                    found.setdefault(way.track.world, way)
            return list(found.values()), expected
        for guessed in (False, True):
            for track in tracks:
                for program in step.ways:
                    for before in self._guesses(track.world, step) if guessed else ((),):
                        way = self._perform(track, (*before, *program), step, expected)
                        if way is not None and len(found) < MAX_WORLDS:
                            found.setdefault(way.track.world, way)
            if found:
                break
        return list(found.values()), list(dict.fromkeys(expected))

    def _guesses(self, world: World, step: Step) -> Iterable[tuple[Op, ...]]:
        """What no event shows and may have happened before: stores to private mappings."""
        candidates = []
        for process in world.processes:
            if process.name != step.process:
                continue
            for vma in process.space.vmas:
                if is_cow_mapping(vma.flags) and vma.file is not None:
                    candidates.append(ops.Write(process.name, vma.start))
        for count in range(1, _GUESSES + 1):
            yield from itertools.combinations(candidates[:8], count)

    def _perform(
        self, track: _Track, program: tuple[Op, ...], step: Step, expected: list[str]
    ) -> _Way | None:
        world, held = track.world, track.held
        events: list[Event] = []
        result: Result | None = None
        fresh: list[Violation] = []
        try:
            for op in program:
                world = self._with(world, op)
                outcome = self.kernel.perform(world, op)
                fresh += judge_step(
                    self.kernel, world, op, outcome.world, outcome.result, outcome.events
                )
                world, result = outcome.world, outcome.result
                events += outcome.events
        except ModelError as error:
            expected.append(f"not possible: {error}")
            return None
        seen = [(act.kind, act.start, act.end, act.ret) for act in step.acts]
        would = [each for event in events for each in _as_act(event)]
        number = _errno(result)
        if would != seen or (step.errno is not None and program and number != step.errno):
            expected.append(_words(would, number))
            return None
        if not _types_agree(events, step.acts):
            expected.append("another type: " + _words(would, number))
            return None
        standing = frozenset(judge_state(self.kernel, world))
        fresh += [each for each in standing if each not in held]
        why = tuple(f"{e.function}(): {e.rule}" for e in events if isinstance(e, Note))
        return _Way(_Track(world, standing), program, result, why, tuple(dict.fromkeys(fresh)))

    def _with(self, world: World, op: Op) -> World:
        """The world in which the operation's process exists."""
        name = getattr(op, "p", None)
        if name is None or any(process.name == name for process in world.processes):
            return world
        if isinstance(op, ops.Open | ops.Fork):
            return world.start(name)
        return world

    def _apply(self, track: _Track, act: Act, expected: list[str]) -> _Way | None:
        """A change of the books that somebody else made, applied as it was seen."""
        phys, quirks = track.world.phys, self.release.pat
        if act.kind == "insert":
            kind = CacheMode(act.type) if act.type in list(CacheMode) else CacheMode.UC_MINUS
            done = memtype_check_insert(
                phys.tree, act.start, act.end, kind, has_ret=True, closed=quirks.closed_interval
            )
            if isinstance(done, Conflict):
                if act.ret == 0:
                    expected.append("EBUSY: entries of two types lie there")
                    return None
            else:
                if act.ret:
                    expected.append("an insertion that works")
                    return None
                held = Ioremap(f"seen{next(self.names)}", act.start, act.end, done.entry.type)
                phys = attrs.evolve(phys, tree=done.tree, ioremaps=(*phys.ioremaps, held))
        else:
            erased = memtype_erase(phys.tree, act.start, act.end, end_match=quirks.end_match)
            if (erased is None) != bool(act.ret):
                expected.append("a release that " + ("fits nothing" if erased is None else "works"))
                return None
            if erased is not None:
                kept = list(phys.ioremaps)
                for each in kept:
                    if (each.start, each.end) == (act.start, act.end):
                        kept.remove(each)
                        break
                phys = attrs.evolve(phys, tree=erased.tree, ioremaps=tuple(kept))
        world = attrs.evolve(track.world, phys=phys)
        standing = frozenset(judge_state(self.kernel, world))
        fresh = tuple(each for each in standing if each not in track.held)
        return _Way(_Track(world, standing), (), None, (), fresh)

    def _end(self, tracks: Sequence[_Track]) -> tuple[Reserved, ...]:
        """The books of the model must be those of the end mark; what is new there."""
        after = Counter((e.start, e.end, e.type) for e in self.recording.after)
        for track in tracks:
            model = Counter((e.start, e.end, e.type.cattr) for e in track.world.phys.tree)
            if model == after:
                break
        else:
            missing, extra = after - model, model - after
            parts = [f"{_entry(each)} is there and not expected" for each in missing]
            parts += [f"{_entry(each)} is expected and not there" for each in extra]
            self.faults.append(
                "the reservation list at the end is not explained: " + "; ".join(parts[:4])
            )
        before = Counter((e.start, e.end, e.type) for e in self.recording.before)
        return tuple(Reserved(*each) for each in (after - before).elements())


def _entry(each: tuple[int, int, str]) -> str:
    return f"[{each[0]:#x},{each[1]:#x}) {each[2]}"


def _common(ways: Sequence[_Way]) -> tuple[Violation, ...]:
    """What broke in every world."""
    shared = set(ways[0].fresh)
    for way in ways[1:]:
        shared &= set(way.fresh)
    return tuple(each for each in ways[0].fresh if each in shared)


def _as_act(event: Event) -> list[tuple[str, int, int, int]]:
    match event:
        case Added():
            return [("insert", event.start, event.end, 0)]
        case ConflictingTypes():
            return [("insert", event.start, event.end, -errno.EBUSY)]
        case Freed():
            return [("erase", event.start, event.end, 0)]
        case FreeInvalid():
            return [("erase", event.start, event.end, -errno.EINVAL)]
    return []


def _types_agree(events: Iterable[Event], acts: Sequence[Act]) -> bool:
    """Was each insertion asked for with the type that the model asks for?"""
    model = [event.req for event in events if isinstance(event, Added)]
    seen = [act.asked for act in acts if act.kind == "insert" and act.ret == 0]
    return all(kind is None or kind == own for own, kind in zip(model, seen, strict=False))


def _errno(result: Result | None) -> int:
    if result is None or not result.err:
        return 0
    return int(getattr(errno, result.err, 0))


def _words(acts: Sequence[tuple[str, int, int, int]], number: int) -> str:
    shown = [
        Act(kind, start, end, None, ret, 0, 0, 0, (), "").shown() for kind, start, end, ret in acts
    ]
    result = errno.errorcode.get(number, "ok") if number else "ok"
    return f"{', '.join(shown) or 'no change of the reservations'}; result {result}"


def _seen(step: Step) -> list[str]:
    found = [act.shown() for act in step.acts] or ["no change of the reservations"]
    ret = step.call.ret
    if ret is not None and -4096 < ret < 0:
        found.append(f"result {errno.errorcode.get(-ret, ret)}")
    return found
