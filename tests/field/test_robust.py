"""No input leads to a traceback, a hang or control characters in a report."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import random
from pathlib import Path
from types import ModuleType

from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from pfntrack.errors import InputFormatError
from pfntrack.field.read.lines import clean
from pfntrack.field.read.parse import FORMATS, parse_line, parse_partial
from pfntrack.field.triage import triage

HERE = Path(__file__).parent


def _mutate_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutate", HERE / "mutate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MUTATE = _mutate_module()
POOL = [path.read_text() for path in sorted((HERE / "logs").glob("*.txt"))]


@settings(max_examples=examples(300), deadline=None)
@given(st.integers(min_value=0, max_value=2**32))
def test_mutated_logs(seed: int) -> None:
    """Cut, shuffled, spliced and damaged logs are read without a failure."""
    rng = random.Random(seed)
    MUTATE.check(MUTATE.mutate(rng.choice(POOL)[:6000], POOL, rng))


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(max_size=4000))
def test_arbitrary_bytes(raw: bytes) -> None:
    """Any bytes at all are read, or refused as what they are."""
    with contextlib.suppress(InputFormatError):
        triage(io.BytesIO(raw))


def test_adversarial_lines_cost_linear_work() -> None:
    """Lines built to make expressions backtrack are handled at once: they are cut and bounded."""
    words = {word for fmt in FORMATS for word in fmt.words}
    for word in words:
        for filler in (
            " ",
            "0",
            "f",
            "-",
            "0-",
            "[mem 0x1-0x",
            "write-back ",
            ":",
            "a:1 ",
            "x86/PAT: ",
        ):
            line = clean(1, word + filler * (200_000 // len(filler)) + word)
            assert len(line.text) <= 4096
            parse_line(line)
            parse_partial(line)


def test_distinct_messages_stay_bounded() -> None:
    """A log that never repeats itself is cut off and says so."""
    lines = (
        f"x86/PAT: p:{n} freeing invalid memtype [mem {n * 4096:#010x}-{n * 4096 + 4095:#010x}]"
        for n in range(6_000)
    )
    result = triage(io.BytesIO("\n".join(lines).encode()))
    assert result.log.dropped > 0
    assert len(result.log.facts) <= 5_000
