"""The command line of the lab, without a guest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from lab.double import ModelPlayer, plain_setting
from pfntrack.cli import main
from pfntrack.errors import GuestError
from pfntrack.lab.guests.machine import WINDOWS, Bar, arguments
from pfntrack.lab.guests.qemu import require_tools
from pfntrack.lab.images.kernels import Kernel
from pfntrack.lab.play import record
from pfntrack.lab.play.conform import Verdict, gather, judge, kernel_report
from pfntrack.lab.play.record import Outcome
from pfntrack.mm import ops
from pfntrack.releases import RELEASES, Release
from pfntrack.report.lab import verdicts as lab_verdicts
from pfntrack.report.lab.run import observed_text, run_of

R6_12 = RELEASES["6.12"]


def _trace(name: str, release: Release = R6_12) -> dict[str, Any]:
    """What a guest with that release would record."""
    (each,) = gather([name])
    steps: list[ops.Op] = [*each.steps]
    alive = ["A"]
    for op in steps:
        if isinstance(op, ops.Fork):
            alive.append(op.child)
        elif isinstance(op, ops.Exit):
            alive.remove(op.p)
    steps += [ops.Exit(p) for p in reversed(alive)]
    player = ModelPlayer(release, plain_setting("6.12"))
    recorded = [step | {"dmesg": []} for step in player.play(steps)]
    bars = {
        window.name: Bar(window, base, 16, "0x14220c").as_json()
        for window, base in zip(WINDOWS, (0xFC000000, 0xFD000000, 0xFE000000), strict=True)
    }
    return {
        "format": 1,
        "kernel": {"series": "6.12", "release": "6.12.117", "append": ""},
        "machine": {"bars": bars, "qemu": arguments(vfio=False)},
        "scenario": {"name": name, "about": "", "tags": []},
        "baseline": [["R", page, page + 1, "UC-"] for page in range(4)],
        "steps": [{key: step[key] for key in step if key != "dmesg"} for step in recorded],
        "end": {"leaked": recorded[-1]["memtype"]},
    }


def _verdict(model: Release) -> Verdict:
    return judge(Outcome({"name": "munmap-tail", "steps": []}, _trace("munmap-tail")), model)


def test_a_right_model_conforms() -> None:
    """A kernel that does what the model says agrees at every step."""
    verdict = _verdict(R6_12)
    assert verdict.agrees
    assert kernel_report("6.12", R6_12, [verdict]).agrees


def test_exact_match_only_is_caught_and_named() -> None:
    """A model that releases exact ranges only fails at the first shrink, with what explains it."""
    wrong = attrs.evolve(R6_12, pat=attrs.evolve(R6_12.pat, end_match=False))
    verdict = _verdict(wrong)
    assert verdict.first is not None
    assert "6.12" in verdict.explained
    shown = lab_verdicts.text({"6.12": (wrong, [verdict])})
    assert "munmap-tail" in shown
    assert "model" in shown
    assert "up to here the kernel does what these do" in shown


def test_closed_intervals_are_caught() -> None:
    """The closed intervals of 2019 clash at neighbouring ranges, and a comparison shows it."""
    wrong = attrs.evolve(R6_12, pat=attrs.evolve(R6_12.pat, closed_interval=True))
    trace = _trace("adjacent-wc-uc")
    assert not judge(Outcome({"name": "x", "steps": []}, trace), wrong).agrees


def test_formats_agree_about_one_result() -> None:
    """Text, KTAP, JUnit and JSON tell the same: one good, one skipped, one lost."""
    verdicts = [
        _verdict(R6_12),
        Verdict("a", skipped="no <such> device"),
        Verdict("b", lost="x\ny"),
    ]
    results = {"6.12": (R6_12, verdicts)}
    assert "1 of 1 scenarios" in lab_verdicts.text(results)
    assert "1 skipped; 1 lost" in lab_verdicts.text(results)
    ktap = lab_verdicts.ktap(results)
    assert "  ok 1 a # SKIP no <such> device" in ktap
    assert "  not ok 2 b" in ktap
    assert ktap.endswith("not ok 1 6.12\n")
    junit = lab_verdicts.junit(results)
    assert 'errors="1"' in junit
    assert "no &lt;such&gt; device" in junit
    kernels = lab_verdicts.as_json(results)["kernels"]["6.12"]
    assert kernels["skipped"] == {"a": "no <such> device"}
    assert json.dumps(kernels)


def test_an_observed_run_reads_like_one_of_the_model() -> None:
    """What a kernel did is shown in the words of ``pfntrack run``, with the claims judged."""
    (plan,) = gather(["munmap-head"])
    trace = _trace("munmap-head")
    for step in trace["steps"]:
        step["dmesg"] = []
    run = run_of(plan, trace, R6_12)
    text = observed_text(run)
    assert text.startswith("munmap-head on 6.12.117")
    assert "A + [0,16) -> H[0,16) WC" in text
    assert "left when all processes are gone: H[0,4) WC" in text
    assert not run.unmet


def test_missing_programs_skip(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Without QEMU the exit code is 4 and the Debian package is named."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(GuestError, match="qemu-system-x86"):
        require_tools()
    assert main(["lab", "run", "map-wc", "--kernel", "6.12"]) == 4
    assert "qemu-system-x86" in capsys.readouterr().err


def test_unknown_kernel_and_scenario_are_usage_errors(capsys: Any) -> None:
    """A wrong name is exit code 2 with what is known, before anything is booted."""
    assert main(["lab", "run", "map-wc", "--kernel", "2.4", "--dry-run"]) == 2
    assert "debian:6.12" in capsys.readouterr().err
    assert main(["lab", "conform", "no-such-scenario", "--kernel", "6.12"]) == 2


def test_dry_run_boots_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path
) -> None:
    """A dry run prints QEMU's command, and no guest is started."""
    image = tmp_path / "bzImage"
    head = bytearray(0x400)
    head[0x202:0x206] = b"HdrS"
    head[0x20E:0x210] = (0x100).to_bytes(2, "little")
    head[0x300:0x310] = b"6.12.1-x (a@b) #"
    image.write_bytes(bytes(head))
    monkeypatch.setattr(record, "Guest", None)
    assert main(["lab", "conform", "--kernel", str(image), "--dry-run"]) == 0
    assert "qemu-system-x86_64 -nodefaults" in capsys.readouterr().out


def test_interrupt_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the command with the code of an interrupt."""

    def interrupted(*_args: object, **_named: object) -> None:
        raise KeyboardInterrupt

    kernel = Kernel("6.12", Path("x"))
    monkeypatch.setattr("pfntrack.cli.lab.lab._prepare", lambda *_a, **_k: [(kernel, R6_12)])
    monkeypatch.setattr("pfntrack.cli.lab.lab.conform", interrupted)
    assert main(["lab", "conform", "map-wc", "--kernel", "6.12"]) == 130
