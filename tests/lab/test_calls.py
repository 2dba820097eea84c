"""Calls seen through kprobe events."""

from __future__ import annotations

from pfntrack.lab.observe.calls import PROBES, parse_trace, probe_lines
from pfntrack.lab.observe.regions import Region, Regions

REGIONS = Regions((Region("H", 0xFC000, 4096),))


def _line(comm: str, fn: str, rest: str, pid: int = 78) -> str:
    return f"            {comm}-{pid}      [000] d.... 12.3: {fn}: ({fn}+0x0/0x10) {rest}"


def test_arguments_become_pages() -> None:
    text = "\n".join(
        [
            "# tracer: nop",
            _line(
                "labA",
                "track_pfn_remap",
                "vs=0x400000000000 ve=0x400000010000 pfn=0xfc000 addr=0x400000000000 size=0x10000",
            ),
            _line("labA", "memtype_reserve", "start=0xfc000000 end=0xfc010000 type=1"),
            _line("labA", "memtype_kernel_map_sync", "start=0xfc000000 size=0x10000 type=2"),
            _line("labA", "memtype_reserve_ret", "ret=-22"),
        ]
    )
    assert parse_trace(text, REGIONS) == [
        {
            "fn": "track_pfn_remap",
            "who": "labA",
            "vma": [0, 16],
            "pfn": ["H", 0],
            "addr": 0,
            "pages": 16,
        },
        {"fn": "memtype_reserve", "who": "labA", "range": ["H", 0, 16], "type": "WC"},
        {"fn": "memtype_kernel_map_sync", "who": "labA", "range": ["H", 0, 16], "type": "UC-"},
        {"fn": "memtype_reserve_ret", "who": "labA", "ret": -22},
    ]


def test_mappings_outside_the_arena_vanish_with_their_return() -> None:
    text = "\n".join(
        [
            _line("labA", "track_pfn_copy", "vs=0x7fff00000000 ve=0x7fff00001000"),
            _line("labA", "track_pfn_copy_ret", "ret=0"),
            _line("labA", "track_pfn_copy", "vs=0x400000000000 ve=0x400000001000"),
            _line("labA", "track_pfn_copy_ret", "ret=-12"),
        ]
    )
    assert parse_trace(text, REGIONS) == [
        {"fn": "track_pfn_copy", "who": "labA", "vma": [0, 1]},
        {"fn": "track_pfn_copy_ret", "who": "labA", "ret": -12},
    ]


def test_other_tasks_are_not_the_scenario() -> None:
    text = _line("agent", "memtype_free", "start=0xfc000000 end=0xfc010000")
    assert parse_trace(text, REGIONS) == []


def test_missing_vma_is_shown() -> None:
    text = _line("labA", "untrack_pfn", "vs=(fault) ve=(fault) pfn=0xfc000 size=0x1000")
    assert parse_trace(text, REGIONS)[0]["vma"] is None


def test_each_probe_has_its_lines() -> None:
    lines = probe_lines()
    returning = sum(probe.returns for probe in PROBES)
    assert len(lines) == len(PROBES) + returning
    assert len(set(lines)) == len(lines)


def test_flagged_page_numbers() -> None:
    regions = REGIONS.plus(Region("ram0", 0x5870, 16))
    flag = 1 << 61
    text = "\n".join(
        _line("labA", "track_pfn_insert", f"vs=0x400000000000 ve=0x400000001000 pfn={pfn:#x}")
        for pfn in (flag | 0xFC002, flag | 0x5872, 0x5873)
    )
    pages = [call["pfn"] for call in parse_trace(text, regions)]
    assert pages == [flag | 0xFC002, ["ram0", 2], ["ram0", 3]]
