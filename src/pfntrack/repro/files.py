"""Which files and windows a scenario uses, and in-tree files in place of the driver's."""

from __future__ import annotations

from collections import defaultdict

import attrs

from pfntrack.check.run import Run, run_scenario
from pfntrack.mm import ops
from pfntrack.pat.cachemode import CacheMode
from pfntrack.releases import Release
from pfntrack.scenario import MachineSpec, Scenario, Step

_KERNEL = (
    ops.Remap,
    ops.Ioremap,
    ops.Request,
    ops.Release,
    ops.WcReserve,
    ops.WcFree,
)


def used_pages(scenario: Scenario) -> dict[str, int]:
    """How many pages of each window the program reaches, by the window's name."""
    reach: dict[str, int] = defaultdict(lambda: 1)
    windows: dict[tuple[str, int], str] = {}
    for step in scenario.steps:
        match step.op:
            case ops.Open(p=p, fd=fd, window=window):
                windows[p, fd] = window
                if window:
                    reach[window] = max(reach[window], 1)
            case ops.VfioOpen(p=p, fds=fds, window=window):
                windows[p, fds[2]] = window
                reach[window] = max(reach[window], 1)
            case ops.Fork(p=p, child=child):
                windows |= {(child, fd): w for (name, fd), w in windows.items() if name == p}
            case ops.Mmap(p=p, fd=fd, off=off, pages=pages, window=window):
                name = window or windows.get((p, fd), "")
                if name:
                    reach[name] = max(reach[name], off + pages)
            case ops.RamAlloc(id=name, pages=pages):
                reach[f"ram{name}"] = pages
            case ops.InsertPfn(window=window, off=off):
                reach[window] = max(reach[window], off + 1)
            case ops.DriverBind(window=window) | ops.DriverUnbind(window=window):
                reach[window] = max(reach[window], 1)
            case _ if isinstance(step.op, _KERNEL):
                reach[step.op.window] = max(reach[step.op.window], step.op.off + step.op.pages)
    return dict(reach)


def in_tree(scenario: Scenario, releases: tuple[Release, ...]) -> Scenario:
    """The scenario with sysfs files in place of the parametric driver, if that is the same.

    It is when the model says so: every step has the same result, reservations
    and violations under all of `releases`.
    """
    changed = attrs.evolve(
        scenario,
        steps=tuple(
            attrs.evolve(step, op=_sysfs(step, scenario.machine)) for step in scenario.steps
        ),
    )
    if changed == scenario or _asks_the_driver(changed):
        return scenario
    return changed if _alike(scenario, changed, releases) else scenario


def pin_failures(scenario: Scenario, releases: tuple[Release, ...]) -> Scenario:
    """The scenario with failures in fork tied to the mapping at which they strike.

    A real process has more mappings than those of the scenario, and fork comes
    to them first: the first call is not that of the model. A failure that is
    tied to a mapping is the same if the model says so under all of `releases`.
    """
    for number, step in enumerate(scenario.steps):
        if not isinstance(step.op, ops.Fail) or step.op.vma_at is not None:
            continue
        later = next((s.op for s in scenario.steps[number + 1 :] if _by(s.op) == step.op.p), None)
        if not isinstance(later, ops.Fork):
            continue
        before = attrs.evolve(scenario, steps=scenario.steps[:number], final=())
        for start in _mappings(run_scenario(before, releases[0]), step.op.p):
            op = attrs.evolve(step.op, nth=1, vma_at=start)
            steps = (*scenario.steps[:number], Step(op), *scenario.steps[number + 1 :])
            changed = attrs.evolve(scenario, steps=steps)
            if _alike(scenario, changed, releases):
                scenario = changed
                break
    return scenario


def _by(op: ops.Op) -> str:
    return str(getattr(op, "p", ""))


def _mappings(run: Run, name: str) -> list[int]:
    """Where the mappings of a process begin."""
    state = run.steps[-1].state if run.steps else run.start
    return [v.start for p in state.processes if p.name == name for v in p.vmas]


def _alike(one: Scenario, other: Scenario, releases: tuple[Release, ...]) -> bool:
    """Do two programs do the same, step by step?"""
    return all(_shown(run_scenario(one, r)) == _shown(run_scenario(other, r)) for r in releases)


def _sysfs(step: Step, machine: MachineSpec) -> ops.Op:
    op = step.op
    if not isinstance(op, ops.Open) or op.target != "driver" or op.mode != "remap":
        return op
    window = machine.window(op.window)
    if op.first or op.pages or window is None or not window.bdf:
        return op
    wc = op.cache is CacheMode.WC
    if op.cache not in (CacheMode.WC, CacheMode.UC_MINUS) or (wc and not window.prefetchable):
        return op
    return ops.Open(op.p, op.fd, "sysfs", op.window, wc=wc, readonly=op.readonly)


def _asks_the_driver(scenario: Scenario) -> bool:
    """Does anything still need the module, so that nothing would be won?"""
    return any(
        isinstance(step.op, ops.Zap | ops.ZapVma | ops.Remap | ops.InsertPfn)
        or (isinstance(step.op, ops.Open) and step.op.target == "driver")
        for step in scenario.steps
    )


def _shown(run: Run) -> list[object]:
    return [
        (step.result, step.state.reservations, step.state.contexts, step.broken)
        for step in run.steps
    ]
