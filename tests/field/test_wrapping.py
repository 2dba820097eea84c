"""Broken lines, escapes, typography, packed files: read like the line that the kernel wrote."""

from __future__ import annotations

import bz2
import gzip
import html
import io
import lzma
import random
import shutil
import subprocess
from collections.abc import Callable

import pytest

from pfntrack.errors import InputFormatError
from pfntrack.field.read.collect import Log, collect
from pfntrack.field.triage import triage

MESSAGES = (
    "x86/PAT: insmod:3226 conflicting memory types 2cd000000000-2ce000000000 "
    "write-combining<->uncached-minus",
    "x86/PAT: CPU 0/KVM:1329 conflicting memory types c0000000-d0000000 uncached<->uncached-minus",
    "x86/PAT: Xorg:1 freeing invalid memtype [mem 0x383800000000-0x38380fffffff]",
    "a.out:77 freeing invalid memtype d0000000-d0001000",
    "x86/PAT: memtype_reserve failed [mem 0x383800000000-0x38380fffffff], track uncached-minus, "
    "req write-combining",
    "x86/PAT: qemu:77 map pfn expected mapping type uncached-minus for "
    "[mem 0xfed40000-0xfed44fff], got write-back",
    "x86/PAT: surfaceflinger:3 map pfn RAM range req write-combining for "
    "[mem 0x7c959000-0x7c959fff], got uncached-minus",
    "ioremap error for 0xfed40000-0xfed45000, requested 0x2, got 0x0",
    "resource sanity check: requesting [mem 0xd0000000-0xdfffffff], which spans more than BOOTFB "
    "[mem 0xd0000000-0xd02fffff]",
    "mtrr: type mismatch for e0000000,10000000 old: write-back new: write-combining",
    "x86/PAT: memtype_reserve added [mem 0xfed40000-0xfed44fff], track uncached-minus, "
    "req uncached-minus, ret uncached-minus",
    "PAT: [mem 0x00000000fed40000-0x00000000fed45000] uncached-minus",
)
PREFIXES = ("", "[ 1151.411303] ", "Oct 22 17:43:53 some-host kernel: [12345.123456] ", "> ")


def _log(text: str) -> Log:
    return collect(enumerate(text.split("\n"), 1))


def _said(log: Log) -> list[tuple[object, ...]]:
    return [
        (f.kind, f.start, f.end_excl, sorted((k, str(v)) for k, v in f.values.items()))
        for f in log.facts
        if f.kind not in ("followup", "user_error")
    ]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("message", MESSAGES)
def test_hard_wraps(message: str, prefix: str) -> None:
    """At every width a line cut inside numbers and words says what the whole line says."""
    whole = _said(_log(prefix + message + "\n[ 1152.000000] next line"))
    assert whole
    for width in range(max(44, len(prefix) + 20), 112):
        line, quote = prefix + message, "> " if prefix == "> " else ""
        parts = [line[at : at + width] for at in range(0, len(line), width)]
        text = ("\n" + quote).join(parts)
        assert _said(_log(text + "\n[ 1152.000000] next line")) == whole, text


@pytest.mark.parametrize("message", MESSAGES)
def test_a_cut_number_is_no_number(message: str) -> None:
    """A line that simply ends inside a number never yields a range made of the digits left."""
    whole = {(f.start, f.end_excl) for f in _log(message).facts if f.has_range}
    for cut in range(20, len(message)):
        for fact in _log(message[:cut]).facts:
            assert not fact.has_range or fact.span in whole, message[:cut]


@pytest.mark.parametrize("message", MESSAGES)
def test_escapes(message: str) -> None:
    """HTML, Markdown and typography around a message change nothing."""
    whole = _said(_log(message))
    forms = [
        html.escape(message),
        html.escape(html.escape(message)),
        message.replace("[", r"\[").replace("]", r"\]"),
        message.replace("<", r"\<").replace("_", r"\_"),
        message.replace("<->", "\u2194"),
        message.replace("<->", "<\u2013>"),
        message.replace("-", "\u2011"),
        message.replace("-", "\u2013"),
        f"<p><code>{html.escape(message)}</code></p>",
        f"`{message}`",
        message.replace(" ", "\u00a0"),
    ]
    for form in forms:
        got = _said(_log(form))
        assert [row[:3] for row in got] == [row[:3] for row in whole], form


def test_prose_after_a_message_is_not_swallowed() -> None:
    """A sentence that follows a complete message stays outside of it."""
    log = _log("a.out:77 freeing invalid memtype d0000000-d0001000\na second run gives the same")
    assert [f.span for f in log.of("free_invalid")] == [(0xD0000000, 0xD0001000)]


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "utf-16": lambda raw: raw.decode().encode("utf-16"),
    "zstd": lambda raw: (
        subprocess.run(["zstd", "-c", "-q"], input=raw, capture_output=True, check=True).stdout
    ),
}


@pytest.mark.parametrize("kind", sorted(PACKED))
def test_packed(kind: str) -> None:
    """A packed log is read like the plain one."""
    if kind == "zstd" and shutil.which("zstd") is None:
        pytest.skip("zstd is not installed")
    raw = ("noise\n" * 9 + MESSAGES[0] + "\n").encode()
    assert triage(io.BytesIO(PACKED[kind](raw))).diagnosis == triage(io.BytesIO(raw)).diagnosis


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n \n",
        b"\x7fELF\x02\x01\x01" + bytes(2000),
        bytes(range(256)) * 40,
        gzip.compress(random.Random(1).randbytes(9000).hex().encode(), mtime=0)[:4000],
        gzip.compress(b"", mtime=0),
    ],
)
def test_unreadable_is_refused(raw: bytes) -> None:
    """Empty, binary and damaged input is one line of error, never an all-clear."""
    with pytest.raises(InputFormatError, match="expected"):
        triage(io.BytesIO(raw), name="file")
