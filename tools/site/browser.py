"""The explorer as pages without a server: the model runs in the reader's browser.

Python itself comes from the npm package of Pyodide, pinned by its hash; beside it stands
one archive with this package and the pure parts of what it imports. Everything is served
from the site's own folder, and nothing is asked of any other place.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pfntrack.report.html.page import sources

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "src" / "pfntrack" / "serve" / "page"
HERE = Path(__file__).parent / "explorer"
VERSION = "314.0.7"
SHA256 = "66b7949e5a0cba2250b586d7e368bf12fb482800748d182c4618254b685ffaa0"
_RUNTIME = (
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "python_stdlib.zip",
    "pyodide-lock.json",
)
# Without their compiled parts, which they can do without.
_PURE = ("attr", "attrs", "jinja2", "lark", "markupsafe")
# Rooms of the package that need a machine, a kernel or a compiler.
_LEFT_OUT = ("cli", "lab", "audit/memory", "check/numbers", "serve/page")


class NoRuntimeError(Exception):
    """Pyodide cannot be had here; the text says why."""


def build(site: Path, cache: Path) -> None:
    """Write `explorer/` into the site.

    Raises NoRuntimeError: there is no npm, or it cannot reach its registry.
    """
    folder = site / "explorer"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tarfile.open(_package(cache)) as archive:
        for name in _RUNTIME:
            member = archive.extractfile(f"package/{name}")
            if member is None:
                raise NoRuntimeError(f"pyodide {VERSION} has no {name}")
            (folder / name).write_bytes(member.read())
    (folder / "program.zip").write_bytes(program())
    for path in (PAGE / "app.js", PAGE / "app.css", HERE / "ask.js", HERE / "worker.js"):
        shutil.copy(path, folder)
    (folder / "index.html").write_text(index(), encoding="utf-8")


def index() -> str:
    """The page of `pfntrack serve`, with the policy that a server would send."""
    style, script = sources()
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; connect-src 'self'; "
        f"frame-src blob:; img-src data:; worker-src 'self'; style-src 'self' '{style}'; "
        f"script-src 'self' 'wasm-unsafe-eval' '{script}'"
    )
    mark = '<meta charset="utf-8">\n'
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    return text.replace(mark, mark + meta, 1)


def program() -> bytes:
    """What Python imports in the browser, as one archive; the same bytes for the same files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(_files()):
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _files() -> Iterator[tuple[str, Path]]:
    for package in ("pfntrack", *_PURE):
        where = importlib.import_module(package).__file__
        folder = Path(str(where)).parent
        for path in folder.rglob("*"):
            inside = path.relative_to(folder)
            out = package == "pfntrack" and str(inside).startswith(_LEFT_OUT)
            code = path.suffix in (".so", ".pyc", ".pyi") or "__pycache__" in inside.parts
            if path.is_file() and not out and not code:
                yield f"{package}/{inside}", path


def _package(cache: Path) -> Path:
    """The archive of the npm package, which stays in the cache."""
    path = cache / f"pyodide-{VERSION}.tgz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        npm = shutil.which("npm")
        if npm is None:
            raise NoRuntimeError("npm is missing (Debian package npm)")
        done = subprocess.run(  # noqa: S603 - a fixed command
            [npm, "pack", "--silent", f"pyodide@{VERSION}"],
            cwd=cache,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not path.exists():
            last = (done.stderr.strip() or done.stdout.strip() or "no file").splitlines()[-1]
            raise NoRuntimeError(f"npm pack pyodide@{VERSION}: {last}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        path.unlink()
        raise NoRuntimeError(f"pyodide {VERSION}: its SHA-256 is {json.dumps(found)}")
    return path
