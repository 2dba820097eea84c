"""The model's state and events in the form in which traces record them."""

from __future__ import annotations

from typing import Any

import attrs

from pfntrack.mm import pagetable
from pfntrack.mm.ops import Result
from pfntrack.mm.pagetable import PteRun
from pfntrack.mm.vma import VM_SOFTDIRTY, Vma, permissions, smaps_flags
from pfntrack.pat import events as ev
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.physical import Machine
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.releases.kernel import KWORKER
from pfntrack.releases.release import Release
from pfntrack.releases.world import World

Json = dict[str, Any]


@attrs.frozen
class Observer:
    """Renders states of one release on one machine."""

    release: Release
    machine: Machine

    def memtype(self, world: World, baseline: list[list[Any]]) -> tuple[list[Any], list[Any]]:
        """(entries beyond the baseline, baseline entries that are gone)."""
        left = [list(entry) for entry in baseline]
        added = []
        for entry in world.phys.tree:
            shown = [*self.range(entry.start, entry.end), entry.type.short]
            if shown in left:
                left.remove(shown)
            else:
                added.append(shown)
        return added, left

    def range(self, start: int, end: int) -> list[Any]:
        """`[bar, first, end]`, or raw hex addresses outside the named BARs."""
        for window in self._windows():
            if window.start <= start and end <= window.end:
                low = (start - window.start) >> PAGE_SHIFT
                return [window.name, low, low + ((end - start) >> PAGE_SHIFT)]
        return [f"{start:#x}", f"{end:#x}"]

    def pfn(self, pfn: int) -> Any:
        """`[bar, page]`, or the number."""
        for window in self._windows():
            if window.pfn <= pfn < window.pfn + window.pages:
                return [window.name, pfn - window.pfn]
        return pfn

    def _windows(self) -> list[Any]:
        named = [window for window in self.machine.windows if "." not in window.name]
        return named + [self.machine.window(f"ram{number}") for number in range(8)]

    def procs(self, world: World) -> Json:
        """The processes and their VMAs."""
        return {
            process.name: {
                "vmas": [self._vma(world, process.space.ptes, vma) for vma in process.space.vmas]
            }
            for process in world.processes
        }

    def _vma(self, world: World, table: pagetable.PageTable, vma: Vma) -> Json:
        design = self.release.design
        pgoff = vma.pgoff if vma.file else 0
        place = self.pfn(pgoff)
        shown: Json = {
            "at": vma.start,
            "pages": vma.pages,
            "perm": permissions(vma.flags),
            "off": ["bar", *place] if isinstance(place, list) else place,
            "file": vma.file.path if vma.file else "",
            "tracked": design.tracked(vma),
            "prot_cache": vma.prot.short,
        }
        context = design.context(world.phys, vma)
        if context is not None:
            shown["ctx"] = {
                "id": context.id,
                "pfn": self.pfn(context.pfn),
                "pages": context.pages,
                "refs": context.refs,
            }
        flags = vma.flags if self.release.mm.soft_dirty else vma.flags & ~VM_SOFTDIRTY
        shown["vmflags"] = smaps_flags(flags)
        shown["ptes"] = self._ptes(pagetable.within(table, vma.start, vma.end))
        return shown

    def _ptes(self, runs: list[PteRun]) -> list[Json]:
        """Runs as the recorder sees them: what the CPU cannot use is not shown."""
        plain = [attrs.evolve(run, dirty=False, stamped=False) for run in runs if not run.protnone]
        shown = []
        for run in pagetable.put((), *plain):
            entry: Json = {
                "at": run.start,
                "n": run.end - run.start,
                "to": "ram" if run.pfn is None else self.pfn(run.pfn),
                "cache": run.cache.short,
                "w": int(run.write),
            }
            if not run.special:
                entry["special"] = 0
            if run.huge:
                entry["huge"] = 1
            shown.append(entry)
        return shown

    def result(self, result: Result) -> Json:
        """The result with the fields that it has."""
        shown: Json = {"ret": result.ret, "err": result.err}
        for name in ("signal", "value", "to", "fired"):
            value = getattr(result, name)
            if value not in (None, ""):
                shown[name] = value
        return shown

    def events(self, events: tuple[ev.Event, ...]) -> list[Json]:
        """Log lines in neutral form."""
        return [shown for event in events if (shown := self._event(event)) is not None]

    def _event(self, event: ev.Event) -> Json | None:
        if isinstance(event, ev.Call | ev.Note | ev.WrongOwner):
            return None
        shown: Json = {"ev": event.kind}
        if isinstance(event, ev.Warn):
            return shown | {"file": event.file, "chain": list(event.chain)}
        if isinstance(event, ev.Oops):
            return shown | {"file": event.file, "func": event.function}
        if (task := getattr(event, "task", None)) is not None:
            shown["who"] = task.comm
        start, end = getattr(event, "start", None), getattr(event, "end", None)
        if start is not None and end is not None:
            place = self.range(start, end)
            if str(place[0]).startswith("ram"):
                shown["pages"] = place[2] - place[1]
            else:
                shown["range"] = place
        for name in ("track", "req", "ret", "a", "b", "want", "got", "type"):
            value = getattr(event, name, None)
            if isinstance(value, CacheMode):
                shown[name] = value.short
        if isinstance(event, ev.Log | ev.IoremapError | ev.IoremapReserveFailed):
            return {"ev": "log", "text": event.text()}
        return shown

    def calls(self, events: tuple[ev.Event, ...]) -> list[Json]:
        """Calls of tracking functions that a probe on this release would see."""
        seen = self.release.visible_calls
        shown = []
        for event in events:
            if not isinstance(event, ev.Call) or event.task == KWORKER:
                continue
            name = event.function
            pair = f"{event.via}:{name.removesuffix('_ret')}"
            if name not in seen or pair in self.release.inlined_calls:
                continue
            call: Json = {"fn": name, "who": event.task.comm}
            for key, value in event.fields:
                call[key] = self._call_field(key, value)
            shown.append(call)
        return shown

    def _call_field(self, key: str, value: Any) -> Any:
        if key == "range":
            return self.range(*value)
        if key == "vma":
            return list(value)
        if key == "pfn":
            return self.pfn(value) if value else 0
        return value.short if isinstance(value, CacheMode) else value

    def log(self, events: tuple[ev.Event, ...]) -> list[str]:
        """The kernel's lines."""
        return [text for event in events if (text := event.text()) is not None]
