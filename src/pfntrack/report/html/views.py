"""What a page shows, by kind of document: head, tables, and the data of its pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pfntrack.report.html.documents import Document
from pfntrack.report.html.runs import Pool, case

Json = dict[str, Any]


def view(document: Document) -> Json:
    """The values that the template and the scripts use.

    `data` is what the scripts get; everything else is for the template.
    """
    made = _VIEWS[document.kind](document.body, document.name)
    made.setdefault("about", "")
    for part in ("check", "conformance", "audit"):
        made.setdefault(part, None)
    made["kind"] = document.kind
    made["data"] = {"kind": document.kind, **made.get("data", {})}
    made["cases"] = made["data"].get("cases", [])
    made["pool"] = made["data"].get("pool", [])
    return made


def _run(body: Json, _name: str) -> Json:
    return _explorer([(("", None), [body])], body["scenario"]["name"])


def _comparison(body: list[Json], _name: str) -> Json:
    cases = [((one["scenario"], one.get("first_difference")), one["runs"]) for one in body]
    title = body[0]["scenario"] if len(body) == 1 else f"{len(body)} scenarios compared"
    return _explorer(cases, title)


def _explorer(cases: list[tuple[tuple[str, int | None], list[Json]]], title: str) -> Json:
    pool = Pool()
    made = [case(runs, pool, first, name) for (name, first), runs in cases]
    return {"title": title, "data": {"cases": made, "pool": pool.values}}


_VIEWS: dict[str, Callable[[Any, str], Json]] = {"run": _run, "comparison": _comparison}
