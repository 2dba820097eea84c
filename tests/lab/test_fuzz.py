"""The search for disagreements, with a model of the true kernel in the guest's place."""

from __future__ import annotations

import random
from pathlib import Path

import attrs
import pytest

from lab.double import ModelPlayer, plain_setting
from pfntrack.errors import GuestError
from pfntrack.lab.images.kernels import Kernel
from pfntrack.lab.random.corpus import Corpus, Progress
from pfntrack.lab.random.fuzz import Campaign, Disagreement, Search, compare, result, work
from pfntrack.lab.random.generate import Maker
from pfntrack.lab.random.shrink import shrink
from pfntrack.lab.random.walk import Walk, follow
from pfntrack.mm import ops
from pfntrack.releases import RELEASES, Release
from pfntrack.scenario import parse
from pfntrack.traces.machine import q35_mtrr

R6_12 = RELEASES["6.12"]
EXACT_ONLY = attrs.evolve(R6_12, pat=attrs.evolve(R6_12.pat, end_match=False))
CLOSED = attrs.evolve(R6_12, pat=attrs.evolve(R6_12.pat, closed_interval=True))


def _search(folder: Path, model: Release, steps: int) -> Search:
    kernel = Kernel("6.12", Path("bzImage"))
    return Search(Campaign(kernel, model, 1, steps, corpus=folder), lambda _text: None)


def _player(release: Release = R6_12) -> ModelPlayer:
    return ModelPlayer(release, plain_setting("6.12"))


@pytest.mark.parametrize("wrong", [EXACT_ONLY, CLOSED], ids=["exact-match-only", "closed-2019"])
def test_wrong_models_are_caught_and_shrunk(tmp_path: Path, wrong: Release) -> None:
    """A search must find each of two mistakes that really were made, and say it shortly."""
    search, player = _search(tmp_path, wrong, 4000), _player()
    found = work(search, player)
    assert found is not None
    small = result(search, player, found)
    scenario = parse(small.text)
    assert len(scenario.steps) <= 10
    assert small.why


def test_a_right_model_is_not_accused(tmp_path: Path) -> None:
    """Where both are the same no difference may be reported, however the programs wander."""
    assert work(_search(tmp_path, R6_12, 600), _player()) is None


def test_campaigns_go_on_where_they_stopped(tmp_path: Path) -> None:
    """A second start adds the missing steps only, with other programs."""
    work(_search(tmp_path, R6_12, 200), _player())
    done = Corpus(tmp_path).progress(1)
    assert done.steps >= 200
    player = _player()
    assert work(_search(tmp_path, R6_12, done.steps), player) is None
    assert player.played == 0
    work(_search(tmp_path, R6_12, done.steps + 1), player)
    assert Corpus(tmp_path).progress(1).programs > done.programs


def test_programs_that_lead_somewhere_new_are_kept(tmp_path: Path) -> None:
    """The corpus holds scenarios that anyone can run, and its coverage counts at once."""
    work(_search(tmp_path, R6_12, 300), _player())
    kept = Corpus(tmp_path).load()
    assert kept
    search = _search(tmp_path, R6_12, 0)
    search.cover(_player())
    assert len(search._covered) > 50


@pytest.mark.parametrize("number", range(6))
def test_programs_are_legal_and_end_without_processes(number: int) -> None:
    """The model plays every drawn program again, step by step, without a complaint."""
    where = plain_setting("6.12")
    kernel = where.kernel(R6_12)
    walk = Walk(kernel, where.start)
    Maker(random.Random(number), walk).extend(60)
    assert not walk.world.processes
    assert not any(done.bug for done in walk.done)
    again = follow(kernel, where.start, walk.steps)
    assert again is not None
    assert again.world == walk.world


def test_a_lost_guest_is_a_disagreement() -> None:
    """A kernel that dies where the model lives is a find, not a crash of the search."""

    class Dying(ModelPlayer):
        def play(self, steps):  # type: ignore[no-untyped-def]
            yield from super().play(steps[:2])
            raise GuestError("the guest is gone")

    player = Dying(R6_12, plain_setting("6.12"))
    walk = Walk(player.setting.kernel(R6_12), player.setting.start)
    Maker(random.Random(1), walk).extend(30)
    found = compare(player, R6_12, walk)
    assert found is not None
    assert found.lost
    assert len(found.steps) == 3


def test_shrinking_drops_and_simplifies() -> None:
    """What is left is needed: no operation and no page too many."""
    steps = [ops.Read("A", at) for at in range(20)]
    steps[13] = ops.Munmap("A", 7, 9)  # type: ignore[call-overload]

    def fails(candidate):  # type: ignore[no-untyped-def]
        at = [n for n, op in enumerate(candidate, 1) if isinstance(op, ops.Munmap) and op.pages > 2]
        return at[0] if at else None

    assert shrink(steps, fails) == (ops.Munmap("A", 0, 3),)


def test_difference_is_told_by_field() -> None:
    """A disagreement without differences says what became of the guest."""
    assert "gone" in Disagreement((), lost="gone").why


def test_the_setting_is_the_machine_of_the_guest() -> None:
    """The model begins with the guest's reservations, MTRRs and bound driver."""
    where = plain_setting("6.12")
    assert [process.name for process in where.start.processes] == ["A"]
    assert where.start.phys.mtrr == q35_mtrr()
    assert len(where.start.phys.tree) == 4


def test_progress_note_is_checked(tmp_path: Path) -> None:
    """A damaged note is an error with its place, not a restart from nothing."""
    (tmp_path / "seed-1.json").write_text("{}")
    with pytest.raises(Exception, match="not a note about a campaign"):
        Corpus(tmp_path).progress(1)
    Corpus(tmp_path).note(2, Progress(3, 4))
    assert Corpus(tmp_path).progress(2) == Progress(3, 4)


def test_programs_give_back_what_they_leave() -> None:
    """After a program the model's physical state is that of the start, but for written pages."""
    where = plain_setting("6.12")
    kernel = where.kernel(R6_12)
    clean = 0
    for number in range(20):
        walk = Walk(kernel, where.start)
        Maker(random.Random(number), walk).extend(40)
        left = attrs.evolve(walk.world.phys, written=where.start.phys.written)
        clean += left == where.start.phys
    assert clean >= 14


def test_zaps_are_not_drawn_where_the_index_is_out_of_order() -> None:
    """Once a vm_pgoff has changed inside the index the model does not claim what a zap finds."""
    where = plain_setting("6.12")
    walk = Walk(where.kernel(R6_12), where.start)
    program: list[ops.Op] = [
        ops.Open("A", 0, "driver", "H"),
        ops.Mmap("A", 0, 2, 0, shared=False),
        ops.ZapVma("A", 0, 2),
    ]
    assert all(map(walk.step, program))
    assert walk.step(ops.Zap("A", 0))
    assert walk.step(ops.Remap("A", 0, 2, "H", 4))
    assert not walk.step(ops.Zap("A", 0))
    assert walk.disordered == {"pfnlab"}


def test_what_shows_only_once_is_still_a_find(tmp_path: Path) -> None:
    """A difference that a fresh guest does not show again stops the campaign and is said."""

    class Flickering(ModelPlayer):
        """Wrong until it is made fresh for the second time."""

        def fresh(self) -> None:
            super().fresh()
            self.release = EXACT_ONLY if self.played == 0 else R6_12

    player = Flickering(R6_12, plain_setting("6.12"))
    search = _search(tmp_path, R6_12, 4000)
    found = work(search, player)
    assert found is not None
    assert found.once
    assert result(search, player, found).why.startswith("seen once")
