"""Programs that show on a real machine what breaks in the model."""

from pfntrack.repro.plan import CannotReproduceError, NothingBreaksError, Reproducer, plan
from pfntrack.repro.source import source

__all__ = ["CannotReproduceError", "NothingBreaksError", "Reproducer", "plan", "source"]
