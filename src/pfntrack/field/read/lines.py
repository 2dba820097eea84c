"""Log lines made comparable: encodings, escape sequences, quoting, prefixes, time stamps.

Nothing here knows about messages. A line keeps its number in the input, so that
every fact can be traced back to what the user sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import attrs

# Longer lines are cut: no kernel record is longer, and every later step stays linear.
MAX_LINE = 4096

_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]{0,40}[ -/]{0,8}[@-~]?|\][^\x07\x1b]{0,400}(?:\x07|\x1b\\)?|.?)"
)
_BAD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# What bug trackers, Markdown and word processors put in place of plain characters.
_ENTITY = re.compile(r"&(lt|gt|amp|quot|nbsp|apos|#0?39|#x27|#60|#62|#45|#x2[dD]);")
_ENTITIES = {
    "lt": "<",
    "gt": ">",
    "amp": "&",
    "quot": '"',
    "nbsp": " ",
    "apos": "'",
    "#39": "'",
    "#039": "'",
    "#x27": "'",
    "#60": "<",
    "#62": ">",
    "#45": "-",
    "#x2d": "-",
    "#x2D": "-",
}
_BACKSLASH = re.compile(r"\\([\\`*_{}\[\]()<>#+\-.!~|@:])")
_TYPOGRAPHIC = str.maketrans(
    {
        "\u2194": "<->",
        "\u27f7": "<->",
        "\u21d4": "<->",
        "\u2010": "-",
        "\u2011": "-",
        "\u2012": "-",
        "\u2013": "-",
        "\u2014": "-",
        "\u2015": "-",
        "\u2212": "-",
        "\u2192": "->",
        "\u2190": "<-",
        "\u27f6": "->",
        "\u2039": "<",
        "\u203a": ">",
        "\u00ad": None,
        "\u200b": None,
        "\u2060": None,
        "\ufeff": None,
    }
)
_TAG = re.compile(r"</?(?:p|br|pre|code|span|div|b|i|em|tt|li|td|tr)(?: [^<>]{0,900})?/?>")
_QUOTE = re.compile(r"^(?:[ \t]{0,8}[>|][ \t]?){1,12}")
_SOFT_BREAK = re.compile(r"=(?:20)?$")
_QP = re.compile(r"=(3D|20|A0|09|2E|0D)")
_STAMP = re.compile(r"\[ {0,8}(\d{1,8}\.\d{1,9})\](?:\[ {0,6}[TC]\d{1,7}\])? ?")
_EMBEDDED = re.compile(r"(?<=\S) (?=\[ {0,8}\d{1,7}\.\d{6}\] )")
_CTIME = re.compile(r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} {1,2}\d{1,2} (\d\d):(\d\d):(\d\d) \d{4}\] ?")
_ISO = re.compile(r"\[\d{4}-\d\d-\d\d[T ](\d\d):(\d\d):(\d\d)(?:[.,]\d{1,9})?\] ?")
_LEVEL = re.compile(r"^<\d{1,3}> ?")
_SYSLOG = re.compile(
    r"^(?:[A-Z][a-z]{2} {1,2}\d{1,2}|\w{3} \d{1,2}|\d{4}-\d\d-\d\d[T ])? ?"
    r"[\d:.+,Z-]{0,40} {1,2}\S{1,80} (?:kernel|kerznel)(?:\[\d{1,7}\])?: ?"
)
_KERNEL = re.compile(r"^(?:\S{0,80} )?kernel(?::| -) ?")
_FACILITY = re.compile(r"^(?:kern|user|daemon|syslog) *: *[a-z]+ *: ")
_LOGCAT = re.compile(r"^\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} +\d+ +\d+ [VDIWEF] ")
# The "time" and "brief" forms of logcat: a level, the tag (here the kernel's prefix), a pid.
_LOGCAT_TAG = re.compile(
    r"^(?:\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}:? )?[VDIWEF]/([^(\n]{1,40}?) ?\( *\d+\): ?"
)
_CLOCK = re.compile(r"^\d\d:\d\d:\d\d {1,4}(?=\[)")


@attrs.frozen(slots=True)
class Line:
    """One line: its number (from 1), readable text, body without prefixes, seconds."""

    number: int
    text: str
    body: str
    time: float | None = None
    soft: bool = False

    @property
    def stamped(self) -> bool:
        """Whether the line begins a record (has a time stamp or a prefix of its own)."""
        return self.time is not None or len(self.body) < len(self.text.strip())


def decode(raw: bytes) -> str:
    """Bytes of any origin as text: UTF-8 first, Latin-1 for the lines that are not."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def printable(text: str) -> str:
    """`text` without escape sequences and without characters that could act on a terminal."""
    if text.isascii() and text.isprintable():
        return text
    if "\x1b" in text:
        text = _ESCAPE.sub("", text)
    return _BAD.sub("", text.replace("\t", " ").replace("\u00a0", " "))


def unescaped(text: str) -> str:
    """`text` the way the kernel wrote it: HTML and Markdown escapes and typography undone."""
    if "&" in text and _ENTITY.search(text):
        text = _ENTITY.sub(lambda m: _ENTITIES[m.group(1)], text)
        text = _ENTITY.sub(lambda m: _ENTITIES[m.group(1)], text)
    if "</" in text or "/>" in text or "<p" in text or "<br" in text:
        text = _TAG.sub("", text)
    if "\\" in text:
        text = _BACKSLASH.sub(r"\1", text)
    return text if text.isascii() else text.translate(_TYPOGRAPHIC)


def clean(number: int, raw: str) -> Line:
    """One raw line as a `Line`: prefixes cut from the body, the text kept for the reader."""
    text = unescaped(printable(raw.rstrip("\r\n")[:MAX_LINE]))
    soft = False
    if text.endswith(("=", "=20")):
        text, soft = _SOFT_BREAK.sub("", text), not text.endswith("=20")
    if "=" in text:
        text = _QP.sub(lambda m: {"3D": "=", "2E": "."}.get(m.group(1), " "), text)
    body = text.strip()
    if body[:1] in (">", "|"):
        body = _QUOTE.sub("", body).strip()
    return Line(number, text, *_strip_prefix(body), soft=soft)


def _strip_prefix(body: str) -> tuple[str, float | None]:
    time: float | None = None
    for _ in range(6):
        before = body
        first = body[:1]
        if first == "<":
            body = _LEVEL.sub("", body)
        if first == "[":
            stamp = _STAMP.match(body)
            if stamp:
                time = float(stamp.group(1))
                body = body[stamp.end() :]
            else:
                ctime = _CTIME.match(body) or _ISO.match(body)
                if ctime:
                    hour, minute, second = (int(g) for g in ctime.groups())
                    time = hour * 3600.0 + minute * 60 + second
                    body = body[ctime.end() :]
        elif first.isdigit():
            body = _LOGCAT.sub("", _CLOCK.sub("", body))
        if "): " in body[:90] and "/" in body[:30]:
            body = _LOGCAT_TAG.sub(r"\1: ", body)
        if "kern" in body[:160]:
            body = _FACILITY.sub("", body)
            body = _SYSLOG.sub("", body) if "kernel" in body or "kerznel" in body else body
            body = _KERNEL.sub("", body)
        body = body.lstrip()
        if body == before:
            break
    return body, time


def split_records(lines: Iterable[tuple[int, str]]) -> Iterator[Line]:
    """Cleaned lines; a line into which a mailer has reflowed several records is taken apart."""
    for number, raw in lines:
        line = clean(number, raw)
        if "] " in line.body and _EMBEDDED.search(line.body):
            parts = _EMBEDDED.split(line.body)
            body, time = _strip_prefix(parts[0])
            yield Line(number, parts[0], body, line.time if time is None else time)
            for part in parts[1:]:
                body, time = _strip_prefix(part)
                yield Line(number, part, body, time)
        else:
            yield line
