"""Operations of the model as programs for a guest, and back."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfntrack.lab.guests.machine import WINDOWS, Bar
from pfntrack.lab.observe.regions import Region, Regions
from pfntrack.lab.play.conform import gather
from pfntrack.lab.play.ops import Translator, needs_module
from pfntrack.lab.play.programs import plan
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.mm.vocabulary import kinds
from pfntrack.pat.cachemode import CacheMode
from pfntrack.scenario import library, load, parse
from pfntrack.traces.programs import neutral, translate

names = st.sampled_from("ABC")
small = st.integers(0, 40)
count = st.integers(1, 40)
caches = st.sampled_from(CacheMode)
windows = st.sampled_from(["H", "L"])
prots = st.sampled_from(["r", "rw", "rwx", "-"])
_FIELDS = {
    "p": names,
    "child": names,
    "target": st.sampled_from(["sysfs", "devmem", "driver"]),
    "window": windows,
    "mode": st.sampled_from(["remap", "two", "pagewise", "narrow"]),
    "cache": caches,
    "path": st.sampled_from(["", "/dev/zero"]),
    "prot": prots,
    "advice": st.sampled_from(["dontneed", "dontfork"]),
    "to": st.none() | small,
    "symbol": st.sampled_from(["__pte_alloc", "vm_area_dup"]),
    "value": st.integers(-30, -1),
    "vma_at": st.none() | small,
    "text": st.sampled_from(["disable=0"]),
    "name": st.sampled_from(["vm/max_map_count"]),
    "id": st.sampled_from(["0", "regs"]),
    "fds": st.tuples(small, small, small),
    "nth": count,
    "pages": count,
    "old": count,
    "new": count,
}


def _of(kind: type[Op]) -> st.SearchStrategy[Op]:
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for field in attrs.fields(kind):
        if kinds(kind)[field.name] in ("flag", "switch"):
            fields[field.name] = st.booleans()
        elif kind is ops.Sysctl and field.name == "value":
            fields[field.name] = st.just("1")
        else:
            fields[field.name] = _FIELDS.get(field.name, small)
    return st.builds(kind, **fields)


_KINDS = [kind for kind in Op.__subclasses__() if kind.__module__ == ops.__name__]


@given(st.one_of([_of(kind) for kind in _KINDS]))
def test_operations_survive_the_way_to_the_guest_and_back(op: Op) -> None:
    """What a guest is told is exactly what the model did."""
    if isinstance(op, ops.Mremap):
        # No program asks for FIXED or DONTUNMAP without MAYMOVE.
        op = attrs.evolve(op, maymove=op.maymove or op.fixed or op.dontunmap)
    assert translate(neutral(op)) == op


def test_every_operation_of_the_library_has_a_command() -> None:
    """The agent understands each scenario that is not refused with a reason."""
    bars = [
        Bar(window, (0xFC000 + i * 0x1000) << 12, 4096, "0x0") for i, window in enumerate(WINDOWS)
    ]
    regions = Regions(tuple(Region(bar.window.name, bar.base >> 12, bar.pages) for bar in bars))
    for each in gather(["library"]):
        if each.reasons:
            continue
        translator = Translator(bars, regions, "/dev/vfio/0")
        program = each.program
        for name, (pfn, pages) in program.get("places", {}).items():
            translator.regions = translator.regions.plus(Region(name, pfn, pages))
        for op in program["steps"]:
            if op["op"] == "kernel" and op["what"] == "ramalloc":
                ram = Region(f"ram{op['id']}", 0x1000, op["pages"])
                translator.regions = translator.regions.plus(ram)
            assert translator.command(op, "A").lines


def test_what_no_guest_can_do_has_a_reason() -> None:
    """A scenario that cannot be played is named with why, never played wrongly."""
    refused = {name: plan(load(file)).reasons for name, file in library().items()}
    refused = {name: why for name, why in refused.items() if why}
    assert refused["last-page-of-memory"] == ("no device of the guest has the window END",)
    overlap = ("the guest does one operation after the other",)
    assert refused["race-fork-truncate"] == overlap
    assert len([why for why in refused.values() if why != overlap]) < 10


@pytest.mark.parametrize(
    ("setting", "reason"),
    [("pat layout legacy", "programs its own PAT"), ("no mtrr", "always has MTRRs")],
)
def test_machines_that_a_guest_is_not(setting: str, reason: str) -> None:
    """Settings of the machine that QEMU cannot give are refused."""
    text = f"scenario x\n\nmachine\n  {setting}\n\nA opens /dev/mem as fd0\n"
    assert reason in plan(parse(text)).reasons[0]


def test_nopat_is_a_boot_option() -> None:
    """A machine without PAT is a guest with another command line."""
    assert plan(load(library()["nopat"])).append == "nopat"


def test_an_insertion_needs_the_module() -> None:
    """Without the driver module its operations are refused, not tried."""
    assert needs_module(neutral(ops.InsertPfn("A", 0, "H")))
