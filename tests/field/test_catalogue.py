"""The catalogue against what kernels can print: nothing unknown, nothing guessed."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

from pfntrack.cli.main import main
from pfntrack.field.catalogue.lookup import find
from pfntrack.field.catalogue.messages.message import Message

# Formats that stand in files of the subject and are not about it: file, format, and why.
REASONS = (
    (r"drivers/video/fbdev/.*", r".*(size=|mode is|scrolling|pmi|protected mode|linelength|using"
     r"|palette|BGRT|boot graphics|probing for|framebuffer at|BAR has moved|assigned to efifb"
     r"|registered|format=|invalid framebuffer).*", "a framebuffer's account of itself"),
    (r"drivers/video/fbdev/simplefb.c", r".*(clock|regulator|power-domain|domain|property|"
     r"format value|memory-region|Unable to register|No memory resource).*", "device tree"),
    (r"drivers/video/fbdev/.*", r".*(colormap|register framebuffer|sysfs attrs|PInS memtype).*|%x",
     "no mapping"),
    (r"drivers/video/fbdev/efifb.c", "", "a parent device that cannot be had"),
    (r"arch/x86/kernel/cpu/mtrr/generic.c", r"%.*", "rows of tables whose heading is known"),
    (r"arch/x86/mm/pat/cpa-test.c", r"ok\.", "one word, at the end of a line that is known"),
    (r"arch/x86/kvm/vmx/vmx.c", r".*PAT = .*", "registers of a guest that failed to start"),
    (r"drivers/gpu/drm/.*", r".*(PAT index|PAT entries|PAT table|write combiner).*",
     "a GPU's own tables of the same name"),
    (r"drivers/dax/.*", r".*(trace|alignment|pgoff_to_phys|size = |op=|dynamic-dax|static pgmap).*",
     "device-dax about its own tables and page faults"),
    (r"arch/x86/pci/i386.c|drivers/pci/setup-res.c",
     r".*(reserving|disabling ROM|immovable|: claiming).*",
     "the course of resource allocation, nothing went wrong"),
    (r"drivers/pci/pci.c", r"This architecture .*", "not on x86"),
    (r"drivers/uio/.*", r".*highly discouraged", "advice to a driver's author, any type"),
    (r"lib/iomap.c", r"Bad IO access at port .*", "I/O ports"),
    (r"mm/memory-tiers.c", r".*", "tiers of memory, not types of caching"),
)  # fmt: skip
ROWS = [tuple(row) for row in json.loads(
    files("pfntrack.field.catalogue.messages").joinpath("kernel_messages.json").read_text("utf-8")
)]  # fmt: skip


def _excused(file: str, text: str) -> bool:
    return any(re.fullmatch(f, file) and re.fullmatch(t, text) for f, t, _ in REASONS)


def _example(file: str, function: str, call: str, text: str) -> str:
    """A line as the kernel would print it."""
    if not text:
        if "BUG" in call and not call.startswith("VM_WARN"):
            return f"kernel BUG at {file}:123!\nRIP: 0010:{function}+0x1f/0x30"
        return f"WARNING: CPU: 0 PID: 1 at {file}:123 {function}+0x1f/0x30"
    sizes = ((r"%p[RrahDks]?\w?", "[mem 0x1000-0x1fff]"), (r"%[-#0-9*]*(?:l|ll|L|z)?[xX]", "1f000"),
             (r"%[-#0-9*]*(?:l|ll|L|z)?[diu]", "7"), (r"%[-0-9*]*s", "name"), (r"%c", "K"),
             ("%%", "%"))  # fmt: skip
    for pattern, value in sizes:
        text = re.sub(pattern, value, text)
    return text


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1]}:{row[3] or row[2]}"[:70])
def test_every_message_of_the_kernels_is_known(row: tuple[str, str, str, str, str]) -> None:
    """An example of each format and each place is answered from the catalogue."""
    file, function, call, text, _ = row
    if _excused(file, text):
        return
    entry = find(_example(file, function, call, text))
    assert isinstance(entry, Message), f"{file} {function}: {text or call}"


# What people typed or pasted, and the message that it is; none where no such message exists.
QUERIES = (
    ("PAT disabled. Not yet verified on this CPU type.", "pat_not_verified"),
    ("Failed to add WC MTRR for [a-b]; performance may suffer.", "wc_mtrr_failed"),
    ("MTRR map: 6 entries (3 fixed + 3 variable; max 20), built from 9 variable MTRRs", "mtrr_map"),
    ("WARNING: CPU: 0 PID: 1 at net/core/dev.c:10 foo", ""),
    (
        "WARNING: CPU: 0 PID: 1 at arch/x86/mm/ioremap.c:223 __ioremap_caller+0x2cd/0x340",
        "ioremap_warning",
    ),
    ("CPU MTRRs all blank - virtualized system.", "mtrr_blank"),
    (
        "pmd_set_huge: Cannot satisfy [mem 0xf8000000-0xf8200000] with a huge-page mapping due to MTRR "  # noqa: E501
        "override.",
        "huge_mtrr",
    ),
    ("ioremap on RAM pfn 0x3f251", "ioremap_on_ram"),
    ("mtrr: no MTRR for f0000000,1000000 found", "mtrr_none_found"),
    ("mapping", ""),
    ("kernel BUG at mm/memory.c:2300!", "memory_bug"),
    ("PAT enabled, but not supported by secondary CPU", "pat_cpus"),
    (
        "WARNING: CPU: 1 PID: 2 at include/linux/rwsem.h:80 follow_pte+0x1de/0x200",
        "follow_pte_unlocked",
    ),
    (
        "WARNING: CPU: 1 PID: 2 at include/linux/rwsem.h:80 remap_pfn_range_internal+0x1de/0x200",
        "mmap_lock_assert",
    ),
    (
        "WARNING: CPU: 1 PID: 2 at include/linux/mmap_lock.h:70 track_pfn_remap+0x1/0x2",
        "mmap_lock_assert",
    ),
    (
        "WARNING: CPU: 1 PID: 2 at arch/x86/mm/pat/memtype.c:1000 reserve_pfn_range+0x1/0x2",
        "reserve_pfn_range_warning",
    ),
    (
        "WARNING: arch/x86/mm/pat/memtype.c:721 at memtype_reserve_io+0xfc/0x110, CPU#6: "
        "(udev-worker)/599",
        "memtype_reserve_io",
    ),
    (
        "WARNING: CPU: 1 PID: 2 at arch/x86/mm/pat/set_memory.c:1 __change_page_attr+0x1/0x2",
        "cpa_warning",
    ),
    (
        "WARNING: CPU: 0 PID: 3 at mm/memory.c:2500 remap_pfn_range_internal+0x1/0x2",
        "remap_internal",
    ),
    (
        "WARNING: CPU: 0 PID: 3 at arch/x86/mm/pat/memtype.c:5 pfnmap_untrack+0x1/0x2",
        "pfnmap_warning",
    ),
    ("BUG: Bad page map in process x  pte:8000000 pmd:1", "bad_page_map"),
    ("ioremap: invalid physical address 1000000000000", "ioremap_invalid"),
    ("Warning: reserve_memtype returned -16", "ioremap_old_reserve"),
    ("iounmap: bad address 00000000abc", "iounmap_bad"),
    ("Info: mapping multiple BARs. Your kernel is fine.", "multiple_bars"),
    (
        "resource map sanity check conflict: 0xc0000 0xdffff 0xd0000 0xdffff PCI Bus 0000:00",
        "resource_sanity_old",
    ),
    ("memremap attempted on mixed range [mem 0x1-0x2] size: 0x1000", "memremap_refused"),
    ("memremap attempted on ram 0x100000 size: 0x1000", "memremap_refused"),
    ("CPA: called for zero pte. vaddr = ffff cpa->vaddr = ffff", "cpa_zero"),
    ("CPA detected W^X violation: 8000 -> 0", "cpa_wx"),
    ("mtrr: 0xd0000000,0x10000000 overlaps existing 0xd0000000,0x8000000", "mtrr_overlap"),
    ("mtrr: no more MTRRs available", "mtrr_full"),
    ("mtrr: base(0xd0000000) is not aligned on a size(0x1) boundary", "mtrr_unaligned"),
    ("mtrr: your processor doesn't support write-combining", "mtrr_no_wc"),
    ("mtrr: your CPUs had inconsistent fixed MTRR settings", "mtrr_cpus"),
    ("mtrr: size and base must be multiples of 4 kiB", "mtrr_unaligned"),
    ("mtrr_cleanup: can not find optimal value", "mtrr_cleanup"),
    ("mtrr: your BIOS has configured an incorrect mask, fixing it.", "mtrr_mask"),
    ("MTRRs set to read-only", "mtrr_readonly"),
    ("MTRRs disabled by BIOS", "mtrr_off"),
    ("mtrr: Disabled", "mtrr_off"),
    ("[drm] MTRR allocation failed.  Graphics performance may suffer.", "drm_mtrr_failed"),
    (
        "Failed to add WC MTRR for [mem 0xd0000000-0xdfffffff]; performance may suffer.",
        "wc_mtrr_failed",
    ),
    (
        "vfio-pci 0000:01:00.0: BAR 0: can't reserve [mem 0xc0000000-0xcfffffff 64bit pref]",
        "bar_reserve",
    ),
    ("Failed to mmap 0000:01:00.0 BAR 3. Performance may be slow", "qemu_mmap"),
    (
        "vfio_region_write(0000:01:00.0:region1+0x1, 0x1,4) failed: Input/output error",
        "qemu_region",
    ),
    ("VFIO_MAP_DMA failed: Bad address", "dma_map_bad_address"),
    ("VFIO_MAP_DMA: -22", "dma_map_invalid"),
    ("IOMMU_IOAS_MAP failed: Bad address", "dma_map_bad_address"),
    ("gdrdrv:error -22 in remap_pfn_range()", "gdrdrv_remap"),
    ("NVRM: GPU 0: WC support is unavailable", "nvrm_wc"),
    ("vesafb: abort, cannot ioremap video memory 0x1 @ 0x1", "fb_ioremap"),
    ("efifb: abort, cannot remap video memory 0x1 @ 0x2", "fb_ioremap"),
    (
        "simple-framebuffer simple-framebuffer.0: could not acquire memory range [mem 0x1-0x2 flags "  # noqa: E501
        "0x0]: -16",
        "region_refused",
    ),
    ("mlx5_core 0000:01:00.0: write combining is not supported", "mlx5_wc"),
    ("hfi1 0000:05:00.0: hfi1_0: dma_mmap_coherent() failed -22", "hfi1_mmap"),
    ("Error at line 80, file pcimem.c (22) [Invalid argument]", "pcimem_einval"),
    ("Did your kernel enable CONFIG_IO_STRICT_DEVMEM?", "nvme_strict"),
    ("hello world", ""),
    ("is my BAR write-combining", ""),
)


@pytest.mark.parametrize(("query", "kind"), QUERIES, ids=lambda value: value[:50])
def test_what_people_ask(query: str, kind: str) -> None:
    """The message itself, never one that only shares words with it."""
    entry = find(query)
    assert kind == (entry.kind if isinstance(entry, Message) else "")


def test_no_answer_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """What comes nearest is called that."""
    assert main(["explain", "WARNING: CPU: 0 PID: 1 at net/core/dev.c:10 foo"]) == 2
    assert "no such message is known; nearest:" in capsys.readouterr().out
    assert main(["explain", "Failed to add WC MTRR for [a-b]; performance may suffer."]) == 0
