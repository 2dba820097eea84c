"""Records programs on real kernels: the loop over guests and programs."""

from __future__ import annotations

import queue
import shlex
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from pfntrack.errors import GuestError, PfntrackError
from pfntrack.lab.guests.guest import BootFiles, Guest, command_line
from pfntrack.lab.images.apt import progress
from pfntrack.lab.images.build import boot_files
from pfntrack.lab.images.kernels import Kernel
from pfntrack.lab.play.recorder import Recorder, needs_vfio

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
    append: str = "",
) -> Iterator[Outcome]:
    """Record programs on one kernel; those that need VFIO get a machine with an IOMMU.

    ``append`` is added to the kernel's command line.

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
        files = attrs.evolve(files, append=append)
        guests = min(jobs, chosen.qsize())
        yield from _play(files, chosen) if guests == 1 else _in_parallel(files, chosen, guests)


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
