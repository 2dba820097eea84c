"""What differs between two recordings of a step, and what kind of difference it is.

Compared are results, entries, mappings, reservations and the log: what both kinds of kernel
have. Which functions were called and what a design stores (contexts, flags) is not, since
two designs need not have the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from pfntrack.mm import ops
from pfntrack.mm.ops import Op

Json = Mapping[str, Any]
RESULT, ENTRIES, MAPPINGS, RESERVED, LOG = (
    "result",
    "entries",
    "mappings",
    "reservations",
    "log",
)
LOST = "lost"
_RESULT_KEYS = ("ret", "err", "signal", "value", "to")
_PARTS = ("two", "pagewise")
_LATE_MODES = ("fault", "fault_all")


@attrs.frozen(slots=True)
class Kind:
    """At what a difference shows first, in which field, and how it reads from A to B."""

    at: str
    field: str
    change: str

    def __str__(self) -> str:
        return f"{self.at}: {self.field}: {self.change}"


@attrs.frozen(slots=True)
class Found:
    """The first step at which two recordings differ: what A shows and what B shows."""

    number: int
    kind: Kind
    fields: tuple[str, ...]
    before: str
    after: str


def shown(step: Json) -> dict[str, Any]:
    """What is compared of a recorded step."""
    result = {key: value for key, value in step["result"].items() if key in _RESULT_KEYS}
    entries: list[tuple[Any, ...]] = []
    mappings: list[tuple[Any, ...]] = []
    for name, process in sorted(step["procs"].items()):
        for vma in process.get("vmas", ()):
            mappings.append((name, vma["at"], vma["pages"], vma["perm"]))
            for run in vma.get("ptes", ()):
                to = tuple(run["to"]) if isinstance(run["to"], list) else run["to"]
                huge = bool(run.get("huge"))
                entries.append((name, run["at"], run["n"], to, run["cache"], run["w"], huge))
    log: list[tuple[Any, ...]] = []
    for event in step["events"]:
        if event.get("ev") in ("warn", "oops"):
            log.append((event["ev"], event.get("file", "")))
        else:
            log.append(tuple(sorted((k, str(v)) for k, v in event.items())))
    reserved = [tuple(entry) for entry in step["memtype"]]
    missing = [tuple(entry) for entry in step.get("baseline_missing", ())]
    return {
        RESULT: result,
        ENTRIES: entries,
        MAPPINGS: mappings,
        RESERVED: (reserved, missing),
        LOG: log,
    }


def first_difference(
    program: Sequence[Op], one: Sequence[Json], other: Sequence[Json]
) -> Found | None:
    """Where two recordings of a program part.

    ``one`` and ``other`` may be shorter than the program, and of different lengths, if a
    guest was lost: that is a difference, too.
    """
    for number in range(len(program)):
        if number >= len(one) or number >= len(other):
            if len(one) == len(other):
                return None
            who = "B" if len(one) > len(other) else "A"
            kind = Kind(situation(program, number), LOST, f"the guest of {who} is lost")
            return Found(number, kind, (LOST,), "", "")
        a, b = shown(one[number]), shown(other[number])
        fields = tuple(name for name in a if a[name] != b[name])
        if fields:
            kind = Kind(situation(program, number), fields[0], _change(fields[0], a, b))
            return Found(number, kind, fields, _said(fields[0], a), _said(fields[0], b))
    return None


def _change(field: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    if field == RESULT:
        return f"{_outcome(a[RESULT])} -> {_outcome(b[RESULT])}"
    if field == ENTRIES:
        before, after = ({entry[:2]: entry for entry in side[ENTRIES]} for side in (a, b))
        types = sorted(
            {
                (before[key][4], after[key][4])
                for key in before.keys() & after.keys()
                if before[key][4] != after[key][4]
            }
        )
        if types and before.keys() == after.keys():
            return "another type"
        return _more(len(before), len(after), "entries")
    if field == RESERVED:
        before, after = a[RESERVED][0], b[RESERVED][0]
        if [entry[:-1] for entry in before] == [entry[:-1] for entry in after]:
            return "another type"
        return _more(_pages(before), _pages(after), "pages reserved")
    if field == LOG:
        names_a, names_b = ({_event(event) for event in side[LOG]} for side in (a, b))
        only_a, only_b = sorted(names_a - names_b), sorted(names_b - names_a)
        words = [f"only A: {', '.join(only_a)}"] if only_a else []
        words += [f"only B: {', '.join(only_b)}"] if only_b else []
        return "; ".join(words) or "the same events, otherwise"
    return "other mappings"


def _pages(entries: Sequence[Sequence[Any]]) -> int:
    return sum(int(e[2]) - int(e[1]) for e in entries if len(e) == 4)


def _more(before: int, after: int, what: str) -> str:
    if before == after:
        return f"other {what}"
    return f"{'more' if after > before else 'fewer'} {what}"


def _outcome(result: Mapping[str, Any]) -> str:
    return str(result.get("signal") or result.get("err") or "ok")


def _event(event: Sequence[Any]) -> str:
    if len(event) == 2 and event[0] in ("warn", "oops"):
        return f"{event[0]} {event[1]}"
    return next((str(pair[1]) for pair in event if pair[0] == "ev"), "a line")


def _said(field: str, side: Mapping[str, Any]) -> str:
    """One side's value, for reading."""
    value = side[field]
    if field == RESULT:
        return _outcome(value)
    if field == RESERVED:
        listed = [" ".join(map(str, entry)) for entry in value[0]]
        return "; ".join(listed) or "nothing"
    if field == ENTRIES:
        return "; ".join(_entry(entry) for entry in value) or "none"
    if field == LOG:
        return "; ".join(_event(event) for event in value) or "nothing"
    return "; ".join(f"{name} [{at},{at + pages})" for name, at, pages, _ in value) or "none"


def _entry(entry: Sequence[Any]) -> str:
    name, at, pages, to, cache, _, _ = entry
    where = f"{to[0]}+{to[1]}" if isinstance(to, tuple) else str(to)
    return f"{name} [{at},{at + pages}) -> {where} {cache}"


# ---------------------------------------------------------------- situations


def situation(program: Sequence[Op], number: int) -> str:
    """What the step does, in words that do not depend on places and names."""
    op = program[number]
    if isinstance(op, ops.Mmap):
        return _mapping(program, number, op)
    if isinstance(op, ops.Remap):
        area = _area(program, number, op.p, op.at)
        whole = area is not None and (area.at, area.pages) == (op.at, op.pages)
        return "second full remap" if whole else "second remap, of a part"
    if isinstance(op, ops.Read | ops.Write | ops.Access):
        return _fault(program, number, op)
    return _PLAIN.get(type(op), type(op).__name__.lower())


_PLAIN: dict[type[Op], str] = {
    ops.Munmap: "munmap",
    ops.Mprotect: "mprotect",
    ops.Madvise: "madvise",
    ops.Mremap: "mremap",
    ops.Fork: "fork",
    ops.Exit: "exit",
    ops.Close: "close",
    ops.Zap: "zap by the driver",
    ops.ZapVma: "zap by the driver",
    ops.AnonOver: "MAP_FIXED of ordinary memory",
    ops.Ioremap: "ioremap",
    ops.Iounmap: "iounmap",
    ops.DriverBind: "a driver binds",
    ops.DriverUnbind: "a driver unbinds",
    ops.InsertPfn: "vmf_insert_pfn",
}


def _mapping(program: Sequence[Op], number: int, op: ops.Mmap) -> str:
    mode = _mode(program[:number], op.p, op.fd)
    if mode == "narrow":
        return "narrowing"
    end = op.at + op.pages
    if any(e.at < end and op.at < e.at + e.pages for e in _areas(program[:number], op.p)):
        return "mmap with MAP_FIXED over a mapping"
    return f"mmap by a driver that remaps in parts ({mode})" if mode in _PARTS else "mmap"


def _fault(program: Sequence[Op], number: int, op: ops.Read | ops.Write | ops.Access) -> str:
    area = _area(program, number, op.p, op.at)
    mode = _mode(program[:number], op.p, area.fd) if area is not None else ""
    if mode == "fault_all":
        return "second full remap, in a fault"
    return "fault" if mode in _LATE_MODES else "access"


def _life(program: Sequence[Op], name: str) -> Iterator[Op]:
    """What a process did, newest first, and before that what its parent did up to the fork."""
    for op in reversed(program):
        if isinstance(op, ops.Fork) and op.child == name:
            name = op.p
        elif getattr(op, "p", None) == name:
            yield op


def _mode(program: Sequence[Op], name: str, fd: int) -> str:
    for op in _life(program, name):
        if isinstance(op, ops.Open) and op.fd == fd:
            return op.mode if op.target == "driver" else ""
    return ""


def _areas(program: Sequence[Op], name: str) -> Iterator[ops.Mmap]:
    """What was mapped and not unmapped since, newest first."""
    gone: list[tuple[int, int]] = []
    for op in _life(program, name):
        if isinstance(op, ops.Mmap):
            if not any(a <= op.at and op.at + op.pages <= b for a, b in gone):
                yield op
        elif isinstance(op, ops.Munmap):
            gone.append((op.at, op.at + op.pages))


def _area(program: Sequence[Op], number: int, name: str, at: int) -> ops.Mmap | None:
    return next((e for e in _areas(program[:number], name) if e.at <= at < e.at + e.pages), None)
