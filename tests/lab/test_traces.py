"""Programs and traces as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pfntrack.errors import InputFormatError
from pfntrack.lab.observe.traces import dump, read_programs
from pfntrack.lab.play.recorder import needs_vfio, program_of_trace


def test_dump_is_json_with_short_lines_for_small_things() -> None:
    value = {"a": [{"x": 1, "y": "z"}, []], "b": {}, "c": [[1, 2], ["R", 3]]}
    text = dump(value)
    assert json.loads(text) == value
    assert '{"x": 1, "y": "z"}' in text


def test_program_of_a_trace_has_no_automatic_steps(tmp_path: Path) -> None:
    trace = {
        "format": 1,
        "scenario": {"name": "n", "about": "a", "tags": ["intree"]},
        "steps": [
            {"op": {"op": "open", "p": "A"}},
            {"op": {"op": "exit", "p": "A", "auto": True}},
        ],
    }
    assert program_of_trace(trace)["steps"] == [{"op": "open", "p": "A"}]
    path = tmp_path / "t.json"
    path.write_text(json.dumps(trace))
    assert read_programs(path)[0]["name"] == "n"


def test_list_of_programs(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps([{"name": "a", "steps": []}, {"name": "b", "steps": []}]))
    assert [program["name"] for program in read_programs(path)] == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["{", "3", '{"name": "a"}', '{"steps": []}', '{"name": "a", "steps": [1]}']
)
def test_other_files_are_input_errors(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InputFormatError, match=r"bad\.json"):
        read_programs(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputFormatError, match="nothere"):
        read_programs(tmp_path / "nothere.json")


def test_which_machine_a_program_needs() -> None:
    assert needs_vfio({"name": "a", "tags": ["vfio"], "steps": []})
    assert needs_vfio({"name": "a", "steps": [{"op": "vfio_open"}]})
    assert not needs_vfio({"name": "a", "tags": ["driver"], "steps": [{"op": "open"}]})
