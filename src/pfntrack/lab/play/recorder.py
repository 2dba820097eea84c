"""Plays one program in a guest and collects what happened as a trace of format 1."""

from __future__ import annotations

import errno
import re
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from pfntrack.errors import GuestError, InputFormatError
from pfntrack.lab.guests.guest import Answer, Guest, Observation
from pfntrack.lab.observe.calls import parse_trace
from pfntrack.lab.observe.events import parse_log, parse_memtype_list
from pfntrack.lab.observe.regions import PAGE_SIZE, Region, Regions, arena_page
from pfntrack.lab.observe.state import ContextNames, parse_vmas
from pfntrack.lab.play.ops import GLOBAL_OPS, Op, Translator, needs_module

FORMAT = 1
HELPER = "Z"
"""A process for the driver's requests when every process of the scenario is gone."""

_NOISE = re.compile(r"hrtimer: interrupt took |tsc: |clocksource: |random: |perf: interrupt took ")
"""What a busy host makes a guest say; no part of any program."""

_ERRNO_NAMES = {errno.EOPNOTSUPP: "EOPNOTSUPP", errno.EAGAIN: "EAGAIN", errno.EDEADLK: "EDEADLK"}
_SIGNAL_NAMES = {-1: "HANG"}


def _error_name(number: int) -> str:
    if not number:
        return ""
    return _ERRNO_NAMES.get(number) or errno.errorcode.get(number, str(number))


def _signal_name(number: int) -> str:
    if number in _SIGNAL_NAMES:
        return _SIGNAL_NAMES[number]
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return str(number)


def needs_vfio(program: Mapping[str, Any]) -> bool:
    """True if the program wants the machine with an IOMMU."""
    return "vfio" in program.get("tags", ()) or any(
        step.get("op") in ("vfio_open", "vfio_memory") for step in program["steps"]
    )


def check_program(program: Any, where: str) -> dict[str, Any]:
    """A program read from JSON.

    Raises InputFormatError: it does not have the expected fields.
    """
    if not isinstance(program, dict) or not isinstance(program.get("name"), str):
        raise InputFormatError(f"{where}: expected an object with name and steps")
    steps = program.get("steps")
    if not isinstance(steps, list) or not all(isinstance(s, dict) and "op" in s for s in steps):
        raise InputFormatError(f"{where}: {program['name']}: steps must be a list of operations")
    return program


def program_of_trace(trace: Mapping[str, Any]) -> dict[str, Any]:
    """The program that a trace was recorded from."""
    ops = [step["op"] for step in trace["steps"] if not step["op"].get("auto")]
    return {**trace["scenario"], "steps": ops}


def _subtract(
    entries: list[list[str | int]], baseline: list[list[str | int]]
) -> tuple[list[list[str | int]], list[list[str | int]]]:
    """Entries that are not in the baseline, and baseline entries that are missing."""
    missing = list(baseline)
    rest = []
    for entry in entries:
        if entry in missing:
            missing.remove(entry)
        else:
            rest.append(entry)
    return rest, missing


class Recorder:
    """Plays one program and collects its trace.

    A step that takes the whole guest down is part of the trace: its result is
    the signal ``LOST``, its events are those of the console, and ``lost`` is
    set, because the guest has to be booted again.
    """

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._regions: Regions = guest.regions
        self._ops = Translator(guest.bars, guest.regions, guest.vfio_group)
        self._contexts = ContextNames()
        self._alive: list[str] = []
        self._steps: list[dict[str, Any]] = []
        self.lost = ""

    def record(self, program: Mapping[str, Any]) -> dict[str, Any]:
        """The trace of one program, played on the restored guest.

        Raises InputFormatError: the program asks for something this guest cannot do.
        """
        guest = self._guest
        steps: Sequence[Op] = program["steps"]
        for name, (pfn, pages) in program.get("places", {}).items():
            self._place(Region(name, pfn, pages))
        self._check(program["name"], steps)
        guest.restore()
        first = next((str(op["p"]) for op in steps if "p" in op), "A")
        guest.command(f"start {first}")
        self._alive.append(first)
        guest.observe()
        self._play(steps)
        left = self._steps[-1]["memtype"] if self._steps else []
        return {
            "format": FORMAT,
            "kernel": {
                "release": guest.release,
                "version": guest.version,
                "series": guest.files.series,
                "append": guest.append,
            },
            "machine": {
                "bars": {bar.window.name: bar.as_json() for bar in guest.bars}
                | {
                    name: {"base": pfn * PAGE_SIZE, "pages": pages}
                    for name, (pfn, pages) in program.get("places", {}).items()
                },
                "qemu": guest.machine_arguments,
            },
            "scenario": {
                "name": program["name"],
                "about": program.get("about", ""),
                "tags": program.get("tags", []),
            },
            "baseline": guest.baseline,
            "steps": self._steps,
            "end": {"leaked": left},
        }

    def _check(self, name: str, steps: Sequence[Op]) -> None:
        if self._guest.has_module:
            return
        for op in steps:
            if needs_module(op):
                raise InputFormatError(
                    f"{name}: {op['op']!r} needs the driver module, and this guest runs without it"
                )

    def _play(self, steps: Sequence[Op]) -> None:
        waiting = list(steps)
        while waiting or self._alive:
            op = waiting.pop(0) if waiting else self._last_exit()
            mark = self._guest.console_mark()
            try:
                self._step(op)
            except GuestError as error:
                self.lost = str(error)
                self._steps.append(self._lost_step(op, self._guest.console_since(mark)))
                return

    def _last_exit(self) -> Op:
        """The newest process that is still there goes."""
        return {"op": "exit", "p": self._alive[-1], "auto": True}

    def _lost_step(self, op: Op, console: list[str]) -> dict[str, Any]:
        reports = [e for e in parse_log(console, self._regions) if e["ev"] in ("warn", "oops")]
        return {
            "op": dict(op),
            "result": {"ret": -1, "err": "", "signal": "LOST"},
            "memtype": [],
            "procs": {},
            "events": reports,
            "calls": [],
            "dmesg": console,
        }

    def _step(self, op: Op) -> None:
        self._guest.clear_warn_once()
        answer = self._perform(op)
        result = self._result(op, answer)
        self._note_processes(op, answer)
        self._steps.append(self._seen(op, result, self._guest.observe()))

    def _perform(self, op: Op) -> Answer:
        default = self._alive[0] if self._alive else HELPER
        command = self._ops.command(op, default)
        if op["op"] in GLOBAL_OPS:
            return self._guest.command(command.lines[0])
        if command.process == HELPER and not self._alive:
            self._guest.command(f"start {HELPER}")
        answer = Answer(-1, errno.ESRCH, 0, 0)
        for line in command.lines:
            answer = self._guest.in_process(command.process, line)
            if answer.ret < 0:
                break
        return answer

    def _note_processes(self, op: Op, answer: Answer) -> None:
        name = op["op"]
        if answer.signal and str(op.get("p", "")) in self._alive and name not in ("read", "write"):
            # It hangs or died inside the kernel: nothing more can be asked of it.
            self._alive.remove(str(op["p"]))
        if name == "fork" and answer.ret >= 0:
            self._alive.append(str(op["child"]))
            self._ops.forked(str(op["p"]), str(op["child"]))
        elif name in ("exit", "kill") and str(op["p"]) in self._alive:
            self._alive.remove(str(op["p"]))
        elif name == "kernel" and op["what"] == "ramalloc" and answer.ret >= 0:
            self._place(Region(f"ram{op['id']}", answer.value, int(op["pages"])))

    def _place(self, region: Region) -> None:
        self._regions = self._regions.plus(region)
        self._ops.regions = self._regions

    def _result(self, op: Op, answer: Answer) -> dict[str, Any]:
        failed = answer.ret < 0
        result: dict[str, Any] = {"ret": -1 if failed else 0, "err": _error_name(answer.error)}
        if answer.signal:
            result["signal"] = _signal_name(answer.signal)
        elif op["op"] in ("read", "access") and not failed:
            result["value"] = answer.value
        elif op["op"] == "mremap" and not failed:
            page = arena_page(answer.value)
            result["to"] = hex(answer.value) if page is None else page
        elif op["op"] == "unfail" and not failed:
            result["fired"] = answer.value
        return result

    def _seen(self, op: Op, result: dict[str, Any], seen: Observation) -> dict[str, Any]:
        entries = parse_memtype_list(seen.memtype, self._regions)
        memtype, missing = _subtract(entries, self._guest.baseline)
        step: dict[str, Any] = {"op": dict(op), "result": result, "memtype": memtype}
        if missing:
            step["baseline_missing"] = missing
        step["procs"] = self._processes(seen)
        lines = [line for line in seen.log if not _NOISE.match(line)]
        step["events"] = parse_log(lines, self._regions)
        if self._guest.sees_calls:
            step["calls"] = parse_trace(seen.trace, self._regions)
        step["dmesg"] = lines
        return step

    def _processes(self, seen: Observation) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for name, process in sorted(seen.processes.items()):
            if name == HELPER:
                continue
            if process["stuck"]:
                shown[name] = {"vmas": [], "stuck": True}
                continue
            vmas = parse_vmas(process["smaps"], process["state"], self._regions, self._contexts)
            shown[name] = {"vmas": vmas}
        return shown
