"""Rules: from the facts of a log to findings. One module per family of messages."""

from __future__ import annotations

from pfntrack.field.rules.engine import diagnose, tell

__all__ = ["diagnose", "tell"]
