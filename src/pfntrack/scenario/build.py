"""From a parse tree to operations: one function per alias of the grammar.

A draft is an operation together with the place of each field, so that the
later check can point at the word that is wrong.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

import attrs
from lark import Token, Tree

from pfntrack.mm import ops
from pfntrack.pat.cachemode import BY_SHORT
from pfntrack.scenario.words import Complaint, Place, Words, descriptor, place, text_of


@attrs.frozen
class Draft:
    """An operation and where its fields stand in the text.

    `fd_missing`: an open that leaves the number of its descriptor to us; `bar`:
    the number in `resource2`, if one was given.
    """

    op: ops.Op
    places: dict[str, Place]
    fd_missing: bool = False
    bar: int | None = None


_PLAIN = {"PROCESS": "p", "WINDOW": "window", "FD": "fd", "NAME": "name", "RESULT": "value"}


def build(node: Tree[Token]) -> Draft:
    """The draft of one `op` node."""
    words = Words(node)
    places = {"": place(node)}
    for child in node.children:
        if isinstance(child, Token):
            places.setdefault(_PLAIN.get(child.type, child.type), place(child))
        elif child.data == "range":
            places.setdefault("range", place(child))
        else:
            for token in child.scan_values(lambda t: isinstance(t, Token)):
                places.setdefault(_PLAIN.get(token.type, token.type), place(token))
    if node.data == "opens":
        return _opens(words, places)
    if node.data == "forks":
        places["child"] = place(words.need("PROCESS", 1))
    return Draft(_BUILDERS[str(node.data)](words), places)


def _process(words: Words) -> str:
    return str(words.need("PROCESS"))


def _window(words: Words) -> str:
    return str(words.need("WINDOW"))


def _fd(words: Words, number: int = 0) -> int:
    return descriptor(words.need("FD", number))


def _opens(words: Words, places: dict[str, Place]) -> Draft:
    what, fd = Words(words.parts()[0]), words.token("FD")
    op = attrs.evolve(
        _TARGETS[str(what.node.data)](what),
        p=_process(words),
        fd=descriptor(fd) if fd else 0,
        readonly=what.part("readonly") is not None,
    )
    number = (what.token("RESOURCE") or "").removeprefix("resource").removesuffix("_wc")
    return Draft(op, places, fd is None, int(number) if number else None)


def _resource(what: Words) -> ops.Open:
    wc = what.need("RESOURCE").endswith("_wc")
    return ops.Open("", 0, "sysfs", window=_window(what), wc=wc)


def _dev_mem(what: Words) -> ops.Open:
    return ops.Open("", 0, "devmem", sync=what.part("sync") is not None)


def _driver(what: Words) -> ops.Open:
    mode = str(what.token("NAME") or "remap")
    first, pages = what.range(open_end=True) if what.part("range") else (0, 0)
    return ops.Open(
        "", 0, "driver", _window(what), mode=mode, cache=what.cache(), first=first, pages=pages
    )


def _path(what: Words) -> ops.Open:
    path = text_of(what.need("STRING"))
    return ops.Open("", 0, "path", path=path, sync=what.part("sync") is not None)


_TARGETS: dict[str, Callable[[Words], ops.Open]] = {
    "resource": _resource,
    "dev_mem": _dev_mem,
    "driver": _driver,
    "path": _path,
}


def _prot(words: Words | None) -> str:
    """`rw` where nothing is said; PROT_NONE is `-`."""
    if words is None:
        return "rw"
    if words.part("readonly"):
        return "r"
    text = str(words.need("PROT"))
    return "-" if text == "none" else text


def _maps(words: Words) -> ops.Op:
    off, pages = words.range()
    accesses = [Words(part) for part in words.parts() if part.data == "how"]
    access = [part for how in accesses if (part := how.part("access"))]
    return ops.Mmap(
        p=_process(words),
        at=words.number(),
        pages=pages,
        fd=_fd(words),
        off=off,
        shared=words.part("private") is None,
        prot=_prot(access[-1] if access else None),
        window=str(words.token("WINDOW") or ""),
    )


def _mremaps(words: Words) -> ops.Op:
    at, old = words.range()
    to = words.part("destination")
    return ops.Mremap(
        p=_process(words),
        at=at,
        old=old,
        new=words.number(),
        maymove=words.part("maymove") is not None,
        fixed=words.part("fixed") is not None,
        dontunmap=words.part("dontunmap") is not None,
        to=to.number() if to else None,
    )


def _moves(words: Words) -> ops.Op:
    (at, old), (to, new) = words.range(0), words.range(1)
    return ops.Mremap(_process(words), at, old, new, maymove=True, fixed=True, to=to)


def _zaps(words: Words) -> ops.Op:
    off, pages = words.range(open_end=True)
    keeping = words.part("keeping") is not None
    window = str(words.token("WINDOW") or "")
    return ops.Zap(_process(words), _fd(words), off, pages, even_cows=not keeping, window=window)


def _remaps(words: Words) -> ops.Op:
    (at, pages), (off, length) = words.range(0), words.range(1)
    if pages != length:
        raise Complaint(
            f"the two ranges differ in length: {pages} and {length} pages",
            place(words.need("WINDOW")),
        )
    return ops.Remap(_process(words), at, pages, _window(words), off, words.cache())


def _inserts(words: Words) -> ops.Op:
    off, pages = words.range()
    if pages != 1:
        raise Complaint(f"one page is inserted, not {pages}", place(words.need("WINDOW")))
    return ops.InsertPfn(_process(words), words.number(), _window(words), off)


def _ioremaps(words: Words) -> ops.Op:
    return ops.Ioremap(str(words.need("NAME")), _window(words), *words.range(), words.cache())


def _ram(words: Words) -> str:
    """The id of a RAM window: what follows `ram`."""
    window = words.need("WINDOW")
    if not window.startswith("ram"):
        raise Complaint(f"RAM is called ram0, ram1, ..., not {window}", place(window))
    return window[3:]


def _sysctl(words: Words) -> ops.Op:
    text = words.token("STRING")
    value = text_of(text) if text else str(words.need("NUMBER"))
    return ops.Sysctl(str(words.need("SYSCTL")), value)


def _fail(words: Words) -> ops.Op:
    nth, value, during = words.part("nth"), words.part("value"), words.part("while")
    number = -errno.ENOMEM
    if value and (name := value.token("RESULT")):
        code = getattr(errno, name, None)
        if not isinstance(code, int):
            raise Complaint(f"{name} is not the name of an error", place(name))
        number = -code
    elif value:
        number = int(value.need("INTEGER"))
    return ops.Fail(
        p=_process(words),
        symbol=str(words.need("NAME")),
        nth=nth.number() if nth else 1,
        value=number,
        vma_at=during.number() if during else None,
    )


def _windowed(make: Callable[[str, int, int], ops.Op]) -> Callable[[Words], ops.Op]:
    return lambda words: make(_window(words), *words.range())


def _ranged(make: Callable[[str, int, int], ops.Op]) -> Callable[[Words], ops.Op]:
    return lambda words: make(_process(words), *words.range())


_BUILDERS: dict[str, Callable[[Words], ops.Op]] = {
    "opens_vfio": lambda w: ops.VfioOpen(_process(w), (_fd(w), _fd(w, 1), _fd(w, 2)), _window(w)),
    "closes": lambda w: ops.Close(_process(w), _fd(w)),
    "maps": _maps,
    "maps_window": _maps,
    "maps_anonymous": lambda w: ops.AnonOver(_process(w), *w.range(), _prot(w.part("access"))),
    "unmaps": _ranged(ops.Munmap),
    "protects": lambda w: ops.Mprotect(_process(w), *w.range(), _prot(w)),
    "advises": lambda w: ops.Madvise(_process(w), *w.range(), str(w.need("NAME"))),
    "moves": _moves,
    "mremaps": _mremaps,
    "locks": _ranged(ops.Mlock),
    "unlocks": lambda w: ops.Mlock(_process(w), *w.range(), unlock=True),
    "seals": _ranged(ops.Mseal),
    "debugger_reads": lambda w: ops.Access(_process(w), w.number()),
    "reads": lambda w: ops.Read(_process(w), w.number()),
    "writes": lambda w: ops.Write(_process(w), w.number()),
    "forks": lambda w: ops.Fork(_process(w), str(w.need("PROCESS", 1))),
    "exits": lambda w: ops.Exit(_process(w)),
    "is_killed": lambda w: ops.Exit(_process(w), killed=True),
    "turns_memory": lambda w: ops.VfioMemory(_process(w), _fd(w), w.need("SWITCH") == "on"),
    "zaps_file": _zaps,
    "zaps_window": _zaps,
    "zaps_vma": _ranged(ops.ZapVma),
    "remaps": _remaps,
    "inserts": _inserts,
    "binds": lambda w: ops.DriverBind(_window(w)),
    "unbinds": lambda w: ops.DriverUnbind(_window(w)),
    "ioremaps": _ioremaps,
    "iounmaps": lambda w: ops.Iounmap(str(w.need("NAME"))),
    "requests": _windowed(ops.Request),
    "releases": _windowed(ops.Release),
    "reserves_wc": _windowed(ops.WcReserve),
    "frees_wc": _windowed(ops.WcFree),
    "allocates": lambda w: ops.RamAlloc(_ram(w), w.number()),
    "sets_type": lambda w: ops.RamType(_ram(w), BY_SHORT[w.need("CACHE")]),
    "mtrr": lambda w: ops.SetMtrr(text_of(w.need("STRING"))),
    "sysctl": _sysctl,
    "fail": _fail,
    "stop_failing": lambda w: ops.Unfail(_process(w)),
}
