"""Runs console blocks: `$ command`, then the output it must have.

A line `...` in the expected output stands for any lines, `...` in a line for any
text. `$ echo $?` shows the exit code of the command before it; where it is not
shown, anything but 0 and 1 (findings) fails the block. Standard output and
standard error are read together, as in a terminal.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from docs.markdown import ROOT, Block
from pfntrack.cli import main

# Characters that need a shell; quotes do not.
_SHELL = set("|&;<>*?$`(){}\\~\n")


@attrs.frozen
class Command:
    """A command and the output shown below it; `line` counts from 1 in its document."""

    line: int
    text: str
    expected: str


class OutputError(AssertionError):
    """A command did not do what the documentation shows."""


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block. `> ` continues a command."""
    current: Command | None = None
    for number, line in enumerate(block.text.splitlines(), start=block.line):
        if line.startswith("$ "):
            if current is not None:
                yield current
            current = Command(number, line[2:], "")
        elif current is None:
            raise OutputError(f"{block.place}: a console block begins with '$ '")
        elif line.startswith("> ") and not current.expected:
            current = attrs.evolve(current, text=f"{current.text}\n{line[2:]}")
        else:
            current = attrs.evolve(current, expected=f"{current.expected}{line}\n")
    if current is not None:
        yield current


def matches(expected: str, found: str) -> bool:
    """Is `found` what `expected` shows, its ellipses taken into account?"""
    pattern = ""
    for line in expected.splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            parts = [re.escape(part) for part in line.rstrip().split("...")]
            pattern += ".*?".join(parts) + r"[ ]*\n"
    return re.fullmatch(pattern, found) is not None


class Session:
    """A reader's shell: a directory, and the exit code of the last command."""

    def __init__(self, home: Path, source: Path | None = None) -> None:
        """Commands run in `home`; with the package of `source`, in processes of their own."""
        self.home = home
        self.source = source
        self.code = 0
        self._shim()

    def play(self, block: Block) -> None:
        """Do what a block asks of the reader."""
        if (place := block.comment("from")) is not None:
            self._provide(place)
        if block.comment("skip") is not None:
            return
        if (file := block.comment("file")) is not None:
            target = self.home / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        elif (file := block.comment("edit")) is not None:
            target = self.home / file
            target.write_text(edited(target.read_text(encoding="utf-8"), block), encoding="utf-8")
        elif block.language == "console":
            for command, following in _pairs(list(commands(block))):
                self._judge(block, command, code_shown=following == "echo $?")

    def run(self, command: str) -> str:
        """The output of one command."""
        if command == "echo $?":
            return f"{self.code}\n"
        if self.source is None and command.startswith("pfntrack ") and not _SHELL & set(command):
            return self._inside(shlex.split(command)[1:])
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.home,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        self.code = done.returncode
        return done.stdout

    def _judge(self, block: Block, command: Command, *, code_shown: bool) -> None:
        found = self.run(command.text)
        found = "".join(f"{line.rstrip()}\n" for line in found.splitlines())
        place = f"{block.path.relative_to(ROOT)}:{command.line}: $ {command.text}"
        if self.code not in (0, 1) and not code_shown and command.text != "echo $?":
            raise OutputError(f"{place}\nexit code {self.code}\n{found}")
        if not matches(command.expected, found):
            raise OutputError(f"{place}\nshown:\n{command.expected}\nprinted:\n{found}")

    def _inside(self, argv: list[str]) -> str:
        printed = io.StringIO()
        with (
            contextlib.chdir(self.home),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
        ):
            try:
                self.code = main(argv)
            except SystemExit as stopped:
                self.code = stopped.code if isinstance(stopped.code, int) else 0
        return printed.getvalue()

    def _environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "PATH": f"{self.home.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.source or ROOT / "src"),
            "NO_COLOR": "1",
        }

    def _shim(self) -> None:
        """The command `pfntrack` for whatever needs a shell."""
        shim = self.home.parent / "bin" / "pfntrack"
        shim.parent.mkdir(exist_ok=True)
        shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pfntrack "$@"\n')
        shim.chmod(0o755)

    def _provide(self, said: str) -> None:
        place, _, wanted = said.partition(" as ")
        source, target = ROOT / place, self.home / wanted
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)


def edited(text: str, diff: Block) -> str:
    """`text` after a diff: each part's old lines must be there exactly once."""
    for part in re.split(r"(?m)^@@.*\n", diff.text)[1:]:
        lines = part.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        if text.count(old) != 1:
            raise OutputError(
                f"{diff.place}: these lines are there {text.count(old)} times:\n{old}"
            )
        text = text.replace(old, new)
    return text


def _pairs(found: list[Command]) -> Iterator[tuple[Command, str | None]]:
    """Each command with the text of the one behind it."""
    for place, command in enumerate(found):
        yield command, found[place + 1].text if place + 1 < len(found) else None
