"""Kernel mappings of device memory: ioremap areas with their callers and real cache modes.

Source: include/linux/vmalloc.h and mm/vmalloc.c (5.10 to 7.3), *faithful*.
"""

from __future__ import annotations

from drgn import Object, Program, SymbolIndex
from drgn.helpers.linux.kallsyms import module_kallsyms
from drgn.helpers.linux.mm import for_each_vmap_area
from drgn.helpers.linux.module import address_to_module

from pfntrack.audit.memory.gaps import Gaps
from pfntrack.audit.memory.pagetables import PAGE, PageTables
from pfntrack.field.read.lines import printable
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.ram import PAGE_SHIFT
from pfntrack.state import KernelMapping

GROUP = "kernel_mappings"
VM_IOREMAP, VM_NO_GUARD = 1, 0x40


class Callers:
    """Names of the functions that made an area, in the kernel image or in a module."""

    def __init__(self, prog: Program, gaps: Gaps) -> None:
        self._prog = prog
        self._gaps = gaps
        self._known: dict[int, str] = {}
        self._modules: dict[str, SymbolIndex] = {}

    def name(self, address: int) -> str:
        """`function`, or `function [module]`, as vmallocinfo names callers."""
        if address not in self._known:
            self._known[address] = self._find(address)
        return self._known[address]

    def _find(self, address: int) -> str:
        try:
            return printable(self._prog.symbol(address).name)
        except LookupError:
            pass
        with self._gaps.trying("callers", f"the name of the caller at {address:#x}"):
            module = address_to_module(self._prog, address)
            if module:
                name = printable(module.name.string_().decode("utf-8", "replace"))
                return f"{self._in_module(module, name, address)} [{name}]"
        return f"{address:#x}"

    def _in_module(self, module: Object, name: str, address: int) -> str:
        index = self._modules.get(name)
        if index is None:
            index = self._modules[name] = SymbolIndex(module_kallsyms(module))
        found = [s for s in index(self._prog, None, address, False) if s.name]
        return printable(found[0].name) if found else f"{address:#x}"


def areas(prog: Program, tables: PageTables | None, gaps: Gaps) -> tuple[KernelMapping, ...]:
    """All ioremap areas; without page tables their types are UC-, which then means unknown."""
    callers = Callers(prog, gaps)
    top: tuple[int, ...] | None = None
    if tables is not None:
        with gaps.trying("entries", "the kernel's page tables"):
            top = tables.top(prog.read(prog.symbol("init_top_pgt").address, PAGE))
    found: list[KernelMapping] = []
    with gaps.trying(GROUP, "the list of vmalloc areas"):
        for area in for_each_vmap_area(prog):
            vm = area.vm.read_()
            if vm and vm.flags.value_() & VM_IOREMAP:
                with gaps.trying(GROUP, "an ioremap area"):
                    found += _area(vm, callers, tables, top)
    return tuple(sorted(found, key=lambda area: (area.start, area.end, area.owner)))


def _area(
    vm: Object, callers: Callers, tables: PageTables | None, top: tuple[int, ...] | None
) -> list[KernelMapping]:
    start, address = vm.phys_addr.value_(), vm.addr.value_()
    size = vm.size.value_() - (0 if vm.flags.value_() & VM_NO_GUARD else PAGE)
    if not start or size <= 0:
        return []
    owner = callers.name(vm.caller.value_())
    kind = CacheMode.UC_MINUS
    if tables is not None and top is not None:
        runs = tables.entries(top, address, address + size, cow=False, missing=[])
        if not runs:
            return [KernelMapping(owner, start, start + size, kind, mapped=False)]
        if runs[0].pfn == start >> PAGE_SHIFT:
            kind = runs[0].type
    return [KernelMapping(owner, start, start + size, kind)]
