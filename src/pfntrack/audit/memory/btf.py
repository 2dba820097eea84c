"""The BPF Type Format: a kernel's own description of its types, kept in its memory.

Format: Documentation/bpf/btf.rst (5.2 to 7.3), *faithful* for what C types
need; tags and data sections are *ignored*. Types are decoded when asked for,
so opening four megabytes of them costs a fraction of a second.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator

import attrs

from pfntrack.errors import InputFormatError

MAGIC = 0xEB9F
_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_VLEN, _KIND_SHIFT, _KIND_MASK, _FLAG = 0xFFFF, 24, 0x1F, 1 << 31


class Kind(enum.IntEnum):
    """`BTF_KIND_*`."""

    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


# Bytes after the common part: a fixed number, and so many per member.
_EXTRA = {
    Kind.INT: (4, 0),
    Kind.ARRAY: (12, 0),
    Kind.STRUCT: (0, 12),
    Kind.UNION: (0, 12),
    Kind.ENUM: (0, 8),
    Kind.FUNC_PROTO: (0, 8),
    Kind.VAR: (4, 0),
    Kind.DATASEC: (0, 12),
    Kind.DECL_TAG: (4, 0),
    Kind.ENUM64: (0, 12),
}


@attrs.frozen
class BtfType:
    """One type: `value` is its size in bytes or the number of the type that it refers to."""

    kind: Kind
    name: str
    value: int
    flag: bool
    count: int
    at: int


@attrs.frozen
class Member:
    """A member of a struct or union; places and sizes in bits, size 0 if it is no bit field."""

    name: str
    type: int
    bit_offset: int
    bit_size: int


class Btf:
    """All types of one kernel, by number and by name.

    Raises InputFormatError: `blob` is not BTF of version 1 in little-endian form.
    """

    def __init__(self, blob: bytes, source: str) -> None:
        if len(blob) < _HEADER.size:
            raise InputFormatError(f"{source}: type information is cut off")
        magic, version, _, length, type_off, type_len, str_off, str_len = _HEADER.unpack_from(blob)
        if magic != MAGIC or version != 1:
            raise InputFormatError(f"{source}: expected BTF version 1, found {magic:#x}/{version}")
        types, strings = length + type_off, length + str_off
        if types + type_len > len(blob) or strings + str_len > len(blob):
            raise InputFormatError(f"{source}: type information is cut off")
        self._source = source
        self._blob = blob
        self._strings = blob[strings : strings + str_len]
        self._at = [-1]
        self._by_name: dict[tuple[Kind, int], int] = {}
        self._enums: list[int] = []
        self._index(types, types + type_len)

    def _index(self, at: int, end: int) -> None:
        extra = {int(kind): sizes for kind, sizes in _EXTRA.items()}
        known = {int(kind) for kind in Kind}
        kinds = {int(kind): kind for kind in Kind}
        while at + _TYPE.size <= end:
            name, info, _ = _TYPE.unpack_from(self._blob, at)
            kind = info >> _KIND_SHIFT & _KIND_MASK
            if kind not in known:
                raise InputFormatError(f"{self._source}: type {len(self._at)} has kind {kind}")
            if name:
                self._by_name.setdefault((kinds[kind], name), len(self._at))
            if kind in (Kind.ENUM, Kind.ENUM64):
                self._enums.append(len(self._at))
            self._at.append(at)
            fixed, each = extra.get(kind, (0, 0))
            at += _TYPE.size + fixed + each * (info & _VLEN)
        if at != end:
            raise InputFormatError(f"{self._source}: type {len(self._at) - 1} is cut off")

    def __len__(self) -> int:
        return len(self._at)

    def string(self, offset: int) -> str:
        """The name at an offset of the string table."""
        end = self._strings.find(b"\0", offset)
        return self._strings[offset:end].decode("utf-8", "replace")

    def type(self, number: int) -> BtfType:
        """A type by number.

        Raises InputFormatError: there is no such number.
        """
        if number == 0:
            return BtfType(Kind.VOID, "void", 0, False, 0, 0)
        if not 0 < number < len(self._at):
            raise InputFormatError(f"{self._source}: no type {number}")
        at = self._at[number]
        name, info, value = _TYPE.unpack_from(self._blob, at)
        return BtfType(
            Kind(info >> _KIND_SHIFT & _KIND_MASK),
            self.string(name),
            value,
            bool(info & _FLAG),
            info & _VLEN,
            at + _TYPE.size,
        )

    def find(self, kind: Kind, name: str) -> int | None:
        """The number of the first type of a kind with a name."""
        needle = b"\0" + name.encode() + b"\0"
        at = self._strings.find(needle)
        while at >= 0:
            number = self._by_name.get((kind, at + 1))
            if number is not None:
                return number
            at = self._strings.find(needle, at + 1)
        return None

    def words(self, made: BtfType, count: int) -> tuple[int, ...]:
        """The 32-bit words behind a type."""
        return struct.unpack_from(f"<{count}I", self._blob, made.at)

    def members(self, made: BtfType) -> Iterator[Member]:
        """Members of a struct or union, in order."""
        for name, kind, offset in struct.iter_unpack("<III", self._tail(made, 12)):
            size = offset >> 24 if made.flag else 0
            yield Member(self.string(name), kind, offset & 0xFFFFFF if made.flag else offset, size)

    def enumerators(self, made: BtfType) -> Iterator[tuple[str, int]]:
        """Names and values of an enumeration."""
        if made.kind is Kind.ENUM64:
            for name, low, high in struct.iter_unpack("<III", self._tail(made, 12)):
                value = high << 32 | low
                yield self.string(name), value - (1 << 64) if made.flag and high >> 31 else value
            return
        for name, low in struct.iter_unpack("<II", self._tail(made, 8)):
            yield self.string(name), low - (1 << 32) if made.flag and low >> 31 else low

    def parameters(self, made: BtfType) -> Iterator[tuple[str, int]]:
        """Names and types of a function's parameters."""
        for name, kind in struct.iter_unpack("<II", self._tail(made, 8)):
            yield self.string(name), kind

    def enumerator(self, name: str) -> tuple[int, int] | None:
        """The enumeration that defines a constant, and the constant's value."""
        for number in self._enums:
            for label, value in self.enumerators(self.type(number)):
                if label == name:
                    return number, value
        return None

    def _tail(self, made: BtfType, each: int) -> bytes:
        return self._blob[made.at : made.at + each * made.count]
