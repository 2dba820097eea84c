"""Conformance reports as text."""

from __future__ import annotations

from collections.abc import Sequence

from pfntrack.traces.conform import LIMITS, KernelReport, StepReport


def conformance_text(reports: Sequence[KernelReport]) -> str:
    """One line per kernel, then disagreements, then what could not be compared."""
    lines = [report.note for report in reports if report.note]
    for report in reports:
        agree = sum(scenario.agrees for scenario in report.scenarios)
        steps = sum(step.agrees for step in report.steps)
        lines.append(
            f"{report.series} (modelled as {report.release}): "
            f"{agree} of {len(report.scenarios)} scenarios and "
            f"{steps} of {len(report.steps)} steps agree"
        )
    for report in reports:
        for scenario in report.scenarios:
            for step in scenario.steps:
                if step.differences:
                    lines += ["", f"{report.series} {scenario.name}, step {step.number}: {step.op}"]
                    lines += _differences(step)
    refused = [
        f"  {report.series} {scenario.name}, step {step.number}: {step.op}: {step.not_comparable}"
        for report in reports
        for scenario in report.scenarios
        for step in scenario.steps
        if step.not_comparable
    ]
    lines += ["", "Not comparable (counted as disagreeing):", *(refused or ["  nothing"])]
    passed = sum(bool(step.limit) for report in reports for step in report.steps)
    lines += ["", "Not shown by recordings, by their nature:", *(f"  {limit}" for limit in LIMITS)]
    if passed:
        lines.append(f"  ({passed} steps after a kernel BUG)")
    return "\n".join(lines) + "\n"


def _differences(step: StepReport) -> list[str]:
    first = step.differences[0]
    lines = [f"  {first.field}", f"    model     {first.model}", f"    recorded  {first.recorded}"]
    if more := [difference.field for difference in step.differences[1:]]:
        lines.append(f"  also differing: {', '.join(more)}")
    return lines
