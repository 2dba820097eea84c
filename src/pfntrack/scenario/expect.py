"""What a scenario expects: one small value per kind of claim.

Ranges are half-open page ranges. `on` lists releases, release ranges and
design names for which the claim is made; empty means everywhere.
"""

from __future__ import annotations

import attrs

from pfntrack.pat.cachemode import CacheMode


@attrs.frozen
class Pages:
    """Pages `[first, end)` of a window: `H[0,4)`."""

    window: str
    first: int
    end: int

    def __str__(self) -> str:
        return f"{self.window}[{self.first},{self.end})"


@attrs.frozen
class Held:
    """One reservation: `H[0,4) WC`."""

    pages: Pages
    cache: CacheMode

    def __str__(self) -> str:
        return f"{self.pages} {self.cache.short}"


@attrs.frozen
class Entries:
    """A run of present page-table entries at pages `[at, at + pages)`.

    `to` is the window's pages behind it, or None for copies in anonymous RAM
    (whose memory type is not looked at).
    """

    at: int
    pages: int
    to: Pages | None = None
    cache: CacheMode | None = None

    def __str__(self) -> str:
        here = f"[{self.at},{self.at + self.pages})"
        if self.to is None or self.cache is None:
            return f"{here} copied"
        return f"{here} -> {self.to} {self.cache.short}"


@attrs.frozen
class Said:
    """A kernel log line in neutral form, without task and time.

    `kind`: `freeing_invalid`, `conflicting_types` (types: the two),
    `expected_type`, `ram_type`, `ioremap_error` (types: wanted, got), `warn`,
    `bug` (text: the function) or `line` (text: the line itself).
    """

    kind: str
    pages: Pages | None = None
    types: tuple[CacheMode, ...] = ()
    text: str = ""


@attrs.frozen(kw_only=True)
class Expect:
    """Base of all claims. The line is where it stands; it does not count in comparison.

    `mode` of claims about overlapping operations: `always`, `possible` or `never`, over all
    schedules; empty where one schedule is meant.
    """

    mode: str = ""
    on: tuple[str, ...] = ()
    line: int = attrs.field(default=0, eq=False)


@attrs.frozen
class ExpectResult(Expect):
    """`ok`, an errno name, `SIGBUS`, `SIGSEGV`, or `NULL` for a refused ioremap.

    `side` (`left`, `right`) says which of two overlapping operations is meant.
    """

    word: str
    side: str = ""


@attrs.frozen
class ExpectStruck(Expect):
    """How often the armed failures struck; claimed of `stop failing`."""

    times: int


@attrs.frozen
class ExpectReservations(Expect):
    """The reservations inside the windows in the kernel's list order.

    Entries from boot are left out, duplicates are kept.
    """

    held: tuple[Held, ...] = ()


@attrs.frozen
class ExpectLog(Expect):
    """Everything that this step logs, in order."""

    said: tuple[Said, ...] = ()


@attrs.frozen
class ExpectTracked(Expect):
    """Every mapping of `p` that meets `[at, at + pages)` is tracked, or none of them."""

    p: str
    at: int
    pages: int
    tracked: bool = True


@attrs.frozen
class ExpectMappings(Expect):
    """All mappings (VMAs) of a process as `(at, end)` pairs."""

    p: str
    areas: tuple[tuple[int, int], ...] = ()


@attrs.frozen
class ExpectEntries(Expect):
    """All present page-table entries of a process, in runs."""

    p: str
    runs: tuple[Entries, ...] = ()


@attrs.frozen
class ExpectProperty(Expect):
    """Properties that this step breaks, or keeps; at the end: the whole run."""

    names: tuple[str, ...]
    broken: bool


@attrs.frozen
class ExpectLeaks(Expect):
    """Reservations that are left when all processes are gone."""

    held: tuple[Held, ...] = ()


PROPERTIES = (*(f"I{number}" for number in range(1, 11)), "I5-tlb", "tight")
