"""No answer names a type, an address, a task or a release that is not in the text."""

from __future__ import annotations

import re

import hypothesis
from hypothesis import strategies as st

from examples import examples
from pfntrack.field.answers import answer
from pfntrack.field.catalogue.diagnoses.codes import CODES
from pfntrack.field.read.facts import CACHE_MODES
from pfntrack.field.triage import triage_text

# Every notation that has a range or a type; ends are inclusive or exclusive as the kernel prints.
NOTATIONS = (
    "x86/PAT: {comm}:{pid} conflicting memory types {s:x}-{e:x} {a}<->{b}",
    "{comm}:{pid} conflicting memory types {s:x}-{e:x} {a}<->{b}",
    "x86/PAT: memtype_reserve failed [mem 0x{s:012x}-0x{l:012x}], track {a}, req {b}",
    "reserve_memtype failed 0x{s:x}-0x{e:x}, track {a}, req {b}",
    "x86/PAT: {comm}:{pid} map pfn expected mapping type {a} for [mem 0x{s:x}-0x{l:x}], got {b}",
    "{comm}:{pid} map pfn expected mapping type {a} for {s:x}-{e:x}, got {b}",
    "x86/PAT: {comm}:{pid} map pfn RAM range req {a} for [mem 0x{s:x}-0x{l:x}], got {b}",
    "x86/PAT: {comm}:{pid} freeing invalid memtype [mem 0x{s:x}-0x{l:x}]",
    "{comm}:{pid} freeing invalid memtype {s:x}-{e:x}",
    "x86/PAT: {comm}:{pid} ioremap_change_attr failed {a} for [mem 0x{s:x}-0x{l:x}]",
    "ioremap error for 0x{s:x}-0x{e:x}, requested 0x{n:x}, got 0x{m:x}",
    "x86/PAT: reserve_ram_pages_type failed [mem 0x{s:x}-0x{l:x}], track 0x{n:x}, req 0x{m:x}",
    "ioremap on RAM at 0x{s:016x} - 0x{l:016x}",
    "resource sanity check: requesting [mem 0x{s:x}-0x{l:x}], which spans more than PCI Bus "
    "0000:00 [mem 0x{s:x}-0x{h:x} window]",
    "vfio-pci 0000:01:00.0: BAR 1: can't reserve [mem 0x{s:x}-0x{l:x} 64bit pref]",
    "WARNING: CPU: 1 PID: {pid} at arch/x86/mm/pat/memtype.c:1002 untrack_pfn+0x1/0x2",
    "WARNING: arch/x86/mm/pat/memtype.c:1 at memtype_reserve+0x1/0x2, CPU#1: {comm}/{pid}",
)
_TYPE = re.compile(r"\b(?:write-(?:back|combining|through|protected)|uncached(?:-minus)?)\b")
_ADDRESS = re.compile(r"\b0x[0-9a-f]+\b")
_VERSION = re.compile(r"(?<![\w.])\d\.\d+(?:\.\d+)?(?![\w.]*[a-z])")
PAGE = 4096


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, str, dict[str, object]]:
    """A log of one line, with or without its kernel, and what was put into it."""
    start = draw(st.integers(0x100, 0xFFFFF)) * PAGE
    size = draw(st.sampled_from((1, 2, 16, 0x10000))) * PAGE
    values: dict[str, object] = {
        "comm": draw(st.sampled_from(("Xorg", "CPU 0/KVM", "gdsio", "(udev-worker)", "a.out"))),
        "pid": draw(st.integers(1, 99999)),
        "a": draw(st.sampled_from(CACHE_MODES)),
        "b": draw(st.sampled_from(CACHE_MODES)),
        "n": draw(st.integers(0, 5)),
        "m": draw(st.integers(0, 5)),
        "s": start,
        "e": start + size,
        "l": start + size - 1,
        "h": start + max(size // 2, PAGE) - 1,
    }
    release = draw(st.sampled_from(("", "2.6.31", "3.4", "4.4.1", "5.10.3", "6.1.50", "7.1.2")))
    prefix = draw(st.sampled_from(("", "[   12.345678] ", "Nov  3 10:11:12 host kernel: ", "> ")))
    banner = f"[    0.000000] Linux version {release} (gcc) #1\n" if release else ""
    return banner + prefix + draw(st.sampled_from(NOTATIONS)).format(**values), release, values


@hypothesis.given(texts())
@hypothesis.settings(max_examples=examples(600), deadline=None)
def test_only_what_the_text_holds(case: tuple[str, str, dict[str, object]]) -> None:
    """Types, addresses, tasks and releases of the first sentence are those of the line."""
    text, release, values = case
    named = {CACHE_MODES[int(str(values[key]))] for key in ("n", "m")} | set(_TYPE.findall(text))
    ends = {int(str(values[key])) + more for key in "seln" for more in (0, 1)}
    for made in triage_text(text).findings:
        said = answer(made)
        assert set(_TYPE.findall(said)) <= named, said
        assert {int(each, 16) for each in _ADDRESS.findall(said)} <= ends, said
        for version in _VERSION.findall(said):
            assert version == release or version in _windows(), said
        for comm in ("Xorg", "KVM", "gdsio", "udev-worker", "a.out"):
            assert comm not in said or comm in text, said


def _windows() -> set[str]:
    """Releases that the catalogue names as bounds."""
    found: set[str] = set()
    for code in CODES.values():
        found |= set(_VERSION.findall(" ".join((str(code.window), code.rule, code.what, *code.do))))
    return found
