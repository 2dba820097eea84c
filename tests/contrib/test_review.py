"""Each invariant for reviewers is what its scenario shows, on the kernels that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pfntrack.check.run import run_scenario
from pfntrack.releases import RELEASES
from pfntrack.report.runs.text import run_text
from pfntrack.scenario import find

FILE = Path(__file__).parents[2] / "contrib" / "review" / "pfn-mappings.md"
_LINE = re.compile(r"^ +- `([a-z0-9-]+)` on (.*)$", re.MULTILINE)
_CLAIM = re.compile(r"([0-9.]+): (breaks|keeps|shows) (.+)")
TEXT = FILE.read_text(encoding="utf-8")
CLAIMS = [
    (name, *claim.groups())
    for name, said in _LINE.findall(TEXT)
    for part in said.split("; on ")
    if (claim := _CLAIM.fullmatch(part)) is not None
]


def test_every_invariant_has_its_scenario() -> None:
    """Fifteen, each with a scenario and what it does on two kernels."""
    assert len(re.findall(r"(?m)^\d+\. \*\*", TEXT)) == 15
    assert len(_LINE.findall(TEXT)) == 15
    assert len(CLAIMS) == 30


@pytest.mark.parametrize(("name", "release", "verb", "what"), CLAIMS)
def test_what_is_claimed_is_so(name: str, release: str, verb: str, what: str) -> None:
    """Properties break or hold, and words are said, as the file says."""
    run = run_scenario(find(name), RELEASES[release])
    if verb == "shows":
        assert what.strip('"') in run_text(run)
        return
    named = set(what.split(", "))
    assert named
    if verb == "breaks":
        assert named <= run.broken
    else:
        assert not named & run.broken
