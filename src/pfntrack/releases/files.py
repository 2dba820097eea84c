"""Opening and closing: which file operations and which mapping a target has.

Source: drivers/char/mem.c, drivers/pci/pci-sysfs.c, drivers/vfio. Files of
/dev/mem and (from 5.12) of PCI sysfs share one mapping, so that a driver that
claims its BAR finds the VMAs of both.
"""

from __future__ import annotations

import errno

from pfntrack.drivers.base import claimed
from pfntrack.drivers.kernel import IOMEM
from pfntrack.drivers.parametric import MODES
from pfntrack.drivers.vfio import VfioPci, set_memory
from pfntrack.errors import ModelError
from pfntrack.mm import ops
from pfntrack.mm.ops import Result
from pfntrack.mm.perform import errno_result
from pfntrack.mm.vma import File
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.physical import Window
from pfntrack.releases.calls import window_of
from pfntrack.releases.work import Work


def open_file(work: Work, op: ops.Open) -> Result:
    """open() of a target."""
    window = window_of(work.machine, op.window) if op.window else None
    if op.target == "devmem":
        file = _devmem(work, op)
    elif op.target == "sysfs" and window is not None:
        if op.wc and not (work.machine.pat_enabled and window.prefetchable):
            return errno_result(-errno.ENOENT)
        file = _sysfs(work, op, window)
    elif op.target == "driver" and window is not None:
        file = _driver(work, op, window)
    else:
        raise ModelError(f"cannot open target {op.target!r}")
    work.install(op.fd, file)
    return Result()


def _devmem(work: Work, op: ops.Open) -> File:
    cache = CacheMode.UC_MINUS if op.sync else CacheMode.WB
    number = work.world.next_file
    return File(number, "devmem", IOMEM, "/dev/mem", readonly=op.readonly, cache=cache)


def _sysfs(work: Work, op: ops.Open, window: Window) -> File:
    path = f"/sys/devices/pci0000:00/{window.bdf}/resource{window.bar}{'_wc' if op.wc else ''}"
    return File(
        work.world.next_file,
        "sysfs",
        IOMEM if work.release.mm.revokes_sysfs else path,
        path,
        noexec=True,
        readonly=op.readonly,
        window=window,
        cache=CacheMode.WC if op.wc else CacheMode.UC_MINUS,
    )


def _driver(work: Work, op: ops.Open, window: Window) -> File:
    if op.mode not in MODES:
        raise ModelError(f"the driver has no mode {op.mode!r}")
    return File(
        work.world.next_file,
        "driver",
        "pfnlab",
        "/dev/pfnlab",
        readonly=op.readonly,
        window=window,
        cache=op.cache,
        mode=op.mode,
        first=op.first,
        pages=op.pages,
    )


def close_file(work: Work, op: ops.Close) -> Result:
    """close(); mappings keep the file open."""
    work.caller.file(op.fd)
    work.world = work.world.with_process(work.caller.with_fd(op.fd, None))
    return Result()


def vfio_open(work: Work, op: ops.VfioOpen) -> Result:
    """Container, group and device; a BAR that a driver has claimed cannot be had."""
    window = window_of(work.machine, op.window)
    if claimed(work.step, window.start, window.end):
        return errno_result(-errno.EBUSY)
    container, group, device = op.fds
    number = work.world.next_file
    work.install(container, File(number, "vfio-container", "", "/dev/vfio/vfio"))
    work.install(group, File(number + 1, "vfio-group", "", "/dev/vfio/0"))
    file = File(
        number + 2,
        "vfio",
        f"vfio:{window.bdf}",
        "anon_inode:[vfio-device]",
        noexec=work.release.mm.anon_inode_noexec,
        window=window,
    )
    work.install(device, file)
    vfio_of(work).open_device(work.step, file)
    return Result()


def vfio_memory(work: Work, op: ops.VfioMemory) -> Result:
    """Memory decoding off zaps what user space has mapped."""
    file = work.caller.file(op.fd)
    if file.kind != "vfio":
        raise ModelError(f"descriptor {op.fd} is not a VFIO device")
    if not op.on:
        vfio_of(work).zap_bars(work.step, file)
    set_memory(work.step, file, on=op.on)
    return Result()


def vfio_of(work: Work) -> VfioPci:
    """The VFIO driver of this release."""
    driver = work.drivers["vfio"]
    if not isinstance(driver, VfioPci):
        raise ModelError("this kernel has no VFIO driver")
    return driver
