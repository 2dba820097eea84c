"""`python -m tools.editors`: highlighting of .pfn files for editors, from the grammar.

The TextMate grammar serves VS Code and GitHub, the other file vim. Both are committed; a
test holds them against the grammar and against every scenario of the library.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from lark.lexer import PatternStr

from pfntrack.scenario.syntax import parser

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "contrib" / "editors"
# Words that begin a block or a claim; all other keywords are parts of operations.
BLOCKS = frozenset("scenario about tags machine window schedule expect finally end".split())
# What a terminal of the grammar is for an editor, in order: the first that fits wins.
_TERMINALS = (
    ("BDF", "constant.numeric.pci", "Number"),
    ("RESOURCE", "support.type", "Type"),
    ("CACHE", "support.type", "Type"),
    ("PROPERTY", "keyword.other.property", "Special"),
    ("FD", "variable.parameter", "Identifier"),
)
_AFTER = (
    ("PROCESS", "variable.language.process", "Identifier"),
    ("RESULT", "constant.language.result", "Constant"),
    ("WINDOW", "variable.other.window", "Identifier"),
    ("NUMBER", "constant.numeric", "Number"),
)


def terminals() -> Mapping[str, str]:
    """The expression of each terminal that has one."""
    return {
        each.name: each.pattern.value
        for each in parser().terminals
        if not isinstance(each.pattern, PatternStr)
    }


def keywords() -> list[str]:
    """The words of the grammar, sorted."""
    values = [each.pattern.value for each in parser().terminals if _is_word(each.pattern)]
    return sorted({*values, "page", "pages"})


def _is_word(pattern: object) -> bool:
    return (
        isinstance(pattern, PatternStr) and re.fullmatch(r"[A-Za-z]\w*", pattern.value) is not None
    )


def textmate() -> str:
    """The grammar in TextMate's JSON."""
    known = terminals()
    blocks = "|".join(word for word in keywords() if word in BLOCKS)
    words = "|".join(word for word in keywords() if word not in BLOCKS)

    def named(entries: tuple[tuple[str, str, str], ...]) -> list[dict[str, str]]:
        return [
            {"name": f"{scope}.pfn", "match": rf"(?<![\w-])(?:{known[name]})"}
            for name, scope, _ in entries
        ]

    patterns = [
        {"name": "comment.line.number-sign.pfn", "match": "#.*$"},
        {"name": "string.quoted.double.pfn", "match": known["STRING"]},
        {"name": "keyword.control.pfn", "match": rf"(?<![\w-])(?:{blocks})(?![\w-])"},
        *named(_TERMINALS),
        {"name": "keyword.operator.pfn", "match": r"->|<->|\|\||[\[\](),;:=+]"},
        {"name": "keyword.other.operation.pfn", "match": rf"(?<![\w/-])(?:{words})(?![\w-])"},
        *named(_AFTER),
    ]
    made = {
        "name": "pfntrack scenario",
        "scopeName": "source.pfn",
        "fileTypes": ["pfn"],
        "patterns": patterns,
    }
    return json.dumps(made, indent=2) + "\n"


def vim() -> str:
    """The syntax file of vim; its expressions are simpler."""
    words = keywords()
    lines = [
        '" Highlighting of pfntrack scenarios, made from their grammar: python -m tools.editors',
        "if exists('b:current_syntax')",
        "  finish",
        "endif",
        "syn case match",
        "setlocal iskeyword+=-",
        r"syn match pfnWindow '\<[A-Z]\w*'",
        r"syn match pfnNumber '\<\(0x\x\+\|\d\+\)\>'",
        f"syn keyword pfnOperation {' '.join(w for w in words if w not in BLOCKS)}",
        f"syn keyword pfnBlock {' '.join(w for w in words if w in BLOCKS)}",
        r"syn match pfnProperty '\<I\d\+\>\|\<tight\>'",
        r"syn match pfnType '\<\(UC-\|UC\|WC\|WT\|WP\|WB\)\ze\([^A-Za-z0-9_]\|$\)'",
        r"syn match pfnType '\<resource\d*\(_wc\)\?\>'",
        r"syn match pfnFile '\<fd\d\+'",
        r"""syn region pfnText start='"' skip='\\"' end='"' oneline""",
        "syn match pfnComment '#.*$'",
    ]
    links = {
        "Window": "Identifier",
        "Number": "Number",
        "Operation": "Statement",
        "Block": "PreProc",
        "Property": "Special",
        "Type": "Type",
        "File": "Identifier",
        "Text": "String",
        "Comment": "Comment",
    }
    lines += [f"hi def link pfn{name} {group}" for name, group in links.items()]
    return "\n".join([*lines, "let b:current_syntax = 'pfn'"]) + "\n"


def files() -> Mapping[Path, str]:
    """All generated files and their text."""
    return {FOLDER / "pfn.tmLanguage.json": textmate(), FOLDER / "pfn.vim": vim()}


def main() -> int:
    """Write what has changed."""
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
