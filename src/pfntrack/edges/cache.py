"""The folder of the user's cache, for what can be made again at any time."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def cache_folder() -> Path | None:
    """`$XDG_CACHE_HOME/pfntrack`, made if need be; None if nothing can or should be kept there.

    Programs read back what they kept, so a folder that is another user's, or that others may
    write to, is not used.
    """
    if not hasattr(os, "geteuid"):
        return None  # Python in a browser, which has no users
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(base) if base else Path.home() / ".cache") / "pfntrack"
        if not folder.is_absolute():
            return None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except (OSError, RuntimeError, ValueError):
        return None
    shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    usable = found.st_uid == os.geteuid() and not shared and os.access(folder, os.W_OK)
    return folder if usable else None
