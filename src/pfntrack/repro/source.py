"""The C program as text."""

from __future__ import annotations

import errno
import re
import signal
import textwrap

from pfntrack import __version__
from pfntrack.check.run import StepRun
from pfntrack.edges.text import harmless
from pfntrack.mm import ops
from pfntrack.repro.checks import LAWS, Check
from pfntrack.repro.files import used_pages
from pfntrack.repro.pieces import Piece, names_in, needed
from pfntrack.repro.plan import NEWEST, Reproducer
from pfntrack.repro.steps import Translation, module_numbers, quoted
from pfntrack.repro.told import Told
from pfntrack.scenario.model import MachineSpec

COLUMNS = 96
BUILD = "gcc -O2 -Wall -Wextra -Werror -static"
_HEADERS = {
    "errno.h": r"\bE[A-Z0-9]+\b",
    "fcntl.h": r"\bO_[A-Z]+\b|\bopen\(",
    "signal.h": r"\bSIG[A-Z]+\b",
    "sys/mman.h": r"\b(?:MAP|PROT|MADV|MREMAP)_[A-Z]+\b|\bm(?:unmap|protect|lock|unlock|remap)\(",
    "sys/syscall.h": r"\bSYS_\w+",
    "unistd.h": r"\b(?:_exit|close|pause|syscall)\(",
}
_NEW_NAMES = {
    "MADV_POPULATE_READ": 22,
    "MADV_POPULATE_WRITE": 23,
    "MADV_DONTNEED_LOCKED": 24,
    "MADV_COLLAPSE": 25,
    "MADV_GUARD_INSTALL": 102,
    "MADV_GUARD_REMOVE": 103,
    "MREMAP_DONTUNMAP": 4,
    "SYS_mseal": 462,
}
"""What the C library of an older build machine does not know yet."""


def source(repro: Reproducer, name: str) -> str:
    """The whole program; `name` is its file without `.c`."""
    steps = _steps(repro)
    main = _main(repro)
    windows = _windows(repro)
    helpers = needed(f"{steps}\n{main}\nPAGE shared")
    code = "\n\n".join(piece.text for piece in helpers)
    body = f"{code}\n{steps}\n{main}"
    declarations = [_numbers(body), _missing(body), _processes(repro, body), windows]
    parts = [
        _header(repro, name),
        _includes(helpers, f"{steps}\n{main}"),
        *(part for part in declarations if part),
        code,
        _files(repro),
        steps,
        main,
    ]
    return harmless("\n\n".join(part for part in parts if part) + "\n")


def needs_module(repro: Reproducer) -> bool:
    """Does the program need the lab's driver module?"""
    return "PFNLAB_" in f"{_steps(repro)}{_main(repro)}" or any(
        check.reads_tables for check in repro.checks
    )


# ----------------------------------------------------------------- the comment


def _header(repro: Reproducer, name: str) -> str:
    told = Told(repro)
    lines = [name, "", *_wrapped(repro.scenario.about or f"Scenario {repro.scenario.name}."), ""]
    if repro.release.note:
        lines = [name, "", *_wrapped(f"Kernel {repro.release.note}."), *lines[1:]]
    lines += [f"What {repro.release.name} ({repro.release.design.name}) does, by the model:"]
    for item in told.violations():
        lines += _wrapped(item, "  - ", "    ")
    if told.converted():
        lines += ["", "Asked and got differ, which no property forbids:"]
        for item in told.converted():
            lines += _wrapped(item, "  - ", "    ")
    lines += ["", *_wrapped(told.affected())]
    if told.newest():
        lines += _wrapped(told.newest())
    if repro.open_too:
        shown = ", ".join(f"{each} ({LAWS[each]})" for each in repro.open_too)
        lines += ["", *_wrapped(f"Not checked, because {NEWEST} breaks it as well: {shown}.")]
    for each in repro.unseen:
        lines += _wrapped(f"Not checked, because it cannot be seen from outside: {each}.")
    lines += ["", f"Build:  {BUILD} \\", f"            -o {name} {name}.c"]
    if needs_module(repro):
        lines += [
            "        and the module pfnlab, in src/pfntrack/lab/module of pfntrack:",
            "        make -C /lib/modules/$(uname -r)/build M=$PWD modules",
            f"Run:    as root, with debugfs mounted: insmod pfnlab.ko && ./{name}",
        ]
    else:
        lines += [f"Run:    as root, with debugfs mounted: ./{name}"]
    if repro.needs_vfio:
        lines += ["        (the device bound to vfio-pci, the kernel booted with an IOMMU)"]
    lines += ["", *told.windows(), ""]
    lines += _wrapped(
        "Ranges are page ranges without their end: [0,2) is pages 0 and 1. Virtual pages are "
        "counted from ARENA, physical pages from the start of the window."
    )
    lines += ["", f"Made by pfntrack {__version__}: {told.command()}"]
    comment = "\n".join(f" * {line}".rstrip() for line in lines)
    return f"// SPDX-License-Identifier: GPL-2.0-only OR MIT\n/*\n{comment}\n */"


def _wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    text = text.replace("*/", "* /").replace("/*", "/ *")
    return textwrap.wrap(text, 76, initial_indent=first, subsequent_indent=rest) or [""]


# ---------------------------------------------------------------- declarations


def _includes(helpers: list[Piece], code: str) -> str:
    headers = {"stdio.h", "stdbool.h", "sys/mman.h", "stdlib.h"}
    headers |= {header for piece in helpers for header in piece.headers}
    headers |= {header for header, pattern in _HEADERS.items() if re.search(pattern, code)}
    lines = "\n".join(f"#include <{header}>" for header in sorted(headers))
    return f"#define _GNU_SOURCE\n{lines}"


def _numbers(code: str) -> str:
    """The module's constants that the program uses."""
    used = {name: number for name, number in module_numbers().items() if name in names_in(code)}
    if not used:
        return ""
    lines = "\n".join(f"\t{name} = {number}," for name, number in used.items())
    comment = "/* Requests, modes and types of the driver module: see pfnlab.h. */"
    return f"{comment}\nenum {{\n{lines}\n}};"


def _missing(code: str) -> str:
    used = [name for name in _NEW_NAMES if name in names_in(code)]
    return "\n".join(f"#ifndef {n}\n#define {n} {_NEW_NAMES[n]}\n#endif" for n in used)


def processes_of(repro: Reproducer) -> list[str]:
    """The scenario's processes in the order in which they come to life."""
    forked = [step.op.child for step in repro.scenario.steps if isinstance(step.op, ops.Fork)]
    return list(dict.fromkeys(["A", *forked]))


def _processes(repro: Reproducer, code: str) -> str:
    names = processes_of(repro)
    text = f"enum process {{ TEST, {', '.join(names)}, NR_PROCESSES }};"
    if "processes" in names_in(code):
        shown = ", ".join(f'"{name}"' for name in ("test", *names))
        text += f"\n\nstatic const char *const processes[] = {{ {shown} }};"
    return text


def _windows(repro: Reproducer) -> str:
    used = used_pages(repro.scenario)
    machine = repro.scenario.machine
    names = list(used) or ["NONE"]
    rows = [_window(name, used[name], machine) for name in used] or [
        '\t[NONE] = { "none", 0, 0, 0 },'
    ]
    head = (
        "struct place {\n\tconst char *name;\n\tconst char *device;\t/* PCI address, or NULL */\n"
        "\tint bar;\n\tunsigned long pages;\t/* that the steps use */\n};"
    )
    table = "static struct place windows[] = {\n" + "\n".join(rows) + "\n};"
    return f"enum window {{ {', '.join(names)}, NR_WINDOWS }};\n\n{head}\n\n{table}"


def _window(name: str, pages: int, machine: MachineSpec) -> str:
    window = machine.window(name)
    if window is None or not window.bdf:
        return f'\t[{name}] = {{ "{name}", NULL, 0, {pages} }},'
    return f'\t[{name}] = {{ "{name}", "{window.bdf}", {window.bar}, {pages} }},'


def _files(repro: Reproducer) -> str:
    numbers = [step.op.fd for step in repro.scenario.steps if isinstance(step.op, ops.Open)]
    for step in repro.scenario.steps:
        numbers += step.op.fds if isinstance(step.op, ops.VfioOpen) else ()
    return f"static int fd[{max(numbers) + 1}];" if numbers else ""


# ------------------------------------------------------------------- the steps


def _steps(repro: Reproducer) -> str:
    translation = Translation()
    blocks = []
    for step, good, firm in zip(repro.bad.steps, repro.good.steps, repro.firm, strict=True):
        checks = [check for check in repro.checks if check.step == step.number]
        blocks.append(_block(repro, step, good, checks, translation, firm=firm))
    return "static void steps(void)\n{\n" + "\n\n".join(blocks) + "\n}"


def _block(
    repro: Reproducer,
    step: StepRun,
    good: StepRun,
    checks: list[Check],
    translation: Translation,
    *,
    firm: bool,
) -> str:
    lines = ["\t/*", f"\t * Step {step.number}: {step.text}"]
    for line in Told(repro).expected(step, good):
        lines += [f"\t * {part}" for part in line]
    lines.append("\t */")
    lines += [f"\t{each}" for each in dict.fromkeys(c.prepare for c in checks) if each]
    action = translation.action(step.op)
    lines += [f"\tif (step({step.number}, {action.who}))", *_broken_up(action.statement)]
    what = quoted(f"step {step.number}: {step.text}")
    if not any(check.call("")[0] == "expect_success" for check in checks):
        lines += (
            _folded("must", (_errno(step), _signal(step), what))
            if firm
            else _folded("note", (what,))
        )
    for check in checks:
        name, *arguments = check.call("")
        text = quoted(f"step {step.number}: {step.text}: {check.claim}")
        lines += _folded(name, (*arguments[:-1], text))
    return "\n".join(lines)


def _broken_up(statement: str) -> list[str]:
    """A statement below an `if`; a long one goes on under the argument list it is broken in."""
    line = f"\t\t{statement}"
    if len(line.expandtabs(8)) <= COLUMNS:
        return [line]
    cut = line.rfind(", ", 0, COLUMNS - 16) + 1
    # The bracket that is open where the line is cut.
    depth, column = 0, 0
    for at in range(cut - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(line[at], 0)
        if depth < 0:
            column = len(line[: at + 1].expandtabs(8))
            break
    return [line[:cut], "\t" * (column // 8) + " " * (column % 8) + line[cut + 1 :]]


def _folded(name: str, arguments: tuple[str, ...]) -> list[str]:
    """A call; what is too long for a line goes on under its first argument."""
    head = f"\t{name}("
    plain = f"{head}{', '.join(arguments)});"
    if len(plain.expandtabs(8)) <= COLUMNS:
        return [plain]
    column = len(head.expandtabs(8))
    indent = "\t" * (column // 8) + " " * (column % 8)
    *first, last = arguments
    if not first:
        return [plain]
    return [f"{head}{', '.join(first)},", f"{indent}{last});"]


def _errno(step: StepRun) -> str:
    name = step.result.err
    if name in ("EOPNOTSUPP", "EAGAIN"):
        return name
    return name if hasattr(errno, name) else "0"


def _signal(step: StepRun) -> str:
    name = f"SIG{step.result.signal.removeprefix('SIG')}"
    return name if hasattr(signal, name) else "0"


# -------------------------------------------------------------------- the main


def _main(repro: Reproducer) -> str:
    used = used_pages(repro.scenario)
    machine = repro.scenario.machine
    all_ops = [step.op for step in repro.scenario.steps]
    lines = [
        "\tshared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,",
        "\t\t      MAP_SHARED | MAP_ANONYMOUS, -1, 0);",
        "\tif (shared == MAP_FAILED)",
        "\t\treturn 1;",
        "\tsetlinebuf(stdout);",
        '\tprintf("KTAP version 1\\n");',
        '\tneed(RESERVATIONS, "root, debugfs, and a kernel with CONFIG_X86_PAT and PAT enabled");',
    ]
    takes_arguments = any(w.bdf for n in used if (w := machine.window(n)))
    if takes_arguments:
        lines.insert(0, "\tname_windows(argc, argv);")
    vfio = {op.window for op in all_ops if isinstance(op, ops.VfioOpen)}
    touched = {op.window for op in all_ops if isinstance(op, ops.DriverBind | ops.DriverUnbind)}
    for name in used:
        window = machine.window(name)
        if window is not None and window.bdf:
            lines.append(f"\tfind_bar({name});")
            if name in vfio:
                lines.append(f"\tneed_vfio({name});")
            if name in touched:
                lines.append(f"\tdriver_of({name});")
            elif name not in machine.bound:
                lines.append(f"\tneed_unused({name});")
        elif window is not None:
            lines.append(f"\tset_place({name}, {window.start:#x}UL);")
    if any(isinstance(op, ops.Open) and op.target == "devmem" for op in all_ops):
        lines.append('\tneed("/dev/mem", "CONFIG_DEVMEM");')
    if _uses_module(repro, all_ops):
        lines += [
            '\tneed("/dev/pfnlab", "the module pfnlab");',
            '\tlab = open("/dev/pfnlab", O_RDWR);',
            "\tif (lab < 0)",
            '\t\tskip_all("cannot open /dev/pfnlab");',
        ]
    if any(check.prepare.startswith("log") for check in repro.checks):
        lines.append("\topen_log();")
    lines += [
        f'\tprintf("1..{len(repro.checks)}\\n");',
        "\tstart_first();",
        "\tsteps();",
        "\twhile (me != TEST)\t/* no step is left but to be killed */",
        "\t\tpause();",
        *_cleanup(all_ops),
        "\tfinish();",
    ]
    head = "int main(int argc, char **argv)" if takes_arguments else "int main(void)"
    return f"{head}\n{{\n" + "\n".join(lines) + "\n}"


def _uses_module(repro: Reproducer, all_ops: list[ops.Op]) -> bool:
    kernel = (ops.Ioremap, ops.Request, ops.WcReserve, ops.RamAlloc, ops.Zap, ops.ZapVma)
    more = (ops.Remap, ops.InsertPfn, ops.Fail)
    return any(
        isinstance(op, kernel + more) or (isinstance(op, ops.Open) and op.target == "driver")
        for op in all_ops
    ) or any(check.reads_tables for check in repro.checks)


def _cleanup(all_ops: list[ops.Op]) -> list[str]:
    """What the kernel still holds for the program is given back."""
    translation, held = Translation(), dict[ops.Op, None]()
    for op in all_ops:
        translation.action(op)
        match op:
            case ops.Ioremap(id=name):
                held[ops.Iounmap(name)] = None
            case ops.Request(window=window, off=off, pages=pages):
                held[ops.Release(window, off, pages)] = None
            case ops.WcReserve(window=window, off=off, pages=pages):
                held[ops.WcFree(window, off, pages)] = None
            case ops.Iounmap() | ops.Release() | ops.WcFree():
                held.pop(op, None)
    calls = [translation.action(op).statement for op in held]
    return [f"\t{call.removeprefix('result(').removesuffix(');')};" for call in calls]
