"""What a change changes: two models in the place of two kernels."""

from __future__ import annotations

from pathlib import Path

import attrs
import jsonschema
import pytest

from lab.double import plain_setting
from pfntrack.lab.differ import campaign
from pfntrack.lab.differ.campaign import Outcome, kinds, play_random
from pfntrack.lab.differ.explain import Explained
from pfntrack.lab.differ.kinds import Found, first_difference, situation
from pfntrack.lab.differ.sides import ModelPlayer, Side
from pfntrack.lab.images.kernels import Kernel
from pfntrack.releases import Release, release_for, release_with
from pfntrack.report.lab import diff as lab_diff
from pfntrack.report.schemas import schema
from pfntrack.scenario import parse

NARROW = """
scenario n
A opens driver on H with WC by narrow as fd0
A maps fd0[0,2) at 0
"""
FIXED = """
scenario f
A opens driver on H with UC- as fd0
A opens driver on H with WC as fd1
A maps fd0[0,4) at 0
A maps fd1[0,4) at 0
"""
FORKED = """
scenario c
A opens driver on H with WC as fd0
A maps fd0[0,4) at 0
A forks B
A unmaps [0,4)
B maps fd0[0,4) at 0
A maps fd0[0,4) at 0
"""


def found(text: str, one: str, other: str) -> Found | None:
    steps = [step.op for step in parse(text).steps]
    where = plain_setting("7.3")
    a, b = (list(ModelPlayer(release_with(d), where).play(steps)) for d in (one, other))
    return first_difference(steps, a, b)


@pytest.mark.parametrize("text", [NARROW, FIXED, FORKED])
def test_equal_sides_do_not_differ(text: str) -> None:
    """Nothing is a difference of a kernel and itself."""
    assert found(text, "track-context", "track-context") is None


def test_narrowing_is_named() -> None:
    """The refusal of 7.3, and what the list of contexts does instead."""
    difference = found(NARROW, "track-context", "context-list")
    assert difference is not None
    assert str(difference.kind) == "narrowing: result: EINVAL -> ok"
    assert found(NARROW, "track-context", "context-ram") is None


def test_a_replaced_mapping_is_named() -> None:
    """The new mapping gets its type if the old one is released before."""
    difference = found(FIXED, "track-context", "context-list-early")
    assert difference is not None
    assert str(difference.kind) == "mmap with MAP_FIXED over a mapping: entries: another type"
    assert (difference.before, difference.after) == ("A [0,4) -> H+0 UC-", "A [0,4) -> H+0 WC")


def test_situations_know_whose_mapping_it_is() -> None:
    """A child keeps what its parent has unmapped since the fork."""
    steps = [step.op for step in parse(FORKED).steps]
    assert situation(steps, 4) == "mmap with MAP_FIXED over a mapping"
    assert situation(steps, 5) == "mmap"


def test_a_lost_guest_is_a_difference() -> None:
    """The side whose recording ends early is named."""
    steps = [step.op for step in parse(FIXED).steps]
    whole = list(ModelPlayer(release_for("7.3"), plain_setting("7.3")).play(steps))
    difference = first_difference(steps, whole, whole[:2])
    assert difference is not None
    assert (difference.number, difference.kind.change) == (2, "the guest of B is lost")


@pytest.fixture
def modelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guests that are models."""

    class Pretended(ModelPlayer):
        def __enter__(self) -> Pretended:
            return self

        def __exit__(self, *_error: object) -> None:
            pass

    def player(release: Release) -> Pretended:
        return Pretended(release, plain_setting("7.3"))

    monkeypatch.setattr(campaign, "boot_files", lambda kernel: kernel.label)
    monkeypatch.setattr(campaign, "GuestPlayer", lambda label: player(release_with(label)))


def _side(design: str) -> Side:
    return Side(design, release_with(design), Kernel("7.3", Path("x"), label=design))


@pytest.mark.usefixtures("modelled")
def test_a_campaign_finds_and_shrinks_kinds() -> None:
    """Random programs meet both changes of the third rung; each is shrunk, and told shortly."""
    outcome = Outcome(_side("track-context"), _side("context-list-early"))
    play_random(outcome, 1500, 1, lambda _text: None)
    groups = kinds(outcome)
    assert {"narrowing", "mmap with MAP_FIXED over a mapping"} <= {g.kind.at for g in groups}
    assert all(len(group.program) <= 12 for group in groups)
    told = [Explained(group, "scenario x") for group in groups]
    jsonschema.validate(lab_diff.as_json(outcome, told), schema("labdiff"))
    mail = lab_diff.mail(outcome, [Explained(group, "scenario x\n\nA forks B") for group in groups])
    assert max(map(len, mail.splitlines())) <= 75
    assert "narrowing" in lab_diff.summary(outcome, [Explained(g, "") for g in groups])


@pytest.mark.usefixtures("modelled")
def test_a_campaign_of_equal_sides_finds_nothing() -> None:
    """With failing functions as well."""
    outcome = Outcome(_side("track-context"), attrs.evolve(_side("track-context"), name="b"))
    play_random(outcome, 600, 2, lambda _text: None)
    assert outcome.groups == {}
    assert outcome.steps >= 600
    assert lab_diff.summary(outcome, []).endswith("no difference")
