"""VFIO: when BARs are reserved, what a fault maps, and what switching memory off zaps."""

# ruff: noqa: SIM300 - expected values come first

from __future__ import annotations

import pytest

from pfntrack.errors import ModelError
from pfntrack.mm import ops
from pfntrack.mm.pagetable import PTRS_PER_PTE
from support import ALL, Lab, driver

OLD, NEW = ("5.10", "6.1"), ("6.12", "7.3")


def opened(release: str, window: str = "W") -> Lab:
    """A device opened by process A."""
    lab = Lab(release)
    assert "ok" == lab.vfio(window)
    return lab


@pytest.mark.parametrize(("release", "entry"), [("6.1", "-"), ("6.12", "-"), ("7.3", "[0,64)U")])
def test_when_the_bar_is_reserved(release: str, entry: str) -> None:
    """At the first mapping, in 7.3 already at open; once, and to the end."""
    lab = opened(release)
    assert entry == lab.reserved()
    lab.mmap(lab.fd)
    lab.mmap(lab.fd, at=8, off=8)
    assert "[0,64)U" == lab.reserved()
    lab.exit()
    assert ("-", (), ()) == (lab.reserved(), lab.world.phys.claims, lab.world.phys.ioremaps)


@pytest.mark.parametrize("release", ALL)
def test_flags_and_offset(release: str) -> None:
    """To 6.9 the offset becomes the pfn; later it stays the file's, with a nameless flag."""
    lab = opened(release)
    lab.mmap(lab.fd, off=2)
    assert {"pf", "io", "de", "dd", "sh"} <= lab.flags(0)
    assert (release in NEW) == ("??" in lab.flags(0))
    file_page = 2 * (1 << 28) + 2
    assert (0xFE002 if release in OLD else file_page) == lab.vma(0).pgoff


@pytest.mark.parametrize("release", ALL)
@pytest.mark.parametrize(
    ("pages", "off", "private"), [(4, 0, True), (4, 61, False), (65, 0, False), (4, 1 << 28, False)]
)
def test_refused_mappings(release: str, pages: int, off: int, private: bool) -> None:
    """Private mappings, and what does not lie in a BAR."""
    lab = opened(release)
    assert "EINVAL" == lab.mmap(lab.fd, pages, off=off, private=private)
    assert "-" == lab.vmas()


@pytest.mark.parametrize("release", OLD)
def test_first_touch_maps_and_reserves_all(release: str) -> None:
    """To 6.9 the fault is a remap of the whole VMA."""
    lab = opened(release)
    lab.mmap(lab.fd)
    assert "ok" == lab.read(3)
    assert ("[0,64)U [0,4)U", "[0,4)*") == (lab.reserved(), lab.vmas())
    assert "[0,4)W+0Uw" == lab.ptes()


@pytest.mark.parametrize("release", NEW)
def test_each_touch_inserts_a_page(release: str) -> None:
    """From 6.10 nothing is reserved for user space."""
    lab = opened(release)
    lab.mmap(lab.fd)
    lab.read(3)
    lab.read(1)
    assert ("[0,64)U", "[0,4)") == (lab.reserved(), lab.vmas())
    assert "[1,2)W+1Uw [3,4)W+3Uw" == lab.ptes()


@pytest.mark.parametrize("release", ALL)
def test_huge_leaves(release: str) -> None:
    """From 6.10 an aligned block is one leaf, and a cut clears it."""
    lab = opened(release, "H")
    lab.mmap(lab.fd, 2 * PTRS_PER_PTE, at=0)
    lab.read(5)
    if release in OLD:
        assert "[0,1024)H+0Uw" == lab.ptes()
        return
    assert "[0,512)H+0Uwh" == lab.ptes()
    assert frozenset() == lab.world.process("A").space.tables
    lab.munmap(100, 1)
    assert "-" == lab.ptes()
    assert "ok" == lab.read(5)
    assert "[5,6)H+5Uw" == lab.ptes()


@pytest.mark.parametrize("release", NEW)
def test_no_huge_leaf_unless_aligned(release: str) -> None:
    """Address and pfn must agree, the block must fit and be empty."""
    lab = opened(release, "H")
    lab.mmap(lab.fd, 2 * PTRS_PER_PTE, at=1)
    lab.read(600)
    assert "[600,601)H+599Uw" == lab.ptes()
    lab = opened(release, "H")
    lab.mmap(lab.fd, PTRS_PER_PTE - 1, at=0)
    lab.read(5)
    assert "[5,6)H+5Uw" == lab.ptes()


@pytest.mark.parametrize("release", NEW)
def test_huge_leaves_are_copied_by_fork(release: str) -> None:
    """The child has the same leaf."""
    lab = opened(release, "H")
    lab.mmap(lab.fd, PTRS_PER_PTE)
    lab.read(0)
    assert ("ok", "[0,512)H+0Uwh") == (lab.fork(), lab.ptes("B"))


@pytest.mark.parametrize("release", ALL)
def test_memory_off(release: str) -> None:
    """User mappings are zapped, touching is SIGBUS, and after memory is on it works again."""
    lab = opened(release)
    lab.mmap(lab.fd)
    lab.read(0)
    before = lab.reserved()
    lab.do(ops.VfioMemory("A", lab.fd, on=False))
    assert ("[0,64)U", "-", "[0,4)") == (lab.reserved(), lab.ptes(), lab.vmas())
    assert "BBBB" == lab.touch(0, 4)
    lab.do(ops.VfioMemory("A", lab.fd, on=True))
    assert "rrrr" == lab.touch(0, 4)
    assert before == lab.reserved()


@pytest.mark.parametrize(
    ("release", "listed"), [("6.1", "BBBB rrrr"), ("6.12", "BBBB BBBB"), ("7.3", "BBBB BBBB")]
)
def test_memory_off_after_fork(release: str, listed: str) -> None:
    """To 6.9 the child's mapping is on no list, so it is not revoked."""
    lab = opened(release)
    lab.mmap(lab.fd)
    lab.touch(0, 4)
    assert "ok" == lab.fork()
    lab.do(ops.VfioMemory("A", lab.fd, on=False))
    assert listed == f"{lab.touch(0, 4)} {lab.touch(0, 4, 'B')}"


@pytest.mark.parametrize(
    ("release", "warned", "touched"),
    [("6.1", True, "rrrr"), ("6.12", False, "BBBB"), ("7.3", False, "BBBB")],
)
def test_v2_memory_off_after_mremap(release: str, warned: bool, touched: str) -> None:
    """A moved mapping escapes the list and stays accessible; its open() warned."""
    lab = opened(release)
    lab.mmap(lab.fd)
    lab.touch(0, 4)
    assert "ok" == lab.mremap(0, 4, 4, to=16)
    assert warned == bool(lab.warns())
    lab.do(ops.VfioMemory("A", lab.fd, on=False))
    assert touched == lab.touch(16, 20)


@pytest.mark.parametrize(
    ("release", "invalid", "left"),
    [("6.1", "inv(0,1)", "[0,64)U [0,1)U"), ("6.12", "", "[0,64)U"), ("7.3", "", "[0,64)U")],
)
def test_v1_munmap_head_first(release: str, invalid: str, left: str) -> None:
    """The usual leak, to 6.9 for VFIO too."""
    lab = opened(release)
    lab.mmap(lab.fd)
    lab.touch(0, 4)
    lab.munmap(0, 1)
    assert invalid == lab.invalid()
    lab.munmap(1, 3)
    assert left == lab.reserved()


@pytest.mark.parametrize("release", OLD)
def test_v2_split_zaps_the_new_piece(release: str) -> None:
    """open() zaps it; the next touch maps and reserves it again."""
    lab = opened(release)
    lab.mmap(lab.fd)
    lab.touch(0, 4)
    lab.mprotect(0, 2, "r")
    assert ("[0,64)U [0,2)U", "[0,2)* [2,4)") == (lab.reserved(), lab.vmas())
    assert "ok" == lab.read(2)
    assert ("[0,64)U [0,2)U [2,4)U", "[0,2)* [2,4)*") == (lab.reserved(), lab.vmas())


@pytest.mark.parametrize("release", NEW)
def test_split_keeps_the_entries(release: str) -> None:
    """Later drivers have no open() that zaps."""
    lab = opened(release)
    lab.mmap(lab.fd)
    lab.touch(0, 4)
    lab.mprotect(0, 2, "r")
    assert "[0,2)W+0U [2,4)W+2Uw" == lab.ptes()


@pytest.mark.parametrize("release", ALL)
def test_device_with_a_driver_cannot_be_opened(release: str) -> None:
    """Somebody else's claim keeps VFIO away."""
    lab = Lab(release)
    lab.do(ops.DriverBind("V"))
    assert "EBUSY" == lab.vfio("V")


@pytest.mark.parametrize("release", ALL)
def test_close_keeps_the_device_while_it_is_mapped(release: str) -> None:
    """A mapping holds the open file, and with it the driver's reservation."""
    lab = opened(release)
    lab.mmap(lab.fd)
    lab.do(ops.Close("A", lab.fd))
    assert "[0,64)U" == lab.reserved()
    lab.munmap(0, 4)
    assert ("-", ()) == (lab.reserved(), lab.world.phys.claims)


@pytest.mark.parametrize("release", ALL)
def test_close_of_an_unmapped_device(release: str) -> None:
    """Without mappings the last descriptor ends it."""
    lab = opened(release)
    lab.do(ops.Close("A", lab.fd))
    assert ("-", (), None) == (
        lab.reserved(),
        lab.world.phys.claims,
        lab.world.phys.device("vfio:0000:00:04.0"),
    )


@pytest.mark.parametrize(("release", "result"), [("6.1", "ok"), ("6.12", "ok"), ("7.3", "EPERM")])
def test_executable_mappings(release: str, result: str) -> None:
    """In 7.3 anonymous inodes cannot be mapped executable."""
    lab = opened(release)
    assert result == lab.mmap(lab.fd, prot="rx")


def test_memory_switch_is_for_vfio() -> None:
    """Another descriptor has no such switch."""
    lab = Lab()
    lab.open(driver())
    with pytest.raises(ModelError, match="descriptor 0 is not a VFIO device"):
        lab.do(ops.VfioMemory("A", 0, on=False))


@pytest.mark.parametrize("release", OLD)
def test_failing_fault_leaves_an_empty_mapping(release: str) -> None:
    """The handler zaps and unmarks what it could not map, and may try again."""
    lab = opened(release)
    lab.mmap(lab.fd)
    lab.fail("memtype_reserve")
    assert "SIGBUS" == lab.read(0)
    assert ("-", "[0,4)", "[0,64)U") == (lab.ptes(), lab.vmas(), lab.reserved())
    assert "ok" == lab.read(0)
