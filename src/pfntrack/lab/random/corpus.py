"""Programs that led somewhere new, kept on disk from one campaign to the next."""

from __future__ import annotations

import json
import os
from pathlib import Path

import attrs

from pfntrack.errors import InputFormatError, ScenarioError
from pfntrack.mm.ops import Op
from pfntrack.scenario import Scenario, Step, format_scenario, load


def data_root() -> Path:
    """The lab's part of the XDG data."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "pfntrack" / "lab"


def as_scenario(name: str, steps: list[Op] | tuple[Op, ...], about: str = "") -> Scenario:
    """A bare program as a scenario."""
    return Scenario(name, about, steps=tuple(Step(op) for op in steps))


@attrs.frozen(slots=True)
class Progress:
    """How far a campaign has come."""

    programs: int = 0
    steps: int = 0


@attrs.frozen(slots=True)
class Corpus:
    """A folder of programs, and how far campaigns with each seed have come."""

    folder: Path

    def load(self) -> list[tuple[Op, ...]]:
        """All programs; one that is no longer understood is passed over."""
        found = []
        for path in sorted(self.folder.glob("*.pfn")):
            try:
                found.append(tuple(step.op for step in load(path).steps))
            except ScenarioError:
                continue
        return found

    def keep(self, name: str, steps: list[Op]) -> None:
        """Add a program."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = format_scenario(as_scenario(name, steps))
        (self.folder / f"{name}.pfn").write_text(text, encoding="utf-8")

    def progress(self, seed: int) -> Progress:
        """Where the campaign with this seed stopped.

        Raises InputFormatError: the note about it cannot be read.
        """
        path = self.folder / f"seed-{seed}.json"
        if not path.exists():
            return Progress()
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return Progress(int(data["programs"]), int(data["steps"]))
        except (ValueError, KeyError, TypeError) as error:
            raise InputFormatError(f"{path}: not a note about a campaign: {error}") from error

    def note(self, seed: int, progress: Progress) -> None:
        """Remember how far the campaign has come."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"seed-{seed}.json"
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(attrs.asdict(progress)) + "\n", encoding="utf-8")
        partial.replace(path)
