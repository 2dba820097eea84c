"""Facts that were not collected by `pfntrack collect`: pasted lists, lspci output, sos reports.

They are laid out like a snapshot and read as one; what nobody gathered is named as missing,
and processes and kernel mappings count as unread, so nothing is called proved.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import attrs

from pfntrack.audit.read.evidence import Evidence
from pfntrack.audit.read.snapshot import SnapshotCollector
from pfntrack.errors import InputFormatError
from pfntrack.field.read.context import Context, Device, load

_PREFETCH, _MEMORY = 0x2000, 0x200
_NO_PEOPLE = "unread proc: mappings of processes: not in what was given"


@attrs.frozen
class GatheredCollector:
    """Files by their names in a snapshot, and devices; `absent` says what else was looked for."""

    name: str
    files: Mapping[str, str]
    devices: tuple[Device, ...] = ()
    absent: tuple[str, ...] = ()

    def collect(self) -> Evidence:
        """The machine as far as the files show it; raises InputFormatError."""
        with tempfile.TemporaryDirectory(prefix="pfntrack-") as made:
            folder = Path(made)
            for name, text in self.files.items():
                (folder / name).write_text(text, encoding="utf-8")
            meta = self.files.get("meta", "")
            (folder / "meta").write_text(f"{meta}\n{_NO_PEOPLE}\n", encoding="utf-8")
            if self.devices:
                (folder / "pci").mkdir()
            for device in self.devices:
                (folder / "pci" / full_name(device)).write_text(_pci(device), encoding="utf-8")
            found = SnapshotCollector(folder).collect()
        return attrs.evolve(found, name=self.name, missing=(*found.missing, *self.absent))


def full_name(device: Device) -> str:
    """The name with its domain, which lspci leaves out where there is only one."""
    return device.name if device.name.count(":") == 2 else f"0000:{device.name}"


def _pci(device: Device) -> str:
    """A device as `pfntrack collect` writes it."""
    rows = [f"driver {device.driver}"] if device.driver else []
    for number, start, end in device.bars:
        flags = _MEMORY | (_PREFETCH if number in device.prefetchable else 0)
        rows.append(f"bar {number} {start:#x} {end - 1:#x} {flags:#x}")
    return "\n".join(rows) + "\n"


def list_text(context: Context) -> str:
    """The reservations of a context in the form of the kernel's file."""
    rows = [f"PAT: [mem {e.start:#018x}-{e.end:#018x}] {e.type}" for e in context.entries]
    return "\n".join(["PAT memtype list:", *rows]) + "\n"


def pasted(
    memtype_list: Path | None, lspci: Path | None, iomem: Path | None, mtrr: Path | None
) -> GatheredCollector:
    """A collector of files that somebody pasted or sent; two of them may be one and the same.

    Raises InputFormatError: a file holds no row of its kind.
    """
    context = load(memtype_list=memtype_list, iomem=iomem, lspci=lspci)
    files: dict[str, str] = {}
    if memtype_list is not None:
        files["pat_memtype_list"] = list_text(context)
    if iomem is not None:
        files["iomem"] = "\n".join(
            f"{'  ' * r.depth}{r.start:08x}-{r.end - 1:08x} : {r.name}" for r in context.resources
        )
    if mtrr is not None:
        files["mtrr"] = _text(mtrr)
        if "reg" not in files["mtrr"]:
            raise InputFormatError(f"{mtrr}: no row found: expected 'reg00: base=0x...'")
    given = [path for path in (memtype_list, lspci, iomem, mtrr) if path is not None]
    if "pat_memtype_list" not in files:
        # A snapshot without any of its files is none; the log of nothing is an empty one.
        files.setdefault("dmesg", "")
    return GatheredCollector(" and ".join(dict.fromkeys(map(str, given))), files, context.devices)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise InputFormatError(f"{path}: {error.strerror}: expected a readable file") from None
