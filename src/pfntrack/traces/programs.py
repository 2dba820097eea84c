"""Operations in recordings, both ways, as `mm/ops.py` declares them.

A recording names an operation as its form says (`kernel ioremap`: what the kernel does), and
each field under its own name. Three operations are written in another shape, which is
undone and made at the edge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from pfntrack.errors import InputFormatError, ModelError
from pfntrack.mm import ops
from pfntrack.mm.bounds import outside
from pfntrack.mm.ops import Op
from pfntrack.mm.vocabulary import Form, declared, form_of, kinds
from pfntrack.pat.cachemode import BY_SHORT, CacheMode

Json = Mapping[str, Any]

# Where the key of a field is not its name.
_KEYS = {"window": "bar", "readonly": "ro", "symbol": "sym"}
_FLAGS = ("maymove", "fixed", "dontunmap")
# Kinds that are written even where the field has its default.
_ALWAYS = frozenset({"cache", "page", "pages", "number", "errno", "prot"})


def translate(op: Json, where: str = "program") -> Op:
    """The model's operation for `op`.

    Raises InputFormatError for a malformed operation and ModelError for one
    that the model does not know.
    """
    name = _name(op)
    if name not in _NAMED:
        raise ModelError(f"operation {name!r} is not known")
    kind, fixed = _NAMED[name]
    try:
        made = _made(kind, fixed, _UNFOLD.get(kind, dict)(op))
    except KeyError as error:
        raise InputFormatError(f"{where}: op.{error.args[0]}: expected a value") from error
    except (TypeError, ValueError) as error:
        raise InputFormatError(f"{where}: op: {error}") from error
    if wrong := outside(made):
        raise InputFormatError(f"{where}: op: {wrong}")
    return made


def neutral(op: Op) -> dict[str, Any]:
    """The operation as traces and guests have it: the inverse of `translate`."""
    kind, form = type(op), form_of(op)
    name, _, what = form.recorded.partition(" ")
    out: dict[str, Any] = {"op": name} | ({"what": what} if what else {})
    _, fixed = _NAMED[form.recorded]
    for field in attrs.fields(kind):
        value = getattr(op, field.name)
        if field.name not in fixed and _written(kind, form, field, value):
            key = _KEYS.get(field.name, field.name)
            out[key] = value.short if isinstance(value, CacheMode) else value
            if isinstance(value, tuple):
                out[key] = list(value)
    return _FOLD.get(kind, dict)(out)


def _name(op: Json) -> str:
    name = str(op.get("op"))
    return f"{name} {op.get('what')}" if name == "kernel" else name


def _by_name() -> dict[str, tuple[type[Op], Mapping[str, object]]]:
    """Names in recordings: the operation, and what the name alone says of its fields."""
    found: dict[str, list[tuple[type[Op], Form]]] = {}
    for kind, forms in declared().items():
        for form in forms:
            found.setdefault(form.recorded, []).append((kind, form))
    return {
        name: (forms[0][0], forms[0][1].fixed if len(forms) == 1 else {})
        for name, forms in found.items()
    }


_NAMED = _by_name()


def _made(kind: type[Op], fixed: Mapping[str, object], op: Json) -> Op:
    fields = dict(fixed)
    words = kinds(kind)
    for field in attrs.fields(kind):
        key = _KEYS.get(field.name, field.name)
        if field.name in fixed:
            continue
        if op.get(key) is not None:
            fields[field.name] = _READ.get(words[field.name], lambda value: value)(op[key])
        elif field.default is attrs.NOTHING:
            raise KeyError(key)
    return kind(**fields)


def _cache(name: object) -> CacheMode:
    if not isinstance(name, str) or name not in BY_SHORT:
        raise ValueError(f"cache: expected one of {', '.join(BY_SHORT)}, found {name!r}")
    return BY_SHORT[name]


def _three(value: Any) -> tuple[int, int, int]:
    container, group, device = (int(fd) for fd in value)
    return container, group, device


_READ: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("page", "pages", "number", "errno", "fd"), int),
    **dict.fromkeys(("flag", "switch"), bool),
    "cache": _cache,
    "fds": _three,
    "name": str,
    "ram": str,
    "setting": str,
}


def _written(kind: type[Op], form: Form, field: Any, value: object) -> bool:
    """Is the field told? A default only where the sentence has a number for it."""
    if value is None or field.default is attrs.NOTHING or value != field.default:
        return value is not None
    said = re.search(rf"[{{\[,]{field.name}\b", form.sentence)
    return said is not None and kinds(kind)[field.name] in _ALWAYS


# ------------------------------------------------- what has another shape in recordings


def _unfold_mmap(op: Json) -> Json:
    return {**op, "shared": op.get("share", "shared") == "shared"}


def _fold_mmap(op: dict[str, Any]) -> dict[str, Any]:
    return op | {"share": "shared" if op.pop("shared", True) else "private"}


def _unfold_mremap(op: Json) -> Json:
    flags = set(re.findall(r"[a-z]+", op.get("flags", "-")))
    if unknown := flags - set(_FLAGS):
        raise ValueError(f"flags: unknown {', '.join(sorted(unknown))}")
    # No kernel takes the others without the first.
    return {**op, **{name: name in flags for name in _FLAGS}, "maymove": bool(flags)}


def _fold_mremap(op: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in _FLAGS if op.pop(name, False)]
    return op | {"flags": "+".join(names) or "-"}


def _unfold_zap(op: Json) -> Json:
    off = op.get("off", 0)
    if not isinstance(off, str):
        return op
    found = re.fullmatch(r"pfn:(\w+)\+(\d+)", off)
    if found is None:
        raise ValueError(f"off: expected a page number or pfn:BAR+PAGE, found {off!r}")
    return {**op, "bar": found[1], "off": found[2]}


def _fold_zap(op: dict[str, Any]) -> dict[str, Any]:
    if "even_cows" in op:
        op["even_cows"] = int(op["even_cows"])
    window = op.pop("bar", "")
    return op | {"off": f"pfn:{window}+{op['off']}"} if window else op


_UNFOLD: dict[type[Op], Callable[[Json], Json]] = {
    ops.Mmap: _unfold_mmap,
    ops.Mremap: _unfold_mremap,
    ops.Zap: _unfold_zap,
}
_FOLD: dict[type[Op], Callable[[dict[str, Any]], dict[str, Any]]] = {
    ops.Mmap: _fold_mmap,
    ops.Mremap: _fold_mremap,
    ops.Zap: _fold_zap,
}
