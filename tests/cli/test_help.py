"""Help and complaints: examples that work, and what was probably meant."""

from __future__ import annotations

import shlex

import pytest

from pfntrack.cli import build_parser, main
from pfntrack.cli.parsing.commands import COMMANDS
from pfntrack.cli.parsing.examples import EXAMPLES


def test_each_command_has_two_examples() -> None:
    """No command without, and none for a command that is not there."""
    assert set(EXAMPLES) == set(COMMANDS)
    assert all(len(examples) == 2 for examples in EXAMPLES.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_parse(name: str) -> None:
    """Each part of an example that is ours is a command line that the parser takes."""
    for line, about in EXAMPLES[name]:
        assert about
        parts = [part.partition(">")[0] for part in line.split("|")]
        ours = [shlex.split(part.strip().removeprefix("sudo ")) for part in parts]
        ours = [words for words in ours if words[0] == "pfntrack"]
        assert any(words[1] == name for words in ours)
        for words in ours:
            build_parser(words[1]).parse_args(words[1:])


@pytest.mark.parametrize(
    ("line", "usage", "told"),
    [
        ("rnu x", "usage: pfntrack [-h]", "'rnu' is not known, did you mean run?"),
        ("lab ron", "usage: pfntrack lab ", "did you mean run?"),
        ("run x --relase 3", "usage: pfntrack run ", "no option --relase, did you mean --release?"),
        ("run x --relase=3", "usage: pfntrack run ", "no option --relase, did you mean --release?"),
        ("run x y", "usage: pfntrack run ", "one argument too many: 'y'"),
        ("check --preset quik", "usage: pfntrack check ", "did you mean quick?"),
    ],
)
def test_usage_is_of_the_command_that_was_mistyped(
    line: str, usage: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line says what is wrong and what was meant."""
    with pytest.raises(SystemExit) as stopped:
        main(line.split())
    assert stopped.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith(usage)
    assert told in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("run truncate-middle --design track-contxt", "did you mean track-context?"),
        ("compare truncate-middle --with 6.12,our", "did you mean ours?"),
        ("run truncate-middel", "did you mean truncate-middle"),
        ("check --property tigt", "did you mean tight?"),
        ("scenarios list --tag mremp", "did you mean mremap"),
    ],
)
def test_names_that_were_meant(line: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A design, release, scenario, property or tag that is nearly right is named."""
    assert main(line.split()) == 2
    assert told in capsys.readouterr().err
