"""Results of tests in the two formats that test runners read: KTAP and JUnit."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

import attrs


@attrs.frozen
class Case:
    """One test: it passed, it failed for a reason, or (`skipped`) it says nothing."""

    name: str
    passed: bool
    reason: tuple[str, ...] = ()
    skipped: str = ""


def ktap(cases: Sequence[Case]) -> str:
    """KTAP version 1; reasons are diagnostic lines before their test."""
    lines = ["KTAP version 1", f"1..{len(cases)}"]
    for number, case in enumerate(cases, 1):
        if case.skipped:
            lines.append(f"ok {number} {case.name} # SKIP {case.skipped}")
            continue
        lines += [f"# {line}" for line in case.reason]
        lines.append(f"{'ok' if case.passed else 'not ok'} {number} {case.name}")
    return "\n".join(lines) + "\n"


def junit(suite: str, cases: Sequence[Case]) -> str:
    """JUnit's XML with one suite."""
    root = ElementTree.Element("testsuites", name="pfntrack")
    found = ElementTree.SubElement(
        root,
        "testsuite",
        name=suite,
        tests=str(len(cases)),
        failures=str(sum(not case.passed and not case.skipped for case in cases)),
        errors="0",
        skipped=str(sum(bool(case.skipped) for case in cases)),
    )
    for case in cases:
        made = ElementTree.SubElement(found, "testcase", classname=suite, name=case.name)
        if case.skipped:
            ElementTree.SubElement(made, "skipped", message=case.skipped)
        elif not case.passed:
            failure = ElementTree.SubElement(
                made, "failure", message=case.reason[0] if case.reason else "failed"
            )
            failure.text = "\n".join(case.reason)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
