"""Text output, to the letter. PFNTRACK_GOLDEN=update writes the expected files anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pfntrack.cli import main

EXPECTED = Path(__file__).parent / "expected"
COMMANDS = {
    "run-split-head-first-6.12": (1, "run split-head-first --release 6.12"),
    "run-truncate-middle-7.3": (0, "run truncate-middle --design track-context"),
    "run-fork-allocation-fails-5.10": (1, "run fork-allocation-fails --release 5.10"),
    "run-vfio-memory-off-6.1": (0, "run vfio-memory-off --release 6.1"),
    "run-ram-asked-wc-6.12": (0, "run ram-asked-wc --release 6.12"),
    "compare-truncate-middle": (1, "compare truncate-middle --with 6.1,6.12,7.3"),
    "compare-map-and-unmap": (0, "compare map-and-unmap --with 6.1,6.12,7.3"),
    "compare-remap-shifted-twice": (1, "compare remap-shifted-twice"),
    "list": (0, "scenarios list --tag thread"),
    "show": (0, "scenarios show truncate-middle"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_output(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command prints what it printed when a person last looked at it."""
    code, line = COMMANDS[name]
    assert code == main(line.split())
    printed = capsys.readouterr().out
    path = EXPECTED / f"{name}.txt"
    if os.environ.get("PFNTRACK_GOLDEN") == "update":
        path.write_text(printed, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == printed
