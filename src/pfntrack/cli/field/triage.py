"""`pfntrack triage`: from a kernel log to cause, harm and cure."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pfntrack.cli.output.write import add_html, write_html
from pfntrack.edges import files
from pfntrack.edges.streams import transient
from pfntrack.errors import InputFormatError
from pfntrack.field.read.context import Context, load
from pfntrack.field.read.lines import printable
from pfntrack.field.report_json import as_json
from pfntrack.field.report_text import as_mail, as_text
from pfntrack.field.triage import Result, triage

DESCRIPTION = """\
Read kernel logs (dmesg, journal, syslog, serial console, mail quotes, bug-report
pastes; "-" is standard input) and say what happened to the memory types, which
kernel rule explains it, which kernels are affected, what to do and what not to do.

The first sentence of a report is the answer. Packed logs (gzip, bzip2, xz, zstd) are
unpacked; empty or binary input is an error.

exit codes: 0 memory types are healthy, 1 findings, 2 usage or input error (unreadable,
empty, binary), 3 words of this subject but no message that is known, 4 not about memory
types. Of several inputs: 1 before 3 before 0 before 4
"""


_EXIT = (("findings", 1), ("not recognised", 3), ("healthy", 0), ("not ours", 4))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="kernel logs (default, or -: standard input)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON (schema pfntrack-triage)")
    form.add_argument(
        "--mail", action="store_true", help="plain text of at most 75 columns, for a mailing list"
    )
    add_html(parser)
    group = parser.add_argument_group("further facts that sharpen the answer")
    group.add_argument("--memtype-list", type=Path, metavar="FILE", help="copy of pat_memtype_list")
    group.add_argument(
        "--iomem", type=Path, metavar="FILE", help="copy of /proc/iomem, made by root"
    )
    group.add_argument("--lspci", type=Path, metavar="FILE", help="output of lspci -vv")
    group.add_argument("--maps", type=Path, metavar="FILE", help="copies of /proc/PID/maps")
    group.add_argument(
        "--kernel",
        metavar="RELEASE",
        help="the kernel release, whatever the log says, such as 6.12.31",
    )
    group.add_argument(
        "--snapshot",
        type=Path,
        metavar="DIR",
        help="a snapshot made by `pfntrack collect`",
    )


def run(args: argparse.Namespace) -> int:
    """Triage every input; with several inputs the reports follow one another."""
    context = load(
        memtype_list=args.memtype_list,
        iomem=args.iomem,
        lspci=args.lspci,
        maps=args.maps,
        kernel=args.kernel,
        snapshot=args.snapshot,
    )
    names = _names(args)
    if args.html is not None and len(names) > 1:
        raise InputFormatError("--html FILE: expected one log, a page shows one")
    results = [_one(name, context) for name in names]
    if args.html is not None:
        write_html(args.html, "triage", as_json(results[0]), results[0].name)
    if args.json:
        documents = [as_json(result) for result in results]
        json.dump(documents[0] if len(documents) == 1 else documents, sys.stdout, indent=2)
        print()
    else:
        render = as_mail if args.mail else as_text
        print("\n".join(render(result) for result in results), end="")
    verdicts = {result.verdict for result in results}
    return next(code for verdict, code in _EXIT if verdict in verdicts)


def _names(args: argparse.Namespace) -> list[str]:
    if args.files:
        return list(args.files)
    dmesg = args.snapshot / "dmesg" if args.snapshot is not None else None
    if dmesg is not None and dmesg.is_file():
        return [str(dmesg)]
    if sys.stdin is not None and sys.stdin.isatty():
        raise InputFormatError("no log given: expected a FILE, or - and a log on standard input")
    return ["-"]


def _one(name: str, context: Context) -> Result:
    if name == "-":
        stream = files.standard_input()
        return triage(stream, context, name="standard input", progress=_progress(0))
    path = Path(name)
    shown = printable(name)
    try:
        size = path.stat().st_size
        with files.open_input(path, "a readable log") as stream:
            return triage(stream, context, name=shown, progress=_progress(size))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable file name"
        raise InputFormatError(f"{shown}: {reason}: expected a readable log") from None


def _progress(size: int) -> Callable[[int], None] | None:
    """A line on standard error, only for people: a terminal and a log that takes a while."""
    if not sys.stderr.isatty():
        return None
    begun = time.monotonic()
    shown = [0.0]

    def show(done: int) -> None:
        now = time.monotonic()
        if now - begun < 1 or now - shown[0] < 0.5:
            return
        shown[0] = now
        part = f" of {size >> 20}" if size else ""
        transient("" if size and done >= size else f"{done >> 20}{part} MiB")

    return show
