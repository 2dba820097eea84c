"""Triage as one call: bytes in, findings out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import attrs

from pfntrack.field.finding import Finding
from pfntrack.field.read.collect import Log, collect
from pfntrack.field.read.context import Context
from pfntrack.field.read.lines import MAX_LINE, decode
from pfntrack.field.read.prefilter import Readable, interesting
from pfntrack.field.read.reading import Text
from pfntrack.field.read.replay import Replay
from pfntrack.field.rules import diagnose, tell

# A paste is read whole, so that prose around the lines counts; a log goes through the sieve.
WHOLE = 256 << 10
KEPT = 8_000


@attrs.frozen(slots=True)
class Result:
    """Everything a report needs."""

    log: Log
    context: Context
    findings: tuple[Finding, ...]
    replay: Replay | None
    name: str = "-"

    near: tuple[tuple[int, str], ...] = ()

    @property
    def verdict(self) -> str:
        """One of: findings, healthy, not ours, not recognised (words of the area, no message)."""
        if not self.quiet:
            return "findings"
        if any(made.code in ("HEALTHY", "MTRR_STATE") for made in self.findings):
            return "healthy"
        return "not recognised" if self.near and not self.findings else "not ours"

    @property
    def diagnosis(self) -> str | None:
        return self.findings[0].code if self.findings else None

    @property
    def quiet(self) -> bool:
        """Whether there is nothing that anybody has to act on or know."""
        return all(made.level == "none" for made in self.findings)


def triage(
    stream: Readable,
    context: Context | None = None,
    *,
    name: str = "-",
    progress: Callable[[int], None] | None = None,
) -> Result:
    """Read a stream of any size and diagnose it."""
    stream = Text(stream, name)
    head = b""
    while len(head) <= WHOLE and (part := stream.read(WHOLE + 1 - len(head))):
        head += part
    if len(head) <= WHOLE:
        return triage_lines(_numbered(head), context, name=name)
    joined = _Chained(head, stream)
    return triage_lines(interesting(joined, progress), context, name=name)


def triage_text(text: str, context: Context | None = None) -> Result:
    """Diagnose a text that is already in memory."""
    return triage_lines(enumerate(text.split("\n"), 1), context)


def triage_lines(
    lines: Iterable[tuple[int, str]], context: Context | None = None, *, name: str = "-"
) -> Result:
    """Diagnose numbered lines."""
    kept: list[tuple[int, str]] = []
    log = collect(_keeping(lines, kept))
    known = context or Context()
    findings, played = diagnose(log, known)
    if not findings:
        findings = tell(kept, log, known)
    return Result(log, known, findings, played, name, () if findings else log.near)


def _keeping(
    lines: Iterable[tuple[int, str]], kept: list[tuple[int, str]]
) -> Iterator[tuple[int, str]]:
    """The lines, of which the first are kept in case no rule knows any."""
    for line in lines:
        if len(kept) < KEPT:
            kept.append(line)
        yield line


def _numbered(data: bytes) -> Iterator[tuple[int, str]]:
    for number, raw in enumerate(data.split(b"\n"), 1):
        yield number, decode(raw[: 2 * MAX_LINE])


class _Chained:
    """The bytes already read, then the rest of the stream."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        return self._stream.read(size)
