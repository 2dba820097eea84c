"""`make test-deep` reaches every property test."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_no_property_has_a_number_of_examples_of_its_own() -> None:
    """A number written out would not grow under the deep profile: `examples(N)` does."""
    own = [
        f"{path.relative_to(TESTS)}: {found[0]}"
        for path in TESTS.rglob("*.py")
        for found in re.finditer(r"max_examples=\d+", path.read_text(encoding="utf-8"))
    ]
    assert own == []
