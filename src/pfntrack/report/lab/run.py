"""A recorded trace as a run, so that a kernel is reported like the model.

Properties are judged on the model only, because they need to know who owns
what; of a kernel the run has the leak that is left at the end, and whether the
claims of the scenario hold.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from pfntrack.check.judged.properties import Violation
from pfntrack.check.run import Run, StepRun, run_scenario
from pfntrack.lab.play.programs import Plan
from pfntrack.mm.ops import Result
from pfntrack.pat import events as ev
from pfntrack.pat.cachemode import BY_CATTR, BY_SHORT, CacheMode
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases import Release
from pfntrack.report.runs.text import run_text
from pfntrack.scenario import format_op
from pfntrack.scenario.evaluate import judge, judge_end
from pfntrack.scenario.seen import reservations, seen
from pfntrack.state import (
    Confidence,
    Context,
    Entry,
    Place,
    Process,
    Reservation,
    State,
    VmaState,
    WindowState,
)

Json = Mapping[str, Any]
_UNKNOWN = ("kernel_mappings", "claims", "ram_types")
_DEBUG = re.compile(
    r"x86/PAT: (?:memtype_reserve (added)|memtype_free (request)) \[mem (0x\w+)-(0x\w+)\]"
    r"(?:, track ([\w-]+), req ([\w-]+), ret ([\w-]+))?"
)
_OVERLAP = re.compile(r"x86/PAT: Overlap at (0x\w+)-(0x\w+)")


@attrs.frozen(slots=True)
class Windows:
    """The windows of a trace's machine."""

    items: tuple[WindowState, ...]

    def start(self, name: str) -> int:
        """Where a window begins; memory of a program has no fixed place."""
        return next((w.start for w in self.items if w.name == name), 0)

    def place(self, start: int, end: int) -> Place | None:
        """A byte range by its window's name."""
        for window in self.items:
            if window.start <= start and end <= window.end:
                first, last = start - window.start, end - window.start
                return Place(window.name, first >> PAGE_SHIFT, last >> PAGE_SHIFT)
        return None


def _windows(trace: Json) -> Windows:
    bars = trace["machine"]["bars"]
    return Windows(
        tuple(
            WindowState(name, bar["base"], bar["base"] + (bar["pages"] << PAGE_SHIFT))
            for name, bar in bars.items()
        )
    )


def _reservation(windows: Windows, entry: Sequence[Any]) -> Reservation:
    if len(entry) == 4:
        base = windows.start(entry[0])
        start, end = base + (entry[1] << PAGE_SHIFT), base + (entry[2] << PAGE_SHIFT)
    else:
        start, end = int(entry[0], 0), int(entry[1], 0)
    return Reservation(start, end, BY_SHORT[entry[-1]], windows.place(start, end))


def _entry(windows: Windows, run: Json) -> Entry:
    at, pages, to = run["at"], run["n"], run["to"]
    pfn, where = None, None
    if isinstance(to, list):
        base = 0 if to[0] == "phys" else windows.start(to[0]) >> PAGE_SHIFT
        pfn = base + to[1]
        where = None if to[0] == "phys" else Place(to[0], to[1], to[1] + pages)
    kind = BY_SHORT[run["cache"]]
    return Entry(at, at + pages, pfn, kind, bool(run["w"]), bool(run.get("huge")), place=where)


def _vma(windows: Windows, vma: Json) -> VmaState:
    off = vma["off"]
    pgoff = (windows.start(off[1]) >> PAGE_SHIFT) + off[2] if isinstance(off, list) else off
    return VmaState(
        vma["at"],
        vma["at"] + vma["pages"],
        vma["perm"],
        vma["vmflags"],
        pgoff,
        vma["file"],
        vma["tracked"],
        vma.get("ctx", {}).get("id"),
        BY_SHORT.get(vma.get("prot_cache", ""), CacheMode.WB),
        tuple(_entry(windows, run) for run in vma.get("ptes", ())),
    )


def _contexts(windows: Windows, procs: Json) -> tuple[Context, ...]:
    found = {}
    for process in procs.values():
        for vma in process["vmas"]:
            if ctx := vma.get("ctx"):
                pfn = ctx["pfn"]
                if isinstance(pfn, list):
                    pfn = (windows.start(pfn[0]) >> PAGE_SHIFT) + pfn[1]
                start, end = pfn << PAGE_SHIFT, (pfn + ctx["pages"]) << PAGE_SHIFT
                place = windows.place(start, end)
                found[ctx["id"]] = Context(ctx["id"], start, end, ctx["refs"], place)
    return tuple(found[number] for number in sorted(found))


def state_of(
    trace: Json, memtype: Sequence[Any], procs: Json, model: str, missing: Sequence[Any] = ()
) -> State:
    """What a step shows, as a state of the schema; `missing` are entries of boot that went."""
    windows = _windows(trace)
    boot = list(trace["baseline"])
    for entry in missing:
        if entry in boot:
            boot.remove(entry)
    held = [_reservation(windows, entry) for entry in (*boot, *memtype)]
    return State(
        kernel=str(trace["kernel"]["release"]),
        tracking_model=model,
        pat=None if "nopat" in trace["kernel"]["append"].split() else "full",
        windows=windows.items,
        reservations=tuple(sorted(held, key=lambda each: each.start)),
        processes=tuple(
            Process(name, 0, tuple(_vma(windows, vma) for vma in process["vmas"]))
            for name, process in procs.items()
        ),
        contexts=_contexts(windows, procs),
        confidence=dict.fromkeys(_UNKNOWN, Confidence.UNKNOWN),
    )


def _events(step: Json) -> tuple[ev.Event, ...]:
    """The step's lines; those of ``debugpat`` as such, a warning as one."""
    found: list[ev.Event] = []
    inside = False
    warnings = iter([each for each in step["events"] if each["ev"] == "warn"])
    for line in step["dmesg"]:
        if "[ cut here ]" in line:
            inside = True
            if warning := next(warnings, None):
                stack = (warning["func"], *warning["stack"])
                found.append(ev.Warn(warning["file"], tuple(dict.fromkeys(stack))))
        elif inside:
            inside = "end trace" not in line
        else:
            found.append(_line(line))
    return tuple(found)


def _line(line: str) -> ev.Event:
    if match := _DEBUG.search(line):
        start, end = int(match[3], 16), int(match[4], 16) + 1
        if match[1]:
            granted = BY_CATTR.get(match[7])
            return ev.Added(start, end, BY_CATTR[match[5]], BY_CATTR[match[6]], granted)
        return ev.Freed(start, end)
    if match := _OVERLAP.search(line):
        return ev.Overlap(int(match[1], 16), int(match[2], 16))
    return ev.Log(line)


def _result(shown: Json) -> Result:
    to = shown.get("to")
    return Result(
        shown["ret"],
        shown.get("err", ""),
        shown.get("signal", ""),
        shown.get("value"),
        to if isinstance(to, int) else None,
        shown.get("fired"),
    )


def run_of(plan: Plan, trace: Json, release: Release) -> Run:
    """A trace as a run; ``release`` says which claims of the scenario apply."""
    design = release.design.name
    before = state_of(trace, (), {}, design)
    steps: list[StepRun] = []
    for number, (planned, step) in enumerate(
        zip(plan.scenario.steps, trace["steps"], strict=False), 1
    ):
        missing = step.get("baseline_missing", ())
        state = state_of(trace, step["memtype"], step["procs"], design, missing)
        result, events = _result(step["result"]), _events(step)
        sight = seen(before, state, result, events)
        claims = [
            verdict
            for verdict in judge(planned.expects, sight, release.name, design)
            if type(verdict.expect).__name__ not in ("ExpectProperty", "ExpectLog")
        ]
        text = format_op(planned.op, plan.scenario.machine)
        line, op = planned.line, planned.op
        steps.append(StepRun(number, line, op, text, result, events, state, (), (), tuple(claims)))
    gone = trace["steps"][-1].get("baseline_missing", ()) if trace["steps"] else ()
    leaked = state_of(trace, trace["end"]["leaked"], {}, design, gone)
    why = "reserved, and every process is gone"
    leaks = tuple(
        Violation("I1", each.start >> PAGE_SHIFT, each.end >> PAGE_SHIFT, why)
        for each in _unheld(before, leaked, run_scenario(plan.scenario, release).leaked)
    )
    shown = attrs.evolve(release, name=str(trace["kernel"]["release"]), asked="", why="")
    run = Run(plan.scenario, shown, before, tuple(steps), leaked, leaks)
    held = reservations(before, leaked)
    final = [
        verdict
        for verdict in judge_end(plan.scenario.final, held, frozenset(), release.name, design)
        if type(verdict.expect).__name__ != "ExpectProperty"
    ]
    return attrs.evolve(run, verdicts=tuple(final))


def _unheld(before: State, left: State, model: State) -> list[Reservation]:
    """What is left beyond boot, less one entry for each mapping that kernel code still holds.

    A recording does not show who holds an entry, so the model says what the kernel's
    own code has mapped or reserved by then and will give back.
    """
    known = Windows(model.windows)
    ours = Counter((each.start, each.end, each.type) for each in before.reservations)
    kept = Counter((known.place(m.start, m.end), m.type) for m in model.kernel_mappings)
    # Entries of boot are known as such already.
    kept -= Counter((each.place, each.type) for each in before.reservations)
    found = []
    for each in left.reservations:
        key = each.start, each.end, each.type
        if ours[key]:
            ours[key] -= 1
        elif each.place is not None and kept[each.place, each.type]:
            kept[each.place, each.type] -= 1
        else:
            found.append(each)
    return found


def observed_text(run: Run) -> str:
    """The run as text; it says where a model run would say more."""
    text = run_text(run)
    quiet = "nothing stays reserved (the other properties are judged on the model)"
    return text.replace("no property broke", quiet)
