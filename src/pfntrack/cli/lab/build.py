"""`pfntrack lab build`: a small kernel from sources and changes."""

from __future__ import annotations

import argparse
import os

from pfntrack.edges.streams import transient
from pfntrack.lab.images.changes import changed_texts, diff_lines, gather_changes, known_changes
from pfntrack.lab.images.kbuild import Job, build
from pfntrack.lab.images.sources import find_source

OK = 0


def add_build(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "source",
        metavar="SERIES|TREE",
        help="a series, whose source package is fetched from Debian, or the folder of a tree, "
        "of which a copy is built",
    )
    parser.add_argument(
        "--patch",
        metavar="F",
        action="append",
        default=[],
        help="a change: a semantic patch (.cocci), a patch (.patch, .diff), a folder of them with "
        f"new files in its folder files, or one of {', '.join(known_changes())}; may be given "
        "again",
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        help="with lockdep, KASAN, checks of mm and of sleeping in atomic context",
    )
    parser.add_argument(
        "--show", action="store_true", help="print the changes as one patch, and build nothing"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=len(os.sched_getaffinity(0)),
        metavar="J",
        help="compilers at a time (default: one per processor)",
    )


def run_build(args: argparse.Namespace) -> int:
    """Do it."""
    changes = gather_changes(args.patch)
    source = find_source(args.source)
    if args.show:
        for line in diff_lines(source.folder, changed_texts(source.folder, changes)):
            print(line)
        return OK
    name = build(Job(source, tuple(changes), args.debug), args.jobs, transient)
    print(f"{name}: pfntrack lab conform --kernel {name}")
    return OK
