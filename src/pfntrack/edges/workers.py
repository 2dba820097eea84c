"""Processes that work for us end with us, however we end."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Called in a worker: the kernel ends it when `parent`, which started it, is gone.

    Only the main thread that started it counts as parent, which is so in all our workers.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def quiet(parent: int) -> None:
    """A worker's beginning: it ends with its parent, and leaves Ctrl-C to it."""
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
