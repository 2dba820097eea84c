"""Operations of the model as the neutral operations that a guest performs, and back.

`neutral` is the inverse of `model_op`, which reads everything that
`pfntrack.traces.programs.translate` reads and the few operations that only
scenarios have. `plan` turns a whole scenario into a program, or says why no
guest can play it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from pfntrack.drivers.parametric import PLUGGED
from pfntrack.lab.guests.machine import VFIO_WINDOW
from pfntrack.mm import ops
from pfntrack.mm.ops import Op
from pfntrack.mm.overlap import Overlap
from pfntrack.pat.cachemode import CacheMode
from pfntrack.scenario.model import NO_LIMIT, MachineSpec, Scenario
from pfntrack.traces.programs import translate

Json = dict[str, Any]

_BOUND = "R"


def _target(op: ops.Open) -> Json:
    out: Json = {"op": "open", "p": op.p, "fd": op.fd, "target": op.target}
    if op.window:
        out["bar"] = op.window
    out |= {key: True for key, on in (("wc", op.wc), ("sync", op.sync), ("ro", op.readonly)) if on}
    if op.target == "driver" or op.mode != "remap" or op.cache is not CacheMode.UC_MINUS:
        out |= {"mode": op.mode, "cache": op.cache.short}
    if op.first or op.pages:
        out |= {"first": op.first, "pages": op.pages}
    return out | ({"path": op.path} if op.path else {})


def _mmap(op: ops.Mmap) -> Json:
    out = {"op": "mmap", "p": op.p, "at": op.at, "pages": op.pages, "fd": op.fd, "off": op.off}
    out |= {"share": "shared" if op.shared else "private", "prot": op.prot}
    return out | ({"bar": op.window} if op.window else {})


def _anon(op: ops.AnonOver) -> Json:
    out = _ranged("anon_over", op)
    return out if op.prot == "rw" else out | {"prot": op.prot}


def _ranged(name: str, op: Any, **more: object) -> Json:
    return {"op": name, "p": op.p, "at": op.at, "pages": op.pages, **more}


def _mremap(op: ops.Mremap) -> Json:
    names = (("maymove", op.maymove), ("fixed", op.fixed), ("dontunmap", op.dontunmap))
    flags = "+".join(name for name, on in names if on) or "-"
    out = {"op": "mremap", "p": op.p, "at": op.at, "old": op.old, "new": op.new, "flags": flags}
    return out if op.to is None else out | {"to": op.to}


def _zap(op: ops.Zap) -> Json:
    off = f"pfn:{op.window}+{op.off}" if op.window else op.off
    out = {"op": "zap", "p": op.p, "fd": op.fd, "off": off, "pages": op.pages}
    return out if op.even_cows else out | {"even_cows": 0}


def _kernel(what: str, *fields: str) -> Callable[[Any], Json]:
    names = {"window": "bar"}
    return lambda op: {
        "op": "kernel",
        "what": what,
        **{names.get(field, field): getattr(op, field) for field in fields},
    }


def _typed(build: Callable[[Any], Json]) -> Callable[[Any], Json]:
    return lambda op: build(op) | {"cache": op.cache.short}


def _fail(op: ops.Fail) -> Json:
    out = {"op": "fail", "p": op.p, "sym": op.symbol, "nth": op.nth, "value": op.value}
    return out if op.vma_at is None else out | {"vma_at": op.vma_at}


_WINDOW = ("window", "off", "pages")
_WORDS: dict[type[Op], Callable[[Any], Json]] = {
    ops.Open: _target,
    ops.Close: lambda op: {"op": "close", "p": op.p, "fd": op.fd},
    ops.Mmap: _mmap,
    ops.AnonOver: _anon,
    ops.Munmap: lambda op: _ranged("munmap", op),
    ops.Mprotect: lambda op: _ranged("mprotect", op, prot=op.prot),
    ops.Madvise: lambda op: _ranged("madvise", op, advice=op.advice),
    ops.Mremap: _mremap,
    ops.Mlock: lambda op: _ranged("munlock" if op.unlock else "mlock", op),
    ops.Mseal: lambda op: _ranged("mseal", op),
    ops.Read: lambda op: {"op": "read", "p": op.p, "at": op.at},
    ops.Write: lambda op: {"op": "write", "p": op.p, "at": op.at},
    ops.Access: lambda op: {"op": "access", "p": op.p, "at": op.at},
    ops.Fork: lambda op: {"op": "fork", "p": op.p, "child": op.child},
    ops.Exit: lambda op: {"op": "kill" if op.killed else "exit", "p": op.p},
    ops.Zap: _zap,
    ops.ZapVma: lambda op: _ranged("zapvma", op),
    ops.Remap: _typed(lambda op: _ranged("remap", op, bar=op.window, off=op.off)),
    ops.InsertPfn: lambda op: {
        "op": "insert",
        "p": op.p,
        "at": op.at,
        "bar": op.window,
        "off": op.off,
    },
    ops.Ioremap: _typed(_kernel("ioremap", "id", *_WINDOW)),
    ops.Iounmap: _kernel("iounmap", "id"),
    ops.Request: _kernel("request", *_WINDOW),
    ops.Release: _kernel("release", *_WINDOW),
    ops.WcReserve: _kernel("wcres", *_WINDOW),
    ops.WcFree: _kernel("wcfree", *_WINDOW),
    ops.RamAlloc: _kernel("ramalloc", "id", "pages"),
    ops.RamType: _typed(_kernel("ramtype", "id")),
    ops.DriverBind: lambda op: {"op": "driver_bind", "bar": op.window},
    ops.DriverUnbind: lambda op: {"op": "driver_unbind", "bar": op.window},
    ops.SetMtrr: lambda op: {"op": "mtrr", "text": op.text},
    ops.Sysctl: lambda op: {"op": "sysctl", "name": op.name, "value": op.value},
    ops.Fail: _fail,
    ops.Unfail: lambda op: {"op": "unfail", "p": op.p},
    ops.VfioOpen: lambda op: {
        "op": "vfio_open",
        "p": op.p,
        "fds": list(op.fds),
        "bar": op.window,
    },
    ops.VfioMemory: lambda op: {"op": "vfio_memory", "p": op.p, "fd": op.fd, "on": op.on},
}


def neutral(op: Op) -> Json:
    """The operation as traces and guests have it."""
    return _WORDS[type(op)](op)


def model_op(op: Mapping[str, Any], where: str = "program") -> Op:
    """The model's operation for a neutral one.

    Raises InputFormatError for a malformed operation and ModelError for one
    that the model does not know.
    """
    match op.get("op"):
        case "access":
            return ops.Access(op["p"], int(op["at"]))
        case "insert":
            return ops.InsertPfn(op["p"], int(op["at"]), op["bar"], int(op.get("off", 0)))
        case "anon_over":
            prot = op.get("prot", "rw")
            return ops.AnonOver(op["p"], int(op["at"]), int(op["pages"]), prot)
    return translate(op, where)


# ------------------------------------------------------------ whole scenarios


@attrs.frozen(slots=True)
class Plan:
    """A scenario as a guest plays it: operations, boot options, or what stands against it."""

    scenario: Scenario
    steps: tuple[Op, ...]
    append: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def program(self) -> Json:
        """The program for the recorder; ``places`` are physical pages that it names."""
        places = {w.name: [w.pfn, w.pages] for w in self.scenario.machine.windows if not w.bdf}
        return {
            "name": self.scenario.name,
            "about": self.scenario.about,
            "tags": list(self.scenario.tags),
            "steps": [neutral(op) for op in self.steps],
            **({"places": places} if places else {}),
        }


def plan(scenario: Scenario) -> Plan:
    """How a guest plays a scenario."""
    reasons = _machine_reasons(scenario.machine)
    steps = []
    for step in scenario.steps:
        op = step.op
        reasons += [reason for reason in _op_reasons(op) if reason not in reasons]
        steps.append(op)
    append = "nopat" if scenario.machine.pat == "off" else ""
    return Plan(scenario, tuple(steps), append, tuple(reasons))


def _machine_reasons(machine: MachineSpec) -> list[str]:
    reasons = []
    if machine.pat not in ("full", "off"):
        reasons.append(f"Linux programs its own PAT: no guest has the layout {machine.pat}")
    if machine.phys_bits != MachineSpec().phys_bits:
        reasons.append("the guest's processor has a fixed number of physical address bits")
    if machine.overcommit_pages != NO_LIMIT:
        reasons.append("the limit on committed memory follows from the guest's RAM")
    if not machine.mtrrs:
        reasons.append("the guest's processor always has MTRRs")
    return reasons + [
        f"no device of the guest has the window {window.name}"
        for window in machine.windows
        if window.bdf
    ]


def _op_reasons(op: Op) -> list[str]:
    window = str(getattr(op, "window", "") or "")
    if isinstance(op, Overlap):
        return ["the guest does one operation after the other"]
    if isinstance(op, ops.Open) and op.mode in PLUGGED:
        return [f"the guest's module has no driver {op.mode}, which is a plug-in's"]
    if isinstance(op, ops.VfioOpen) and window != VFIO_WINDOW.name:
        return [f"VFIO has the device of {VFIO_WINDOW.name} only"]
    if isinstance(op, ops.DriverBind | ops.DriverUnbind) and window != _BOUND:
        return [f"no driver of the guest binds to {window}"]
    if isinstance(op, ops.Mremap) and (op.fixed or op.dontunmap) and not op.maymove:
        return ["FIXED and DONTUNMAP come with MAYMOVE here"]
    if isinstance(op, ops.RamType) and op.cache.short not in ("WB", "WC", "UC-"):
        return [f"no kernel function sets RAM to {op.cache.short}"]
    return []
