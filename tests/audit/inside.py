"""A guest that can run pfntrack itself: Python, drgn and this package in its initramfs."""

from __future__ import annotations

import functools
import gzip
import json
import os
import py_compile
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import attrs

from pfntrack.lab.guests.guest import BootFiles, Guest
from pfntrack.lab.images.boot import cpio
from pfntrack.lab.images.build import boot_files
from pfntrack.lab.images.kernels import Kernel

MEMORY = "1024"
OUTPUT, SCRIPT = "/audit.json", "/audit.py"
# The agent waits for a program; this one goes on alone.
_SCRIPT = """\
import os, sys
if os.fork():
    os._exit(0)
os.setsid()
out = os.open({output!r} + ".part", os.O_CREAT | os.O_WRONLY)
for number in (1, 2):
    os.dup2(out, number)
sys.path[:] = {path!r}
import argparse
from pfntrack.cli.field import audit
parser = argparse.ArgumentParser()
audit.add_arguments(parser)
audit.run(parser.parse_args(["--live", "--json"]))
sys.stdout.flush()
os.rename({output!r} + ".part", {output!r})
"""
# Imports everything that the audit of a kernel's memory needs, and names the files.
_PROBE = """\
import argparse
import sys
from pathlib import Path
import pfntrack.cli.field.audit
from pfntrack.audit.judged.checks import audit
from pfntrack.audit.memory.collect import MemoryCollector
from pfntrack.audit.memory.program import open_vmcore
from pfntrack.audit import report_json
report_json.as_json(audit(MemoryCollector(lambda: open_vmcore(Path(sys.argv[1]))).collect()))
pfntrack.cli.field.audit.add_arguments(argparse.ArgumentParser())
print(*(m.__file__ for m in sys.modules.values() if getattr(m, "__file__", None)), sep="\\n")
"""


@functools.cache
def python_files(dump: Path) -> dict[str, bytes]:
    """Interpreter, modules without their sources, and libraries, at the paths they have here."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, str(dump)], capture_output=True, text=True, check=True
    )
    modules = [Path(line) for line in done.stdout.splitlines()]
    binary = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}").resolve()
    native = [binary, *(path for path in modules if ".so" in path.name)]
    stdlib = Path(os.__file__).parent
    found = {path: path.read_bytes() for path in native}
    for path in [p for p in modules if p.suffix == ".py"] + list((stdlib / "encodings").glob("*")):
        if path.suffix == ".py":
            found[path.with_suffix(".pyc")] = _compiled(path)
    # What the interpreter looks for to find its library.
    found[stdlib / "os.py"] = (stdlib / "os.py").read_bytes()
    for path in {library for each in native for library in _libraries(each)}:
        found[path] = path.read_bytes()
    packages = {path.parent for path in modules if path.name == "__init__.py"}
    for folder in packages - {stdlib}:
        for path in folder.rglob("*"):
            data = path.suffix not in (".py", ".pyc", ".pyi", ".so", ".c", ".h")
            if path.is_file() and data and path.stat().st_size < 1 << 20:
                found[path] = path.read_bytes()
    return {str(path).lstrip("/"): data for path, data in found.items()}


def _compiled(path: Path) -> bytes:
    made = py_compile.compile(str(path), cfile=f"/tmp/pfntrack-{os.getpid()}.pyc", doraise=True)
    assert made is not None
    data = Path(made).read_bytes()
    Path(made).unlink()
    return data


def _libraries(path: Path) -> list[Path]:
    """Shared libraries by the names that the loader will look for."""
    done = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False)
    found = []
    for line in done.stdout.splitlines():
        words = line.split()
        name = words[2] if len(words) > 2 and words[1] == "=>" else words[0]
        if name.startswith("/"):
            found.append(Path(name))
    return found


def files_with_python(kernel: Kernel, dump: Path, folder: Path) -> BootFiles:
    """Boot files whose initramfs holds the agent, the modules, and all of that."""
    files = boot_files(kernel)
    small = gzip.decompress(files.initrd.read_bytes())
    script = _SCRIPT.format(output=OUTPUT, path=[p for p in sys.path if p])
    extra = {**python_files(dump), SCRIPT.lstrip("/"): script.encode()}
    initrd = folder / "initrd"
    # The kernel unpacks one archive after the other.
    initrd.write_bytes(small + b"\0" * (-len(small) % 512) + cpio(extra))
    return attrs.evolve(files, initrd=initrd)


class RoomyGuest(Guest):
    """A guest with enough memory for such an initramfs; its kernel is where KASLR puts it."""

    def __init__(self, files: BootFiles) -> None:
        super().__init__(files)
        at = self.machine_arguments.index("-m")
        self.machine_arguments = [*self.machine_arguments]
        self.machine_arguments[at + 1] = MEMORY
        self.append = self.append.replace("nokaslr ", "").replace("no5lvl", "")
        self._qemu.close()
        self._qemu = self._new_qemu()

    def audit_live(self, timeout: float) -> dict[str, Any]:
        """What `pfntrack audit --live --json` prints inside."""
        binary = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}").resolve()
        answer = self.run(f"{binary} -S {SCRIPT}", 60)
        assert answer["status"] == 0, answer
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            text = self.text(OUTPUT)
            if text:
                loaded: dict[str, Any] = json.loads(text)
                return loaded
            if "Traceback" in self.text(OUTPUT + ".part"):
                break
            time.sleep(2)
        raise AssertionError("no answer inside the guest: " + self.text(OUTPUT + ".part")[-3000:])
