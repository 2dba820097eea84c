"""A booted guest that can play scenarios: set up once, restored before each."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from pfntrack.errors import GuestError
from pfntrack.lab.guests import machine
from pfntrack.lab.guests.machine import VFIO_WINDOW, WINDOWS, Bar, parse_bar, regions_of
from pfntrack.lab.guests.qemu import Qemu, host_side
from pfntrack.lab.observe.calls import probe_lines
from pfntrack.lab.observe.events import parse_memtype_list
from pfntrack.lab.observe.regions import Regions

BOOT_SECONDS = 180.0
BOOT_ATTEMPTS = 3
STEP_SECONDS = 30.0
_SNAPSHOT = "ready"
_TRACING = "/sys/kernel/tracing"
_PCI = "/sys/bus/pci"
_STAMP = re.compile(r"^\[ *\d+\.\d+\] ")


@attrs.frozen(slots=True)
class GuestModule:
    """A kernel module in the initramfs, and the parameters it is loaded with."""

    name: str
    parameters: str = ""


@attrs.frozen(slots=True)
class BootFiles:
    """What a guest is booted from."""

    series: str
    kernel: Path
    initrd: Path
    modules: tuple[GuestModule, ...] = ()
    vfio: bool = False
    append: str = ""
    cpus: int = 1


@attrs.frozen(slots=True)
class Answer:
    """What came of one command."""

    ret: int
    error: int
    signal: int
    value: int

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """The answer as the agent writes it."""
        return cls(told["ret"], told["err"], told["sig"], told["value"])


@attrs.frozen(slots=True)
class Observation:
    """Everything read after a step, still as the guest's text."""

    memtype: str
    log: tuple[str, ...]
    trace: str
    processes: dict[str, dict[str, Any]]


def kernel_command_line(files: BootFiles) -> str:
    """What the kernel is told at boot."""
    return f"{machine.kernel_command_line(vfio=files.vfio)} {files.append}".strip()


def command_line(files: BootFiles) -> list[str]:
    """QEMU's command as it would be run, for a dry run; paths of sockets are examples."""
    return [
        machine.QEMU,
        *machine.arguments(vfio=files.vfio, cpus=files.cpus),
        *("-kernel", str(files.kernel), "-initrd", str(files.initrd)),
        *("-append", kernel_command_line(files)),
        *host_side(Path("/tmp/pfntrack-lab-XXXX")),  # noqa: S108 - only shown
    ]


def _is_timer_failure(text: str) -> bool:
    return "IO-APIC + timer" in text or "apic_intr_mode_init" in text


class Guest:
    """A guest from boot to power-off, as a context manager."""

    def __init__(self, files: BootFiles) -> None:
        self.files = files
        self.append = kernel_command_line(files)
        self.machine_arguments = machine.arguments(vfio=files.vfio, cpus=files.cpus)
        self._qemu = self._new_qemu()
        self.bars: list[Bar] = []
        self.regions = Regions()
        self.baseline: list[list[str | int]] = []
        self.version = ""
        self.release = ""
        self.vfio_group = ""
        self.has_module = False
        self.sees_calls = True

    def _new_qemu(self) -> Qemu:
        files = self.files
        return Qemu(self.machine_arguments, files.kernel, files.initrd, self.append)

    def __enter__(self) -> Guest:
        # A kernel can fail its own timer check on a busy machine, so a boot has
        # more than one chance; what fails every time is an error.
        for _ in range(BOOT_ATTEMPTS - 1):
            try:
                return self._boot()
            except GuestError as error:
                if not _is_timer_failure(str(error)):
                    raise
                self._qemu = self._new_qemu()
        return self._boot()

    def _boot(self) -> Guest:
        self._qemu.__enter__()
        try:
            self._set_up()
        except BaseException:
            self._qemu.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._qemu.close()

    # talking ---------------------------------------------------------------

    def _ask(self, line: str, timeout: float = STEP_SECONDS) -> dict[str, Any]:
        self._qemu.send(line)
        return self._receive(repr(line), timeout)

    def _receive(self, what: str, timeout: float = STEP_SECONDS) -> dict[str, Any]:
        text = self._qemu.receive(timeout)
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise self._qemu.failure(f"garbled answer to {what}: {text[:200]!r}") from error
        if not isinstance(answer, dict):
            raise self._qemu.failure(f"unexpected answer to {what}: {text[:200]!r}")
        return answer

    def command(self, line: str) -> Answer:
        """One command; see guest/agent.c."""
        return Answer.of(self._ask(line))

    def in_process(self, process: str, line: str) -> Answer:
        """One operation of a process."""
        return self.command(f"do {process} {line}")

    def overlap(self, hold: str, left: str, other: str, right: str) -> tuple[bool, Answer, Answer]:
        """Two calls at once; see `both` in agent/agent.c. Was the left one held as asked?

        `hold` names function, number of the call, and process of the left one.
        """
        a = self._ask(f"both {hold};{left};{other};{right}")
        if "left" not in a:
            name = errno.errorcode.get(a.get("err", 0), "nothing")
            raise self._qemu.failure(f"no call can be held at {hold!r}: {name}")
        return a["held"] == 1, Answer.of(a["left"]), Answer.of(a["right"])

    def text(self, path: str) -> str:
        """A file of the guest, empty if it cannot be read."""
        return str(self._ask(f"cat {path}")["text"])

    def run(self, program: str, timeout: float) -> dict[str, Any]:
        """Run a program of the initramfs: its output, status, and whether it had to be left."""
        return self._ask(f"run {program}", timeout)

    def batch(self, steps: Sequence[Sequence[str]]) -> Iterator[tuple[Answer, dict[str, Any]]]:
        """Many steps in one go: each step's answer, and what the agent saw change.

        A step is one command or several, of which the first failure ends it.
        """
        self._qemu.send("batch")
        for lines in steps:
            for line in lines[:-1]:
                self._qemu.send(f"-{line}")
            self._qemu.send(f"={lines[-1]}")
        self._qemu.send("end")
        for _ in steps:
            answer = Answer.of(self._receive("a step of a batch"))
            yield answer, self._receive("a look")
        self._receive("the end of a batch")

    def observe(self) -> Observation:
        """Look at everything; the log and the calls start anew."""
        a = self._ask("observe")
        return Observation(
            a["memtype"] or "", tuple(a["kmsg"].splitlines()), a["trace"] or "", a["procs"]
        )

    @property
    def outside(self) -> Path:
        """QEMU's control socket for whoever wants to look at the guest from outside."""
        return self._qemu.outside

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the guest so far."""
        return self._qemu.cpu_seconds

    def console_mark(self) -> int:
        """A mark for console_since()."""
        return self._qemu.console_size()

    def console_since(self, mark: int) -> list[str]:
        """The console's lines after a mark, without their times."""
        return [_STAMP.sub("", line) for line in self._qemu.console_since(mark)]

    def clear_warn_once(self) -> None:
        """Let every once-only warning speak again."""
        self.command("write /sys/kernel/debug/clear_warn_once 1")

    def restore(self) -> None:
        """Back to the state after boot."""
        self._qemu.restore(_SNAPSHOT)

    # setting up ------------------------------------------------------------

    def _must(self, line: str, why: str) -> None:
        answer = self.command(line)
        if answer.error:
            name = errno.errorcode.get(answer.error, str(answer.error))
            raise self._qemu.failure(f"{why}: {line!r} failed with {name}")

    def _set_up(self) -> None:
        ready = self._qemu.receive(BOOT_SECONDS)
        if "ready" not in ready:
            raise self._qemu.failure(f"unexpected greeting {ready[:200]!r}")
        for module in self.files.modules:
            self._must(f"module /mod/{module.name}.ko {module.parameters}".strip(), "cannot load")
        self.has_module = not self.command("lab").error
        self.version = self.text("/proc/version").strip()
        self.release = self.text("/proc/sys/kernel/osrelease").strip()
        self._find_bars()
        if self.files.vfio:
            self._bind_vfio()
        self._trace_calls()
        self.observe()
        self.baseline = parse_memtype_list(self.observe().memtype, self.regions)
        self._qemu.save(_SNAPSHOT)

    def _find_bars(self) -> None:
        self.bars = []
        for window in WINDOWS:
            bar = parse_bar(window, self.text(f"{_PCI}/devices/{window.bdf}/resource"))
            if bar:
                self.bars.append(bar)
        if not self.bars:
            raise self._qemu.failure("the guest shows none of its devices' windows")
        self.regions = regions_of(self.bars)

    def _bind_vfio(self) -> None:
        bdf = VFIO_WINDOW.bdf
        self.command("write /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts Y")
        self._must(f"write {_PCI}/devices/{bdf}/driver_override vfio-pci", "cannot use VFIO")
        self._must(f"write {_PCI}/drivers/vfio-pci/bind {bdf}", "cannot use VFIO")
        group = str(self._ask(f"link {_PCI}/devices/{bdf}/iommu_group")["text"])
        if not group:
            raise GuestError("the guest has no IOMMU group for its device: is INTEL_IOMMU set?")
        self.vfio_group = f"/dev/vfio/{group.rsplit('/', 1)[-1]}"

    def _trace_calls(self) -> None:
        # A kernel refuses the probes of functions that it lacks; one without kprobes, all.
        answers = [self.command(f"append {_TRACING}/kprobe_events {x}") for x in probe_lines()]
        self.sees_calls = not all(answer.error for answer in answers)
        self.command(f"write {_TRACING}/events/pfntrack/enable 1")
