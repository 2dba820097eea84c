"""Mutated input for every parser: an answer or one of our errors, in bounds of time and memory.

PFNTRACK_FUZZ=N tries N inputs for each parser (`make test-deep`: 100,000; else a few).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from audit.test_kdump import PAGE, kdump
from pfntrack.audit.judged.checks import audit
from pfntrack.audit.memory.kdump import KdumpFile
from pfntrack.audit.memory.qmp import Monitor
from pfntrack.audit.read.snapshot import SnapshotCollector
from pfntrack.check.run import run_scenario
from pfntrack.check.search import checkpoint
from pfntrack.check.search.bounds import Bounds
from pfntrack.check.search.explore import Limits, Search
from pfntrack.check.search.setting import Setting
from pfntrack.errors import PfntrackError
from pfntrack.field.triage import triage
from pfntrack.releases import RELEASES
from pfntrack.report.html.documents import read
from pfntrack.report.runs.json_run import comparison_json, run_json
from pfntrack.scenario import find, library, parse
from pfntrack.traces.conform import replay
from pfntrack.traces.load import load_trace

TESTS = Path(__file__).parents[1]
SECONDS, GIB = 5, 1 << 20
# Pieces that parsers trip over.
SPICE = (
    *(b"", b"\0", b"\xff", b"\xed\xa0\x80", b"\x1b[31m", b"\r", b"\n\n", b"0x", b"-1", b"1e999"),
    *(b"9" * 5000, b"18446744073709551616", b"9223372036854775807", b"[" * 2000, b'"', b"\\ud800"),
    *(b"null", b"true", b"1.0", b"{}", b"NaN", "\u202e".encode(), b"[0,9223372036854775808)"),
)
Take = Callable[[bytes], object]


def mutated(seed: bytes, luck: random.Random) -> bytes:
    """Some bytes changed, cut, doubled, or replaced by something spicy."""
    data = bytearray(seed)
    for _ in range(luck.choice((1, 1, 2, 4, 16))):
        at = luck.randrange(len(data) + 1)
        end = min(len(data), at + luck.choice((1, 1, 4, 40)))
        match luck.randrange(6):
            case 0 if data:
                data[at % len(data)] = luck.randrange(256)
            case 1:
                del data[at:end]
            case 2:
                data[at:at] = data[at:end] * luck.choice((1, 3))
            case 3:
                data[at:end] = luck.choice(SPICE)
            case 4:
                data[at:at] = luck.choice(SPICE)
            case _:
                del data[at:]
    return bytes(data)


def scenarios(_folder: Path) -> tuple[list[bytes], Take]:
    """Read, and run where that succeeds."""
    seeds = [path.read_bytes() for path in library().values()]
    return seeds, lambda raw: run_scenario(parse(raw.decode()), RELEASES["6.12"])


def traces(folder: Path) -> tuple[list[bytes], Take]:
    """Load and replay."""
    found = sorted((TESTS / "conform" / "traces").glob("*/*.json"), key=lambda p: p.stat().st_size)
    path = folder / "trace.json"

    def take(raw: bytes) -> None:
        path.write_bytes(raw)
        replay(load_trace(path), RELEASES["6.12"])

    return [each.read_bytes() for each in found[:40]], take


def logs(_folder: Path) -> tuple[list[bytes], Take]:
    """Triage."""
    found = sorted((TESTS / "field" / "logs").glob("*.txt"), key=lambda p: p.stat().st_size)
    return [each.read_bytes() for each in found[:30]], lambda raw: triage(io.BytesIO(raw))


def snapshots(folder: Path) -> tuple[list[bytes], Take]:
    """One file after the other of a machine's snapshot, mutated; the seed begins with its name."""
    source = TESTS / "audit" / "snapshots" / "6.12-split-alive"
    files = {str(p.relative_to(source)): p.read_bytes() for p in source.rglob("*") if p.is_file()}
    for name, raw in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)
    names = sorted(files)

    def take(raw: bytes) -> None:
        name = names[raw[0] % len(names)] if raw else names[0]
        (folder / name).write_bytes(raw[1:])
        try:
            audit(SnapshotCollector(folder).collect())
        finally:
            (folder / name).write_bytes(files[name])

    return [bytes([number]) + files[name] for number, name in enumerate(names)], take


def dumps(folder: Path) -> tuple[list[bytes], Take]:
    """Compressed dumps, all pages of their beginning."""
    path = folder / "dump"

    def take(raw: bytes) -> None:
        path.write_bytes(raw)
        try:
            dump = KdumpFile(path)
            for pfn in range(16):
                dump.read(pfn * PAGE, PAGE)
        except (OSError, ValueError) as error:
            # Its documented errors; a fault is what drgn makes of a hole.
            raise PfntrackError(str(error)) from None
        except Exception as error:
            if type(error).__name__ != "FaultError":
                raise

    return [kdump({1: b"a" * PAGE, 5: os.urandom(PAGE), 9: b"b" * PAGE})], take


def monitors(folder: Path) -> tuple[list[bytes], Take]:
    """What a QMP socket says."""
    greeting = b'{"QMP": {"version": {}, "capabilities": []}}\n{"return": {}}\n'
    tree = "  0000000000000000-000000000009ffff (prio 0, ram): pc.ram\\r\\n"
    path = folder / "socket"

    def take(raw: bytes) -> None:
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()

            def serve() -> None:
                with contextlib.suppress(OSError), server.accept()[0] as client:
                    client.sendall(raw)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(4096):
                        pass

            thread = threading.Thread(target=serve)
            thread.start()
            try:
                with Monitor(path) as monitor:
                    monitor.ram()
            finally:
                thread.join()

    return [greeting + f'{{"return": "{tree}"}}\n'.encode()], take


def documents(_folder: Path) -> tuple[list[bytes], Take]:
    """Saved JSON of runs and comparisons."""
    runs = [run_scenario(find("truncate-middle"), release) for release in RELEASES.values()]
    made = [run_json(runs[0]), [comparison_json(runs[:2])]]
    return [json.dumps(each).encode() for each in made], lambda raw: read(raw.decode(), "x.json")


def checkpoints(folder: Path) -> tuple[list[bytes], Take]:
    """Saved searches."""
    setting = Setting(RELEASES["7.3"], Bounds(1, 2, 1, 1, 2))
    search = Search(setting)
    search.run(Limits(states=20), until=frozenset())
    path = folder / "kept"
    checkpoint.save(search, path)

    def take(raw: bytes) -> None:
        (folder / "changed").write_bytes(raw)
        checkpoint.resume(Search(setting), folder / "changed")

    return [path.read_bytes()], take


PARSERS = (scenarios, traces, logs, snapshots, dumps, monitors, documents, checkpoints)


@pytest.fixture
def alarmed() -> Iterator[None]:
    """An input that takes longer than it may ends in an error."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _fuzz(parser: Callable[[Path], tuple[list[bytes], Take]], folder: Path, count: int) -> None:
    seeds, take = parser(folder)
    luck = random.Random(os.urandom(8))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(count):
        raw = mutated(luck.choice(seeds), luck)
        signal.alarm(SECONDS + 1)
        try:
            take(raw)
        except (PfntrackError, UnicodeDecodeError):
            pass
        except BaseException:
            kept = (
                Path(os.environ.get("PFNTRACK_FUZZ_KEEP", str(folder))) / f"{parser.__name__}.bad"
            )
            kept.write_bytes(raw)
            raise
    signal.alarm(0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most < GIB


@pytest.mark.usefixtures("alarmed")
@pytest.mark.parametrize("parser", PARSERS, ids=lambda each: each.__name__)
def test_a_few(parser: Callable[[Path], tuple[list[bytes], Take]], tmp_path: Path) -> None:
    """So that the fuzzers themselves work."""
    _fuzz(parser, tmp_path, 25)


@pytest.mark.deep
@pytest.mark.usefixtures("alarmed")
@pytest.mark.parametrize("parser", PARSERS, ids=lambda each: each.__name__)
def test_many(parser: Callable[[Path], tuple[list[bytes], Take]], tmp_path: Path) -> None:
    """No traceback, nothing over 5 s or 1 GiB."""
    _fuzz(parser, tmp_path, int(os.environ.get("PFNTRACK_FUZZ", "100000")))
