"""Warnings and BUGs are told by their functions, in every form in which kernels print them."""

from __future__ import annotations

import pytest

from pfntrack.field.answers import answer
from pfntrack.field.report_text import as_text
from pfntrack.field.triage import triage_text

PAT, MEMORY = "arch/x86/mm/pat/memtype.c", "mm/memory.c"
TASK = "CPU: 3 PID: 4411 Comm: prog Not tainted {release} #1\n"
# How the header of a warning looks: old and new, decoded by decode_stacktrace, cut short.
HEADERS = {
    "2.6": "WARNING: at {f}:7 {fn}+0x1c/0x50()\nPid: 4411, comm: prog Not tainted 2.6.32 #1\n",
    "4.4": "WARNING: CPU: 3 PID: 4411 at {f}:7 {fn}+0x1c/0x50()\n" + TASK,
    "6.1": "WARNING: CPU: 3 PID: 4411 at {f}:7 {fn}+0x1c/0x50\n"
    + TASK
    + "RIP: 0010:{fn}+0x1c/0x5\n",
    "6.1 decoded": "WARNING: CPU: 3 PID: 4411 at {f}:7 {fn} ({f}:7 (discriminator 3))\n"
    + TASK
    + "RIP: 0010:{fn} ({f}:7 (discriminator 3))\n",
    "7.1": "WARNING: {f}:7 at {fn}+0x1c/0x50, CPU#3: prog/4411\n"
    + TASK
    + "RIP: 0010:{fn}+0x1/0x5\n",
    "7.1 decoded": "WARNING: {f}:7 at {fn} ({f}:7), CPU#3: prog/4411\nRIP: 0010:{fn} ({f}:7)\n",
    "7.1 without symbols": "WARNING: {f}:7 at 0x0, CPU#3: prog/4411\nRIP: 0010:{fn}+0x1c/0x50\n",
    "syzbot": "WARNING: CPU: 1 PID: 4411 at {f}:7 {fn}+0x1c/0x50 {f}:7\nRIP: 0010:{fn}+0x1/0x5\n",
    "cut": "WARNING: CPU: 3 PID: 4411 at {f}:7\nRIP: 0010:{fn}+0x1c/0x50\n",
}
CASES = (
    (PAT, "reserve_pfn_range", "track_pfn_remap remap_pfn_range drv_mmap", "UNCLASSIFIED_TRACE"),
    (PAT, "reserve_pfn_range", "track_pfn_copy copy_page_range dup_mm", "FORK_COPY_FAILED"),
    (PAT, "pfnmap_track", "remap_pfn_range drv_mmap", "UNCLASSIFIED_TRACE"),
    (PAT, "pfnmap_untrack", "pfnmap_track_ctx_release free_vma", "UNCLASSIFIED_TRACE"),
    (PAT, "track_pfn_copy", "copy_page_range dup_mm copy_process", "FORK_COPY_FAILED"),
    (PAT, "untrack_pfn", "unmap_vmas exit_mmap copy_process", "UNTRACK_FAILED_FORK"),
    (PAT, "untrack_pfn", "unmap_vmas unmap_region move_vma", "UNTRACK_MREMAP_MOVE"),
    (PAT, "untrack_pfn", "zap_page_range_single remap_pfn_range", "UNTRACK_AFTER_FAILED_REMAP"),
    (PAT, "memtype_reserve", "__ioremap_caller ioremap_wc drv_probe", "RANGE_BOGUS"),
    (PAT, "memtype_free", "iounmap drv_remove", "UNCLASSIFIED_TRACE"),
    ("arch/x86/mm/pat/memtype_interval.c", "memtype_erase", "memtype_free", "UNCLASSIFIED_TRACE"),
    (MEMORY, "remap_pfn_range_internal", "remap_pfn_range drv_mmap", "REMAP_UNALIGNED"),
    (MEMORY, "insert_pfn", "vmf_insert_pfn drv_fault", "UNCLASSIFIED_TRACE"),
    ("mm/mmap.c", "mmap_region", "do_mmap vm_mmap_pgoff", "UNCLASSIFIED_TRACE"),
    ("include/linux/rwsem.h", "remap_pfn_range_internal", "remap_pfn_range drv_ioctl",
     "REMAP_WITHOUT_WRITE_LOCK"),
)  # fmt: skip
BUGS = {
    "5.x": "kernel BUG at mm/memory.c:2300!\ninvalid opcode: 0000 [#1]\nRIP: 0010:{fn}+0x1/0x2\n",
    "7.x": "kernel BUG at mm/memory.c:2300!\nOops: invalid opcode: 0000 [#1] SMP\n"
    "CPU: 1 UID: 0 PID: 7 Comm: prog Not tainted 7.1.0 #1\nRIP: 0010:{fn}+0x1/0x2\n",
    "decoded": "kernel BUG at mm/memory.c:2300!\nOops: invalid opcode: 0000 [#1] SMP\n"
    "RIP: 0010:{fn} (mm/memory.c:2300 (discriminator 1))\n",
    "4.4": "kernel BUG at /build/l/mm/memory.c:1674!\ninvalid opcode: 0000 [#1] SMP\n"
    "RIP: 0010:[<ffffffff811b>]  [<ffffffff811b>] {fn}+0x1/0x2\n",
    "i386": "kernel BUG at mm/memory.c:2300!\nEIP: 0060:[<c1>] EFLAGS: 1 CPU: 0\n"
    "EIP is at {fn}+0x1/0x2\n",
}


def _frames(names: str) -> str:
    lines = [f" {n}+0x10/0x20" + (" [drv]" if n.startswith("drv") else "") for n in names.split()]
    return "Call Trace:\n <TASK>\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]}-{case[2].split()[0]}")
def test_warning(header: str, case: tuple[str, str, str, str]) -> None:
    """The same functions give the same answer, whatever the header looks like."""
    file, func, frames, code = case
    text = HEADERS[header].format(f=file, fn=func, release="5.4.1") + _frames(frames)
    result = triage_text(text)
    assert result.diagnosis == code
    report = as_text(result)
    assert "RIP()" not in report and "at()" not in report
    driver = next((n for n in frames.split() if n.startswith("drv")), "")
    if driver and code in ("REMAP_UNALIGNED", "REMAP_WITHOUT_WRITE_LOCK", "RANGE_BOGUS"):
        assert f"{driver}() of drv" in answer(result.findings[0])


@pytest.mark.parametrize("header", BUGS)
@pytest.mark.parametrize(
    ("func", "frames", "code"),
    [
        ("remap_pfn_range", "drv_mmap", "REMAP_OVER_EXISTING"),
        ("remap_pte_range", "remap_pfn_range drv_mmap", "REMAP_OVER_EXISTING"),
        ("remap_pfn_range_internal", "remap_pfn_range drv_mmap", "REMAP_OVER_EXISTING"),
        ("vmf_insert_pfn_prot", "drv_fault", "INSERT_PFN_WRONG_VMA"),
        ("vm_insert_page", "drv_mmap", "INSERT_PFN_WRONG_VMA"),
    ],
)
def test_bug(header: str, func: str, frames: str, code: str) -> None:
    """The Oops line after a BUG is its second line, and the place may be in any notation."""
    result = triage_text(BUGS[header].format(fn=func) + _frames(frames))
    assert result.diagnosis == code
    assert "of drv" in answer(result.findings[0])


def test_places_that_only_the_catalogue_knows() -> None:
    """A warning without a rule is answered with what its place means."""
    text = HEADERS["7.1"].format(f=MEMORY, fn="insert_pfn", release="7.1.0") + _frames("drv_fault")
    assert "where another pfn is mapped already" in answer(triage_text(text).findings[0])


@pytest.mark.parametrize(
    "text",
    [
        "Call Trace:\n  ? __ioremap_caller+0x1bc/0x2e0\n  __alloc_pages_nodemask+0x245/0x280",
        "WARNING: CPU: 0 PID: 0 at ./arch/arm64/include/asm/io.h:275 acpi_os_ioremap+0x>",
        "the user pcie bar can only be mapped when the xdma driver is not loaded",
        "kernel BUG at mm/page_table_check.c:55! and they map PFNs directly",
    ],
)
def test_neighbouring_lines_are_shown(text: str) -> None:
    """Words of the subject inside names and prose are not passed over."""
    assert triage_text(text).verdict == "not recognised"
