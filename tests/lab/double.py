"""A stand-in for a guest: the model of the true kernel, seen through a recorder's eyes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from pfntrack.lab.guests.machine import WINDOWS, Bar, arguments
from pfntrack.lab.play.lockstep import Setting, perform
from pfntrack.lab.play.lockstep import setting as setting_of
from pfntrack.mm.ops import Op
from pfntrack.pat import Physical
from pfntrack.releases import Release
from pfntrack.traces.observe import Observer
from pfntrack.traces.programs import neutral

_BASES = (0xFC000000, 0xFD000000, 0xFE000000)
_PAGES = (4096, 4096, 4)


def plain_setting(series: str) -> Setting:
    """The setting of a guest that has just booted."""
    bars = {
        window.name: Bar(window, base, pages, "0x14220c").as_json()
        for window, base, pages in zip(WINDOWS, _BASES, _PAGES, strict=True)
    }
    baseline = [["R", page, page + 1, "UC-"] for page in range(4)]
    return setting_of(
        {
            "kernel": {"series": series, "append": ""},
            "machine": {"bars": bars, "qemu": arguments(vfio=False)},
            "baseline": baseline,
            "steps": [],
            "end": {},
        }
    )


@attrs.define
class ModelPlayer:
    """Plays programs on the release that the pretended guest runs."""

    release: Release
    setting: Setting
    played: int = 0
    cpu_seconds: float = 0.0
    _phys: Physical | None = None

    def fresh(self) -> None:
        """Forget what programs have left behind."""
        self._phys = None

    def play(self, steps: Sequence[Op]) -> Iterator[dict[str, Any]]:
        """The steps of a trace."""
        kernel, world = self.setting.kernel(self.release), self.setting.start
        world = attrs.evolve(world, phys=self._phys or world.phys)
        observer = Observer(self.release, self.setting.machine)
        for op in steps:
            self.played += 1
            done = perform(kernel, world, op)
            world = done.world
            self._phys = world.phys
            memtype, missing = observer.memtype(world, self.setting.baseline)
            events = []
            for event in observer.events(done.events):
                if event["ev"] == "warn":
                    chain = event.pop("chain")
                    event |= {"func": chain[0], "stack": list(chain[1:])}
                events.append(event)
            yield {
                "op": neutral(op),
                "result": observer.result(done.result),
                "memtype": memtype,
                "baseline_missing": missing,
                "procs": observer.procs(world),
                "events": events,
                "calls": observer.calls(done.events),
            }
