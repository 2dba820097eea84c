"""`pfntrack scenarios`: the library of named scenarios."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path

from pfntrack.cli.output.terminal import show
from pfntrack.cli.words import catalogue
from pfntrack.edges import files
from pfntrack.errors import InputFormatError

DESCRIPTION = """\
A scenario is a small program of memory-management operations and what it should
do. Many come with pfntrack, each with a name; `run`, `compare` and the lab take
that name or the path of a .pfn file.
"""

LIST = """\
Print the name of each scenario of the library, and in one sentence what it is about;
on a terminal through $PAGER if that does not fit.

Tags name the operation (fork, mremap, zap, ...), the subject (vfio, ram, conflict) and
defects of the list that `pfntrack bugs` finds again (B14, ...).
"""
SHOW = "Print the text of one scenario."
TEST = """\
Run scenarios (the whole library without a name) under all recorded releases and
judge their expectations, with one line for each that is not met.

Exit code 1 if an expectation is not met.
"""
FORMAT = """\
Print scenarios in canonical form: .pfn files, or scenarios of the library by name.

With --check, exit code 1 and a diff if a file is not in that form.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    raw = argparse.RawDescriptionHelpFormatter
    listing = actions.add_parser(
        "list", help="names and what they are about", description=LIST, formatter_class=raw
    )
    listing.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="only scenarios with all these words in their name, sentence or tags",
    )
    listing.add_argument("--tag", metavar="T", help="only scenarios with this tag")
    listing.add_argument("--json", action="store_true", help="JSON instead of text")
    show = actions.add_parser("show", help="the text of one scenario", description=SHOW)
    show.add_argument("name", metavar="NAME", help="name of a scenario, or a file")
    test = actions.add_parser(
        "test",
        help="judge expectations under all releases",
        description=TEST,
        formatter_class=raw,
    )
    test.add_argument("names", nargs="*", metavar="NAME", help="scenarios or files (default: all)")
    test.add_argument(
        "--with",
        dest="releases",
        metavar="LIST",
        help="releases or designs, separated by commas (default: the recorded releases)",
    )
    form = actions.add_parser(
        "format", help="canonical form of .pfn files", description=FORMAT, formatter_class=raw
    )
    form.add_argument("files", nargs="+", metavar="FILE", help=".pfn files or names")
    how = form.add_mutually_exclusive_group()
    how.add_argument("--check", action="store_true", help="only say what would change")
    how.add_argument("--in-place", action="store_true", help="rewrite the files")


def run(args: argparse.Namespace) -> int:
    """Do it."""
    return _ACTIONS[args.action](args)


def _list(args: argparse.Namespace) -> int:
    found = list(catalogue.entries())
    if args.tag:
        found = [entry for entry in found if args.tag in entry.tags]
        if not found:
            raise InputFormatError(f"no scenario has the tag {args.tag!r}{_near_tag(args.tag)}")
    found = [entry for entry in found if all(entry.has(word) for word in args.words)]
    if not found:
        raise InputFormatError(f"no scenario has {' and '.join(map(repr, args.words))} in it")
    if args.json:
        from pfntrack.cli.output.write import write_json  # noqa: PLC0415 - a list needs no model

        write_json([{"name": e.name, "about": e.about, "tags": list(e.tags)} for e in found])
        return 0
    width = max(len(entry.name) for entry in found)
    show("".join(f"{entry.name:{width}}  {entry.about}\n" for entry in found), paged=True)
    return 0


def _near_tag(tag: str) -> str:
    tags = sorted({each for entry in catalogue.entries() for each in entry.tags})
    close = difflib.get_close_matches(tag, tags, n=3)
    return f", did you mean {' or '.join(close)}?" if close else ""


def _show(args: argparse.Namespace) -> int:
    from pfntrack.scenario import find, format_scenario, library  # noqa: PLC0415

    path = library().get(args.name)
    print(path.read_text(encoding="utf-8") if path else format_scenario(find(args.name)), end="")
    return 0


def _test(args: argparse.Namespace) -> int:
    from pfntrack.check.run import run_scenario  # noqa: PLC0415
    from pfntrack.cli.words.chosen import releases  # noqa: PLC0415
    from pfntrack.report.runs.text import notes  # noqa: PLC0415
    from pfntrack.scenario import find  # noqa: PLC0415

    unmet = judged = 0
    names = args.names or catalogue.names()
    chosen = releases(args.releases)
    for line in notes(chosen):
        print(line)
    for name in names:
        scenario = find(name)
        for release in chosen:
            result = run_scenario(scenario, release)
            judged += sum(len(step.verdicts) for step in result.steps) + len(result.verdicts)
            for number, verdict in result.unmet:
                unmet += 1
                where = f"step {number}" if number else "the end"
                print(f"{scenario.name} on {release.title}: {where}: {verdict}")
    print(f"{len(names)} scenarios, {judged} expectations judged, {unmet} not met")
    return 1 if unmet else 0


def _format(args: argparse.Namespace) -> int:
    from pfntrack.scenario import find, format_scenario, library  # noqa: PLC0415

    changed = 0
    for name in args.files:
        canonical = format_scenario(find(name))
        named = library().get(name)
        if named is not None and args.in_place:
            raise InputFormatError(f"{name}: a scenario of the library: expected a file")
        text = named.read_text(encoding="utf-8") if named else files.read_text(Path(name))
        if args.check:
            changed += canonical != text
            sys.stdout.writelines(
                difflib.unified_diff(
                    text.splitlines(keepends=True), canonical.splitlines(keepends=True), name, name
                )
            )
        elif args.in_place:
            if canonical != text:
                files.write_text(Path(name), canonical, ours=True)
                print(f"{name}: rewritten", file=sys.stderr)
        else:
            print(canonical, end="")
    return 1 if changed else 0


_ACTIONS = {"list": _list, "show": _show, "test": _test, "format": _format}
