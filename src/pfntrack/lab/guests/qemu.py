"""One QEMU process: started, spoken to, and gone afterwards whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from pfntrack.errors import GuestError
from pfntrack.lab.guests.machine import QEMU

CONSOLE_LINES = 40
_SNAPSHOT_SIZE = "1G"
_FOLDER = "pfntrack-lab-"

_GIVES_UP = re.compile(r"pfntrack agent: gives up: (.*)")
"""What the agent says on the console where it has no other line."""

_TOOLS = {QEMU: "qemu-system-x86", "qemu-img": "qemu-utils", "setpriv": "util-linux"}


class MissingToolError(GuestError):
    """A host program that the lab needs is not installed."""


def require_tools() -> None:
    """Raises MissingToolError, which names the Debian package, unless guests can run."""
    for name in _TOOLS:
        require_tool(name)


def require_tool(name: str) -> str:
    """Path of a host program.

    Raises MissingToolError: it is not installed; the text names the Debian package.
    """
    path = shutil.which(name)
    if path is None:
        raise MissingToolError(
            f"{name} not found: install the Debian package {_TOOLS.get(name, name)}"
        )
    return path


class LineChannel:
    """A stream socket that carries lines, every wait bounded."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._have = b""

    def send(self, line: str) -> None:
        self._sock.settimeout(10)
        self._sock.sendall(line.encode() + b"\n")

    def receive(self, timeout: float) -> str:
        """The next line.

        Raises TimeoutError: none came in time.
        Raises EOFError: the other end is gone.
        """
        end = time.monotonic() + timeout
        while b"\n" not in self._have:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
            data = self._sock.recv(1 << 16)
            if not data:
                raise EOFError
            self._have += data
        line, self._have = self._have.split(b"\n", 1)
        return line.decode("utf-8", "replace")

    def drain(self) -> None:
        """Throw away whatever has arrived."""
        self._have = b""
        self._sock.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while self._sock.recv(1 << 16):
                pass

    def close(self) -> None:
        self._sock.close()


def _connect(path: Path, process: subprocess.Popen[bytes], timeout: float) -> socket.socket:
    end = time.monotonic() + timeout
    while time.monotonic() < end and process.poll() is None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(str(path))
        except OSError:
            sock.close()
            time.sleep(0.02)
        else:
            return sock
    raise GuestError("QEMU did not open its control socket")


def remove_leftovers() -> None:
    """Delete the folders of processes that were killed before they could do it."""
    for path in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        owner = path.name.removeprefix(_FOLDER).split("-", 1)[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(path, ignore_errors=True)


class Qemu:
    """A running QEMU with a console log, a command line to the agent, and snapshots.

    Use it as a context manager; the process and its files are gone afterwards.
    """

    def __init__(self, machine: Sequence[str], kernel: Path, initrd: Path, append: str) -> None:
        remove_leftovers()
        self._files = tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{os.getpid()}-")
        self._dir = Path(self._files.name)
        self.command = [
            QEMU,
            *machine,
            *("-kernel", str(kernel), "-initrd", str(initrd), "-append", append),
            *host_side(self._dir),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self._qmp: LineChannel | None = None
        self._agent: LineChannel | None = None

    @property
    def outside(self) -> Path:
        """A second control socket, for whoever wants to look at the guest from outside."""
        return self._dir / "outside"

    def __enter__(self) -> Qemu:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> None:
        require_tool(QEMU)
        disk = self._dir / "snapshots.qcow2"
        subprocess.run(  # noqa: S603 - our own arguments
            [require_tool("qemu-img"), "create", "-q", "-f", "qcow2", str(disk), _SNAPSHOT_SIZE],
            check=True,
        )
        with (self._dir / "qemu.log").open("wb") as log:
            # setpriv lets the kernel kill QEMU when this process dies, however it dies.
            self._process = subprocess.Popen(  # noqa: S603
                [require_tool("setpriv"), "--pdeathsig", "KILL", *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._qmp = LineChannel(_connect(self._dir / "qmp", self._process, 20))
            self._agent = LineChannel(_connect(self._dir / "agent", self._process, 20))
            self._qmp.receive(10)
            self._execute("qmp_capabilities")
            self._execute("cont")
        except (GuestError, TimeoutError, EOFError, OSError) as error:
            raise GuestError(f"QEMU did not start: {self._said() or error}") from error

    def _said(self) -> str:
        with contextlib.suppress(OSError):
            return (self._dir / "qemu.log").read_text(errors="replace").strip()
        return ""

    @property
    def cpu_seconds(self) -> float:
        """CPU time that QEMU has used, which is the guest's; 0 if it is gone."""
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text() if self._process else ""
        except OSError:
            stat = ""
        ticks = stat.rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End QEMU and remove its files."""
        for channel in (self._qmp, self._agent):
            if channel is not None:
                channel.close()
        self._qmp = self._agent = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._files.cleanup()

    def console_tail(self) -> str:
        """The last lines of the guest's console."""
        try:
            text = (self._dir / "console.log").read_text(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-CONSOLE_LINES:])

    def console_size(self) -> int:
        """How much the guest has said so far; a mark for console_since()."""
        try:
            return (self._dir / "console.log").stat().st_size
        except OSError:
            return 0

    def console_since(self, mark: int) -> list[str]:
        """What the guest said after a mark."""
        try:
            data = (self._dir / "console.log").read_bytes()[mark:]
        except OSError:
            return []
        return data.decode("utf-8", "replace").splitlines()

    def failure(self, what: str) -> GuestError:
        """An error that shows what the guest said last."""
        state = self._process.poll() if self._process else 0
        end = "" if state is None else f" (QEMU ended with status {state}: {self._said()})"
        tail = self.console_tail() or "(nothing)"
        if reason := _GIVES_UP.search(tail):
            return GuestError(f"the guest's agent gives up: {reason[1].strip()}")
        return GuestError(f"{what}{end}; the console's last lines:\n{tail}")

    def _execute(self, command: str, **arguments: Any) -> Any:
        assert self._qmp is not None  # noqa: S101 - set by _start
        request: dict[str, Any] = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        self._qmp.send(json.dumps(request))
        while True:
            answer = json.loads(self._qmp.receive(60))
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise GuestError(f"QEMU refused {command}: {answer['error'].get('desc')}")

    def _monitor(self, line: str) -> None:
        try:
            said = self._execute("human-monitor-command", **{"command-line": line})
        except (TimeoutError, EOFError, OSError) as error:
            raise self.failure(f"QEMU did not answer to {line!r}") from error
        if said.strip():
            raise GuestError(f"QEMU: {line}: {said.strip()}")

    def save(self, name: str) -> None:
        """Take a snapshot of the whole guest."""
        self._monitor(f"savevm {name}")

    def restore(self, name: str) -> None:
        """Go back to a snapshot; half-read answers are dropped."""
        self._monitor(f"loadvm {name}")
        assert self._agent is not None  # noqa: S101
        self._agent.drain()

    def receive(self, timeout: float) -> str:
        """The agent's next line.

        Raises GuestError: nothing came; the text shows the console.
        """
        assert self._agent is not None  # noqa: S101
        try:
            return self._agent.receive(timeout)
        except TimeoutError as error:
            raise self.failure(f"the guest did not answer within {timeout:.0f} s") from error
        except (EOFError, OSError) as error:
            raise self.failure("the guest is gone") from error

    def send(self, line: str) -> None:
        """One command to the agent."""
        assert self._agent is not None  # noqa: S101
        try:
            self._agent.send(line)
        except OSError as error:
            raise self.failure("the guest is gone") from error


def host_side(folder: Path) -> list[str]:
    """QEMU's arguments that are no part of the machine a scenario sees."""
    return [
        "-S",
        *("-serial", f"file:{folder}/console.log"),
        *("-chardev", f"socket,id=agent,path={folder}/agent,server=on,wait=off"),
        *("-serial", "chardev:agent"),
        *("-qmp", f"unix:{folder}/qmp,server=on,wait=off"),
        *("-qmp", f"unix:{folder}/outside,server=on,wait=off"),
        *("-drive", f"if=none,id=snap,format=qcow2,file={folder}/snapshots.qcow2"),
    ]
