"""Settings of Sphinx. `make docs` copies the pages to build/site first."""

from pathlib import Path

from pfntrack import __version__

_SITE = Path(__file__).parents[1] / "build" / "site"

project = "pfntrack"
author = "the pfntrack authors"
release = version = __version__
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = "pfntrack"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["pfntrack.css"]
html_extra_path = [str(_SITE / "_extra")]
exclude_patterns = ["_extra"]
