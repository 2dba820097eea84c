"""The operations of the model as values: what programs, drivers and the kernel do.

One vocabulary for scenarios, recorded traces, the explorer and the lab.
Processes are named by letters, windows (BARs, RAM) by their name; `at`,
`pages` and `off` count pages, ranges are half-open. A field that does not
apply keeps its default.
"""

from __future__ import annotations

import attrs

from pfntrack.pat.cachemode import CacheMode


@attrs.frozen
class Op:
    """Base of all operations."""


@attrs.frozen
class Open(Op):
    """Process `p` opens `target` as descriptor `fd`.

    `target`: `sysfs` (resourceN, with `wc` resourceN_wc), `devmem` (with
    `sync` O_SYNC), `driver` (the parametric driver) or `path`. The driver
    maps window `window` with `cache` in `mode`, beginning at page `first` of
    the mapping and for `pages` pages (0 = to the end).
    """

    p: str
    fd: int
    target: str
    window: str = ""
    wc: bool = False
    sync: bool = False
    readonly: bool = False
    mode: str = "remap"
    cache: CacheMode = CacheMode.UC_MINUS
    first: int = 0
    pages: int = 0
    path: str = ""


@attrs.frozen
class Close(Op):
    """Close a descriptor; mappings keep the file open."""

    p: str
    fd: int


@attrs.frozen
class Mmap(Op):
    """Map `pages` pages of `fd` from page `off` at `at`, replacing what is there.

    Through /dev/mem, `off` counts from the start of `window`; without a
    window it is a physical page number.
    """

    p: str
    at: int
    pages: int
    fd: int
    off: int = 0
    shared: bool = True
    prot: str = "rw"
    window: str = ""


@attrs.frozen
class AnonOver(Op):
    """MAP_FIXED private anonymous memory over whatever is at `at`."""

    p: str
    at: int
    pages: int
    prot: str = "rw"


@attrs.frozen
class Munmap(Op):
    """munmap()."""

    p: str
    at: int
    pages: int


@attrs.frozen
class Mprotect(Op):
    """mprotect() to `prot`: a subset of `rwx`, `-` for PROT_NONE."""

    p: str
    at: int
    pages: int
    prot: str


@attrs.frozen
class Madvise(Op):
    """madvise(); `advice` is the name after MADV_, in lower case."""

    p: str
    at: int
    pages: int
    advice: str


@attrs.frozen
class Mremap(Op):
    """Resize or move `[at, at + old)` to `new` pages; `to` with `fixed`."""

    p: str
    at: int
    old: int
    new: int
    maymove: bool = False
    fixed: bool = False
    dontunmap: bool = False
    to: int | None = None


@attrs.frozen
class Mlock(Op):
    """mlock() or munlock()."""

    p: str
    at: int
    pages: int
    unlock: bool = False


@attrs.frozen
class Mseal(Op):
    """mseal(), from 6.10."""

    p: str
    at: int
    pages: int


@attrs.frozen
class Read(Op):
    """Load from the first bytes of page `at`."""

    p: str
    at: int


@attrs.frozen
class Access(Op):
    """A debugger reads page `at` of process `p` through /proc/PID/mem."""

    p: str
    at: int


@attrs.frozen
class Write(Op):
    """Store to the first bytes of page `at`."""

    p: str
    at: int


@attrs.frozen
class Fork(Op):
    """fork(): `child` is the new process."""

    p: str
    child: str


@attrs.frozen
class Exit(Op):
    """The process exits, or is killed."""

    p: str
    killed: bool = False


@attrs.frozen
class Zap(Op):
    """The driver calls `unmap_mapping_range()` on the file behind `fd`.

    `off` is a page of the file, or of `window` if that is named (then the
    physical page number is meant); `pages` 0 means to the end of the file.
    """

    p: str
    fd: int
    off: int = 0
    pages: int = 0
    even_cows: bool = True
    window: str = ""


@attrs.frozen
class ZapVma(Op):
    """The driver calls `zap_vma_ptes()` on a user range."""

    p: str
    at: int
    pages: int


@attrs.frozen
class Remap(Op):
    """The driver calls `remap_pfn_range()` on an existing mapping."""

    p: str
    at: int
    pages: int
    window: str
    off: int = 0
    cache: CacheMode = CacheMode.UC_MINUS


@attrs.frozen
class InsertPfn(Op):
    """The driver calls `vmf_insert_pfn()` for one page of an existing mapping."""

    p: str
    at: int
    window: str
    off: int = 0


@attrs.frozen
class Ioremap(Op):
    """The kernel maps pages of a window for itself; `id` names the mapping."""

    id: str
    window: str
    off: int
    pages: int
    cache: CacheMode = CacheMode.UC_MINUS


@attrs.frozen
class Iounmap(Op):
    """iounmap() of the mapping `id`."""

    id: str


@attrs.frozen
class Request(Op):
    """`request_mem_region()`: claim pages of a window, which revokes user mappings."""

    window: str
    off: int
    pages: int


@attrs.frozen
class Release(Op):
    """`release_mem_region()`."""

    window: str
    off: int
    pages: int


@attrs.frozen
class WcReserve(Op):
    """`arch_io_reserve_memtype_wc()`."""

    window: str
    off: int
    pages: int


@attrs.frozen
class WcFree(Op):
    """`arch_io_free_memtype_wc()`."""

    window: str
    off: int
    pages: int


@attrs.frozen
class RamAlloc(Op):
    """The driver allocates RAM pages; they become window `ram<id>`."""

    id: str
    pages: int


@attrs.frozen
class RamType(Op):
    """`set_memory_wc()` and its kin on allocated RAM."""

    id: str
    cache: CacheMode


@attrs.frozen
class DriverBind(Op):
    """The device's own driver binds: it claims the BAR and ioremaps its registers."""

    window: str


@attrs.frozen
class DriverUnbind(Op):
    """The device's own driver lets go of it."""

    window: str


@attrs.frozen
class SetMtrr(Op):
    """Write `text` to /proc/mtrr."""

    text: str


@attrs.frozen
class Sysctl(Op):
    """Write a sysctl: `vm/max_map_count`, `vm/overcommit_memory`."""

    name: str
    value: str


@attrs.frozen
class Fail(Op):
    """Arm a fault for process `p`: the `nth` call of kernel function `symbol`
    returns `value` (negative errno), with `vma_at` only while fork copies the
    mapping that begins there.
    """

    p: str
    symbol: str
    nth: int = 1
    value: int = -12
    vma_at: int | None = None


@attrs.frozen
class Unfail(Op):
    """Disarm all faults of a process; reports how many struck."""

    p: str


@attrs.frozen
class VfioOpen(Op):
    """Open container, group and device of a window's PCI function through VFIO."""

    p: str
    fds: tuple[int, int, int]
    window: str


@attrs.frozen
class VfioMemory(Op):
    """Switch memory decoding off or on through the device's config space."""

    p: str
    fd: int
    on: bool


@attrs.frozen
class Result:
    """What an operation returned: `ret` and errno name, a signal, or a value.

    `to` is the page that mremap returned, `value` what a read loaded, `fired`
    how often an armed failure struck.
    """

    ret: int = 0
    err: str = ""
    signal: str = ""
    value: int | None = None
    to: int | None = None
    fired: int | None = None
