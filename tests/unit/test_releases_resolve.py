"""Which modelled release stands for a kernel, and that the difference is said."""

from __future__ import annotations

import re

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfntrack.errors import InputFormatError
from pfntrack.releases import HISTORIC, RELEASES, release_for, release_or_design

ALL = {**RELEASES, **HISTORIC}


@pytest.mark.parametrize(
    ("asked", "release"),
    [
        ("4.4.302", "3.7"),
        ("4.5", "4.5"),
        ("4.19", "4.5"),
        ("5.5-rc3", "5.5-rc"),
        ("5.5", "4.5"),
        ("5.15", "5.10"),
        ("6.0", "5.10"),
        ("6.5", "6.8"),
        ("6.9", "6.8"),
        ("6.12.22", "6.14"),
        ("6.12.24", "6.12.25"),
        ("6.12.31", "6.12"),
        ("6.12.117", "6.12"),
        ("6.13", "6.14"),
        ("6.15", "6.14"),
        ("6.16", "6.16"),
        ("6.18", "6.16"),
        ("7.0", "6.16"),
        ("7.3.1", "7.3"),
        ("7.10", "7.3"),
        ("10.1", "7.3"),
    ],
)
def test_which_release_stands_for_a_kernel(asked: str, release: str) -> None:
    """Versions compare as numbers; a window decides, else the older neighbour."""
    found = release_for(asked)
    assert found.name == release
    assert found.note.startswith("warning: ") == found.beyond == (asked in ("7.10", "10.1"))
    if asked not in (release, "6.12.117"):
        assert f"{asked}, modelled as {release}: " in found.note


def test_windows_do_not_begin_together() -> None:
    """Which of two windows is the later one is never a matter of order."""
    claimed = [release.since for release in ALL.values() if release.since]
    assert len(claimed) == len(set(claimed)) == len(ALL) - 1


@given(st.integers(0, 12), st.integers(0, 25), st.none() | st.integers(0, 400))
def test_nothing_is_replaced_in_silence(major: int, minor: int, patch: int | None) -> None:
    """A version is modelled by itself, by what is said to stand for it, or refused as too old."""
    asked = f"{major}.{minor}" + ("" if patch is None else f".{patch}")
    if (major, minor) < (3, 7):
        with pytest.raises(InputFormatError, match=f"kernel {asked}: older than 3.7"):
            release_for(asked)
        return
    found = release_for(asked)
    assert attrs.evolve(found, asked="", why="", beyond=False) == ALL[found.name]
    assert (asked in (found.name, found.kernels.removeprefix("Debian "))) == (not found.note)
    assert not found.note or f"{asked}, modelled as {found.name}: {found.why}" in found.note


@given(
    st.sampled_from(["6.12", "6.1", "7.3", "4.19", "6.12.24", "vm-pat", ""]),
    st.text(alphabet="0123456789.,- abcrxv/\n\0é٣", min_size=1, max_size=6),
    st.booleans(),
)
def test_what_is_no_version_is_refused(word: str, noise: str, before: bool) -> None:
    """Anything but a version is an error of one line that suggests what was meant."""
    name = noise + word if before else word + noise
    if re.fullmatch(r"[0-9]+\.[0-9]+(\.[0-9]+)?(-rc[0-9]*)?", name.strip(), re.ASCII):
        return
    with pytest.raises(InputFormatError, match="expected a version such as") as refused:
        release_for(name)
    assert "\n" not in str(refused.value)
    if found := re.match(r"(6\.12|7\.3)(?=[, ])", name):
        assert str(refused.value).endswith(f"did you mean {found[0]}?")


def test_a_design_in_the_place_of_a_release() -> None:
    """Where both are allowed both are found; elsewhere the message says what it is."""
    assert release_or_design("vm-pat").design.name == "vm-pat"
    assert release_or_design(" 6.18 ").name == "6.16"
    with pytest.raises(InputFormatError, match="vm-pat is a design"):
        release_for("vm-pat")
    with pytest.raises(InputFormatError, match=r"did you mean track-context\?"):
        release_or_design("track-contxt")
