"""Rules, version windows, context and replay: the parts that decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfntrack.errors import InputFormatError
from pfntrack.field.catalogue.diagnoses.codes import CODES
from pfntrack.field.catalogue.lookup import Nearest, find
from pfntrack.field.catalogue.messages.table import MESSAGES
from pfntrack.field.catalogue.page import markdown
from pfntrack.field.read import ranges
from pfntrack.field.read.context import load
from pfntrack.field.read.kernelrelease import Window, parse_release
from pfntrack.field.triage import triage_text

CONFLICT = (
    "x86/PAT: CPU 0/KVM:1 conflicting memory types c0000000-d0000000 "
    "write-combining<->uncached-minus"
)
SPLIT = "x86/PAT: prog:1 freeing invalid memtype [mem 0xfe000000-0xfe000fff]"
IOMEM = """\
00100000-0bfcffff : System RAM
c0000000-febfffff : PCI Bus 0000:00
  c0000000-cfffffff : 0000:01:00.0
    c0000000-c0ffffff : nvidia
"""
LIST = """\
PAT memtype list:
PAT: [mem 0x00000000c0000000-0x00000000c1000000] write-combining
PAT: [mem 0x00000000c1000000-0x00000000c1001000] uncached-minus
"""
LSPCI = """\
01:00.0 VGA compatible controller: NVIDIA Corporation GP104
\tRegion 1: Memory at c0000000 (64-bit, prefetchable) [size=256M]
\tKernel driver in use: {driver}
"""


def _added(start: int, end: int, req: str = "uncached-minus") -> str:
    return (
        f"x86/PAT: memtype_reserve added [mem {start:#010x}-{end - 1:#010x}], "
        f"track uncached-minus, req {req}, ret uncached-minus\n"
    )


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("release", "affected"),
    [
        ("6.7.5", True),
        ("6.8.4", True),
        ("6.8.5", False),
        ("6.6.25", True),
        ("6.6.26", False),
        ("6.1.84", True),
        ("6.1.85", False),
        ("6.9", False),
        ("6.9.0-rc1", False),
        ("3.6", False),
        ("7.3.4", False),
    ],
)
def test_window_with_backports(release: str, affected: bool) -> None:
    """The copy-on-write window knows its stable back-ports."""
    window = CODES["UNTRACK_COW_FIRST_PAGE"].window
    assert window is not None
    assert window.affects(parse_release(release)) is affected


def test_window_with_a_backported_defect() -> None:
    """A back-port can bring a defect into an old series."""
    window = Window("6.11", "6.16", (), (("5.10", "5.10.233", None),))
    assert [
        window.affects(parse_release(r)) for r in ("5.10.232", "5.10.233", "5.15.1", "6.12.1")
    ] == [
        False,
        True,
        False,
        True,
    ]
    assert window.affects(None) is None


@pytest.mark.parametrize(
    ("kernel", "code"),
    [
        ("4.4.0", "KERNEL_BUG_MREMAP_SHRINK"),
        ("4.5", "KERNEL_BUG_VMA_SPLIT"),
        ("6.15.11", "KERNEL_BUG_VMA_SPLIT"),
        ("6.16", "UNMAP_SHAPE_DIFFERS"),
        ("7.3.4", "UNMAP_SHAPE_DIFFERS"),
    ],
)
def test_release_failure_by_kernel(kernel: str, code: str) -> None:
    """The same line means different things in different kernels."""
    assert triage_text(SPLIT, load(kernel=kernel)).diagnosis == code


@pytest.mark.parametrize(
    ("frames", "kernel", "code"),
    [
        ("exit_mmap do_exit", "6.7.5", "UNTRACK_COW_FIRST_PAGE"),
        ("exit_mmap do_exit", "6.12.10", "UNTRACK_AFTER_ZAP"),
        ("exit_mmap mmput copy_process", "6.7.5", "UNTRACK_FAILED_FORK"),
        ("do_munmap move_vma", "4.1.0", "UNTRACK_MREMAP_MOVE"),
        ("zap_page_range_single remap_pfn_range_notrack", "6.12.1", "UNTRACK_AFTER_FAILED_REMAP"),
        (
            "zap_page_range_single unmap_mapping_range",
            "6.10.0",
            "UNTRACK_FROM_ZAP_WITHOUT_MMAP_LOCK",
        ),
        ("unmap_region do_munmap", "6.10.0", "UNTRACK_AFTER_ZAP"),
    ],
)
def test_one_warning_several_causes(frames: str, kernel: str, code: str) -> None:
    """The frames tell the causes of one title apart."""
    lines = [
        "WARNING: CPU: 0 PID: 9 at arch/x86/mm/pat/memtype.c:1002 untrack_pfn+0x1/0x2",
        f"CPU: 0 PID: 9 Comm: prog Not tainted {kernel} #1",
        *(f" {name}+0x10/0x20" for name in frames.split()),
    ]
    assert triage_text("\n".join(lines)).diagnosis == code


def test_ranges_from_architecture() -> None:
    """Impossible ranges are recognised from fixed addresses and alignment alone."""
    assert ranges.fits_no_window(0xEF740000, 0xF0160000)
    assert not ranges.fits_no_window(0xC0000000, 0xD0000000)
    assert ranges.covers_fixed_page(0xBF800000, 0xFFFFF000)
    assert ranges.ends_at_physical_top(0x3FFFFFF00000, 1 << 64)
    assert not ranges.ends_at_physical_top(0xFFFFFFFFFF000, 0x9000)
    assert ranges.is_sign_extended(0xFFFFFFFFD0000000, 0xFFFFFFFFE0000000)


def test_owners_and_candidates(tmp_path: Path) -> None:
    """With list and iomem the two entries and their owners are named."""
    context = load(memtype_list=_write(tmp_path, "l", LIST), iomem=_write(tmp_path, "i", IOMEM))
    made = triage_text(CONFLICT, context).findings[0]
    assert made.candidates == (
        ("[0xc0000000, 0xc1000000) write-combining", "[0xc1000000, 0xc1001000) uncached-minus"),
    )
    assert any("nvidia" in owner for owner in made.owners)
    assert "the memtype list of the same boot" not in made.missing


@pytest.mark.parametrize(
    ("driver", "verdict"), [("nvidia", "live: driver nvidia"), ("vfio-pci", "unknown")]
)
def test_live_needs_proof_of_absence(tmp_path: Path, driver: str, verdict: str) -> None:
    """A bound host driver means live; its absence alone never means stale."""
    context = load(lspci=_write(tmp_path, "p", LSPCI.format(driver=driver)))
    made = triage_text(CONFLICT, context).findings[0]
    assert any(f"live or stale: {verdict}" in note for note in made.notes)


def test_possibly_stale_with_maps(tmp_path: Path) -> None:
    """Without driver and mappings the entry may be stale, and the gaps are named."""
    maps = _write(tmp_path, "m", "00400000-00401000 r--p 00000000 00:02 19 /bin/x\n")
    context = load(lspci=_write(tmp_path, "p", LSPCI.format(driver="vfio-pci")), maps=maps)
    made = triage_text(CONFLICT, context).findings[0]
    assert any("possibly stale" in note and "not looked at" in note for note in made.notes)


def test_crossing_a_bar_from_lspci(tmp_path: Path) -> None:
    """A range that leaves its BAR is the driver's arithmetic, whatever its shape."""
    context = load(lspci=_write(tmp_path, "p", LSPCI.format(driver="nvidia")))
    text = (
        "x86/PAT: prog:1 conflicting memory types cf000000-d1000000 "
        "write-combining<->uncached-minus"
    )
    assert triage_text(text, context).diagnosis == "RANGE_CROSSES_RESOURCE"


def test_snapshot_layout(tmp_path: Path) -> None:
    """A snapshot directory gives the release, the list, devices and mappings at once."""
    _write(tmp_path, "version", "Linux version 6.1.0-56-cloud-amd64 (x) Debian 6.1.192-2\n")
    _write(tmp_path, "pat_memtype_list", LIST)
    _write(tmp_path, "iomem", IOMEM)
    (tmp_path / "pci").mkdir()
    _write(
        tmp_path / "pci",
        "0000:01:00.0",
        "vendor 0x10de\ndriver nvidia\nbar 1 0xc0000000 0xcfffffff 0x14220c\n",
    )
    (tmp_path / "pid" / "7").mkdir(parents=True)
    _write(
        tmp_path / "pid" / "7",
        "maps",
        "7feff5125000-7feff5135000 rw-s c0000000 00:15 10627                      "
        "/sys/devices/x/resource1_wc\n",
    )
    context = load(snapshot=tmp_path)
    assert str(context.release) == "6.1.192"
    assert context.live((0xC0000000, 0xC0001000))[0] == "live"
    assert any("pid 7" in owner for owner in context.owners((0xC0000000, 0xC0001000)))


@pytest.mark.parametrize("name", ["missing", "folder", "empty"])
def test_bad_files_are_one_line(tmp_path: Path, name: str) -> None:
    """A missing, unreadable or foreign file is an input error that names it."""
    (tmp_path / "folder").mkdir()
    _write(tmp_path, "empty", "nothing here\n")
    with pytest.raises(InputFormatError, match=name):
        load(memtype_list=tmp_path / name)


def test_replay_finds_a_silent_neighbour() -> None:
    """A type taken from an entry that only touches is the interval-tree error."""
    text = _added(0xC0001000, 0xC0002000) + _added(0xC0000000, 0xC0001000, "write-combining")
    assert triage_text(text).diagnosis == "SILENT_DOWNGRADE_ADJACENT"


def test_replay_of_a_split() -> None:
    """Replaying a head release shows the piece that stays."""
    text = (
        _added(0xFE000000, 0xFE004000)
        + """\
x86/PAT: prog:9 freeing invalid memtype [mem 0xfe000000-0xfe000fff]
x86/PAT: memtype_free request [mem 0xfe001000-0xfe003fff]
"""
    )
    result = triage_text(text)
    assert result.diagnosis == "KERNEL_BUG_VMA_SPLIT"
    assert result.replay is not None
    assert [(e.start, e.end) for e in result.replay.residue] == [(0xFE000000, 0xFE001000)]


def test_catalogue_is_complete() -> None:
    """Every message leads to known codes, and the page shows all of both."""
    page = markdown()
    for message in MESSAGES:
        assert set(message.codes) <= set(CODES)
        assert message.form in page
    assert all(f"### {code}" in page for code in CODES)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        (CONFLICT, "conflict"),
        ("freeing invalid memtype", "free_invalid"),
        ("ioremap error for 0x1000-0x2000, requested 0x2, got 0x0", "ioremap_error"),
        ("pat_config", "pat_config"),
    ],
)
def test_explain_finds_messages(query: str, kind: str) -> None:
    """A pasted line, a few words or a kind lead to the entry."""
    entry = find(query)
    assert getattr(entry, "kind", None) == kind


def test_explain_finds_codes_and_rejects_nonsense() -> None:
    """Codes are found in any case; unknown words are not guessed."""
    assert find("mtrr_trim") is CODES["MTRR_TRIM"]
    assert find("hello") == Nearest(())
