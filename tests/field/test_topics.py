"""Topics: every word that the program itself uses is known, and each answer leads on."""

from __future__ import annotations

import errno
import shlex

import pytest

from pfntrack.audit.judged.finding import CODES as FINDINGS
from pfntrack.audit.judged.owners import Standing
from pfntrack.check.asked.bugs import ROWS
from pfntrack.check.judged.properties import PROPERTIES
from pfntrack.cli import build_parser
from pfntrack.cli.main import main
from pfntrack.designs import DESIGNS
from pfntrack.field.catalogue.lookup import Nearest, find
from pfntrack.field.topics import topics
from pfntrack.field.topics.topic import GROUPS, Topic
from pfntrack.pat.cachemode import BY_CATTR, BY_SHORT
from pfntrack.releases.release import HISTORIC, RELEASES
from pfntrack.scenario.loader import library

REGISTRIES = {
    "properties": [*PROPERTIES, "I8"],
    "designs": list(DESIGNS),
    "releases": [*RELEASES, *HISTORIC],
    "types": [*BY_CATTR, *BY_SHORT],
    "defects": [row.bug for row in ROWS],
    "scenarios": list(library()),
    "findings": list(FINDINGS),
    "standings": [each.value for each in Standing],
}
ASKED = (
    "EINVAL", "ENOMEM", "EBUSY", "EFAULT", "resource0_wc", "resource0", "pinning", "guest PAT",
    "nopat", "WC", "UC-", "MTRR", "VFIO", "/dev/mem", "ioremap_wc", "iommufd", "pat_memtype_list",
    "iomem=relaxed", "remap_pfn_range", "vmf_insert_pfn()", "untrack_pfn", "pfnmap_track", "VM_PAT",
    "what is write-combining", "Linux 6.6", "6.6.51", "5.4.0-150-generic", "CVE-2024-35877",
    "CVE-2025-40181", "Xen", "KVM", "efifb", "strict devmem", "gdrcopy", "BAR", "MADV_DONTFORK",
)  # fmt: skip


@pytest.mark.parametrize("registry", REGISTRIES)
def test_words_of_the_program_are_known(registry: str) -> None:
    """A design, release or property that is added is known to `explain` by that."""
    for name in REGISTRIES[registry]:
        assert isinstance(find(name), Topic), name


@pytest.mark.parametrize("word", ASKED)
def test_what_people_ask_for(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer comes with the command that goes on from it."""
    assert main(["explain", word]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("  Next: ") for line in lines[-2:])


def test_errors_are_named_as_the_system_does() -> None:
    """A topic for an error also answers to its number."""
    for name in ("EINVAL", "EBUSY", "ENOMEM", "EFAULT", "ENODEV", "ENXIO"):
        assert find(f"-{getattr(errno, name)}") is find(name)


@pytest.mark.parametrize("topic", topics(), ids=lambda topic: topic.name)
def test_answers_and_commands(topic: Topic) -> None:
    """An answer is a sentence, the group is known, and a command of ours exists as written."""
    assert topic.group in GROUPS
    assert topic.answer.endswith(".")
    lexed = shlex.shlex(topic.next, posix=True, punctuation_chars=True)
    lexed.whitespace_split = True
    words: list[str] = []
    for word in [*lexed, ";"]:
        if word not in (";", "|", "&&"):
            words.append(word)
            continue
        command = words[words.index("pfntrack") :] if "pfntrack" in words else []
        words = []
        if command:
            args = build_parser(command[1]).parse_args(command[1:])
            if command[1] == "run":
                assert command[2] in library()
            if command[1] == "explain":
                assert not isinstance(find(" ".join(args.query)), Nearest)


def test_a_sentence_is_not_answered_but_led_on(capsys: pytest.CaptureFixture[str]) -> None:
    """A question is no message: exit code 2, with the topics that it mentions."""
    assert main(["explain", "is my BAR write-combining?"]) == 2
    out = capsys.readouterr().out
    assert "pfntrack audit --bar" in out
    assert main(["explain", "why does mmap of resource0_wc fail with EINVAL"]) == 2
    out = capsys.readouterr().out
    assert "  resource0_wc: " in out and "  EINVAL: " in out


def test_list_has_groups(capsys: pytest.CaptureFixture[str]) -> None:
    """All groups, or those whose heading is asked for; an unknown one is an input error."""
    assert main(["explain", "--list"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert all(group in out for group in GROUPS)
    assert main(["explain", "--list", "designs"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "Tracking designs" and len(out) == len(DESIGNS) + 1
    assert main(["explain", "--list", "nonsense"]) == 2
