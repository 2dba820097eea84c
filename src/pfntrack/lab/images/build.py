"""Builds the driver module and the boot files of a kernel, and keeps them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pfntrack.errors import GuestError
from pfntrack.lab.guests.guest import BootFiles, GuestModule
from pfntrack.lab.images.apt import Apt, cache_root, locked, progress, unpack
from pfntrack.lab.images.boot import build_agent, initramfs, load_order, module_bytes, module_name
from pfntrack.lab.images.config import DRIVER, Lack
from pfntrack.lab.images.kernels import TOOLCHAIN_SUITE, Kernel, headers_of

_HERE = Path(__file__).parents[1]
GUEST_SOURCES = _HERE / "agent"
MODULE_SOURCES = _HERE / "module"
MODULE = "pfnlab"
_BASE_MODULES = ("virtio_pci",)
_VFIO_MODULES = ("vfio_iommu_type1", "vfio_pci")
_COMPILER_PACKAGES = (
    "gcc-14-x86-64-linux-gnu",
    "cpp-14-x86-64-linux-gnu",
    "libc6",
    "libelf1t64",
    "zlib1g",
    "libzstd1",
    "libgmp10",
    "libmpfr6",
    "libmpc3",
    "libisl23",
)
_TOOLS = {"make": "make", "strip": "binutils", "bc": "bc"}


def _digest(*folders: Path) -> str:
    hasher = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.iterdir()):
            if path.is_file():
                hasher.update(path.name.encode() + b"\0" + path.read_bytes())
    return hasher.hexdigest()[:12]


def _write(path: Path, data: bytes) -> None:
    """Write a file so that no reader ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_bytes(data)
    partial.replace(path)


def agent() -> Path:
    """The guest's agent, compiled once per version of its source."""
    path = cache_root() / "agents" / _digest(GUEST_SOURCES, MODULE_SOURCES)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        build_agent(GUEST_SOURCES, MODULE_SOURCES, partial)
        partial.replace(path)
    return path


# ------------------------------------------------- the newer suite's compiler


def _wrapper(path: Path, command: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)


def _compiler() -> tuple[Path, str]:
    """A folder of wrappers for the newer compiler, and how to run that suite's programs.

    Kernels built by a newer suite want its compiler, and their build programs
    its C library.  Both are unpacked and run through their own loader.
    """
    root = cache_root() / "toolchain"
    tree, wrappers = root / "root", root / "bin"
    if not (root / "unpacked").exists():
        apt = Apt(TOOLCHAIN_SUITE)
        apt.update()
        for package in _COMPILER_PACKAGES:
            progress(f"toolchain: {package}")
            unpack(apt.download(package), tree)
        (root / "unpacked").touch()
    libraries = tree / "usr" / "lib" / "x86_64-linux-gnu"
    loader = f"{libraries}/ld-linux-x86-64.so.2 --library-path {libraries}"
    gcc = tree / "usr" / "bin" / "x86_64-linux-gnu-gcc-14"
    cc1 = tree / "usr" / "libexec" / "gcc" / "x86_64-linux-gnu" / "14" / "cc1"
    _wrapper(wrappers / gcc.name, f"{loader} --argv0 {gcc} {gcc} -B {wrappers}/")
    _wrapper(wrappers / "cc1", f"{loader} {cc1}")
    return wrappers, loader


def _wrap_build_programs(kernel: Kernel, loader: str) -> None:
    assert kernel.folder is not None  # noqa: S101 - kernels of the archive have one
    kbuild = next((kernel.folder / "headers" / "usr" / "lib").glob("linux-kbuild-*"))
    programs = (
        ("scripts/basic/fixdep", ""),
        ("scripts/mod/modpost.real-lsb-64", "scripts/mod/modpost"),
        ("tools/objtool/objtool.real-x86", "tools/objtool/objtool"),
    )
    for real, front in programs:
        program = kbuild / real
        kept = program.with_name(program.name + ".bin")
        if not kept.exists():
            program.rename(kept)
        _wrapper(program, f"{loader} {kept}")
        if front:
            _wrapper(kbuild / front, str(program))


# ------------------------------------------------------------------- module


def module(kernel: Kernel) -> Path:
    """The driver module for a kernel, from the cache if it is there.

    Raises GuestError: the headers or a tool is missing, or it does not compile.
    """
    if kernel.driver is not None:
        return kernel.driver
    if kernel.folder is None or not kernel.has_driver:
        raise GuestError(
            f"{kernel.name}: there is nothing to build the driver module from: "
            "expected a tree, --headers or --module"
        )
    result = kernel.folder / f"{MODULE}-{_digest(MODULE_SOURCES)}{_built(kernel)}.ko"
    with locked("module"):
        if not result.exists():
            if kernel.build is not None:
                _build_for_tree(kernel, kernel.build, kernel.folder, result)
            else:
                _build_module(kernel, kernel.folder, result)
    return result


def _built(kernel: Kernel) -> str:
    """What tells two builds of one tree apart."""
    if kernel.build is None:
        return ""
    config = kernel.build / ".config"
    hasher = hashlib.sha256(config.read_bytes() if config.is_file() else b"")
    for path in (kernel.image, kernel.build / "Module.symvers"):
        if path.is_file():
            seen = path.stat()
            hasher.update(f"{seen.st_size} {seen.st_mtime_ns}\0".encode())
    return f"-{hasher.hexdigest()[:8]}"


def _build_for_tree(kernel: Kernel, build: Path, folder: Path, result: Path) -> None:
    """The module, compiled as the tree was; the tree itself stays as it is."""
    _need_tools()
    work = folder / "module"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(MODULE_SOURCES, work)
    arguments = ["CONFIG_DEBUG_INFO_BTF_MODULES="]
    compiler = kernel.config.compiler if kernel.config else ""
    if compiler and shutil.which(compiler):
        arguments.append(f"CC={compiler}")
    elif compiler:
        progress(f"note: {kernel.name} was built with {compiler}, which is not here: gcc is tried")
    if not (build / "Module.symvers").is_file():
        # Symbols are then resolved when the module is loaded, or not.
        arguments.append("KBUILD_MODPOST_WARN=1")
    _make(kernel, build, work, arguments, result, dict(os.environ))


def _need_tools() -> None:
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            raise GuestError(f"{tool} not found: install the Debian package {package}")


def _build_module(kernel: Kernel, folder: Path, result: Path) -> None:
    _need_tools()
    build = headers_of(kernel)
    work = folder / "module"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(MODULE_SOURCES, work)
    environment = dict(os.environ)
    arguments = ["CONFIG_DEBUG_INFO_BTF_MODULES="]
    if kernel.series.startswith("7."):
        wrappers, loader = _compiler()
        _wrap_build_programs(kernel, loader)
        environment["PATH"] = f"{wrappers}:{environment.get('PATH', '')}"
    else:
        if shutil.which("gcc-12") is None:
            raise GuestError("gcc-12 not found: install the Debian package gcc-12")
        if kernel.series == "5.10":
            arguments.append("CC=gcc-12")
    _make(kernel, build, work, arguments, result, environment)


def _make(
    kernel: Kernel,
    build: Path,
    work: Path,
    arguments: Sequence[str],
    result: Path,
    environment: Mapping[str, str],
) -> None:
    command = ["make", "-s", "-C", str(build), f"M={work}", *arguments, "modules"]
    progress(f"{kernel.label or kernel.image.name}: building {MODULE}.ko")
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, env=environment
    )
    built = work / f"{MODULE}.ko"
    if done.returncode or not built.exists():
        raise GuestError(f"{MODULE}.ko does not build:\n{(done.stdout + done.stderr)[-2000:]}")
    subprocess.run(["strip", "--strip-debug", str(built)], check=True)  # noqa: S603, S607
    _write(result, built.read_bytes())


def _no_module(lack: Lack) -> bool:
    """Is it that modules cannot be loaded, or ours not without what is missing?"""
    return lack.need.what == DRIVER


def boot_files(kernel: Kernel, *, vfio: bool = False, with_module: bool = True) -> BootFiles:
    """Everything needed to boot a kernel.

    Raises GuestError: something cannot be built.
    """
    available = {module_name(path): module_bytes(path) for path in kernel.modules}
    wanted = [*_BASE_MODULES, *(_VFIO_MODULES if vfio else ())]
    if with_module and kernel.has_driver and not any(_no_module(each) for each in kernel.lacks):
        available[MODULE] = module(kernel).read_bytes()
        wanted.append(MODULE)
    order = load_order(wanted, available)
    data = initramfs(agent(), {name: available[name] for name in order})
    digest = hashlib.sha256(data).hexdigest()[:16]
    path = cache_root() / "boot" / f"{digest}.cpio.gz"
    if not path.exists():
        _write(path, data)
    names = tuple(GuestModule(name) for name in order)
    return BootFiles(kernel.series, kernel.image, path, names, vfio)
