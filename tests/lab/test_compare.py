"""Comparison of traces."""

from __future__ import annotations

import copy
from typing import Any

from pfntrack.lab.play.compare import differences

TRACE: dict[str, Any] = {
    "format": 1,
    "scenario": {"name": "t", "about": "", "tags": []},
    "steps": [
        {
            "op": {"op": "munmap", "p": "A", "at": 0, "pages": 4},
            "result": {"ret": 0, "err": ""},
            "memtype": [["H", 0, 16, "WC"]],
            "procs": {"A": {"vmas": [{"at": 4, "pages": 12}]}},
            "events": [{"ev": "warn", "file": "memtype.c", "func": "untrack_pfn", "stack": ["a"]}],
            "calls": [],
            "dmesg": ["labA:78 something"],
        }
    ],
    "end": {"leaked": []},
}


def test_a_trace_equals_itself() -> None:
    assert list(differences(TRACE, TRACE, exact_warnings=True)) == []


def test_path_leads_to_the_field() -> None:
    other = copy.deepcopy(TRACE)
    other["steps"][0]["procs"]["A"]["vmas"][0]["pages"] = 16
    (found,) = differences(TRACE, other)
    assert (found.path, found.expected, found.got) == ("procs.A.vmas[0].pages", 12, 16)
    assert "step 0" in str(found)


def test_raw_log_and_inlining_do_not_matter() -> None:
    other = copy.deepcopy(TRACE)
    other["steps"][0]["dmesg"] = ["labA:91 something"]
    other["steps"][0]["events"][0]["func"] = "get_pat_info"
    assert list(differences(TRACE, other)) == []
    assert len(list(differences(TRACE, other, exact_warnings=True))) == 1


def test_missing_step_and_leak_are_differences() -> None:
    other = copy.deepcopy(TRACE)
    other["steps"] = []
    other["end"] = {"leaked": [["H", 0, 4, "WC"]]}
    assert [found.path for found in differences(TRACE, other)] == ["steps", "end"]


def test_lists_of_different_length_are_shown_whole() -> None:
    other = copy.deepcopy(TRACE)
    other["steps"][0]["memtype"] = []
    (found,) = differences(TRACE, other)
    assert found.expected == [["H", 0, 16, "WC"]]
