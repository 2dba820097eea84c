"""A replay for people and for programs."""

from __future__ import annotations

from typing import Any

from pfntrack.check.judged.properties import PROPERTIES, Violation
from pfntrack.record.recover import Step
from pfntrack.record.replay import BLAMED, Replay, Told
from pfntrack.scenario import MachineSpec, format_op

_PAGE = 12
_LATER = 12


def text(result: Replay, *, every: bool = False) -> str:
    """What `pfntrack replay` prints; changes of the books by others only with `every`."""
    rows = _head(result)
    for told in result.told:
        rows += _step(told, every=every)
    if result.unexplained is not None:
        u = result.unexplained
        rows += [f"not explained: {_who(u.step)}: {u.step.said}"]
        rows += [f"  expected: {each}" for each in u.expected[:_LATER]]
        rows += [f"  seen:     {each}" for each in u.seen]
    rows += [f"fault: {fault}" for fault in result.faults[:_LATER]]
    if len(result.faults) > _LATER:
        rows.append(f"fault: and {len(result.faults) - _LATER} more")
    rows.append("")
    rows += [
        f"new in the reservation list at the end: [{e.start:#x},{e.end:#x}) {e.type}"
        for e in result.left
    ]
    rows += _verdict(result)
    return "\n".join(rows) + "\n"


def sentence(told: Told, release: str) -> str:
    """The step to blame, in one sentence."""
    worst = blamed(told)
    what = _shown(told)
    place = _bytes(worst)
    return (
        f"step {told.number} ({_who(told.step)}: {what}) broke {worst.property} on {release}:"
        f" {place}{worst.reason}"
    )


def _bytes(violation: Violation) -> str:
    """Where it is; a refusal is nowhere."""
    if violation.first == violation.end:
        return ""
    return f"[{violation.first << _PAGE:#x},{violation.end << _PAGE:#x}): "


def blamed(told: Told) -> Violation:
    """What a step is blamed for first."""
    rank = {name: at for at, name in enumerate(BLAMED)}
    return min(told.fresh, key=lambda each: rank.get(each.property, len(rank)))


def _head(result: Replay) -> list[str]:
    recording, recovered = result.recording, result.recovered
    rows = [f"{recording.name}: Linux {recording.release}, modelled as {result.release.name}"]
    if recording.command:
        rows.append(f"command: {recording.command}")
    rows += [f"{name} = pid {pid} {comm}" for name, (pid, comm) in recovered.processes.items()]
    rows += [
        f"{w.name} = [{w.start:#x},{w.end:#x}){f' of {w.bdf}' if w.bdf else ''}"
        for w in recovered.windows
    ]
    rows.append("")
    return rows


def _who(step: Step) -> str:
    return f"line {step.call.line}, pid {step.call.pid} {step.call.comm}"


def _shown(told: Told) -> str:
    machine = MachineSpec()
    texts = []
    for op in told.program:
        try:
            texts.append(format_op(op, machine))
        except TypeError:
            texts.append(type(op).__name__)
    return "; ".join(texts) or told.step.said


def _step(told: Told, *, every: bool) -> list[str]:
    step = told.step
    if step.kind == "other" and not every and not told.fresh:
        return []
    ret = step.call.ret
    failed = ret is not None and -4096 < ret < 0
    answer = "" if step.kind == "other" else f" ... {_errno_name(ret) if failed else 'ok'}"
    rows = [f"{told.number:4}. {_shown(told)}{answer}   [{step.said}; {_who(step)}]"]
    rows += [f"        {act.shown()} in {act.caller or '?'}" for act in step.acts]
    if step.kind != "other":
        rows += [f"        why: {reason}" for reason in told.why[:6]]
    if told.worlds > 1:
        rows.append(f"        {told.worlds} states explain what was seen so far")
    rows += [f"        BROKEN {each.property}: {_bytes(each)}{each.reason}" for each in told.fresh]
    return rows


def _errno_name(ret: int | None) -> str:
    import errno  # noqa: PLC0415 - only for failures

    return errno.errorcode.get(-(ret or 0), str(ret))


def _verdict(result: Replay) -> list[str]:
    explained = f"{len(result.told)} of {len(result.recovered.steps)} steps explained"
    if not result.conclusive:
        rows = [f"inconclusive: {explained}; nothing is proved beyond them"]
        if result.broken is not None:
            rows.append(f"before that, {sentence(result.broken, result.release.name)}")
        return rows
    if result.blame is None:
        return [f"clean: {explained}, no property broken"]
    name = blamed(result.blame).property
    return [
        f"to blame: {sentence(result.blame, result.release.name)}",
        f"broken: {name} ({PROPERTIES[name]})",
        explained,
    ]


def document(result: Replay) -> dict[str, Any]:
    """The JSON document `pfntrack.replay/1`."""
    recording = result.recording
    return {
        "schema": "pfntrack.replay/1",
        "recording": {
            "name": recording.name,
            "release": recording.release,
            "command": recording.command,
            "follow": recording.follow,
            "events": result.calls.events,
            "cpus": recording.cpus,
        },
        "modelled": result.release.name,
        "verdict": result.verdict,
        "processes": [
            {"name": name, "pid": pid, "comm": comm}
            for name, (pid, comm) in result.recovered.processes.items()
        ],
        "windows": [
            {"name": w.name, "start": w.start, "end": w.end, "device": w.bdf}
            for w in result.recovered.windows
        ],
        "steps": [_json_step(told) for told in result.told],
        "recovered": len(result.recovered.steps),
        "unexplained": None
        if result.unexplained is None
        else {
            "line": result.unexplained.step.call.line,
            "pid": result.unexplained.step.call.pid,
            "what": result.unexplained.step.said,
            "expected": list(result.unexplained.expected),
            "seen": list(result.unexplained.seen),
        },
        "faults": list(result.faults),
        "blame": None
        if result.blame is None
        else {
            "step": result.blame.number,
            "property": blamed(result.blame).property,
            "sentence": sentence(result.blame, result.release.name),
        },
        "left": [{"start": e.start, "end": e.end, "type": e.type} for e in result.left],
    }


def _json_step(told: Told) -> dict[str, Any]:
    step = told.step
    return {
        "number": told.number,
        "kind": step.kind,
        "line": step.call.line,
        "pid": step.call.pid,
        "process": step.process,
        "text": _shown(told),
        "said": step.said,
        "ret": step.call.ret,
        "changes": [
            {
                "function": "memtype_check_insert" if act.kind == "insert" else "memtype_erase",
                "start": act.start,
                "end": act.end,
                "ret": act.ret,
                "caller": act.caller,
            }
            for act in step.acts
        ],
        "why": list(told.why),
        "states": told.worlds,
        "broken": [
            {"property": v.property, "first": v.first, "end": v.end, "reason": v.reason}
            for v in told.fresh
        ],
    }
