"""Legal programs of drivers and users, and what a kernel makes of them.

Each is a scenario of few steps that correct code has been doing. It is served
if no step is refused and the last mapping gets the type it asked for.
"""

from __future__ import annotations

import attrs

from pfntrack.check.judged.oracle import granted_types
from pfntrack.check.run import first_world
from pfntrack.mm import ops, pagetable
from pfntrack.mm.ops import Op
from pfntrack.pat.cachemode import CacheMode
from pfntrack.releases import Kernel, Release, World
from pfntrack.scenario import Scenario, parse

SERVED = "served"


@attrs.frozen
class Program:
    """A legal program; its last step maps pages and asks for `asks`."""

    name: str
    about: str
    steps: str
    asks: CacheMode = CacheMode.WC

    @property
    def scenario(self) -> Scenario:
        return parse(f"scenario program\n{self.steps}\n")


PROGRAMS = (
    Program(
        "narrowing",
        "the driver narrows the VMA and maps page after page as the whole (hfi1)",
        "A opens driver on H with WC by narrow as fd0\nA maps fd0[0,4) at 0",
    ),
    Program(
        "remap after zap",
        "the driver zaps its mapping and maps the same pages again",
        "A opens driver on H with WC as fd0\nA maps fd0[0,4) at 0\n"
        "driver zaps fd0[0,end) of A\ndriver remaps [0,4) of A to H[0,4) with WC",
    ),
    Program(
        "other type after zap",
        "the driver zaps its mapping and maps the pages with another type",
        "A opens driver on H with WC as fd0\nA maps fd0[0,4) at 0\n"
        "driver zaps fd0[0,end) of A\ndriver remaps [0,4) of A to H[0,4) with UC-",
        CacheMode.UC_MINUS,
    ),
    Program(
        "refault after zap",
        "the driver zaps its mapping and inserts a page again at a fault",
        "A opens driver on H with WC as fd0\nA maps fd0[0,4) at 0\n"
        "driver zaps fd0[0,end) of A\ndriver inserts H[1,2) at 1 of A",
    ),
    Program(
        "first fault",
        "a driver inserts a page of a range that nobody has reserved (vmf_insert_pfn)",
        "A opens driver on H with WC by fault as fd0\nA maps fd0[0,4) at 0\nA reads page 1",
    ),
    Program(
        "part of a mapping",
        "a driver maps a part of the VMA, of a range that nobody has reserved",
        "A opens driver on H with WC for pages [0,1) as fd0\nA maps fd0[0,4) at 0",
    ),
    Program(
        "freed part with another type",
        "a page is unmapped from a mapping and mapped with another type",
        "A opens resource2_wc of H as fd0\nA opens resource2 of H as fd1\n"
        "A maps fd0[0,4) at 0\nA unmaps [1,2)\nA maps fd1[1,2) at 16",
        CacheMode.UC_MINUS,
    ),
    Program(
        "MAP_FIXED over the same pages",
        "a mapping is replaced by one of the same pages with another type",
        "A opens resource2_wc of H as fd0\nA opens resource2 of H as fd1\n"
        "A maps fd0[0,4) at 0\nA maps fd1[0,4) at 0",
        CacheMode.UC_MINUS,
    ),
    Program(
        "MAP_FIXED over the middle",
        "a page in the middle of a mapping is replaced by another page",
        "A opens resource2_wc of H as fd0\nA maps fd0[0,4) at 0\nA maps fd0[9,10) at 1",
    ),
    Program(
        "fork of a written copy",
        "a private mapping whose first page was written is inherited",
        "A opens driver on H with WC as fd0\nA maps fd0[0,4) at 0, private\n"
        "A writes page 0\nA forks B\nA maps fd0[8,12) at 16",
    ),
    Program(
        "fork after zap",
        "a mapping that the driver has zapped is inherited",
        "A opens driver on H with WC as fd0\nA maps fd0[0,4) at 0\n"
        "driver zaps fd0[0,end) of A\nA forks B\nA maps fd0[8,12) at 16",
    ),
)


def served(program: Program, release: Release) -> str:
    """SERVED, `refused: ERRNO`, or the type that was granted instead."""
    scenario = program.scenario
    kernel = Kernel(release, scenario.machine.machine(), explain=False)
    world = first_world(scenario.machine)
    for step in scenario.steps:
        outcome = kernel.perform(world, step.op)
        world = outcome.world
        if outcome.result.ret < 0:
            return f"refused: {outcome.result.err}"
    got = _types(world, scenario.steps[-1].op)
    if got == {program.asks}:
        return SERVED
    return f"gets {' and '.join(sorted(kind.short for kind in got)) or 'nothing'}"


def _types(world: World, op: Op) -> set[CacheMode]:
    """Types of the pages that the last step has mapped."""
    if isinstance(op, ops.InsertPfn | ops.Read):
        runs = pagetable.within(world.process(op.p).space.ptes, op.at, op.at + 1)
        return {run.cache for run in runs}
    return {kind for _, _, kind in granted_types(world, op)}
