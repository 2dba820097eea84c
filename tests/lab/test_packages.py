"""Kernels by name, without the archive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pfntrack.errors import GuestError, InputFormatError
from pfntrack.lab.images import apt, kernels
from pfntrack.lab.images.apt import KEYRING, Apt, Suite, cache_root, mirror
from pfntrack.lab.images.find import find

DEPENDS = {
    "linux-image-cloud-amd64": "  Depends: linux-image-6.1.0-56-cloud-amd64\n",
    "linux-image-6.12-cloud-amd64": "  Depends: linux-image-6.12.117+deb12-cloud-amd64\n",
}


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """A pretended archive; the commands that were run."""
    seen: list[list[str]] = []

    def run(command: Sequence[str], *, cwd: Path | None = None) -> str:
        seen.append(list(command))
        if "indextargets" in command:
            return "http://mirror.example/debian\nhttp://mirror.example/debian-security\n"
        if "depends" in command:
            return DEPENDS[command[-1]]
        if "policy" in command:
            wanted = command[-1]
            known = not wanted.startswith("linux-binary") and wanted != "linux-kbuild-6.1.0-56"
            return f"{wanted}:\n  Candidate: {'1:2.3-4' if known else '(none)'}\n"
        if "download" in command:
            assert cwd is not None
            (cwd / f"{command[-1].split('=')[0]}_1%3a2.3-4_amd64.deb").write_bytes(b"deb")
        return ""

    monkeypatch.setattr(apt, "run", run)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return seen


def test_sources_are_signed_by_the_archive_keyring() -> None:
    text = Suite("bookworm", security=True).sources("http://mirror.example/debian")
    assert text.count(f"signed-by={KEYRING}") == 2
    assert "trusted" not in text
    assert "debian-security bookworm-security main" in text


def test_versions_come_from_the_meta_package(archive: list[list[str]]) -> None:
    packages = kernels.resolve(kernels.release_of("debian:6.1"))
    assert packages.version == "6.1.0-56-cloud-amd64"
    assert packages.headers == (
        "linux-headers-6.1.0-56-cloud-amd64",
        "linux-headers-6.1.0-56-common",
        "linux-kbuild-6.1",
    )
    newer = kernels.resolve(kernels.release_of("6.12"))
    assert newer.headers[-1] == "linux-kbuild-6.12.117+deb12"
    assert newer.series == "6.12"


def test_insecure_archives_are_never_allowed(archive: list[list[str]]) -> None:
    Apt(Suite("bookworm")).update()
    (command,) = (c for c in archive if c[-1] == "update")
    assert "Acquire::AllowInsecureRepositories=false" in command
    assert "APT::Get::AllowUnauthenticated=false" in command


def test_lists_are_not_fetched_twice(archive: list[list[str]]) -> None:
    for _ in range(2):
        Apt(Suite("bookworm")).update()
    assert sum(c[-1] == "update" for c in archive) == 1


def test_packages_are_kept(archive: list[list[str]]) -> None:
    first = Apt(Suite("bookworm")).download("linux-kbuild-6.1")
    second = Apt(Suite("bookworm")).download("linux-kbuild-6.1")
    assert first == second
    assert first.parent == cache_root() / "debs"
    assert sum("download" in c for c in archive) == 1


@pytest.mark.parametrize("damage", [b"", b"de", b"dex", b"deb and more"])
def test_a_damaged_package_is_fetched_again(archive: list[list[str]], damage: bytes) -> None:
    """Whatever cut or changed it in the cache."""
    first = Apt(Suite("bookworm")).download("linux-kbuild-6.1")
    first.write_bytes(damage)
    assert Apt(Suite("bookworm")).download("linux-kbuild-6.1").read_bytes() == b"deb"
    assert sum("download" in c for c in archive) == 2


def test_a_package_without_a_note_is_fetched_again(archive: list[list[str]]) -> None:
    """Nothing says that it is whole."""
    first = Apt(Suite("bookworm")).download("linux-kbuild-6.1")
    first.with_name(f"{first.name}.sha256").unlink()
    Apt(Suite("bookworm")).download("linux-kbuild-6.1")
    assert sum("download" in c for c in archive) == 2


def test_the_signed_lists_have_the_last_word(
    archive: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package and a note that somebody has exchanged do not help each other."""
    first = Apt(Suite("bookworm")).download("linux-kbuild-6.1")
    real = apt.run

    def show(command: Sequence[str], *, cwd: Path | None = None) -> str:
        said = real(command, cwd=cwd)
        return f"SHA256: {'0' * 64}\n" if "show" in command else said

    monkeypatch.setattr(apt, "run", show)
    assert Apt(Suite("bookworm")).download("linux-kbuild-6.1") == first
    assert sum("download" in c for c in archive) == 2


def test_missing_package_is_named(archive: list[list[str]]) -> None:
    with pytest.raises(GuestError, match="bookworm has no package linux-binary-x"):
        Apt(Suite("bookworm")).download("linux-binary-x")


def test_no_archive_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PFNTRACK_DEBIAN_MIRROR", raising=False)
    monkeypatch.setattr(apt, "run", lambda _command: "http://other.example/repo\n")
    with pytest.raises(GuestError, match="no Debian archive"):
        mirror()
    monkeypatch.setenv("PFNTRACK_DEBIAN_MIRROR", "http://mirror.example/debian/")
    assert mirror() == "http://mirror.example/debian"


def test_failing_update_says_which_suite(
    archive: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_command: Sequence[str]) -> str:
        raise GuestError("The repository is not signed")

    monkeypatch.setattr(apt, "mirror", lambda: "http://mirror.example/debian")
    monkeypatch.setattr(apt, "run", fail)
    with pytest.raises(GuestError, match=r"bullseye.*not signed"):
        Apt(Suite("bullseye")).update()


def test_missing_program() -> None:
    with pytest.raises(GuestError, match="not found"):
        apt.run(["/nonexistent/apt-get", "update"])


def test_failing_program_is_quoted() -> None:
    with pytest.raises(GuestError, match="sad"):
        apt.run(["sh", "-c", "echo sad >&2; exit 3"])


@pytest.mark.parametrize("name", ["debian:2.6", "6.99", "debian:"])
def test_unknown_kernels(name: str) -> None:
    with pytest.raises(InputFormatError, match=r"debian:6\.12"):
        find(name)


def _image(version: str) -> bytes:
    data = bytearray(4096)
    data[0x202:0x206] = b"HdrS"
    data[0x20E:0x210] = (0x400).to_bytes(2, "little")
    text = f"{version} (someone@somewhere) #1".encode() + b"\0"
    data[0x600 : 0x600 + len(text)] = text
    return bytes(data)


def test_kernel_by_path(tmp_path: Path) -> None:
    path = tmp_path / "bzImage"
    path.write_bytes(_image("6.14.0-rc3"))
    kernel = find(str(path))
    assert (kernel.series, kernel.image, kernel.modules) == ("6.14", path, ())


def test_path_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no kernel")
    with pytest.raises(InputFormatError, match="not a Linux kernel image"):
        find(str(path))
    with pytest.raises(InputFormatError, match="nothere"):
        find(str(tmp_path / "nothere"))


def test_older_lists_will_do_without_a_network(
    archive: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = Apt(Suite("bookworm"))
    suite.update()

    def fail(_command: Sequence[str]) -> str:
        raise GuestError("no route")

    monkeypatch.setattr(apt, "mirror", lambda: "http://mirror.example/debian")
    monkeypatch.setattr(apt, "run", fail)
    suite.update(max_age=0)
    assert "older package lists" in capsys.readouterr().err


def test_broken_package(tmp_path: Path) -> None:
    package = tmp_path / "broken_1_amd64.deb"
    package.write_bytes(b"nonsense")
    with pytest.raises(GuestError):
        apt.unpack(package, tmp_path / "into")
    with pytest.raises(GuestError, match=r"broken_1_amd64\.deb"):
        apt.unpack(package, tmp_path / "into", ["*"])


def test_cached_versions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernels.cached_versions() == []
    folder = cache_root() / "kernels" / "6.1.0-56-cloud-amd64"
    folder.mkdir(parents=True)
    (folder / "unpacked").touch()
    assert kernels.cached_versions() == ["6.1.0-56-cloud-amd64"]
