"""Reports of users: the code first, and the answer in the first sentence.

The lines are what kernels and programs print; the sentences around them are ours.
"""

from __future__ import annotations

import io

import pytest

from pfntrack.field.answers import answer
from pfntrack.field.report_text import as_text
from pfntrack.field.triage import triage, triage_text

# Lines ("|" separates them), the code (or the verdict), a part of the first sentence.
REPORTS: tuple[tuple[str, str, str], ...] = (
    # Traces of callers that break the rules of raw pfn mappings.
    (
        "[  303.311187] WARNING: CPU: 8 PID: 21047 at include/linux/rwsem.h:85 "
        "remap_pfn_range_internal+0x472/0x580|[  303.311191] Modules linked in: dxgkrnl(O) isofs",
        "REMAP_WITHOUT_WRITE_LOCK",
        "Harmless, and not about memory types",
    ),
    (
        "WARNING: CPU: 2 PID: 26420 at include/linux/rwsem.h:80 follow_pte+0x1de/0x200",
        "UNTRACK_FROM_ZAP_WITHOUT_MMAP_LOCK",
        "too short to be sure",
    ),
    (
        "WARNING: CPU: 2 PID: 9 at include/linux/mmap_lock.h:80 track_pfn_remap+0x1de/0x200",
        "REMAP_WITHOUT_WRITE_LOCK",
        "the mapping works",
    ),
    (
        "WARNING: CPU: 0 PID: 1 at mm/memory.c:2500 remap_pfn_range_internal+0x2cd/0x340",
        "REMAP_UNALIGNED",
        "refused with EINVAL",
    ),
    (
        "kernel BUG at mm/memory.c:2345!|RIP: 0010:remap_pfn_range_notrack+0x310/0x520"
        "|Call Trace:| mydrv_mmap+0x10/0x20 [mydrv]",
        "REMAP_OVER_EXISTING",
        "mydrv_mmap() of mydrv",
    ),
    (
        "kernel BUG at mm/memory.c:2345!|RIP: 0010:vmf_insert_pfn_prot+0x10/0x20",
        "INSERT_PFN_WRONG_VMA",
        "not prepared for it",
    ),
    (
        "WARNING: CPU: 1 PID: 2 at arch/x86/mm/pat.c:960 track_pfn_copy+0x8c/0xa0"
        "|CPU: 1 PID: 2 Comm: foo Not tainted 4.19.0|Call Trace:| copy_page_range+0x1/0x2"
        "| dup_mm+0x1/0x2| copy_process+0x1/0x2",
        "FORK_COPY_FAILED",
        "The mapping works, but fork() of foo fails",
    ),
    (
        "WARNING: CPU: 0 PID: 4585 at arch/x86/mm/pat/memtype.c:1060 untrack_pfn+0x466/0x590 "
        "arch/x86/mm/pat/memtype.c:1060|CPU: 0 PID: 4585 Comm: exec378 Not tainted 6.8.0-rc2 #1"
        "| unmap_vmas+0x210/0x470 mm/memory.c:1758| exit_mmap+0x19b/0xac0 mm/mmap.c:3284"
        "| do_exit+0xa59/0x28c0 kernel/exit.c:858",
        "UNTRACK_COW_FIRST_PAGE",
        "or removed by an earlier zap",
    ),
    (
        "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [qemu:77]|RIP: 0010:lookup_memtype+0x1/2"
        "| track_pfn_insert+0x10/0x20",
        "LOOKUP_IN_STALL",
        "looked up a memory type",
    ),
    (
        "WARNING: arch/x86/mm/pat/memtype.c:500 at memtype_reserve+0xfc/0x110, CPU#6: "
        "(udev-worker)/599",
        "RANGE_BOGUS",
        "impossible range",
    ),
    (
        "WARNING: arch/x86/mm/pat/memtype.c:721 at memtype_reserve_io+0xfc/0x110, CPU#6: "
        "(udev-worker)/599",
        "NOT_PAT",
        "Usually harmless",
    ),
    (
        "BUG: Bad page map in process qemu  pte:8000000123 pmd:1234"
        "|addr:00007f0000000000 vm_flags:140444fb anon_vma:0 mapping:1 index:0",
        "BAD_PAGE_MAP_PFNMAP",
        "does not belong there",
    ),
    (
        "BUG: Bad page map in process manager.  pte:4a44e100 pmd:4dfc8831|addr:b6a00000 "
        "vm_flags:00100077 anon_vma:cde093a0 mapping:  (null) index:b6a00"
        "|[<c00787c8>] (print_bad_pte) from [<c0079cec>] (unmap_single_vma+0x1d0/0x4f8)",
        "not ours",
        "Not my subject",
    ),
    (
        "x86/PAT: kworker/0:1:5 freeing invalid memtype [mem 0xfc000000-0xfc003fff]"
        "|Call Trace:| iounmap+0x9d/0xb0| acpi_os_unmap_iomem+0x1ad/0x1b0",
        "UNMAP_SHAPE_DIFFERS",
        "no user mapping is involved",
    ),
    # ioremap and its family.
    (
        "<4>[    3.468572] ioremap on RAM at 0x00000002ce800000 - 0x00000002cfbfffff"
        "|<4>[    3.468575] WARNING: CPU: 16 PID: 574 at arch/x86/mm/ioremap.c:216 "
        "__ioremap_caller+0x100/0x3d0",
        "IOREMAP_ON_RAM",
        "[0x2ce800000, 0x2cfc00000)",
    ),
    (
        "WARNING: CPU: 5 PID: 100 at arch/x86/mm/ioremap.c:216 __ioremap_caller+0x100/0x3d0"
        "|Call Trace:| generic_access_phys+0x10/0x20| __access_remote_vm+0x1/0x2",
        "IOREMAP_ON_RAM",
        "Harmless: a debugger",
    ),
    ("ioremap on RAM pfn 0x3f251", "IOREMAP_ON_RAM", "page frame 0x3f251"),
    (
        "WARNING: CPU: 0 PID: 1 at arch/x86/mm/ioremap.c:223 __ioremap_caller "
        "(arch/x86/mm/ioremap.c:223 (discriminator 3)) ",
        "IOREMAP_BAD_REQUEST",
        "empty, wrapped, or system RAM",
    ),
    ("ioremap: invalid physical address ffffffff0000", "IOREMAP_BAD_REQUEST", "0xffffffff0000"),
    ("Warning: reserve_memtype returned -16", "CONFLICT_UNDERSPECIFIED", "memory types"),
    ("iounmap: bad address 00000000abcd", "IOUNMAP_BAD_ADDRESS", "its own mistake"),
    (
        "memremap attempted on mixed range 0x000000007f000000 size: 0x2000",
        "MEMREMAP_REFUSED",
        "partly RAM",
    ),
    ("CPA: called for zero pte. vaddr = ffff888000000000", "SET_MEMORY_UNMAPPED", "not mapped"),
    # Look-alikes.
    (
        "208 kernel: vfio-pci 0000:01:00.0: BAR 3: can't reserve [mem 0xa0000000-0xa1ffffff "
        '64bit pref]|qemu msg="Failed to mmap 0000:01:00.0 BAR 3. Performance may be slow"',
        "NOT_PAT",
        "claimed by another owner",
    ),
    (
        "> ixgbe 0000:02:00.0: BAR 0: can't reserve [mem 0x80000000-0x8007ffff 64bit]"
        "|> ixgbe: probe of 0000:02:00.0 failed with error -16",
        "NOT_PAT",
        "claimed by another owner",
    ),
    (
        "pci 0000:0f:00.0: BAR 0 [mem size 0x00100000 64bit]: can't assign; no space"
        "|gowin_pcie_demo 0000:0f:00.0: pcim_iomap_regions() failed. (-22)",
        "NOT_PAT",
        "has no usable address",
    ),
    (
        "After loading the driver mmap() of /sys/devices/pci0000:00/resource0 fails with EINVAL "
        "on 6.6.",
        "NOT_PAT",
        "strict devmem",
    ),
    (
        "/sys/devices/pci0000:0a/0000:0a:00.0/resource0 opened.|mmap(0, 4096, 0x3, 0x1, 3, 0x0)"
        "|Error at line 111, file pcimem.c (22) [Invalid argument]",
        "NOT_PAT",
        "strict devmem",
    ),
    (
        "nvme0 failed to map. Did your kernel enable CONFIG_IO_STRICT_DEVMEM?",
        "NOT_PAT",
        "iomem=relaxed",
    ),
    (
        "resource sanity check: requesting [mem 0xff200000-0xff3fffff], which |spans more than "
        "0000:00:0e.0 [mem 0xff298000-0xff29bfff]|caller devm_ioremap+0x45/0x80 mapping multiple "
        "BARs|pmd_set_huge: Cannot satisfy [mem 0x05e00000-0x06000000] with a |huge-page mapping "
        "due to MTRR override.",
        "NOT_PAT",
        "Harmless",
    ),
    (
        "resource sanity check: requesting [mem 0xd0000000-0xdfffffff], which spans more than "
        "BOOTFB [mem 0xd0000000-0xd02fffff]|WARNING: CPU: 1 PID: 2 at "
        "arch/x86/mm/pat/memtype.c:721 memtype_reserve_io+0xfc/0x110",
        "NOT_PAT",
        "Harmless: a driver mapped [0xd0000000, 0xe0000000), and BOOTFB",
    ),
    (
        "mmap(NULL, 0, PROT_READ, MAP_PRIVATE, 3, 0) = -1 EINVAL (Invalid argument)",
        "NOT_PAT",
        "length zero",
    ),
    (
        "mmap(NULL, 16777216, PROT_READ, MAP_SHARED, 3, 0) = -1 EINVAL (Invalid argument)",
        "MMAP_FAILED_SILENTLY",
        "does not say why",
    ),
    ("cannot find /sys/.../resource0_wc", "NOT_PAT", "prefetchable BAR"),
    (
        "OSError: [Errno 19] No such device|/sys/bus/pci/devices/0000:00:02.0/resource4",
        "NOT_PAT",
        "I/O port BAR",
    ),
    ("mmap bar1: Operation not permitted", "NOT_PAT", "Strict devmem"),
    (
        "Error accessing ICH RCRB, 0x4000 bytes at 0x00000000fed1c000"
        "|/dev/mem mmap failed: Operation not permitted",
        "NOT_PAT",
        "Strict devmem",
    ),
    (
        "conmem: mmap of device at 0xf7d00000 for 0x00010000 bytes failed: Operation not permitted",
        "NOT_PAT",
        "Strict devmem",
    ),
    ("dd: error reading '/dev/mem': Operation not permitted", "NOT_PAT", "Strict devmem"),
    (
        "pcim_iomap_regions return -22"
        "|        Region 1: [virtual] Memory at fb400000 (32-bit, non-prefetchable) [size=4M]",
        "NOT_PAT",
        "no mapping of its BARs",
    ),
    (
        "NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:"
        "|NVRM: BAR1 is 0M @ 0x0 (PCI:0000:08:00.0)",
        "NOT_PAT",
        "BAR 1 has no usable address",
    ),
    (
        "tpm_tis 00:08: can't request region for resource [mem 0xfed40000-0xfed44fff]"
        "|tpm_tis: probe of 00:08 failed with error -16",
        "NOT_PAT",
        "claimed by another owner",
    ),
    (
        "pci 0000:00:01.0: bridge window [mem size 0xc00000000 64bit pref]: can't assign; no space",
        "NOT_PAT",
        "no usable address",
    ),
    (
        "[Feb25 06:27] resource sanity check: requesting [mem 0x000c0000-0x000fffff], which spans "
        "more than PCI Bus 0000:00 [mem 0x000c0000-0x000dffff window]"
        "|[  +0,000093] caller os_map_kernel_space.part.0+0x77/0xa0 [nvidia] mapping multiple BARs",
        "NOT_PAT",
        "Harmless",
    ),
    (
        "[ 2260.995124] gdrdrv:calling io_remap_pfn_range() vma=ffff883f28c33a90 size=65536"
        "|[ 2260.995182] kernel BUG at /build/linux-4.4.0/mm/memory.c:1674!"
        "|[ 2260.995861]  [<ffffffffc06362e1>] gdrdrv_mmap_phys_mem_wcomb+0x71/0x130 [gdrdrv]",
        "REMAP_OVER_EXISTING",
        "or more than its mapping holds",
    ),
    (
        "Call Trace:|remap_pfn_range+0x5c/0xb0|vfio_pci_mmap_fault+0xb5/0x1a0 [vfio_pci_core]"
        "|__do_fault+0x36/0x150|handle_mm_fault+0x1d3/0x480",
        "REMAP_WITHOUT_WRITE_LOCK",
        "from its fault handler",
    ),
    (
        "x86/PAT: MTRRs disabled, skipping PAT initialization too."
        "|x86/PAT: Configuration [0-7]: WB  WT  UC- UC  WB  WT  UC- UC|Expected output:"
        "|x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT",
        "PAT_OFF_BECAUSE_MTRR_OFF",
        "in the last one PAT is on",
    ),
    (
        "$ cat /sys/kernel/debug/x86/pat_memtype_list | grep fe900000"
        "|PAT: [mem 0x00000000fe800000-0x00000000fe900000] write-combining"
        "|PAT: [mem 0x00000000fe900000-0x00000000fea00000] write-combining",
        "CHECK_WC_OF_BAR",
        "0xfe900000 is write-combining.",
    ),
    (
        "162676.233287] x86/PAT: pcimem:978227 conflicting memory types ca000000-ca800000 "
        "uncached-minus<->write-combining",
        "RANGE_SPANS_MIXED_OWNERS",
        "pcimem was refused",
    ),
    # Monitors, pinning, drivers.
    (
        "qemu-system-x86_64: -device vfio-pci: Failed to mmap 0000:01:00.0 BAR 3. Performance may "
        "be slow",
        "BAR_MMAP_REFUSED",
        "only the kernel log says why",
    ),
    (
        "Failed to map VFIO MMIO region: Failed to DMA map: failed to map an IOVA range to the "
        "IOAS: Bad address (os error 14)",
        "PFNMAP_NOT_PINNABLE",
        "no pages to pin",
    ),
    ("qemu: VFIO_MAP_DMA: -14", "PFNMAP_NOT_PINNABLE", "no pages to pin"),
    (
        "qemu: vfio_dma_map(0x5581, 0x383800000000, 0x400000000, 0x7f88) = -22 (Invalid argument)",
        "NOT_PAT",
        "the arguments",
    ),
    ("gdrdrv:error -22 in remap_pfn_range()", "PARTIAL_REMAP_LOOKUP_MIXED", "no message"),
    (
        "Linux version 6.17.1|hfi1 0000:01:00.0: hfi1_0: dma_mmap_coherent failed -22",
        "TRACKCTX_SECOND_REMAP",
        "a second time",
    ),
    ("NVRM: GPU 0000:01:00.0: WC support is unavailable", "WC_UNAVAILABLE_TO_DRIVER", "own test"),
    (
        "simple-framebuffer simple-framebuffer.0: [drm] could not acquire memory range",
        "NOT_PAT",
        "Harmless",
    ),
    (
        "vesafb: cannot ioremap video memory 0x300000 @ 0xd0000000",
        "FRAMEBUFFER_NOT_MAPPED",
        "no map",
    ),
    # PAT and MTRRs.
    (
        "> [2021-11-23 21:05:52] [    4.302268] mtrr: base(0x430000000) is not aligned on a "
        "size(0x20000000) boundary|> [2021-11-23 21:05:52] [    4.302274] Failed to add WC MTRR "
        "for [000000000998bb55-00000000eb9e681e]; performance may suffer.",
        "PAT_OFF",
        "PAT is off",
    ),
    (
        "Failed to add WC MTRR for [0xe0000000-0xefffffff]: -22; performance may suffer",
        "NOT_PAT",
        "FreeBSD",
    ),
    (
        "  <4>[   12.880506] mtrr: type mismatch for e0000000,10000000 old: write-back new: "
        "write-combining|  <6>[   12.880509] [drm] MTRR allocation failed.  Graphics performance "
        "may suffer.",
        "MTRR_LEGACY_OVERLAP",
        "Harmless where PAT is on",
    ),
    (
        "[    0.240311] mtrr: your CPUs had inconsistent fixed MTRR settings"
        "|[    0.240313] mtrr: your CPUs had inconsistent variable MTRR settings"
        "|[    0.240316] mtrr: probably your BIOS does not setup all CPUs."
        "|[    0.240317] mtrr: corrected configuration.",
        "MTRR_CPUS_DIFFER",
        "corrected",
    ),
    (
        "[    0.005261] MTRR map: 4 entries (3 fixed + 1 variable; max 19), built from 8 variable "
        "MTRRs|[    0.005263] x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT  ",
        "HEALTHY",
        "Healthy",
    ),
    ("MTRR map: 6 entries (3 fixed + 3 variable; max 20)", "MTRR_STATE", "Normal"),
    ("PAT disabled. Not yet verified on this CPU type.", "PAT_OFF_CPU", "PAT is off"),
    ("PAT enabled, but not supported by secondary CPU", "PAT_CPUS_DIFFER", "has no PAT"),
    (
        "[    0.000000] x86/PAT: PAT support disabled.|[    0.000000] Hypervisor detected: Xen HVM"
        "|[    0.000000] x86/PAT: Configuration [0-7]: WB  WT  UC- UC  WB  WT  UC- UC  ",
        "PAT_OFF_USER",
        "PAT is off by choice",
    ),
    (
        "Command line: ro nopat quiet|x86/PAT: Configuration [0-7]: WB  WT  UC- UC  WC  WP  UC  UC"
        "|x86: PAT support disabled.",
        "PAT_OFF_USER",
        "PAT is off by choice",
    ),
    (
        "06-25 08:53:03.260: W/x86/PAT(0): NPDecoder-CL:17741 map pfn RAM range req "
        "write-combining for [mem 0x7c959000-0x7c959fff], got write-back",
        "RAM_TYPE_OVERRIDDEN",
        "Mostly harmless: NPDecoder-CL",
    ),
    (
        "0a:00.0 Ethernet controller: Elastic Network Adapter"
        "|        Memory at 21fffb000000 (64-bit, prefetchable) [size=4M]"
        "|# cat /sys/kernel/debug/x86/pat_memtype_list | grep 21fffb000000|#",
        "CHECK_WC_OF_BAR",
        "0x21fffb000000 has no row",
    ),
    (
        "        Memory at c0500000 (32-bit, prefetchable) [size=1M]"
        "|# cat /sys/kernel/debug/x86/pat_memtype_list | grep c0500000"
        "|PAT: [mem 0x00000000c0500000-0x00000000c0600000] uncached-minus",
        "CHECK_WC_OF_BAR",
        "0xc0500000 is uncached-minus, not write-combining.",
    ),
)


@pytest.mark.parametrize(("lines", "code", "part"), REPORTS)
def test_report(lines: str, code: str, part: str) -> None:
    """The first answer is the right one, and the report begins with it."""
    result = triage_text(lines.replace(" | grep", "\0").replace("|", "\n").replace("\0", " | grep"))
    assert (result.diagnosis or result.verdict) == code
    begin = " ".join(as_text(result)[:600].split())
    assert part in begin
    if result.findings:
        assert part in answer(result.findings[0])


@pytest.mark.parametrize(
    "line",
    [
        "kernel BUG at mm/memory.c:2345!",
        "my driver: ioremap of the second window went wrong",
        "the BAR is not mapped as expected: BAR 2 looks uncached",
        "WARNING: mm/mremap.c:900 at check_mremap_params+0xfc/0x110, CPU#6: prog/599",
    ],
)
def test_no_silence_where_a_word_of_the_subject_stands(line: str) -> None:
    """An unknown line of the area is shown, with what would decide it."""
    result = triage_text(line)
    assert result.verdict == "not recognised"
    text = as_text(result)
    assert line in text and "would decide it" in text


@pytest.mark.parametrize(("lines", "code", "part"), REPORTS)
def test_report_in_a_large_log(lines: str, code: str, part: str) -> None:
    """The sieve for large logs keeps the lines that the answer rests on."""
    del part
    text = lines.replace(" | grep", "\0").replace("|", "\n").replace("\0", " | grep")
    if code in ("not ours", "NOT_PAT") and "No such device" in text:
        pytest.skip("a sentence of a program, not a line of a log")
    noise = "[    1.000000] usb 1-1: new high-speed device\n" * 3_000
    result = triage(io.BytesIO((noise + text + "\n" + noise * 3).encode()))
    assert (result.diagnosis or result.verdict) == code
