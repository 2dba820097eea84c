"""What comes in is bounded, what goes out is harmless, and files are complete or as they were."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfntrack.cli.parsing.commands import COMMANDS, load
from pfntrack.edges import documents, files
from pfntrack.edges.numbers import TOP, whole
from pfntrack.edges.text import brief, harmless, one_line
from pfntrack.errors import InputFormatError

HEAVY = ("numba", "numpy", "lark", "jinja2", "jsonschema")


def _pfntrack(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pfntrack", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        check=False,
        timeout=120,
    )


@given(st.text(st.characters(codec=None, exclude_categories=[]), max_size=60))
def test_nothing_that_acts_is_left(text: str) -> None:
    """No control, no direction, no hidden character; letters and signs stay as they are."""
    told = harmless(text)
    for letter in told:
        assert letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl")
    kept = [c for c in text if unicodedata.category(c)[0] in "LMNPS" and ord(c) < 0xFFF0]
    assert all(c in told for c in kept)
    assert "\n" not in one_line(text)
    assert len(brief(text * 20)) < 200 * 13


@given(st.lists(st.text(max_size=20), max_size=5))
def test_harmless_json_says_the_same(words: list[str]) -> None:
    """Escapes are those of JSON: a document that went through it means what it meant."""
    text = json.dumps(words, ensure_ascii=False)
    assert words == json.loads(harmless(text).encode("utf-8", "surrogatepass"))


@given(st.one_of(st.integers(-5, 1 << 80).map(str), st.text(max_size=50)))
def test_numbers(word: str) -> None:
    """A number fits a machine word and is written in plain digits, or there is none."""
    found = whole(word)
    plain = word.isascii() and word.isdigit()
    if found is not None:
        assert plain
        assert found == int(word) < TOP
    elif plain and len(word) <= 20:
        assert int(word) >= TOP


def test_a_number_of_a_million_digits_costs_nothing() -> None:
    """It is refused by its length."""
    assert whole("9" * 1_000_000) is None


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("1.0", 1),
        ("1e3", 1000),
        ("18446744073709551615.0", 18446744073709551615),
        ("1.5", 1.5),
    ],
)
def test_whole_numbers_of_json_are_integers(text: str, means: float) -> None:
    """Other programs write 1.0 or 1e3 for 1 and 1000."""
    value = documents.load(f'{{"a": {text}}}', "doc")
    assert {"a": means} == value
    assert type(value["a"]) is type(means)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 900 + b"]" * 900,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b"[1e999]",
        b"[" + b"9" * 5000 + b"]",
        b'["\\ud800"]',
        b'{"\\udfff": 1}',
        b"[NaN]",
        b"\xff\xfe",
        b"",
    ],
)
def test_documents_that_mean_harm(raw: bytes) -> None:
    """Nesting, size, halves of surrogates: one line each."""
    with pytest.raises(InputFormatError) as caught:
        documents.load(files.decoded(raw, "doc.json"), "doc.json")
    assert str(caught.value).startswith("doc.json")
    assert "\n" not in str(caught.value)


def test_a_file_is_complete_or_as_it_was(tmp_path: Path) -> None:
    """What fails while it is written leaves the old file and nothing beside it."""
    path = tmp_path / "page.html"
    files.write_text(path, "pfntrack one")

    def fails(_stream: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(InputFormatError, match="No space left"):
        files.replace(path, fails)
    assert path.read_text() == "pfntrack one"
    assert [path] == list(tmp_path.iterdir())
    path.chmod(0o640)
    files.write_text(path, "pfntrack two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.read_text() == "pfntrack two"


def test_what_others_made_is_not_overwritten(tmp_path: Path) -> None:
    """Neither a text nor a link to one nor a directory."""
    path = tmp_path / "thesis.txt"
    path.write_text("years of work")
    (tmp_path / "link").symlink_to(path)
    for name in (path, tmp_path / "link", tmp_path):
        with pytest.raises(InputFormatError):
            files.write_text(name, "x")
    assert path.read_text() == "years of work"


def test_what_is_no_file_does_not_block(tmp_path: Path) -> None:
    """Pipes without a writer, devices, directories, names that no file can have."""
    os.mkfifo(tmp_path / "fifo")
    for name in (tmp_path / "fifo", Path("/dev/zero"), tmp_path, "x" * 5000, "a\0b"):
        with pytest.raises(InputFormatError):
            files.read_bytes(name)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["chekc"], []])
def test_help_and_mistakes_load_no_command(words: list[str]) -> None:
    """They need the table of names and nothing else."""
    code = (
        "import sys; from pfntrack.cli import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        f"print([m for m in sys.modules if m.split('.')[0] in {HEAVY!r}"
        " or m.startswith('pfntrack.cli.')"
        " and m.split('.')[2] not in ('main', 'parsing')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_every_command_is_a_module() -> None:
    """The table says what there is."""
    for name in COMMANDS:
        assert callable(load(name).run)


@pytest.mark.parametrize("home", ["/proc/nothing", "/dev/null", ""])
def test_no_place_for_a_cache(home: str) -> None:
    """A system user without a home can use everything."""
    env = {"HOME": home, "XDG_CACHE_HOME": home}
    assert _pfntrack("--version", env=env).returncode == 0
    done = _pfntrack("check", "--preset", "quick", "--ops", "map", "--no-output", env=env)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1, 2, 3), done.stderr


def test_damaged_machine_code_is_compiled_anew(tmp_path: Path) -> None:
    """Bytes that changed under our feet are not run."""
    env = {"XDG_CACHE_HOME": str(tmp_path), "NUMBA_CACHE_DIR": ""}
    words = ("check", "--preset", "quick", "--release", "6.12", "--property", "I2", "--no-output")
    first = _pfntrack(*words, env=env)
    found = list(tmp_path.rglob("*.nbc"))
    assert found, first.stderr
    for path in found:
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 0xFF
        path.write_bytes(raw)
    again = _pfntrack(*words, env=env)
    assert first.returncode == again.returncode == 1
    assert first.stdout.splitlines()[-3:] == again.stdout.splitlines()[-3:]


def test_a_full_standard_output_is_said() -> None:
    """/dev/full: one line, exit code 2."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pfntrack", "run", "truncate-middle"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "pfntrack: standard output: No space left on device\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(closed: str) -> None:
    """Nothing is written to files that took their numbers, and nothing crashes."""
    command = f"{sys.executable} -m pfntrack triage - {closed}"
    done = subprocess.run(
        ["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert b"Traceback" not in done.stderr + done.stdout
    assert done.returncode in (0, 2, 3, 4)
