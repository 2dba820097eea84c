"""Kernels that somebody built: a tree (built in place or into a folder of its own), or an image.

A folder is such a tree if it holds ``include/config/kernel.release`` and a built image. What
it was built with (compiler, configuration) is read from it; nothing in it is changed.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from pfntrack.edges.files import is_file, is_folder, read_text
from pfntrack.errors import InputFormatError
from pfntrack.lab.images.apt import cache_root
from pfntrack.lab.images.config import Config, config_of_image, read_config
from pfntrack.lab.images.kernels import Kernel, image_version

_RELEASE = "include/config/kernel.release"
_IMAGES = ("arch/x86/boot/bzImage", "arch/x86_64/boot/bzImage")
_FIELD = re.compile(r"(?m)^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)\s*=\s*(\S*)\s*$")
_VERSION = re.compile(r"([0-9]+)\.([0-9]+)(?:\.([0-9]+))?(-rc[0-9]+)?")
_MAX_TEXT = 4 << 20


def is_source(folder: Path) -> bool:
    """Is it the top of a kernel's sources?"""
    return is_file(folder / "Makefile") and is_file(folder / "Kconfig")


def source_version(folder: Path) -> str:
    """The version that a tree's Makefile states, such as 7.3.4 or 7.4-rc2.

    Raises InputFormatError: it is no kernel tree.
    """
    path = folder / "Makefile"
    found = dict(_FIELD.findall(read_text(path, "the Makefile of a kernel", _MAX_TEXT)[:4096]))
    if not found.get("VERSION") or not found.get("PATCHLEVEL"):
        raise InputFormatError(f"{path}: expected VERSION and PATCHLEVEL, as a kernel's has them")
    patch = found.get("SUBLEVEL") or "0"
    extra = found.get("EXTRAVERSION") or ""
    candidate = re.match(r"-rc[0-9]+", extra)
    if patch == "0":
        return f"{found['VERSION']}.{found['PATCHLEVEL']}{candidate[0] if candidate else ''}"
    return f"{found['VERSION']}.{found['PATCHLEVEL']}.{patch}"


def plain_version(release: str, where: str) -> str:
    """``7.4.0-rc1-00012-gabcdef-dirty`` -> ``7.4-rc1``, a name that a modelled release can have.

    Raises InputFormatError: it does not begin with a version.
    """
    match = _VERSION.match(release)
    if match is None:
        raise InputFormatError(f"{where}: {release!r}: expected a release such as 7.3.4")
    major, minor, patch, candidate = match.groups()
    dotted = f"{major}.{minor}"
    if patch and patch != "0":
        dotted += f".{patch}"
    return dotted + (candidate or "")


def series_of(version: str) -> str:
    """``7.3.4`` -> ``7.3``."""
    return ".".join(re.split(r"[.-]", version)[:2])


def image_of(folder: Path) -> Path | None:
    """The bootable image of a tree, if it was built."""
    return next((folder / name for name in _IMAGES if is_file(folder / name)), None)


def find_tree(folder: Path, *, module: Path | None = None, label: str = "") -> Kernel:
    """A tree that was built.

    Raises InputFormatError: it is no kernel tree, was not built, or the module is not there.
    """
    if not is_folder(folder):
        raise InputFormatError(f"{folder}: expected the folder of a kernel that was built")
    image = image_of(folder)
    if image is None:
        if is_source(folder):
            raise InputFormatError(
                f"{folder}: not built: there is no {_IMAGES[0]}; build it, or let "
                f"'pfntrack lab build {folder}' do it"
            )
        raise InputFormatError(f"{folder}: no kernel tree: expected {_IMAGES[0]}")
    release = _release(folder, image)
    config = read_config(folder / ".config")
    return _kernel(image, release, config, folder, module, label or str(folder))


def find_image(image: Path, headers: Path | None, module: Path | None) -> Kernel:
    """An image, with the headers its module is built from or with the module itself.

    Raises InputFormatError: a file is not what it should be.
    """
    release = image_version(image)
    config = None
    if headers is not None:
        if not is_folder(headers):
            raise InputFormatError(f"{headers}: expected the folder of a kernel's headers")
        config = read_config(headers / ".config")
        if is_file(headers / _RELEASE):
            other = read_text(headers / _RELEASE, "a release", _MAX_TEXT).strip()
            if other != release:
                raise InputFormatError(
                    f"{headers}: headers of {other}: expected those of {release}, the release of "
                    f"{image}"
                )
    else:
        config = config_of_image(image)
    return _kernel(image, release, config, headers, module, str(image))


def _release(folder: Path, image: Path) -> str:
    path = folder / _RELEASE
    if is_file(path):
        return read_text(path, "a release", _MAX_TEXT).strip()
    return image_version(image)


def _kernel(
    image: Path,
    release: str,
    config: Config | None,
    build: Path | None,
    module: Path | None,
    label: str,
) -> Kernel:
    if module is not None and not is_file(module):
        raise InputFormatError(f"{module}: expected the driver module (pfnlab.ko) of this kernel")
    version = plain_version(release, str(image))
    key = hashlib.sha256(f"{image.resolve()}\0{release}".encode()).hexdigest()[:12]
    return Kernel(
        series=series_of(version),
        image=image,
        folder=cache_root() / "modules" / f"{series_of(version)}-{key}",
        label=label,
        version=version,
        release=release,
        build=build,
        driver=module,
        config=config,
    )
