"""A new operation is a declaration, a function of the model and a line of C."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pfntrack
from pfntrack.lab.play.ops import REQUESTS
from pfntrack.mm.vocabulary import declared
from pfntrack.repro.steps import module_numbers
from pfntrack.scenario.sentences import sentences
from pfntrack.scenario.syntax import tree

SOURCE = Path(pfntrack.__file__).parent
DOCS = Path(__file__).parents[2] / "docs"
ADDED = {
    "mm/ops.py": """

@form("{p} locks on fault [at,pages)", "mlock2", call="mlock2(at, pages, 1)")
@attrs.frozen
class Mlock2(Op):
    \"\"\"mlock2() with MLOCK_ONFAULT.\"\"\"

    p: Process
    at: Page
    pages: Pages
""",
    "mm/lock.py": """

@performs(ops.Mlock2)
def mlock2(step: Step, mm: Mm, start: int, pages: int) -> int:
    \"\"\"Lock what will be there; special VMAs are skipped with success.\"\"\"
    return mlock(step, mm, start, pages)
""",
    "lab/agent/worker.c": '\t{ "mlock2", SYS_mlock2 },\n',
}
SCENARIO = """scenario toy
A opens driver on H as fd0
A maps fd0[0,4) at 0
A locks on fault [1,3)
  expect: ok
A locks on fault [3,9)
  expect: ENOMEM
"""
ASKED = """
import json, random
from pfntrack.lab.guests.machine import WINDOWS, Bar, regions_of
from pfntrack.lab.play.ops import Translator
from pfntrack.lab.random import generate
from pfntrack.mm import ops
from pfntrack.repro.steps import Translation
from pfntrack.scenario import format_op
from pfntrack.traces.programs import neutral, translate

op = ops.Mlock2("A", 1, 2)
assert translate(neutral(op)) == op
line = Translator([], regions_of([]), "").command(neutral(op), "A").lines
print(json.dumps([format_op(op), neutral(op), line, Translation().action(op).statement,
                  "plain" in generate._WEIGHTS]))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the sources with one operation more."""
    shutil.copytree(SOURCE, tmp_path / "pfntrack", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in ADDED.items():
        path = tmp_path / "pfntrack" / name
        old = path.read_text()
        if path.suffix == ".c":
            new = old.replace('\t{ "mseal", SYS_mseal },\n', '\t{ "mseal", SYS_mseal },\n' + text)
        else:
            new = old + text
        assert new != old
        path.write_text(new)
    return tmp_path


def _python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_declaration_a_function_and_a_line_of_c_are_enough(copy: Path) -> None:
    """Text, run, recordings, guests, C and random programs have it without more."""
    scenario = copy / "toy.pfn"
    scenario.write_text(SCENARIO)
    ran = _python(copy, "-m", "pfntrack", "run", str(scenario))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "A locks on fault [1,3)" in ran.stdout
    asked = _python(copy, "-c", ASKED)
    assert asked.returncode == 0, asked.stderr
    said, recorded, (line,), statement, drawn = json.loads(asked.stdout)
    assert said == "A locks on fault [1,3)"
    assert recorded == {"op": "mlock2", "p": "A", "at": 1, "pages": 2}
    assert re.fullmatch(r"mlock2 \d+ 8192 1", line)
    assert statement == "result(mlock2(AT(1), PAGES(2), 1));"
    assert drawn


def test_the_guest_has_every_declared_call() -> None:
    """What the host asks for is in the agent's table or in the module's header."""
    agent = (SOURCE / "lab/agent/worker.c").read_text()
    listed = set(re.findall(r'^\t\{ "(\w+)", SYS_\1 \},$', agent, re.MULTILINE))
    forms = [form for forms in declared().values() for form in forms]
    assert {form.call.name for form in forms if form.call} == listed
    numbers = module_numbers()
    assert {form.ask.name for form in forms if form.ask} <= set(REQUESTS)
    assert {name: numbers[f"PFNLAB_{name}"] for name in REQUESTS} == REQUESTS


def test_the_reference_shows_every_sentence() -> None:
    """Each way to say an operation stands in the table of the language, as an example."""
    text = (DOCS / "scenarios.md").read_text().partition("## Operations")[2]
    text = text.partition("## Expectations")[0]
    shown = set()
    for example in re.findall(
        r"`((?:[A-Z]|driver|debugger|kernel|mtrr|sysctl|fail|stop) .+?)`", text
    ):
        node = tree(f"scenario x\n{example.replace('MODE', 'two')}\n", "scenarios.md")
        shown |= {str(each.data) for each in node.iter_subtrees()} & set(sentences())
    assert set(sentences()) == shown
