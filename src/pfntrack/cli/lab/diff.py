"""`pfntrack lab diff`: what one kernel does otherwise than another."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pfntrack.cli.output.write import add_json, write_json, write_scenario
from pfntrack.cli.words.kernels import announce, modelled
from pfntrack.edges.files import make_folder
from pfntrack.edges.streams import transient
from pfntrack.errors import InputFormatError
from pfntrack.lab.differ.campaign import Outcome, kinds, play_library, play_random
from pfntrack.lab.differ.explain import explain
from pfntrack.lab.differ.sides import Side
from pfntrack.lab.guests.qemu import require_tools
from pfntrack.lab.images.changes import gather_changes
from pfntrack.lab.images.find import find
from pfntrack.lab.images.kbuild import Job, build
from pfntrack.lab.images.sources import find_source
from pfntrack.lab.play.conform import gather
from pfntrack.releases import release_or_design
from pfntrack.report.lab import diff as lab_diff

OK, FINDINGS = 0, 1
MODEL = "model:"


def add_diff(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("one", metavar="A", help="a kernel, a tree, an image, or model:RELEASE")
    parser.add_argument(
        "other", metavar="B", nargs="?", help="what it is compared with; not with --patch"
    )
    parser.add_argument(
        "--patch",
        metavar="F",
        action="append",
        default=[],
        help="B is A (a series or the sources of a tree) with this change; both are built",
    )
    parser.add_argument(
        "--design",
        metavar="D",
        help="the tracking design that B is taken to have (default: what its changes say)",
    )
    parser.add_argument("--steps", type=int, default=2000, metavar="N", help="random steps")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="where chance begins")
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="guests at a time")
    parser.add_argument(
        "--only-random", action="store_true", help="leave out the scenarios of the library"
    )
    parser.add_argument("--mail", action="store_true", help="the summary to send, 75 columns wide")
    parser.add_argument("--out", type=Path, metavar="DIR", help="also keep the programs, as .pfn")
    add_json(parser)


def run_diff(args: argparse.Namespace) -> int:
    """Do it."""
    require_tools()
    if args.patch:
        if args.other is not None:
            raise InputFormatError("--patch says what B is: expected no second kernel")
        names = _built(args)
    elif args.other is None:
        raise InputFormatError("expected two kernels, or --patch F")
    else:
        names = args.one, args.other
    outcome = Outcome(_side(names[0], None), _side(names[1], args.design))
    if not args.only_random:
        play_library(outcome, gather([]), args.jobs, transient)
    play_random(outcome, args.steps, args.seed, transient)
    found = explain(outcome, kinds(outcome))
    if args.out is not None and found:
        make_folder(args.out)
        for number, each in enumerate(found, 1):
            write_scenario(args.out / f"difference-{number}.pfn", each.text)
    if args.json:
        write_json(lab_diff.as_json(outcome, found))
    else:
        print((lab_diff.mail if args.mail else lab_diff.text)(outcome, found), end="")
    return FINDINGS if found else OK


def _built(args: argparse.Namespace) -> tuple[str, str]:
    source = find_source(args.one)
    changes = tuple(gather_changes(args.patch))
    jobs = len(os.sched_getaffinity(0))
    return build(Job(source), jobs, transient), build(Job(source, changes), jobs, transient)


def _side(name: str, design: str | None) -> Side:
    if name.startswith(MODEL):
        return Side(name, release_or_design(name.removeprefix(MODEL)))
    kernel = find(name)
    release = modelled(kernel, design)
    announce(kernel, release)
    return Side(kernel.name, release, kernel)
