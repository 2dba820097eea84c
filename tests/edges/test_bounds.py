"""Numbers beyond what a machine has: refused in one line, or answered as the kernel would."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pfntrack.check.run import run_scenario
from pfntrack.errors import InputFormatError, PfntrackError
from pfntrack.mm.bounds import MAX_PAGES, TASK_PAGES
from pfntrack.releases import RELEASES, release_for
from pfntrack.scenario import find, parse
from pfntrack.traces.programs import translate

DRIVER = "scenario s\nA opens driver on H with WC as fd0\n"
HUGE = 1 << 63


@pytest.mark.parametrize("name", sorted(RELEASES))
@pytest.mark.parametrize(
    ("step", "error"),
    [
        (f"A maps fd0[0,{HUGE}) at 0", "ENOMEM"),
        (f"A maps fd0[0,1) at {TASK_PAGES}", "ENOMEM"),
        (f"A maps anonymous memory at [0,{TASK_PAGES + 1})", "ENOMEM"),
        (f"A unmaps [0,{HUGE})", "EINVAL"),
        (f"A mremaps [0,1) to 1 pages, MAYMOVE, FIXED, at {TASK_PAGES}", "EINVAL"),
    ],
)
def test_behind_user_space(name: str, step: str, error: str) -> None:
    """The kernel says so before it looks at anything else."""
    run = run_scenario(parse(DRIVER + step + "\n"), release_for(name))
    assert run.steps[-1].result.err == error
    assert run.steps[-1].state == run.start


@pytest.mark.parametrize(
    "text",
    [
        f"{DRIVER}A maps fd0[0,{MAX_PAGES + 1}) at 0\n",
        f"{DRIVER}kernel ioremaps H[0,{HUGE}) as k\n",
        f"{DRIVER}A maps fd0[0,{'9' * 5000}) at 0\n",
        f"scenario s\nA opens driver on H with WC as fd{'9' * 5000}\n",
        f"scenario s\nA opens driver on H with WC as fd{1 << 40}\n",
        f"scenario s\nmachine\n  window Q at 0x100000000 for {HUGE} pages\n",
        f"scenario s\nmachine\n  window Q at 0x{'f' * 15}000 for 1 pages\n",
    ],
)
def test_what_no_machine_has_is_refused(text: str) -> None:
    """At once, in one line with its place."""
    begun = time.monotonic()
    with pytest.raises(PfntrackError) as caught:
        parse(text)
    assert time.monotonic() - begun < 2
    assert str(caught.value).startswith("<text>:")
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"op": "mmap", "at": 0, "pages": MAX_PAGES + 1, "fd": 3},
        {"op": "mmap", "at": 0, "pages": -1, "fd": 3},
        {"op": "mmap", "at": 1 << 70, "pages": 1, "fd": 3},
        {"op": "mmap", "at": 0, "pages": 1, "fd": 1 << 40},
    ],
)
def test_the_same_from_traces(fields: dict[str, object]) -> None:
    """Whoever wrote the operation."""
    with pytest.raises(InputFormatError, match="where: op: "):
        translate({"p": "A", **fields}, "where")


def test_the_largest_costs_little() -> None:
    """Mapped twice, forked, cut: what is alike is looked at as a whole."""
    text = f"""scenario s
machine
  window Q at 0x100000000 for {MAX_PAGES} pages
A opens driver on Q with WC as fd0
A opens driver on Q with UC as fd1
A maps fd0[0,{MAX_PAGES}) at 0
A maps fd1[0,{MAX_PAGES}) at 3000000
A forks B
A unmaps [1,{MAX_PAGES})
"""
    begun = time.process_time()
    assert run_scenario(parse(text), release_for("7.3")).steps[-1].result.ret == 0
    assert time.process_time() - begun < 5


def test_long_anonymous_memory_costs_nothing() -> None:
    """Tables are counted where they are, not where they could be."""
    text = f"""scenario s
A maps anonymous memory at [0,{TASK_PAGES})
A writes page 3
A forks B
A unmaps [5,{TASK_PAGES - 5})
"""
    begun = time.process_time()
    run_scenario(parse(text), release_for("6.12"))
    assert time.process_time() - begun < 2


def test_names_that_no_file_has() -> None:
    """They are no scenario, and no crash."""
    for name in ("x" * 300, "x" * 5000 + ".pfn", "a\0b.pfn", str(Path("/dev/zero"))):
        with pytest.raises(PfntrackError):
            find(name)
