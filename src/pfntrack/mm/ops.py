"""The operations of the model as values: what programs, drivers and the kernel do.

One vocabulary for scenarios, recorded traces, the explorer and the lab: each operation is
declared here with its fields, its sentence, its name in recordings and the call that plays
it (`vocabulary.py` says how to read a sentence).
Processes are named by letters, windows (BARs, RAM) by their name; `at`,
`pages` and `off` count pages, ranges are half-open. A field that does not
apply keeps its default.
"""

from __future__ import annotations

import attrs

from pfntrack.mm.vocabulary import (
    Advice,
    Cache,
    Errno,
    Fd,
    Fds,
    Flag,
    Name,
    Number,
    Page,
    Pages,
    Process,
    Prot,
    Ram,
    Setting,
    Switch,
    SysctlName,
    Text,
    Window,
    form,
)
from pfntrack.pat.cachemode import CacheMode


@attrs.frozen
class Op:
    """Base of all operations."""


@form("{p} opens {wc:resource} of {window}( read-only)?readonly( as {fd})", "open", target="sysfs")
@form(
    "{p} opens /dev/mem( with O_SYNC)?sync( read-only)?readonly( as {fd})", "open", target="devmem"
)
@form(
    "{p} opens driver on {window}(+ with {cache})( for pages [first,pages|end))( by {mode})"
    "( read-only)?readonly( as {fd})",
    "open",
    target="driver",
)
@form("{p} opens {path}( with O_SYNC)?sync( read-only)?readonly( as {fd})", "open", target="path")
@attrs.frozen
class Open(Op):
    """Process `p` opens `target` as descriptor `fd`.

    `target`: `sysfs` (resourceN, with `wc` resourceN_wc), `devmem` (with
    `sync` O_SYNC), `driver` (the parametric driver) or `path`. The driver
    maps window `window` with `cache` in `mode`, beginning at page `first` of
    the mapping and for `pages` pages (0 = to the end).
    """

    p: Process
    fd: Fd
    target: Name
    window: Window = ""
    wc: Flag = False
    sync: Flag = False
    readonly: Flag = False
    mode: Name = "remap"
    cache: Cache = CacheMode.UC_MINUS
    first: Page = 0
    pages: Pages = 0
    path: Text = ""


@form("{p} closes {fd}", "close")
@attrs.frozen
class Close(Op):
    """Close a descriptor; mappings keep the file open."""

    p: Process
    fd: Fd


@form(
    "{p} maps {fd}[off,pages) at {at}<, private?shared|, shared|, {prot:access}>", "mmap", window=""
)
@form(
    "{p} maps {window}[off,pages) through {fd} at {at}<, private?shared|, shared|, {prot:access}>",
    "mmap",
)
@attrs.frozen
class Mmap(Op):
    """Map `pages` pages of `fd` from page `off` at `at`, replacing what is there.

    Through /dev/mem, `off` counts from the start of `window`; without a
    window it is a physical page number.
    """

    p: Process
    at: Page
    pages: Pages
    fd: Fd
    off: Page = 0
    shared: Flag = True
    prot: Prot = "rw"
    window: Window = ""


@form("{p} maps anonymous memory at [at,pages)(, {prot:access})", "anon_over")
@attrs.frozen
class AnonOver(Op):
    """MAP_FIXED private anonymous memory over whatever is at `at`."""

    p: Process
    at: Page
    pages: Pages
    prot: Prot = "rw"


@form("{p} unmaps [at,pages)", "munmap", call="munmap(at, pages)")
@attrs.frozen
class Munmap(Op):
    """munmap()."""

    p: Process
    at: Page
    pages: Pages


@form("{p} protects [at,pages) as {prot}", "mprotect", call="mprotect(at, pages, prot)")
@attrs.frozen
class Mprotect(Op):
    """mprotect() to `prot`: a subset of `rwx`, `-` for PROT_NONE."""

    p: Process
    at: Page
    pages: Pages
    prot: Prot


@form("{p} advises {advice} on [at,pages)", "madvise", call="madvise(at, pages, advice)")
@attrs.frozen
class Madvise(Op):
    """madvise(); `advice` is the name after MADV_, in lower case."""

    p: Process
    at: Page
    pages: Pages
    advice: Advice


@form("{p} moves [at,old) to [to,new)", "mremap", maymove=True, fixed=True, dontunmap=False)
@form(
    "{p} mremaps [at,old) to {new:count}"
    "<, MAYMOVE?maymove|, FIXED?fixed|, DONTUNMAP?dontunmap|, at {to}>",
    "mremap",
)
@attrs.frozen
class Mremap(Op):
    """Resize or move `[at, at + old)` to `new` pages; `to` with `fixed`."""

    p: Process
    at: Page
    old: Pages
    new: Pages
    maymove: Flag = False
    fixed: Flag = False
    dontunmap: Flag = False
    to: Page | None = None


@form("{p} locks [at,pages)", "mlock", call="mlock(at, pages)", unlock=False)
@form("{p} unlocks [at,pages)", "munlock", call="munlock(at, pages)", unlock=True)
@attrs.frozen
class Mlock(Op):
    """mlock() or munlock()."""

    p: Process
    at: Page
    pages: Pages
    unlock: Flag = False


@form("{p} seals [at,pages)", "mseal", call="mseal(at, pages, 0)")
@attrs.frozen
class Mseal(Op):
    """mseal(), from 6.10."""

    p: Process
    at: Page
    pages: Pages


@form("{p} reads page {at}", "read")
@attrs.frozen
class Read(Op):
    """Load from the first bytes of page `at`."""

    p: Process
    at: Page


@form("debugger reads page {at} of {p}", "access")
@attrs.frozen
class Access(Op):
    """A debugger reads page `at` of process `p` through /proc/PID/mem."""

    p: Process
    at: Page


@form("{p} writes page {at}", "write")
@attrs.frozen
class Write(Op):
    """Store to the first bytes of page `at`."""

    p: Process
    at: Page


@form("{p} forks {child}", "fork")
@attrs.frozen
class Fork(Op):
    """fork(): `child` is the new process."""

    p: Process
    child: Process


@form("{p} exits", "exit", killed=False)
@form("{p} is killed", "kill", killed=True)
@attrs.frozen
class Exit(Op):
    """The process exits, or is killed."""

    p: Process
    killed: Flag = False


@form("driver zaps {fd}[off,pages|end) of {p}(, keeping copies)?even_cows", "zap", window="")
@form("driver zaps {window}[off,pages|end) through {fd} of {p}(, keeping copies)?even_cows", "zap")
@attrs.frozen
class Zap(Op):
    """The driver calls `unmap_mapping_range()` on the file behind `fd`.

    `off` is a page of the file, or of `window` if that is named (then the
    physical page number is meant); `pages` 0 means to the end of the file.
    """

    p: Process
    fd: Fd
    off: Page = 0
    pages: Pages = 0
    even_cows: Flag = True
    window: Window = ""


@form("driver zaps vma [at,pages) of {p}", "zapvma", ask="ZAPVMA(at, pages)")
@attrs.frozen
class ZapVma(Op):
    """The driver calls `zap_vma_ptes()` on a user range."""

    p: Process
    at: Page
    pages: Pages


@form(
    "driver remaps [at,pages) of {p} to {window}[off,pages)(+ with {cache})",
    "remap",
    ask="REMAP(at, pages, pfn, cache)",
)
@attrs.frozen
class Remap(Op):
    """The driver calls `remap_pfn_range()` on an existing mapping."""

    p: Process
    at: Page
    pages: Pages
    window: Window
    off: Page = 0
    cache: Cache = CacheMode.UC_MINUS


@form("driver inserts {window}[off) at {at} of {p}", "insert", ask="INSERT(at, pfn)")
@attrs.frozen
class InsertPfn(Op):
    """The driver calls `vmf_insert_pfn()` for one page of an existing mapping."""

    p: Process
    at: Page
    window: Window
    off: Page = 0


@form(
    "kernel ioremaps {window}[off,pages)(+ with {cache}) as {id}",
    "kernel ioremap",
    ask="IOREMAP(start, pages, cache, id)",
)
@attrs.frozen
class Ioremap(Op):
    """The kernel maps pages of a window for itself; `id` names the mapping."""

    id: Name
    window: Window
    off: Page
    pages: Pages
    cache: Cache = CacheMode.UC_MINUS


@form("kernel iounmaps {id}", "kernel iounmap", ask="IOUNMAP(id)")
@attrs.frozen
class Iounmap(Op):
    """iounmap() of the mapping `id`."""

    id: Name


@form("kernel requests {window}[off,pages)", "kernel request", ask="CLAIM(start, pages)")
@attrs.frozen
class Request(Op):
    """`request_mem_region()`: claim pages of a window, which revokes user mappings."""

    window: Window
    off: Page
    pages: Pages


@form("kernel releases {window}[off,pages)", "kernel release", ask="UNCLAIM(start, pages)")
@attrs.frozen
class Release(Op):
    """`release_mem_region()`."""

    window: Window
    off: Page
    pages: Pages


@form("kernel reserves {window}[off,pages) as WC", "kernel wcres", ask="WC_RESERVE(start, pages)")
@attrs.frozen
class WcReserve(Op):
    """`arch_io_reserve_memtype_wc()`."""

    window: Window
    off: Page
    pages: Pages


@form("kernel frees {window}[off,pages) as WC", "kernel wcfree", ask="WC_FREE(start, pages)")
@attrs.frozen
class WcFree(Op):
    """`arch_io_free_memtype_wc()`."""

    window: Window
    off: Page
    pages: Pages


@form("kernel allocates {pages:count} as {id}", "kernel ramalloc", ask="RAM_ALLOC(id, pages:count)")
@attrs.frozen
class RamAlloc(Op):
    """The driver allocates RAM pages; they become window `ram<id>`."""

    id: Ram
    pages: Pages


@form("kernel sets {id} to {cache}", "kernel ramtype", ask="RAM_TYPE(id, cache)")
@attrs.frozen
class RamType(Op):
    """`set_memory_wc()` and its kin on allocated RAM."""

    id: Ram
    cache: Cache


@form("driver binds {window}", "driver_bind")
@attrs.frozen
class DriverBind(Op):
    """The device's own driver binds: it claims the BAR and ioremaps its registers."""

    window: Window


@form("driver unbinds {window}", "driver_unbind")
@attrs.frozen
class DriverUnbind(Op):
    """The device's own driver lets go of it."""

    window: Window


@form("mtrr {text}", "mtrr")
@attrs.frozen
class SetMtrr(Op):
    """Write `text` to /proc/mtrr."""

    text: Text


@form("sysctl {name} = {value}", "sysctl")
@attrs.frozen
class Sysctl(Op):
    """Write a sysctl: `vm/max_map_count`, `vm/overcommit_memory`."""

    name: SysctlName
    value: Setting


@form(
    "fail {symbol} in {p}( at call {nth})(+ with {value})"
    "( while fork copies the mapping at {vma_at})",
    "fail",
)
@attrs.frozen
class Fail(Op):
    """Arm a fault for process `p`: the `nth` call of kernel function `symbol`
    returns `value` (negative errno), with `vma_at` only while fork copies the
    mapping that begins there.
    """

    p: Process
    symbol: Name
    nth: Number = 1
    value: Errno = -12
    vma_at: Page | None = None


@form("stop failing in {p}", "unfail")
@attrs.frozen
class Unfail(Op):
    """Disarm all faults of a process; reports how many struck."""

    p: Process


@form("{p} opens vfio of {window} as {fds}", "vfio_open")
@attrs.frozen
class VfioOpen(Op):
    """Open container, group and device of a window's PCI function through VFIO."""

    p: Process
    fds: Fds
    window: Window


@form("{p} turns memory {on} through {fd}", "vfio_memory")
@attrs.frozen
class VfioMemory(Op):
    """Switch memory decoding off or on through the device's config space."""

    p: Process
    fd: Fd
    on: Switch


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
