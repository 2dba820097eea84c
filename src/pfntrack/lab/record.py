"""Records programs on real kernels: the loop over guests and programs.

As a command: ``python -m pfntrack.lab.record --kernel 6.1 --out DIR FILE...``
"""

from __future__ import annotations

import argparse
import queue
import shlex
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from pfntrack.errors import GuestError, PfntrackError
from pfntrack.lab.apt import progress
from pfntrack.lab.build import boot_files
from pfntrack.lab.compare import differences
from pfntrack.lab.guest import BootFiles, Guest, command_line
from pfntrack.lab.kernels import Kernel, find
from pfntrack.lab.recorder import Recorder, needs_vfio
from pfntrack.lab.traces import dump, read_json, read_programs

Program = Mapping[str, Any]
Trace = dict[str, Any]


@attrs.frozen(slots=True)
class Outcome:
    """A program and its trace, or why there is none.

    With a trace, ``error`` says that the guest was lost on its last step.
    """

    program: Program
    trace: Trace | None
    error: str = ""


def _play(files: BootFiles, programs: queue.SimpleQueue[Program]) -> Iterator[Outcome]:
    """Outcomes of the programs in a queue; a guest that is lost is booted again."""
    while not programs.empty():
        started = time.monotonic()
        with Guest(files) as guest:
            progress(f"{guest.release}: ready after {time.monotonic() - started:.1f} s")
            while True:
                try:
                    program = programs.get_nowait()
                except queue.Empty:
                    return
                recorder = Recorder(guest)
                try:
                    trace = recorder.record(program)
                except GuestError as error:
                    yield Outcome(program, None, str(error))
                    break
                except PfntrackError as error:
                    yield Outcome(program, None, str(error))
                else:
                    yield Outcome(program, trace, recorder.lost)
                    if recorder.lost:
                        break


def _in_parallel(
    files: BootFiles, programs: queue.SimpleQueue[Program], jobs: int
) -> Iterator[Outcome]:
    """Outcomes from several guests, as they come."""
    done: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        try:
            for outcome in _play(files, programs):
                done.put(outcome)
                if stop.is_set():
                    return
        except BaseException as error:
            done.put(error)
        finally:
            done.put(None)

    threads = [threading.Thread(target=work, name=f"guest-{i}") for i in range(jobs)]
    for thread in threads:
        thread.start()
    try:
        running = jobs
        while running:
            item = done.get()
            if isinstance(item, Outcome):
                yield item
            elif item is None:
                running -= 1
            else:
                raise item
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def record(
    kernel: Kernel,
    programs: Sequence[Program],
    *,
    with_module: bool = True,
    jobs: int = 1,
) -> Iterator[Outcome]:
    """Record programs on one kernel; those that need VFIO get a machine with an IOMMU.

    With several jobs that many guests run at once and outcomes come in no
    particular order.

    Raises GuestError: the kernel cannot be prepared or does not boot.
    """
    for vfio in (False, True):
        chosen: queue.SimpleQueue[Program] = queue.SimpleQueue()
        for program in programs:
            if needs_vfio(program) == vfio:
                chosen.put(program)
        if chosen.empty():
            continue
        files = boot_files(kernel, vfio=vfio, with_module=with_module)
        guests = min(jobs, chosen.qsize())
        yield from _play(files, chosen) if guests == 1 else _in_parallel(files, chosen, guests)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pfntrack.lab.record", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="programs or traces, in JSON")
    parser.add_argument("--kernel", required=True, help="debian:6.1, or the path of an image")
    parser.add_argument("--out", type=Path, help="folder for the traces")
    parser.add_argument("--compare", action="store_true", help="compare with the given traces")
    parser.add_argument("--no-module", action="store_true", help="without the driver module")
    parser.add_argument("--jobs", type=int, default=1, help="guests at the same time")
    parser.add_argument("--dry-run", action="store_true", help="show commands and packages")
    return parser


def describe(kernel: Kernel, *, with_module: bool = True) -> str:
    """The QEMU command and the packages, for a dry run."""
    lines = []
    if kernel.packages:
        packages = (*kernel.packages.image, *(kernel.packages.headers if with_module else ()))
        lines.append(f"packages ({kernel.packages.suite.name}): {' '.join(packages)}")
    for vfio in (False, True):
        files = BootFiles(kernel.series, kernel.image, Path("INITRD"), (), vfio)
        lines.append(shlex.join(command_line(files)))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; the result is its exit status."""
    options = _parser().parse_args(arguments)
    expected = {}
    programs = []
    try:
        for path in options.files:
            found = read_programs(path)
            programs += found
            if options.compare:
                expected[found[0]["name"]] = read_json(path)
        kernel = find(options.kernel)
        if options.dry_run:
            print(describe(kernel, with_module=not options.no_module))  # noqa: T201
            return 0
        return _report(
            record(kernel, programs, with_module=not options.no_module, jobs=options.jobs),
            options,
            expected,
        )
    except PfntrackError as error:
        progress(f"error: {error}")
        return 2


def _report(
    outcomes: Iterator[Outcome], options: argparse.Namespace, expected: Mapping[str, Any]
) -> int:
    status = 0
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    count, started = 0, time.monotonic()
    for outcome in outcomes:
        name = outcome.program["name"]
        count += 1
        if outcome.error:
            progress(f"{name}: {outcome.error}")
            status = 1
        if outcome.trace is None:
            continue
        if options.out:
            (options.out / f"{name}.json").write_text(dump(outcome.trace), encoding="utf-8")
        for difference in differences(expected[name], outcome.trace) if expected else ():
            progress(f"{name}: {difference}")
            status = 1
    progress(f"{count} programs in {time.monotonic() - started:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
