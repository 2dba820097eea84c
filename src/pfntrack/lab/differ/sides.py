"""Who plays: a guest that is restored, or the model in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from pfntrack.lab.images.kernels import Kernel
from pfntrack.lab.play.lockstep import Setting, perform
from pfntrack.mm.ops import Op
from pfntrack.pat.physical import Physical
from pfntrack.releases import Release
from pfntrack.traces.observe import Observer
from pfntrack.traces.programs import neutral


@attrs.frozen(slots=True)
class Side:
    """One side: its name, the release that models it, and the kernel unless it is a model."""

    name: str
    release: Release
    kernel: Kernel | None = None


@attrs.define
class ModelPlayer:
    """Plays programs on the model as a guest would, from where the last one ended."""

    release: Release
    setting: Setting
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
            done = perform(kernel, world, op)
            world = done.world
            self._phys = world.phys
            memtype, missing = observer.memtype(world, self.setting.baseline)
            yield {
                "op": neutral(op),
                "result": observer.result(done.result),
                "memtype": memtype,
                "baseline_missing": missing,
                "procs": observer.procs(world),
                "events": observer.events(done.events),
            }
