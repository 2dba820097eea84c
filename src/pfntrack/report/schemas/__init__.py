"""The published JSON schemas; those that contain a state carry its schema along."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

NAMES = (
    "state",
    "run",
    "comparison",
    "conformance",
    "repro",
    "check",
    "race",
    "concurrent",
    "bugs",
    "difference",
    "labdiff",
    "study",
    "triage",
    "audit",
    "audit-place",
    "audit-diff",
    "audit-watch",
    "replay",
)
# Schemas that contain others; all the rest are complete in themselves.
_PARTS = {
    "run": ("state",),
    "comparison": ("state", "run"),
    "check": ("state", "run"),
    "difference": ("state", "run", "comparison"),
    "conformance": ("state", "run"),
}


def schema(name: str) -> dict[str, Any]:
    """The schema of one kind of output, complete in itself."""
    found = _load(name)
    parts = {part: _load(part) for part in _PARTS.get(name, ())}
    definitions = dict(found.get("$defs", {}))
    for part, body in parts.items():
        definitions |= body.pop("$defs", {})
        for key in ("$schema", "$id"):
            body.pop(key, None)
        definitions[part] = body
    if definitions:
        found["$defs"] = definitions
    return found


def schema_text(name: str) -> str:
    """The same as text."""
    return json.dumps(schema(name), indent=1) + "\n"


def _load(name: str) -> dict[str, Any]:
    text = resources.files(__package__).joinpath(f"{name}.schema.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
