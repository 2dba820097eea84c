"""Lines as people paste them: prefixes, encodings, wrapping, odd task names, old notations."""

from __future__ import annotations

import io
import random

import pytest

from pfntrack.field.read import prefilter
from pfntrack.field.read.collect import Log, collect
from pfntrack.field.read.facts import Fact
from pfntrack.field.read.lines import clean, decode, printable
from pfntrack.field.report_text import as_mail, as_text
from pfntrack.field.triage import triage, triage_text

CONFLICT = (
    "x86/PAT: CPU 0/KVM:1329 conflicting memory types f800000000-fc00000000 "
    "write-combining<->uncached-minus"
)


def _log(text: str) -> Log:
    return collect(enumerate(text.split("\n"), 1))


def _one(text: str, kind: str) -> Fact:
    (fact,) = _log(text).of(kind)
    return fact


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "[ 1151.411303] ",
        "[ 1151.411303][ T1329] ",
        "<6>[ 1151.411303] ",
        "[Sun Mar 19 13:57:12 2023] ",
        "Apr  2 18:54:26 localhost kernel: [    8.207157] ",
        "2024-07-14T16:51:38+02:00 host kernel: ",
        "2024-07-14T16:51:38.123456+02:00 host kernel: [   12.345678] ",
        "kern  :info  : [  123.456789] ",
        "> > ",
        ">>>> [  1.000000] ",
        "\x1b[32m[ 1151.411303]\x1b[0m \x1b[33m",
        "11:22:43  [Wed Oct 28 11:22:34 2020] ",
        "    ",
        "kernel - ",
    ],
)
def test_prefixes(prefix: str) -> None:
    """Whatever stands in front of a message, task and range are the same."""
    fact = _one(prefix + CONFLICT, "conflict")
    assert (fact.text_of("comm"), fact.number("pid")) == ("CPU 0/KVM", 1329)
    assert fact.span == (0xF800000000, 0xFC00000000)


@pytest.mark.parametrize(
    "comm",
    [
        "CPU 0/KVM",
        "NDK MediaCodec_",
        ".vorbis.decoder",
        "(udev-worker)",
        "kworker/u8:2",
        "a b c",
        "[x]",
    ],
)
def test_task_names(comm: str) -> None:
    """Task names may hold blanks, slashes, dots, brackets and colons."""
    fact = _one(
        f"[    1.000000] x86/PAT: {comm}:7 freeing invalid memtype [mem 0x1000-0x1fff]",
        "free_invalid",
    )
    assert (fact.text_of("comm"), fact.number("pid")) == (comm, 7)
    assert fact.span == (0x1000, 0x2000)


def test_old_notation_is_exclusive() -> None:
    """Before 3.5 ranges were bare and their end exclusive; [mem ...] is inclusive."""
    old = _one(
        "[1.000000] reserve_memtype failed 0x1000-0x3000, track write-back, req write-back",
        "reserve_failed",
    )
    new = _one(
        "x86/PAT: memtype_reserve failed [mem 0x1000-0x2fff], track write-back, req write-back",
        "reserve_failed",
    )
    assert old.span == new.span == (0x1000, 0x3000)


def test_list_rows_are_exclusive() -> None:
    """A row of the memtype list looks inclusive and is not, in both formats."""
    for row in (
        "PAT: [mem 0x0000000000001000-0x0000000000003000] write-back",
        "write-back @ 0x1000-0x3000",
    ):
        assert _one(row, "list_entry").span == (0x1000, 0x3000)


def test_mtrr_is_base_and_size() -> None:
    """An MTRR mismatch names base and size, not two addresses."""
    fact = _one(
        "mtrr: type mismatch for e0000000,10000000 old: write-back new: write-combining",
        "mtrr_mismatch",
    )
    assert fact.span == (0xE0000000, 0xF0000000)


def test_old_page_table_bits() -> None:
    """Before 3.19 the numbers were page-table bits: 0x10 is uncached-minus."""
    fact = _one("ioremap error for 0x1000-0x2000, requested 0x10, got 0x0", "ioremap_error")
    assert (fact.text_of("req_name"), fact.text_of("got_name")) == ("uncached-minus", "write-back")


@pytest.mark.parametrize("width", [40, 60, 72])
def test_wrapped_lines_are_joined(width: int) -> None:
    """A message broken at blanks by a mailer is read like the whole one."""
    words, lines, line = CONFLICT.split(" "), [], ""
    for word in words:
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    text = "\n".join("> " + part for part in [*lines, line])
    if len(lines) <= 2:
        assert _one(text, "conflict").text_of("type_b") == "uncached-minus"


def test_crlf_latin1_and_nul() -> None:
    """Carriage returns, Latin-1 bytes and NULs change nothing."""
    raw = b"caf\xe9 \x00\r\n" + CONFLICT.encode() + b"\r\n\xff\xfe\r\n"
    assert triage(io.BytesIO(raw)).diagnosis == "STALE_OR_LIVE_GPU_RESERVATION"


def test_escape_sequences_never_survive() -> None:
    """A task name with escape sequences cannot reach the terminal."""
    evil = "\x1b]0;own\x07\x1b[2J\x9b31mX\u202e"
    result = triage_text(f"x86/PAT: {evil}:1 freeing invalid memtype [mem 0x00001000-0x00001fff]")
    for report in (as_text(result), as_mail(result)):
        assert report.replace("\n", "").isprintable()


def test_printable_keeps_ordinary_text() -> None:
    """Cleaning only removes what can act on a terminal."""
    assert printable("Zürich 10…") == "Zürich 10…"
    assert decode(b"\xff") == "ÿ"
    assert clean(1, "> > [    1.500000] hello").time == 1.5


def test_prose_is_no_event() -> None:
    """A sentence that quotes a message is not a message."""
    log = _log(
        "We often see conflicting memory types in this area, and freeing invalid memtype messages."
    )
    assert not log.of("conflict", "free_invalid")


@pytest.mark.parametrize(
    ("text", "release"),
    [
        (
            "Linux version 6.1.0-56-amd64 (gcc-12 (Debian 12.2.0-14) 12.2.0) Debian 6.1.192-2 (x)",
            "6.1.192",
        ),
        ("CPU: 7 PID: 1402 Comm: iouring Not tainted 6.7.5-100.fc38.x86_64 #1", "6.7.5"),
        ("Pid: 1627, comm: modprobe Not tainted (2.6.27-rc3-git2 #8)", "2.6.27-rc3"),
        ("CPU: 6 PID: 599 Comm: x Tainted: G S 6.15.0-13743-g8630c59e9936 #16", "6.15.0"),
        ("uname -r: 6.17.0", "6.17.0"),
        ("$ uname -r\n5.13.0-1021-aws", "5.13.0"),
        ("Linux ip-10-21 5.10.106-102.504.amzn2.x86_64 #1 SMP", "5.10.106"),
    ],
)
def test_release_is_found(text: str, release: str) -> None:
    """The kernel release is read from banners, traces and uname output."""
    assert str(_log(text).release) == release


def test_sieve_agrees_with_reading_everything() -> None:
    """The byte sieve keeps every line with an anchor and its surroundings, across blocks."""
    rng = random.Random(1)
    for _ in range(300):
        lines = [
            rng.choice([b"memtype here", b"y WARNING ioremap", b""])
            if rng.random() < 0.1
            else b"line"
            for _ in range(rng.randint(0, 400))
        ]
        data = b"\n".join(lines)
        got = dict(_in_blocks(data, rng.choice([64, 100, 4096])))
        for at, line in enumerate(lines, 1):
            if b"memtype" in line or b"ioremap" in line:
                for near in range(
                    max(1, at - prefilter.BEFORE), min(len(lines), at + prefilter.AFTER) + 1
                ):
                    if near == len(lines) and lines[-1] == b"":
                        continue
                    assert got.get(near) == lines[near - 1].decode(), (near, at)


def _in_blocks(data: bytes, size: int) -> list[tuple[int, str]]:
    class Small(io.BytesIO):
        def read(self, _: int | None = -1, /) -> bytes:
            return super().read(size)

    return list(prefilter.interesting(Small(data)))


def test_large_log_goes_through_the_sieve() -> None:
    """A message in the middle of megabytes of noise is found with its true line number."""
    noise = b"[    1.000000] usb 1-1: new high-speed device\n"
    data = noise * 40_000 + CONFLICT.encode() + b"\n" + noise * 40_000
    result = triage(io.BytesIO(data))
    assert result.diagnosis == "STALE_OR_LIVE_GPU_RESERVATION"
    assert result.findings[0].facts[0].line == 40_001


def test_both_sieves_find_the_same() -> None:
    """The tables of NumPy and the plain expression name a place in the same lines."""
    rng = random.Random(5)
    words = [*prefilter.ANCHORS, b"noise", b"usb 1-1", b"PA", b"memtyp", b"\xff\x00", b""]
    for _ in range(200):
        lines = [b" ".join(rng.choices(words, k=rng.randint(0, 4))) for _ in range(50)]
        data = b"\n".join(lines) + b"\n"

        def numbers(hits: list[int], data: bytes = data) -> list[int]:
            return [data.count(b"\n", 0, at) for at in hits]

        assert numbers(prefilter._found_plainly(data)) == numbers(prefilter._found_by_tables(data))
