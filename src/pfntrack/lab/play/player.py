"""Who plays a program for the search: a guest, or something that stands in for one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from pfntrack.errors import GuestError
from pfntrack.lab.guests.guest import BootFiles, Guest
from pfntrack.lab.play.lockstep import Setting, guest_setting
from pfntrack.lab.play.quick import QuickRecorder
from pfntrack.mm.ops import Op
from pfntrack.traces.programs import neutral


class Player(Protocol):
    """Plays programs one after the other."""

    @property
    def setting(self) -> Setting:
        """In what state programs begin."""

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the guest so far."""

    def fresh(self) -> None:
        """Back to the state after boot."""

    def play(self, steps: Sequence[Op]) -> Iterator[dict[str, Any]]:
        """The steps of a trace, as they come.

        Raises GuestError: the guest was lost.
        """


class GuestPlayer:
    """A guest; one that was lost is booted again at the next fresh()."""

    def __init__(self, files: BootFiles) -> None:
        self._files = files
        self._stack = contextlib.ExitStack()
        self._guest: Guest | None = None
        self._setting: Setting | None = None

    def __enter__(self) -> GuestPlayer:
        self._boot()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def _boot(self) -> Guest:
        self._stack.close()
        self._guest = self._stack.enter_context(Guest(self._files))
        self._setting = guest_setting(self._guest)
        return self._guest

    @property
    def setting(self) -> Setting:
        """In what state programs begin."""
        assert self._setting is not None  # noqa: S101 - there is one after __enter__
        return self._setting

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the guest so far; it starts anew with another guest."""
        return self._guest.cpu_seconds if self._guest else 0.0

    def fresh(self) -> None:
        """Back to the state after boot."""
        if self._guest is None:
            self._boot()
        else:
            self._guest.restore()

    def play(self, steps: Sequence[Op]) -> Iterator[dict[str, Any]]:
        """The steps of a trace, as they come."""
        guest = self._guest
        if guest is None:
            raise GuestError("the guest is not running")
        try:
            yield from QuickRecorder(guest).play([neutral(op) for op in steps])
        except GuestError:
            self._guest = None
            raise
