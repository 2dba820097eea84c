"""The .pfn language: every operation can be said, and is read back as it was."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.extra.lark import from_lark

from examples import examples
from pfntrack.drivers.parametric import MODES
from pfntrack.errors import ScenarioError
from pfntrack.mm import ops
from pfntrack.mm.calls.madvise import ADVICES
from pfntrack.mm.overlap import Overlap
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.physical import Window
from pfntrack.scenario import (
    Entries,
    Expect,
    ExpectEntries,
    ExpectLeaks,
    ExpectLog,
    ExpectMappings,
    ExpectProperty,
    ExpectReservations,
    ExpectResult,
    ExpectStruck,
    ExpectTracked,
    Held,
    MachineSpec,
    Pages,
    Said,
    Scenario,
    Step,
    format_scenario,
    parse,
)
from pfntrack.scenario.expect import PROPERTIES
from pfntrack.scenario.syntax import parser

# What exists before the generated step: descriptors of each kind, a child,
# a process that is gone, RAM and a kernel mapping.
PREAMBLE = (
    ops.Open("A", 0, "driver", "H"),
    ops.Open("A", 1, "devmem"),
    ops.VfioOpen("A", (2, 3, 4), "H"),
    ops.RamAlloc("0", 16),
    ops.Ioremap("regs", "L", 0, 1),
    ops.Fork("A", "B"),
)
cache = st.sampled_from(CacheMode)
p = st.sampled_from("AB")
page = st.integers(0, 1 << 36)
count = st.integers(0, 1 << 20)
some = st.integers(1, 1 << 20)
flag = st.booleans()
prot = st.sampled_from(["rwx", "rw", "rx", "wx", "r", "w", "x", "-"])
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
name = st.from_regex(r"[a-z0-9_][a-z0-9_-]{0,8}", fullmatch=True)
in_window = st.tuples(st.integers(0, 8), st.integers(1, 8))


@st.composite
def pages(draw: st.DrawFn) -> Pages:
    first, length = draw(in_window)
    return Pages(draw(st.sampled_from(["H", "L", "ram0"])), first, first + length)


def on_window(kind: type[ops.Op]) -> st.SearchStrategy[ops.Op]:
    return in_window.map(lambda where: kind("H", *where))  # type: ignore[call-arg]


operations: list[st.SearchStrategy[ops.Op]] = [
    st.builds(ops.Open, p, st.integers(0, 99), st.just("sysfs"), st.just("H"), flag, readonly=flag),
    st.builds(ops.Open, p, st.integers(0, 99), st.just("devmem"), sync=flag, readonly=flag),
    st.builds(
        ops.Open,
        p,
        st.integers(0, 99),
        st.just("driver"),
        st.sampled_from(["H", "ram0"]),
        readonly=flag,
        mode=st.sampled_from(MODES),
        cache=cache,
        first=count,
        pages=count,
    ),
    st.builds(
        ops.Open, p, st.integers(0, 99), st.just("path"), sync=flag, readonly=flag, path=text
    ),
    st.builds(ops.Close, p, st.just(0)),
    st.builds(ops.Mmap, p, page, count, st.sampled_from([0, 1, 4]), page, flag, prot),
    in_window.flatmap(
        lambda where: st.builds(
            ops.Mmap,
            p,
            page,
            st.just(where[1]),
            st.just(1),
            st.just(where[0]),
            flag,
            prot,
            st.just("L"),
        )
    ),
    st.builds(ops.AnonOver, p, page, count, prot),
    st.builds(ops.Munmap, p, page, count),
    st.builds(ops.Mprotect, p, page, count, prot),
    st.builds(ops.Madvise, p, page, count, st.sampled_from(sorted(ADVICES))),
    st.builds(ops.Mremap, p, page, count, count, flag, flag, flag, st.none() | page),
    st.builds(ops.Mlock, p, page, count, flag),
    st.builds(ops.Mseal, p, page, count),
    st.builds(ops.Read, p, page),
    st.builds(ops.Access, p, page),
    st.builds(ops.Write, p, page),
    st.builds(ops.Fork, p, st.sampled_from("CDZ")),
    st.builds(ops.Exit, p, flag),
    st.builds(ops.Zap, p, st.just(0), page, count, flag),
    in_window.flatmap(
        lambda where: st.builds(
            ops.Zap,
            p,
            st.just(0),
            st.just(where[0]),
            st.just(where[1]) | st.just(0),
            flag,
            st.just("H"),
        )
    ),
    st.builds(ops.ZapVma, p, page, count),
    in_window.flatmap(
        lambda where: st.builds(
            ops.Remap, p, page, st.just(where[1]), st.just("H"), st.just(where[0]), cache
        )
    ),
    st.builds(ops.InsertPfn, p, page, st.just("ram0"), st.integers(0, 15)),
    in_window.flatmap(
        lambda where: st.builds(
            ops.Ioremap,
            name.filter(lambda n: n != "regs"),
            st.just("H"),
            st.just(where[0]),
            st.just(where[1]),
            cache,
        )
    ),
    st.just(ops.Iounmap("regs")),
    on_window(ops.Request),
    on_window(ops.Release),
    on_window(ops.WcReserve),
    on_window(ops.WcFree),
    st.builds(ops.RamAlloc, st.integers(1, 7).map(str), st.integers(1, 1024)),
    st.builds(ops.RamType, st.just("0"), cache),
    st.builds(ops.DriverBind, st.just("R")),
    st.builds(ops.DriverUnbind, st.just("R")),
    st.builds(ops.SetMtrr, text),
    st.builds(ops.Sysctl, st.just("vm/max_map_count"), st.integers(0).map(str) | text),
    st.builds(
        ops.Fail,
        p,
        st.from_regex(r"[a-z_][a-z0-9_]{0,20}", fullmatch=True),
        st.integers(1, 9),
        st.integers(-4095, 10),
        st.none() | page,
    ),
    st.builds(ops.Unfail, p),
    st.builds(ops.VfioOpen, p, st.just((7, 8, 9)), st.just("H")),
    st.builds(ops.VfioMemory, p, st.just(4), flag),
    st.builds(
        Overlap,
        st.builds(ops.Munmap, p, page, count),
        st.builds(ops.Fork, p, st.sampled_from("CDZ")),
        st.lists(st.tuples(st.integers(0, 1), count), max_size=3).map(tuple),
    ),
]
any_op = st.one_of(operations)
on = st.lists(
    st.sampled_from(["5.10", "6.1", "7.3", "6.1..6.12", "6.12.23..6.12.30", "vm-pat"]), max_size=3
).map(tuple)
held = st.lists(st.builds(Held, pages(), cache), max_size=3).map(tuple)
two = st.tuples(cache, cache)
said = st.one_of(
    st.builds(Said, st.just("freeing_invalid"), pages()),
    st.builds(
        Said, st.sampled_from(["conflicting_types", "expected_type", "ioremap_error"]), pages(), two
    ),
    st.builds(Said, st.just("ram_type"), types=two),
    st.builds(Said, st.sampled_from(["warn", "bug"]), text=st.just("untrack_pfn")),
    st.builds(Said, st.just("line"), text=text),
)


@st.composite
def runs(draw: st.DrawFn) -> Entries:
    to = draw(st.none() | pages())
    if to is None:
        return Entries(draw(page), draw(some))
    return Entries(draw(page), to.end - to.first, to, draw(cache))


names = st.lists(st.sampled_from(PROPERTIES), min_size=1, max_size=3).map(tuple)
properties = st.builds(ExpectProperty, names, flag, on=on)
claims: st.SearchStrategy[Expect] = st.one_of(
    st.builds(
        ExpectResult,
        st.sampled_from(["ok", "EINVAL", "EAGAIN", "SIGBUS", "SIGSEGV", "NULL"]),
        on=on,
    ),
    st.builds(ExpectStruck, st.integers(0, 9), on=on),
    st.builds(ExpectReservations, held, on=on),
    st.builds(ExpectLog, st.lists(said, max_size=3).map(tuple), on=on),
    st.builds(ExpectTracked, p, page, count, flag, on=on),
    st.builds(
        ExpectMappings,
        p,
        st.lists(st.tuples(page, some).map(lambda a: (a[0], a[0] + a[1])), max_size=3).map(tuple),
        on=on,
    ),
    st.builds(ExpectEntries, p, st.lists(runs(), max_size=3).map(tuple), on=on),
    properties,
)
machines = st.builds(
    MachineSpec,
    pat=st.sampled_from(["full", "lower-four", "legacy", "off"]),
    windows=st.lists(
        st.builds(
            Window,
            st.sampled_from(["BIG", "X1"]),
            st.integers(0, 1 << 30),
            some,
            bdf=st.just("0000:00:07.0"),
            bar=st.integers(0, 5),
            prefetchable=flag,
        )
        | st.builds(Window, st.just("LOW"), st.integers(0, 255), some, prefetchable=st.just(False)),
        unique_by=lambda window: window.name,
        max_size=2,
    ).map(tuple),
    phys_bits=st.integers(32, 52),
    overcommit_pages=st.integers(0, 1 << 40),
    mtrrs=flag,
)
final = st.lists(st.builds(ExpectLeaks, held, on=on) | properties, max_size=3).map(tuple)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    steps = [Step(op, expects=()) for op in PREAMBLE]
    steps.append(Step(draw(any_op), expects=tuple(draw(st.lists(claims, max_size=3)))))
    return Scenario(
        name=draw(name),
        about=draw(text),
        tags=tuple(draw(st.lists(name, max_size=3))),
        machine=draw(machines),
        steps=tuple(steps),
        final=draw(final),
    )


@given(scenarios())
@settings(max_examples=examples(120), suppress_health_check=list(HealthCheck))
def test_round_trip(scenario: Scenario) -> None:
    """What the formatter writes, the parser reads back as the same value."""
    assert scenario == parse(format_scenario(scenario))


@given(scenarios())
@settings(max_examples=examples(30), suppress_health_check=list(HealthCheck))
def test_canonical_form_is_stable(scenario: Scenario) -> None:
    """Formatting what was parsed changes nothing any more."""
    text = format_scenario(scenario)
    assert text == format_scenario(parse(text))


def test_every_operation_is_generated() -> None:
    """The round trip above covers the whole vocabulary of operations."""
    quick = settings(phases=[Phase.generate], database=None)
    source = {kind.__name__ for kind in ops.Op.__subclasses__()}
    said = {type(find(kind, lambda _: True, settings=quick)).__name__ for kind in operations}
    assert source == said


@given(from_lark(parser(), start="file"))
@settings(max_examples=examples(50), suppress_health_check=list(HealthCheck), deadline=None)
def test_grammatical_text_is_read_or_refused(text: str) -> None:
    """Whatever the grammar derives is read, or refused with one line that says where."""
    try:
        parse(text, "x.pfn")
    except ScenarioError as error:
        assert "\n" not in str(error)
        assert str(error).startswith("x.pfn:")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text at all makes the parser fail in another way than by ScenarioError."""
    with pytest.raises(ScenarioError):
        parse(text, "x.pfn")


HEAD = "scenario x\nA opens resource2_wc of H\nA maps fd0[0,4) at 0\n"


def test_layout_does_not_count() -> None:
    """Comments, blank lines, indentation, CRLF, a BOM and a missing last newline change nothing."""
    plain = parse(HEAD + "A exits\n  expect: ok\n")
    odd = (
        "\ufeff# first\r\n\r\n" + HEAD.replace("\n", "   # why\r\n\r\n") + "\tA exits\r\nexpect: ok"
    )
    assert plain == parse(odd)


def test_lines_are_remembered() -> None:
    """Steps and claims know the line that they stand on."""
    found = parse(HEAD + "\nA exits\n  # a word\n  expect: ok\n")
    assert [step.line for step in found.steps] == [2, 3, 5]
    assert [claim.line for claim in found.steps[-1].expects] == [7]


def test_short_forms() -> None:
    """Defaults may be left out: descriptor numbers, BAR numbers, types."""
    short = parse(
        "scenario x\nA opens resource of H\nA opens driver on H\n"
        "kernel ioremaps L[0,1) as regs\n  expect on 6.1: ok; log none\n"
        "fail __pte_alloc in A\n"
    )
    assert ops.Open("A", 1, "driver", "H", cache=CacheMode.UC_MINUS) == short.steps[1].op
    assert [claim.on for claim in short.steps[2].expects] == [("6.1",), ("6.1",)]
    assert ops.Fail("A", "__pte_alloc") == short.steps[3].op


def test_hexadecimal_pages() -> None:
    """Physical page numbers may be written as the kernel prints them."""
    found = parse("scenario x\nA opens /dev/mem\nA maps fd0[0xa0,0xa4) at 0\n")
    assert ops.Mmap("A", 0, 4, 0, 160) == found.steps[1].op


def test_machine_values() -> None:
    """A machine block becomes the model's machine and MTRRs."""
    spec = parse("scenario x\nmachine\npat off\nno mtrr\nphysical bits 36\nA exits\n").machine
    assert spec.machine().pat is None
    assert spec.machine().phys_bits == 36
    assert not spec.mtrr().enabled
    standard = MachineSpec()
    assert [window.name for window in standard.machine().windows] == ["H", "L", "R"]
    assert standard.mtrr().variable[0].type == 0
    assert attrs.evolve(standard, pat="legacy").machine().layout.name == "legacy"
