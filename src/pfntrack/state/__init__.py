"""The state schema: a model's world, a guest and an audited machine in one form."""

from pfntrack.state.schema import (
    Confidence,
    Context,
    Entry,
    KernelMapping,
    Place,
    Process,
    Reservation,
    State,
    VmaState,
    WindowState,
)

__all__ = [
    "Confidence",
    "Context",
    "Entry",
    "KernelMapping",
    "Place",
    "Process",
    "Reservation",
    "State",
    "VmaState",
    "WindowState",
]
