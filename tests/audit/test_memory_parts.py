"""Reading kernel memory, piece by piece, on memory made for the purpose."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from drgn import Architecture, FaultError, Platform, Program
from hypothesis import given
from hypothesis import strategies as st

from pfntrack.audit.memory import note
from pfntrack.audit.memory.btf import Btf, Kind
from pfntrack.audit.memory.collect import both, differing
from pfntrack.audit.memory.gaps import Gaps
from pfntrack.audit.memory.pagetables import PAGE, PageTables
from pfntrack.audit.memory.spaces import Spaces
from pfntrack.audit.memory.types import BtfFinder
from pfntrack.cli import main
from pfntrack.errors import InputFormatError
from pfntrack.pat.cachemode import CacheMode
from pfntrack.state import Entry, Process, Reservation, VmaState

MODES = (
    CacheMode.WB,
    CacheMode.WC,
    CacheMode.UC_MINUS,
    CacheMode.UC,
    CacheMode.WB,
    CacheMode.WP,
    CacheMode.UC_MINUS,
    CacheMode.WT,
)
PRESENT, WRITE, PWT, PCD, HUGE, PROT_NONE, SPECIAL = 1, 2, 8, 0x10, 0x80, 0x100, 0x200
ADDRESS = (1 << 52) - PAGE


class Tables:
    """Page tables of four levels in a dictionary of pages, made entry by entry."""

    def __init__(self) -> None:
        self.pages: dict[int, list[int]] = {0x1000: [0] * 512}
        self._free = 0x2000

    def put(self, address: int, entry: int, shift: int = 12) -> None:
        at = 0x1000
        for level in (39, 30, 21, 12):
            index = address >> level & 511
            if level == shift:
                self.pages[at][index] = entry
                return
            if not self.pages[at][index]:
                self.pages[at][index] = self._free | PRESENT | WRITE
                self.pages[self._free] = [0] * 512
                self._free += PAGE
            at = self.pages[at][index] & ADDRESS

    def read(self, address: int, size: int) -> bytes:
        if address not in self.pages:
            raise FaultError("not there", address)
        return struct.pack("<512Q", *self.pages[address])

    def entries(self, start: int, end: int, *, cow: bool = False) -> tuple[Entry, ...]:
        tables = PageTables(self.read, MODES, 4)
        top = tables.top(self.read(0x1000, PAGE))
        self.missing: list[int] = []
        return tables.entries(top, start, end, cow=cow, missing=self.missing)


def test_neighbouring_entries_make_one_run_and_differences_end_it() -> None:
    """Runs end where pfn, type or write bit change, and where nothing is present."""
    made = Tables()
    for page, flags in enumerate((PWT | WRITE, PWT | WRITE, PWT, PCD, 0)):
        made.put(0x7000 + page * PAGE, 0xFE000000 + page * PAGE | flags | SPECIAL | PRESENT)
    made.put(0x7000 + 6 * PAGE, 0xAA000000 | SPECIAL | PRESENT)
    assert made.entries(0x7000, 0x7000 + 8 * PAGE) == (
        Entry(7, 9, 0xFE000, CacheMode.WC, True),
        Entry(9, 10, 0xFE002, CacheMode.WC, False),
        Entry(10, 11, 0xFE003, CacheMode.UC_MINUS, False),
        Entry(11, 12, 0xFE004, CacheMode.WB, False),
        Entry(13, 14, 0xAA000, CacheMode.WB, False),
    )


def test_a_private_page_without_the_special_bit_is_a_copy() -> None:
    """Only in private mappings; pages of the device keep the bit."""
    made = Tables()
    made.put(0x7000, 0xFE000000 | SPECIAL | PRESENT)
    made.put(0x8000, 0x123000 | PRESENT | WRITE)
    assert [entry.pfn for entry in made.entries(0x7000, 0x9000, cow=True)] == [0xFE000, None]
    assert [entry.pfn for entry in made.entries(0x7000, 0x9000)] == [0xFE000, 0x123]


def test_large_entries_have_their_pat_bit_elsewhere() -> None:
    """Bit 12 selects the PAT entry of 2 MiB leaves and is no part of the address."""
    made = Tables()
    made.put(0x40000000, 0xE0000000 | 1 << 12 | PWT | HUGE | PRESENT, shift=21)
    (entry,) = made.entries(0x40003000, 0x40006000)
    assert entry == Entry(0x40003, 0x40006, 0xE0003, MODES[5], False, True)


def test_prot_none_entries_are_kept_inverted() -> None:
    """The address of an inaccessible entry is stored inverted."""
    made = Tables()
    made.put(0x7000, (0xFE000000 ^ ADDRESS) | PROT_NONE | SPECIAL | PCD)
    (entry,) = made.entries(0x7000, 0x8000)
    assert (entry.pfn, entry.type, entry.accessible) == (0xFE000, CacheMode.UC_MINUS, False)


def test_a_missing_table_is_named_and_costs_only_its_part() -> None:
    """What lies below a table that is not in the dump is missing, the rest is read."""
    made = Tables()
    made.put(0x7000, 0xFE000000 | SPECIAL | PRESENT)
    made.put(0x40000000, 0xFF000000 | SPECIAL | PRESENT)
    del made.pages[max(made.pages)]
    found = made.entries(0x7000, 0x40001000)
    assert [entry.pfn for entry in found] == [0xFE000]
    assert made.missing == [0x40000000]


def blob(types: bytes, strings: bytes) -> bytes:
    head = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return head + types + strings


STRINGS = b"\0int\0unsigned long\0memtype\0start\0kind\0flag\0color\0RED\0BLUE\0"


def at(name: bytes) -> int:
    return STRINGS.index(b"\0" + name + b"\0") + 1


def info(kind: Kind, count: int = 0, *, flag: bool = False) -> int:
    return kind << 24 | count | flag << 31


TYPES = b"".join(
    [
        struct.pack("<IIII", at(b"int"), info(Kind.INT), 4, 1 << 24 | 32),
        struct.pack("<IIII", at(b"unsigned long"), info(Kind.INT), 8, 64),
        struct.pack("<III", at(b"memtype"), info(Kind.STRUCT, 3, flag=True), 24),
        struct.pack("<III", at(b"start"), 2, 0),
        struct.pack("<III", at(b"kind"), 4, 64),
        struct.pack("<III", at(b"flag"), 1, 3 << 24 | 96),
        struct.pack("<III", at(b"color"), info(Kind.ENUM, 2), 4),
        struct.pack("<II", at(b"RED"), 1),
        struct.pack("<II", at(b"BLUE"), 5),
        struct.pack("<III", 0, info(Kind.PTR), 3),
    ]
)


def test_types_become_those_of_drgn() -> None:
    """A struct with a bit field and an enumeration, and a constant by name."""
    prog = Program(Platform(Architecture.X86_64))
    BtfFinder(prog, Btf(blob(TYPES, STRINGS), "here")).register()
    made = prog.type("struct memtype")
    assert made.size == 24
    assert [(m.name, m.bit_offset) for m in made.members or ()] == [
        ("start", 0),
        ("kind", 64),
        ("flag", 96),
    ]
    assert made.member("flag").bit_field_size == 3
    assert prog["BLUE"].value_() == 5
    with pytest.raises(LookupError):
        prog.type("struct nothing")


@given(st.integers(0, len(TYPES) + len(STRINGS) + 24), st.binary(max_size=4))
def test_broken_type_information_is_one_line_of_error(cut: int, put: bytes) -> None:
    """Cut off or overwritten anywhere: an error that names the source, or types."""
    whole = blob(TYPES, STRINGS)
    for broken in (whole[:cut], whole[:cut] + put + whole[cut + len(put) :]):
        try:
            made = Btf(broken, "here")
            for number in range(len(made)):
                kind = made.type(number)
                if kind.kind in (Kind.STRUCT, Kind.UNION):
                    list(made.members(kind))
        except InputFormatError as error:
            assert str(error).startswith("here: ")
            assert "\n" not in str(error)


NOTE = b"OSRELEASE=6.12.1\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff81000000\n"


def as_note(text: bytes) -> bytes:
    return struct.pack("<III", 11, len(text), 0) + b"VMCOREINFO\0\0" + text


def test_the_note_is_found_in_raw_memory_and_lookalikes_are_not() -> None:
    """Only a header with a fitting size and symbols counts; equal copies count once."""
    memory = bytearray(5 << 20)
    for place, text in ((0x1000, b"OSRELEASE=short\n"), (0x312344, NOTE), (0x400000, NOTE)):
        memory[place : place + len(as_note(text))] = as_note(text)
    memory[0x2000:0x2015] = b"VMCOREINFO\0\0OSRELEASE"
    seen = note.in_memory([(0, len(memory))], lambda at, size: bytes(memory[at : at + size]))
    assert seen == [NOTE]
    assert note.in_memory([(0, 1 << 20)], lambda _at, _size: None) == []
    assert note.fields(NOTE)["SYMBOL(_stext)"] == "ffffffff81000000"


def test_gaps_are_counted_and_other_errors_pass() -> None:
    """A fault is a gap; a mistake of the program is not swallowed."""
    gaps = Gaps()
    for number in range(5):
        with gaps.trying("processes", f"process {number}"):
            raise FaultError("page is missing", 0x1000)
    assert "processes" in gaps
    assert len(gaps.lines()) == 4
    assert gaps.lines()[-1] == "processes: 2 more"
    with pytest.raises(TypeError), gaps.trying("processes", "x"):
        raise TypeError


def _vma(start: int, pfn: int) -> VmaState:
    entry = Entry(start, start + 4, pfn, CacheMode.UC_MINUS, True)
    prot = CacheMode.UC_MINUS
    return VmaState(start, start + 4, "rw-s", "", pfn, "/dev/mem", True, None, prot, (entry,))


def test_two_readings_of_a_running_kernel_agree_or_are_unstable() -> None:
    """What one reading lacks is unstable, and so are entries of mappings that come and go."""
    rows = [Reservation(pfn << 12, pfn + 4 << 12, CacheMode.UC_MINUS) for pfn in (1, 20, 40)]
    one = Spaces((Process("a", 1, (_vma(100, 1), _vma(200, 20))),), ())
    other = Spaces((Process("a", 1, (_vma(100, 1),)), Process("b", 2, (_vma(300, 40),))), ())
    found = differing(rows[:2], rows, one, other)
    assert {row[0] >> 12: counts for row, counts in found.items()} == {40: (0, 1), 20: (0, 1)}
    kept = both(one, other)
    assert [(p.pid, [vma.start for vma in p.vmas]) for p in kept.processes] == [(1, [100])]


@pytest.mark.parametrize("option", ["--vmcore", "--qemu", "--vmlinux"])
def test_what_is_no_dump_is_one_line_of_error(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Absent, empty, and files of another kind, for each way to name one."""
    empty, text = tmp_path / "empty", tmp_path / "text"
    empty.touch()
    text.write_text("no dump\n" * 1000)
    elf = Path("/proc/self/exe").resolve()
    for path in (tmp_path / "absent", tmp_path, empty, text, elf):
        line = [option, str(path)]
        if option == "--vmlinux":
            line = ["--vmcore", str(text), *line]
        assert main(["audit", *line]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
