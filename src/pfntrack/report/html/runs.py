"""Runs as the page shows them: steps, sides, axes, and parts that are stored once.

A case is one scenario with one or more sides (releases, designs, a real
kernel). Pages are numbers of 4 KiB pages, ranges half-open, types short.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pfntrack.mm.ops import Result
from pfntrack.pat.cachemode import BY_CATTR
from pfntrack.pat.ram import PAGE_SHIFT, PAGE_SIZE
from pfntrack.report.html.axis import Range, axis
from pfntrack.report.runs.facts import DEBUGPAT, compared, place, result_word, source

Json = dict[str, Any]

# What a state is made of; each part is stored once however many states share it.
PARTS = ("reservations", "processes", "contexts", "kernel_mappings", "claims", "ram_types")
_DEBUG = frozenset(cls.kind for cls in DEBUGPAT)
_RESULT = ("ret", "err", "signal", "value", "to", "fired")


class Pool:
    """Values by number; equal values have one number."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[str, int] = {}

    def number(self, value: Any) -> int:
        """The number of `value`, which is stored if it is new."""
        key = json.dumps(value)
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]


def case(runs: Sequence[Json], pool: Pool, judged: Json | None = None, name: str = "") -> Json:
    """One scenario and its runs; `judged` is the document that has compared them.

    Without one, or if it is an older one, they are compared here. `name` tells the
    case from others of the page.
    """
    scenario = runs[0]["scenario"]
    longest = max(runs, key=lambda run: len(run["steps"]))
    if judged is None or len(judged.get("steps", ())) != len(longest["steps"]):
        judged = compared(runs).as_json()
    groups = [step["groups"] for step in judged["steps"]]
    differs = [step["differs"] for step in judged["steps"]]
    sides = [_side(run, pool) for run in runs]
    return {
        "name": name or scenario["name"],
        "scenario": scenario["name"],
        "about": scenario["about"],
        "tags": scenario["tags"],
        "text": scenario.get("text"),
        "properties": longest["properties"],
        "steps": [{"line": step["line"], "text": step["text"]} for step in longest["steps"]],
        "groups": groups,
        "differs": differs,
        "first": judged["first_difference"],
        "compared": judged["compared"],
        "sides": sides,
        "windows": [_window(window) for window in runs[0]["start"]["windows"]],
        "physical": _physical(runs),
        "virtual": _cells(axis(_virtual(runs))),
    }


def _side(run: Json, pool: Pool) -> Json:
    end = run["end"]
    return {
        "release": _release(run),
        "note": run.get("note", ""),
        "design": run["design"],
        "source": source(run),
        "broken": run["broken"],
        "start": _state(run["start"], pool),
        "steps": [_step(step, pool) for step in run["steps"]],
        "end": {
            "state": _state(end["state"], pool),
            "broken": [_violation(leak | {"new": True}) for leak in end["leaks"]],
            "claims": end["expectations"],
        },
    }


def _release(run: Json) -> str:
    asked = run.get("asked", run["release"])
    return str(asked if asked == run["release"] else f"{asked}, modelled as {run['release']}")


def _step(step: Json, pool: Pool) -> Json:
    result = step["result"]
    return {
        "result": result_word(Result(**{key: result[key] for key in _RESULT})),
        "failed": bool(result["signal"] or result["ret"] < 0),
        "log": [_line(event) for event in step["events"]],
        "calls": [_call(call) for call in step["calls"]],
        "why": list(dict.fromkeys(f"{n['function']}(): {n['rule']}" for n in step["why"])),
        "broken": [_violation(each) for each in step["broken"]],
        "notes": [_note(step, each) for each in step.get("notes", ())],
        "claims": step["expectations"],
        "state": _state(step["state"], pool),
        **({"parts": [_part(each) for each in step["parts"]]} if "parts" in step else {}),
        **({"sides": step["sides"]} if "sides" in step else {}),
    }


def _part(part: Json) -> Json:
    """One part of one of two calls; 0 is the left one."""
    number = {"left": 0, "right": 1}
    return {
        **part,
        "call": number[part["call"]],
        "held": [{"call": number[each["call"]], "lock": each["lock"]} for each in part["held"]],
    }


def _note(step: Json, note: Json) -> str:
    return place(step["state"], note["start"], note["end"]) + str(note["text"])


def _line(event: Json) -> Json:
    text = event["text"]
    if text is None:
        chain = event.get("chain")
        text = f"WARNING: {' <- '.join(map(str, chain))}" if chain else event["kind"]
    return {"text": text, "level": event["level"], "debug": event["kind"] in _DEBUG}


def _call(call: Json) -> str:
    fields = [f"{key} {_value(value)}" for key, value in call.items() if key not in ("function",)]
    return f"{call['function']}({', '.join(fields)})"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(_value(each) for each in value)})"
    if isinstance(value, dict):
        return ":".join(str(each) for each in value.values())
    if isinstance(value, int) and value >= PAGE_SIZE:
        return hex(value)
    return str(value)


def _violation(broken: Json) -> Json:
    start, end = _pages(broken)
    return {
        "property": broken["property"],
        "start": start,
        "end": end,
        "reason": broken["reason"],
        "new": broken.get("new", False),
    }


def _pages(span: Mapping[str, int]) -> Range:
    """The pages that a range of bytes touches."""
    return span["start"] >> PAGE_SHIFT, -(-span["end"] >> PAGE_SHIFT)


def _window(window: Json) -> Json:
    start, end = _pages(window)
    return {"name": window["name"], "start": start, "end": end}


def _state(state: Json, pool: Pool) -> list[int]:
    parts: dict[str, list[Json]] = {
        "reservations": [_typed(held) for held in state["reservations"]],
        "processes": [
            {"name": p["name"], "pid": p["pid"], "vmas": [_vma(vma) for vma in p["vmas"]]}
            for p in state["processes"]
        ],
        "contexts": [_typed(c) | {"id": c["id"], "refs": c["refs"]} for c in state["contexts"]],
        "kernel_mappings": [
            _typed(m) | {"owner": m["owner"], "mapped": m["mapped"]}
            for m in state["kernel_mappings"]
        ],
        "claims": [_typed(claim) | {"owner": claim["owner"]} for claim in state["claims"]],
        "ram_types": [_typed(ram) for ram in state["ram_types"]],
    }
    return [pool.number(parts[part]) for part in PARTS]


def _typed(span: Json) -> Json:
    start, end = _pages(span)
    made: Json = {"start": start, "end": end}
    if "type" in span:
        made["type"] = BY_CATTR[span["type"]].short
    return made


def _vma(vma: Json) -> Json:
    return {
        "start": vma["start"],
        "end": vma["end"],
        "perm": vma["permissions"],
        "flags": vma["flags"],
        "file": vma["file"],
        "tracked": vma["tracked"],
        "context": vma["context"],
        "prot": BY_CATTR[vma["prot"]].short,
        "entries": [
            {
                "start": entry["start"],
                "end": entry["end"],
                "pfn": entry["pfn"],
                "type": BY_CATTR[entry["type"]].short,
                "write": entry["write"],
                "huge": entry["huge"],
                "hidden": not entry["accessible"],
            }
            for entry in vma["entries"]
        ],
    }


def _states(run: Json) -> list[Json]:
    return [run["start"], *(step["state"] for step in run["steps"]), run["end"]["state"]]


def _vmas(runs: Iterable[Json]) -> Iterator[Json]:
    for run in runs:
        for state in _states(run):
            for process in state["processes"]:
                yield from process["vmas"]


def _virtual(runs: Sequence[Json]) -> Iterator[Range]:
    for vma in _vmas(runs):
        yield vma["start"], vma["end"]
        for entry in vma["entries"]:
            yield entry["start"], entry["end"]


def _physical(runs: Sequence[Json]) -> Json:
    """Two axes: of what takes part in the story, and of everything."""
    active = set(_mapped(runs))
    still: set[Range] = set()
    for run in runs:
        counts = [_items(state) for state in _states(run)]
        always = counts[0]
        for count in counts[1:]:
            always = always & count
        for count in counts:
            active.update(_pages_of(key) for key in count - always)
        still.update(_pages_of(key) for key in always)
    part = axis(active)
    quiet = {span for span in still if not any(_meets(span, island) for island in part)}
    return {
        "active": _cells(axis(active | (still - quiet))),
        "all": _cells(axis(active | still)),
        "quiet": len(quiet),
    }


def _meets(span: Range, island: Sequence[Any]) -> bool:
    return bool(span[0] < island[-1].end and island[0].start < span[1])


def _mapped(runs: Sequence[Json]) -> Iterator[Range]:
    """What is mapped, or held by a context, or where something broke."""
    for vma in _vmas(runs):
        for entry in vma["entries"]:
            if entry["pfn"] is not None:
                yield entry["pfn"], entry["pfn"] + entry["end"] - entry["start"]
    for run in runs:
        for state in _states(run):
            yield from map(_pages, state["contexts"])
        for step in run["steps"]:
            yield from map(_pages, step["broken"])
        yield from map(_pages, run["end"]["leaks"])


_Key = tuple[str, int, int, str]


def _items(state: Json) -> Counter[_Key]:
    """Reservations, the kernel's mappings, claims and RAM types, with duplicates."""
    return Counter(
        (part, *_pages(item), str(item.get("type") or item.get("owner")))
        for part in ("reservations", "kernel_mappings", "claims", "ram_types")
        for item in state[part]
    )


def _pages_of(key: _Key) -> Range:
    return key[1], key[2]


def _cells(islands: Sequence[Sequence[Any]]) -> list[list[list[float]]]:
    return [[[c.start, c.end, round(c.weight, 2)] for c in island] for island in islands]
