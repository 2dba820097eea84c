"""A kernel from what the user wrote: a series, an image, a tree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from pfntrack.edges.files import is_file, is_folder
from pfntrack.lab.images.apt import cache_root
from pfntrack.lab.images.kernels import Kernel, fetch
from pfntrack.lab.images.trees import find_image, find_tree, image_of
from pfntrack.releases import release_for

BUILT, STATE = "linux", "built.json"
"""In a folder that ``lab build`` made: the tree, and what is known of it."""


def trees_root() -> Path:
    """Where trees are that were built here."""
    return cache_root() / "trees"


def find(name: str, *, headers: Path | None = None, module: Path | None = None) -> Kernel:
    """A kernel by series (6.12), by the name of a tree that was built here, or by path.

    Raises GuestError: it cannot be fetched.
    Raises InputFormatError: neither a known name nor a kernel.
    """
    built = trees_root() / name / BUILT
    if "/" not in name and is_folder(built):
        kernel = find_tree(built, module=module, label=name)
        return attrs.evolve(kernel, design=str(read_state(built.parent).get("design", "")))
    if is_folder(name):
        return find_tree(Path(name), module=module)
    if "/" in name or is_file(name):
        return find_image(Path(name), headers, module)
    return fetch(name)


def read_state(folder: Path) -> dict[str, Any]:
    """What is known of a tree that was built here; empty if nothing is."""
    try:
        found = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def built_trees() -> Iterator[str]:
    """A line for each tree that was built here: its name, release and state."""
    for folder in sorted(trees_root().glob("*")):
        tree = folder / BUILT
        if not is_folder(tree):
            continue
        image = image_of(tree)
        if image is None:
            yield f"{folder.name:<30}not built to the end"
            continue
        kernel = find_tree(tree, label=folder.name)
        release = release_for(kernel.asked)
        design = read_state(folder).get("design")
        also = f" with the design {design}" if design else ""
        yield f"{folder.name:<30}{kernel.release:<16}modelled as {release.name}{also}"
