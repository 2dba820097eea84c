"""Kernel memory of booted guests: identical to their own text files where both see it."""

from __future__ import annotations

import contextlib
import os
import random
from collections import Counter
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from audit.build import codes, only
from audit.guests import DEVICES, LIST, STEPS, Holey, Observed, Op, Player, observe, rows_of
from audit.inside import RoomyGuest, files_with_python
from pfntrack.audit import report_json
from pfntrack.audit.judged import checks_mapping
from pfntrack.audit.judged.checks import Audit, audit
from pfntrack.audit.memory import program
from pfntrack.audit.memory.collect import MemoryCollector
from pfntrack.audit.watch import Watch, moment
from pfntrack.errors import GuestError, InputFormatError
from pfntrack.lab.guests.guest import Guest
from pfntrack.lab.guests.qemu import require_tools
from pfntrack.lab.images.build import boot_files
from pfntrack.lab.images.find import find
from pfntrack.lab.observe.regions import PAGE_SIZE
from pfntrack.pat.cachemode import CacheMode
from pfntrack.state import Process, VmaState

pytestmark = pytest.mark.lab

KERNELS = os.environ.get("PFNTRACK_TEST_KERNELS", "debian:6.1,debian:6.12,debian:7.3").split(",")
every_kernel = pytest.mark.parametrize("kernel", KERNELS)
# The bits of `pgprot` that choose the cache mode, by the layout that every Linux programs.
_BY_BITS = {0: CacheMode.WB, 1: CacheMode.WC, 2: CacheMode.UC_MINUS, 3: CacheMode.UC}
_FOLDERS: list[TemporaryDirectory[str]] = []


@cache
def guest(kernel: str) -> Observed:
    """One boot per kernel; its files stay until the tests are over."""
    folder = TemporaryDirectory(prefix="pfntrack-test-")
    _FOLDERS.append(folder)
    try:
        require_tools()
        return observe(kernel, Path(folder.name))
    except GuestError as error:
        pytest.skip(f"no guest can be booted here: {error}")


def teardown_module() -> None:
    guest.cache_clear()
    while _FOLDERS:
        _FOLDERS.pop().cleanup()


def both(kernel: str) -> list[Audit]:
    seen = guest(kernel)
    return [seen.from_dump, seen.from_qemu]


@every_kernel
def test_reservations_are_those_of_the_list_in_its_order(kernel: str) -> None:
    """memtype_rbroot walked in memory is pat_memtype_list, line by line."""
    listed = guest(kernel).from_text.evidence.state.reservations
    assert len(listed) > 10
    for made in both(kernel):
        assert made.evidence.state.reservations == listed


def _plain(process: Process, vma: VmaState) -> tuple[Any, ...]:
    """What smaps shows of a VMA; of the flags those that both know."""
    ours = {"rd", "wr", "ex", "sh", "mr", "mw", "me", "ms", "pf", "io", "dc", "de", "mm", "ar"}
    flags = frozenset(vma.flags.split()) & ours
    place = (vma.start, vma.end, vma.permissions, vma.pgoff, vma.file)
    return process.name, process.pid, *place, "ar" in flags, flags


@every_kernel
def test_mappings_are_those_of_smaps(kernel: str) -> None:
    """Processes, ranges, permissions, offsets, files and flags, VM_PAT among them."""
    text = guest(kernel).from_text.evidence.state.processes
    known = {_plain(process, vma) for process in text for vma in process.vmas}
    assert len(known) >= 8
    for made in both(kernel):
        state = made.evidence.state
        assert {_plain(p, vma) for p in state.processes for vma in p.vmas} == known


@every_kernel
def test_page_tables_and_contexts_are_those_that_a_module_sees(kernel: str) -> None:
    """Every present entry with pfn, type and write bit, and every context with its count."""
    details = guest(kernel).details
    for made in both(kernel):
        contexts = {context.id: context for context in made.evidence.state.contexts}
        seen = 0
        for process in made.evidence.state.processes:
            for vma in process.vmas:
                detail = details[process.name][vma.start * PAGE_SIZE]
                assert vma.prot is _BY_BITS[_index(detail.prot)]
                assert _pages(vma) == {
                    leaf.at // PAGE_SIZE + n: (
                        leaf.pfn + n if leaf.bits & 1 << 9 else None,
                        _BY_BITS[_index(leaf.bits)],
                        bool(leaf.bits & 2),
                    )
                    for leaf in detail.leaves
                    for n in range(leaf.pages)
                }
                seen += len(_pages(vma))
                if detail.ctx is None:
                    assert vma.context is None
                else:
                    assert vma.context is not None
                    context = contexts[vma.context]
                    _, pfn, pages, refs = detail.ctx
                    assert context.start == pfn * PAGE_SIZE
                    assert context.end == (pfn + pages) * PAGE_SIZE
                    assert context.refs == refs
        assert seen > 60


def _index(bits: int) -> int:
    assert not bits & 1 << 7
    return bits >> 3 & 3


def _pages(vma: VmaState) -> dict[int, tuple[int | None, CacheMode, bool]]:
    return {
        entry.start + n: (
            None if entry.pfn is None else entry.pfn + n,
            entry.type,
            entry.write,
        )
        for entry in vma.entries
        for n in range(entry.end - entry.start)
    }


@every_kernel
def test_ioremap_areas_are_those_of_vmallocinfo(kernel: str) -> None:
    """Ranges and callers, those in modules too; their types are read from page tables."""
    text = guest(kernel).from_text.evidence.state.kernel_mappings
    known = Counter((area.owner, area.start, area.end) for area in text)
    assert any("[pfnlab]" in owner for owner, _, _ in known)
    for made in both(kernel):
        state = made.evidence.state
        areas = state.kernel_mappings
        assert Counter((area.owner, area.start, area.end) for area in areas) == known
        types = {(row.start, row.end): row.type for row in state.reservations}
        assert [a.type for a in areas] == [types.get((a.start, a.end), a.type) for a in areas]
        assert CacheMode.WC in {area.type for area in areas}


@every_kernel
def test_resources_devices_and_registers_are_those_of_the_text_files(kernel: str) -> None:
    """iomem with its depth, BARs, drivers, variable MTRRs, the release."""
    text = guest(kernel).from_text.evidence
    known = {device.name: device for device in text.devices}
    for made in both(kernel):
        evidence = made.evidence
        assert evidence.resources == text.resources
        assert evidence.state.claims == text.state.claims
        assert {d.name: d for d in evidence.devices if d.name in DEVICES} == known
        assert evidence.mtrr is not None
        assert text.mtrr is not None
        assert evidence.mtrr.variable == text.mtrr.variable
        assert evidence.release is text.release
        assert evidence.state.kernel == text.state.kernel
        assert evidence.pat_on is text.pat_on is True


@every_kernel
def test_failed_releases_are_in_the_log_buffer(kernel: str) -> None:
    """The log in memory holds the lines that the guest printed, with the same ranges."""
    text = guest(kernel).from_text.evidence
    known = [(line.start, line.end) for line in text.free_lines]
    assert bool(known) is text.vm_pat
    for made in both(kernel):
        assert [(line.start, line.end) for line in made.evidence.free_lines] == known


@every_kernel
def test_nothing_was_missing_and_types_came_from_btf(kernel: str) -> None:
    """A complete dump leaves no question open, without any debug information."""
    for made in both(kernel):
        assert made.evidence.missing == ()
        assert made.undecided == ()
        assert "BTF" in made.evidence.sources.types


@every_kernel
def test_owners_are_those_that_text_files_show(kernel: str) -> None:
    """Who holds each entry, as a multiset: equal entries cannot be told apart."""

    def owners(made: Audit) -> Counter[tuple[Any, ...]]:
        pairs = zip(made.evidence.state.reservations, made.owners.holdings, strict=True)
        shared = made.evidence.contexts
        return Counter(
            (row, held.standing, checks_mapping.holders(held, shared=shared)) for row, held in pairs
        )

    known = owners(guest(kernel).from_text)
    for made in both(kernel):
        assert owners(made) == known


@every_kernel
def test_findings_name_what_was_done(kernel: str) -> None:
    """C's leak, A's copied first page, the revoked mapping's last pages; nothing on 7.3."""
    for made in both(kernel):
        found = [code for code in codes(made) if code != "copy-not-write-back"]
        if made.evidence.contexts:
            assert found == []
            continue
        stale = only(made, "stale-reservation")
        assert stale.confidence == "certain"
        assert stale.where is not None
        assert stale.where[1] - stale.where[0] == 4 * PAGE_SIZE
        fork = only(made, "next-fork-fails")
        assert fork.confidence == "certain"
        lost = [f for f in made.findings if f.code == "lost-tracking"]
        # A and its child B both map the two pages behind the driver's BAR.
        assert len(lost) == 2
        for each in lost:
            assert each.confidence == "certain"
            assert each.where is not None
            assert each.where[1] - each.where[0] == 2 * PAGE_SIZE


@every_kernel
def test_the_forecast_came_true(kernel: str) -> None:
    """After everybody's exit the list holds what was predicted, and the log says so."""
    seen = guest(kernel)
    logged = [line for line in seen.log_after if "freeing invalid memtype" in line]
    for made in (*both(kernel), seen.from_text):
        kept = [
            (row.start, row.end, row.type.cattr)
            for row, held in zip(
                made.evidence.state.reservations, made.owners.holdings, strict=True
            )
            if held.area is not None
        ]
        left = [(start, end, kind.cattr) for start, end, kind in made.forecast.everyone]
        assert Counter(kept + left) == rows_of(seen.list_after)
        assert len(made.forecast.log) == len(logged)
        for line, real in zip(made.forecast.log, logged, strict=True):
            assert line in real


@every_kernel
def test_a_dump_with_holes_claims_nothing_that_it_cannot_see(kernel: str) -> None:
    """Pages that the audit needs are taken away at random: fewer claims, never another one."""
    with contextlib.closing(Holey(guest(kernel).dump)) as holey:
        machine = program.prepare(holey.prog, "holey", None, live=False)
        holey.touched.clear()
        collector = MemoryCollector(lambda: machine)
        whole = audit(collector.collect())
        assert whole.evidence.missing == ()
        touched = sorted(holey.touched)
        chance = random.Random(1)
        silent = 0
        for trial in range(120):
            holey.holes = set(chance.sample(touched, chance.choice((1, 1, 3, 20))))
            try:
                made = audit(collector.collect())
            except InputFormatError as error:
                assert "\n" not in str(error)
                continue
            claims = {(f.code, f.where, f.pids) for f in made.findings if f.severity == "error"}
            assert claims <= {(f.code, f.where, f.pids) for f in whole.findings}, trial
            if made.forecast.decidable:
                assert made.forecast.everyone == whole.forecast.everyone, trial
                assert made.forecast.log == whole.forecast.log, trial
            if made.evidence.missing:
                silent += not made.undecided
        assert silent < 60, "most holes must leave a question open"


@every_kernel
def test_a_compressed_dump_leads_to_the_same_audit(kernel: str) -> None:
    """QEMU's kdump form, which names no kernel, holds what the ELF dump does."""
    seen = guest(kernel)
    packed = audit(MemoryCollector(lambda: program.open_vmcore(seen.kdump)).collect())
    was, now = report_json.as_json(seen.from_dump), report_json.as_json(packed)
    for made in (was, now):
        del made["input"]["name"]
    assert now == was
    assert packed.findings


@every_kernel
def test_a_dump_that_was_cut_off_is_one_line_of_error_or_a_report(
    kernel: str, tmp_path: Path
) -> None:
    """The end of the file is missing, as after a full disk."""
    source = guest(kernel).dump
    data = source.read_bytes()
    for part in (0.0, 0.0001, 0.2, 0.5, 0.9):
        cut = tmp_path / "cut"
        cut.write_bytes(data[: int(len(data) * part)])
        try:
            audit(MemoryCollector(partial(program.open_vmcore, cut)).collect())
        except InputFormatError as error:
            assert "\n" not in str(error)
            assert str(cut) in str(error)


@every_kernel
def test_a_kernel_read_from_inside_is_the_one_seen_from_outside(
    kernel: str, tmp_path: Path
) -> None:
    """`audit --live` in the guest, through /proc/kcore, against QEMU's view and the list."""
    dumped = guest(kernel).dump
    booted = RoomyGuest(files_with_python(find(kernel), dumped, tmp_path))
    with booted:
        player = Player(booted)
        for op in STEPS:
            player.play(op)
        inside = booted.audit_live(240)
        outside = MemoryCollector(partial(program.open_qemu, booted.outside)).collect()
        listed = booted.text(LIST)
    assert inside["input"]["name"] == "/proc/kcore"
    assert inside["input"]["types"] == "/sys/kernel/btf/vmlinux"
    assert (inside["missing"], inside["unstable"]) == ([], [])
    assert Counter(
        (row["start"], row["end"], row["type"]) for row in inside["reservations"]
    ) == rows_of(listed)
    seen = report_json.as_json(audit(outside))
    for part in ("kernel", "reservations", "mappings", "contexts", "kernel_mappings", "findings"):
        assert inside[part] == seen[part], part
    assert len(inside["mappings"]) >= 8


@every_kernel
def test_watching_cycles_of_a_guest_tells_leaks_from_rebinding(kernel: str) -> None:
    """Unbinding and binding a driver is steady; a program that leaks each time is a leak."""
    leak = [op for op in STEPS if op.get("p") == "C"]
    rebind = [op for op in STEPS if op["op"].startswith("driver_")]
    with Guest(boot_files(find(kernel))) as booted:
        collector = MemoryCollector(partial(program.open_qemu, booted.outside))

        def cycles(steps: Sequence[Op]) -> Watch:
            made = Watch(moment(collector.collect(), "before"))
            for number in range(3):
                player = Player(booted)
                for op in steps:
                    # Another place each time: at one place a leak gives way to the next.
                    far = {"off": op["off"] + 32 * number} if "off" in op else {}
                    player.play({**op, **far})
                made = made.plus(moment(collector.collect(), f"cycle {number}"))
            return made

        steady, leaking = cycles(rebind), cycles(leak)
        flagged = collector.collect().vm_pat
    assert (steady.verdict(), steady.suspects()) == ("steady", ())
    assert leaking.verdict() == ("leaking" if flagged else "steady")
    if flagged:
        found = leaking.suspects()
        assert [(each.after, each.grew_in) for each in found] == [(1, (1,)), (1, (2,)), (1, (3,))]
        assert {each.row[1] - each.row[0] for each in found} == {4 * PAGE_SIZE}
