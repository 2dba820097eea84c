"""Schedules of two calls forced in guests with two CPUs: they end as the model says."""

from __future__ import annotations

import attrs
import pytest

from pfntrack.errors import GuestError, ModelError
from pfntrack.lab.guests.guest import Guest
from pfntrack.lab.guests.qemu import require_tools
from pfntrack.lab.images.build import boot_files
from pfntrack.lab.images.find import find as find_kernel
from pfntrack.lab.play.force import CPUS, ForcingRecorder, Hold, modelled, program, recorded
from pfntrack.releases import release_for
from pfntrack.scenario import find

FORK, UNMAP, MOVE = "race-fork-truncate", "race-unmap-truncate", "race-mremap-truncate"
# Where the left call waits while the driver zaps, and what that point is in the model. The
# functions that read the first entry for VM_PAT are called in get_pat_info(), which is inlined.
HOLDS = {
    "6.1": (
        (FORK, Hold("follow_phys", "get_pat_info")),
        (UNMAP, Hold("follow_phys", "get_pat_info")),
        (UNMAP, Hold("memtype_free")),
        (MOVE, Hold("untrack_pfn_clear", "move_vma", "leaves the old VMA")),
    ),
    "6.12": (
        (FORK, Hold("follow_pfnmap_start", "get_pat_info")),
        (UNMAP, Hold("follow_pfnmap_start", "get_pat_info")),
        (UNMAP, Hold("memtype_free")),
        (MOVE, Hold("untrack_pfn_clear", "move_vma", "leaves the old VMA")),
    ),
    "7.3": (
        (FORK, Hold("copy_page_range")),
        (UNMAP, Hold("unmap_vmas", "zap_pte_range")),
        (UNMAP, Hold("memtype_free")),
        (MOVE, Hold("move_page_tables", "move_ptes")),
    ),
}
TRIES, MOST = 10, 9


def test_the_model_breaks_where_it_is_held() -> None:
    """On 6.1 and 6.12 each schedule warns or frees what is not there; on 7.3 none does."""
    for series, holds in HOLDS.items():
        for name, hold in holds:
            log = set(modelled(release_for(series), find(name), hold).events)
            assert bool(log & {"warn", "free_invalid"}) is (series != "7.3"), (series, name, hold)


def test_a_place_that_is_not_passed() -> None:
    """A function at which the left call never stops is an error, not a schedule."""
    with pytest.raises(ModelError, match="does not come to"):
        modelled(release_for("7.3"), find(FORK), Hold("untrack_pfn"))


@pytest.mark.lab
@pytest.mark.parametrize("series", HOLDS)
def test_forced(series: str) -> None:
    """Nine of ten tries of each schedule end on the real kernel as in the model."""
    try:
        require_tools()
        kernel = find_kernel(series)
        files = attrs.evolve(boot_files(kernel), cpus=CPUS)
    except GuestError as error:
        pytest.skip(f"no guest can be booted here: {error}")
    with Guest(files) as guest:
        for name, hold in HOLDS[series]:
            wanted = modelled(release_for(series), find(name), hold)
            seen = [
                recorded(ForcingRecorder(guest).record(program(find(name), hold)))
                for _ in range(TRIES)
            ]
            assert seen.count(wanted) >= MOST, (name, hold, wanted, seen)
