"""Events that are missing are missed, though pages of the ring buffer take stamps too."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfntrack.pat.mtrr import UC, WB, WC, Variable, registers
from pfntrack.record.calls import gaps
from pfntrack.record.format import TraceEvent

# Counted bytes in a page, as seen in guests.
PAGES = (4300, 4350, 4450)


def stream(sizes: list[tuple[int, int]], page: int) -> tuple[list[TraceEvent], list[int]]:
    """Events with so many values on these processors; and which of them begin a page."""
    filled: dict[int, int] = {}
    events: list[TraceEvent] = []
    begins, stamp = [], 0
    for cpu, values in sizes:
        size = 12 + 8 * (1 + values)
        stamp += 1
        if filled.get(cpu, 0) + size > page:
            begins.append(len(events))
            filled[cpu] = 0
            stamp += 1
        filled[cpu] = filled.get(cpu, 0) + size
        numbers = {f"v{number}": 0 for number in range(values)}
        events.append(TraceEvent(0, "books", 7, cpu, stamp, "probe", "reserve", numbers))
    return events, begins


SIZES = st.lists(st.tuples(st.integers(0, 1), st.integers(2, 6)), min_size=80, max_size=400)


@given(SIZES, st.sampled_from(PAGES))
def test_pages_alone_are_no_gaps(sizes: list[tuple[int, int]], page: int) -> None:
    """Two processors, each with pages of its own."""
    events, _ = stream(sizes, page)
    assert gaps(events) == []


@pytest.mark.parametrize("page", PAGES)
def test_an_event_that_is_missing_is_missed(page: int) -> None:
    """Wherever it was, unless the page began right there."""
    events, begins = stream([(0, 6)] * 300, page)
    excused = [at for at in range(1, len(events) - 70) if not gaps(events[:at] + events[at + 1 :])]
    assert len(begins) >= 4
    assert all(any(abs(at - begin) <= 1 for begin in begins) for at in excused), excused


def test_an_excuse_that_proves_wrong_is_taken_back() -> None:
    """An event lost where a page may begin, and then the page begins."""
    events, begins = stream([(0, 6)] * 300, 4450)
    lost = begins[0] - 2
    found = gaps(events[:lost] + events[lost + 1 :])
    assert events[lost + 1] in [event for event, _ in found]


def test_stamps_that_run_backwards_are_a_gap() -> None:
    events, _ = stream([(0, 3)] * 5, 4350)
    assert gaps([*events[:2], attrs.evolve(events[2], stamp=1), *events[3:]])


def test_registers_of_proc_mtrr() -> None:
    """Lines as the kernel prints them; what is no such line says nothing."""
    lines = (
        "reg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable",
        "reg01: base=0x0fd000000 ( 4048MB), size=   16MB, count=2: write-combining",
        "reg02: base=0x000080000 (    0MB), size=  512KB, count=1: write-back",
        "reg03: disabled",
        "",
    )
    assert registers("\n".join(lines)) == (
        Variable(0xC0000000, 1 << 30, UC),
        Variable(0xFD000000, 16 << 20, WC),
        Variable(0x80000, 512 << 10, WB),
    )
