"""A command is ready soon, because it loads what it needs and no more."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from pfntrack.cli import main
code = main(sys.argv[1:])
loaded = {name.partition(".")[0] for name in sys.modules}
print("loaded:", *sorted(loaded & {"numba", "numpy", "jsonschema"}), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("command", "code"),
    [("explain --list", 0), ("run map-and-unmap", 0), ("completion bash", 0)],
)
def test_the_search_is_loaded_for_a_search_only(command: str, code: int) -> None:
    """Reading a log or running a scenario does not load the compiler of the search."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command.split()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    searches = command.startswith("completion")  # which needs the parser of every command
    assert ("numba" in done.stderr.rpartition("loaded:")[2]) is searches
