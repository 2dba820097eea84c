"""Reproducers and their trials as lines of text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pfntrack.releases import RELEASES
from pfntrack.repro.plan import Reproducer
from pfntrack.repro.source import needs_module
from pfntrack.repro.told import Told
from pfntrack.repro.trial import BAIL, FAIL, PASS, Trial

SCHEMA = "pfntrack.repro/1"
_MEANING = {FAIL: "shows it", PASS: "does not show it"}


def trial_lines(
    tried: Sequence[Trial], asked: Mapping[str, Reproducer], *, whole: bool
) -> Iterator[str]:
    """One line per program and kernel; with `whole`, what the programs printed before it.

    First what the programs, by name, ask for and do not get.
    What a program printed is also shown where it did not do what the model says.
    """
    for name, repro in asked.items():
        for sentence in Told(repro).converted():
            yield f"{name}: note: {sentence}"
    for trial in tried:
        strange = trial.as_predicted is False or trial.status not in _MEANING
        if whole or strange:
            yield f"# {trial.name} on {trial.release}"
            yield from trial.output.splitlines()
        yield _line(trial)
        if whole or strange:
            yield ""


def _line(trial: Trial) -> str:
    said = f" ({trial.why.splitlines()[0]})" if trial.why else ""
    text = f"{trial.kernel}: {trial.name}: {trial.status.upper()}{said}"
    if trial.status in _MEANING:
        text += f", {_MEANING[trial.status]}"
    if trial.failed:
        text += f" in test {', '.join(map(str, trial.failed))}"
    if trial.as_predicted:
        text += "; as the model says"
    elif trial.as_predicted is False:
        numbers = ", ".join(map(str, trial.predicted or ())) or "no test"
        text += f"; BUT the model says: {numbers} fails"
    elif trial.status == BAIL:
        text += "; nothing shown"
    return text


def repro_json(
    programs: Sequence[tuple[str, Reproducer, str]], tried: Sequence[Trial]
) -> dict[str, Any]:
    """The JSON form; `pfntrack schema repro` prints its schema."""
    return {
        "schema": SCHEMA,
        "programs": [
            {
                "name": name,
                "scenario": repro.scenario.name,
                "release": repro.release.name,
                "asked": repro.release.asked or repro.release.name,
                "note": repro.release.note,
                "expected_from": repro.good.release.name,
                "properties": list(repro.properties),
                "notes": Told(repro).converted(),
                "not_checked": [*repro.open_too, *repro.unseen],
                "needs_module": needs_module(repro),
                "tests": [
                    {
                        "number": number,
                        "step": check.step,
                        "property": check.law,
                        "claim": check.claim,
                        "fails_on": [r for r in RELEASES if check in repro.failing(r)],
                    }
                    for number, check in enumerate(repro.checks, 1)
                ],
                "source": text,
                "trials": [_trial_json(trial) for trial in tried if trial.name == name],
            }
            for name, repro, text in programs
        ],
    }


def _trial_json(trial: Trial) -> dict[str, Any]:
    return {
        "kernel": trial.kernel,
        "release": trial.release,
        "status": trial.status,
        "failed": list(trial.failed),
        "predicted": None if trial.predicted is None else list(trial.predicted),
        "why": trial.why,
        "output": trial.output,
    }
