"""Mappings and page tables."""

from __future__ import annotations

from pfntrack.lab.observe.regions import Region, Regions
from pfntrack.lab.observe.state import ContextNames, parse_state, parse_vmas

REGIONS = Regions((Region("H", 0xFC000, 4096),))
SMAPS = (
    "400000000000-400000010000 rw-p fc000000 00:15 7     /sys/x/resource2_wc\n"
    "VmFlags: rd wr mr mw pf io de ac ar dd sd \n"
)
SPECIAL, WRITE, WC = 1 << 9, 1 << 1, 1 << 3


def _state(*runs: str, ctx: str = "0 0 0 0") -> str:
    head = f"V 400000000000 400000010000 fc000 {WC:x} {ctx}"
    return "\n".join([head, *runs]) + "\n"


def test_copied_page_splits_a_run() -> None:
    state = _state(
        f"P 400000000000 5 fc000 {SPECIAL | WC | 1:x} 0",
        f"P 400000005000 1 1234 {WRITE | WC | 1:x} 0",
        f"P 400000006000 10 fc006 {SPECIAL | WC | 1:x} 0",
    )
    (vma,) = parse_vmas(SMAPS, state, REGIONS, ContextNames())
    assert vma["ptes"] == [
        {"at": 0, "n": 5, "to": ["H", 0], "cache": "WC", "w": 0},
        {"at": 5, "n": 1, "to": "ram", "cache": "WC", "w": 1, "special": 0},
        {"at": 6, "n": 10, "to": ["H", 6], "cache": "WC", "w": 0},
    ]
    assert vma["off"] == ["bar", "H", 0]
    assert vma["tracked"] is True
    assert vma["prot_cache"] == "WC"


def test_copies_in_scattered_memory_are_one_run() -> None:
    state = _state(f"P 400000000000 1 1234 {WRITE | 1:x} 0", f"P 400000001000 1 99 {WRITE | 1:x} 0")
    (vma,) = parse_vmas(SMAPS, state, REGIONS, ContextNames())
    assert [(run["to"], run["n"]) for run in vma["ptes"]] == [("ram", 2)]


def test_huge_entries_are_marked() -> None:
    state = _state(f"P 400000000000 512 fc000 {SPECIAL | WRITE | 1:x} 1")
    (vma,) = parse_vmas(SMAPS, state, REGIONS, ContextNames())
    assert vma["ptes"][0]["huge"] == 1
    assert "special" not in vma["ptes"][0]


def test_contexts_are_numbered_as_they_appear() -> None:
    names = ContextNames()
    state = _state(ctx="ffff888004 fc000 16 2")
    untracked = SMAPS.replace(" ar", "")
    (vma,) = parse_vmas(untracked, state, REGIONS, names)
    assert vma["ctx"] == {"id": 1, "pfn": ["H", 0], "pages": 16, "refs": 2}
    assert vma["tracked"] is True
    assert names.number(5) == 2
    assert names.number(0xFFFF888004) == 1


def test_without_the_module_only_smaps_speaks() -> None:
    (vma,) = parse_vmas(SMAPS, None, REGIONS, ContextNames())
    assert "ptes" not in vma
    assert vma["vmflags"] == "rd wr mr mw pf io de ac ar dd sd"


def test_state_without_mappings() -> None:
    assert parse_state("") == {}
