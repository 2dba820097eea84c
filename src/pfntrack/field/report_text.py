"""Findings for people: a terminal report and a mail of at most 75 columns.

All text from the log has passed `printable()`, so nothing in it can act on a terminal.
Log lines are never wrapped, in a mail neither.
"""

from __future__ import annotations

import textwrap

from pfntrack.field.catalogue.codes import LIST, UNAME
from pfntrack.field.finding import Finding
from pfntrack.field.read.facts import Fact, hex_range, human_size
from pfntrack.field.read.replay import Replay
from pfntrack.field.triage import Result

MAIL_WIDTH, TEXT_WIDTH = 75, 96
_SHOWN_LINES = 6


def as_text(result: Result, width: int = TEXT_WIDTH) -> str:
    """The report for a terminal or a pager."""
    if not result.findings:
        return "Nothing about memory types (PAT) was found.\n"
    if result.quiet:
        made = result.findings[0]
        text = f"{made.code}: {made.entry.title.lower()}; {made.basis[0]}."
        return "\n".join(_wrap(text, width)) + "\n"
    out: list[str] = []
    out.append(_headline(result))
    for number, made in enumerate(result.findings, 1):
        out += ["", *_finding(made, number, width)]
    if result.replay is not None:
        out += ["", *_replay(result.replay, width)]
    if result.log.dropped:
        out += [
            "",
            f"{result.log.dropped} further distinct facts were not kept (input too varied).",
        ]
    return "\n".join(out) + "\n"


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
    plural = "" if len(result.findings) == 1 else "s"
    return f"{len(result.findings)} finding{plural} in {result.name}, {kernel}"


def _finding(made: Finding, number: int, width: int) -> list[str]:
    entry = made.entry
    out = [f"{number}. {made.code}: {entry.title}"]
    out.append(f"   severity {made.level} ({made.impact}), confidence {made.confidence}")
    out += _section("What happened", [entry.what], width)
    out += _section("Rests on", [*made.basis, *made.notes], width)
    out.append("   Log:")
    out += _log_lines(made, limit=_SHOWN_LINES, indent="     ")
    out += _section("Kernel rule", [entry.rule], width)
    if made.candidates:
        out += _section(
            "Entries that differ", [f"{a}  and  {b}" for a, b in made.candidates], width
        )
    if made.owners:
        out += _section("Owners seen", made.owners[:6], width)
    if entry.window is not None:
        out += _section("Affected kernels", [f"{entry.window}. {_verdict(made)}"], width)
    if entry.fixed_by:
        out += _section("Fixed by", [f"{c.ref} {c.title}" for c in entry.fixed_by], width)
    out += _section("Do", entry.do, width)
    out += _section("Do not", entry.dont, width)
    if made.alternatives:
        out += _section("If the kernel release says otherwise", made.alternatives, width)
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
