"""One step of a recording against the model, field by field."""

from __future__ import annotations

import re
from typing import Any

import attrs

from pfntrack.designs.base import PFN_DEV
from pfntrack.mm.ops import Result
from pfntrack.pat import events as ev
from pfntrack.pat.physical import Machine
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases.world import World
from pfntrack.traces.observe import Observer

Json = dict[str, Any]

# Small functions that compilers fold into their callers: a recorded call
# chain may lack them.
INLINABLE = frozenset(
    "copy_vma do_fault exit_mmap get_pat_info ioremap_prot mmput remap_pfn_range "
    "remap_pfn_range_internal "
    "reserve_ram_pages_type unmap_mapping_range unmap_single_vma unmap_vmas untrack_pfn "
    "vfio_pci_mmap_open zap_page_range_single".split()
)
_TASK = re.compile(r"(x86/PAT: |^)(\S+?)(?::\d+| \(\d+\)):? ")
_PID = re.compile(r"pid: \d+")
_MEM = re.compile(r"\[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\]")


@attrs.frozen
class Difference:
    """One field that differs: its path, the model's value and the recorded one."""

    field: str
    model: Any
    recorded: Any


def compare_step(
    observer: Observer,
    world: World,
    result: Result,
    events: tuple[ev.Event, ...],
    baseline: list[list[Any]],
    step: Json,
) -> list[Difference]:
    """All differences between the model after an operation and the recorded step."""
    found: list[Difference] = []
    shown = observer.result(result)
    for key, recorded in step["result"].items():
        if key != "value" or result.value is not None:
            _field(found, f"result.{key}", shown.get(key), recorded)
    for key in shown.keys() - step["result"].keys() - {"value"}:
        _field(found, f"result.{key}", shown[key], None)
    added, missing = observer.memtype(world, baseline)
    _field(found, "memtype", added, step["memtype"])
    _field(found, "baseline_missing", missing, step.get("baseline_missing", []))
    _procs(found, observer.procs(world), step["procs"])
    _events(found, observer.events(events), step["events"])
    if "calls" in step:
        seen = [_plain_call(call, observer.machine) for call in step["calls"]]
        ours = [_plain_call(call, observer.machine) for call in observer.calls(events)]
        _list(found, "calls", ours, seen)
    if "dmesg" in step:
        model = [_neutral(line, observer.machine) for line in _lines(events)]
        recorded = [_neutral(line, observer.machine) for line in _fold_warns(step["dmesg"])]
        _list(found, "dmesg", model, recorded)
    return found


def _field(found: list[Difference], name: str, model: Any, recorded: Any) -> None:
    if model != recorded:
        found.append(Difference(name, model, recorded))


def _list(found: list[Difference], name: str, model: list[Any], recorded: list[Any]) -> None:
    """Compare lists; report the first differing element."""
    for number, (ours, theirs) in enumerate(zip(model, recorded, strict=False)):
        if ours != theirs:
            found.append(Difference(f"{name}[{number}]", ours, theirs))
            return
    if len(model) != len(recorded):
        at = min(len(model), len(recorded))
        found.append(
            Difference(
                f"{name}[{at}]",
                model[at] if at < len(model) else None,
                recorded[at] if at < len(recorded) else None,
            )
        )


def _procs(found: list[Difference], model: Json, recorded: Json) -> None:
    _field(found, "procs", sorted(model), sorted(recorded))
    model, recorded = _numbered(model), _numbered(recorded)
    for name in sorted(model.keys() & recorded.keys()):
        ours, theirs = model[name]["vmas"], recorded[name].get("vmas", [])
        where = f"procs.{name}.vmas"
        _field(found, where, [_place(vma) for vma in ours], [_place(vma) for vma in theirs])
        for number, (vma, other) in enumerate(zip(ours, theirs, strict=False)):
            for key in other:
                _field(found, f"{where}[{number}].{key}", vma.get(key), _bare(other[key]))
            if "ctx" in vma and "ctx" not in other:
                _field(found, f"{where}[{number}].ctx", vma["ctx"], None)


def _numbered(procs: Json) -> Json:
    """Contexts numbered by appearance in this step.

    A recorded id stands for an address, which the allocator may use again.
    """
    ids: dict[int, int] = {}
    shown = {}
    for name in sorted(procs):
        vmas = []
        for vma in _joined(procs[name].get("vmas", [])):
            if "ctx" in vma:
                number = ids.setdefault(vma["ctx"].get("id"), len(ids) + 1)
                vma = vma | {"ctx": vma["ctx"] | {"id": number}}
            vmas.append(vma)
        shown[name] = {"vmas": vmas}
    return shown


def _joined(vmas: list[Json]) -> list[Json]:
    """Neighbours of ordinary memory as one, if they are alike.

    Whether the kernel has merged them depends on who shares its copies
    (anon_vma), which is not modelled.
    """
    out: list[Json] = []
    for vma in vmas:
        last = out[-1] if out else None
        if last is not None and _ordinary(vma) and _alike(last, vma):
            runs = [dict(run) for run in last.get("ptes", [])]
            for run in vma.get("ptes", []):
                before = runs[-1] if runs else None
                same = before and before["at"] + before["n"] == run["at"]
                if before and same and _without(before, "at", "n") == _without(run, "at", "n"):
                    before["n"] += run["n"]
                else:
                    runs.append(dict(run))
            out[-1] = last | {"pages": last["pages"] + vma["pages"]}
            if "ptes" in last:
                out[-1]["ptes"] = runs
        else:
            out.append(vma)
    return out


def _ordinary(vma: Json) -> bool:
    return not vma.get("file") and "pf" not in vma.get("vmflags", "").split()


def _alike(one: Json, other: Json) -> bool:
    if one["at"] + one["pages"] != other["at"]:
        return False
    place = ("at", "pages", "ptes")
    return _without(one, *place) == _without(other, *place)


def _without(value: Json, *keys: str) -> Json:
    return {key: each for key, each in value.items() if key not in keys}


def _bare(value: Any) -> Any:
    """Without the tag that marks a physical page outside the named windows."""
    if isinstance(value, list):
        return [_bare(each) for each in value] if value[:1] != ["phys"] else value[1]
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items()}
    return value


def _place(vma: Json) -> tuple[Any, Any]:
    return vma.get("at"), vma.get("pages")


def _events(found: list[Difference], model: list[Json], recorded: list[Json]) -> None:
    """Compare events; of kinds with more detail than the model, the common keys."""
    if len(model) != len(recorded):
        _list(found, "events", [e["ev"] for e in model], [e.get("ev") for e in recorded])
        return
    for number, (ours, theirs) in enumerate(zip(model, recorded, strict=True)):
        if ours["ev"] == theirs.get("ev") == "warn":
            same = ours["file"] == theirs.get("file") and chain_agrees(ours["chain"], theirs)
        elif theirs.get("ev") == "log":
            same = True  # the raw line is compared below
        else:
            common = ours.keys() & theirs.keys() - {"who"}
            same = (
                _who(ours) == _who(theirs)
                and ours["ev"] == theirs.get("ev")
                and all(ours[k] == theirs[k] for k in common)
            )
        if not same:
            found.append(Difference(f"events[{number}]", ours, theirs))
            return


def _who(event: Json) -> str:
    """The task that an event names, if it is one of the scenario's."""
    name = str(event.get("who", ""))
    return name if name.startswith("lab") else ""


def chain_agrees(chain: list[str], recorded: Json) -> bool:
    """Do the recorded frames contain the model's chain, in order?"""
    frames = iter([recorded.get("func", ""), *recorded.get("stack", [])])
    for name in chain:
        rest = list(frames)
        if name in rest:
            frames = iter(rest[rest.index(name) + 1 :])
        elif name in INLINABLE:
            frames = iter(rest)
        else:
            return False
    return True


def _plain_call(call: Json, machine: Machine) -> Json:
    """Without the address of RAM that a pfn_t names."""
    pfn = call.get("pfn")
    if call["fn"] == "track_pfn_insert" and isinstance(pfn, list) and str(pfn[0]).startswith("ram"):
        return call | {"pfn": "RAM"}
    if isinstance(pfn, int) and pfn & PFN_DEV:
        start = (pfn & ~PFN_DEV) << PAGE_SHIFT
        if any(low <= start < high for low, high in machine.ram):
            return call | {"pfn": "RAM"}
    return call


def _lines(events: tuple[ev.Event, ...]) -> list[str]:
    lines = []
    for event in events:
        if isinstance(event, ev.Warn):
            lines.append("WARN")
        elif (text := event.text()) is not None:
            lines.append(text)
    return lines


def _fold_warns(lines: list[str]) -> list[str]:
    """One `WARN` in place of each register and stack dump."""
    out: list[str] = []
    inside = False
    for line in lines:
        if "[ cut here ]" in line:
            inside = True
            out.append("WARN")
        elif inside:
            inside = "end trace" not in line
        else:
            out.append(line)
    return out


def _neutral(line: str, machine: Machine) -> str:
    """Without pids and without addresses of RAM, which differ from boot to boot."""

    def ram(found: re.Match[str]) -> str:
        start, last = int(found[1], 16), int(found[2], 16)
        if any(low <= start < high for low, high in machine.ram):
            return f"[mem RAM {last + 1 - start} bytes]"
        return found[0]

    def task(found: re.Match[str]) -> str:
        return f"{found[1]}{found[2] if found[2].startswith('lab') else 'TASK'}:PID "

    return _MEM.sub(ram, _PID.sub("pid: PID", _TASK.sub(task, line, count=1)))
