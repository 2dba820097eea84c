"""Kernel releases as data: which design, which quirks, which drivers."""

from __future__ import annotations

import attrs

from pfntrack import plugins
from pfntrack.designs import DESIGNS
from pfntrack.designs.base import Design
from pfntrack.designs.track_context import TrackContextDesign
from pfntrack.designs.vm_pat.vm_pat import VM_PAT_5_10, VmPat
from pfntrack.designs.vm_pat.vm_pat_2012 import VmPat2012
from pfntrack.designs.vm_pat.vm_pat_2015 import VmPat2015
from pfntrack.designs.vm_pat.vm_pat_2023 import VmPat2023, VmPat2024
from pfntrack.designs.vm_pat.vm_pat_fork_window import VmPatForkWindow
from pfntrack.drivers.vfio import VfioStyle
from pfntrack.edges.near import unknown
from pfntrack.errors import InputFormatError
from pfntrack.mm.calls.madvise import ADVICES_5_10, ADVICES_6_1, ADVICES_7_3, POPULATING
from pfntrack.mm.step import MmQuirks, RemapOrder
from pfntrack.pat.context import PatQuirks, RamFlags
from pfntrack.pat.mtrr import MtrrLookup


@attrs.frozen
class Release:
    """One kernel release (family): everything that the model may do differently.

    `kernels` names what the data was taken from and measured on. It is that of all
    kernels from `since` to `until`, whose patch levels all count if it names none;
    without these it has to be named. `asked` is the
    kernel that it stands for, if that is another, and `why` says for what reason;
    `beyond`, that the kernel is newer than anything modelled.
    """

    name: str
    kernels: str
    design: Design
    pat: PatQuirks
    mm: MmQuirks
    vfio: VfioStyle
    since: str = ""
    until: str = ""
    vfio_claims_at_open: bool = False
    vfio_container_mmaps: bool = False
    # Functions that a probe on this release can see being called, but not
    # where they are inlined: pairs of caller and callee.
    visible_calls: frozenset[str] = frozenset()
    inlined_calls: frozenset[str] = frozenset()
    asked: str = ""
    why: str = ""
    beyond: bool = False

    @property
    def title(self) -> str:
        """Its name, or that of the kernel it stands for with its own."""
        return f"{self.asked}, modelled as {self.name}" if self.asked else self.name

    @property
    def note(self) -> str:
        """What a reader must know who asked for another kernel; else nothing."""
        if not self.asked:
            return ""
        return f"{'warning: ' if self.beyond else ''}{self.title}: {self.why}"


_ENOUGH = "__vm_enough_memory: pid: {pid}, comm: {comm},"
_NOT_ENOUGH = f"{_ENOUGH} bytes: {{bytes}} not enough memory for the allocation"

_RESERVE = frozenset({"memtype_reserve", "memtype_reserve_ret", "memtype_kernel_map_sync"})
_FREE = frozenset({"memtype_free", "memtype_free_ret"})
_VM_PAT = _RESERVE | {
    "track_pfn_remap",
    "track_pfn_remap_ret",
    "track_pfn_copy",
    "track_pfn_copy_ret",
    "track_pfn_insert",
    "untrack_pfn",
}
_CONTEXT = (
    _RESERVE
    | _FREE
    | {
        "pfnmap_track",
        "pfnmap_track_ret",
        "pfnmap_untrack",
        "pfnmap_setup_cachemode",
        "pfnmap_setup_cachemode_ret",
    }
)

R5_10 = Release(
    name="5.10",
    kernels="Debian 5.10.223",
    since="5.10",
    until="5.10",
    design=VM_PAT_5_10,
    pat=PatQuirks(
        mtrr_lookup=MtrrLookup.FIXED_AT_START,
        ram_flags=RamFlags.UNCACHED_ARCH_1,
        reserve_masks_end=True,
    ),
    mm=MmQuirks(
        remap_order=RemapOrder.COW_TRACK_FLAGS,
        remap_zaps_on_error=False,
        fork_opens_first=False,
        upgrades_exclusive=False,
        mremap_looks_late=True,
        madv_remove_needs_write=True,
        madvise_enomem=True,
        access_warns_on_copy=False,
        advices=ADVICES_5_10,
        revokes_sysfs=False,
    ),
    vfio=VfioStyle.REMAP_AT_FAULT,
    vfio_container_mmaps=True,
    visible_calls=_VM_PAT | _FREE | {"untrack_pfn_moved"},
    inlined_calls=frozenset(
        {
            "free_pfn_range:memtype_free",
            "arch_io_free_memtype_wc:memtype_free",
            ":move_page_tables",
        }
    ),
)

R6_1 = Release(
    name="6.1",
    kernels="Debian 6.1.192",
    since="6.1",
    until="6.1",
    design=VmPat(walks_huge=False),
    pat=PatQuirks(mtrr_lookup=MtrrLookup.FIXED_AT_START, ram_flags=RamFlags.UNCACHED_ARCH_1),
    mm=MmQuirks(
        vm_enough_memory=f"{_ENOUGH} no enough memory for the allocation",
        advices=ADVICES_6_1,
    ),
    vfio=VfioStyle.REMAP_AT_FAULT,
    visible_calls=_VM_PAT | _FREE | {"untrack_pfn_clear", "untrack_pfn_copy"},
)

R6_12 = Release(
    name="6.12",
    kernels="Debian 6.12.117",
    since="6.12.31",
    until="6.12",
    design=VmPat(),
    pat=PatQuirks(),
    mm=MmQuirks(
        munmap_new_below=True,
        mmap_frees_last=True,
        mremap_realigns=True,
        flags_need_write_lock=True,
        mprotect_unaccounts=True,
        stopped_by_holes=POPULATING,
        vm_enough_memory=_NOT_ENOUGH,
        has_mseal=True,
        advices=ADVICES_6_1,
    ),
    vfio=VfioStyle.INSERT_AT_FAULT,
    visible_calls=R6_1.visible_calls,
)

R7_3 = Release(
    name="7.3",
    kernels="Debian 7.3.4",
    since="7.3",
    until="7.3",
    design=TrackContextDesign(),
    pat=PatQuirks(end_match=False, pgprot_replaces=True),
    mm=MmQuirks(
        remap_order=RemapOrder.FLAGS_TRACK,
        munmap_new_below=True,
        mmap_frees_last=True,
        mremap_realigns=True,
        mremap_checks_first=True,
        mprotect_unaccounts=True,
        merges_into_untouched=True,
        stopped_by_holes=POPULATING,
        vm_enough_memory=_NOT_ENOUGH,
        has_mseal=True,
        sysfs_madv_remove="EOPNOTSUPP",
        advices=ADVICES_7_3,
        pfn_t=False,
        anon_inode_noexec=True,
        devmem_skips_without_pat=True,
        devmem_prepares=True,
        access_warns=False,
        access_warns_on_copy=False,
    ),
    vfio=VfioStyle.INSERT_AT_FAULT,
    vfio_claims_at_open=True,
    visible_calls=_CONTEXT,
)

RELEASES = {release.name: release for release in (R5_10, R6_1, R6_12, R7_3)}


# Releases and windows known from their source and their bug reports, not from
# recordings. What the tracking did is as it was; the rest is that of the
# recorded release next to them.
_OLD_PAT = attrs.evolve(R5_10.pat, reserve_masks_end=False, free_masks_end=False)

R3_7 = attrs.evolve(
    R5_10,
    name="3.7",
    kernels="3.7 to 4.4, from their source",
    since="3.7",
    until="4.4",
    design=VmPat2012(),
    pat=attrs.evolve(_OLD_PAT, end_match=False),
)
R4_5 = attrs.evolve(
    R5_10,
    name="4.5",
    kernels="4.5 to 4.18, from their source",
    since="4.5",
    until="4.18",
    design=VmPat2015(),
    pat=_OLD_PAT,
)
R5_5_RC = attrs.evolve(
    R5_10,
    name="5.5-rc",
    kernels="the merge window of 5.5",
    since="",
    until="",
    design=DESIGNS["interval-tree-off-by-one"],
    pat=attrs.evolve(R5_10.pat, closed_interval=True),
)
R6_2 = attrs.evolve(
    R6_1,
    name="6.2",
    kernels="6.2, from its source",
    since="6.2",
    until="6.2",
    design=VmPat2015(),
    mm=attrs.evolve(R6_1.mm, remap_zaps_on_error=False),
)
R6_8 = attrs.evolve(
    R6_2,
    name="6.8",
    kernels="6.3 to 6.8, from their source",
    since="6.3",
    until="6.8",
    design=VmPat2023(),
    mm=attrs.evolve(R6_2.mm, flags_need_write_lock=True),
)
R6_14 = attrs.evolve(
    R6_12,
    name="6.14",
    kernels="6.11 to 6.14, from their source",
    since="6.11",
    until="6.14",
    design=VmPat2024(),
)
R6_10 = attrs.evolve(
    R6_14,
    name="6.10",
    kernels="6.10, from its source",
    since="6.10",
    until="6.10",
    mm=attrs.evolve(R6_14.mm, follow_asserts_lock=True),
)
R6_12_25 = attrs.evolve(
    R6_12,
    name="6.12.25",
    kernels="6.12.23 to 6.12.30, from their change logs",
    since="6.12.23",
    until="6.12.30",
    design=VmPatForkWindow(),
)
R6_16 = attrs.evolve(
    R7_3,
    name="6.16",
    kernels="6.16, from its source",
    since="6.16",
    until="6.16",
    mm=attrs.evolve(
        R7_3.mm,
        remap_order=RemapOrder.TRACK_FLAGS,
        devmem_prepares=False,
        mremap_checks_first=False,
    ),
    vfio_claims_at_open=False,
)
HISTORIC = {
    release.name: release
    for release in (R3_7, R4_5, R5_5_RC, R6_2, R6_8, R6_10, R6_14, R6_12_25, R6_16)
}

# Releases of other packages; `since` and `until` give them a window of their own.
HISTORIC |= {
    name: attrs.evolve(release, name=name)
    for name, release in plugins.load(
        "pfntrack.releases", Release, lambda name: name in RELEASES or name in HISTORIC
    ).items()
}


def release_with(design: str) -> Release:
    """The release that a design belongs to, or its base with the design put in.

    Raises InputFormatError for an unknown design.
    """
    for release in (*reversed(RELEASES.values()), *HISTORIC.values()):
        if release.design.name == design:
            return release
    if design not in DESIGNS:
        raise InputFormatError(unknown("design", design, DESIGNS))
    chosen = DESIGNS[design]
    base = RELEASES[chosen.base]
    kernels = f"{base.kernels} with the design {design}"
    return attrs.evolve(base, name=design, kernels=kernels, design=chosen)
