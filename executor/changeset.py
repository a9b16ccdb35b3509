"""Many changes as one list that holds few of them: sleds lack the same rows, so that most changes are alike.

A part of the list is what one target lacks of one kind. What it holds is the rows, which it shares with the parts of
other targets; the changes themselves are made when somebody asks for them. This file does not know what is sent for a
change, nor how one is found.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from attrs import field, frozen

from blueprints.addresses import Address
from blueprints.observation import Silence
from blueprints.ordering import Key
from executor.changes import KIND_RANKS, Change, Conflict, Foreign, Kind, MembersElsewhere
from executor.joined import Joined, Lazy, Made, some
from executor.targets import Target

_WHOSE = attrgetter("kind", "target")


@frozen(kw_only=True, eq=False)
class Part(Lazy[Change]):
    """Changes of one kind and of one target."""

    kind: Kind
    target: Target
    of: Sequence[Change] = field(repr=False)
    """As they were made, of this target or of another one."""

    @property
    def sort_key(self) -> tuple[int, tuple[int, str]]:
        """By kind, then by target: the order of changes."""
        return (KIND_RANKS[self.kind], self.target.sort_key)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.of)

    def items(self, start: int, stop: int) -> Iterator[Change]:
        """Yield some of them, made out to the target."""
        target = self.target
        return (c if c.target is target or c.target == target else c.at(target) for c in some(self.of, start, stop))


class Changes(Joined[Change]):
    """Changes in order."""

    __slots__ = ()

    parts: tuple[Part, ...]

    @classmethod
    def made(cls, changes: Iterable[Change]) -> "Changes":
        """Return *changes*, in their order."""
        if isinstance(changes, Changes):
            return changes
        return cls(
            Part(kind=kind, target=target, of=tuple(part)) for (kind, target), part in groupby(changes, key=_WHOSE)
        )

    def of(self, kinds: Collection[Kind]) -> "Changes":
        """Return those of *kinds*."""
        return Changes(part for part in self.parts if part.kind in kinds)

    @property
    def targets(self) -> frozenset[Target]:
        """Return the targets of all of them."""
        return frozenset(part.target for part in self.parts)


def as_changes(changes: Iterable[Change]) -> Changes:
    """Return *changes*, in their order."""
    return Changes.made(changes)


_SUBJECTS: Mapping[Kind, Callable[[Any], Address]] = MappingProxyType(
    {Kind.EXTERNAL_CREATE: attrgetter("group_ip"), Kind.ROUTE_PUT: attrgetter("group")}
)
"""Kinds that a switch that is empty lacks by the thousand, and what they are about, by their rows."""


def parted(changes: Iterable[Change]) -> Iterator[Part]:
    """Yield *changes*, in any order, by kind and target, each part sorted and held as small as it can be."""
    parts: defaultdict[tuple[Kind, Target], list[Change]] = defaultdict(list)
    for change in changes:
        parts[change.kind, change.target].append(change)
    for (kind, target), part in parts.items():
        part.sort(key=_place)
        yield Part(kind=kind, target=target, of=_as_rows(kind, target, part))


def _place(change: Change) -> Key:
    return (change.subject.key, change.row.sort_key)


def _as_rows(kind: Kind, target: Target, changes: Sequence[Change]) -> Sequence[Change]:
    """Return *changes* as the rows that they are made of, if those say everything."""
    if kind not in _SUBJECTS:
        return tuple(changes)
    make = partial(_of_row, kind, target)
    if all(make(change.row) == change for change in changes):
        return Made(tuple(change.row for change in changes), make)
    return tuple(changes)


def _of_row(kind: Kind, target: Target, row: Any) -> Change:
    subject = _SUBJECTS[kind](row)
    return Change(kind=kind, target=target, groups=(subject,), subject=subject, row=row)


def sorted_changes(parts: Iterable[Part], changes: Iterable[Change]) -> Changes:
    """Return *parts*, each sorted, and *changes* as one list in order."""
    several = [*parts, *parted(changes)]
    several.sort(key=attrgetter("sort_key"))
    whose = [part.sort_key for part in several]
    if len(set(whose)) < len(whose):
        return Changes.made(sorted(Changes(several), key=attrgetter("sort_key")))
    return Changes(several)


@frozen(kw_only=True)
class Difference:
    """All that sets a rack apart from a blueprint, and what must be said again although nothing can be read."""

    changes: Changes = field(converter=as_changes)
    """What was read to differ."""

    asserts: Changes = field(converter=as_changes)
    """What cannot be read back, so it is repeated, target by target: mappings for their NIC joins, joins, leaves."""

    unknown: tuple[Silence, ...]
    """Targets of the blueprint that gave no answer to trust: they are owed everything, and nothing is derived."""

    conflicts: tuple[Conflict, ...]
    foreign: tuple[Foreign, ...]
    held: tuple[Foreign, ...]
    """Objects of groups that the blueprint holds: left as they are."""

    members_elsewhere: tuple[MembersElsewhere, ...]

    settled: frozenset[Address]
    """Groups whose underlay address of the blueprint is in use somewhere in the rack."""

    @property
    def everything(self) -> Changes:
        """What differs, and what is repeated."""
        return Changes((*self.changes.parts, *self.asserts.parts))
