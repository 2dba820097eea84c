"""Findings for people: a terminal report and a mail of at most 75 columns.

All text from the log has passed `printable()`, so nothing in it can act on a terminal.
Log lines are never wrapped, in a mail neither.
"""

from __future__ import annotations

import shlex
import textwrap

from pfntrack.field.answers import answer, warnings
from pfntrack.field.catalogue.diagnoses.base import DMESG
from pfntrack.field.catalogue.diagnoses.codes import LIST, UNAME
from pfntrack.field.finding import Finding
from pfntrack.field.read.collect import Log
from pfntrack.field.read.facts import Fact, hex_range, human_size
from pfntrack.field.read.replay import Replay
from pfntrack.field.topics.lookup import mentioned
from pfntrack.field.triage import Result

MAIL_WIDTH, TEXT_WIDTH = 75, 96
_SHOWN_LINES = 6


def as_text(result: Result, width: int = TEXT_WIDTH) -> str:
    """The report for a terminal or a pager; its first sentence is the answer."""
    if not result.findings:
        return "\n".join(_nothing(result, width)) + "\n"
    if result.quiet:
        return "\n".join(_quiet(result, width)) + "\n"
    out: list[str] = []
    for number, made in enumerate(result.findings, 1):
        if made.level == "none":
            continue
        out += [*_finding(made, result.log, number, width), ""]
    if result.replay is not None:
        out += [*_replay(result.replay, width), ""]
    if result.log.dropped:
        out += [
            f"{result.log.dropped} further distinct facts were not kept (input too varied).",
            "",
        ]
    return "\n".join([*out, _headline(result)]) + "\n"


def _quiet(result: Result, width: int) -> list[str]:
    """What is harmless or not about memory types: the sentence, the line, the cure."""
    out: list[str] = []
    for made in result.findings[:3]:
        out += _wrap(f"{answer(made)} [{made.code}]", width)
        if made.code == "HEALTHY":
            continue
        out += _log_lines(made, limit=2, indent="  ")
        out += [line for text in made.entry.do for line in _wrap(f"  Do: {text}", width, indent=6)]
    return out


def _nothing(result: Result, width: int) -> list[str]:
    """No finding: the lines that come near the subject, or what was read and looked for."""
    near = result.near
    if near:
        out = _wrap("No message that I know, but these lines are near my subject:", width)
        out += [f"  {number}: {text}" for number, text in near[:_SHOWN_LINES]]
        if len(near) > _SHOWN_LINES:
            out.append(f"  ... and {len(near) - _SHOWN_LINES} more")
        out += _wrap(
            "This would decide it: the whole kernel log at info level, the release and the memtype "
            "list:",
            width,
        )
        out += [f"  {DMESG}", f"  {UNAME}", f"  {LIST}"]
        return out + _topics(near, width)
    return _wrap(
        f"Not my subject: {result.log.lines} lines were read, and none speaks of memory types "
        "(PAT, MTRRs), ioremap, BARs or raw pfn mappings.",
        width,
    )


def _topics(near: tuple[tuple[int, str], ...], width: int) -> list[str]:
    """The topics that those lines mention, and what answers questions about them."""
    found = mentioned(" ".join(text for _, text in near))
    if not found:
        return []
    out = _wrap("If it is a question, this answers it:", width)
    return out + [f"  pfntrack explain {shlex.quote(topic.name)}" for topic in found]


def as_mail(result: Result) -> str:
    """A plain-text report for a kernel list or a distribution's bug tracker."""
    if not result.findings or result.quiet:
        return as_text(result, MAIL_WIDTH)
    made = result.findings[0]
    release = result.context.release or result.log.release
    lead = made.facts[0]
    task = lead.text_of("comm")
    subject = f"x86/PAT: {made.entry.title}" + (f" ({task})" if task else "")
    out = [f"Subject: {textwrap.shorten(subject, MAIL_WIDTH - 9, placeholder=' ...')}", ""]
    out += [*_wrap(answer(made), MAIL_WIDTH), ""]
    out += _wrap(made.entry.what, MAIL_WIDTH)
    out += ["", "Facts", "-----"]
    out.append(
        f"Kernel:     {release.text if release is not None else 'not given (uname -a)'}"[
            :MAIL_WIDTH
        ]
    )
    out.append(f"Diagnosis:  {made.code} (confidence {made.confidence})")
    if lead.has_range:
        out.append(f"Range:      {hex_range(*lead.span)}, {human_size(lead.size)}"[:MAIL_WIDTH])
    if task:
        pid = lead.number("pid")
        out.append(f"Task:       {task}" + (f" (pid {pid})" if pid is not None else ""))
    if made.count > 1:
        out.append(f"Lines:      {made.count}{_rate(made)}")
    for pair in made.candidates[:2]:
        out += ["Entries:    " + pair[0], "            " + pair[1]]
    for owner in made.owners[:4]:
        out += _wrap(f"Owner:      {owner}", MAIL_WIDTH, indent=12)
    for note in (*made.basis, *made.notes):
        out += _wrap(f"- {note}", MAIL_WIDTH, indent=2)
    out += ["", "Log", "---"]
    out += _log_lines(made, limit=20)
    if result.replay is not None:
        out += ["", *_replay(result.replay, MAIL_WIDTH)]
    out += ["", "Rule", "----", *_wrap(made.entry.rule, MAIL_WIDTH)]
    if made.entry.window is not None:
        out += ["", *_wrap(f"Affected: {made.entry.window}. {_verdict(made)}", MAIL_WIDTH)]
    for citation in (*made.entry.fixed_by, *made.entry.see):
        out += _wrap(f'{citation.ref} ("{citation.title}")', MAIL_WIDTH, indent=4)
    others = [f for f in result.findings[1:] if f.level != "none"]
    if others:
        out += ["", "Also in this log:"]
        out += [f"  {f.code}: {f.entry.title}"[:MAIL_WIDTH] for f in others]
    if made.missing:
        out += ["", "Still needed:", *(f"  {c}" for c in made.entry.commands)]
    return "\n".join(line.rstrip() for line in out) + "\n"


def _headline(result: Result) -> str:
    release = result.context.release or result.log.release
    kernel = f"kernel {release}" if release is not None else "kernel release unknown"
    count = sum(made.level != "none" for made in result.findings)
    plural = "" if count == 1 else "s"
    return f"{count} finding{plural} in {result.name}, {kernel}"


def _finding(made: Finding, log: Log, number: int, width: int) -> list[str]:
    entry = made.entry
    out = _wrap(f"{number}. {answer(made)}", width, indent=3)
    out.append(f"   {made.code}: {entry.title}")
    out.append(f"   severity {made.level} ({made.impact}), confidence {made.confidence}")
    out += _section("What happened", [entry.what], width)
    out += _section("Rests on", [*made.basis, *made.notes], width)
    out.append("   Log:")
    out += _log_lines(made, limit=_SHOWN_LINES, indent="     ")
    out += _section("Do", entry.do, width)
    out += _section("Do not", warnings(made, log), width)
    out += _section("Kernel rule", [entry.rule], width)
    if made.candidates:
        out += _section(
            "Entries that differ", [f"{a}  and  {b}" for a, b in made.candidates], width
        )
    if made.owners:
        out += _section("Owners seen", made.owners[:6], width)
    if entry.window is not None:
        out += _section("Affected kernels", [f"{entry.window}. {_verdict(made)}"], width)
    if entry.fixed_by and made.affected is not False:
        fixes = [f"{c.ref} {c.title}" for c in entry.fixed_by]
        if made.code == "STALE_OR_LIVE_GPU_RESERVATION":
            fixes.append("(that is for stale reservations; a bound driver's are not an error)")
        out += _section("Fixed by", fixes, width)
    cves = [c.ref for c in entry.see if c.ref.startswith("CVE-")]
    if cves and made.affected is not False:
        out += _section("Known as", cves, width)
    if made.alternatives:
        out += _section("It may also be", made.alternatives, width)
    if made.missing:
        asked = entry.commands
        if made.missing == ("the kernel release",):
            asked = (UNAME, LIST)
        out += _section(
            f"Missing: {', '.join(made.missing)}. These two commands supply it", asked, width
        )
    if made.followups:
        out.append("   Consequences, not causes of their own:")
        out += [f"     {_shown(fact)}" for fact in made.followups[:_SHOWN_LINES]]
        if len(made.followups) > _SHOWN_LINES:
            out.append(f"     ... and {len(made.followups) - _SHOWN_LINES} more")
    return out


def _verdict(made: Finding) -> str:
    if made.affected is None:
        return "Whether this kernel is affected is unknown: the release is missing."
    if made.affected:
        return "This kernel is inside that window (unless a vendor back-ported the fix)."
    return "This kernel is outside that window."


def _rate(made: Finding) -> str:
    return (
        f", {made.rate:.{0 if made.rate >= 10 else 2}f} per second" if made.rate is not None else ""
    )


def _log_lines(made: Finding, limit: int, indent: str = "") -> list[str]:
    facts = sorted(made.facts, key=lambda f: f.line)
    out = [f"{indent}{_shown(fact)}" for fact in facts[:limit]]
    if len(facts) > limit:
        out.append(f"{indent}... and {len(facts) - limit} more distinct lines")
    if made.count > len(facts):
        out.append(f"{indent}({made.count} lines in all{_rate(made)})")
    return out


def _shown(fact: Fact) -> str:
    times = f"  (x{fact.count})" if fact.count > 1 else ""
    return f"{fact.line}: {fact.text}{times}"


def _replay(played: Replay, width: int) -> list[str]:
    out = ["   Replay of the debugpat lines:"]
    shown = played.steps if len(played.steps) <= 20 else [s for s in played.steps if s.note][:20]
    for step in shown:
        mark = "!" if step.wrong_owner else " "
        text = f"{step.action}" + (f": {step.note}" if step.note else "")
        out += _wrap(f"   {mark} line {step.line}: {text}", width, indent=7)
    if played.residue and played.missed:
        left = ", ".join(f"{hex_range(e.start, e.end)} {e.type.cattr}" for e in played.residue[:12])
        out += _wrap(f"     left at the end: {left}", width, indent=7)
    if not played.complete:
        out.append("     (the log does not begin at boot: some entries were made before it)")
    return out


def _section(title: str, items: tuple[str, ...] | list[str], width: int) -> list[str]:
    if not items:
        return []
    out = [f"   {title}:"]
    for item in items:
        out += _wrap(f"     {item}", width, indent=7)
    return out


def _wrap(text: str, width: int, indent: int = 0) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
