"""`pfntrack repro`: a C program that shows on a real machine what breaks in the model."""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from pathlib import Path

import attrs

from pfntrack.cli.output.write import add_json, write_json, write_text
from pfntrack.cli.words.chosen import add_model, chosen
from pfntrack.cli.words.kernels import add_kernels, announce, modelled, named_kernels
from pfntrack.edges.files import make_folder
from pfntrack.edges.near import unknown
from pfntrack.errors import GuestError, InputFormatError
from pfntrack.lab.guests.qemu import require_tools
from pfntrack.lab.images.apt import progress
from pfntrack.repro import CannotReproduceError, NothingBreaksError, Reproducer, plan, source
from pfntrack.repro.checks import LAWS
from pfntrack.repro.mail import mail
from pfntrack.repro.report import repro_json, trial_lines
from pfntrack.repro.trial import BAIL, FAIL, LOST, SKIP, Trial, compile_program, trials
from pfntrack.scenario import find

OK, FINDINGS, INCONCLUSIVE, SKIPPED, GUEST_LOST = 0, 1, 3, 4, 255

DESCRIPTION = """\
Write one C file that performs a scenario with system calls and checks what
breaks in the model: a reservation that leaks or is lost, a failed release in
the log, a page mapped with two types, a refusal, another type than asked. It
prints KTAP and builds with gcc -static. What only a driver can do asks the
lab's module, and the head of the file says so.

Without --release or --design, the release is the one for which the scenario claims a
violation, or else the newest before 7.3 on which something breaks. What 7.3
breaks as well is checked only if there is nothing else, or with --property.
A mapping that gets another type than it asked for is checked the same way (law
`asked`), and is told wherever it is not checked.

With --run the program is compiled and run on Debian kernels in QEMU (see
`pfntrack lab`). Exit code 1 if it fails on a kernel, which shows the bug, 0 if
it passes on all, 3 if it could not come to an end, 4 if no program can show
it, if it skips, or if something that the lab needs is missing.
"""


@attrs.frozen
class Program:
    """A reproducer and its file."""

    name: str
    repro: Reproducer
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "scenarios",
        nargs="+",
        metavar="SCENARIO",
        help="a .pfn file, or the name of a scenario of the library",
    )
    add_model(parser)
    parser.add_argument(
        "--property",
        dest="properties",
        metavar="LIST",
        help=f"check these properties, separated by commas: {', '.join(LAWS)}",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="where the C file goes (default: standard output); a folder for several scenarios",
    )
    parser.add_argument("--mail", action="store_true", help="a bug report, 75 columns wide")
    parser.add_argument(
        "--run", dest="play", action="store_true", help="compile it and run it on --kernel"
    )
    add_kernels(parser, several=True, note=" for --run", design=False)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    if args.play and not (args.kernel or args.tree):
        raise InputFormatError("--run needs --kernel, such as --kernel debian:6.12,debian:7.3")
    programs: list[Program] = []
    for name in args.scenarios:
        try:
            programs.append(_program(name, args, {each.name for each in programs}))
        except CannotReproduceError as error:
            print(f"pfntrack: skipped: {error}", file=sys.stderr)
        except NothingBreaksError as error:
            if len(args.scenarios) == 1:
                raise
            print(f"pfntrack: skipped: {error}", file=sys.stderr)
    if not programs:
        return SKIPPED
    _write(programs, args)
    try:
        tried = _run(programs, args) if args.play else []
    except _SkippedError as error:
        print(f"pfntrack: skipped: {error}", file=sys.stderr)
        return SKIPPED
    _show(programs, tried, args)
    return _code(tried)


class _SkippedError(Exception):
    """The lab cannot work here; the text says what is missing."""


def _program(name: str, args: argparse.Namespace, taken: set[str]) -> Program:
    """The reproducer of a scenario; its name is none of those that are taken."""
    release = chosen(args) if args.release or args.design else None
    repro = plan(find(name), release, _wanted(args.properties))
    one = args.output is not None and not _is_folder(args)
    file = args.output.name if one else repro.scenario.name
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", file.removesuffix(".c")).strip("-") or "repro"
    again = (f"{stem}-{number}" for number in itertools.count(2))
    stem = next(word for word in itertools.chain((stem,), again) if word not in taken)
    return Program(stem, repro, source(repro, stem))


def _wanted(names: str | None) -> frozenset[str] | None:
    if names is None:
        return None
    wanted = frozenset(name.strip() for name in names.split(","))
    if strange := sorted(wanted - LAWS.keys()):
        raise InputFormatError(unknown("property", strange[0], LAWS))
    return wanted


def _is_folder(args: argparse.Namespace) -> bool:
    return len(args.scenarios) > 1 or args.output.is_dir()


def _write(programs: list[Program], args: argparse.Namespace) -> None:
    if args.output is None:
        return
    if not _is_folder(args):
        write_text(args.output, programs[0].text)
        return
    make_folder(args.output)
    for each in programs:
        write_text(args.output / f"{each.name}.c", each.text)


def _run(programs: list[Program], args: argparse.Namespace) -> list[Trial]:
    try:
        require_tools()
        binaries = {p.name: (p.repro, compile_program(p.text, p.name)) for p in programs}
        kernels = [
            (kernel, modelled(kernel, args.design)) for kernel in named_kernels(args, several=True)
        ]
        for kernel, model in kernels:
            announce(kernel, model)
    except GuestError as error:
        raise _SkippedError(str(error)) from error
    found = []
    for kernel, model in kernels:
        # Of a packaged kernel of another series than those modelled nothing is claimed.
        claimed = model if kernel.label else None
        for trial in trials(kernel, binaries, claimed):
            progress(f"{trial.kernel}: {trial.name}: {trial.status}")
            found.append(trial)
    return found


def _show(programs: list[Program], tried: list[Trial], args: argparse.Namespace) -> None:
    if args.json:
        write_json(repro_json([(p.name, p.repro, p.text) for p in programs], tried))
        return
    if args.mail:
        for each in programs:
            mine = [trial for trial in tried if trial.name == each.name]
            print(mail(each.repro, f"{each.name}.c", mine), end="")
        return
    if args.play:
        alone = len(programs) == 1
        by_name = {each.name: each.repro for each in programs}
        for line in trial_lines(tried, by_name, whole=alone):
            print(line)
    elif args.output is None:
        for each in programs:
            print(each.text, end="")


def _code(tried: list[Trial]) -> int:
    statuses = {trial.status for trial in tried}
    if LOST in statuses:
        return GUEST_LOST
    if FAIL in statuses:
        return FINDINGS
    if BAIL in statuses:
        return INCONCLUSIVE
    return SKIPPED if SKIP in statuses else OK
