"""An unpacked sos report is audited as a snapshot, as far as it goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pfntrack.cli.main import main

UNAME = "Linux host 6.12.57-amd64 #1 SMP Debian 6.12.57-1 (2025-11-05) x86_64 GNU/Linux\n"
IOMEM = "c0000000-dfffffff : PCI Bus 0000:00\n  c0500000-c05fffff : 0000:0a:00.0\n"
LIST = "PAT memtype list:\nPAT: [mem 0x00000000c0500000-0x00000000c0600000] uncached-minus\n"
LSPCI = """\
0a:00.0 Ethernet controller [0200]: Example Adapter [1234:5678]
\tRegion 0: Memory at c0500000 (64-bit, non-prefetchable) [size=1M]
\tKernel driver in use: example
"""


def _report(folder: Path, **without: bool) -> Path:
    parts = {
        "sos_commands/kernel/uname_-a": UNAME,
        "sos_commands/pci/lspci_-nnvv": LSPCI,
        "sos_commands/kernel/dmesg": "[    0.000000] Linux version 6.12.57-amd64 (x) #1 SMP\n",
        "proc/iomem": IOMEM,
        "proc/mtrr": "reg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable\n",
        "sys/kernel/debug/x86/pat_memtype_list": LIST,
    }
    for name, text in parts.items():
        if Path(name).name not in without:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return folder


def test_a_report_with_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Reservations, BARs, drivers and the release are those of the report."""
    folder = _report(tmp_path)
    assert main(["audit", "--snapshot", str(folder), "--bar", "0a:00.0"]) == 0
    out = capsys.readouterr().out
    assert "BAR 0 [0xc0500000, 0xc0600000)" in out and "write-combining: no;" in out
    main(["audit", "--snapshot", str(folder)])
    out = capsys.readouterr().out
    assert "6.12.57" in out and "mappings of processes: not in what was given" in out


def test_the_usual_report_has_no_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without debugfs nothing is claimed about reservations, and what is missing is said."""
    folder = _report(tmp_path, pat_memtype_list=True, mtrr=True)
    assert main(["audit", "--snapshot", str(folder)]) == 3
    out = capsys.readouterr().out
    assert "proc/mtrr: not in the sos report" in out and "stale: it stays" not in out


def test_links_are_not_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A link in a report leads nowhere, and an empty report is refused in one line."""
    outside = tmp_path / "outside"
    outside.write_text(LIST)
    folder = tmp_path / "sos"
    (folder / "sos_commands" / "pci").mkdir(parents=True)
    (folder / "proc").mkdir()
    (folder / "proc" / "iomem").symlink_to(outside)
    assert main(["audit", "--snapshot", str(folder)]) == 2
    assert "a sos report without" in capsys.readouterr().err


def test_processors_that_differ_and_small_entries(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are read from the kernel log and rest on it."""
    folder = _report(tmp_path)
    (folder / "sos_commands" / "kernel" / "dmesg").write_text(
        "[    0.000000] Linux version 6.12.57-amd64 (x) #1 SMP\n"
        "[    0.240311] mtrr: your CPUs had inconsistent fixed MTRR settings\n"
        "[    0.240314] mtrr: your CPUs had inconsistent MTRRdefType settings\n"
        "[    1.000000] pmd_set_huge: Cannot satisfy [mem 0xf8000000-0xf8200000] with a huge-page "
        "mapping due to MTRR override.\n"
    )
    main(["audit", "--snapshot", str(folder), "--json"])
    made = {f["code"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert made["cpus-differ"]["severity"] == "info"
    assert "0xf8000000" in made["small-entries"]["summary"]
