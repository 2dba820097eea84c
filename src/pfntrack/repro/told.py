"""What a program and a mail say about a reproducer, in words."""

from __future__ import annotations

import textwrap

import attrs

from pfntrack.check.properties import PROPERTIES
from pfntrack.check.run import Run, StepRun
from pfntrack.releases import RELEASES
from pfntrack.repro.checks import place_of
from pfntrack.repro.files import used_pages
from pfntrack.repro.plan import NEWEST, Reproducer
from pfntrack.scenario.evaluate import result_word
from pfntrack.scenario.seen import reservations, seen
from pfntrack.scenario.text import format_said

WIDTH = 68


@attrs.frozen
class Told:
    """The sentences about one reproducer."""

    repro: Reproducer

    def violations(self) -> list[str]:
        """What breaks, and where."""
        found = []
        for step in self.repro.bad.steps:
            for each in step.fresh:
                if each.property not in self.repro.properties:
                    continue
                place = place_of(self.repro.bad, each.first, each.end) if each.end else None
                where = f"{place}: " if place else ""
                law = PROPERTIES[each.property].partition(":")[0]
                found.append(f"step {step.number}: {each.property} ({law}): {where}{each.reason}")
        return list(dict.fromkeys(found))

    def affected(self) -> str:
        """On which kernels the program fails, as the model computes it."""
        verdicts = self.repro.verdicts
        fails = {release.name for release, checks in verdicts if checks}
        recorded = [name for name in RELEASES if name in fails]
        others = [release.name for release, _ in verdicts if release.name not in RELEASES]
        passes = [name for name in RELEASES if name not in fails]
        text = f"Fails on {', '.join(recorded) or 'none'}; passes on {', '.join(passes) or 'none'}"
        older = [name for name in others if name in fails]
        if others:
            text += (
                f" (of those known from their source only, fails on {', '.join(older) or 'none'})"
            )
        return text + ": computed by the model, for each of these kernels, from these steps."

    def newest(self) -> str:
        """What is to be said if the newest release shows it as well."""
        failing = self.repro.failing(NEWEST)
        if not failing:
            return ""
        numbers = [str(n) for n, c in enumerate(self.repro.checks, 1) if c in failing]
        which = (
            f"test {numbers[0]} fails" if len(numbers) == 1 else f"tests {', '.join(numbers)} fail"
        )
        return f"Known on {NEWEST}: {which} there, too."

    def windows(self) -> list[str]:
        """Where the windows are, and how to name others."""
        lines = []
        machine = self.repro.scenario.machine
        for name, pages in used_pages(self.repro.scenario).items():
            window = machine.window(name)
            many = f"{pages} page{'' if pages == 1 else 's'}"
            if window is None:
                lines.append(f"{name}: {many} of RAM that the module allocates.")
            elif not window.bdf:
                lines.append(f"{name}: {many} of physical memory at {window.start:#x}.")
            else:
                kind = "prefetchable, " if window.prefetchable else ""
                lines.append(f"{name}: BAR {window.bar} of {window.bdf} ({kind}at least {many});")
                lines.append(f"   another BAR: {name}=DEVICE:BAR as an argument.")
        return lines

    def expected(self, step: StepRun, good: StepRun) -> list[list[str]]:
        """The state after a step where all is well, and what the affected kernel shows."""
        ours, theirs = self._seen(self.repro.good, good), self._seen(self.repro.bad, step)
        lines = [_entry("Expected:", ours)]
        if theirs != ours:
            lines.append(_entry(f"{self.repro.release.name}:", theirs))
        return lines

    def _seen(self, run: Run, step: StepRun) -> str:
        held = [
            f"{window}[{first},{end}) {kind.short}"
            for window, first, end, kind in reservations(run.start, step.state)
        ]
        log = seen(run.start, step.state, step.result, step.events).log
        parts = [result_word(step.result), f"reserved {', '.join(held) or 'nothing'}"]
        if log:
            parts.append(f"log: {', '.join(map(format_said, log))}")
        return "; ".join(parts)


def _entry(head: str, text: str) -> list[str]:
    text = text.replace("*/", "* /")
    return textwrap.wrap(
        f"{head:<10}{text}", WIDTH, subsequent_indent=" " * 10, drop_whitespace=True
    )
