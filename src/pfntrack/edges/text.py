"""Text from outside, made harmless: it cannot steer a terminal, reorder a line or add one.

`harmless` stands at the edge of every text output (`streams` puts it between `print` and the
terminal); `one_line` is for what must not break the line that it stands in.
"""

from __future__ import annotations

import re

# Controls (C0 but tab and newline, DEL, C1), what changes the direction of text or hides in it,
# separators that count as line ends somewhere, lone surrogates, and noncharacters.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff0-\ufffc\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
# Longer words of the user are cut in messages.
SHOWN = 200


def harmless(text: str) -> str:
    r"""`text` with what could act on its reader shown as an escape of JSON, such as \u001b.

    So a document of JSON stays one, and says the same.
    """
    if text.isascii() and text.isprintable():
        return text
    return _ACTING.sub(_escape, text)


def one_line(text: str) -> str:
    """The same for text inside a line: line ends and tabs are shown as well."""
    return harmless(text).replace("\n", "\\n").replace("\t", "\\t")


def brief(text: str) -> str:
    """A word from outside inside a message: one line, and not longer than anyone reads."""
    return one_line(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"
