"""Growth over cycles: leaks persist and have no holder, everything else is told apart."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from audit.build import SNAPSHOTS
from pfntrack.audit.watch import Moment, Watch
from pfntrack.cli import main
from pfntrack.report.schemas import schema

A, B, C = ((at << 12, (at + 4) << 12, "uncached-minus") for at in (0xFE000, 0xFE100, 0xFE200))
Rows = dict[tuple[int, int, str], int]


def moment(held: Rows, unheld: Rows | None = None) -> Moment:
    loose = unheld or {}
    counts = {row: held.get(row, 0) + loose.get(row, 0) for row in held | loose}
    owners = {row: (f"ioremap driver_{row[0]:x}",) for row in held}
    return Moment("then", counts, owners, loose, frozenset())


def watched(*moments: Moment) -> Watch:
    made = Watch(moments[0])
    for each in moments[1:]:
        made = made.plus(each)
    return made


def test_one_more_copy_per_cycle_without_a_holder_is_a_leak() -> None:
    """The same entry, one copy more after each cycle."""
    made = watched(*(moment({A: 1}, {B: n} if n else {}) for n in range(4)))
    (suspect,) = made.suspects()
    assert (suspect.row, suspect.before, suspect.after) == (B, 0, 3)
    assert (suspect.grew_in, suspect.verdict) == ((1, 2, 3), "leak")
    assert (made.verdict(), made.code()) == ("leaking", 1)


def test_leaks_at_ever_new_addresses_are_a_leak_too() -> None:
    """Each entry grows once, but some entry grows in each cycle."""
    made = watched(moment({A: 1}), moment({A: 1}, {B: 1}), moment({A: 1}, {B: 1, C: 1}))
    assert {s.verdict for s in made.suspects()} == {"suspected"}
    assert made.verdict() == "leaking"


def test_growth_once_without_a_holder_is_only_suspected() -> None:
    """One cycle of growth could be something else that happened then."""
    made = watched(moment({A: 1}), moment({A: 1}, {B: 1}), moment({A: 1}, {B: 1}))
    assert (made.verdict(), made.code()) == ("suspected", 1)


def test_what_a_driver_holds_after_its_first_bind_is_no_leak() -> None:
    """Warming up: the driver was not bound before the first cycle."""
    made = watched(moment({A: 1}), *(moment({A: 1, B: 2}) for _ in range(3)))
    (suspect,) = made.suspects()
    assert (suspect.verdict, suspect.owner) == ("once", "ioremap driver_fe100000")
    assert (made.verdict(), made.code()) == ("steady", 0)


def test_growth_with_living_holders_is_not_called_a_leak() -> None:
    """Ever more entries, each held: a program that maps more and more."""
    made = watched(*(moment({A: n}) for n in range(1, 5)))
    assert [s.verdict for s in made.suspects()] == ["held"]
    assert made.verdict() == "steady"


def test_what_comes_and_goes_is_no_growth() -> None:
    """An entry of one cycle is gone after the next."""
    made = watched(moment({A: 1}), moment({A: 1}, {B: 1}), moment({A: 1}), moment({A: 1}))
    assert made.suspects() == ()
    assert [cycle.net for cycle in made.cycles] == [1, -1, 0]
    assert made.verdict() == "steady"


def test_one_cycle_tells_nothing() -> None:
    """Without growth in one cycle the answer is open, not good."""
    made = watched(moment({A: 1}), moment({A: 1}))
    assert (made.verdict(), made.code()) == ("inconclusive", 3)


@pytest.mark.parametrize("kernel", ["6.1", "6.12", "7.3"])
def test_recorded_machines_in_sequence(kernel: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A split mapping and its exit: the leak is proved on 6.1 and 6.12, absent on 7.3."""
    folders = [str(SNAPSHOTS / f"{kernel}-{name}") for name in ("idle", "split-alive")]
    folders += [str(SNAPSHOTS / f"{kernel}-split-exited")] * 2
    code = main(["audit", "watch", "--json", "--from", *folders])
    made = json.loads(capsys.readouterr().out)
    jsonschema.validate(made, schema("audit-watch"))
    assert made["verdict"] == ("steady" if kernel == "7.3" else "leaking")
    assert code == (0 if kernel == "7.3" else 1)
    assert [cycle["number"] for cycle in made["cycles"]] == [1, 2, 3]
    if kernel != "7.3":
        assert [(s["start"], s["end"]) for s in made["suspects"]] == [(0xFEA00000, 0xFEA06000)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["watch"], "expected one of --from"),
        (["watch", "--from", "x"], "two snapshots or more"),
        (["watch", "--from", "x", "y", "--cycle", "true"], "expected one of --from"),
        (["watch", "--cycle", "true", "--cycles", "0"], "expected 1 or more"),
        (["watch", "--interval", "-1"], "expected seconds"),
        (["--cycle", "true"], "expected after 'watch'"),
        (["watch", "--snapshot", "x", "--cycle", "true"], "expected --from DIR"),
        (["watch", "--from", "/nonexistent-1", "/nonexistent-2"], "expected a directory"),
    ],
)
def test_wrong_use_is_one_line(
    line: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options that do not go together end with code 2 and say what was expected."""
    assert main(["audit", *line]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_ctrl_c_prints_what_holds_so_far(tmp_path: Path) -> None:
    """Interrupted in the middle of a cycle, the finished ones are reported."""
    ready = tmp_path / "ready"
    script = f"""
import signal
import sys
from pathlib import Path
from pfntrack.audit.read.snapshot import SnapshotCollector
from pfntrack.cli.field import audit
from pfntrack.cli import main
names = iter(["idle", "split-alive", "split-exited"])
def look(args, use):
    name = next(names)
    return use(SnapshotCollector(Path({str(SNAPSHOTS)!r}) / f"6.12-{{name}}"))
audit._live = look
# Whoever starts the tests in the background has them ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
count = "test -e {ready}.2 && touch {ready} && sleep 60; test -e {ready}.1 && touch {ready}.2; "
sys.exit(main(["audit", "watch", "--json", "--cycle", count + "touch {ready}.1"]))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        # However long the start takes on a busy machine: before, Ctrl-C would mean something else.
        while not ready.exists():
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=300)
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
    made = json.loads(out)
    assert made["interrupted"] is True
    assert [cycle["status"] for cycle in made["cycles"]] == [0, 0]
    assert made["verdict"] == "leaking"
    assert process.returncode == 130
