"""Runs programs of our own in a guest: each on the state after boot."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from pfntrack.errors import GuestError
from pfntrack.lab.guests.guest import BootFiles, Guest
from pfntrack.lab.images.boot import cpio

_FOLDER = "prog"
RUN_SECONDS = 120.0


@attrs.frozen(slots=True)
class Execution:
    """A program that ran: its exit code (negative: the signal), what it said, and where.

    `lost` says how the guest was lost, if it was.
    """

    name: str
    release: str
    status: int
    output: str
    stuck: bool = False
    lost: str = ""


def execute(files: BootFiles, programs: Mapping[str, bytes]) -> Iterator[Execution]:
    """Run static programs one after the other in one guest, which is restored before each.

    A guest that is lost is booted again for the programs that are left.

    Raises GuestError: the guest does not boot.
    """
    waiting = list(programs)
    with tempfile.TemporaryDirectory(prefix="pfntrack-run-") as folder:
        initrd = Path(folder) / "initrd"
        extra = cpio({f"{_FOLDER}/{name}": data for name, data in programs.items()})
        # The kernel unpacks archives that stand one behind the other.
        packed = gzip.compress(extra, compresslevel=1, mtime=0)
        initrd.write_bytes(files.initrd.read_bytes() + packed)
        while waiting:
            with Guest(attrs.evolve(files, initrd=initrd)) as guest:
                while waiting:
                    done = _run(guest, waiting.pop(0))
                    yield done
                    if done.lost:
                        break


def _run(guest: Guest, name: str) -> Execution:
    guest.restore()
    try:
        seen = guest.run(f"/{_FOLDER}/{name}", RUN_SECONDS)
    except GuestError as error:
        return Execution(name, guest.release, -1, "", lost=str(error))
    return Execution(name, guest.release, seen["status"], seen["text"], bool(seen["stuck"]))
