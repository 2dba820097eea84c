"""`pfntrack explain`: what a message or a diagnosis code means."""

from __future__ import annotations

import argparse
import textwrap

from pfntrack.field.catalogue.codes import CODES, Code
from pfntrack.field.catalogue.lookup import Nearest, find
from pfntrack.field.catalogue.message import GROUPS, Message
from pfntrack.field.catalogue.messages import BY_KIND, MESSAGES
from pfntrack.field.catalogue.page import markdown
from pfntrack.field.read.lines import printable

DESCRIPTION = """\
Explain one message of the kernel (paste the line, or a few of its words) or one
diagnosis code of `pfntrack triage`: what it means, the trap in its notation, and
the function that prints it. Without words, list all of them.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "query", nargs="*", metavar="MESSAGE|CODE", help="a log line, words, or a code"
    )
    parser.add_argument(
        "--list", action="store_true", help="list all messages and codes (as without words)"
    )
    parser.add_argument("--markdown", action="store_true", help="print the catalogue as Markdown")


def run(args: argparse.Namespace) -> int:
    """Print the entry, the list or the whole catalogue."""
    if args.markdown:
        print(markdown(), end="")
        return 0
    query = " ".join(args.query)
    if args.list or not query:
        for group in GROUPS:
            print(group)
            for message in (each for each in MESSAGES if each.group == group):
                print(f"  {message.kind:26}{message.form}")
            print()
        print("Diagnoses")
        for code in CODES.values():
            print(f"  {code.code:36}{code.title}")
        return 0
    entry = find(query)
    if isinstance(entry, Nearest):
        print(_unknown(query, entry), end="")
        return 2
    print(_message(entry) if isinstance(entry, Message) else _code(entry), end="")
    return 0


def _unknown(query: str, near: Nearest) -> str:
    """No answer: what comes nearest is named as that."""
    if near.all_hold:
        head = f"{printable(query)[:60]}: several messages hold these words:"
    elif near.entries:
        head = f"{printable(query)[:60]}: no such message is known; nearest:"
    else:
        head = f"{printable(query)[:60]}: no such message is known, and none comes near"
    out = [head, *(f"  {message.form}" for message in near.entries)]
    out.append("`pfntrack explain --list` lists what is known, `pfntrack triage` reads whole logs.")
    return "\n".join(out) + "\n"


def _message(message: Message) -> str:
    rows = [
        ("Meaning", message.meaning),
        ("Range", message.notation),
        ("Trap", message.trap),
        ("Printed by", f"{message.printed_by}, level {message.level}"),
        ("Versions", message.since),
        ("May mean", ", ".join(message.codes)),
    ]
    return _rows(message.form, rows)


def _code(code: Code) -> str:
    kinds = [kind for kind, message in BY_KIND.items() if code.code in message.codes]
    rows = [
        ("Meaning", code.what),
        ("Rule", code.rule),
        ("Severity", f"{code.severity} ({code.harm})"),
        ("Affected", str(code.window) if code.window is not None else ""),
        *(("Do", text) for text in code.do),
        *(("Do not", text) for text in code.dont),
        *(("See", f"{c.ref} {c.title}") for c in (*code.fixed_by, *code.see)),
        ("Messages", ", ".join(kinds)),
    ]
    return _rows(f"{code.code}: {code.title}", rows)


def _rows(title: str, rows: list[tuple[str, str]]) -> str:
    out = [title]
    for name, text in rows:
        if text:
            out += textwrap.wrap(
                text,
                90,
                initial_indent=f"  {name + ':':12}",
                subsequent_indent=" " * 14,
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(out) + "\n"
