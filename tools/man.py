"""`python -m tools.man`: the man page and the completion scripts, from the parser.

They are committed, so that building the package needs neither the program nor
its dependencies; a test compares them with the parser.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from argparse_manpage.manpage import Manpage

from pfntrack import __version__
from pfntrack.cli import build_parser
from pfntrack.cli.shells.scripts import script
from pfntrack.cli.shells.table import table
from tools.parsers import exit_codes, wide

ROOT = Path(__file__).parents[1]
TITLE = "pfntrack manual"
NAME = "model, test, triage and audit of PFN mapping and memory type tracking"

# What the parser does not know.
ADDED = r""".SH ENVIRONMENT
.TP
\fBNO_COLOR\fR
if set, no colours
.TP
\fBXDG_CACHE_HOME\fR, \fBXDG_DATA_HOME\fR
where kernels of the lab and programs of its searches are kept
.TP
\fBPFNTRACK_DEBIAN_MIRROR\fR
the Debian archive that kernels of the lab come from
.SH EXAMPLES
.TP
\fBpfntrack run truncate\-middle \-\-release 6.12\fR
what a zap of one page does to a mapping of four
.TP
\fBpfntrack compare truncate\-middle \-\-with 6.12,7.3,ours\fR
the same under two kernels and a design
.TP
\fBpfntrack check \-\-preset quick \-\-release 6.12\fR
the shortest program that breaks each property
.TP
\fBdmesg | pfntrack triage \-\fR
what the kernel log says about memory types
.TP
\fBpfntrack collect \-o snapshot; pfntrack audit \-\-snapshot snapshot\fR
who holds each reservation, and what leaks
.SH SEE ALSO
.BR mmap (2),
.BR mremap (2),
.BR fork (2),
.BR qemu\-system\-x86_64 (1)
"""


def man_page() -> str:
    """The manual page, section 1."""
    data = {
        "date": " ",  # a date would make the page stale every day
        "project_name": "pfntrack",
        "version": __version__,
        "manual_title": TITLE,
        "description": NAME,
    }
    parser = build_parser()
    with wide():
        page = str(Manpage(parser, _data=data, format="single-commands-section"))
    # Names are not hyphenated, and lines not stretched.
    page = page.replace(".SH NAME", ".nh\n.ad l\n.SH NAME", 1)
    page = page.replace(".SH\nPOSITIONAL ARGUMENTS", ".SH COMMANDS")
    before, _, codes = page.partition(".SH COMMENTS\n")
    page = f"{before}.SH EXIT STATUS\n{_exit_status(codes)}"
    # Lists without spaces may be broken behind their commas.
    page = re.sub(r"(?m)^(?!\.).*$", lambda text: re.sub(r",(?=\w)", r",\\:", text[0]), page)
    # Text that happens to begin like a request of roff.
    page = re.sub(r"(?m)^(?=[.'](?!(?:[A-Z]{1,2}|nf|fi|nh|ad)\b))", r"\\&", page)
    return "\n".join(_laid_out(page.rstrip("\n").split("\n"))) + "\n" + ADDED


def _exit_status(text: str) -> str:
    """The exit codes of the epilog, one to a line."""
    return "\n".join(f".TP\n\\fB{code}\\fR\n{meaning}" for code, meaning in exit_codes(text))


def _laid_out(lines: list[str]) -> Iterator[str]:
    """The page with usage, tables and lists kept as they were written."""
    part: list[str] = []
    for line in [*lines, ""]:
        # Lines of text go together until an empty line or a request of roff.
        if line and not line.startswith((".", "\\fB")):
            part.append(line)
            continue
        yield from _part(part)
        part = []
        yield line


def _part(lines: list[str]) -> Iterator[str]:
    """A paragraph, filled unless its layout means something."""
    usage = bool(lines) and lines[0].startswith("usage:")
    table = any(re.search(r"^ |\S {2,}\S", line) for line in lines)
    if usage or table:
        yield ".nf"
        yield from lines
        yield ".fi"
    else:
        yield from lines


def files() -> Mapping[Path, str]:
    """All generated files and their text."""
    known = table(build_parser())
    return {
        ROOT / "man" / "pfntrack.1": man_page(),
        ROOT / "completions" / "pfntrack.bash": script("bash", known),
        ROOT / "completions" / "_pfntrack": script("zsh", known),
        ROOT / "completions" / "pfntrack.fish": script("fish", known),
    }


def main() -> int:
    """Write what has changed."""
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
