"""What an observer sees of each step of a run, and where runs of one scenario differ.

Text, JSON and page all show this one comparison. It is judged on the published
JSON, so that runs saved at different times, or of the model and of a real kernel,
can be put side by side.

A fact has a text for people and a key. Keys leave out what differs between
machines and means nothing: numbers and names of tasks, where a window lies, what
`debugpat` adds to the log. Where a real kernel takes part, they also leave out what a
recording does not have (a WARN's exact place, entries without access, reservations of
boot that went) and where its RAM lies.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from pfntrack.mm.ops import Result
from pfntrack.pat.cachemode import BY_CATTR
from pfntrack.pat.events import Added, Freed, Overlap
from pfntrack.pat.ram import PAGE_SHIFT

Json = dict[str, Any]

# Lines that a kernel prints only if booted with `debugpat`.
DEBUGPAT = (Added, Freed, Overlap)
FIELDS = ("result", "reservations", "mappings", "entries", "tracking", "log")
PROPERTIES = "properties"
# Told, but not compared: what it speaks of is in the entries.
NOTES = "notes"
_DEBUG = frozenset(cls.kind for cls in DEBUGPAT)
_RESULT = ("ret", "err", "signal", "value", "to", "fired")
_TASK = re.compile(r"(?<![\w.])(?:lab)?([A-Z]\w{0,15})(?::\d+| \(\d+\)|(?=, )|$)")
_NUMBER = re.compile(r"pid: \d+")
_MEM = re.compile(r"\[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\]")
_BARE = re.compile(r"(?<![\w-])([0-9a-f]{6,16})-([0-9a-f]{6,16})(?![\w-])")


@attrs.frozen(slots=True)
class Fact:
    """One thing seen: its field, how it reads, and what it is compared by."""

    field: str
    text: str
    key: str


@attrs.frozen(slots=True)
class Comparison:
    """Runs side by side.

    `groups` has for each step the number of the group of equals that each run is in,
    `differs` the fields in which the groups differ; `fields` are those compared.
    """

    fields: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]
    differs: tuple[tuple[str, ...], ...]

    @property
    def first(self) -> int | None:
        """Number of the first step after which an observer can tell the runs apart."""
        return next((at for at, names in enumerate(self.differs, 1) if names), None)

    def as_json(self) -> Json:
        """The part of a comparison document that says what was compared, and where it differs."""
        return {
            "first_difference": self.first,
            "compared": list(self.fields),
            "steps": [
                {"groups": list(groups), "differs": list(names)}
                for groups, names in zip(self.groups, self.differs, strict=True)
            ],
        }


def compared(runs: Sequence[Json]) -> Comparison:
    """All steps of runs of one scenario; a run that ends early differs from there on."""
    mixed = any(source(run) != "model" for run in runs)
    fields = FIELDS if mixed else (*FIELDS, PROPERTIES)
    groups, differs = [], []
    for at in range(max(len(run["steps"]) for run in runs)):
        views = [_keys(run, at, mixed=mixed) for run in runs]
        if mixed and any(view["value"] == "null" for view in views):
            views = [view | {"value": ""} for view in views]
        whole = [json.dumps(view, sort_keys=True) for view in views]
        order = list(dict.fromkeys(whole))
        groups.append(tuple(order.index(one) for one in whole))
        names = [name for name in views[0] if len({json.dumps(view[name]) for view in views}) > 1]
        differs.append(tuple(dict.fromkeys("result" if n == "value" else n for n in names)))
    return Comparison(fields, tuple(groups), tuple(differs))


def _keys(run: Json, at: int, *, mixed: bool) -> Json:
    """The keys of a step by field."""
    view: Json = {name: [] for name in (FIELDS if mixed else (*FIELDS, PROPERTIES))}
    view["value"] = "null"
    if at >= len(run["steps"]):
        return dict.fromkeys(view, "the run ends before")
    view["value"] = json.dumps(run["steps"][at]["result"]["value"])
    for fact in facts(run, at, mixed=mixed):
        if fact.field in view:
            view[fact.field].append(fact.key)
    return view


def facts(run: Json, at: int, *, mixed: bool = False) -> Iterator[Fact]:
    """What is seen after step `at`, counted from 0, in the order in which it is told."""
    step = run["steps"][at]
    state, result = step["state"], Result(**{key: step["result"][key] for key in _RESULT})
    word = result_word(result)
    yield Fact("result", word, word if result.value is None else "ok")
    for text in _added(run["start"], state):
        yield Fact("reservations", text, text)
    for text in () if mixed else _gone(run["start"], state):
        yield Fact("reservations", text, text)
    vmas = [(p["name"], vma) for p in state["processes"] for vma in p["vmas"]]
    for name, vma in vmas:
        for entry in vma["entries"]:
            if mixed and not entry["accessible"]:
                continue
            text = f"{name}{_entry(entry)}"
            yield Fact("entries", text, text)
    for name, vma in vmas:
        if vma["tracked"]:
            text = f"{name}[{vma['start']},{vma['end']})"
            yield Fact("tracking", text, text)
    for text in _mappings(state):
        yield Fact("mappings", text, text)
    names = {p["name"] for each in run["steps"] for p in each["state"]["processes"]}
    for event in step["events"]:
        if event["kind"] not in _DEBUG and event["text"]:
            yield Fact("log", event["text"], _neutral(event, names, run["start"], mixed=mixed))
    for each in step["broken"]:
        if each.get("new"):
            where = place(state, each["start"], each["end"])
            key = json.dumps([each["property"], where])
            yield Fact(PROPERTIES, f"BROKEN {each['property']}: {where}{each['reason']}", key)
    for each in step.get("notes", ()):
        text = place(state, each["start"], each["end"]) + each["text"]
        yield Fact(NOTES, f"note: {text}", text)


def result_word(result: Result) -> str:
    """`ok`, an errno name, a signal, and what else the result carries."""
    if result.signal:
        return "never returns" if result.signal == "HANG" else f"SIG{result.signal}"
    if result.ret < 0:
        return result.err
    if result.value is not None:
        return f"ok, loads {result.value:#x}"
    if result.fired is not None:
        return f"ok, struck {result.fired} times"
    return "ok"


def source(run: Json) -> str:
    """`model` or `kernel`; older documents show it by what they do not know."""
    if "source" in run:
        return str(run["source"])
    known = run["start"]["confidence"]
    return "kernel" if known.get("kernel_mappings") == "unknown" else "model"


def place(state: Json, start: int, end: int) -> str:
    """A range of bytes by window if possible, with a colon; nothing for an empty one."""
    if start == end:
        return ""
    for window in state["windows"]:
        if window["start"] <= start and end <= window["end"]:
            first, last = start - window["start"], end - window["start"]
            return f"{window['name']}[{first >> PAGE_SHIFT},{last >> PAGE_SHIFT}): "
    return f"pfns [{start >> PAGE_SHIFT:#x},{end >> PAGE_SHIFT:#x}): "


def held(reservation: Json) -> str:
    """A reservation by its window if it has one: two machines put a window at different places."""
    where = _place(reservation["place"])
    where = where or f"[{reservation['start']:#x},{reservation['end']:#x})"
    return f"{where} {BY_CATTR[reservation['type']].short}"


def _added(start: Json, state: Json) -> Iterator[str]:
    """All reservations that were not there at boot, whoever made them, in list order."""
    boot = Counter(map(held, start["reservations"]))
    for text in map(held, state["reservations"]):
        if boot[text]:
            boot[text] -= 1
        else:
            yield text


def _gone(start: Json, state: Json) -> Iterator[str]:
    """Reservations that were there at boot and are not any more."""
    left = Counter(map(held, start["reservations"])) - Counter(map(held, state["reservations"]))
    yield from (f"{text} of boot is gone" for text in left.elements())


def _place(where: Json | None) -> str:
    return "" if where is None else f"{where['window']}[{where['first']},{where['end']})"


def _entry(entry: Json) -> str:
    target = "copied"
    if entry["pfn"] is not None:
        target = _place(entry["place"]) or f"pfn {entry['pfn']:#x}"
    marks = ("" if entry["write"] else " read-only") + (" huge" if entry["huge"] else "")
    hidden = "" if entry["accessible"] else " (PROT_NONE)"
    kind = BY_CATTR[entry["type"]].short
    return f"[{entry['start']},{entry['end']}) -> {target} {kind}{marks}{hidden}"


def _mappings(state: Json) -> Iterator[str]:
    """VMAs with permissions; alike neighbours of ordinary memory as one, since whether the
    kernel has merged them depends on what is not modelled.
    """
    for process in state["processes"]:
        joined: list[list[Any]] = []
        for vma in process["vmas"]:
            ordinary = not vma["file"] and "pf" not in vma["flags"].split()
            last = joined[-1] if joined else None
            if ordinary and last and last[1:] == [vma["start"], vma["permissions"], ordinary]:
                last[1] = vma["end"]
                continue
            joined.append([vma["start"], vma["end"], vma["permissions"], ordinary])
        for first, end, permissions, _ in joined:
            yield f"{process['name']}[{first},{end}) {permissions}"


def _neutral(event: Json, names: set[str], start: Json, *, mixed: bool) -> str:
    """A line of the log without tasks' numbers, and with windows in place of addresses."""
    if event["kind"] == "warn" and mixed:
        return "WARNING"
    text = _NUMBER.sub("pid: N", event["text"])
    text = _TASK.sub(lambda m: f"task {m[1]}" if m[1] in names else m[0], text)

    def inclusive(found: re.Match[str]) -> str:
        first, end = int(found[1], 16), int(found[2], 16) + 1
        return _range(start, first, end) or (f"{end - first} bytes" if mixed else found[0])

    def half_open(found: re.Match[str]) -> str:
        first, end = int(found[1], 16), int(found[2], 16)
        return _range(start, first, end) or (f"{end - first} bytes" if mixed else found[0])

    return _BARE.sub(half_open, _MEM.sub(inclusive, text))


def _range(start: Json, first: int, end: int) -> str:
    for window in start["windows"]:
        if window["start"] <= first < end <= window["end"]:
            return f"{window['name']}[{first - window['start']:#x},{end - window['start']:#x})"
    return ""
