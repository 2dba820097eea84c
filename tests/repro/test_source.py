"""The generated programs: that they compile, what they contain, and one to the letter."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

import attrs
import pytest

from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.check.run import run_scenario
from pfntrack.errors import InputFormatError
from pfntrack.releases import RELEASES, release_with
from pfntrack.repro import CannotReproduceError, Reproducer, plan, source
from pfntrack.repro.checks import shown
from pfntrack.repro.mail import mail
from pfntrack.repro.pieces import names_in, needed, pieces
from pfntrack.repro.source import needs_module
from pfntrack.repro.steps import module_numbers, quoted
from pfntrack.repro.trial import FAIL, Trial, compile_program
from pfntrack.scenario import find, library, parse

EXPECTED = Path(__file__).parent / "expected"
FLAGS = ("-O2", "-Wall", "-Wextra", "-Wunused-macros", "-Werror", "-c", "-o", "/dev/null")

# Between them they use every helper but those of RAM and of the debugger.
COMPILED = (
    "split-head-first",
    "zap-one-page-alias",
    "fork-fails-in-page-table",
    "split-then-killed",
    "private-piece-fork",
    "madvise",
    "claim-part-of-devmem",
    "ram-remap-shifted-twice",
    "debugger-reads-copy",
    "leak-then-ioremap",
    "adjacent-wc-uc",
)


@functools.cache
def programs() -> dict[str, Reproducer]:
    """A fifth of the library's scenarios, as far as they make a program."""
    found = {}
    for name in sorted(library())[::5]:
        try:
            found[name] = plan(find(name))
        except (InputFormatError, CannotReproduceError):
            continue
    return found


def compiles(text: str, path: Path, *more: str) -> None:
    """The compiler has nothing to say about a text."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["gcc", *FLAGS, *more, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("name", COMPILED)
def test_program_compiles(name: str, tmp_path: Path) -> None:
    """No warning, which also means that no helper is there without being used."""
    compiles(source(plan(find(name)), name), tmp_path / "program.c")


def test_analyzer_is_quiet(tmp_path: Path) -> None:
    """The compiler's analyzer finds nothing in the largest program."""
    text = source(plan(find("zap-one-page-alias")), "alias")
    compiles(text, tmp_path / "program.c", "-fanalyzer")


@pytest.mark.parametrize("word", ["HX=0000:00:04.0:2", "=0000:00:04.0:2", "H", "H=0000"])
def test_only_a_whole_name_is_a_window(word: str, tmp_path: Path) -> None:
    """A program does not take another BAR for a name that is only like one of its windows."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    path = tmp_path / "s"
    path.write_bytes(compile_program(source(plan(find("split-head-first")), "s"), "s"))
    path.chmod(0o755)
    done = subprocess.run([path, word], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")


def test_many_scenarios_make_programs() -> None:
    """Most of what breaks can be shown by a program, written in kernel style."""
    assert len(programs()) >= 12
    for name, repro in programs().items():
        for line in source(repro, name).splitlines():
            strings = '"' in line
            assert strings or len(line.expandtabs(8)) <= 100, f"{name}: {line}"
            assert not line.startswith("        "), f"{name}: not indented by tabs: {line}"
            assert line == line.rstrip()


def test_checks_fail_where_the_property_breaks() -> None:
    """Every check fails on its release; where it is said to pass, it does in the model."""
    for name, repro in programs().items():
        assert repro.checks, name
        for check in repro.checks:
            assert not check.holds(repro.bad), f"{name}: {check}"
        for release in RELEASES.values():
            failing = repro.failing(release.name)
            again = run_scenario(repro.scenario, release)
            assert failing == tuple(c for c in repro.checks if not c.holds(again)), name


def test_no_check_fails_where_all_is_well() -> None:
    """Where the property holds the program passes, or says that failing means nothing there."""
    for name in (*programs(), "vfio-munmap-head"):
        repro = plan(find(name))
        for release in RELEASES.values():
            broken = shown(run_scenario(repro.scenario, release))
            for check in repro.failing(release.name):
                told = release.name in repro.innocent
                assert told or {check.law, "I1", "I4"} & broken, f"{name}: {check}"
    assert "tight" not in plan(find("vfio-munmap-head")).properties


def test_some_kernel_or_design_passes() -> None:
    """A check that nothing could pass would say nothing; but for what no property forbids."""
    hopeless = [
        name
        for name, repro in programs().items()
        if any(not check.holds(repro.good) for check in repro.checks if check.law in PROPERTIES)
    ]
    assert len(hopeless) <= 2, hopeless


def test_program_to_the_letter() -> None:
    """One program as a person last looked at it."""
    text = source(plan(find("fork-after-split")), "fork-after-split")
    path = EXPECTED / "fork-after-split.c"
    if os.environ.get("PFNTRACK_GOLDEN") == "update":
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def test_in_tree_files_where_they_do() -> None:
    """A whole remap through the driver becomes a sysfs file; a zap needs the driver."""
    text = """scenario s
A opens driver on H with WC as fd0
A maps fd0[0,2) at 0
A unmaps [0,1)
"""
    alone = plan(parse(text))
    assert [step.op.target for step in alone.scenario.steps[:1]] == ["sysfs"]  # type: ignore[attr-defined]
    assert not needs_module(alone)
    assert "pfnlab" not in source(alone, "s")
    zapped = plan(parse(text.replace("A unmaps [0,1)", "driver zaps fd0[0,1) of A")))
    assert needs_module(zapped)


def test_only_a_step_ends_a_process() -> None:
    """One that is to be killed waits for it; were it to exit, its log would come too early."""
    text = source(plan(find("split-then-killed")), "s")
    assert "while (me != TEST)" in text
    assert "_exit(0)" not in text
    assert "kill_process(A);" in text


def test_failures_in_fork_are_tied_to_a_mapping() -> None:
    """The first mapping that a real fork copies is the program's text, not one of the steps."""
    text = """scenario s
A opens driver on H with UC- as fd0
A maps fd0[0,1) at 5
fail copy_page_range in A with ENOMEM
A forks B
"""
    repro = plan(parse(text), RELEASES["5.10"])
    call = 'lab_fail("copy_page_range", 1, -ENOMEM, 5, PFNLAB_MATCH_ARG)'
    assert call in source(repro, "s")


def test_what_newest_breaks_too_is_left_out_and_said() -> None:
    """`tight` breaks on 7.3 as well: it is not checked, and the head says so."""
    repro = plan(find("munmap-first-page"))
    assert "tight" not in repro.properties
    assert repro.open_too == ("tight",)
    assert not repro.known_on_newest
    assert "Not checked, because 7.3 breaks it as well: tight" in source(repro, "m")


def test_designs_have_programs_too() -> None:
    """For whoever builds a kernel with one; the file says how it was made."""
    repro = plan(find("zap-all-then-munmap"), release_with("untrack-at-unmap"))
    assert "I4" in repro.properties
    assert "pfntrack repro --design untrack-at-unmap" in source(repro, "z")


def test_known_on_newest_is_computed() -> None:
    """Asked for `tight`, the program says that 7.3 fails, too; nobody wrote that down."""
    repro = plan(find("munmap-first-page"), properties=frozenset({"tight"}))
    assert repro.properties == ("tight",)
    assert repro.known_on_newest
    assert "Known on 7.3: test 1 fails there, too." in source(repro, "m")


def test_names_and_texts_from_outside_stay_texts(tmp_path: Path) -> None:
    """An `about` that would end the comment does not."""
    text = """scenario s
about "ends */ int x; /* here \\" ?? %s"
A opens driver on H with WC as fd0
A maps fd0[0,2) at 0
A unmaps [0,1)
"""
    repro = plan(parse(text))
    compiles(source(repro, "s"), tmp_path / "s.c")


def test_c_strings() -> None:
    """Quotes, trigraphs and bytes that are not ASCII are escaped."""
    assert quoted('a"b\\') == '"a\\"b\\\\"'
    assert quoted("??=") == '"\\077\\077="'
    assert quoted("é\n") == '"\\303\\251\\012"'


def test_module_numbers_are_those_of_its_header() -> None:
    """Enumerations with and without given values are counted like a compiler does."""
    numbers = module_numbers()
    assert (numbers["PFNLAB_CONFIG"], numbers["PFNLAB_INSERT"]) == (1, 17)
    assert (numbers["PFNLAB_MODE_REMAP"], numbers["PFNLAB_UC_MINUS"]) == (0, 2)


def test_pieces_are_found_by_use() -> None:
    """A name in code brings its helper and what that needs; one in a comment does not."""
    names = {name for piece in needed("expect_success(0);") for name in piece.names}
    assert {"expect_success", "report", "outcome", "shared"} <= names
    assert not needed('/* expect_success */ "report"')
    defined = [name for piece in pieces() for name in piece.names]
    assert len(defined) == len(set(defined))
    for piece in pieces():
        assert set(piece.names) <= names_in(piece.text)


@pytest.mark.parametrize("name", ["fork-after-split", "zap-one-page-alias"])
def test_mail_to_the_letter(name: str) -> None:
    """The report as a person last looked at it."""
    text = mail(plan(find(name)), f"{name}.c")
    path = EXPECTED / f"{name}.mail"
    if os.environ.get("PFNTRACK_GOLDEN") == "update":
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def test_mail_has_what_was_measured() -> None:
    """Kernels on which the program ran, and what failed there; narrow as all the rest."""
    repro = plan(find("split-head-first"))
    said = (
        "KTAP version 1\n1..2\nok 1 a\nnot ok 2 step 4: A unmaps [1,2): nothing reserved "
        "inside H[0,2), which nothing maps\n#   reserved H[0,1) uncached-minus\n# Totals\n"
    )
    trial = Trial("s", "6.12", "6.12.117-cloud", FAIL, (2,), (1, 2), "", said)
    text = mail(repro, "s.c", [trial])
    assert "Kernel:     6.12.117-cloud\n" in text
    assert "- 6.12.117-cloud: fails in test 2 (run)\n    not ok 2 step 4" in text
    assert "    #   reserved H[0,1) uncached-minus\n" in text
    assert "Totals" not in text
    assert max(map(len, text.splitlines())) <= 75


def test_mail_is_narrow() -> None:
    """No line is wider than 75 columns, however long the words are."""
    for name, repro in programs().items():
        long = attrs.evolve(
            repro, scenario=attrs.evolve(repro.scenario, about="w" * 100 + " and more")
        )
        for line in mail(long, f"{name}.c").splitlines():
            assert len(line) <= 75, f"{name}: {line}"
