"""A few words of QEMU's machine protocol: where a guest's RAM lies."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

from pfntrack.edges import documents
from pfntrack.errors import InputFormatError
from pfntrack.field.read.lines import printable

_TIMEOUT = 20.0
# Characters of the longest line: a flat view of memory with thousands of ranges.
_LONGEST = 16 << 20
_RAM = re.compile(r"^ *([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ram\): \S+", re.MULTILINE)


class Monitor:
    """One connection to a QMP socket, as a context manager.

    Raises InputFormatError: there is no QEMU at the socket, or it says no.
    """

    def __init__(self, path: Path) -> None:
        self._name = printable(str(path))
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(_TIMEOUT)
        try:
            self._sock.connect(str(path))
            self._lines = self._sock.makefile("r", encoding="utf-8", errors="replace")
            greeting = self._lines.readline(_LONGEST)
        except OSError as error:
            self._sock.close()
            reason = error.strerror or "no greeting (is somebody else connected?)"
            raise InputFormatError(
                f"{self._name}: {reason}: expected the QMP socket of a running QEMU"
            ) from None
        if '"QMP"' not in greeting:
            self.close()
            raise InputFormatError(f"{self._name}: not a QMP socket: no QMP greeting")
        try:
            self.execute("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; QEMU takes one client at a time."""
        if hasattr(self, "_lines"):
            self._lines.close()
        self._sock.close()

    def execute(self, command: str, **arguments: Any) -> Any:
        """One command and what it returned."""
        request = {"execute": command} | ({"arguments": arguments} if arguments else {})
        try:
            self._sock.sendall(json.dumps(request).encode() + b"\n")
            while line := self._lines.readline(_LONGEST):
                answer = documents.load(line, f"{self._name}: {command}")
                if not isinstance(answer, dict):
                    raise ValueError("expected an object")
                if "return" in answer:
                    return answer["return"]
                if "error" in answer:
                    error = answer["error"]
                    words = printable(str(error.get("desc") if isinstance(error, dict) else error))
                    raise InputFormatError(f"{self._name}: QEMU refused {command}: {words}")
        except (OSError, ValueError) as wrong:
            raise InputFormatError(f"{self._name}: {command}: {wrong}") from None
        raise InputFormatError(f"{self._name}: QEMU hung up at {command}")

    def ram(self) -> list[tuple[int, int]]:
        """Physical ranges that are RAM, half-open, from QEMU's flat view of memory."""
        text = self.execute("human-monitor-command", **{"command-line": "info mtree -f"})
        spans = {(int(first, 16), int(last, 16) + 1) for first, last in _RAM.findall(str(text))}
        return sorted(spans)
