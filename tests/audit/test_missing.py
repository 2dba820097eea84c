"""Recorded machines of which some file is not there: fewer answers, never other ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from audit.build import (
    RECORDED,
    SNAPSHOTS,
    TRACKED,
    UNTRACKED,
    Proc,
    Vma,
    codes,
    judge,
    made,
    pages,
)
from pfntrack.audit.judged.checks import Audit

KERNELS = ("6.1", "6.12", "7.3")


def without(folder: Path, name: str, *patterns: str) -> Audit:
    """Audit a recorded snapshot after taking files away."""
    target = folder / "copy"
    shutil.copytree(SNAPSHOTS / name, target)
    for pattern in patterns:
        for path in target.glob(pattern):
            path.unlink()
    return judge(target)


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize(
    "pattern", ["vmallocinfo", "pid/*/smaps.pfnmap", "iomem", "version", "mtrr", "pci/*"]
)
def test_a_missing_file_adds_no_finding_and_no_residue(
    tmp_path: Path, name: str, pattern: str
) -> None:
    """What is found or forecast without a file was found or forecast with it."""
    whole = judge(SNAPSHOTS / name)
    patterns = (pattern, "meta", "dmesg") if pattern == "version" else (pattern,)
    partial = without(tmp_path, name, *patterns)
    doubts = {"suspected-stale-reservation"} if pattern == "version" else set()
    assert set(codes(partial)) - doubts <= set(codes(whole))
    assert set(partial.forecast.everyone) <= set(whole.forecast.everyone)
    assert set(partial.forecast.log) <= set(whole.forecast.log)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("text", [None, ""])
def test_without_vmallocinfo_nobody_is_suspected(
    tmp_path: Path, kernel: str, text: str | None
) -> None:
    """Whether the file is missing or empty, ioremap areas may hold what nobody else does."""
    target = tmp_path / "copy"
    shutil.copytree(SNAPSHOTS / f"{kernel}-idle", target)
    (target / "vmallocinfo").unlink()
    if text is not None:
        (target / "vmallocinfo").write_text(text)
    result = judge(target)
    assert {held.standing.value for held in result.owners.holdings} == {"possible"}
    assert not result.findings
    assert not result.forecast.decidable
    assert result.code == 3


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_without_flags_releases_of_revoked_mappings_are_not_forecast(
    tmp_path: Path, kernel: str
) -> None:
    """Mappings without an entry may have lost their tracking: their exit may be silent."""
    result = without(tmp_path, f"{kernel}-revoked", "pid/*/smaps.pfnmap")
    assert not result.forecast.decidable
    assert any("no smaps" in line for line in result.evidence.missing)


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_without_claims_no_page_is_called_still_mapped(tmp_path: Path, kernel: str) -> None:
    """Which part was revoked is not known, and that is said."""
    result = without(tmp_path, f"{kernel}-revoked", "iomem")
    assert not result.findings
    assert any("claims of drivers are not known" in line for line in result.undecided)


def test_without_a_release_pieces_are_not_called_a_mismatch(tmp_path: Path) -> None:
    """With contexts pieces share one entry, which is healthy."""
    result = without(tmp_path, "7.3-split-alive", "version", "meta", "dmesg")
    (held,) = [held for held in result.owners.holdings if held.users]
    assert held.standing.value == "possible"
    assert {user.comm for user in held.users} == {"splitter"}


def test_ram_is_not_called_uncovered_where_ram_is_not_known(tmp_path: Path) -> None:
    """Types of RAM are not in the list, and without iomem RAM cannot be told from devices."""
    ram = Proc(90, "reader", (Vma(0x7F0000000, 0, 1, TRACKED, base=0x5000000),))
    known = made(tmp_path / "known", [pages(0, 1)], [ram])
    assert known.forecast.decidable
    assert "uncovered-mapping" not in codes(known)
    blind = made(tmp_path / "blind", [pages(0, 1)], [ram], iomem="")
    assert "uncovered-mapping" not in codes(blind)
    assert not blind.forecast.decidable


def test_processes_that_could_not_be_read_may_hold_what_nobody_else_does(tmp_path: Path) -> None:
    """The collector's own note keeps an entry from being suspected."""
    folder = tmp_path / "copy"
    proc = Proc(90, "mapper", (Vma(0x7F0000000, 0, 4, UNTRACKED),))
    assert "suspected-stale-reservation" in codes(made(folder, [pages(8, 9)], [proc]))
    note = "unread proc: no right to read 3 processes: missing therefore: their mappings\n"
    (folder / "meta").write_text(note)
    result = judge(folder)
    assert [held.standing.value for held in result.owners.holdings] == ["possible"]
    assert "suspected-stale-reservation" not in codes(result)
    assert any("no right to read 3 processes" in line for line in result.evidence.missing)
