"""Kernels by name, and what the lab needs of each.

``debian:6.12`` is resolved through the suite's meta package to whatever
version the archive holds today.  A path names a kernel image instead; it is
booted without modules.
"""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from pfntrack.errors import GuestError, InputFormatError
from pfntrack.lab.images.apt import Apt, Suite, cache_root, locked, progress, unpack
from pfntrack.lab.images.config import Config, Lack

_WANTED = ("*/vmlinuz*", "*/drivers/virtio/*", "*/drivers/vfio/*", "*irqbypass*", "*iommufd*")
_FLAVOUR = "cloud-amd64"
_VERSION_OFFSET = 0x20E
_HEADER_MAGIC_AT = 0x202


@attrs.frozen(slots=True)
class Release:
    """Where a series of kernels is found."""

    series: str
    suite: Suite
    meta: str
    note: str


RELEASES = (
    Release("5.10", Suite("bullseye"), f"linux-image-{_FLAVOUR}", "VM_PAT without the fork fixes"),
    Release("6.1", Suite("bookworm", security=True), f"linux-image-{_FLAVOUR}", "VM_PAT"),
    Release("6.12", Suite("bookworm", security=True), f"linux-image-6.12-{_FLAVOUR}", "VM_PAT"),
    Release("7.3", Suite("trixie-backports"), f"linux-image-{_FLAVOUR}", "track context"),
)
TOOLCHAIN_SUITE = Suite("trixie", security=False)


@attrs.frozen(slots=True)
class Packages:
    """The packages of one kernel."""

    series: str
    version: str
    suite: Suite
    image: tuple[str, ...]
    headers: tuple[str, ...]


@attrs.frozen(slots=True)
class Kernel:
    """A kernel on this machine.

    Of one that somebody built, ``label`` is how it was named, ``version`` what its Makefile
    states, ``release`` what it calls itself, ``build`` where modules are built from,
    ``driver`` a module that is there already, ``config`` its configuration, if known, and
    ``design`` the tracking design that its changes bring.
    """

    series: str
    image: Path
    modules: tuple[Path, ...] = ()
    folder: Path | None = None
    packages: Packages | None = None
    label: str = ""
    version: str = ""
    release: str = ""
    build: Path | None = None
    driver: Path | None = None
    config: Config | None = None
    design: str = ""

    @property
    def name(self) -> str:
        """How reports call it."""
        return self.label or self.series

    @property
    def file_name(self) -> str:
        """The same where files are named after it."""
        return re.sub(r"[^A-Za-z0-9._+-]+", "-", self.name).strip("-.")

    @property
    def asked(self) -> str:
        """The version that a release of the model has to stand for."""
        return self.version or self.series

    @property
    def lacks(self) -> tuple[Lack, ...]:
        """What a guest with it lacks, as far as its configuration is known."""
        if self.config is None:
            return ()
        return self.config.lacks(modules=bool(self.modules))

    @property
    def has_driver(self) -> bool:
        """Can the driver module be had?"""
        return self.packages is not None or self.build is not None or self.driver is not None


def release_of(name: str) -> Release:
    """The table's row for ``debian:6.1`` or ``6.1``.

    Raises InputFormatError: the lab does not know the series.
    """
    series = name.removeprefix("debian:")
    for release in RELEASES:
        if series == release.series or (series in ("7", "7.x") and release.series == "7.3"):
            return release
    known = ", ".join(f"debian:{release.series}" for release in RELEASES)
    raise InputFormatError(f"unknown kernel {name!r}: expected {known}, or the path of an image")


def cached_versions() -> list[str]:
    """Versions that need no network."""
    folder = cache_root() / "kernels"
    return sorted(path.parent.name for path in folder.glob("*/unpacked"))


def resolve(release: Release) -> Packages:
    """Today's packages of a series.

    Raises GuestError: the archive does not offer it.
    """
    apt = Apt(release.suite)
    apt.update()
    pattern = re.compile(rf"linux-image-(.*)-{_FLAVOUR}$")
    for name in apt.depends(release.meta):
        if m := pattern.match(name):
            break
    else:
        raise GuestError(f"{release.meta} in {release.suite.name} names no kernel image")
    base = m[1]
    full = f"{base}-{_FLAVOUR}"
    series = ".".join(base.split(".")[:2])
    image = [f"linux-image-{full}"]
    if apt.version(f"linux-binary-{full}"):
        # From 7.x on the image package is empty and these two hold its content.
        image = [f"linux-binary-{full}", f"linux-modules-{full}"]
    kbuild = f"linux-kbuild-{base}"
    if not apt.version(kbuild):
        kbuild = f"linux-kbuild-{series}"
    headers = (f"linux-headers-{full}", f"linux-headers-{base}-common", kbuild)
    return Packages(series, full, release.suite, tuple(image), headers)


def fetch(name: str) -> Kernel:
    """A kernel of the archive, downloaded and unpacked if it is not in the cache.

    Raises GuestError: it cannot be fetched.
    Raises InputFormatError: the name is not known.
    """
    release = release_of(name)
    with locked(release.suite.name):
        return _fetch(name, release)


def _fetch(name: str, release: Release) -> Kernel:
    packages = resolve(release)
    wanted = name.removeprefix("debian:")
    if wanted == release.series and packages.series != release.series:
        progress(f"note: {release.suite.name} now has {packages.version}, not {release.series}")
    folder = cache_root() / "kernels" / packages.version
    done = folder / "unpacked"
    if not done.exists():
        apt = Apt(packages.suite)
        for package in packages.image:
            progress(f"{packages.version}: {package}")
            unpack(apt.download(package), folder / "image", _WANTED)
        done.touch()
    images = sorted((folder / "image").rglob("vmlinuz*"))
    if not images:
        raise GuestError(f"{', '.join(packages.image)} hold no kernel image")
    modules = tuple(sorted((folder / "image").rglob("*.ko*")))
    return Kernel(packages.series, images[0], modules, folder, packages)


def headers_of(kernel: Kernel) -> Path:
    """The unpacked headers of a kernel of the archive; paths inside point into the cache.

    Raises GuestError: they cannot be fetched.
    """
    if kernel.packages is None or kernel.folder is None:
        raise GuestError("only kernels of the archive have headers here")
    root = kernel.folder / "headers"
    done = kernel.folder / "headers-unpacked"
    build = root / "usr" / "src" / f"linux-headers-{kernel.packages.version}"
    if not done.exists():
        apt = Apt(kernel.packages.suite)
        for package in kernel.packages.headers:
            progress(f"{kernel.packages.version}: {package}")
            unpack(apt.download(package), root)
        common = next((root / "usr" / "src").glob("linux-headers-*-common"))
        makefile = build / "Makefile"
        text = re.sub(r"(?m)^KBUILD_OUTPUT=.*", f"KBUILD_OUTPUT={build}", makefile.read_text())
        makefile.write_text(re.sub(r"(?m)^include .*", f"include {common}/Makefile", text))
        done.touch()
    return build


def image_version(path: Path) -> str:
    """The release string inside a bzImage.

    Raises InputFormatError: the file is not a kernel image.
    """
    try:
        with path.open("rb") as file:
            head = file.read(1 << 16)
    except OSError as error:
        raise InputFormatError(f"{path}: {error.strerror}") from error
    if head[_HEADER_MAGIC_AT : _HEADER_MAGIC_AT + 4] != b"HdrS":
        raise InputFormatError(f"{path}: not a Linux kernel image (bzImage)")
    at = int.from_bytes(head[_VERSION_OFFSET : _VERSION_OFFSET + 2], "little") + 0x200
    return head[at : head.find(b"\0", at)].decode("ascii", "replace").split(" ", 1)[0]
