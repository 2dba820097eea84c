"""Messages of the memory-type code, 2.6.26 to 7.3, turned into facts.

One `_Format` per message: the words that must be present, the expression for the
rest, and how its range is to be read. The expressions are plain sequences without
nested repetition, and a line is at most MAX_LINE characters, so each costs linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import attrs

from pfntrack.field.read.facts import Fact, Value, cache_mode_name
from pfntrack.field.read.lines import Line
from pfntrack.field.read.parse_near import NEAR

_TYPE = (
    r"(write-back|write-combining|uncached-minus|uncached(?!-)|write-through|write-protected"
    r"|broken)(?!\w)"
)
_HEX = r"(?:0x)?([0-9a-fA-F]{1,16})(?![0-9a-fA-FxX])"
_MTRR_TYPE = r"(uncachable|write-(?:combining|through|protect|back)|[a-z?]{1,20})(?![\w-])"
_ANY = r"([^\s,\]]{1,40})"
# Users blank out addresses: an ellipsis, x's or <redacted> in place of digits.
_ELIDED = re.compile(r"\u2026|\.\.\.|<[a-z]+>|[xX*]{4}|^\S{0,3}$")
_COMM_CUT = re.compile(r"(?:x86/PAT|PAT) ?: ?|\] ")
_PID = re.compile(r"^(?:\d{1,8}|<[^>]{1,16}>|N|X+|\.\.\.|\u2026)$")
_BRACKET = rf"\[?(?:mem\s+)?(?:{_HEX})\s?-\s?(?:{_HEX})(\])?"


@attrs.frozen(slots=True)
class _Format:
    """How one message is recognised and read."""

    kind: str
    words: tuple[str, ...]
    pattern: re.Pattern[str]
    build: Callable[[re.Match[str]], tuple[dict[str, Value], tuple[int, int] | None]]
    comm: bool = False


_Built = tuple[dict[str, Value], tuple[int, int] | None]


def _range(first: str, last: str, inclusive: bool) -> tuple[int, int]:
    return int(first, 16), int(last, 16) + (1 if inclusive else 0)


def _bracketed(match: re.Match[str], at: int = 1) -> tuple[int, int]:
    """`[mem S-E]` has an inclusive end; the bare `S-E` of kernels before 3.5 an exclusive one."""
    first, last, bracket = match.group(at), match.group(at + 1), match.group(at + 2)
    return _range(first, last, bracket is not None or "[mem" in match.group(0))


def _conflict(match: re.Match[str]) -> _Built:
    span = _range(match.group(1), match.group(2), False)
    return {"type_a": match.group(3), "type_b": match.group(4)}, span


def _map_pfn(match: re.Match[str]) -> _Built:
    name = "req" if "RAM" in match.group(0) else "want"
    values: dict[str, Value] = {name: match.group(1), "got": match.group(5)}
    return values, _bracketed(match, 2)


def _reserve_failed(match: re.Match[str]) -> _Built:
    return {"track": match.group(4), "req": match.group(5)}, _bracketed(match)


def _plain_range(match: re.Match[str]) -> _Built:
    return {}, _bracketed(match)


def _ram_failed(match: re.Match[str]) -> _Built:
    track, req = int(match.group(4), 16), int(match.group(5), 16)
    # Raw page-table bits before 3.19; both numberings agree that 0 is write-back.
    values: dict[str, Value] = {
        "track": track,
        "req": req,
        "track_name": cache_mode_name(track),
        "req_name": cache_mode_name(req),
    }
    return values, _bracketed(match)


def _ioremap_error(match: re.Match[str]) -> _Built:
    req, got = int(match.group(3), 16), int(match.group(4), 16)
    values: dict[str, Value] = {
        "req": req,
        "req_name": cache_mode_name(req),
        "got": got,
        "got_name": cache_mode_name(got),
    }
    return values, _range(match.group(1), match.group(2), False)


def _added(match: re.Match[str]) -> _Built:
    values: dict[str, Value] = {"type": match.group(6) or match.group(4), "req": match.group(5)}
    return values, _bracketed(match)


def _overlap(match: re.Match[str]) -> _Built:
    return {}, _range(match.group(1), match.group(2), False)


def _sanity(match: re.Match[str]) -> _Built:
    resource = re.sub(r"\s*\[mem", " [mem", match.group(3)).strip()
    inner = re.search(rf"\[mem {_HEX}-{_HEX}[^\]]{{0,40}}\]", resource)
    values: dict[str, Value] = {"resource": resource}
    if inner is not None:
        values["inner_start"], values["inner_end"] = _range(inner.group(1), inner.group(2), True)
    return values, _range(match.group(1), match.group(2), True)


def _sanity_old(match: re.Match[str]) -> _Built:
    # 2.6.27 to 4.1: request, resource, and the resource's name; ends inclusive.
    inner = _range(match.group(3), match.group(4), True)
    values: dict[str, Value] = {"resource": match.group(5).strip()}
    values["inner_start"], values["inner_end"] = inner
    return values, _range(match.group(1), match.group(2), True)


def _list_new(match: re.Match[str]) -> _Built:
    # The list prints exclusive ends inside [mem ...], unlike every log message.
    return {"type": match.group(3)}, _range(match.group(1), match.group(2), False)


def _list_old(match: re.Match[str]) -> _Built:
    return {"type": match.group(1)}, _range(match.group(2), match.group(3), False)


def _group(name: str) -> Callable[[re.Match[str]], _Built]:
    return lambda match: ({name: match.group(1)}, None)


def _errno(match: re.Match[str]) -> _Built:
    return {"errno": int(match.group(1))}, None


def _nothing(_: re.Match[str]) -> _Built:
    return {}, None


def _format(
    kind: str,
    words: str,
    pattern: str,
    build: Callable[[re.Match[str]], _Built],
    *,
    comm: bool = False,
) -> _Format:
    return _Format(kind, tuple(words.split("|")), re.compile(pattern), build, comm)


_S = r"\s{1,12}"
_OWN: tuple[_Format, ...] = (
    _format(
        "conflict",
        "conflicting",
        rf"conflicting{_S}memory{_S}types{_S}{_HEX}-{_HEX}\s{{0,40}}{_TYPE}\s?<\s?-\s?>\s?{_TYPE}",
        _conflict,
        comm=True,
    ),
    _format(
        "map_pfn_ram",
        "map pfn|RAM",
        rf"map pfn{_S}RAM{_S}range{_S}req{_S}{_TYPE}{_S}for{_S}{_BRACKET},?{_S}got{_S}{_TYPE}",
        _map_pfn,
        comm=True,
    ),
    _format(
        "map_pfn_expected",
        "map pfn|expected",
        rf"map pfn{_S}expected{_S}mapping{_S}type{_S}{_TYPE}{_S}for{_S}{_BRACKET},?{_S}got"
        rf"{_S}{_TYPE}",
        _map_pfn,
        comm=True,
    ),
    _format(
        "reserve_failed_warn",
        "failed: [mem",
        rf"(?:memtype_reserve|reserve_memtype) failed: {_BRACKET},{_S}req{_S}{_TYPE}",
        lambda m: ({"req": m.group(4)}, _bracketed(m)),
    ),
    _format(
        "ram_type_failed",
        "reserve_ram_pages_type",
        rf"reserve_ram_pages_type{_S}failed{_S}{_BRACKET},{_S}track{_S}{_HEX},{_S}req{_S}{_HEX}",
        _ram_failed,
    ),
    _format(
        "ioremap_reserve_failed",
        "ioremap",
        r"ioremap (?:memtype_reserve|reserve_memtype) failed (-?\d{1,4})",
        _errno,
    ),
    _format(
        "ioremap_reserve_failed",
        "reserve_memtype returned",
        r"reserve_memtype returned (-?\d{1,4})",
        _errno,
    ),
    _format(
        "reserve_failed",
        "failed",
        rf"(?:memtype_reserve|reserve_memtype){_S}failed{_S}{_BRACKET},{_S}track{_S}{_TYPE},{_S}req{_S}{_TYPE}",
        _reserve_failed,
    ),
    _format(
        "free_invalid",
        "freeing",
        rf"freeing{_S}invalid{_S}memtype{_S}{_BRACKET}",
        _plain_range,
        comm=True,
    ),
    _format(
        "change_attr_failed",
        "ioremap_change_attr",
        rf"ioremap_change_attr failed {_TYPE}{_S}for{_S}{_BRACKET}",
        lambda m: ({"req": m.group(1)}, _bracketed(m, 2)),
        comm=True,
    ),
    _format(
        "ioremap_error",
        "ioremap error",
        rf"ioremap error for {_HEX}-{_HEX},{_S}requested{_S}{_HEX},{_S}got{_S}{_HEX}",
        _ioremap_error,
    ),
    _format(
        "debug_added",
        "added",
        rf"(?:memtype_reserve|reserve_memtype) added {_BRACKET},{_S}track{_S}{_TYPE},{_S}req"
        rf"{_S}{_TYPE},{_S}ret{_S}(?:{_TYPE}|-)",
        _added,
    ),
    _format("debug_overlap", "Overlap", rf"Overlap at {_HEX}-{_HEX}", _overlap),
    _format(
        "debug_free",
        "request",
        rf"(?:memtype_free|free_memtype) request {_BRACKET}",
        _plain_range,
    ),
    _format("list_entry", "PAT: [mem", rf"PAT: \[mem {_HEX}-{_HEX}\] {_TYPE}", _list_new),
    _format("list_entry", " @ ", rf"(?<!\w){_TYPE} @ {_HEX}-{_HEX}", _list_old),
    _format(
        "resource_sanity",
        "resource sanity check",
        rf"resource sanity check: requesting{_S}\[mem{_S}{_HEX}\s?-\s?{_HEX}\s?\],{_S}which"
        rf"{_S}spans{_S}more{_S}than{_S}(.{{1,120}})",
        _sanity,
    ),
    _format(
        "resource_sanity",
        "resource map sanity check",
        rf"resource map sanity check conflict: {_HEX} {_HEX} {_HEX} {_HEX} (.{{1,80}})",
        _sanity_old,
    ),
    _format(
        "pat_config", "onfiguration [0-7]", r"onfiguration \[0-7\]: ([A-Z -]{16,48})", _nothing
    ),
    _format(
        "pat_enabled_old",
        "PAT enabled",
        r"PAT enabled: cpu \d{1,5}, old (0x[0-9a-f]{1,16}), new (0x[0-9a-f]{1,16})",
        lambda m: ({"old": m.group(1), "new": m.group(2)}, None),
    ),
    _format("pat_skip_mtrr", "skipping PAT", r"MTRRs disabled, skipping PAT", _nothing),
    _format(
        "pat_disabled",
        "PAT ",
        r"(PAT (?:support disabled[^\n]{0,80}|disabled\. Not yet verified on this CPU type\.?"
        r"|not supported by (?:the )?CPU\.?|MSR is 0, "
        r"disabled\.?"
        r"|read returns always zero, disabled\.?))",
        _group("reason"),
    ),
    _format(
        "mtrr_mismatch",
        "mtrr: type mismatch",
        rf"type mismatch for ([0-9a-f]{{1,16}}),([0-9a-f]{{1,16}}) old: {_MTRR_TYPE} new: "
        rf"{_MTRR_TYPE}",
        lambda m: (
            {"old": m.group(3), "new": m.group(4)},
            (int(m.group(1), 16), int(m.group(1), 16) + int(m.group(2), 16)),
        ),
    ),
    _format(
        "mtrr_trim",
        "losing",
        r"MTRRs don't cover all of memory, losing (\d{1,9}) ?MB of RAM",
        lambda m: ({"mb": int(m.group(1))}, None),
    ),
    _format(
        "strict_devmem",
        "/dev/mem",
        r"Program (.{1,40}) tried to access /dev/mem between (?:\[mem "
        r")?(?:0x)?([0-9a-f]{1,16})(?:->|-(?:0x)?)([0-9a-f]{1,16})",
        lambda m: ({"comm": m.group(1)}, (int(m.group(2), 16), int(m.group(3), 16))),
    ),
    _format(
        "mce_nospec_failed",
        "from 1:1 map",
        r"Could not invalidate pfn=(0x[0-9a-f]{1,14}) from 1:1 map",
        _group("pfn"),
    ),
    _format(
        "memory_failure",
        "Memory failure",
        r"Memory failure: (0x[0-9a-f]{1,14}): (.{1,80})",
        lambda m: ({"pfn": m.group(1), "action": m.group(2).strip()}, None),
    ),
    _format(
        "kernel_bug",
        "kernel BUG at",
        r"kernel BUG at (arch/x86/mm/pat(?:\.c|_rbtree\.c|/memtype\w{0,12}\.c)):(\d{1,5})",
        lambda m: ({"file": m.group(1), "line": int(m.group(2))}, None),
    ),
)
FORMATS: tuple[_Format, ...] = (
    *_OWN,
    *(_Format(near.kind, near.words, near.pattern, near.build) for near in NEAR),
)
# The same messages with the numbers cut away or blanked out by whoever pasted them.
_PARTIAL: tuple[tuple[str, re.Pattern[str], bool], ...] = (
    ("conflict", re.compile(rf"conflicting{_S}memory{_S}types\b(?P<rest>.{{0,160}})"), True),
    ("map_pfn_ram", re.compile(rf"map pfn{_S}RAM{_S}range\b(?P<rest>.{{0,160}})"), True),
    ("map_pfn_expected", re.compile(rf"map pfn{_S}expected\b(?P<rest>.{{0,160}})"), True),
    ("free_invalid", re.compile(rf"freeing{_S}invalid{_S}memtype\b(?P<rest>.{{0,120}})"), True),
    (
        "reserve_failed",
        re.compile(
            rf"(?<!ioremap )(?:memtype_reserve|reserve_memtype)"
            rf"{_S}failed\b(?!:)(?P<rest>.{{0,160}})"
        ),
        False,
    ),
    (
        "ram_type_failed",
        re.compile(rf"reserve_ram_pages_type{_S}failed\b(?P<rest>.{{0,120}})"),
        False,
    ),
    ("conflict_fragment", re.compile(rf"-{_HEX}\s{{1,4}}{_TYPE}\s?<-\s?>\s?{_TYPE}"), False),
    ("conflict_fragment", re.compile(rf"{_TYPE}\s?<\s?-\s?>\s?{_TYPE}"), False),
)
_PARTIAL_WORDS = ("conflicting", "map pfn", "freeing", "failed", "<->", "<- >", "< - >")
_TYPES = re.compile(_TYPE)


def parse_line(line: Line) -> Fact | None:
    """The complete message on this line, if there is one."""
    body = line.body
    for fmt in FORMATS:
        if all(word in body for word in fmt.words):
            match = fmt.pattern.search(body)
            if match:
                values, span = fmt.build(match)
                if fmt.kind == "pat_config":
                    values = {"slots": " ".join(match.group(1).split()[:8])}
                if fmt.comm:
                    values = {**comm_pid(body[: match.start()]), **values}
                return attrs.evolve(_fact(fmt.kind, line, values, span), match_end=match.end())
    return None


def parse_partial(line: Line) -> Fact | None:
    """A message whose numbers are missing; `elided` says that someone took them out."""
    body = line.body
    if not any(word in body for word in _PARTIAL_WORDS):
        return None
    for kind, pattern, comm in _PARTIAL:
        match = pattern.search(body)
        if not match:
            continue
        if kind == "conflict_fragment":
            if "conflicting" in body:
                continue
            *_, first, second = match.groups()
            return _fact(kind, line, {"type_a": first, "type_b": second}, None)
        rest = match.group("rest")
        values: dict[str, Value] = dict(comm_pid(body[: match.start()])) if comm else {}
        # Prose that only names a message ("... triggers freeing invalid memtype") is no event.
        if comm and "comm" not in values and not _ELIDED.search(rest):
            return None
        types = _TYPES.findall(rest)
        if kind == "conflict" and len(types) >= 2:
            values |= {"type_a": types[0], "type_b": types[1]}
        elif kind == "reserve_failed" and len(types) >= 2:
            values |= {"track": types[0], "req": types[1]}
        if not comm and not types and not _ELIDED.search(rest):
            return None
        return _fact(kind, line, {**values, "elided": True}, None)
    return None


def comm_pid(head: str) -> dict[str, Value]:
    """Task name and pid in front of a message; the name may hold blanks, slashes and colons."""
    cut = 0
    for match in _COMM_CUT.finditer(head):
        cut = match.end()
    task = head[cut:].strip()
    if task.endswith(":"):
        task = task[:-1]
    if not task:
        return {}
    name, colon, pid = task.rpartition(":")
    if colon and _PID.match(pid.strip()):
        name = name.strip()
        # A task name has at most 15 characters; longer text in front of it is not part of it.
        values: dict[str, Value] = {"comm": name if len(name) <= 32 else name[-15:].strip()}
        if pid.strip().isdigit():
            values["pid"] = int(pid)
        else:
            values["pid_elided"] = True
        return values
    if _ELIDED.match(task) and len(task) <= 12:
        return {"pid_elided": True, "comm": task} if not task.startswith(".") else {}
    # Without a pid only a short single word can be trusted to be the task name.
    return {"comm": task} if len(task) <= 15 and " " not in task and cut else {}


def _fact(kind: str, line: Line, values: Mapping[str, Value], span: tuple[int, int] | None) -> Fact:
    start, end = span if span is not None else (None, None)
    return Fact(kind, line.number, line.text.strip(), dict(values), start, end, line.time)
