"""Wheel and sdist: what is in them, and that they work where nothing else is.

Slow, and needs a package index: `make test-package`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.package

# What a program without these would fail on only later.
NEEDED = (
    "pfntrack/py.typed",
    "pfntrack/scenario/grammar.lark",
    "pfntrack/scenario/library/truncate-middle.pfn",
    "pfntrack/report/html/page.html.j2",
    "pfntrack/report/html/script/main.js",
    "pfntrack/report/html/style/base.css",
    "pfntrack/report/schemas/run.schema.json",
    "pfntrack/report/schemas/triage.schema.json",
    "pfntrack/report/schemas/audit.schema.json",
    "pfntrack/lab/agent/agent.c",
    "pfntrack/lab/module/main.c",
    "pfntrack/lab/module/probes.c",
    "pfntrack/lab/module/Makefile",
    "pfntrack/lab/module/COPYING",
)
SHARED = (
    "man/man1/pfntrack.1",
    "bash-completion/completions/pfntrack",
    "fish/vendor_completions.d/pfntrack.fish",
    "zsh/site-functions/_pfntrack",
)


def run(
    *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None, code: int = 0
) -> str:
    """Standard output of a command that has to end with `code`."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def tracked() -> list[str]:
    """The files under version control."""
    listed = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    return [name for name in listed if name and (ROOT / name).exists()]


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is under version control, without what lies beside it."""
    target = tmp_path_factory.mktemp("tree")
    for name in tracked():
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, place)
    return target


@pytest.fixture(scope="session")
def built(tree: Path) -> tuple[Path, Path]:
    """The sdist, and the wheel made from it."""
    run(sys.executable, "-m", "build", "--outdir", tree / "dist", tree, cwd=tree)
    (sdist,), (wheel,) = (tree / "dist").glob("*.tar.gz"), (tree / "dist").glob("*.whl")
    return sdist, wheel


def contents(wheel: Path) -> dict[str, bytes]:
    """Files of a wheel with their bytes."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_wheel_has_the_package_and_nothing_else(built: tuple[Path, Path]) -> None:
    """Every file of src/pfntrack and kernel, shared files, the licences, and the record."""
    names = set(contents(built[1]))
    package = {name.removeprefix("src/") for name in tracked() if name.startswith("src/")}
    assert set(NEEDED) <= names
    assert package <= names
    rest = {name.partition("/")[2] for name in names - package}
    licences = {
        "LICENSE",
        "kernel/LICENSE",
        *(f"src/pfntrack/lab/module/{name}" for name in ("LICENSE", "COPYING")),
    }
    assert rest == {
        *(name for name in tracked() if name.startswith("kernel/")),
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        *(f"licenses/{name}" for name in licences),
        *(f"data/share/{name}" for name in SHARED),
    }


def test_sdist_has_the_sources_and_nothing_else(built: tuple[Path, Path]) -> None:
    """Everything under version control but what begins with a dot, and the metadata."""
    with tarfile.open(built[0]) as archive:
        files = {each.name.partition("/")[2] for each in archive.getmembers() if each.isfile()}
    sources = {name for name in tracked() if not name.startswith(".")}
    assert files == sources | {"PKG-INFO", ".gitignore"}


def test_sdist_and_tree_make_the_same_wheel(tree: Path, built: tuple[Path, Path]) -> None:
    """Nothing that the wheel needs is missing in the sdist."""
    out = tree / "direct"
    run(sys.executable, "-m", "build", "--wheel", "--outdir", out, tree, cwd=tree)
    (wheel,) = out.glob("*.whl")
    assert contents(wheel) == contents(built[1])


def uses(command: Path, home: Path) -> None:
    """What a new user does first, in an empty directory."""
    home.mkdir()
    env = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PYTHONPATH": ""}
    version = run(command, "--version", cwd=home, env=env).split()
    assert version[0] == "pfntrack"
    shown = run(command, "run", "truncate-middle", "--release", "6.12", cwd=home, env=env, code=1)
    assert "BROKEN I2" in shown
    assert "$schema" in run(command, "schema", "run", cwd=home, env=env)
    assert "complete" in run(command, "completion", "bash", cwd=home, env=env)
    assert "memtype_free" in run(command, "explain", "freeing invalid memtype", cwd=home, env=env)
    run(command, "run", "map-and-unmap", "--html", "page.html", cwd=home, env=env)
    assert "</html>" in (home / "page.html").read_text(encoding="utf-8")
    words = ("check", "--preset", "quick", "--release", "6.12", "--property", "I2")
    run(command, *words, cwd=home, env=env, code=1)
    assert "expectations: 1 of 1 hold" in run(
        command, "run", "6.12-breaks-I2.pfn", "--release", "6.12", cwd=home, env=env, code=1
    )


def test_pip_installs_it(built: tuple[Path, Path], tmp_path: Path) -> None:
    """pip, in a fresh environment: the command works, the man page and completion are there."""
    place = tmp_path / "venv"
    venv.create(place, with_pip=True)
    run(place / "bin" / "pip", "install", "--quiet", built[1], cwd=tmp_path)
    for name in SHARED:
        assert (place / "share" / name).stat().st_size > 1000
    uses(place / "bin" / "pfntrack", tmp_path / "home")


def test_pipx_installs_it(built: tuple[Path, Path], tmp_path: Path) -> None:
    """pipx: the same, with the man page where pipx keeps those."""
    env = {
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_MAN_DIR": str(tmp_path / "man"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
    }
    run(sys.executable, "-m", "pipx", "install", built[1], cwd=tmp_path, env=env)
    assert (tmp_path / "man" / "man1" / "pfntrack.1").exists()
    uses(tmp_path / "bin" / "pfntrack", tmp_path / "home")
