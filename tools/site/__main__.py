"""`python -m tools.site`: the documentation as web pages, in build/docs.

Pages written by hand are copied beside pages made from the program, and Sphinx
makes a site of both. A warning is an error. Nothing in the site is fetched from
elsewhere, so it can be read from a disk.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

from tools.site import browser
from tools.site.stage import ROOT, stage


def build(work: Path, site: Path) -> int:
    """Build the site with `work` as a place for the pages; the exit code is that of Sphinx."""
    stage(work)
    shutil.rmtree(site, ignore_errors=True)
    argv = ["-q", "-W", "--keep-going", "-n", "-E", "-b", "html", "-c", str(ROOT / "docs")]
    argv += ["-D", f"html_extra_path={work / '_extra'}", "-d", str(work.parent / "doctrees")]
    code: int = build_main([*argv, str(work), str(site)])
    return code


def add_explorer(site: Path, cache: Path) -> int:
    """The explorer that needs no server; a site without it is said to be one."""
    try:
        browser.build(site, cache)
    except browser.NoRuntimeError as error:
        print(f"without the explorer: {error}", file=sys.stderr)
        return 1
    print("build/docs/explorer/index.html (from a web server: python -m http.server)")
    return 0


def main() -> int:
    """Build where `make docs` says."""
    code = build(ROOT / "build" / "site", ROOT / "build" / "docs")
    if code == 0:
        print("build/docs/index.html")
        code = add_explorer(ROOT / "build" / "docs", ROOT / "build" / "npm")
    return code


if __name__ == "__main__":
    sys.exit(main())
