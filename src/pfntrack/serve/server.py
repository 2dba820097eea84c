"""The web server of `pfntrack serve`: one page for one user, on this machine alone.

Everything lives below a path that only who started it knows (the token). A request that
names another host than this one, or comes from another page, is refused, so that no web
site can ask through its visitor's browser. Bottle does the rest.
"""

from __future__ import annotations

import json
import secrets
import socketserver
from collections.abc import Callable
from importlib import resources
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import bottle

from pfntrack.report.html.page import sources
from pfntrack.serve.answers import MAX_TEXT, answer

HOST = "127.0.0.1"
_FILES = {
    "": ("index.html", "text/html; charset=utf-8"),
    "app.js": ("app.js", "text/javascript; charset=utf-8"),
    "ask.js": ("ask.js", "text/javascript; charset=utf-8"),
    "app.css": ("app.css", "text/css; charset=utf-8"),
}
# JSON may need six bytes for a character.
_MAX_BODY = 6 * MAX_TEXT + 4096


class _Handler(WSGIRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Requests are not logged: their paths hold the token."""


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """A page of triage does not wait for a search of offers."""

    daemon_threads = True

    def handle_error(self, *_args: object) -> None:
        """A browser that went away is no event."""


def policy() -> str:
    """What the page may load: itself, and in its frame the pages that it was given."""
    style, script = sources()
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        f"connect-src 'self'; frame-src blob:; img-src data:; style-src 'self' '{style}'; "
        f"script-src 'self' '{script}'"
    )


def application(token: str, hosts: Callable[[], frozenset[str]]) -> Any:
    """The WSGI application; `hosts` are the names under which it may be asked for."""
    app = bottle.Bottle()
    allowed = policy()

    @app.hook("before_request")  # type: ignore[untyped-decorator]
    def _guard() -> None:
        request = bottle.request
        if request.headers.get("Host", "").lower() not in hosts():
            raise bottle.HTTPError(421, "another host")
        origin = request.headers.get("Origin")
        if origin is not None and origin.removeprefix("http://").lower() not in hosts():
            raise bottle.HTTPError(403, "another origin")

    @app.hook("after_request")  # type: ignore[untyped-decorator]
    def _head() -> None:
        headers = bottle.response.headers
        headers["Content-Security-Policy"] = allowed
        headers["Cache-Control"] = "no-store"
        headers["Referrer-Policy"] = "no-referrer"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"

    def known(given: str) -> None:
        if not secrets.compare_digest(given.encode(), token.encode()):
            raise bottle.HTTPError(404, "not here")

    @app.get("/<given>/")  # type: ignore[untyped-decorator]
    @app.get("/<given>/<name>")  # type: ignore[untyped-decorator]
    def _file(given: str, name: str = "") -> bytes:
        known(given)
        if name not in _FILES:
            raise bottle.HTTPError(404, "not here")
        file, kind = _FILES[name]
        bottle.response.content_type = kind
        return resources.files(__package__).joinpath("page", file).read_bytes()

    @app.post("/<given>/api")  # type: ignore[untyped-decorator]
    def _ask(given: str) -> dict[str, Any]:
        known(given)
        request = bottle.request
        if request.content_type.partition(";")[0].strip() != "application/json":
            raise bottle.HTTPError(415, "expected JSON")
        if not 0 <= request.content_length <= _MAX_BODY:
            raise bottle.HTTPError(413, "too large")
        try:
            question = json.loads(request.body.read())
        except (ValueError, RecursionError):
            raise bottle.HTTPError(400, "expected JSON") from None
        return answer(question)

    def _error(error: Any) -> str:
        bottle.response.content_type = "text/plain; charset=utf-8"
        return f"{error.status_line}\n"

    app.default_error_handler = _error
    return app


def listen(port: int, token: str | None = None) -> tuple[WSGIServer, str]:
    """A server that is ready, and the address to open; port 0 takes a free one.

    Raises OSError: the port is taken.
    """
    token = token or secrets.token_urlsafe(16)
    known: set[str] = set()
    app = application(token, lambda: frozenset(known))
    server = make_server(HOST, port, app, server_class=_Server, handler_class=_Handler)
    number = server.server_address[1]
    known.update((f"{HOST}:{number}", f"localhost:{number}"))
    return server, f"http://{HOST}:{number}/{token}/"
