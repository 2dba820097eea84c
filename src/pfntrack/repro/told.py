"""What a program and a mail say about a reproducer, in words."""

from __future__ import annotations

import textwrap

import attrs

from pfntrack.check.judged.asked import ASKED, LAW
from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.run import Run, StepRun
from pfntrack.releases import HISTORIC, RELEASES
from pfntrack.repro.checks import Check, place_of
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
            if ASKED in self.repro.properties:
                found += [f"step {step.number}: {ASKED} ({LAW}): {w}" for w in self._got(step)]
        return list(dict.fromkeys(found))

    def converted(self) -> list[str]:
        """What got another type than it asked for, where the checks do not say so."""
        if ASKED in self.repro.properties:
            return []
        steps = self.repro.bad.steps
        return [f"step {step.number}: {words}" for step in steps for words in self._got(step)]

    def _got(self, step: StepRun) -> list[str]:
        return [
            f"{f'{place}: ' if place else ''}{each.text}"
            for each in step.converted
            for place in [place_of(self.repro.bad, each.first, each.end)]
        ]

    def affected(self) -> str:
        """On which kernels the program fails, as the model computes it."""
        recorded = [
            name for release, _ in self.repro.verdicts if (name := release.name) in RELEASES
        ]
        others = [
            name for release, _ in self.repro.verdicts if (name := release.name) not in RELEASES
        ]
        passes = [name for name in recorded if not self.repro.failing(name)]
        older = self._failing(others)
        text = (
            f"Fails on {self._failing(recorded)}; passes on {', '.join(passes) or 'none'} "
            f"(of those known from their source only, fails on {older}): computed by the "
            "model, for each of these kernels, from these steps."
        )
        if self.repro.innocent:
            where = ", ".join(self.repro.innocent)
            text += f" That it fails on {where} is no fault there: the steps do something else."
        return text

    def _failing(self, names: list[str]) -> str:
        """Those that fail, with the tests if these are not all."""
        found = []
        for name in names:
            failing = self.repro.failing(name)
            if failing == self.repro.checks:
                found.append(name)
            elif failing:
                found.append(f"{name} ({self._tests(failing)})")
        return ", ".join(found) or "none"

    def _tests(self, checks: tuple[Check, ...]) -> str:
        numbers = [str(n) for n, check in enumerate(self.repro.checks, 1) if check in checks]
        return f"test{'' if len(numbers) == 1 else 's'} {', '.join(numbers)}"

    def newest(self) -> str:
        """What is to be said if the newest release shows it as well."""
        failing = self.repro.failing(NEWEST)
        if not failing or self.repro.release.name == NEWEST:
            return ""
        verb = "fails" if len(failing) == 1 else "fail"
        return f"Known on {NEWEST}: {self._tests(failing)} {verb} there, too."

    def command(self) -> str:
        """How the program was made."""
        name = self.repro.release.name
        option = "--release" if name in RELEASES or name in HISTORIC else "--design"
        return f"pfntrack repro {option} {name}"

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
