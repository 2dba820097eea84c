"""The collector of cyclic garbage during a search.

Tables grow to millions of small objects that stay. Left alone, the collector
walks through all of them again and again, which took a tenth of a search.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def only_when_told() -> Iterator[None]:
    """Nothing is collected in this block but by `collect_new`."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def collect_new() -> None:
    """Collect among what has come since the last time; the rest is not walked again."""
    gc.collect(1)
