"""Verdicts as text, KTAP, JUnit and JSON."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pfntrack.lab.play.conform import Verdict, kernel_report
from pfntrack.releases import Release
from pfntrack.report.runs.json_run import conformance_json
from pfntrack.report.runs.text import notes

_RULE = "the model does not know it"
Results = Mapping[str, tuple[Release, Sequence[Verdict]]]
"""By the kernel's name: the release that modelled it, and how the scenarios came out."""


def _ordered(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return sorted(verdicts, key=lambda each: each.name)


def reason(verdict: Verdict) -> list[str]:
    """Why a verdict is not agreement, in lines."""
    if verdict.lost:
        return verdict.lost.splitlines()
    first = verdict.first
    if first is None:
        return []
    lines = [f"step {first.number + 1}: {first.op}"]
    if first.not_comparable:
        return [*lines, f"  {_RULE}: {first.not_comparable}"]
    difference = first.differences[0]
    lines += [
        f"  {difference.field}",
        f"    model   {difference.model}",
        f"    kernel  {difference.recorded}",
    ]
    if more := [each.field for each in first.differences[1:]]:
        lines.append(f"  also differing: {', '.join(more)}")
    others = ", ".join(verdict.explained) or "no other release or design"
    return [*lines, f"  up to here the kernel does what these do: {others}"]


def summary(name: str, release: Release, verdicts: Sequence[Verdict]) -> str:
    """One line per kernel."""
    played = [each for each in verdicts if each.report is not None]
    steps = [step for each in played if each.report for step in each.report.steps]
    agree = sum(each.agrees for each in played)
    text = (
        f"{name} (modelled as {release.name}): {agree} of {len(played)} scenarios and "
        f"{sum(step.agrees for step in steps)} of {len(steps)} steps agree"
    )
    skipped = sum(bool(each.skipped) for each in verdicts)
    lost = sum(bool(each.lost) for each in verdicts)
    text += f"; {skipped} skipped" if skipped else ""
    return text + (f"; {lost} lost" if lost else "")


def text(results: Results) -> str:
    """What differs, what was skipped, and the sums."""
    lines: list[str] = []
    for name, (_, verdicts) in results.items():
        for each in _ordered(verdicts):
            if why := reason(each):
                lines += [f"{name} {each.name}, {why[0]}", *why[1:], ""]
    skipped = {
        each.name: each.skipped
        for _, verdicts in results.values()
        for each in _ordered(verdicts)
        if each.skipped
    }
    if skipped:
        lines += ["Skipped, because no guest can play them:"]
        lines += [f"  {name}: {why}" for name, why in skipped.items()] + [""]
    lines += notes(release for release, _ in results.values())
    lines += [summary(name, *found) for name, found in results.items()]
    return "\n".join(lines) + "\n"


def ktap(results: Results) -> str:
    """KTAP version 1, one subtest per kernel."""
    lines = ["KTAP version 1", f"1..{len(results)}"]
    for number, (name, (_, verdicts)) in enumerate(results.items(), 1):
        lines += ["  KTAP version 1", f"  # Subtest: {name}", f"  1..{len(verdicts)}"]
        failed = False
        for test, each in enumerate(_ordered(verdicts), 1):
            failed |= not each.agrees and not each.skipped
            lines += [f"  {line}" for line in _ktap_case(test, each)]
        lines.append(f"{'not ok' if failed else 'ok'} {number} {name}")
    return "\n".join(lines) + "\n"


def _ktap_case(number: int, verdict: Verdict) -> Iterator[str]:
    if verdict.skipped:
        yield f"ok {number} {verdict.name} # SKIP {verdict.skipped}"
        return
    for line in reason(verdict):
        yield f"# {line}"
    yield f"{'ok' if verdict.agrees else 'not ok'} {number} {verdict.name}"


def junit(results: Results) -> str:
    """JUnit's XML, one suite per kernel."""
    root = ElementTree.Element("testsuites", name="pfntrack lab conform")
    for name, (_, verdicts) in results.items():
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=name,
            tests=str(len(verdicts)),
            failures=str(sum(each.first is not None for each in verdicts)),
            errors=str(sum(bool(each.lost) for each in verdicts)),
            skipped=str(sum(bool(each.skipped) for each in verdicts)),
        )
        for each in _ordered(verdicts):
            case = ElementTree.SubElement(suite, "testcase", classname=name, name=each.name)
            if each.skipped:
                ElementTree.SubElement(case, "skipped", message=each.skipped)
            elif why := reason(each):
                kind = "error" if each.lost else "failure"
                ElementTree.SubElement(case, kind, message=why[0]).text = "\n".join(why)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def as_json(results: Results) -> dict[str, Any]:
    """The schema of conformance with recorded traces, and what only a live kernel has."""
    reports = [kernel_report(name, *found) for name, found in results.items()]
    document = conformance_json(reports)
    for name, (_, verdicts) in results.items():
        document["kernels"][name] |= {
            "skipped": {each.name: each.skipped for each in _ordered(verdicts) if each.skipped},
            "lost": {each.name: each.lost for each in _ordered(verdicts) if each.lost},
            "explained_by": {
                each.name: list(each.explained) for each in _ordered(verdicts) if each.first
            },
        }
    return document
