"""The kernel log in neutral form."""

from __future__ import annotations

from pfntrack.lab.observe.events import parse_log, parse_memtype_list
from pfntrack.lab.observe.regions import Region, Regions

REGIONS = Regions((Region("H", 0xFC000, 4096),))


def test_each_kind_of_pat_line() -> None:
    lines = [
        "x86/PAT: Overlap at 0xfc000000-0xfc008000",
        "x86/PAT: memtype_reserve added [mem 0xfc000000-0xfc00ffff], track uncached-minus, "
        "req write-combining, ret uncached-minus",
        "x86/PAT: memtype_free request [mem 0xfc000000-0xfc00ffff]",
        "x86/PAT: labA:78 freeing invalid memtype [mem 0xfc000000-0xfc003fff]",
        "x86/PAT: labA:69 conflicting memory types fc000000-fc010000 "
        "write-combining<->uncached-minus",
        "x86/PAT: memtype_reserve failed [mem 0xfc000000-0xfc00ffff], track write-combining, "
        "req write-combining",
        "x86/PAT: labA:9 map pfn expected mapping type uncached-minus for "
        "[mem 0xfc000000-0xfc003fff], got write-back",
        "x86/PAT: labA:9 map pfn RAM range req write-combining for "
        "[mem 0x05870000-0x0587ffff], got write-back",
    ]
    assert parse_log(lines, REGIONS) == [
        {"ev": "overlap", "range": ["H", 0, 8]},
        {"ev": "added", "range": ["H", 0, 16], "track": "UC-", "req": "WC", "ret": "UC-"},
        {"ev": "freed", "range": ["H", 0, 16]},
        {"ev": "free_invalid", "who": "labA", "range": ["H", 0, 4]},
        {"ev": "conflict", "who": "labA", "range": ["H", 0, 16], "a": "WC", "b": "UC-"},
        {"ev": "reserve_failed", "range": ["H", 0, 16], "track": "WC", "req": "WC"},
        {
            "ev": "expected_type",
            "who": "labA",
            "want": "UC-",
            "range": ["H", 0, 4],
            "got": "WB",
        },
        {"ev": "ram_type", "who": "labA", "want": "WC", "got": "WB", "pages": 16},
    ]


def test_warning_gives_function_and_chain_without_guesses() -> None:
    lines = [
        "------------[ cut here ]------------",
        "WARNING: CPU: 0 PID: 79 at arch/x86/mm/pat/memtype.c:1028 untrack_pfn+0xd5/0xe0",
        "Modules linked in: pfnlab(OE)",
        "RIP: 0010:untrack_pfn+0xd5/0xe0",
        "Call Trace:",
        " <TASK>",
        " ? __warn+0x7d/0xe0",
        " ? untrack_pfn+0xd5/0xe0",
        " unmap_single_vma+0xc2/0x110",
        " zap_page_range_single.part.0+0xf8/0x1d0",
        " </TASK>",
        "---[ end trace 0000000000000000 ]---",
        "x86/PAT: memtype_free request [mem 0xfc000000-0xfc00ffff]",
    ]
    assert parse_log(lines, REGIONS) == [
        {
            "ev": "warn",
            "file": "memtype.c",
            "func": "untrack_pfn",
            "stack": ["unmap_single_vma", "zap_page_range_single"],
        },
        {"ev": "freed", "range": ["H", 0, 16]},
    ]


def test_newer_form_of_a_warning() -> None:
    lines = ["WARNING: mm/memory.c:12 at remap_pfn_range+0x1/0x2, CPU#0: labA/90"]
    event = parse_log(lines, REGIONS)[0]
    assert (event["file"], event["func"]) == ("memory.c", "remap_pfn_range")


def test_oops_repeats_its_registers_after_the_end() -> None:
    lines = [
        "------------[ cut here ]------------",
        "kernel BUG at mm/memory.c:2229!",
        "invalid opcode: 0000 [#1] SMP",
        "RIP: 0010:remap_pfn_range+0x3bf/0x500",
        "Call Trace:",
        " lab_ioctl+0x1/0x2 [pfnlab]",
        " do_syscall_64+0x33/0x40",
        "---[ end trace 7d04ffcd5c8d8de1 ]---",
        "RIP: 0010:remap_pfn_range+0x3bf/0x500",
        "RAX: 80000000fc00002f RBX: ffff8880048be008 RCX: 000fffffffffffff",
        "note: labA[69] exited with irqs disabled",
    ]
    assert parse_log(lines, REGIONS) == [
        {
            "ev": "oops",
            "file": "memory.c",
            "func": "remap_pfn_range",
            "stack": ["lab_ioctl", "do_syscall_64"],
        },
        {"ev": "log", "text": "note: labA exited with irqs disabled"},
    ]


def test_list_in_the_kernels_order() -> None:
    text = (
        "PAT memtype list:\n"
        "PAT: [mem 0x00000000fc000000-0x00000000fc010000] write-combining\n"
        "PAT: [mem 0x00000000fed00000-0x00000000fed01000] uncached-minus\n"
    )
    assert parse_memtype_list(text, REGIONS) == [
        ["H", 0, 16, "WC"],
        ["0xfed00000", "0xfed01000", "UC-"],
    ]


def test_list_in_the_old_form() -> None:
    text = "uncached-minus @ 0xfc000000-0xfc001000\n"
    assert parse_memtype_list(text, REGIONS) == [["H", 0, 1, "UC-"]]


def test_empty_list() -> None:
    assert parse_memtype_list("", REGIONS) == []
