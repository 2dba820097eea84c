"""A command is ready soon, because it loads what it needs and no more."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pfntrack.cli.words import catalogue
from pfntrack.edges import cache
from pfntrack.scenario import find, library, syntax

PROGRAM = """
import sys
from pfntrack.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as stopped:
    code = stopped.code
print("loaded:", *sys.modules, file=sys.stderr)
sys.exit(code)
"""
SEARCH = {"numba", "numpy", "pfntrack.check.search"}
PAGES = {"jinja2", "jsonschema", "pfntrack.report.html"}
MODEL = {"attrs", "attr", "lark", "pfntrack.pat", "pfntrack.mm", "pfntrack.scenario"}
SHELLS = {"pfntrack.cli.shells.table", "prompt_toolkit", "bottle"}
# Command, its exit code, and what it has no use for.
FORBIDDEN = [
    ("--help", 0, SEARCH | PAGES | MODEL | SHELLS),
    ("--version", 0, SEARCH | PAGES | MODEL | SHELLS),
    ("rnu truncate-middle", 2, SEARCH | PAGES | MODEL | SHELLS),
    ("scenarios list", 0, SEARCH | PAGES | MODEL | SHELLS),
    ("scenarios show map-and-unmap", 0, SEARCH | PAGES | SHELLS),
    ("scenarios test map-and-unmap", 0, SEARCH | PAGES | SHELLS),
    ("run map-and-unmap", 0, SEARCH | PAGES | SHELLS),
    ("run map-and-unmap --json", 0, SEARCH | PAGES | SHELLS),
    ("explain --list", 0, {"numba", "pfntrack.check.search"} | PAGES | SHELLS),
]


def loaded(command: str, code: int) -> set[str]:
    """The modules that are there when a command has ended with this exit code."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command.split()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return set(done.stderr.rpartition("loaded:")[2].split())


@pytest.mark.parametrize(("command", "code", "forbidden"), FORBIDDEN)
def test_what_is_not_needed_is_not_loaded(command: str, code: int, forbidden: set[str]) -> None:
    """Neither the search's compiler, nor pages, nor for help and lists the model."""
    assert not loaded(command, code) & forbidden


def test_completion_needs_the_parser_of_every_command() -> None:
    """The test above can fail: this command loads the search."""
    assert loaded("completion bash", 0) >= {"numba", "pfntrack.cli.shells.table"}


def test_the_catalogue_says_what_the_files_say() -> None:
    """Names, sentences and tags are read without parsing, and are those of the parser."""
    found = list(catalogue.entries())
    assert [entry.name for entry in found] == list(library())
    for entry in found:
        scenario = find(entry.name)
        assert (scenario.about, scenario.tags) == (entry.about, entry.tags)


def test_tables_are_kept_where_only_we_write(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of the cache that others may write to is not used."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache.cache_folder()
    assert folder is not None
    folder.chmod(0o777)
    assert cache.cache_folder() is None
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.cache_folder() is None


def test_each_grammar_has_tables_of_its_own(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command of another version cannot change the tables that this one is reading."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    names = {syntax._kept("a: b"), syntax._kept("a: c"), syntax._kept("a: b")}
    assert len(names) == 2
