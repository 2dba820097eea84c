"""What is wrong in a scenario is said in one line, with its place and in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfntrack.errors import ScenarioError
from pfntrack.scenario import find, load, parse

HEAD = "scenario x\nA opens resource2 of H\n"

WORDS = [
    ("", "1:1: found the end (expected 'scenario')"),
    ("scenario\n", "1:9: found the end of the line (expected a name)"),
    (HEAD + "A mapz fd0[0,4) at 0", "3:3: found 'mapz', did you mean 'maps'? (expected 'advises'"),
    (HEAD + "A mapsfd0[0,4) at 0", "3:3: 'mapsfd0' runs into the word before it; put a space"),
    (HEAD + "A maps fd0[0,4] at 0", "3:15: found ']' (expected ')')"),
    (HEAD + "A exits // done", "3:9: found '//' (expected '||' or the end of the line); a comment"),
    (HEAD + "kernel ioremaps H[0,4) with UCM as r", "3:29: found 'UCM' (expected a memory type"),
    (HEAD + "expct: ok", "3:1: found 'expct', did you mean 'expect'?"),
    (HEAD + "A exits\n  expect on 6.1 log none", "4:17: found 'log' (expected ',' or ':')"),
    (HEAD + "finally: leaks none\nA exits", "4:1: found 'A' (expected 'finally' or the end of"),
    ('scenario x\nabout "never\nA exits', "2:7: found '\"' (expected a text in double quotes); th"),
]
MEANING = [
    ("A maps fd1[0,4) at 0", "3:8: A has not opened fd1"),
    ("A closes fd0\nA maps fd0[0,4) at 0", "4:8: A has not opened fd0"),
    ("B exits", "3:1: unknown process B; A exists at the start, others are born by 'forks'"),
    ("A exits\nA reads page 0", "4:1: process A has exited"),
    ("A forks A", "3:9: process A exists already"),
    ("A forks B\nB exits\nA forks B", "5:9: process B exists already"),
    ("A advises randm on [0,4)", "3:11: unknown advice 'randm', did you mean 'random'?"),
    ("A opens resource4 of H", "3:9: H is BAR 2: say resource2"),
    ("A opens driver on H by falt", "3:24: unknown driver mode 'falt', did you mean 'fault"),
    ("A opens driver on Q", "3:19: unknown window Q; there are H, L, R"),
    ("A opens resource of ram0", "3:21: unknown window ram0; there are H, L, R"),
    ("kernel requests H[4000,5000)", "3:17: H[4000,5000) is outside H[0,4096)"),
    ("kernel requests H[4,4)", "3:18: range [4,4) is empty"),
    ("kernel iounmaps foo", "3:17: the kernel has no mapping 'foo'"),
    ("A unmaps [4,2)", "3:13: range [4,2) ends before it begins"),
    ("A maps fd0[0,end) at 0", "3:11: 'end' has no meaning here, give a number"),
    ("A maps H[0,4) through fd0 at 0", "3:23: fd0 is not /dev/mem; say fd0[FIRST,END)"),
    ("driver zaps fd0[0,1) of A", "3:13: fd0 is not a file of the driver"),
    ("driver zaps H[3,3) through fd0 of A", "3:17: range [3,3) is empty"),
    ("driver remaps [0,4) of A to H[0,2)", "3:29: the two ranges differ in length: 4 and 2"),
    ("driver inserts H[0,2) at 0 of A", "3:16: this is one page, not 2"),
    ("A turns memory off through fd0", "3:28: fd0 is not the VFIO device (the third"),
    ("A opens vfio of H as fd1, fd1, fd2", "3:22: VFIO needs three different descriptors"),
    ("kernel allocates 4 pages as H", "3:29: RAM is called ram0, ram1, ..., not H"),
    ("kernel allocates 9999 pages as ram0", "3:18: between 1 and 1024 pages"),
    ("kernel sets ram0 to WC", "3:13: unknown window ram0; there are H, L, R"),
    ("fail x in A with EFOO", "3:18: EFOO is not the name of an error"),
    ("A exits\n  expect: EFOO", "4:11: EFOO is no result; results are ok, the name of an"),
    ("A exits\n  expect: breaks I99", "4:18: I99 is no property; they are I1 to I10, I5-tlb and"),
    ("A exits\n  expect: tracked C[0,4)", "4:11: unknown process C"),
    ("A exits\n  expect: reservations Q[0,4) WC", "4:11: unknown window Q"),
    ("A exits\n  expect: reservations H[0,0) WC", "4:25: range [0,0) is empty"),
    ("A exits\n  expect: entries of A [0,4) -> H[0,2) WC", "4:33: the two ranges differ in length"),
]
MACHINE = [
    ("pat layout odd", "3:12: no PAT layout 'odd'; there are full, lower-four, legacy"),
    ("physical bits 99", "3:15: 99 is not between 32 and 52"),
    ("window ram0 at 0x1000 for 1 page", "3:8: names in ram... belong to allocated RAM"),
    ("window W at 0x1001 for 1 page", "3:13: 0x1001 is not the start of a page"),
    ("window W at 0x1000 for 0 pages", "3:24: a window has at least one page"),
    ("window H at 0x1000 for 1 page", "2:1: there are two windows called H"),
]


@pytest.mark.parametrize(("text", "message"), WORDS)
def test_words(text: str, message: str) -> None:
    """A wrong word is shown with what could stand there, never with a parser's token names."""
    refused(text, message)


@pytest.mark.parametrize(("text", "message"), MEANING)
def test_meaning(text: str, message: str) -> None:
    """What cannot be done at a step is refused at the word that asks for it."""
    refused(HEAD + text, message)


@pytest.mark.parametrize(("text", "message"), MACHINE)
def test_machine(text: str, message: str) -> None:
    """A machine that cannot be is refused."""
    refused(f"scenario x\nmachine\n{text}\nA exits", message)


def refused(text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse(text, "f.pfn")
    assert str(caught.value).startswith(f"f.pfn:{message}")
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    """A file that cannot be read is an error of the same kind."""
    with pytest.raises(ScenarioError, match=r"none\.pfn: No such file"):
        load(tmp_path / "none.pfn")


def test_not_utf8(tmp_path: Path) -> None:
    """Scenarios are UTF-8; the first wrong byte is counted."""
    path = tmp_path / "latin.pfn"
    path.write_bytes(b"scenario \xe9\n")
    with pytest.raises(ScenarioError, match=r"not UTF-8 \(byte 9\)"):
        load(path)


def test_unknown_name() -> None:
    """A name that is nearly that of a scenario brings up the scenario."""
    with pytest.raises(ScenarioError, match=r"did you mean .*munmap-head"):
        find("munmap-heads")
