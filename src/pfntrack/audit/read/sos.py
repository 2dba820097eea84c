"""An unpacked sos report as a snapshot, as far as it goes.

sos copies files of /proc and /sys under their own paths and keeps the output of commands in
`sos_commands`. It never holds the mappings of processes and only rarely the memtype list
(debugfs), so an audit of it names owners and log lines, and proves nothing stale.
"""

from __future__ import annotations

from pathlib import Path

from pfntrack.audit.read.files import MAX_FILE, shown
from pfntrack.audit.read.gathered import GatheredCollector, list_text
from pfntrack.audit.read.snapshot import SnapshotCollector
from pfntrack.edges import files
from pfntrack.errors import InputFormatError
from pfntrack.field.read.context import Context, parse_lspci, parse_memtype_list

COMMANDS = "sos_commands"
# The file of a snapshot, and where different versions of sos keep the same thing.
PLACES: dict[str, tuple[str, ...]] = {
    "version": (
        "proc/version",
        f"{COMMANDS}/kernel/uname_-a",
        f"{COMMANDS}/host/uname_-a",
        f"{COMMANDS}/general/uname_-a",
    ),
    "cmdline": ("proc/cmdline",),
    "cpuinfo": ("proc/cpuinfo",),
    "iomem": ("proc/iomem",),
    "mtrr": ("proc/mtrr",),
    "vmallocinfo": ("proc/vmallocinfo",),
    "pat_memtype_list": ("sys/kernel/debug/x86/pat_memtype_list",),
    "dmesg": (
        f"{COMMANDS}/kernel/dmesg",
        f"{COMMANDS}/kernel/dmesg_-T",
        f"{COMMANDS}/general/dmesg",
        "var/log/dmesg",
    ),
}
_LSPCI = (
    f"{COMMANDS}/pci/lspci_-nnvv",
    f"{COMMANDS}/pci/lspci_-nvv",
    f"{COMMANDS}/pci/lspci_-nnkvv",
    f"{COMMANDS}/pci/lspci",
)


def is_sos(folder: Path) -> bool:
    """Whether the directory is an unpacked sos report."""
    return (folder / COMMANDS).is_dir()


def sos(folder: Path) -> GatheredCollector:
    """A collector of a sos report; raises InputFormatError if it holds nothing of use."""
    found: dict[str, str] = {}
    for name, places in PLACES.items():
        text = _first(folder, places)
        if text is not None:
            found[name] = text
    entries = parse_memtype_list(found.pop("pat_memtype_list", "").split("\n"))
    if entries:
        found["pat_memtype_list"] = list_text(Context(entries=entries))
    lspci = _first(folder, _LSPCI)
    devices = parse_lspci((lspci or "").split("\n"))
    if not found and not devices:
        raise InputFormatError(
            f"{shown(folder)}: a sos report without {', '.join(PLACES['iomem'])}, a kernel log or "
            "lspci output: expected one made by root"
        )
    absent = [
        f"{PLACES[name][0]}: not in the sos report"
        for name in ("iomem", "mtrr", "dmesg")
        if name not in found
    ]
    if lspci is None:
        absent.append(f"{_LSPCI[0]}: not in the sos report: no BAR and no driver is known")
    found.setdefault("dmesg", "")
    return GatheredCollector(shown(folder), found, devices, tuple(absent))


def _first(folder: Path, places: tuple[str, ...]) -> str | None:
    """The first of the files that is there and not empty; links of the report are not followed."""
    for place in places:
        path = folder / place
        if any(part.is_symlink() for part in (path, *path.parents[: place.count("/")])):
            continue
        if not files.exists(path):
            continue
        text = files.read_bytes(path, limit=MAX_FILE).decode("utf-8", "replace")
        if text.strip():
            return text.replace("\r\n", "\n")
    return None


def of_folder(folder: Path) -> SnapshotCollector | GatheredCollector:
    """Who reads a directory that somebody gave: a snapshot, or a sos report."""
    return sos(folder) if is_sos(folder) else SnapshotCollector(folder)
