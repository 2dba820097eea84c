"""The scenario language: small programs of mm operations and what they should do."""

from pfntrack.scenario.expect import (
    Entries,
    Expect,
    ExpectEntries,
    ExpectLeaks,
    ExpectLog,
    ExpectMappings,
    ExpectProperty,
    ExpectReservations,
    ExpectResult,
    ExpectStruck,
    ExpectTracked,
    Held,
    Pages,
    Said,
)
from pfntrack.scenario.loader import find, library, load, parse
from pfntrack.scenario.model import MachineSpec, Scenario, Step
from pfntrack.scenario.text import format_op, format_scenario

__all__ = [
    "Entries",
    "Expect",
    "ExpectEntries",
    "ExpectLeaks",
    "ExpectLog",
    "ExpectMappings",
    "ExpectProperty",
    "ExpectReservations",
    "ExpectResult",
    "ExpectStruck",
    "ExpectTracked",
    "Held",
    "MachineSpec",
    "Pages",
    "Said",
    "Scenario",
    "Step",
    "find",
    "format_op",
    "format_scenario",
    "library",
    "load",
    "parse",
]
