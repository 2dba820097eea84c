"""A toy package beside ours brings a design, a release and a driver, and every command has them.

The sources are those of docs/howto/outside.md, so that the page is true.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from docs.markdown import ROOT, blocks

PAGE = ROOT / "docs" / "howto" / "outside.md"
SCENARIO = "scenario doorbell\n\nA opens driver on H by doorbell as fd0\nA maps fd0[0,4) at 0\n"
POINTS = """\
[pfntrack.drivers]
doorbell = acme_pfntrack:Doorbell

[pfntrack.designs]
keeps-on-zap = acme_pfntrack:KeepsOnZap

[pfntrack.releases]
6.12-acme = acme_pfntrack_release:ACME
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The package as an installer leaves it, and a scenario."""
    driver, design, release = (block.text for block in blocks(PAGE) if block.language == "python")
    (tmp_path / "acme_pfntrack.py").write_text(driver + design.replace("import attrs\n", "", 1))
    (tmp_path / "acme_pfntrack_release.py").write_text(f"import attrs\n{release}")
    declare(tmp_path, POINTS)
    (tmp_path / "doorbell.pfn").write_text(SCENARIO)
    return tmp_path


def declare(folder: Path, points: str) -> None:
    info = folder / "acme_pfntrack-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-pfntrack\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)


def pfntrack(folder: Path, line: str) -> tuple[int, str, str]:
    """Exit code and both outputs of a command beside which the package is installed."""
    path = os.pathsep.join([str(ROOT / "src"), str(folder)])
    done = subprocess.run(
        [sys.executable, "-m", "pfntrack", *line.split()],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_driver(folder: Path) -> None:
    """Its two remaps are seen; a name that is nearly right is told."""
    code, out, err = pfntrack(folder, "run doorbell.pfn --release 7.3")
    assert (code, err) == (0, "")
    assert "A maps fd0[0,4) at 0" in out
    assert "entries:       A + [0,4) -> H[0,4) UC-" in out  # nothing is reserved, so no WC
    (folder / "typo.pfn").write_text(SCENARIO.replace("doorbell as", "dorbell as"))
    code, _, err = pfntrack(folder, "run typo.pfn")
    assert code == 2
    assert "doorbell" in err
    code, _, err = pfntrack(folder, "repro doorbell.pfn")
    assert code == 4
    assert "no driver doorbell" in err


def test_a_design_and_a_release(folder: Path) -> None:
    """Both stand beside ours in a comparison."""
    code, out, err = pfntrack(folder, "compare truncate-middle --with 6.12,6.12-acme,keeps-on-zap")
    assert err == ""
    assert code == 1
    assert "6.12-acme" in out
    assert "keeps-on-zap" in out


def test_what_cannot_be_loaded_is_told_and_left_out(folder: Path) -> None:
    """A mistake in one package, a wrong kind, a name of ours: the rest goes on."""
    declare(
        folder,
        "[pfntrack.designs]\nbroken = acme_missing:X\nours = acme_pfntrack:KeepsOnZap\n"
        "number = math:pi\nkeeps-on-zap = acme_pfntrack:KeepsOnZap\n",
    )
    code, out, err = pfntrack(folder, "run map-and-unmap --design keeps-on-zap")
    assert code == 0
    assert "keeps-on-zap" in out
    assert "plug-in broken of pfntrack.designs is left out: ModuleNotFoundError" in err
    assert "plug-in number of pfntrack.designs is left out: expected a Design" in err
    assert "plug-in ours of pfntrack.designs is left out: there is one of this name" in err
    assert "Traceback" not in err


def test_without_a_plug_in_nothing_is_loaded_for_it() -> None:
    """The machinery of entry points costs an ordinary start nothing."""
    program = "import sys, pfntrack.cli.model.run; sys.exit('importlib.metadata' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
