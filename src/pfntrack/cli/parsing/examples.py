"""Two examples for each command, shown at the end of its --help."""

from __future__ import annotations

EXAMPLES = {
    "run": (
        ("pfntrack run truncate-middle --release 6.12", "what a zap does to the other pages"),
        ("pfntrack run mine.pfn --design ours --html page.html", "one's own scenario, as a page"),
    ),
    "compare": (
        ("pfntrack compare truncate-middle --with 6.12,7.3,ours", "where they differ first"),
        ("pfntrack compare --explore 6.12 7.3", "the shortest program on which they differ"),
    ),
    "scenarios": (
        ("pfntrack scenarios list fork leak", "those with both words in them"),
        ("pfntrack scenarios show truncate-middle", "the text of one, to begin with"),
    ),
    "check": (
        ("pfntrack check --preset quick --release 6.12", "what breaks, by the shortest program"),
        ("pfntrack check --preset quick --design ours --property I1,I2", "does a design keep both"),
    ),
    "race": (
        ("pfntrack race mine.pfn --release 6.12", "the last two operations, at once"),
        ("pfntrack race mine.pfn --design ours", "the same under a design"),
    ),
    "bugs": (
        ("pfntrack bugs", "all of them; this takes minutes"),
        ("pfntrack bugs B22 --save found", "one, and its program in a folder"),
    ),
    "study": (
        ("pfntrack study --preset quick", "the whole table, in small bounds"),
        ("pfntrack study --designs vm-pat,ours --property I1,I2", "two designs, two properties"),
    ),
    "conform": (
        ("pfntrack conform --traces recordings", "every step of every recording"),
        ("pfntrack conform --traces recordings --kernel 7.3", "those of one kernel"),
    ),
    "lab": (
        ("pfntrack lab run truncate-middle --kernel 7.3", "a scenario on a real kernel"),
        ("pfntrack lab conform --kernel 6.12,7.3", "the library on two, against the model"),
    ),
    "triage": (
        ("dmesg | pfntrack triage -", "this machine's log"),
        ("pfntrack triage kern.log --kernel 6.12.31 --mail", "a report of 75 columns to send"),
    ),
    "explain": (
        ("pfntrack explain 'freeing invalid memtype'", "what a message means"),
        ("pfntrack explain KERNEL_BUG_VMA_SPLIT", "what a diagnosis means"),
    ),
    "collect": (
        ("sudo pfntrack collect -o snapshot", "all that root can read"),
        ("pfntrack collect -o snapshot --redact", "without host name and command lines"),
    ),
    "audit": (
        ("sudo pfntrack audit --live", "this machine, now"),
        ("pfntrack audit --snapshot snapshot --bar 0000:03:00.0/1", "is that BAR write-combining"),
    ),
    "record": (
        ("sudo pfntrack record -o run.rec -- ./program", "a command, from start to end"),
        ("sudo pfntrack record -o run.rec -a --for 10", "everybody, for ten seconds"),
    ),
    "replay": (
        ("pfntrack replay run.rec", "each call, and the step to blame"),
        ("pfntrack replay run.rec --scenario leak.pfn --minimise", "the finding as a scenario"),
    ),
    "report": (
        ("pfntrack report truncate-middle --with 6.12,7.3 -o page.html", "a comparison, as a page"),
        ("pfntrack triage --json kern.log | pfntrack report - -o page.html", "of saved JSON"),
    ),
    "repro": (
        ("pfntrack repro truncate-middle -o repro.c", "a program for a real machine"),
        (
            "pfntrack repro truncate-middle --run --kernel 6.12,7.3",
            "run on two kernels",
        ),
    ),
    "step": (
        ("pfntrack step truncate-middle", "n: forward, b: back, t: try an operation"),
        ("printf 'go 3\\nstate\\n' | pfntrack step truncate-middle", "the same from a script"),
    ),
    "serve": (
        ("pfntrack serve", "opens the explorer in a browser"),
        ("pfntrack serve --port 8000 --no-browser", "prints its address, for a tunnel"),
    ),
    "schema": (
        ("pfntrack schema run", "what `pfntrack run --json` prints"),
        ("pfntrack schema audit > audit.schema.json", "into a file"),
    ),
    "completion": (
        (
            "pfntrack completion bash > ~/.local/share/bash-completion/completions/pfntrack",
            "for bash",
        ),
        ("pfntrack completion fish > ~/.config/fish/completions/pfntrack.fish", "for fish"),
    ),
}


def epilog(name: str) -> str | None:
    """The examples of a command, as the end of its help."""
    lines = ["examples:"]
    for command, about in EXAMPLES.get(name, ()):
        lines += [f"  {command}", f"      {about}"]
    return "\n".join(lines) if len(lines) > 1 else None
