"""`pfntrack serve`: the explorer in the browser."""

from __future__ import annotations

import argparse
import sys
import webbrowser

from pfntrack.edges.numbers import whole
from pfntrack.errors import InputFormatError

DESCRIPTION = """\
Open an explorer in the browser: a scenario to edit, the releases and designs that
perform it, a picture of every step, and buttons for what could be done next, each
marked with what it would break. The address holds the whole program, so a link can
be sent. A log pasted there is triaged.

The server listens on this machine only, under an address that holds a secret, and
writes no file. Ctrl-C ends it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "--port", default="0", metavar="N", help="the port to listen on (default: a free one)"
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address")


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from pfntrack.serve.server import listen  # noqa: PLC0415 - a web server is not for every help

    port = whole(args.port)
    if port is None or port > 0xFFFF:
        raise InputFormatError(f"--port {args.port}: expected a number below 65536")
    try:
        server, address = listen(port)
    except OSError as error:
        raise InputFormatError(f"--port {port}: {error.strerror or error}") from None
    print(address, flush=True)
    print("open this address; Ctrl-C ends the server", file=sys.stderr)
    if not args.no_browser:
        webbrowser.open(address)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(file=sys.stderr)
    return 0
