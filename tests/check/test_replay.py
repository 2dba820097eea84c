"""Answers from a call's tree of questions against the call itself."""

from __future__ import annotations

from typing import Any

import pytest

from pfntrack.check.numbers.replay import Calls, Question
from pfntrack.check.search.bounds import Bounds, parse_bounds
from pfntrack.check.search.explore import Limits, Search
from pfntrack.check.search.setting import Setting
from pfntrack.designs import DESIGNS
from pfntrack.pat.context import Context
from pfntrack.releases import RELEASES, release_with

MIX = ("map", "over", "private", "munmap", "protect", "write", "zap", "fork", "exit")
BASIC = ("map", "munmap", "protect", "zap", "fork", "exit")
NEVER: frozenset[str] = frozenset()


def bounds(text: str) -> Bounds:
    """Bounds from their short form."""
    return parse_bounds(text, Bounds())


def searched(setting: Setting, depth: int | None = None) -> Search:
    """A search that judges nothing, of programs up to a depth."""
    search = Search(setting, NEVER)
    search.run(Limits(depth=depth), until=NEVER)
    return search


@pytest.mark.parametrize("design", DESIGNS)
def test_same_states(design: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every pair is worked out by the model itself, the same states are found."""
    setting = Setting(release_with(design), bounds("2,2,1,2,2"), MIX)
    fast = searched(setting, 4)
    monkeypatch.setattr(Calls, "follow", lambda *_: None)
    slow = searched(setting, 4)
    assert fast.filling.tables.evaluations < slow.filling.tables.evaluations
    assert fast.progress.tried == slow.progress.tried
    assert fast.progress.effective == slow.progress.effective
    count = fast.states.count
    assert count == slow.states.count
    assert (fast.states.parent[:count] == slow.states.parent[:count]).all()
    assert (fast.states.move[:count] == slow.states.move[:count]).all()


@pytest.mark.parametrize("release", ["6.12", "7.3"])
def test_no_call_looks(release: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call of these kernels sees the physical part through questions alone."""
    branches = []
    add = Calls.add

    def noted(self: Calls, *branch: Any) -> None:
        branches.append(branch)
        add(self, *branch)

    monkeypatch.setattr(Calls, "add", noted)
    search = searched(Setting(RELEASES[release], bounds("2,2,1,2,2"), BASIC))
    evaluations = search.filling.tables.evaluations
    assert len(branches) == evaluations
    assert evaluations < search.filling.store.used


def test_reply() -> None:
    """A question gets a bare context, so nothing else has a say, and is put but once."""
    search = searched(Setting(RELEASES["6.12"], bounds("1,1,1,1,1"), BASIC))
    answers = search.filling.tables.model.answers
    put = []

    def function(context: Context, number: int) -> int:
        put.append(type(context))
        return number + len(context.phys.tree)

    question = answers.number(Question(function, (7,)))
    entries = [answers.reply(question, phys).value - 7 for phys in range(len(answers.physes))]
    assert {0, 1} <= {*entries}
    assert answers.reply(question, 0).phys == 0
    assert put == [Context] * len(answers.physes)
