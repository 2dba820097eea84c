"""`pfntrack audit`: who holds what, what is stale, what exits will leave."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pfntrack.audit import diff, question, report_json, report_text
from pfntrack.audit.judged.checks import Audit, audit
from pfntrack.audit.read import gathered
from pfntrack.audit.read.collector import collect
from pfntrack.audit.read.evidence import Collector, Evidence
from pfntrack.audit.read.snapshot import SnapshotCollector
from pfntrack.audit.read.sos import of_folder
from pfntrack.cli.field import watch as auditwatch
from pfntrack.cli.output.write import add_html, write_html, write_json
from pfntrack.errors import InputFormatError

Result = TypeVar("Result")
KCORE = Path("/proc/kcore")
_PASTED = ("memtype_list", "lspci", "iomem", "mtrr")
DESCRIPTION = """\
Read a snapshot made by `pfntrack collect` (or take one with --live) and name the
holder of every reservation, mappings that lost their tracking or their type, and
what stays reserved if processes exit. --vmcore, --qemu and (as root) --live read
kernel memory, which shows page tables too. Of a machine that only sent a few files,
--memtype-list, --lspci, --iomem and --mtrr take what there is.

`pfntrack audit diff OLD NEW` compares two snapshots as multisets; `pfntrack audit
watch` shows growth over cycles, of recorded snapshots or of this machine (or a
guest: --qemu).

exit codes: 0 nothing found, 1 findings or differences, 2 usage or input error,
3 inconclusive (the list or the kernel release is not known)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("words", nargs="*", metavar="diff OLD NEW | watch", help="see above")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--snapshot",
        type=Path,
        metavar="DIR",
        help="a collected snapshot, or an unpacked sos report",
    )
    source.add_argument(
        "--live",
        action="store_true",
        help="this machine: through /proc/kcore if root and drgn are there, else its text files",
    )
    source.add_argument(
        "--vmcore", type=Path, metavar="FILE", help="a memory dump, ELF or kdump (needs drgn)"
    )
    source.add_argument(
        "--qemu", type=Path, metavar="SOCKET", help="a guest, by QEMU's QMP socket (needs drgn)"
    )
    given = parser.add_argument_group("instead of a snapshot: what somebody pasted or sent")
    given.add_argument("--memtype-list", type=Path, metavar="FILE", help="copy of pat_memtype_list")
    given.add_argument(
        "--lspci", type=Path, metavar="FILE", help="output of lspci -vv (may be the same file)"
    )
    given.add_argument("--iomem", type=Path, metavar="FILE", help="copy of /proc/iomem, by root")
    given.add_argument("--mtrr", type=Path, metavar="FILE", help="copy of /proc/mtrr")
    parser.add_argument(
        "--vmlinux",
        type=Path,
        metavar="FILE",
        help="debug information (DWARF); else the kernel's own BTF is used",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_true", help="JSON instead of text (see `pfntrack schema`)"
    )
    form.add_argument("--mail", action="store_true", help="plain text of at most 75 columns")
    add_html(parser)
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--bar", metavar="BDF[/N]", help="is this BAR write-combining, and why")
    place.add_argument(
        "--range",
        metavar="RANGE",
        help="who holds this range: START-END in hex (the end exclusive, unless it ends in fff), "
        "'[mem START-LAST]', '[START, END)' or START+SIZE, as they are printed",
    )
    parser.add_argument("--type", metavar="T", help="with --range: what a request for T would get")
    auditwatch.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Audit, answer a question, or compare."""
    if args.html and (args.words or args.bar is not None or args.range is not None):
        raise InputFormatError("--html: expected a whole audit, without diff, --bar and --range")
    if args.words[:1] == ["watch"] and len(args.words) == 1:
        return auditwatch.run(args, _looker(args))
    if any(getattr(args, name) is not None for name in ("recorded", "cycle", "interval", "cycles")):
        raise InputFormatError("--from, --cycle, --cycles, --interval: expected after 'watch'")
    if args.words:
        return _diff(args)
    if args.type is not None and args.range is None:
        raise InputFormatError("--type: expected together with --range START-END")
    if args.vmlinux is not None and args.snapshot is not None:
        raise InputFormatError("--vmlinux: expected together with --vmcore, --qemu or --live")
    pasted = [getattr(args, name) for name in _PASTED]
    if any(path is not None for path in pasted):
        if args.snapshot or args.live or args.vmcore or args.qemu:
            raise InputFormatError("--memtype-list, --lspci, --iomem, --mtrr: expected alone")
        return _report(gathered.pasted(*pasted), args)
    if args.vmcore is not None:
        return _report(_memory("open_vmcore", args.vmcore, args.vmlinux), args)
    if args.qemu is not None:
        return _report(_memory("open_qemu", args.qemu, args.vmlinux), args)
    if args.live:
        return _live(args, lambda collector: _report(collector, args))
    if args.snapshot is None:
        raise InputFormatError(
            "nothing to audit: expected --snapshot DIR, --live, --vmcore FILE, --qemu SOCKET, or "
            "--memtype-list FILE"
        )
    return _report(of_folder(args.snapshot), args)


def _live(args: argparse.Namespace, use: Callable[[Collector], Result]) -> Result:
    """Read this machine: its memory if it may be read, else its text files."""
    if os.geteuid() == 0 and KCORE.exists():
        try:
            return use(_memory("open_kcore", args.vmlinux))
        except InputFormatError as error:
            print(f"pfntrack: {error}; reading text files instead", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="pfntrack-") as name:
        folder = Path(name)
        for line in collect(str(folder)):
            print(f"pfntrack: {line}", file=sys.stderr)
        return use(SnapshotCollector(folder))


def _looker(args: argparse.Namespace) -> Callable[[], Evidence]:
    """What reads the machine once per cycle of `watch`."""
    if args.qemu is not None:
        return _memory("open_qemu", args.qemu, args.vmlinux).collect
    if args.snapshot is not None or args.vmcore is not None:
        raise InputFormatError("watch: expected --from DIR... for what is recorded")
    return lambda: _live(args, lambda collector: collector.collect())


def _memory(how: str, *arguments: Path | None) -> Collector:
    """A collector that reads kernel memory; drgn is imported only now."""
    try:
        program = importlib.import_module("pfntrack.audit.memory.program")
        memory = importlib.import_module("pfntrack.audit.memory.collect")
    except ImportError as error:
        raise InputFormatError(
            f"reading kernel memory needs drgn ({error}): pip install 'pfntrack[vmcore]'"
        ) from None
    made: Collector = memory.MemoryCollector(lambda: getattr(program, how)(*arguments))
    return made


def _report(collector: Collector, args: argparse.Namespace) -> int:
    # Millions of small values are made and none is garbage before the end.
    gc.disable()
    try:
        made = audit(collector.collect())
        if args.bar is not None or args.range is not None:
            return _answer(made, args)
        if args.html:
            write_html(args.html, "audit", report_json.as_json(made))
        if args.json:
            sys.stdout.writelines(report_json.write(made))
        else:
            render = report_text.as_mail if args.mail else report_text.as_text
            sys.stdout.write(render(made))
        return made.code
    finally:
        gc.enable()


def _answer(made: Audit, args: argparse.Namespace) -> int:
    if args.bar is not None:
        answer = question.ask_bar(made, args.bar)
    else:
        kind = None if args.type is None else question.parse_type(args.type)
        answer = question.ask_range(made, *question.parse_range(args.range), kind)
    if args.json:
        write_json({"schema": "pfntrack.audit-place/1", **answer.data})
    else:
        print("\n".join(answer.lines))
    return 3 if made.evidence.readings == 0 and made.evidence.pat_on is not False else 0


def _diff(args: argparse.Namespace) -> int:
    if len(args.words) != 3 or args.words[0] != "diff":
        given = " ".join(args.words)
        raise InputFormatError(f"{given!r}: expected 'diff OLD NEW', 'watch', or options only")
    old, new = (of_folder(Path(word)).collect() for word in args.words[1:])
    made = diff.compare(old, new)
    if args.json:
        write_json(diff.as_json(made))
    else:
        print(diff.as_text(made), end="")
    return 0 if made.empty else 1
