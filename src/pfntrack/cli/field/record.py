"""`pfntrack record`: what a live machine does with raw pfn mappings, for `pfntrack replay`."""

from __future__ import annotations

import argparse

from pfntrack.errors import InputFormatError
from pfntrack.field.read.lines import printable
from pfntrack.record import recorder

DESCRIPTION = """\
Record what programs do with raw pfn mappings on this machine: system calls, forks
and exits of a command (after --), of a running process (-p) or of all (-a), and
every change of the memory-type reservations by anybody. Needs root and tracefs
with kprobes; the kernel is not changed and no module is loaded. The probes are
this recorder's own and are removed at its end; what a killed one left is removed
by the next, or by --clean. `pfntrack replay FILE` explains the recording.

Costs: about 200 bytes of file for each event, 4 MiB of memory for each processor
and of two buffers, and a few microseconds for each system call on mappings.
`make collector` builds the same as one file for Python 3.8 and newer.

exit codes: that of the command, or 0; 2 if nothing can be recorded here
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    recorder.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Record."""
    try:
        return recorder.run(args)
    except recorder.RecordError as error:
        raise InputFormatError(printable(str(error))) from None
