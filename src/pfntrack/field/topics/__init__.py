"""Topics: what people ask about without a log, and the command that goes on from there."""

from __future__ import annotations

from pfntrack.field.topics.lookup import WRITTEN, find_topic, mentioned, topics

__all__ = ["WRITTEN", "find_topic", "mentioned", "topics"]
