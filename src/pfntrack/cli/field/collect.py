"""`pfntrack collect`: the text snapshot that `pfntrack audit` reads."""

from __future__ import annotations

import argparse
import sys

from pfntrack.audit.read import collector
from pfntrack.errors import InputFormatError
from pfntrack.field.read.lines import printable

DESCRIPTION = """\
Copy what text files show about memory-type tracking into a directory that does not
exist yet and that only you will be able to read: the reservation list (many times),
iomem, mtrr, vmallocinfo, PCI windows and drivers, processes with raw pfn mappings, the
kernel log, versions. Only reads; root sees everything, and what could not be read, not
within 20 s, or not written is named. `make collector` builds the same as one file that
needs nothing but Python 3.8.

exit codes: 0 taken (gaps are listed on standard error), 2 cannot write
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    collector.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Collect, then say what is missing."""
    try:
        problems = collector.collect(args.output, redact=args.redact, samples=args.samples)
    except OSError as error:
        name = printable(str(args.output))
        raise InputFormatError(f"{name}: {error.strerror or error}") from None
    for line in problems:
        print(f"pfntrack: {printable(line)}", file=sys.stderr)
    print(args.output)
    return 0
