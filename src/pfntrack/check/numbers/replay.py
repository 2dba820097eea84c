"""Calls of the model as trees of questions.

A call on an address space sees the physical part through questions
(`Context.ask`), whose answers depend on the physical part alone. So what it
does with a space is a tree: which question comes first, which one next for
each answer, and at the leaves what becomes of the space. The model performs
the call once for each leaf. Beside all other physical parts the tree is
followed, and each question is put once to each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import attrs

from pfntrack.check.numbers.intern import Interned
from pfntrack.pat.context import Context
from pfntrack.pat.events import Event
from pfntrack.pat.physical import Physical


class Question(NamedTuple):
    """A function of the model that takes a context, and its other arguments."""

    function: Callable[..., Any]
    args: tuple[Hashable, ...]


NOTHING: frozenset[str] = frozenset()


@attrs.frozen
class Reply:
    """What a question brought: its answer (also by number), the physical part after it.

    `broken` are the properties that its events break.
    """

    value: Any
    answer: int
    phys: int
    events: tuple[Event, ...]
    broken: frozenset[str]


class Answers:
    """Questions, physical parts and answers by number, and who answered what."""

    def __init__(
        self,
        context: Callable[[Physical], Context],
        breaks: Callable[[Sequence[Event]], frozenset[str]],
    ) -> None:
        self.physes: Interned[Physical] = Interned()
        self._context = context
        self._breaks = breaks
        self._questions: Interned[Question] = Interned()
        self._values: Interned[Hashable] = Interned()
        self.replies: dict[tuple[int, int], Reply] = {}

    def number(self, question: Question) -> int:
        """The number of a question."""
        return self._questions.number(question)

    def reply(self, question: int, phys: int) -> Reply:
        """What a physical part answers."""
        found = self.replies.get((question, phys))
        if found is None:
            function, args = self._questions[question]
            # No more than a context, so that nothing else can have a say.
            context = self._context(self.physes[phys])
            value = function(context, *args)
            found = self.replies[question, phys] = Reply(
                value,
                self._values.number(value),
                self.physes.number(context.phys),
                tuple(context.events),
                self._breaks(context.events),
            )
        return found


@attrs.frozen
class Leaf:
    """What becomes of a space: those there are after the call, by number.

    `broken` is what the call breaks whatever the answers were.
    """

    spaces: tuple[int, ...]
    broken: frozenset[str] = frozenset()


@attrs.frozen
class _Ask:
    question: int
    branches: dict[int, _Node] = attrs.field(factory=dict)


_Node: TypeAlias = _Ask | Leaf
Key = tuple[int, int, int]


class Calls:
    """The trees of all calls, by a key of the caller's."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self._roots: dict[Key, _Node] = {}

    def follow(self, key: Key, phys: int) -> tuple[Leaf, int, frozenset[str]] | None:
        """The leaf beside a physical part, that part afterwards, and what broke.

        None if the tree has no such branch yet.
        """
        node, broken, known = self._roots.get(key), NOTHING, self.answers.replies
        while type(node) is _Ask:
            question = node.question
            reply = known.get((question, phys)) or self.answers.reply(question, phys)
            node, phys = node.branches.get(reply.answer), reply.phys
            if reply.broken:
                broken |= reply.broken
        if node is None:
            return None
        assert isinstance(node, Leaf)  # noqa: S101 - there is no third kind
        return node, phys, broken | node.broken if broken else node.broken

    def add(self, key: Key, asked: Sequence[tuple[int, int]], leaf: Leaf) -> None:
        """A branch: what was asked and answered, as numbers, and its end."""
        if not asked:
            self._roots[key] = leaf
            return
        node = self._roots.setdefault(key, _Ask(asked[0][0]))
        for (_, answer), (question, _) in pairwise(asked):
            assert isinstance(node, _Ask)  # noqa: S101 - equal answers, equal questions
            node = node.branches.setdefault(answer, _Ask(question))
        assert isinstance(node, _Ask)  # noqa: S101
        node.branches[asked[-1][1]] = leaf

    def asks_nothing(self, key: Key) -> bool:
        """Is it known that the call never asks?"""
        return isinstance(self._roots.get(key), Leaf)
