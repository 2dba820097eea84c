"""What is offered next can be done, and breaks what it says."""

from __future__ import annotations

import pytest

from pfntrack.check.run import run_scenario
from pfntrack.releases import RELEASES, release_or_design
from pfntrack.scenario import find, format_scenario, library, parse
from pfntrack.stepper.offers import MOST, offers

START = "scenario mine\n\nA opens driver on H as fd0\nA maps fd0[0,4) at 0\n"


def test_an_offer_does_what_it_says() -> None:
    """Each offer, taken, has the result and breaks the properties that it was marked with."""
    releases = [RELEASES["6.12"], release_or_design("ours")]
    made = offers(parse(START), releases)
    assert len(made) > 10
    assert any(effect.breaks for offer in made for effect in offer.effects)
    for offer in made:
        longer = parse(f"{START}{offer.text}\n")
        for release, effect in zip(releases, offer.effects, strict=True):
            last = run_scenario(longer, release).steps[-1]
            assert {violation.property for violation in last.fresh} == set(effect.breaks)


def test_a_beginning_opens_files() -> None:
    """Where nothing is open, files of the windows are offered; the kernel may map as well."""
    made = offers(parse("scenario mine\n\nA reads page 0\n"), [RELEASES["7.3"]])
    words = " ".join(offer.text for offer in made)
    assert "A opens driver on H" in words
    assert "resource2" in words
    assert "kernel ioremaps H[0,1)" in words


@pytest.mark.parametrize("name", list(library())[::12])
def test_offers_behind_any_scenario_are_steps_of_it(name: str) -> None:
    """Behind a scenario of the library every offer is an operation that it could go on with."""
    scenario = find(name)
    made = offers(scenario, [RELEASES["6.12"]])
    assert 0 < len(made) <= MOST
    for offer in made[:5]:
        head = format_scenario(scenario).partition("\nfinally")[0].rstrip()
        assert parse(f"{head}\n{offer.text}\n").steps
