"""The search of the reservation tree alone."""

from __future__ import annotations

import attrs
import pytest

from pfntrack.check.judged.books import BooksSetting, explore, scenario
from pfntrack.check.run import run_scenario
from pfntrack.releases import RELEASES, release_for
from pfntrack.scenario import format_scenario, parse

LAST, ANY = (1 << 40) - 3, 0x200000
ALL = frozenset({"I1", "I4", "I6", "I7"})


@pytest.mark.parametrize("release", ["3.7", "4.5", "5.10", "6.1", "6.12", "7.3"])
def test_ordinary_pages_are_safe(release: str) -> None:
    """Away from the end of the address space no program of the tree breaks anything."""
    found = explore(BooksSetting(release_for(release).pat, ANY), ALL)
    assert found.programs == {}
    assert (found.states, found.transitions) == (73, 276)


def test_the_last_page() -> None:
    """The newest rules leak the last page of memory, and later calls suffer for it."""
    old = RELEASES["7.3"].pat
    found = explore(BooksSetting(old, LAST), ALL)
    assert {name: len(program) for name, program in found.programs.items()} == {
        "I1": 2,
        "I7": 3,
        "I6": 4,
    }
    new = attrs.evolve(old, free_masks_end=False)
    assert explore(BooksSetting(new, LAST), ALL).programs == {}


def test_programs_run() -> None:
    """A program of calls becomes a scenario of kernel mappings that breaks the same."""
    setting = BooksSetting(release_for("5.5-rc").pat, ANY)
    program = explore(setting, frozenset({"I7"})).programs["I7"]
    made = parse(format_scenario(scenario(setting, program, "neighbours", "")))
    assert "I7" in run_scenario(made, release_for("5.5-rc")).broken
    assert "I7" not in run_scenario(made, release_for("5.10")).broken
