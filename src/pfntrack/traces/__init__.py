"""Recorded traces of real kernels (format 1): reading, replaying, comparing."""

from pfntrack.traces.conform import KernelReport, conform
from pfntrack.traces.load import Trace, load_trace

__all__ = ["KernelReport", "Trace", "conform", "load_trace"]
