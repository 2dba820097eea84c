"""Questions of the page and their answers, as JSON; a server or a browser may ask them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import Any

from pfntrack.check.run import run_scenario
from pfntrack.designs import DESIGNS
from pfntrack.errors import InputFormatError, PfntrackError
from pfntrack.releases import HISTORIC, RELEASES, Release, release_or_design
from pfntrack.report.html import document_of, page
from pfntrack.report.runs.json_run import comparison_json
from pfntrack.scenario import Scenario, find, format_scenario, library, parse
from pfntrack.stepper.offers import offers

Json = dict[str, Any]

# Nobody types more; the answers are pictures of every step.
MAX_TEXT = 1 << 18
MAX_STEPS = 200
MAX_SIDES = 6
_PLACE = re.compile(r"^.*?:(\d+):(\d+): (.*)$", re.DOTALL)
_LINE = re.compile(r"^.*?: line (\d+): (.*)$", re.DOTALL)


def answer(question: Any) -> Json:
    """The answer to one question; what is wrong with it is an answer as well.

    An error has a message, and the line and column of the scenario (from 1) where known.
    """
    try:
        if not isinstance(question, dict) or question.get("do") not in _ANSWERS:
            raise InputFormatError(f"a question does one of {', '.join(_ANSWERS)}")
        return _ANSWERS[question["do"]](question)
    except PfntrackError as error:
        return {"error": _complaint(str(error))}


def _complaint(text: str) -> Json:
    if found := _PLACE.match(text):
        return {"message": found[3], "line": int(found[1]), "column": int(found[2])}
    if found := _LINE.match(text):
        return {"message": found[2], "line": int(found[1]), "column": 1}
    return {"message": text, "line": None, "column": None}


def _text(question: Mapping[str, Any], field: str = "text") -> str:
    text = question.get(field)
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise InputFormatError(f"{field}: expected a text of at most {MAX_TEXT >> 10} KiB")
    return text


def _scenario(question: Mapping[str, Any]) -> Scenario:
    scenario = parse(_text(question), "scenario")
    if len(scenario.steps) > MAX_STEPS:
        line = scenario.steps[MAX_STEPS].line
        raise InputFormatError(f"scenario:{line}:1: more than {MAX_STEPS} steps")
    return scenario


def _releases(question: Mapping[str, Any]) -> list[Release]:
    names = question.get("with")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputFormatError("with: expected a list of releases and designs")
    if not 0 < len(names) <= MAX_SIDES:
        raise InputFormatError(f"with: expected 1 to {MAX_SIDES} releases or designs")
    return [release_or_design(name) for name in names]


def _options(_question: Mapping[str, Any]) -> Json:
    return {
        "releases": list(RELEASES),
        "historic": list(HISTORIC),
        "designs": list(DESIGNS),
        "scenarios": list(library()),
    }


def _library(question: Mapping[str, Any]) -> Json:
    """The text of a scenario of the library."""
    name = _text(question, "name")
    if name not in library():
        raise InputFormatError(f"no scenario {name!r} in the library")
    return {"text": format_scenario(find(name))}


def _show(question: Mapping[str, Any]) -> Json:
    scenario = _scenario(question)
    releases = _releases(question)
    runs = [run_scenario(scenario, release) for release in releases]
    body = [comparison_json(runs)]
    return {
        "name": scenario.name,
        "steps": [{"line": step.line, "text": step.text} for step in runs[0].steps],
        "verdicts": [
            {"name": name, "broken": sorted(run.broken)}
            for name, run in zip(question["with"], runs, strict=True)
        ],
        "page": page(document_of("comparison", body, scenario.name)),
    }


def _offers(question: Mapping[str, Any]) -> Json:
    names, releases = question.get("with"), _releases(question)
    made = offers(_scenario(question), releases)
    return {
        "offers": [
            {
                "text": offer.text,
                "effects": [
                    {"name": name, "result": effect.result, "breaks": list(effect.breaks)}
                    for name, effect in zip(names or (), offer.effects, strict=True)
                ],
            }
            for offer in made
        ]
    }


def _repro(question: Mapping[str, Any]) -> Json:
    from pfntrack.repro.plan import plan  # noqa: PLC0415 - only when it is asked for
    from pfntrack.repro.source import source  # noqa: PLC0415

    repro = plan(_scenario(question), _releases(question)[0])
    stem = _stem(repro.scenario)
    return {"file": f"{stem}.c", "text": source(repro, stem)}


def _mail(question: Mapping[str, Any]) -> Json:
    from pfntrack.repro.mail import mail  # noqa: PLC0415
    from pfntrack.repro.plan import plan  # noqa: PLC0415

    repro = plan(_scenario(question), _releases(question)[0])
    return {
        "file": f"{_stem(repro.scenario)}.txt",
        "text": mail(repro, f"{_stem(repro.scenario)}.c", []),
    }


def _stem(scenario: Scenario) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", scenario.name).strip("-") or "scenario"


def _triage(question: Mapping[str, Any]) -> Json:
    from pfntrack.field.read.context import Context  # noqa: PLC0415
    from pfntrack.field.report_json import as_json  # noqa: PLC0415
    from pfntrack.field.triage import triage  # noqa: PLC0415

    raw = io.BytesIO(_text(question).encode("utf-8", "backslashreplace"))
    result = triage(raw, Context(), name="the pasted log")
    return {"page": page(document_of("triage", as_json(result), result.name))}


_ANSWERS: Mapping[str, Callable[[Mapping[str, Any]], Json]] = {
    "options": _options,
    "library": _library,
    "show": _show,
    "offers": _offers,
    "repro": _repro,
    "mail": _mail,
    "triage": _triage,
}
