"""What the properties of states see of an address space, and of several together.

`judge_state` looks at a whole world, but only at these facts about its
processes: which physical pages are mapped, as what, by whose claim. Facts of
one process depend on its address space and the physical part; facts of a world
are the sum of those of its processes. So a verdict is worked out once for each
distinct sum, not once for each state.
"""

from __future__ import annotations

from collections import Counter

import attrs

from pfntrack.check.judged import owners
from pfntrack.check.judged.properties import cover
from pfntrack.check.search.normal import assemble
from pfntrack.designs.base import Design
from pfntrack.mm.space import AddressSpace
from pfntrack.mm.step import pfnmap
from pfntrack.pat.physical import Machine, Physical


@attrs.frozen
class Summary:
    """Facts about one or more address spaces; all tuples are sorted.

    `pages` some VMA maps or was made to map; `typed` pairs of page and type of
    live entries; `claims` pairs of page and number of tracked VMAs without a
    context that answer for it; `contexts` those held; `bare` if an entry of a
    full remap has no reservation of its type.
    """

    pages: tuple[int, ...] = ()
    typed: tuple[tuple[int, int], ...] = ()
    claims: tuple[tuple[int, int], ...] = ()
    contexts: tuple[int, ...] = ()
    bare: bool = False

    def __add__(self, other: Summary) -> Summary:
        claims = Counter(dict(self.claims))
        claims.update(dict(other.claims))
        return Summary(
            _union(self.pages, other.pages),
            tuple(sorted({*self.typed, *other.typed})),
            tuple(sorted(claims.items())),
            _union(self.contexts, other.contexts),
            self.bare or other.bare,
        )


def _union(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted({*one, *other}))


def summary(space: AddressSpace, phys: Physical, design: Design, machine: Machine) -> Summary:
    """Facts about one address space."""
    world = assemble((space,), phys, ())
    mapped = owners.user_mappings(world)
    spans = owners.nominal(world) + [(each.first, each.end) for each in mapped]
    claims: Counter[int] = Counter()
    contexts = set()
    for vma in space.vmas:
        context = design.context(phys, vma) if design.tracked(vma) else None
        if context is not None:
            contexts.add(context.id)
        elif design.tracked(vma) and vma.origin is not None:
            place = vma.origin, vma.origin + vma.pages
            if owners.trackable(machine, *place):
                claims.update(range(*place))
    typed = {(page, each.type.value) for each in mapped for page in range(each.first, each.end)}
    return Summary(
        tuple(sorted({page for first, end in spans for page in range(first, end)})),
        tuple(sorted(typed)),
        tuple(sorted(claims.items())),
        tuple(sorted(contexts)),
        any(pfnmap(vma) for vma in space.vmas) and bool(cover(world, machine)),
    )
