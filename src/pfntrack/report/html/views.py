"""What a page shows, by kind of document: head, tables, and the data of its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.report.html.documents import Document
from pfntrack.report.html.machine import machine
from pfntrack.report.html.runs import Pool, case
from pfntrack.report.html.verdict import again, verdict
from pfntrack.scenario import library

Json = dict[str, Any]


def view(document: Document) -> Json:
    """The values that the template and the scripts use.

    `data` is what the scripts get; everything else is for the template.
    """
    made = _VIEWS[document.kind](document.body, document.name)
    for part in ("about", "verdict", "again", "broken"):
        made.setdefault(part, "")
    for part in ("check", "conformance", "audit", "triage"):
        made.setdefault(part, None)
    made["kind"] = document.kind
    made["data"] = {"kind": document.kind, **made.get("data", {})}
    made["cases"] = made["data"].get("cases", [])
    made["pool"] = made["data"].get("pool", [])
    return made


def _run(body: Json, _name: str) -> Json:
    return _explorer([("", None, [body])], body["scenario"]["name"])


def _comparison(body: list[Json], _name: str) -> Json:
    cases = [(one["scenario"], one, one["runs"]) for one in body]
    title = body[0]["scenario"] if len(body) == 1 else f"{len(body)} scenarios compared"
    return _explorer(cases, title)


def _explorer(cases: Sequence[tuple[str, Json | None, list[Json]]], title: str) -> Json:
    pool = Pool()
    made = [case(runs, pool, judged, name) for name, judged, runs in cases]
    about = " ".join([*_notes([run for *_, runs in cases for run in runs]), *_compared(made)])
    view: Json = {"title": title, "about": about, "data": {"cases": made, "pool": pool.values}}
    if len(cases) == 1:
        runs = cases[0][2]
        view["verdict"] = verdict(runs)
        view["broken"] = any(run["broken"] or run["end"]["leaks"] for run in runs)
        view["again"] = again(runs, library())
    return view


def _notes(runs: Sequence[Json]) -> list[str]:
    """Kernels that were asked for and are not those that were modelled, each once."""
    return list(dict.fromkeys(f"{run['note']}." for run in runs if run.get("note")))


def _compared(cases: Sequence[Json]) -> list[str]:
    """What the sides were compared in."""
    fields = dict.fromkeys(", ".join(each["compared"]) for each in cases if len(each["sides"]) > 1)
    return [f"Compared: {names}." for names in fields]


def _check(body: Json, _name: str) -> Json:
    pool = Pool()
    runs = body.get("runs", {})
    names = list(runs)
    made = [case([run], pool, name=f"breaks {name}") for name, run in runs.items()]
    for name, each in zip(names, made, strict=True):
        each["property"] = name
    properties = [
        {
            "name": name,
            "text": (runs[names[0]]["properties"] if names else PROPERTIES).get(name, ""),
            "after": found["broken_after"],
            "exact": found.get("exact", True),
            "file": found["counterexample"],
            "case": names.index(name) + 1 if name in runs else None,
        }
        for name, found in body["properties"].items()
    ]
    broken = sum(each["after"] is not None for each in properties)
    reach = "holds within these bounds"
    if not body["complete"]:
        reach = f"not broken by the {body['states']:,} states seen so far"
    return {
        "title": f"Check of {body['release']} ({body['design']})",
        "about": " ".join(
            [f"{broken} of {len(properties)} properties break within the bounds.", *_notes([body])]
        ),
        "check": body | {"rows": properties, "reach": reach},
        "data": {"cases": made, "pool": pool.values},
    }


def _conformance(body: Json, _name: str) -> Json:
    pool = Pool()
    made: list[Json] = []
    numbers: dict[tuple[str, str], int] = {}
    for kernel, report in body["kernels"].items():
        for one in report.get("comparisons", []):
            numbers[kernel, one["scenario"]] = len(made) + 1
            name = f"{one['scenario']} on {kernel}"
            made.append(case(one["runs"], pool, one, name))
    for kernel, report in body["kernels"].items():
        for each in report["disagreements"]:
            each["case"] = numbers.get((kernel, each["scenario"]))
    agree = sum(report["steps_agree"] for report in body["kernels"].values())
    steps = sum(report["steps"] for report in body["kernels"].values())
    return {
        "title": "The model against " + ", ".join(body["kernels"]),
        "about": f"{agree:,} of {steps:,} steps agree in every field.",
        "conformance": body,
        "data": {"cases": made, "pool": pool.values},
    }


def _audit(body: Json, _name: str) -> Json:
    made = machine(body)
    title = f"Audit of {body['input']['name'].rstrip('/').rpartition('/')[2]}"
    return {"title": title, "data": {"map": made.pop("data")}, "audit": made}


def _triage(body: Json, _name: str) -> Json:
    name = body["input"]["name"].rpartition("/")[2]
    kernel = body["kernel"]["release"] if body["kernel"] else "not known"
    about = f"{body['verdict']}; kernel release: {kernel}"
    return {"title": f"Triage of {name}", "about": about, "triage": body}


_VIEWS: dict[str, Callable[[Any, str], Json]] = {
    "run": _run,
    "comparison": _comparison,
    "check": _check,
    "conformance": _conformance,
    "audit": _audit,
    "triage": _triage,
}
