"""Changes to a kernel tree, and what is built of it, on a tree of three files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pfntrack.cli import main
from pfntrack.errors import GuestError, InputFormatError
from pfntrack.lab.images import changes, kbuild, sources
from pfntrack.lab.images.changes import (
    changed_texts,
    design_of,
    diff_lines,
    gather_changes,
    kernel_folder,
    known_changes,
)
from pfntrack.lab.images.find import built_trees, find
from pfntrack.lab.images.kbuild import Job, build
from pfntrack.lab.images.sources import find_source

PATCH = """\
--- a/mm/one.c
+++ b/mm/one.c
@@ -1,3 +1,3 @@
 int one(void)
 {
-	return 1;
+	return 11;
"""
SEMANTIC = """\
// Files: mm/one.c
// Design: context-ram
@@ @@
-return 1;
+return 12;
"""
# A stand-in for make: writes what the tests look for, and counts what is newer.
MAKEFILE = """\
VERSION = 7
PATCHLEVEL = 3
SUBLEVEL = 9
EXTRAVERSION =
allnoconfig:
\t@cp $(KCONFIG_ALLCONFIG) .config
modules: bzImage
bzImage: arch/x86/boot/bzImage
arch/x86/boot/bzImage: mm/one.c
\t@grep -q broken mm/one.c && { echo "mm/one.c:3: error: broken"; exit 1; } || true
\t@mkdir -p arch/x86/boot include/config
\t@echo "  CC      mm/one.o"
\t@cp mm/one.c $@
\t@echo 7.3.9 > include/config/kernel.release
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of somebody's, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    top = tmp_path / "theirs"
    (top / "mm").mkdir(parents=True)
    (top / "mm/one.c").write_text("int one(void)\n{\n\treturn 1;\n}\n")
    (top / "mm/two.h").write_text("int two;\n")
    (top / "Makefile").write_text(MAKEFILE)
    (top / "Kconfig").write_text("")
    return top


def job(source: Path, *names: str) -> Job:
    return Job(find_source(str(source)), tuple(gather_changes(names)))


def quiet(_text: str) -> None:
    pass


def built_text(name: str) -> str:
    return find(name).image.read_text()


def test_an_ordinary_patch(source: Path, tmp_path: Path) -> None:
    """Applied to a copy: the source stays, and the difference is the patch again."""
    patch = tmp_path / "p.patch"
    patch.write_text(PATCH)
    before = (source / "mm/one.c").read_text()
    texts = changed_texts(source, gather_changes([str(patch)]))
    assert b"return 11;" in texts["mm/one.c"]
    assert (source / "mm/one.c").read_text() == before
    assert "-\treturn 1;" in "\n".join(diff_lines(source, texts))


def test_a_folder_of_changes(source: Path, tmp_path: Path) -> None:
    """Patches in the order of their names, and new files."""
    folder = tmp_path / "set"
    (folder / "files/mm").mkdir(parents=True)
    (folder / "1.patch").write_text(PATCH)
    second = PATCH.replace("11;", "13;").replace("-\treturn 1;", "-\treturn 11;")
    (folder / "2.diff").write_text(second)
    (folder / "files/mm/new.c").write_text("int new;\n")
    texts = changed_texts(source, gather_changes([str(folder)]))
    assert b"return 13;" in texts["mm/one.c"]
    assert texts["mm/new.c"] == b"int new;\n"
    assert "--- /dev/null" in list(diff_lines(source, texts))


@pytest.mark.skipif(shutil.which("spatch") is None, reason="coccinelle is not installed")
def test_a_semantic_patch(source: Path, tmp_path: Path) -> None:
    """It is applied by spatch; one that changes nothing is for another kernel."""
    patch = tmp_path / "s.cocci"
    patch.write_text(SEMANTIC)
    found = gather_changes([str(patch)])
    assert design_of(found) == "context-ram"
    assert b"return 12;" in changed_texts(source, found)["mm/one.c"]
    patch.write_text(SEMANTIC.replace("return 1;", "return 2;", 1))
    with pytest.raises(InputFormatError, match="another kernel"):
        changed_texts(source, gather_changes([str(patch)]))


def test_a_missing_program_is_one_line(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the Debian package that has it; exit code 4."""
    patch = tmp_path / "s.cocci"
    patch.write_text(SEMANTIC)
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
    assert main(["lab", "build", str(source), "--patch", str(patch), "--show"]) == 4
    assert "spatch not found: install the Debian package coccinelle" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("x.cocci", "@@ @@\n-a\n+b\n", "// Files:"),
        ("x.patch", "nothing\n", r"\+\+\+"),
        ("x.patch", "--- a/x\n+++ b/../../etc/x\n@@ -0,0 +1 @@\n+a\n", "inside the tree"),
        ("x.txt", "nothing\n", "expected a semantic patch"),
        ("x.patch", PATCH.replace("return 1;", "return 7;"), "does not apply"),
    ],
)
def test_what_is_no_change(source: Path, tmp_path: Path, name: str, text: str, word: str) -> None:
    """Each is refused before anything is built."""
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputFormatError, match=word):
        changed_texts(source, gather_changes([str(path)]))


def test_our_own_changes_build_on_each_other() -> None:
    """What a rung needs comes before it, once, and the last names the design."""
    assert {"context-ram", "context-list", "context-list-early"} <= set(known_changes())
    found = gather_changes(["context-list-early", "context-ram"])
    assert [each.name for each in found] == ["context-ram", "context-list", "context-list-early"]
    assert design_of(found) == "context-list-early"
    for path in kernel_folder().glob("*.cocci"):
        assert path.read_text().startswith("// SPDX-License-Identifier: GPL-2.0-only\n")


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_trees_are_built_once_and_from_each_other(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A second build does nothing, a changed one begins from the first, the source stays."""
    monkeypatch.setattr(kbuild, "_need_tools", lambda: None)
    monkeypatch.setattr(kbuild, "compiler", lambda: "gcc")
    plain = build(job(source), 1, quiet)
    assert "1 files compiled" in capsys.readouterr().err
    assert build(job(source), 1, quiet) == plain
    assert "0 files compiled" in capsys.readouterr().err
    patch = tmp_path / "p.patch"
    patch.write_text(PATCH)
    changed = build(job(source, str(patch)), 1, quiet)
    assert f"beginning from {plain}" in capsys.readouterr().err
    assert ("return 1;" in built_text(plain), "return 11;" in built_text(changed)) == (True, True)
    assert "return 1;" in (source / "mm/one.c").read_text()
    assert [line.split()[0] for line in built_trees()] == sorted([plain, changed])
    # What its owner changes afterwards is taken over.
    text = (source / "mm/one.c").read_text()
    (source / "mm/one.c").unlink()
    (source / "mm/one.c").write_text(text.replace("1;", "5;"))
    later = (source / "mm/one.c").stat().st_mtime + 5
    os.utime(source / "mm/one.c", (later, later))
    build(job(source), 1, quiet)
    assert "return 5;" in built_text(plain)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_a_tree_that_does_not_compile(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler's own words are the error."""
    monkeypatch.setattr(kbuild, "_need_tools", lambda: None)
    (source / "mm/one.c").write_text("broken\n")
    with pytest.raises(GuestError, match=r"mm/one\.c:3: error: broken"):
        build(job(source), 1, quiet)


def test_what_is_no_source(tmp_path: Path) -> None:
    """Neither a series nor a tree."""
    with pytest.raises(InputFormatError, match="expected a series"):
        find_source(str(tmp_path / "nothere"))
    with pytest.raises(InputFormatError, match="no kernel sources"):
        find_source(str(tmp_path))


def test_results_of_a_build_are_no_sources(source: Path) -> None:
    """Objects, commands and configurations stay where they were built."""
    for name in ("one.o", ".one.o.cmd", "built-in.a"):
        (source / "mm" / name).write_text("x")
    assert set(sources.source_files(source)) == {"Makefile", "Kconfig", "mm/one.c", "mm/two.h"}
    assert changes.digest(()) != changes.digest((), "debug")


def test_mails_can_be_sent() -> None:
    """Plain text of at most 75 columns, with a subject."""
    mails = sorted((kernel_folder() / "mails").glob("*.txt"))
    assert mails
    for path in mails:
        lines = path.read_text(encoding="ascii").splitlines()
        assert lines[0].startswith("Subject: [PATCH")
        assert max(map(len, lines)) <= 75
        assert not any("@" in line for line in lines)
