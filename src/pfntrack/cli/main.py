"""The entry point: one command, its exit code, and every failure as one line."""

from __future__ import annotations

import argparse
import contextlib
import sys
import traceback
from collections.abc import Sequence
from typing import cast

from pfntrack.cli.parsing.commands import COMMANDS, build_parser
from pfntrack.edges import streams
from pfntrack.edges.text import one_line
from pfntrack.errors import GuestError, PfntrackError

OK, FINDINGS, USAGE, INCONCLUSIVE, SKIPPED, INTERNAL = 0, 1, 2, 3, 4, 70
GUEST_LOST, INTERRUPTED = 255, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    with streams.guarded():
        try:
            try:
                code = _run(words)
            finally:
                sys.stdout.flush()
        except streams.OutputError as error:
            code = _failed(str(error), USAGE)
        except BrokenPipeError:
            # The reader has gone; keep the interpreter's own flush from failing as well.
            streams.forget(sys.stdout)
            code = OK
    return code


def _run(words: Sequence[str]) -> int:
    """The command, with every failure as one line."""
    try:
        named = words[0] if words and words[0] in COMMANDS else None
        args = build_parser(named).parse_args(words)
        # `--html -`: the page is the result.
        with streams.aside() if _is_dash(args) else contextlib.nullcontext():
            return cast("int", args.run(args))
    except (streams.OutputError, BrokenPipeError):
        raise
    except GuestError as error:
        return _failed(str(error), GUEST_LOST)
    except PfntrackError as error:
        return _failed(str(error), USAGE)
    except KeyboardInterrupt:
        return _failed("interrupted", INTERRUPTED)
    except MemoryError:
        return _failed("the memory does not suffice", INCONCLUSIVE)
    except OSError as error:
        # Of a file or of the machine, whichever: nothing that a traceback would explain.
        name = f"{error.filename}: " if error.filename is not None else ""
        return _failed(f"{name}{error.strerror or error}", USAGE)
    except Exception:
        traceback.print_exc()
        return _failed("internal error: please report it with the lines above", INTERNAL)


def _is_dash(args: argparse.Namespace) -> bool:
    return str(getattr(args, "html", None)) == "-"


def _failed(why: str, code: int) -> int:
    print(f"pfntrack: {one_line(why)}", file=sys.stderr)
    return code
