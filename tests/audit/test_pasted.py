"""The audit of what somebody pasted: a list and lspci output instead of a snapshot."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfntrack.cli.main import main
from pfntrack.field.read.context import parse_lspci

PASTE = """\
$ sudo cat /sys/kernel/debug/x86/pat_memtype_list
PAT memtype list:
PAT: [mem 0x00000000c0500000-0x00000000c0600000] uncached-minus
PAT: [mem 0x00000000d0000000-0x00000000e0000000] write-combining
$ lspci -v -s 0a:00
0a:00.0 Ethernet controller: Example Adapter
        Memory at c0500000 (64-bit, non-prefetchable) [size=1M]
        I/O ports at 3000 [size=128]
        Memory at d0000000 (64-bit, prefetchable) [size=256M]
        Kernel driver in use: example
"""


def _ask(folder: Path, *words: str) -> int:
    path = folder / "paste.txt"
    path.write_text(PASTE)
    return main(["audit", "--memtype-list", str(path), "--lspci", str(path), *words])


def test_is_my_bar_write_combining(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file with both answers for each window, numbered as the device numbers them."""
    assert _ask(tmp_path, "--bar", "0a:00.0") == 0
    out = capsys.readouterr().out
    assert "BAR 0 [0xc0500000, 0xc0600000)" in out and "write-combining: no;" in out
    assert "BAR 3 [0xd0000000, 0xe0000000)" in out and "write-combining: yes;" in out
    assert _ask(tmp_path, "--bar", "0a:00.0/3") == 0
    assert "BAR 0" not in capsys.readouterr().out


def test_nothing_is_proved_by_a_paste(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without processes and kernel mappings no entry is called stale, and that is said."""
    assert _ask(tmp_path) == 3
    out = capsys.readouterr().out
    assert "stale: it stays" not in out and "mappings of processes: not in what was given" in out


def test_without_a_list_the_answer_is_not_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """lspci alone never makes a BAR uncached."""
    path = tmp_path / "lspci"
    path.write_text(PASTE)
    assert main(["audit", "--lspci", str(path), "--bar", "0a:00.0"]) == 3
    assert "write-combining: unknown" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [["--snapshot", "x"], ["--live"]],
)
def test_a_paste_stands_alone(words: list[str], tmp_path: Path) -> None:
    """Two sources at once are refused."""
    assert _ask(tmp_path, *words) == 2


def test_windows_are_numbered_like_registers() -> None:
    """lspci -v does not number them: a 64-bit window takes two, one without address counts."""
    lines = [
        "01:00.0 VGA compatible controller: X",
        "\tMemory at f0000000 (32-bit, non-prefetchable) [size=16M]",
        "\tMemory at <unassigned> (64-bit, prefetchable)",
        "\tMemory at e0000000 (64-bit, prefetchable) [size=32M]",
    ]
    (device,) = parse_lspci(lines)
    assert [bar[0] for bar in device.bars] == [0, 3]
    assert device.prefetchable == {3}
