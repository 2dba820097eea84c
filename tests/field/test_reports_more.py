"""More public reports, shortened: the first sentence is the right answer, small or in a large log.

Found where nobody had looked before; each row is the kind of a fault that was mended.
"""

from __future__ import annotations

import io

import pytest

from pfntrack.field.report_text import as_text
from pfntrack.field.triage import triage, triage_text

NOISE = "[    1.000000] usb 1-1: new high-speed device\n"
REPORTS: dict[str, tuple[str, str, str]] = {
    # Not memory types: who holds what, and what cures it.
    "the caller of a resource check is named": (
        "resource: resource sanity check: requesting [mem 0xfed10000-0xfed1dfff], which spans more "
        "than PCI Bus 0000:00 [mem 0xfed1c000-0xfed1cfff window]\n"
        "caller RouterDebug+0x142/0x190 [corefreqk] mapping multiple BARs\n",
        "NOT_PAT",
        "Harmless: a driver (RouterDebug() of corefreqk) mapped",
    ),
    "the owner of a BAR stands in the paste": (
        "2800000000-2fffffffff : 0000:c3:00.0\n"
        "  2800000000-2801fa3fff : BOOTFB\n"
        "    2800000000-2801fa3fff : simpledrm\n"
        "vfio-pci 0000:c3:00.0: BAR 0: can't reserve [mem 0x2800000000-0x2fffffffff 64bit pref]\n",
        "NOT_PAT",
        "claimed by BOOTFB and simpledrm in /proc/iomem",
    ),
    "without rows no owner is named": (
        "vfio-pci 0000:05:00.0: BAR 0: can't reserve [mem 0xd0000000-0xdfffffff 64bit pref]\n",
        "NOT_PAT",
        "claimed by another owner in /proc/iomem",
    ),
    "RAM through /dev/mem": (
        "$ sudo dd if=/dev/mem of=/dev/null\n"
        "dd: error reading '/dev/mem': Operation not permitted\n"
        "1048576 bytes (1.0 MB, 1.0 MiB) copied, 0.0943418 s, 11.1 MB/s\n",
        "NOT_PAT",
        "whatever iomem= says",
    ),
    "iomem=relaxed is not for RAM": (
        "Failed to mmap /dev/mem : Operation not permitted\n",
        "NOT_PAT",
        "nothing does for RAM",
    ),
    "a page of a driver's mapping": (
        "BUG: Bad page map in process gpio-pci-idio-1  pte:80000001bcea0027 pmd:22f4c4067\n"
        "page:ffffddd2c6f3a800 refcount:0 mapcount:-1 mapping:dead000000000400 index:0xa0\n"
        "addr:00007fb15f4f4000 vm_flags:1c0000fb anon_vma:0 mapping:ffff88 index:a0\n"
        "file:00000000-0000 fault:0x0 mmap:libmuser_mmap [muser] readpage:0x0\n"
        "Call Trace:\n print_bad_pte+0x1d1/0x2a0\n",
        "NOT_PAT",
        "libmuser_mmap() of muser made",
    ),
    "a check of protections inside set_memory": (
        "WARNING: CPU: 2 PID: 223 at ./arch/x86/include/asm/pgtable.h:781 "
        "__change_page_attr+0x32c/0x340\nRIP: 0010:__change_page_attr+0x32c/0x340\n",
        "NOT_PAT",
        "Not memory types but protections",
    ),
    "early ioremap of powerpc": (
        "ioremap() called early from pmac_feature_init+0xc8/0xac8. Use early_ioremap() instead\n",
        "NOT_PAT",
        "pmac_feature_init() calls ioremap()",
    ),
    "lines of coreboot": (
        "[DEBUG]  apic_id 0x1: MTRR: Fixed MSR 0x250 0x0606060606060606\n",
        "MTRR_STATE",
        "the firmware (coreboot)",
    ),
    # Failures whose reason is elsewhere.
    "ioremap failed, says the driver": (
        "> armv7sec armv7sec.0: shm ioremap failed\n"
        "> misc opteearmtz00: tee_get: opteearmtz00::start() failed, err=-12\n",
        "IOREMAP_FAILED",
        "got no mapping from ioremap()",
    ),
    "ioremap failed, and the kernel says why": (
        "ioremap on RAM at 0x0000000182b47000 - 0x0000000182b47fff\nmydrv: ioremap failed\n",
        "IOREMAP_ON_RAM",
        "system RAM",
    ),
    "a bisection names the change": (
        "mmap64 fails with 6.16 or later: `dma_mmap_coherent()` in `hfi1_file_mmap()`\n"
        "f8e97613fed25758ddf52159b87e1c66e619a23a is the first bad commit\n",
        "TRACKCTX_SECOND_REMAP",
        "a second time",
    ),
    "a driver that refuses for want of write-combining": (
        "NVRM: VM: memory type 0 WC support is unavailable!\n"
        "NVRM nvCheckOkFailedNoLog: Check failed: Call not supported [NV_ERR_NOT_SUPPORTED]\n",
        "WC_UNAVAILABLE_TO_DRIVER",
        "refuses what needs it",
    ),
    "numbers of a header replaced by letters": (
        "WARNING: CPU: X PID: XXXX at include/linux/rwsem.h:80 follow_pte+0xf8/0x120 on resume\n"
        "ott 25 09:07:35 SUSNEPO kernel:  ? do_wp_page+0x7ad/0xbc0\n",
        "UNTRACK_FROM_ZAP_WITHOUT_MMAP_LOCK",
        "without the mmap lock",
    ),
}


@pytest.mark.parametrize("name", REPORTS)
def test_first_answer(name: str) -> None:
    """Code and sentence are the right ones."""
    text, code, part = REPORTS[name]
    result = triage_text(text)
    assert (result.diagnosis or result.verdict) == code
    assert part in " ".join(as_text(result)[:600].split())


@pytest.mark.parametrize("name", [n for n in REPORTS if "paste" not in n and "/dev/mem" not in n])
def test_first_answer_in_a_large_log(name: str) -> None:
    """The sieve keeps the lines that the answer rests on."""
    text, code, _ = REPORTS[name]
    result = triage(io.BytesIO((NOISE * 8_000 + text + NOISE * 3).encode()))
    assert (result.diagnosis or result.verdict) == code


def test_questions_are_sent_to_their_topics() -> None:
    """Where only words of the subject stand, the topics that they name are offered."""
    text = as_text(triage_text("the file_operation calls `remap_pfn_range` with `PAGE_SHARED`"))
    assert "pfntrack explain remap_pfn_range" in text
