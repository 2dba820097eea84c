"""The options that name kernels, and what is said of each before anything boots."""

from __future__ import annotations

import argparse
from pathlib import Path

import attrs

from pfntrack.designs import DESIGNS
from pfntrack.errors import GuestError, InputFormatError
from pfntrack.lab.images.apt import progress
from pfntrack.lab.images.config import told
from pfntrack.lab.images.find import find
from pfntrack.lab.images.kernels import Kernel
from pfntrack.releases import Release, release_for, release_with


def add_kernels(
    parser: argparse.ArgumentParser, *, several: bool = False, note: str = "", design: bool = True
) -> None:
    """The options --kernel, --tree, --headers, --module and --design."""
    what = "kernels, separated by commas" if several else "the kernel"
    parser.add_argument(
        "--kernel",
        metavar="K",
        help=f"{what}{note}: a series, a name of 'lab kernels', an image",
    )
    parser.add_argument(
        "--tree",
        metavar="DIR",
        type=Path,
        action="append",
        help="a kernel tree that was built, or the folder it was built into"
        + ("; may be given again" if several else ""),
    )
    parser.add_argument(
        "--headers",
        metavar="DIR",
        type=Path,
        help="the headers of the image that --kernel names, to build the driver module from",
    )
    parser.add_argument(
        "--module", metavar="KO", type=Path, help="the driver module, built for that kernel"
    )
    if design:
        parser.add_argument(
            "--design",
            metavar="D",
            help="compare with the kernel's release as it would be with this tracking design",
        )


def named_kernels(args: argparse.Namespace, *, several: bool = False) -> list[Kernel]:
    """The kernels that the options name, in their order.

    Raises InputFormatError: none, too many, or one that is no kernel.
    Raises GuestError: one cannot be fetched.
    """
    names = [name.strip() for name in (args.kernel or "").split(",") if name.strip()]
    trees = [str(path) if "/" in str(path) else f"./{path}" for path in args.tree or ()]
    if not names and not trees:
        raise InputFormatError("no kernel is named: expected --kernel K or --tree DIR")
    if not several and len(names) + len(trees) > 1:
        raise InputFormatError("more than one kernel is named: expected one")
    if args.headers is not None and (trees or len(names) != 1):
        raise InputFormatError("--headers belongs to an image: expected one --kernel IMAGE")
    if args.module is not None and len(names) + len(trees) != 1:
        raise InputFormatError("--module belongs to one kernel: expected one --kernel or --tree")
    return [find(name, headers=args.headers, module=args.module) for name in (*names, *trees)]


def modelled(kernel: Kernel, design: str | None = None) -> Release:
    """The release that stands for a kernel; with ``design``, that release with it put in.

    Without, it is the one that the kernel's changes bring, if they say so.

    Raises InputFormatError: the kernel is older than all that is modelled, or no such design.
    """
    release = release_for(kernel.asked)
    if kernel.config is not None and not kernel.config.has("MEM_SOFT_DIRTY"):
        release = attrs.evolve(release, mm=attrs.evolve(release.mm, soft_dirty=False))
    design = design or kernel.design or None
    if design is None:
        return release
    known = release_with(design)
    if known.design == release.design:
        return release
    return attrs.evolve(
        release,
        name=design,
        kernels=f"{release.kernels} with the design {design}",
        design=DESIGNS.get(design, known.design),
    )


def announce(kernel: Kernel, release: Release) -> None:
    """Say what a kernel is taken for, and what its guest will lack.

    Raises GuestError: it lacks what no guest can do without.
    """
    if not kernel.label:
        return
    why = f" ({release.why})" if release.why else ""
    what = kernel.release or kernel.version
    progress(f"{kernel.name}: {what}, modelled as {release.name}{why}")
    if kernel.config is None:
        progress(f"{kernel.name}: its configuration is not known, so what it lacks is not, either")
    for line in told(kernel.lacks):
        progress(f"{kernel.name}: {line}")
    if not kernel.has_driver:
        progress(
            f"{kernel.name}: no driver module: only what needs none is played "
            "(--headers DIR or --module KO brings it)"
        )
    if fatal := [lack for lack in kernel.lacks if lack.need.fatal]:
        raise GuestError(f"{kernel.name} cannot be a guest: it has no {fatal[0]}")
