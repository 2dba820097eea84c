"""Settings of Sphinx, which tools.site runs on a copy of the pages."""

from pfntrack import __version__

project = "pfntrack"
author = "the pfntrack authors"
release = version = __version__
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = "pfntrack"
html_copy_source = False
html_show_search_summary = False  # it fetches, which a browser refuses from a disk
html_show_sphinx = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["pfntrack.css"]
exclude_patterns = ["_extra"]
