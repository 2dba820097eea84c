"""What stays reserved, and what the log says, if processes exit.

The release of every tracked VMA is replayed on the list, VMAs ascending, with
the size that each has now: the kernel's own erase rule. On kernels with
contexts a context releases exactly its range when its last VMA goes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import attrs

from pfntrack.audit.judged.owners import Holding, Ownership, Standing
from pfntrack.audit.judged.tree import ReplayTree
from pfntrack.audit.read.evidence import HOLDERS, Evidence
from pfntrack.audit.read.users import Untracked, User
from pfntrack.pat.cachemode import CacheMode
from pfntrack.pat.intervals import Disjoint, Range

Left = tuple[int, int, CacheMode]
_OURS = (Standing.OWNED, Standing.PIECES)
_ORPHANS = (Standing.STALE, Standing.SUSPECTED)


@attrs.frozen
class Exit:
    """The forecast for one process: ranges without owner afterwards, and log lines."""

    pid: int
    comm: str
    ranges: tuple[Left, ...]
    log: tuple[str, ...]
    frees: int
    unknown: int = 0


@attrs.frozen
class Forecast:
    """All exits: one by one, and everybody in ascending order of pids."""

    decidable: bool
    everyone: tuple[Left, ...] = ()
    log: tuple[str, ...] = ()
    processes: tuple[Exit, ...] = ()


def forecast(evidence: Evidence, people: Sequence[User], owners: Ownership) -> Forecast:
    """Replay every exit alone and then all of them."""
    if evidence.release is None and people:
        return Forecast(decidable=False)
    if evidence.pat_on is not False and evidence.gaps & (HOLDERS | {"reservations", "log"}):
        return Forecast(decidable=False)
    if evidence.pat_on is None and not evidence.state.reservations:
        return Forecast(decidable=False)
    if evidence.pat_on is not False and evidence.vm_pat and _guessing(evidence, owners):
        return Forecast(decidable=False)
    if owners.ambiguous:
        return Forecast(decidable=False)
    return _Replay(evidence, people, owners).run()


def _guessing(evidence: Evidence, owners: Ownership) -> bool:
    """Whether it is not known if some release takes place, or if the list could hold its range."""
    if any(user.tracked is None and _untracks(user) for user in owners.lone_users):
        return True
    if evidence.knows_claims:
        return False
    listed = Disjoint((row.start, row.end) for row in evidence.state.reservations)
    return any(
        user.phys is not None and _untracks(user) and not listed.touches(*user.phys)
        for user in owners.lone_users
    )


class _Replay:
    def __init__(self, evidence: Evidence, people: Sequence[User], owners: Ownership) -> None:
        self.evidence = evidence
        self.rows = evidence.state.reservations
        self.holdings = owners.holdings
        self.untracked = Untracked(evidence)
        # Seen while the list was changing and in no reading of it: nothing is known of these.
        self.passing = {
            user
            for user in owners.lone_users
            if user.phys is not None and owners.moving.touches(*user.phys)
        }
        self.by_pid: dict[int, list[User]] = defaultdict(list)
        for user in people:
            self.by_pid[user.pid].append(user)
        self.held: dict[int, list[int]] = defaultdict(list)
        for number, holding in enumerate(self.holdings):
            if holding.users and holding.standing in _OURS:
                for pid in holding.pids:
                    self.held[pid].append(number)

    def run(self) -> Forecast:
        edges = {
            edge
            for users in self.by_pid.values()
            for user in users
            if user.phys is not None and _untracks(user)
            for edge in user.phys
        }
        spans: dict[int, Range] = {
            number: (row.start, row.end) for number, row in enumerate(self.rows) if row.end in edges
        }
        # Among equal entries those of user mappings go first: what is left
        # then belongs to the one who is still there.
        order = sorted(spans, key=lambda at: _rank(self.holdings[at]))
        end_match = self.evidence.release is not None and self.evidence.release.pat.end_match
        tree = ReplayTree(spans, order, end_match=end_match)
        exits = []
        for pid in sorted(self.by_pid):
            log = self._exit(tree, pid)
            exits.append(self._one(tree, pid, log))
            tree.rollback()
        lines = [line for pid in sorted(self.by_pid) for line in self._exit(tree, pid)]
        left = []
        for number, row in enumerate(self.rows):
            holding = self.holdings[number]
            if holding.area is not None or not self._orphan(number, holding):
                continue
            span = tree.spans.get(number, (row.start, row.end))
            if span is not None:
                left.append((span[0], span[1], row.type))
        return Forecast(True, tuple(sorted(left)), tuple(lines), tuple(exits))

    def _orphan(self, number: int, holding: Holding) -> bool:
        """Without owner once every process is gone, as far as all readings agree."""
        if holding.standing in _ORPHANS:
            return True
        if holding.standing not in _OURS:
            return False
        if self.evidence.contexts:
            # The last VMA of the context takes the entry with it.
            return False
        row = self.rows[number]
        fewest, _ = self.evidence.varying.get((row.start, row.end, row.type.cattr), (1, 1))
        return fewest > 0

    def _exit(self, tree: ReplayTree, pid: int) -> list[str]:
        """Untrack the VMAs of one process; returns log lines."""
        if self.evidence.contexts or self.evidence.pat_on is False:
            return []
        log = []
        for user in self.by_pid[pid]:
            if user.phys is None or not _untracks(user) or user in self.passing:
                continue
            start, end = user.phys
            if not self.untracked(start, end) and tree.release(start, end) is None:
                mem = f"[mem {start:#010x}-{end - 1:#010x}]"
                log.append(f"{user.comm}:{pid} freeing invalid memtype {mem}")
        return log

    def _one(self, tree: ReplayTree, pid: int, log: list[str]) -> Exit:
        users = self.by_pid[pid]
        mine = self.held.get(pid, [])
        alone = [number for number in mine if self.holdings[number].pids == {pid}]
        if self.evidence.contexts:
            freed, left = len(alone), []
        else:
            left = self._left(tree, alone)
            freed = sum(tree.spans[number] is None for number, _ in tree.touched())
        unknown = sum(user.phys is None and user.tracked is not False for user in users)
        return Exit(pid, users[0].comm, tuple(left), tuple(log), freed, unknown)

    def _left(self, tree: ReplayTree, alone: list[int]) -> list[Left]:
        """What remains of the entries of one process; equal entries are interchangeable.

        So if a release took or shrank the equal entry of somebody else, that
        is what became of ours.
        """
        became: dict[Range, list[Range | None]] = defaultdict(list)
        for number in dict.fromkeys(number for number, _ in tree.touched()):
            row = self.rows[number]
            became[row.start, row.end].append(tree.spans[number])
        left = []
        for number in alone:
            row = self.rows[number]
            ends = became[row.start, row.end]
            span = ends.pop() if ends else (row.start, row.end)
            if span is not None:
                left.append((span[0], span[1], row.type))
        return left


def _untracks(user: User) -> bool:
    """Whether the exit consults tracking; without flags only the kind of file speaks for it."""
    return user.tracked or (user.tracked is None and user.kind in ("devmem", "pci"))


def _rank(holding: Holding) -> int:
    if holding.users and holding.standing in _OURS:
        return 0
    return 2 if holding.area is not None else 1
