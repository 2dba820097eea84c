"""Random programs on model and kernel side by side, until the two disagree.

The model draws a program and performs it; the guest plays it in one exchange;
then each step is compared. A program that led the model through a branch that
none has passed before is kept and varied later.
"""

from __future__ import annotations

import contextlib
import queue
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs

from pfntrack.errors import GuestError
from pfntrack.lab.images.build import boot_files
from pfntrack.lab.images.kernels import Kernel
from pfntrack.lab.play.lockstep import differences
from pfntrack.lab.play.player import GuestPlayer, Player
from pfntrack.lab.random.corpus import Corpus, Progress, as_scenario, data_root
from pfntrack.lab.random.generate import Maker
from pfntrack.lab.random.shrink import shrink
from pfntrack.lab.random.walk import Branch, Walk, follow
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.releases import Release, World
from pfntrack.scenario import format_scenario
from pfntrack.traces.compare import Difference

_LENGTHS = (30, 60, 110)
_VARY = 0.35
_TELL_SECONDS = 10.0


@attrs.frozen(slots=True)
class Campaign:
    """What to do, and where to keep programs (None: the XDG data).

    ``vfio``: on the machine with an IOMMU, where programs open a device through VFIO.
    """

    kernel: Kernel
    release: Release
    seed: int = 1
    steps: int = 20_000
    jobs: int = 1
    corpus: Path | None = None
    vfio: bool = False


@attrs.frozen(slots=True)
class Disagreement:
    """The first step at which kernel and model differ.

    ``once``: it did not show again when the program was played on a fresh guest.
    """

    steps: tuple[Op, ...]
    differences: tuple[Difference, ...] = ()
    lost: str = ""
    once: bool = False

    @property
    def kind(self) -> tuple[str, str]:
        """At what operation it shows, and in which field."""
        last = type(self.steps[-1]).__name__ if self.steps else ""
        return last, "lost" if self.lost else self.differences[0].field.split("[")[0]

    @property
    def why(self) -> str:
        """The difference in words."""
        lines = ["seen once: it did not show again on a fresh guest"] if self.once else []
        if self.lost:
            return "\n".join([*lines, f"the guest was lost: {self.lost}"])
        first = self.differences[0]
        lines += [first.field, f"  model   {first.model}", f"  kernel  {first.recorded}"]
        if more := [each.field for each in self.differences[1:]]:
            lines.append(f"also differing: {', '.join(more)}")
        return "\n".join(lines)


@attrs.frozen(slots=True)
class Result:
    """How a campaign came out; ``text`` is the shortest program, if they disagree."""

    summary: str
    name: str = ""
    text: str = ""
    why: str = ""


def _place(campaign: Campaign) -> str:
    """The folder for a campaign's programs: a kernel that was built, and a design, have theirs."""
    kernel = campaign.kernel
    place = kernel.series
    if kernel.label and kernel.folder is not None:
        place = f"{kernel.folder.name}-{campaign.release.design.name}"
    return f"{place}-vfio" if campaign.vfio else place


class Search:
    """One campaign, shared by its workers."""

    def __init__(self, campaign: Campaign, tell: Callable[[str], None]) -> None:
        self.campaign = campaign
        self._tell = tell
        place = _place(campaign)
        self._corpus = Corpus(campaign.corpus or data_root() / "corpus" / place)
        self._lock = threading.Lock()
        self._kept = self._corpus.load()
        self._covered: set[Branch] = set()
        self._begun = self._done = self._corpus.progress(campaign.seed)
        self._next = self._begun.programs
        self._cpu_seconds = 0.0
        self._started = self._told = time.monotonic()
        self.stop = threading.Event()

    def cover(self, player: Player) -> None:
        """Learn what the kept programs cover, from the model alone."""
        with self._lock:
            if self._covered:
                return
            kernel = player.setting.kernel(self.campaign.release)
            for steps in self._kept:
                if walk := follow(kernel, player.setting.start, steps):
                    self._covered |= walk.seen

    def programs(self) -> Iterator[int]:
        """Numbers of programs to be made, until enough steps are done."""
        while not self.stop.is_set() and self._done.steps < self.campaign.steps:
            with self._lock:
                number, self._next = self._next, self._next + 1
            yield number

    def make(self, number: int, player: Player, start: World) -> Walk:
        """A program, from nothing or from the beginning of a kept one."""
        rng = random.Random(f"{self.campaign.seed}/{number}")  # noqa: S311 - not for secrets
        walk = Walk(player.setting.kernel(self.campaign.release), start)
        with self._lock:
            kept = rng.choice(self._kept) if self._kept and rng.random() < _VARY else ()
        cut = rng.randint(0, len(kept))
        for op in kept[:cut]:
            if isinstance(op, ops.Fail | ops.Unfail) or rng.random() < 0.95:
                walk.step(op)
        maker = Maker(rng, walk, vfio=self.campaign.vfio)
        maker.extend(len(walk.done) + rng.choice(_LENGTHS))
        return walk

    def account(self, number: int, walk: Walk, cpu_seconds: float) -> None:
        """A program was played and agreed, in so much of the guest's CPU time."""
        with self._lock:
            self._cpu_seconds += cpu_seconds
            if walk.seen - self._covered:
                self._covered |= walk.seen
                self._kept.append(tuple(walk.steps))
                self._corpus.keep(f"seed{self.campaign.seed}-{number}", walk.steps)
            done = self._done
            self._done = Progress(done.programs + 1, done.steps + len(walk.done))
            self._corpus.note(self.campaign.seed, Progress(self._next, self._done.steps))
            if time.monotonic() - self._told > _TELL_SECONDS:
                self._told = time.monotonic()
                self._tell(self.summary)

    @property
    def summary(self) -> str:
        """How far it has come, and how fast."""
        new = self._done.steps - self._begun.steps
        seconds = max(time.monotonic() - self._started, 0.001)
        resumed = f" ({self._begun.steps} of them earlier)" if self._begun.steps else ""
        cpu = f" ({new / self._cpu_seconds:.0f} of guest CPU)" if self._cpu_seconds else ""
        return (
            f"{self.campaign.kernel.name}, seed {self.campaign.seed}: {self._done.steps} steps"
            f"{resumed} in {self._done.programs - self._begun.programs} programs, "
            f"{new / seconds:.0f} steps per second{cpu}, "
            f"{len(self._covered)} branches of the model, {len(self._kept)} programs kept"
        )


def compare(player: Player, release: Release, walk: Walk) -> Disagreement | None:
    """Play a walk and compare each step with what the model did."""
    recorded = player.play(walk.steps)
    number = 0
    try:
        for number, done in enumerate(walk.done):
            step = next(recorded)
            found = differences(player.setting, release, done, step)
            if found:
                return Disagreement(tuple(walk.steps[: number + 1]), tuple(found))
    except GuestError as error:
        return Disagreement(tuple(walk.steps[: number + 1]), lost=str(error))
    finally:
        with contextlib.suppress(GuestError):
            for _ in recorded:
                pass
    return None


@attrs.define(slots=True)
class Ground:
    """From what state the next program begins.

    A guest is made fresh only where a program has left something behind, or
    stopped in the middle; pages that were written to are no harm.
    """

    player: Player
    _start: World | None = None

    def ready(self) -> World:
        """The state in which the guest is."""
        if self._start is None:
            self.player.fresh()
            self._start = self.player.setting.start
        return self._start

    def played(self, walk: Walk, found: Disagreement | None) -> None:
        """A program was played from there."""
        fresh = self.player.setting.start
        left = attrs.evolve(walk.world.phys, written=fresh.phys.written)
        clean = found is None and not walk.world.processes and left == fresh.phys
        self._start = attrs.evolve(fresh, phys=walk.world.phys) if clean else None


def work(search: Search, player: Player) -> Disagreement | None:
    """One worker: programs until there are enough, or one disagrees."""
    release = search.campaign.release
    search.cover(player)
    ground = Ground(player)
    for number in search.programs():
        before = player.cpu_seconds
        walk = search.make(number, player, ground.ready())
        found = compare(player, release, walk)
        ground.played(walk, found)
        if found:
            # What an earlier program left behind must not be part of it.
            player.fresh()
            again = follow(player.setting.kernel(release), player.setting.start, found.steps)
            same = compare(player, release, again) if again is not None else None
            return same or attrs.evolve(found, once=True)
        search.account(number, walk, player.cpu_seconds - before)
    return None


def reduce(player: Player, release: Release, found: Disagreement) -> Disagreement:
    """The shortest program that shows a difference of the same kind."""
    best = found
    ground = Ground(player)

    def fails(steps: Sequence[Op]) -> int | None:
        nonlocal best
        walk = follow(player.setting.kernel(release), ground.ready(), steps)
        if walk is None:
            return None
        walk.end()
        shown = compare(player, release, walk)
        ground.played(walk, shown)
        if shown is None or shown.kind != found.kind or len(shown.steps) > len(steps):
            return None
        best = shown
        return len(shown.steps)

    shrink(found.steps, fails)
    return best


def result(search: Search, player: Player, found: Disagreement | None) -> Result:
    """The outcome, with the shortest program if there is one."""
    if found is None:
        return Result(search.summary)
    campaign = search.campaign
    small = found if found.once else reduce(player, campaign.release, found)
    kernel = campaign.kernel
    word = re.sub(r"[^A-Za-z0-9]+", "-", kernel.series if not kernel.label else kernel.file_name)
    name = f"found-{word.strip('-')}-seed{campaign.seed}"
    about = f"Kernel {kernel.name} and the model differ at the last step."
    text = format_scenario(as_scenario(name, small.steps, about))
    return Result(search.summary, name, text, small.why)


def run(campaign: Campaign, tell: Callable[[str], None]) -> Result:
    """A whole campaign.

    Raises GuestError: the kernel cannot be prepared or does not boot.
    """
    files = boot_files(campaign.kernel, vfio=campaign.vfio)
    search = Search(campaign, tell)
    outcomes: queue.SimpleQueue[Result | BaseException] = queue.SimpleQueue()

    def worker() -> None:
        try:
            with GuestPlayer(files) as player:
                found = work(search, player)
                if found is not None:
                    first = not search.stop.is_set()
                    search.stop.set()
                    outcomes.put(result(search, player, found if first else None))
                else:
                    outcomes.put(Result(search.summary))
        except BaseException as error:
            search.stop.set()
            outcomes.put(error)

    threads = [threading.Thread(target=worker) for _ in range(campaign.jobs)]
    for thread in threads:
        thread.start()
    try:
        results = [outcomes.get() for _ in threads]
    finally:
        search.stop.set()
        for thread in threads:
            thread.join()
    for each in results:
        if isinstance(each, BaseException):
            raise each
    shown = [each for each in results if isinstance(each, Result)]
    return next((each for each in shown if each.text), shown[-1])
