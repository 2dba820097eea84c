"""Field: what people send when memory types go wrong, and what follows from it.

Logs are read into facts, facts are judged by rules, rules cite the kernel.
"""

from __future__ import annotations

from pfntrack.field.catalogue.lookup import find
from pfntrack.field.catalogue.page import markdown
from pfntrack.field.finding import Finding
from pfntrack.field.read.context import Context, load
from pfntrack.field.triage import Result, triage, triage_text

__all__ = ["Context", "Finding", "Result", "find", "load", "markdown", "triage", "triage_text"]
