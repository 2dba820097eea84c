"""BTF as drgn types, and global variables that are known by symbol and declared type.

drgn asks registered finders for types and objects by name. BTF describes
types only, so the globals that the audit reads are declared here.
"""

from __future__ import annotations

from collections.abc import Callable

from drgn import (
    FindObjectFlags,
    Object,
    Program,
    Qualifiers,
    Type,
    TypeEnumerator,
    TypeKind,
    TypeKindSet,
    TypeMember,
    TypeParameter,
)

from pfntrack.audit.memory.btf import Btf, BtfType, Kind

# What the audit and drgn's helpers read, by the kernel's names and types.
GLOBALS = {
    "bus_kset": "struct kset *",
    "init_mm": "struct mm_struct",
    "init_pid_ns": "struct pid_namespace",
    "init_task": "struct task_struct",
    "iomem_resource": "struct resource",
    "linux_banner": "char [512]",
    "memtype_rbroot": "struct rb_root_cached",
    "modules": "struct list_head",
    "mtrr_state": "struct mtrr_state_type",
    "nr_vmap_nodes": "int",
    "pci_bus_type": "struct bus_type",
    "prb": "struct printk_ringbuffer *",
    "saved_command_line": "char *",
    "vmap_area_list": "struct list_head",
    "vmap_nodes": "struct vmap_node *",
    "vmap_zone_size": "int",
}
_KINDS = {
    TypeKind.INT: Kind.INT,
    TypeKind.BOOL: Kind.INT,
    TypeKind.FLOAT: Kind.FLOAT,
    TypeKind.STRUCT: Kind.STRUCT,
    TypeKind.UNION: Kind.UNION,
    TypeKind.ENUM: Kind.ENUM,
    TypeKind.TYPEDEF: Kind.TYPEDEF,
}
_QUALIFIERS = {
    Kind.CONST: Qualifiers.CONST,
    Kind.VOLATILE: Qualifiers.VOLATILE,
    Kind.RESTRICT: Qualifiers.RESTRICT,
}
_SIGNED, _BOOL = 1, 4


class BtfFinder:
    """Answers drgn's questions for types and for declared globals from BTF."""

    def __init__(self, prog: Program, btf: Btf) -> None:
        self._prog = prog
        self._btf = btf
        self._made: dict[int, Type] = {}

    def register(self) -> None:
        """Let drgn ask here after its own sources, DWARF among them."""
        self._prog.register_type_finder("btf", self._find_type, enable_index=-1)
        self._prog.register_object_finder("btf", self._find_object, enable_index=-1)

    def _find_type(
        self, _prog: Program, kinds: TypeKindSet, name: str, filename: str | None
    ) -> Type | None:
        if filename is not None:
            return None
        for kind in kinds:
            wanted = _KINDS.get(kind)
            if wanted is None:
                continue
            number = self._btf.find(wanted, name)
            if number is None and wanted is Kind.ENUM:
                number = self._btf.find(Kind.ENUM64, name)
            if number is not None:
                made = self.type(number)
                if made.kind == kind:
                    return made
        return None

    def _find_object(
        self, prog: Program, name: str, flags: FindObjectFlags, filename: str | None
    ) -> Object | None:
        if filename is not None:
            return None
        if flags & FindObjectFlags.VARIABLE and name in GLOBALS:
            try:
                address = prog.symbol(name).address
                return Object(prog, GLOBALS[name], address=address)
            except LookupError:
                return None
        if flags & FindObjectFlags.CONSTANT:
            found = self._btf.enumerator(name)
            if found is not None:
                return Object(prog, self.type(found[0]), value=found[1])
        return None

    def type(self, number: int) -> Type:
        """The drgn type of a BTF type."""
        made = self._made.get(number)
        if made is None:
            made = self._made[number] = self._make(number)
        return made

    def _lazy(self, number: int) -> Callable[[], Type]:
        return lambda: self.type(number)

    def _make(self, number: int) -> Type:
        prog, btf = self._prog, self._btf
        made = btf.type(number)
        kind = made.kind
        if kind in _QUALIFIERS:
            inner = self.type(made.value)
            return inner.qualified(inner.qualifiers | _QUALIFIERS[kind])
        if kind is Kind.TYPE_TAG:
            return self.type(made.value)
        if kind is Kind.INT:
            return self._integer(made)
        if kind is Kind.FLOAT:
            return prog.float_type(made.name, made.value)
        if kind is Kind.PTR:
            return prog.pointer_type(self.type(made.value))
        if kind is Kind.ARRAY:
            element, _, length = btf.words(made, 3)
            return prog.array_type(self.type(element), length)
        if kind is Kind.TYPEDEF:
            return prog.typedef_type(made.name, self.type(made.value))
        if kind is Kind.FWD:
            make = prog.union_type if made.flag else prog.struct_type
            return make(made.name or None)
        if kind in (Kind.STRUCT, Kind.UNION):
            return self._compound(made)
        if kind in (Kind.ENUM, Kind.ENUM64):
            return self._enumeration(made)
        if kind is Kind.FUNC_PROTO:
            return self._function(made)
        return prog.void_type()

    def _integer(self, made: BtfType) -> Type:
        encoding = self._btf.words(made, 1)[0] >> 24 & 0xF
        if encoding & _BOOL:
            return self._prog.bool_type(made.name, made.value)
        return self._prog.int_type(made.name, made.value, bool(encoding & _SIGNED))

    def _compound(self, made: BtfType) -> Type:
        members = []
        for member in self._btf.members(made):
            source: Callable[[], Object | Type] = self._lazy(member.type)
            if member.bit_size:
                source = self._bit_field(member.type, member.bit_size)
            members.append(TypeMember(source, member.name or None, member.bit_offset))
        make = self._prog.struct_type if made.kind is Kind.STRUCT else self._prog.union_type
        return make(made.name or None, made.value, members)

    def _bit_field(self, number: int, size: int) -> Callable[[], Object]:
        return lambda: Object(self._prog, self.type(number), bit_field_size=size)

    def _enumeration(self, made: BtfType) -> Type:
        if not made.count:
            return self._prog.enum_type(made.name or None)
        compatible = self._prog.int_type(
            {1: "char", 2: "short", 4: "int", 8: "long"}[made.value], made.value, made.flag
        )
        labels = [TypeEnumerator(name, value) for name, value in self._btf.enumerators(made)]
        return self._prog.enum_type(made.name or None, compatible, labels)

    def _function(self, made: BtfType) -> Type:
        pairs = list(self._btf.parameters(made))
        variadic = bool(pairs) and pairs[-1] == ("", 0)
        parameters = [
            TypeParameter(self._lazy(number), name or None)
            for name, number in (pairs[:-1] if variadic else pairs)
        ]
        return self._prog.function_type(self.type(made.value), parameters, variadic)
