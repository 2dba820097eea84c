"""The model against recorded kernels, and the comparison against its own blindness."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest

from pfntrack.cli import main
from pfntrack.drivers.vfio import VfioStyle
from pfntrack.errors import InputFormatError, ModelError
from pfntrack.mm.step import RemapOrder
from pfntrack.releases.release import RELEASES, Release
from pfntrack.report.schemas import schema
from pfntrack.traces import conform, load_trace
from pfntrack.traces.compare import chain_agrees
from pfntrack.traces.conform import KernelReport, StepReport, disagreeing, replay, trace_files
from support import ALL

TRACES = Path(__file__).parent / "traces"
PROGRAMS = 55
FOUND = Path(__file__).parent / "found"
Json = dict[str, Any]


def recorded(series: str, name: str) -> Json:
    """A trace as its file holds it."""
    found: Json = json.loads((TRACES / series / f"{name}.json").read_text(encoding="utf-8"))
    return found


def check(tmp_path: Path, data: Json) -> list[StepReport]:
    """The steps of one trace that do not agree."""
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return disagreeing(conform(path))


@pytest.fixture(scope="module")
def reports() -> dict[str, KernelReport]:
    """All recordings, replayed once."""
    return {report.series: report for report in conform(TRACES)}


@pytest.mark.parametrize("series", ALL)
def test_model_agrees_where_searches_found_it_wrong(series: str) -> None:
    """What differed when random programs were played on real kernels is mended."""
    (report,) = conform(FOUND / series)
    assert [] == [
        (step.op, step.differences, step.not_comparable) for step in disagreeing([report])
    ]
    assert (series, 20) == (report.release, len(report.scenarios))


@pytest.mark.parametrize("series", ALL)
def test_model_agrees_with_the_kernel(series: str, reports: dict[str, KernelReport]) -> None:
    """Every step of every recording: results, state, events, calls and log lines."""
    report = reports[series]
    assert [] == [
        (step.op, step.differences, step.not_comparable) for step in disagreeing([report])
    ]
    assert report.agrees
    assert (series, PROGRAMS) == (report.release, len(report.scenarios))
    assert 361 <= len(report.steps)


def test_series_are_reported_in_order_of_version(reports: dict[str, KernelReport]) -> None:
    """6.12 comes after 6.1, which a comparison of texts would not give."""
    assert list(ALL) == list(reports)


@pytest.mark.parametrize("series", ALL)
def test_recordings_exercise_the_model(series: str) -> None:
    """Agreement would be cheap if the recordings showed nothing."""
    traces = [load_trace(path) for path in trace_files(TRACES / series)]
    steps = [step for trace in traces for step in trace.steps]
    assert {"mmap", "munmap", "fork", "mremap", "zap", "fail", "vfio_open", "driver_bind"} <= {
        step["op"]["op"] for step in steps
    }
    assert any(step["memtype"] for step in steps)
    assert any(step["dmesg"] for step in steps)
    assert any(step["result"]["err"] for step in steps)
    assert any(trace.end["leaked"] for trace in traces)


def test_one_series_can_be_chosen() -> None:
    """`kernel` restricts the replay, and progress counts all files."""
    seen: list[tuple[int, int]] = []
    found = conform(TRACES, "6.12", lambda done, of: seen.append((done, of)))
    assert [("6.12", PROGRAMS)] == [(each.series, len(each.scenarios)) for each in found]
    assert [(number, 4 * PROGRAMS) for number in range(4 * PROGRAMS)] == seen


def test_one_file_can_be_chosen() -> None:
    """A path to a file replays that file alone."""
    found = conform(TRACES / "7.3" / "fork-exit.json")
    assert [["fork-exit"]] == [[each.name for each in report.scenarios] for report in found]


# Noticing differences.

Change = Callable[[Json], None]


def _result(step: Json) -> None:
    step["result"] = {"ret": -1, "err": "ENOMEM"}


def _errno(step: Json) -> None:
    step["result"]["err"] = "EAGAIN"


def _extra(step: Json) -> None:
    step["result"]["signal"] = "BUS"


def _entry_gone(step: Json) -> None:
    step["memtype"].pop()


def _entry_shorter(step: Json) -> None:
    step["memtype"][0][2] -= 1


def _entry_type(step: Json) -> None:
    step["memtype"][0][3] = "UC-"


def _entry_twice(step: Json) -> None:
    step["memtype"].append(step["memtype"][0])


def _baseline(step: Json) -> None:
    step["baseline_missing"] = [["R", 0, 1, "UC-"]]


def _process(step: Json) -> None:
    step["procs"]["B"] = {"vmas": []}


def _vma_gone(step: Json) -> None:
    step["procs"]["A"]["vmas"].pop()


def _vma_moved(step: Json) -> None:
    step["procs"]["A"]["vmas"][0]["at"] += 1


def _vma(key: str, value: Any) -> Change:
    def change(step: Json) -> None:
        step["procs"]["A"]["vmas"][0][key] = value

    return change


def _pte(key: str, value: Any) -> Change:
    def change(step: Json) -> None:
        step["procs"]["A"]["vmas"][0]["ptes"][0][key] = value

    return change


def _event_gone(step: Json) -> None:
    step["events"].pop()


def _event_kind(step: Json) -> None:
    step["events"][0]["ev"] = "freed"


def _event_field(step: Json) -> None:
    step["events"][0]["track"] = "WB"


def _call_gone(step: Json) -> None:
    step["calls"].pop()


def _call_order(step: Json) -> None:
    step["calls"].reverse()


def _call_field(step: Json) -> None:
    step["calls"][1]["type"] = "WB"


def _line_gone(step: Json) -> None:
    step["dmesg"].pop()


def _line_text(step: Json) -> None:
    step["dmesg"][0] = step["dmesg"][0].replace("ret write-combining", "ret write-back")


@pytest.mark.parametrize("series", ALL)
@pytest.mark.parametrize(
    ("change", "field"),
    [
        (_result, "result.ret"),
        (_errno, "result.err"),
        (_extra, "result.signal"),
        (_entry_gone, "memtype"),
        (_entry_shorter, "memtype"),
        (_entry_type, "memtype"),
        (_entry_twice, "memtype"),
        (_baseline, "baseline_missing"),
        (_process, "procs"),
        (_vma_gone, "procs.A.vmas"),
        (_vma_moved, "procs.A.vmas"),
        (_vma("perm", "r--s"), "procs.A.vmas[0].perm"),
        (_vma("off", 1), "procs.A.vmas[0].off"),
        (_vma("file", "/dev/mem"), "procs.A.vmas[0].file"),
        (_vma("tracked", False), "procs.A.vmas[0].tracked"),
        (_vma("prot_cache", "UC-"), "procs.A.vmas[0].prot_cache"),
        (_vma("vmflags", "rd wr"), "procs.A.vmas[0].vmflags"),
        (_vma("ptes", []), "procs.A.vmas[0].ptes"),
        (_pte("n", 15), "procs.A.vmas[0].ptes"),
        (_pte("to", ["H", 1]), "procs.A.vmas[0].ptes"),
        (_pte("cache", "UC-"), "procs.A.vmas[0].ptes"),
        (_pte("w", 0), "procs.A.vmas[0].ptes"),
        (_event_gone, "events[0]"),
        (_event_kind, "events[0]"),
        (_event_field, "events[0]"),
        (_call_gone, "calls[4]"),
        (_call_order, "calls[0]"),
        (_call_field, "calls[1]"),
        (_line_gone, "dmesg[0]"),
        (_line_text, "dmesg[0]"),
    ],
)
def test_a_changed_field_is_noticed(
    tmp_path: Path, series: str, change: Change, field: str
) -> None:
    """The step that was changed is reported, by the first field that differs, and no other."""
    data = recorded(series, "zap-first-fork")
    change(data["steps"][1])
    found = check(tmp_path, data)
    assert [1] == [step.number for step in found]
    assert field == found[0].differences[0].field
    assert found[0].op.startswith("op=mmap p=A at=0 pages=16")


def test_a_difference_shows_both_sides(tmp_path: Path) -> None:
    """A reader must see what the model says and what was recorded."""
    data = recorded("6.12", "zap-first-fork")
    _entry_type(data["steps"][1])
    difference = check(tmp_path, data)[0].differences[0]
    assert [["H", 0, 16, "WC"]] == difference.model
    assert [["H", 0, 16, "UC-"]] == difference.recorded


@pytest.mark.parametrize(("key", "value"), [("refs", 2), ("pages", 15), ("pfn", ["H", 1])], ids=str)
def test_a_changed_context_is_noticed(tmp_path: Path, key: str, value: object) -> None:
    """The fields of a context are compared one by one, its address is not."""
    data = recorded("7.3", "zap-first-fork")
    data["steps"][1]["procs"]["A"]["vmas"][0]["ctx"][key] = value
    assert ["procs.A.vmas[0].ctx"] == [d.field for d in check(tmp_path, data)[0].differences]


def test_a_context_that_is_not_recorded_is_noticed(tmp_path: Path) -> None:
    """If the kernel showed none, the model must not have one."""
    data = recorded("7.3", "zap-first-fork")
    del data["steps"][1]["procs"]["A"]["vmas"][0]["ctx"]
    found = check(tmp_path, data)
    assert ["procs.A.vmas[0].ctx"] == [d.field for d in found[0].differences]


def test_context_numbers_do_not_matter(tmp_path: Path) -> None:
    """A recorded number stands for an address, which is used again."""
    data = recorded("7.3", "zap-first-fork")
    data["steps"][1]["procs"]["A"]["vmas"][0]["ctx"]["id"] = 77
    assert [] == check(tmp_path, data)


def test_pids_do_not_matter(tmp_path: Path) -> None:
    """Process ids differ from run to run and are masked, task names are not."""
    data = recorded("6.1", "munmap-head")
    line = data["steps"][2]["dmesg"][0]
    assert "labA:" in line
    changed = copy.deepcopy(data)
    changed["steps"][2]["dmesg"][0] = line.replace("labA:", "labA:9")
    assert [] == check(tmp_path, changed)
    changed["steps"][2]["dmesg"][0] = line.replace("labA:", "labB:")
    assert "dmesg[0]" == check(tmp_path, changed)[0].differences[0].field


def test_a_task_in_an_event_matters(tmp_path: Path) -> None:
    """Who freed something invalid is part of what was observed."""
    data = recorded("6.1", "munmap-head")
    data["steps"][2]["events"][0]["who"] = "labB"
    assert "events[0]" == check(tmp_path, data)[0].differences[0].field


def test_a_changed_leak_is_noticed(tmp_path: Path) -> None:
    """What is left at the end is compared after the last step."""
    data = recorded("6.12", "munmap-head")
    assert [["H", 0, 4, "WC"]] == data["end"]["leaked"]
    data["end"]["leaked"] = []
    found = check(tmp_path, data)
    assert [len(data["steps"]) - 1] == [step.number for step in found]
    assert ["end.leaked"] == [difference.field for difference in found[0].differences]


def test_a_missing_warning_is_noticed(tmp_path: Path) -> None:
    """A WARN that was recorded elsewhere in the file, or in another file, is none of ours."""
    data = recorded("5.10", "fail-fork-copy")
    at = next(n for n, step in enumerate(data["steps"]) if _warn(step))
    changed = copy.deepcopy(data)
    _warn(changed["steps"][at])["file"] = "rwsem.h"
    assert "events[0]" == check(tmp_path, changed)[0].differences[0].field
    changed = copy.deepcopy(data)
    _warn(changed["steps"][at])["stack"] = ["vfs_read"]
    _warn(changed["steps"][at])["func"] = "vfs_read"
    assert at == check(tmp_path, changed)[0].number


def _warn(step: Json) -> Json:
    """The step's WARN event, empty if it has none."""
    found: Json = next((event for event in step["events"] if event["ev"] == "warn"), {})
    return found


@pytest.mark.parametrize(
    ("chain", "func", "stack", "agrees"),
    [
        (["get_pat_info", "untrack_pfn", "munmap"], "untrack_pfn", ["munmap"], True),
        (["get_pat_info", "untrack_pfn", "munmap"], "get_pat_info", ["munmap"], True),
        (["get_pat_info", "do_exit"], "untrack_pfn", ["munmap"], False),
        (["a", "b"], "a", ["x", "b", "y"], True),
        (["a", "b"], "b", ["a"], False),
        (["a"], "", [], False),
    ],
)
def test_call_chains(chain: list[str], func: str, stack: list[str], agrees: bool) -> None:
    """Frames must come in order; small functions may be missing, others not."""
    assert agrees == chain_agrees(chain, {"func": func, "stack": stack})


def test_a_changed_operation_is_noticed(tmp_path: Path) -> None:
    """If the model plays something else, it ends up somewhere else."""
    data = recorded("6.12", "zap-first-fork")
    data["steps"][1]["op"]["pages"] = 8
    assert "memtype" == check(tmp_path, data)[0].differences[0].field


def test_an_unknown_operation_is_not_comparable(tmp_path: Path) -> None:
    """It is reported as such, and later steps are still compared."""
    data = recorded("6.12", "zap-first-fork")
    data["steps"].insert(1, copy.deepcopy(data["steps"][0]))
    data["steps"][1]["op"] = {"op": "teleport"}
    found = check(tmp_path, data)
    assert [(1, "operation 'teleport' is not known")] == [
        (s.number, s.not_comparable) for s in found
    ]
    assert not found[0].agrees


def test_an_impossible_operation_is_not_comparable(tmp_path: Path) -> None:
    """A process that does not exist cannot act."""
    data = recorded("6.12", "zap-first-fork")
    data["steps"][1]["op"]["fd"] = 7
    found = check(tmp_path, data)
    assert (1, "process A has no open descriptor 7") == (found[0].number, found[0].not_comparable)


# Wrong models.


def _pat(name: str, **quirks: Any) -> Release:
    release = RELEASES[name]
    return attrs.evolve(release, pat=attrs.evolve(release.pat, **quirks))


def _mm(name: str, **quirks: Any) -> Release:
    release = RELEASES[name]
    return attrs.evolve(release, mm=attrs.evolve(release.mm, **quirks))


def _of(name: str, **fields: Any) -> Release:
    return attrs.evolve(RELEASES[name], **fields)


def disagreements(release: Release) -> dict[str, tuple[int, str]]:
    """Recordings of a release that a changed model of it contradicts: first step and field."""
    found = {}
    for path in trace_files(TRACES / release.name):
        wrong = [step for step in replay(load_trace(path), release).steps if not step.agrees]
        if wrong:
            found[path.stem] = (wrong[0].number, wrong[0].differences[0].field)
    return found


@pytest.mark.parametrize(
    ("model", "trace", "step", "field"),
    [
        (_pat("5.10", end_match=False), "munmap-middle-zap", None, "memtype"),
        (_pat("6.1", end_match=False), "end-match-other-owner", 3, "memtype"),
        (_pat("6.12", end_match=False), "end-match-other-owner", 3, "memtype"),
        (_pat("5.10", closed_interval=True), "conflict-two-types", 3, "memtype"),
        (_pat("6.1", closed_interval=True), "conflict-two-types", 3, "memtype"),
        (_pat("6.12", closed_interval=True), "kernel-uc-then-user-wc", 3, "memtype"),
        (_pat("7.3", closed_interval=True), "conflict-two-types", 3, "memtype"),
        (_mm("5.10", remap_order=RemapOrder.TRACK_FLAGS), "private-partial", 1, "calls[0]"),
        (_mm("6.1", remap_order=RemapOrder.COW_TRACK_FLAGS), "private-partial", 1, "calls[0]"),
        (_mm("6.12", remap_order=RemapOrder.FLAGS_TRACK), "fail-mmap-reserve", 2, "result.err"),
        (_mm("7.3", remap_order=RemapOrder.TRACK_FLAGS), "private-partial", 1, "calls[0]"),
        (_mm("6.12", remap_zaps_on_error=False), "fail-mmap-pagetable", 2, "calls[5]"),
        (_mm("6.1", fork_opens_first=False), "vfio-fork-memory-off", 3, "memtype"),
        (_mm("5.10", revokes_sysfs=True), "revoke-bind", 3, "memtype"),
        (_mm("6.12", revokes_sysfs=False), "revoke-bind", 3, "memtype"),
        (_mm("7.3", revokes_sysfs=False), "revoke-bind", 3, "procs.A.vmas[0].ptes"),
        (
            _of("6.1", vfio=VfioStyle.INSERT_AT_FAULT),
            "vfio-memory-off",
            1,
            "procs.A.vmas[0].off",
        ),
        (
            _of("7.3", vfio=VfioStyle.REMAP_AT_FAULT),
            "vfio-memory-off",
            1,
            "procs.A.vmas[0].off",
        ),
        (
            _of("6.12", design=RELEASES["7.3"].design),
            "map-wc",
            1,
            "procs.A.vmas[0].vmflags",
        ),
        (_of("7.3", design=RELEASES["6.12"].design), "map-wc", 1, "procs.A.vmas[0].ctx"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_model_disagrees(model: Release, trace: str, step: int | None, field: str) -> None:
    """Recordings tell a model with one rule changed from the right one."""
    found = disagreements(model)
    assert trace in found
    assert field == found[trace][1]
    assert step in (None, found[trace][0])


def test_wrong_by_release() -> None:
    """Each release's recordings contradict the model of every other release."""
    for name in ALL:
        for other in ALL:
            agrees = all(
                replay(load_trace(path), RELEASES[other]).agrees
                for path in trace_files(TRACES / name)
            )
            assert (name == other) == agrees, (name, other)


def test_end_match_cannot_be_told_in_7_3() -> None:
    """A known blind spot: contexts always release what they reserved.

    No recording of 7.3 can show whether the tree would also shrink an entry.
    """
    assert {} == disagreements(_pat("7.3", end_match=True))


# Bad input.


def test_missing_directory(tmp_path: Path) -> None:
    """A path that leads nowhere is one line that names it."""
    with pytest.raises(InputFormatError) as caught:
        conform(tmp_path / "nowhere")
    assert f"{tmp_path}/nowhere: expected a directory of traces" == str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    """A file that cannot be read says why."""
    with pytest.raises(InputFormatError) as caught:
        load_trace(tmp_path / "gone.json")
    assert f"{tmp_path}/gone.json: No such file or directory: expected a trace" == str(caught.value)


def test_empty_directory(tmp_path: Path) -> None:
    """No trace is not the same as agreement."""
    (tmp_path / "notes.txt").write_text("no trace", encoding="utf-8")
    with pytest.raises(InputFormatError, match="no trace in it"):
        conform(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"\xff\xfe",
        b'{"schema": "pfntrack.run/1"}',
        b'{"format": 2}',
        b'{"format": true}',
        b"[" * 100_000,
    ],
)
def test_files_of_other_kinds_are_named_and_passed_over(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What lies beside traces does not stop them, is told, and is no agreement by itself."""
    sample = TRACES / "6.12" / "zap-twice.json"
    (tmp_path / "other.json").write_bytes(content)
    with pytest.raises(InputFormatError, match="no trace in it"):
        conform(tmp_path)
    with pytest.raises(InputFormatError, match=r"other\.json: "):
        conform(tmp_path / "other.json")
    (tmp_path / "zap.json").write_bytes(sample.read_bytes())
    assert main(["conform", "--traces", str(tmp_path), "--json"]) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    jsonschema.validate(document, schema("conformance"))
    (why,) = document["passed_over"]
    assert why.startswith(f"{tmp_path}/other.json: ")
    assert printed.err == f"pfntrack: passed over: {why}\n"
    assert document["kernels"]["6.12"]["scenarios_agree"] == 1


def test_a_damaged_trace_is_an_error(tmp_path: Path) -> None:
    """A file that claims to be a trace and is not whole is not passed over in silence."""
    trace = json.loads((TRACES / "6.12" / "zap-twice.json").read_text(encoding="utf-8"))
    del trace["steps"][1]["result"]
    (tmp_path / "damaged.json").write_text(json.dumps(trace), encoding="utf-8")
    (tmp_path / "whole.json").write_bytes((TRACES / "6.12" / "fail-split.json").read_bytes())
    with pytest.raises(InputFormatError, match=r"damaged\.json: .*steps\[1\]"):
        conform(tmp_path)


def test_series_that_no_trace_is_of() -> None:
    """Asking for a kernel that was not recorded is not agreement either."""
    with pytest.raises(InputFormatError, match=r"no trace of kernel 4\.19$"):
        conform(TRACES, "4.19")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1, column 1: expected JSON"),
        (b"{", "line 1, column 2: expected JSON"),
        (b'{"format": 1,\n "kernel": }', "line 2, column 12: expected JSON"),
        (b"\xff\xfe", "byte 0: expected UTF-8 text"),
        (b"[" * 200_000, "nested more than 64 deep: expected less"),
        (b"[]", "file: expected an object"),
        (b"3", "file: expected an object"),
        (b"{}", "format: expected a value, it is missing"),
        (b'{"format": 2}', "format: expected 1, found 2"),
        (b'{"format": "1"}', "format: expected a number"),
        (b'{"format": 1}', "kernel: expected a value, it is missing"),
    ],
)
def test_what_is_no_trace(tmp_path: Path, content: bytes, message: str) -> None:
    """One line names the file and the place, whatever the file holds."""
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputFormatError) as caught:
        conform(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


MISSING = object()
Way = tuple[str | int, ...]


def _broken(way: Way, value: object) -> Json:
    """A good trace with the field at `way` replaced or taken out."""
    data = recorded("7.3", "zap-first-fork")
    inner: Any = data
    for key in way[:-1]:
        inner = inner[key]
    if value is MISSING:
        del inner[way[-1]]
    else:
        inner[way[-1]] = value
    return data


@pytest.mark.parametrize(
    ("way", "value", "message"),
    [
        (("kernel",), MISSING, "kernel: expected a value"),
        (("kernel", "series"), MISSING, "kernel.series: expected a value"),
        (("kernel", "series"), 7, "kernel.series: expected a string"),
        (("kernel",), "7.3", "kernel: expected an object"),
        (("scenario", "name"), None, "scenario.name: expected a string"),
        (("machine",), [], "machine: expected an object"),
        (("machine", "bars"), MISSING, "machine.bars: expected a value"),
        (("machine", "bars"), [], "machine.bars: expected an object"),
        (("machine", "bars", "H"), 5, "machine.bars.H: expected an object"),
        (("machine", "bars", "H", "base"), "0", "machine.bars.H.base: expected a number"),
        (("machine", "bars", "H", "base"), True, "machine.bars.H.base: expected a number"),
        (("machine", "bars", "L", "pages"), MISSING, "machine.bars.L.pages: expected a value"),
        (("baseline",), {}, "baseline: expected an array"),
        (("baseline", 3), [1], "baseline[3]: expected [bar, first, end, type]"),
        (("baseline", 0), "x", "baseline[0]: expected [bar, first, end, type]"),
        (("steps",), None, "steps: expected an array"),
        (("steps", 2), 5, "steps[2]: expected an object"),
        (("steps", 1, "op"), MISSING, "steps[1].op: expected a value"),
        (("steps", 1, "op"), "mmap", "steps[1].op: expected an object"),
        (("steps", 1, "op", "op"), 5, "steps[1].op.op: expected a string"),
        (("steps", 1, "op", "at"), MISSING, "steps[1]: op.at: expected a value"),
        (("steps", 1, "op", "at"), "x", "steps[1].op.at: expected a number"),
        (("steps", 1, "op", "at"), None, "steps[1].op.at: expected a number"),
        (("steps", 0, "op", "cache"), "fast", "steps[0].op.cache: expected one of WB, WC"),
        (("steps", 2, "op", "off"), "pfn:H", "steps[2]: op: off: expected a page number"),
        (("steps", 1, "result"), [], "steps[1].result: expected an object"),
        (("steps", 1, "result", "ret"), "0", "steps[1].result.ret: expected a number"),
        (("steps", 1, "memtype"), {}, "steps[1].memtype: expected an array"),
        (("steps", 1, "procs"), [], "steps[1].procs: expected an object"),
        (("steps", 1, "events"), MISSING, "steps[1].events: expected a value"),
        (("end",), MISSING, "end: expected a value"),
        (("end",), [], "end: expected an object"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_bad_fields(tmp_path: Path, way: Way, value: object, message: str) -> None:
    """One line names the file, the field and what was expected there."""
    with pytest.raises(InputFormatError) as caught:
        check(tmp_path, _broken(way, value))
    assert str(caught.value).startswith(f"{tmp_path}/trace.json: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("machine", "qemu"), None),
        (("machine", "bars", "H", "bdf"), None),
        (("machine", "bars", "H", "flags"), "many"),
        (("baseline", 0, 0), "zz"),
        (("baseline", 0, 2), "fast"),
        (("steps", 0, "op", "p"), None),
        (("steps", 0, "op", "p"), []),
        (("steps", 0, "op", "bar"), 3),
        (("steps", 0, "memtype"), [1]),
        (("steps", 0, "procs"), {"A": 1}),
        (("steps", 0, "procs", "A", "vmas"), "none"),
        (("steps", 0, "events"), [1]),
        (("steps", 0, "calls"), None),
        (("steps", 0, "calls"), "none"),
        (("steps", 0, "dmesg"), None),
        (("steps", 0, "dmesg"), [1]),
        (("steps", 1, "op", "prot"), "readable"),
        (("steps", 1, "op", "prot"), None),
        (("steps", 1, "procs", "A", "vmas", 0, "ctx"), None),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else str(value),
)
def test_bad_fields_deep_inside(tmp_path: Path, way: Way, value: object) -> None:
    """Fields that are only looked at while replaying deserve a line, too."""
    with pytest.raises(InputFormatError) as caught:
        check(tmp_path, _broken(way, value))
    assert str(caught.value).startswith(f"{tmp_path}/trace.json: ")


def test_model_errors_are_no_format_errors() -> None:
    """An impossible program and a malformed file are told apart."""
    assert not issubclass(ModelError, InputFormatError)
    assert not issubclass(InputFormatError, ModelError)
