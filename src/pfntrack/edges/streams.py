"""Standard input and output while a command runs.

Everything that is printed passes `harmless`. An output that is closed, full or cannot hold a
character never ends in a traceback. Lines that come and go (progress) have a door of their own.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast

from pfntrack.edges.text import harmless, one_line
from pfntrack.errors import PfntrackError


class OutputError(PfntrackError):
    """Standard output does not take what was found."""


class _Guarded:
    """A text stream that passes on what is harmless; the rest of it is the stream's own."""

    def __init__(self, stream: TextIO | None, *, needed: bool) -> None:
        self._stream = stream
        self._needed = needed

    def write(self, text: str) -> int:
        if self._stream is None:
            if self._needed:
                raise OutputError("standard output is closed")
            return len(text)
        told = harmless(text)
        try:
            self._stream.write(told)
        except UnicodeEncodeError:
            encoding = getattr(self._stream, "encoding", None) or "ascii"
            self._stream.write(told.encode(encoding, "backslashreplace").decode(encoding))
        except OSError as error:
            self._failed(error)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self._stream is None:
            return
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        if self._stream is None:
            raise OutputError("standard output is closed")
        return getattr(self._stream, name)

    def _failed(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            raise error
        forget(self._stream)
        if self._needed:
            raise OutputError(f"standard output: {error.strerror or error}") from None


def forget(stream: TextIO | None) -> None:
    """Nothing more can be written there: keep the interpreter from trying when it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        number = cast("TextIO", stream).fileno()
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, number)
        os.close(nothing)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """`sys.stdout` and `sys.stderr` through guards, for as long as a command runs."""
    _occupy()
    before = sys.stdout, sys.stderr
    sys.stdout = cast("TextIO", _Guarded(before[0], needed=True))
    sys.stderr = cast("TextIO", _Guarded(before[1], needed=False))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _occupy() -> None:
    """Numbers 0 to 2 that are closed are taken, so that no file of ours gets them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)


_aside: list[TextIO] = []


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """What is printed goes to standard error, for `result()` alone has standard output."""
    _aside.append(sys.stdout)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _aside.pop().flush()


def result() -> TextIO:
    """Standard output, also while what is printed goes aside."""
    return _aside[-1] if _aside else sys.stdout


def styled(lines: Iterable[tuple[str, str]]) -> None:
    """Lines on standard output, each in its style: a parameter of SGR such as `1;31`, or none.

    The styles are ours; what the lines say passes the guard as everything does.
    """
    stream = sys.stdout
    raw = stream._stream if isinstance(stream, _Guarded) else stream  # noqa: SLF001
    for style, line in lines:
        if style and raw is not None:
            raw.write(f"\033[{style}m")
        stream.write(one_line(line))
        if style and raw is not None:
            raw.write("\033[0m")
        stream.write("\n")


def transient(line: str = "") -> None:
    """A line of progress on a terminal, in place of the one before; none clears it."""
    stream = sys.stderr
    if isinstance(stream, _Guarded):
        stream = stream._stream  # noqa: SLF001 - the one place that may steer a terminal
    if stream is not None and stream.isatty():
        stream.write(f"\r{one_line(line)}\033[K")
        stream.flush()
