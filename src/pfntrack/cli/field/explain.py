"""`pfntrack explain`: what a message, a diagnosis code or a topic means."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterator

from pfntrack.errors import InputFormatError
from pfntrack.field.catalogue.diagnoses.codes import CODES, Code
from pfntrack.field.catalogue.lookup import Nearest, find
from pfntrack.field.catalogue.messages.message import GROUPS, Message
from pfntrack.field.catalogue.messages.table import BY_KIND, MESSAGES
from pfntrack.field.catalogue.page import markdown
from pfntrack.field.read.lines import printable
from pfntrack.field.topics import WRITTEN, topics
from pfntrack.field.topics.topic import FROM_REGISTRIES, RELEASES, Topic
from pfntrack.field.topics.topic import GROUPS as TOPIC_GROUPS

DESCRIPTION = """\
Explain one message of the kernel or of a program (paste the line, or a few of its
words), one diagnosis code of `pfntrack triage`, or one topic: a memory type, an error
such as EINVAL, a file such as resource0_wc, a kernel function, a property (I2), a
tracking design (vm-pat), a kernel release (6.12), a defect (B22), pinning, guest PAT, ...
Without words, list all of them in groups.

Exit code 2 if nothing of that name is known; what comes nearest is then named as that.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "query",
        nargs="*",
        metavar="MESSAGE|CODE|TOPIC",
        help="a log line, words, a code, or a topic",
    )
    parser.add_argument(
        "--list",
        action="store_true",
        help="list messages, codes and topics in groups (as without words); with words, the "
        "groups whose heading holds them",
    )
    parser.add_argument("--markdown", action="store_true", help="print the catalogue as Markdown")


def run(args: argparse.Namespace) -> int:
    """Print the entry, the list or the whole catalogue."""
    if args.markdown:
        print(markdown(), end="")
        return 0
    query = " ".join(args.query)
    if args.list or not query:
        return _list(query)
    entry = find(query)
    if isinstance(entry, Nearest):
        print(_unknown(query, entry), end="")
        return 2
    if isinstance(entry, Topic):
        print(_topic(entry), end="")
    else:
        print(_message(entry) if isinstance(entry, Message) else _code(entry), end="")
    return 0


def _groups(words: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Every heading that holds the words with its rows: a name, and what it is about."""
    for group in GROUPS:
        if words in group.lower():
            yield group, [(m.kind, m.form) for m in MESSAGES if m.group == group]
    if words in "diagnoses":
        yield "Diagnoses", [(code.code, code.title) for code in CODES.values()]
    for group in TOPIC_GROUPS:
        if words not in group.lower():
            continue
        # The registries need the model, which a list of everything can do without.
        if not words and group in FROM_REGISTRIES:
            yield group, [("...", f"explain --list {group.lower()}")]
            continue
        known = topics() if group in FROM_REGISTRIES else WRITTEN
        yield group, [(t.name, _first(t.answer)) for t in known if t.group == group]


def _list(words: str) -> int:
    shown = list(_groups(words.lower()))
    if not shown:
        heads = ", ".join((*GROUPS, "Diagnoses", *TOPIC_GROUPS))
        raise InputFormatError(f"--list {words!r}: expected a part of one of: {heads}")
    print("\n".join(_group(head, rows) for head, rows in shown), end="")
    return 0


def _group(head: str, rows: list[tuple[str, str]]) -> str:
    out = [head]
    for name, about in rows:
        room = 96 - 2 - max(26, len(name) + 2)
        out.append(f"  {name:24}  {textwrap.shorten(about, max(room, 20), placeholder=' ...')}")
    return "\n".join(out) + "\n"


def _first(text: str) -> str:
    return re.split(r"(?<=[.:;]) ", text)[0].rstrip(".:;")


def _unknown(query: str, near: Nearest) -> str:
    """No answer: what comes nearest is named as that."""
    asked = printable(query)[:60]
    if near.all_hold:
        head = f"{asked}: several messages hold these words:"
    elif near.entries:
        head = f"{asked}: no such message is known; nearest:"
    else:
        head = f"{asked}: no such message is known, and none comes near"
    out = []
    if near.topics:
        out.append(f"{asked}: no message, but these words are known:")
        for each in near.topics:
            out += textwrap.wrap(f"{each.name}: {each.answer}", 90, initial_indent="  ",
                                 subsequent_indent="    ", break_long_words=False)  # fmt: skip
            out.append(f"    Next: {each.next}")
        head = "Messages that come nearest:"
    if near.entries or not near.topics:
        out += [head, *(f"  {message.form}" for message in near.entries)]
    out.append("`pfntrack explain --list` lists what is known, `pfntrack triage` reads whole logs.")
    return "\n".join(out) + "\n"


def _topic(topic: Topic) -> str:
    others = ", ".join(name for name in topic.names[1:] if len(name) > 1)
    rows = [
        ("Answer", topic.answer),
        *topic.rows,
        ("Names", others if topic.group != RELEASES else ""),
        ("Next", topic.next),
    ]
    return _rows(topic.name, rows)


def _message(message: Message) -> str:
    rows = [
        ("Meaning", message.meaning),
        ("Range", message.notation),
        ("Trap", message.trap),
        ("Printed by", f"{message.printed_by}, level {message.level}"),
        ("Versions", message.since),
        ("May mean", ", ".join(message.codes)),
        ("Next", message.next),
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
        ("Next", code.commands[0]),
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
