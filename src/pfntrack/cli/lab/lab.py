"""`pfntrack lab`: scenarios on real kernels in QEMU, and the model beside them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pfntrack.cli.lab.build import add_build, run_build
from pfntrack.cli.lab.diff import add_diff, run_diff
from pfntrack.cli.output.write import (
    add_html,
    add_json,
    output_file,
    write_html,
    write_json,
    write_scenario,
    write_text,
)
from pfntrack.cli.words.kernels import add_kernels, announce, modelled, named_kernels
from pfntrack.edges.files import make_folder
from pfntrack.edges.streams import transient
from pfntrack.errors import GuestError
from pfntrack.lab.guests.qemu import MissingToolError, require_tools
from pfntrack.lab.images.apt import progress
from pfntrack.lab.images.build import boot_files
from pfntrack.lab.images.find import built_trees
from pfntrack.lab.images.kernels import RELEASES, Kernel, cached_versions, fetch
from pfntrack.lab.observe.traces import dump
from pfntrack.lab.play.conform import LIBRARY, Verdict, conform, fitting, gather, outcomes
from pfntrack.lab.play.lockstep import replay
from pfntrack.lab.play.programs import Plan
from pfntrack.lab.play.record import describe
from pfntrack.lab.random import fuzz
from pfntrack.releases import Release
from pfntrack.report.lab import verdicts as lab_verdicts
from pfntrack.report.lab.beside import beside
from pfntrack.report.lab.run import observed_text, run_of
from pfntrack.report.runs.json_run import run_json

OK, FINDINGS, SKIPPED, GUEST_LOST = 0, 1, 4, 255
# Disagreements of a kernel that are reported with both runs.
MAX_SHOWN = 20

DESCRIPTION = """\
kernels  the kernels that the lab knows, and what is in the cache
fetch    download kernels and build what their guests need
build    build a small kernel from sources and changes
run      play one scenario on a kernel and show what was observed, step by step
record   play scenarios and write traces (format 1)
conform  play scenarios and compare every step with the model
diff     what one kernel, or one change, does otherwise than another
fuzz     random programs on model and kernel until they disagree

A kernel is 5.10, 6.1, 6.12 or 7.3 (the newest Debian package of that series,
checked against Debian's keyring and kept in the cache), a tree that was built
(--tree DIR), or an image, with --headers or --module for the driver module. What
its guest lacks is read from its configuration and said before it boots.

Exit code 1 for a disagreement, 4 if a program or package that the lab needs is
missing, 255 if the guest was lost.
"""


class SkippedError(Exception):
    """The lab cannot work here; the text says what is missing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("kernels", help="list kernels").set_defaults(lab=_kernels)
    sub = actions.add_parser("fetch", help="download kernels and build their guests")
    sub.add_argument("kernels", nargs="*", metavar="K", help="5.10, 6.1, ...; all without one")
    sub.set_defaults(lab=_fetch)

    sub = actions.add_parser("build", help="build a small kernel from sources and changes")
    add_build(sub)
    sub.set_defaults(lab=run_build)

    sub = actions.add_parser("run", help="play one scenario and show what was observed")
    sub.add_argument("scenario", metavar="SCENARIO", help="a .pfn file or a name of the library")
    _common(sub)
    add_json(sub)
    add_html(sub)
    sub.set_defaults(lab=_run)

    sub = actions.add_parser("record", help="play scenarios and write traces")
    _files(sub)
    _common(sub)
    sub.add_argument("--out", type=Path, required=True, metavar="DIR", help="where traces go")
    sub.set_defaults(lab=_record)

    sub = actions.add_parser("conform", help="compare every step with the model")
    _files(sub)
    _common(sub, several=True)
    shape = sub.add_mutually_exclusive_group()
    shape.add_argument("--ktap", action="store_true", help="KTAP instead of text")
    add_json(sub)
    add_html(sub)
    sub.add_argument("--junit", type=output_file, metavar="FILE", help="also write JUnit's XML")
    sub.add_argument("--traces", type=Path, metavar="DIR", help="also keep traces that differ")
    sub.set_defaults(lab=_conform)

    sub = actions.add_parser("diff", help="what one kernel does otherwise than another")
    add_diff(sub)
    sub.set_defaults(lab=run_diff)

    sub = actions.add_parser("fuzz", help="random programs on model and kernel")
    _common(sub)
    sub.add_argument("--seed", type=int, default=1, metavar="S", help="where chance begins")
    sub.add_argument("--steps", type=int, default=20_000, metavar="N", help="how many steps")
    sub.add_argument("--vfio", action="store_true", help="programs use a device through VFIO")
    sub.add_argument("--corpus", type=Path, metavar="DIR", help="where programs are kept")
    sub.add_argument("--out", type=Path, metavar="DIR", default=Path(), help="where a find goes")
    sub.set_defaults(lab=_fuzz)


def _files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="*",
        default=[LIBRARY],
        metavar="FILE",
        help="scenarios, programs or traces; 'library' (the default) for the scenarios that "
        "come with pfntrack",
    )


def _common(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    add_kernels(parser, several=several)
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="guests at a time")
    parser.add_argument(
        "--dry-run", action="store_true", help="only print QEMU's command and the packages"
    )


def run(args: argparse.Namespace) -> int:
    """Do it."""
    try:
        return int(args.lab(args))
    except (SkippedError, MissingToolError) as error:
        print(f"pfntrack: skipped: {error}", file=sys.stderr)
        return SKIPPED


def _prepare(
    args: argparse.Namespace, *, several: bool = False, vfio: bool = False
) -> list[tuple[Kernel, Release]]:
    """Kernels that can be booted here, and what they are compared with.

    Raises SkippedError: a program or a package is missing, or a kernel cannot be a guest.
    """
    try:
        require_tools()
        found = []
        for kernel in named_kernels(args, several=several):
            release = modelled(kernel, args.design)
            announce(kernel, release)
            boot_files(kernel, vfio=vfio)
            found.append((kernel, release))
    except GuestError as error:
        raise SkippedError(str(error)) from error
    return found


def _dry_run(args: argparse.Namespace) -> int:
    try:
        for kernel in named_kernels(args, several=True):
            print(describe(kernel))
    except GuestError as error:
        raise SkippedError(str(error)) from error
    return OK


def _kernels(_args: argparse.Namespace) -> int:
    cached = cached_versions()
    for release in RELEASES:
        have = [version for version in cached if version.startswith(f"{release.series}.")]
        state = ", ".join(have) or "not fetched"
        print(f"{release.series:<6}{release.suite.name:<18}{release.note:<30}{state}")
    for tree in built_trees():
        print(tree)
    return OK


def _fetch(args: argparse.Namespace) -> int:
    for name in args.kernels or [release.series for release in RELEASES]:
        try:
            kernel = fetch(name)
            for vfio in (False, True):
                boot_files(kernel, vfio=vfio)
        except GuestError as error:
            raise SkippedError(str(error)) from error
        print(f"{kernel.series}: {kernel.image}")
    return OK


def _run(args: argparse.Namespace) -> int:
    if args.dry_run:
        return _dry_run(args)
    (plan,) = gather([args.scenario])
    if plan.reasons:
        raise SkippedError("; ".join(plan.reasons))
    ((kernel, release),) = _prepare(args)
    (plan,) = fitting(kernel, [plan])
    if plan.reasons:
        raise SkippedError("; ".join(plan.reasons))
    (outcome,) = outcomes(kernel, [plan])
    if outcome.trace is None:
        raise GuestError(outcome.error)
    observed = run_of(plan, outcome.trace, release)
    if args.html:
        report = replay(outcome.trace, release)
        write_html(args.html, "comparison", [beside(plan, outcome.trace, release, report)])
    if args.json:
        write_json(run_json(observed, "kernel"))
    else:
        print(observed_text(observed), end="")
    if outcome.error:
        print(f"pfntrack: the guest was lost: {outcome.error}", file=sys.stderr)
        return GUEST_LOST
    return FINDINGS if observed.broken or observed.unmet else OK


def _record(args: argparse.Namespace) -> int:
    if args.dry_run:
        return _dry_run(args)
    plans = gather(args.files)
    ((kernel, _),) = _prepare(args)
    plans = fitting(kernel, plans)
    make_folder(args.out)
    for plan in plans:
        if plan.reasons:
            progress(f"{plan.scenario.name}: skipped: {'; '.join(plan.reasons)}")
    status = OK
    for outcome in outcomes(kernel, plans, jobs=args.jobs):
        name = outcome.program["name"]
        if outcome.trace is None:
            progress(f"{name}: {outcome.error}")
            status = GUEST_LOST
            continue
        write_text(args.out / f"{name}.json", dump(outcome.trace))
    return status


def _conform(args: argparse.Namespace) -> int:
    if args.dry_run:
        return _dry_run(args)
    plans = gather(args.files)
    results = {}
    for kernel, release in _prepare(args, several=True):
        verdicts = []
        for verdict in conform(kernel, fitting(kernel, plans), release, jobs=args.jobs):
            verdicts.append(verdict)
            _tell(verdict, len(verdicts), len(plans))
            if args.traces and verdict.first and verdict.trace:
                folder = args.traces / kernel.file_name
                make_folder(folder)
                write_text(folder / f"{verdict.name}.json", dump(verdict.trace))
        results[kernel.name] = release, verdicts
    if args.junit:
        write_text(args.junit, lab_verdicts.junit(results))
    document = _with_runs(lab_verdicts.as_json(results), results, plans)
    write_html(args.html, "conformance", document)
    if args.json:
        write_json(document)
    else:
        print(lab_verdicts.ktap(results) if args.ktap else lab_verdicts.text(results), end="")
    everything = [each for _, verdicts in results.values() for each in verdicts]
    if any(each.lost for each in everything):
        return GUEST_LOST
    return OK if all(each.agrees or each.skipped for each in everything) else FINDINGS


def _with_runs(
    document: dict[str, Any], results: lab_verdicts.Results, plans: Sequence[Plan]
) -> dict[str, Any]:
    """The report, and for the first disagreements of each kernel both runs."""
    by_name = {plan.scenario.name: plan for plan in plans}
    for series, (release, verdicts) in results.items():
        document["kernels"][series]["comparisons"] = [
            beside(by_name[each.name], each.trace, release, each.report)
            for each in verdicts
            if each.first and each.trace and each.report and each.name in by_name
        ][:MAX_SHOWN]
    return document


def _tell(verdict: Verdict, done: int, of: int) -> None:
    transient("" if done == of else f"{done}/{of} {verdict.name}")


def _fuzz(args: argparse.Namespace) -> int:
    if args.dry_run:
        return _dry_run(args)
    ((kernel, release),) = _prepare(args, vfio=args.vfio)
    make_folder(args.out)
    campaign = fuzz.Campaign(
        kernel, release, args.seed, args.steps, args.jobs, args.corpus, args.vfio
    )
    found = fuzz.run(campaign, progress)
    print(found.summary)
    if found.text:
        path = args.out / f"{found.name}.pfn"
        write_scenario(path, found.text)
        print(f"\n{found.text}\n{found.why}\nwritten to {path}")
        return FINDINGS
    return OK
