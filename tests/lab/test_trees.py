"""Kernels that somebody built: what they are, and what their guests lack."""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import pytest

from pfntrack.cli import main
from pfntrack.cli.words.kernels import announce, modelled, named_kernels
from pfntrack.errors import GuestError, InputFormatError
from pfntrack.lab.images.config import NEEDS, VFIO, config_of_image, parse_config
from pfntrack.lab.images.find import find
from pfntrack.lab.images.trees import find_tree, plain_version, source_version
from pfntrack.lab.play.conform import fitting, gather

ALL = {name: "y" for need in NEEDS for name in need.options}
ALL |= {"SERIAL_8250_NR_UARTS": "4", "SERIAL_8250_RUNTIME_UARTS": "4"}


def config_text(**changes: str) -> str:
    options = ALL | changes
    return "".join(f"CONFIG_{name}={value}\n" for name, value in options.items() if value != "n")


def bzimage(version: str, payload: bytes = b"") -> bytes:
    data = bytearray(4096)
    data[0x1F1] = 1
    data[0x202:0x206] = b"HdrS"
    data[0x20E:0x210] = (0x400).to_bytes(2, "little")
    text = f"{version} (a@b) #1".encode() + b"\0"
    data[0x600 : 0x600 + len(text)] = text
    data[0x248:0x24C] = (4096 - 1024).to_bytes(4, "little")
    data[0x24C:0x250] = len(payload).to_bytes(4, "little")
    return bytes(data) + payload


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder that looks like a tree that was built."""
    top = tmp_path / "linux"
    (top / "arch/x86/boot").mkdir(parents=True)
    (top / "include/config").mkdir(parents=True)
    (top / "arch/x86/boot/bzImage").write_bytes(bzimage("7.3.4-mine"))
    (top / "include/config/kernel.release").write_text("7.3.4-mine+\n")
    (top / "Makefile").write_text("VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\n")
    (top / "Kconfig").write_text("")
    (top / ".config").write_text(config_text())
    return top


def test_a_tree_is_modelled_as_the_release_of_its_makefile(tree: Path) -> None:
    """The version is found, and the release that stands for it with it."""
    kernel = find(str(tree))
    assert (kernel.series, kernel.asked, kernel.release) == ("7.3", "7.3.4", "7.3.4-mine+")
    assert kernel.lacks == ()
    assert modelled(kernel).name == "7.3"
    assert source_version(tree) == "7.3.4"


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("7.4.0-rc1-00012-gabc-dirty", "7.4-rc1"),
        ("6.12.117+", "6.12.117"),
        ("6.16.0", "6.16"),
        ("5.10-mine", "5.10"),
    ],
)
def test_what_a_kernel_calls_itself_becomes_a_version(release: str, version: str) -> None:
    """Local versions and candidates of any form."""
    assert plain_version(release, "x") == version


def test_a_design_replaces_only_the_design(tree: Path) -> None:
    """The release keeps everything else; a design that is not known is refused."""
    kernel = find_tree(tree)
    release = modelled(kernel, "counted-tree")
    assert release.design.name == "counted-tree"
    assert release.mm == modelled(kernel).mm
    assert modelled(kernel, modelled(kernel).design.name) == modelled(kernel)
    with pytest.raises(InputFormatError, match="nothing-such"):
        modelled(kernel, "nothing-such")


def test_what_is_no_tree_gets_one_line(tree: Path) -> None:
    """Missing, not built, and something else entirely."""
    with pytest.raises(InputFormatError, match="expected the folder"):
        find_tree(tree / "nothere")
    (tree / "arch/x86/boot/bzImage").unlink()
    with pytest.raises(InputFormatError, match=r"not built.*lab build"):
        find_tree(tree)
    (tree / "Makefile").unlink()
    with pytest.raises(InputFormatError, match="no kernel tree"):
        find_tree(tree)


@pytest.mark.parametrize(
    ("changes", "word", "fatal"),
    [
        ({"UNIX": "n"}, "AF_UNIX", True),
        ({"DEBUG_FS": "n"}, "reservation list", True),
        ({"SERIAL_8250_RUNTIME_UARTS": "1"}, "second serial line", True),
        ({"KPROBE_EVENTS": "n"}, "calls", False),
        ({"VFIO_PCI": "m"}, "VFIO", False),
        ({"DEVMEM": "n"}, "/dev/mem", False),
    ],
)
def test_what_a_guest_lacks_is_said_before_it_boots(
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str],
    word: str,
    fatal: bool,
) -> None:
    """By name of the option; what no guest can do without ends the command."""
    (tree / ".config").write_text(config_text(**changes))
    kernel = find_tree(tree)
    if fatal:
        with pytest.raises(GuestError, match=word):
            announce(kernel, modelled(kernel))
    else:
        announce(kernel, modelled(kernel))
    said = capsys.readouterr().err
    assert "7.3.4-mine+, modelled as 7.3" in said
    assert word in said
    assert next(iter(changes)) in said


def test_scenarios_that_need_what_is_lacking_are_skipped(tree: Path) -> None:
    """With the option as the reason; all others are played."""
    (tree / ".config").write_text(config_text(VFIO="n", DEVMEM="n"))
    plans = fitting(find_tree(tree), gather([]))
    reasons = {each.scenario.name: " ".join(each.reasons) for each in plans}
    assert "CONFIG_VFIO" in reasons["vfio-munmap-head"]
    assert any("CONFIG_DEVMEM" in why for why in reasons.values())
    assert not reasons["map-wc"]
    (tree / ".config").write_text(config_text(MODULES="n"))
    plans = fitting(find_tree(tree), gather(["map-wc", "truncate-middle"]))
    assert ["CONFIG_MODULES" in " ".join(each.reasons) for each in plans] == [False, True]


def test_a_configuration_is_read_out_of_an_image(tmp_path: Path) -> None:
    """IKCONFIG in a kernel packed with gzip, with the size behind it; none in another."""
    inside = b"code IKCFG_ST" + gzip.compress(config_text().encode()) + b"IKCFG_ED more"
    packed = gzip.compress(inside) + len(inside).to_bytes(4, "little")
    path = tmp_path / "bzImage"
    path.write_bytes(bzimage("7.3.4", packed))
    config = config_of_image(path)
    assert config is not None
    assert config.lacks() == ()
    for other in (b"", b"\x1f\x8b\x08 broken", b"(\xb5/\xfd"):
        path.write_bytes(bzimage("7.3.4", other))
        assert config_of_image(path) is None


def test_the_configuration_beside_an_image_is_taken(tmp_path: Path) -> None:
    """As distributions put them into /boot."""
    path = tmp_path / "vmlinuz-6.12.1-x"
    path.write_bytes(bzimage("6.12.1-x"))
    (tmp_path / "config-6.12.1-x").write_text(config_text(VFIO="n"))
    kernel = find(str(path))
    assert [lack.need.what for lack in kernel.lacks] == [VFIO]
    assert not kernel.has_driver


def test_headers_of_another_kernel_are_refused(tree: Path, tmp_path: Path) -> None:
    """They would build a module that cannot be loaded."""
    path = tmp_path / "bzImage"
    path.write_bytes(bzimage("7.3.5"))
    with pytest.raises(InputFormatError, match=r"headers of 7\.3\.4-mine\+"):
        find(str(path), headers=tree)


def test_options_must_fit_together() -> None:
    """Each refusal says what is expected."""

    def args(**given: object) -> argparse.Namespace:
        none = {"kernel": None, "tree": None, "headers": None, "module": None}
        return argparse.Namespace(**{**none, **given})

    for given, word in (
        ({}, "no kernel is named"),
        ({"kernel": "6.1,6.12"}, "more than one"),
        ({"tree": [Path("x")], "headers": Path("y")}, "--headers"),
    ):
        with pytest.raises(InputFormatError, match=word):
            named_kernels(args(**given))


def test_the_command_knows_a_tree(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--tree where a dry run shows the image that would boot."""
    assert main(["lab", "conform", "map-wc", "--tree", str(tree), "--dry-run"]) == 0
    assert f"-kernel {tree}/arch/x86/boot/bzImage" in capsys.readouterr().out


def test_a_configuration_without_options_is_none() -> None:
    """An empty file is no configuration that lacks everything."""
    with pytest.raises(InputFormatError, match="CONFIG_PCI=y"):
        parse_config("nothing\n", "x")
