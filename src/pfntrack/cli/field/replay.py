"""`pfntrack replay`: a recording explained by the model, and the step to blame."""

from __future__ import annotations

import argparse
from pathlib import Path

from pfntrack.cli.output.write import add_json, output_file, say, write_json, write_scenario
from pfntrack.cli.words.chosen import told
from pfntrack.errors import InputFormatError
from pfntrack.record.export import minimised, scenario_of, shows
from pfntrack.record.format import read
from pfntrack.record.replay import replay
from pfntrack.record.report import document, text
from pfntrack.releases import release_for
from pfntrack.scenario import format_scenario

DESCRIPTION = """\
Explain a recording of `pfntrack record`: each call of each process on mappings of
devices, the reservations that it made and released, and which property broke, as
in `pfntrack run` but judged on what really happened. The step to blame is named in
one sentence. What no event shows is left open: the replay keeps all states of the
model that explain the events, and stops where none does.

exit codes: 0 explained and nothing broken, 1 a property broke, 2 no recording,
3 inconclusive: lost events, a canary that was not seen, or something unexplained
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("recording", metavar="FILE", help="what pfntrack record wrote")
    parser.add_argument(
        "--release", metavar="R", help="model this release instead of the recorded one"
    )
    parser.add_argument("--all", action="store_true", help="show what others reserved as well")
    parser.add_argument(
        "--scenario",
        type=output_file,
        metavar="OUT.pfn",
        help="write the explained steps as a scenario for run, compare and repro",
    )
    parser.add_argument(
        "--minimise", action="store_true", help="drop steps that the finding does not need"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Replay."""
    recording = read(args.recording)
    release = told(release_for(args.release)) if args.release else None
    result = replay(recording, release)
    if args.scenario is not None:
        _scenario(args.scenario, args, result)
    if args.json:
        write_json(document(result))
    else:
        print(text(result, every=args.all), end="")
    return {"clean": 0, "broken": 1}.get(result.verdict, 3)


def _scenario(path: Path, args: argparse.Namespace, result: object) -> None:
    from pfntrack.record.replay import Replay  # noqa: PLC0415 - the type alone

    assert isinstance(result, Replay)  # noqa: S101
    scenario = scenario_of(result, path.stem.replace("_", "-") or "recovered")
    if not scenario.steps:
        raise InputFormatError(f"{result.recording.name}: no step was explained: no scenario")
    if result.broken is not None:
        if args.minimise:
            scenario = minimised(scenario, result, result.broken)
        if not shows(scenario, result, result.broken):
            say(
                "pfntrack: the scenario does not show the finding: it needs what a machine of"
                " scenarios does not have"
            )
    write_scenario(path, format_scenario(scenario))
