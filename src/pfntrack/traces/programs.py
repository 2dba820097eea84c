"""From the neutral operations of a trace to those of the model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pfntrack.errors import InputFormatError, ModelError
from pfntrack.mm import ops
from pfntrack.mm.bounds import outside
from pfntrack.mm.ops import Op
from pfntrack.pat.cachemode import BY_SHORT, CacheMode

Json = Mapping[str, Any]


def translate(op: Json, where: str) -> Op:
    """The model's operation for `op`.

    Raises InputFormatError for a malformed operation and ModelError for one
    that the model does not know.
    """
    build = _BUILD.get(op["op"])
    if build is None:
        raise ModelError(f"operation {op['op']!r} is not known")
    try:
        made = build(op)
    except KeyError as error:
        raise InputFormatError(f"{where}: op.{error.args[0]}: expected a value") from error
    except (TypeError, ValueError) as error:
        raise InputFormatError(f"{where}: op: {error}") from error
    if wrong := outside(made):
        raise InputFormatError(f"{where}: op: {wrong}")
    return made


def _cache(op: Json) -> CacheMode:
    name = op.get("cache", "UC-")
    if name not in BY_SHORT:
        raise ValueError(f"cache: expected one of {', '.join(BY_SHORT)}, found {name!r}")
    return BY_SHORT[name]


def _open(op: Json) -> Op:
    return ops.Open(
        op["p"],
        int(op["fd"]),
        op["target"],
        window=op.get("bar", ""),
        wc=bool(op.get("wc", False)),
        sync=bool(op.get("sync", False)),
        readonly=bool(op.get("ro", False)),
        mode=op.get("mode", "remap"),
        cache=_cache(op),
        first=int(op.get("first", 0)),
        pages=int(op.get("pages", 0)),
        path=op.get("path", ""),
    )


def _mmap(op: Json) -> Op:
    shared = op.get("share", "shared") == "shared"
    return ops.Mmap(
        op["p"], int(op["at"]), int(op["pages"]), int(op["fd"]), int(op.get("off", 0)),
        shared, op.get("prot", "rw"), op.get("bar", ""),
    )  # fmt: skip


def _mremap(op: Json) -> Op:
    flags = set(re.findall(r"[a-z]+", op.get("flags", "-")))
    if unknown := flags - {"maymove", "fixed", "dontunmap"}:
        raise ValueError(f"flags: unknown {', '.join(sorted(unknown))}")
    return ops.Mremap(
        op["p"],
        int(op["at"]),
        int(op["old"]),
        int(op["new"]),
        maymove="maymove" in flags or "fixed" in flags or "dontunmap" in flags,
        fixed="fixed" in flags,
        dontunmap="dontunmap" in flags,
        to=int(op["to"]) if op.get("to") is not None else None,
    )


def _zap(op: Json) -> Op:
    off, window = op.get("off", 0), ""
    if isinstance(off, str):
        found = re.fullmatch(r"pfn:(\w+)\+(\d+)", off)
        if found is None:
            raise ValueError(f"off: expected a page number or pfn:BAR+PAGE, found {off!r}")
        window, off = found[1], found[2]
    even_cows = bool(op.get("even_cows", 1))
    return ops.Zap(op["p"], int(op["fd"]), int(off), int(op.get("pages", 0)), even_cows, window)


def _range(kind: Callable[..., Op], *more: str) -> Callable[[Json], Op]:
    return lambda op: kind(op["p"], int(op["at"]), int(op["pages"]), *(op[key] for key in more))


def _anon(op: Json) -> Op:
    return ops.AnonOver(op["p"], int(op["at"]), int(op["pages"]), op.get("prot", "rw"))


def _insert(op: Json) -> Op:
    return ops.InsertPfn(op["p"], int(op["at"]), op["bar"], int(op.get("off", 0)))


def _kernel(op: Json) -> Op:
    what = op["what"]
    if what == "ioremap":
        return ops.Ioremap(str(op["id"]), op["bar"], int(op["off"]), int(op["pages"]), _cache(op))
    if what == "iounmap":
        return ops.Iounmap(str(op["id"]))
    if what == "ramalloc":
        return ops.RamAlloc(str(op["id"]), int(op["pages"]))
    if what == "ramtype":
        return ops.RamType(str(op["id"]), _cache(op))
    on_window = {
        "request": ops.Request,
        "release": ops.Release,
        "wcres": ops.WcReserve,
        "wcfree": ops.WcFree,
    }
    if what in on_window:
        return on_window[what](op["bar"], int(op["off"]), int(op["pages"]))
    raise ModelError(f"kernel operation {what!r} is not known")


def _fail(op: Json) -> Op:
    vma_at = int(op["vma_at"]) if op.get("vma_at") is not None else None
    return ops.Fail(op["p"], op["sym"], int(op.get("nth", 1)), int(op["value"]), vma_at)


def _vfio_open(op: Json) -> Op:
    container, group, device = (int(fd) for fd in op["fds"])
    return ops.VfioOpen(op["p"], (container, group, device), op["bar"])


_BUILD: dict[str, Callable[[Json], Op]] = {
    "open": _open,
    "close": lambda op: ops.Close(op["p"], int(op["fd"])),
    "mmap": _mmap,
    "anon_over": _anon,
    "munmap": _range(ops.Munmap),
    "mprotect": _range(ops.Mprotect, "prot"),
    "madvise": _range(ops.Madvise, "advice"),
    "mremap": _mremap,
    "mlock": _range(ops.Mlock),
    "munlock": lambda op: ops.Mlock(op["p"], int(op["at"]), int(op["pages"]), unlock=True),
    "mseal": _range(ops.Mseal),
    "read": lambda op: ops.Read(op["p"], int(op["at"])),
    "access": lambda op: ops.Access(op["p"], int(op["at"])),
    "write": lambda op: ops.Write(op["p"], int(op["at"])),
    "fork": lambda op: ops.Fork(op["p"], op["child"]),
    "exit": lambda op: ops.Exit(op["p"]),
    "kill": lambda op: ops.Exit(op["p"], killed=True),
    "zap": _zap,
    "zapvma": _range(ops.ZapVma),
    "remap": lambda op: ops.Remap(
        op["p"], int(op["at"]), int(op["pages"]), op["bar"], int(op.get("off", 0)), _cache(op)
    ),
    "insert": _insert,
    "kernel": _kernel,
    "driver_bind": lambda op: ops.DriverBind(op["bar"]),
    "driver_unbind": lambda op: ops.DriverUnbind(op["bar"]),
    "mtrr": lambda op: ops.SetMtrr(op["text"]),
    "sysctl": lambda op: ops.Sysctl(op["name"], str(op["value"])),
    "fail": _fail,
    "unfail": lambda op: ops.Unfail(op["p"]),
    "vfio_open": _vfio_open,
    "vfio_memory": lambda op: ops.VfioMemory(op["p"], int(op["fd"]), bool(op["on"])),
}
