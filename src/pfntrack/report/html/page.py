"""Documents to pages: one HTML text with style, script and data inside."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from pfntrack import __version__
from pfntrack.report.html.documents import Document
from pfntrack.report.html.strings import embedded
from pfntrack.report.html.views import view

# Later rules win over earlier ones.
_STYLES = ("base", "explorer", "picture", "lanes", "tables", "media")
# In the order in which they are joined: each uses only what stands before it.
_SCRIPTS = (
    "base",
    "axis",
    "story",
    "moment",
    "lane",
    "picture",
    "details",
    "program",
    "lanes",
    "card",
    "explorer",
    "audit",
    "main",
)


def page(document: Document) -> str:
    """The page of a document; it needs no network and no other file.

    The content security policy allows just the style and the script that are
    inside, by their hashes.
    """
    model = view(document)
    style, script = _style(), _script()
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    )
    return _template().render(
        model=model,
        # Both are files of this package, without any text from outside.
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        data=Markup(embedded(model["data"])),  # noqa: S704
        policy=policy,
        version=__version__,
    )


def sources() -> tuple[str, str]:
    """The hashes of the style and the script of every page, for the policy of a page around."""
    return _hash(_style()), _hash(_script())


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


@cache
def _style() -> str:
    return "\n".join(_read(f"style/{name}.css") for name in _STYLES)


@cache
def _script() -> str:
    parts = "\n".join(_read(f"script/{name}.js") for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}\n}})();\n'


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pfntrack.report.html", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = _thousands
    return environment.get_template("page.html.j2")


def _thousands(number: Any) -> str:
    return f"{number:,}" if isinstance(number, int) else str(number)
