"""Names of a scrubbed document: ids, serials, names of groups, tags.

    N1  ids keep their order, because plans go by it; equal ids stay equal whatever they are ids of.
    N2  the id of a group keeps the switch that rendezvous hashing gives the group.
    N3  serials and names of groups are numbered; equal ones stay equal, and the order of numbers says nothing.
    N4  a tag ``<uuid>:<address>`` stays one, with id and address exchanged, and so does the form that PostgreSQL
        makes of it, ``<uuid>:<address>/32``; another tag becomes a numbered one that switches take or refuse as
        they did the old one.

This file does not know documents.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from itertools import count
from uuid import UUID

from blueprints.addresses import Address
from blueprints.errors import InvariantError
from blueprints.identifiers import SwitchSlot, Tag, rendezvous
from collector.scrub_draws import Draws

_RANK_BITS = 48
"""The upper bits of an id, which hold its place among the others; version and variant (RFC 9562) lie below."""

_VERSION_4 = 0x4 << 76
_VARIANT = 0b10 << 62
_GIVEN = 0xF << 76 | 0b11 << 62 | ((1 << _RANK_BITS) - 1) << 80


def other_ids(draws: Draws, ids: Collection[UUID], groups: Collection[UUID]) -> dict[UUID, UUID]:
    """Return another id for each of *ids*, in the same order (N1); those of *groups* are chosen by N2."""
    room = (1 << _RANK_BITS) // max(len(ids), 1)
    return {
        name: _group_id(draws, name, rank * room, room) if name in groups else _id(draws, name, rank * room, room, 0)
        for rank, name in enumerate(sorted(ids, key=lambda name: name.int))
    }


def _id(draws: Draws, name: UUID, first: int, room: int, attempt: int) -> UUID:
    draw = draws.number("id", name.int, attempt)
    place = first + (draw >> 128) % room
    return UUID(int=place << 80 | draw & ~_GIVEN & (1 << 128) - 1 | _VERSION_4 | _VARIANT)


def _group_id(draws: Draws, name: UUID, first: int, room: int) -> UUID:
    slot = rendezvous(name, SwitchSlot)
    candidates = (_id(draws, name, first, room, attempt) for attempt in count())
    return next(other for other in candidates if rendezvous(other, SwitchSlot) is slot)


_NAMED = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9A-Fa-f:.]+)(/[0-9]{1,3})?")


def named_by(tag: str) -> tuple[UUID, Address, str] | None:
    """Return group, address and what follows them in a tag of the form of N4; None for another tag."""
    match = _NAMED.fullmatch(tag)
    if match is None:
        return None
    try:
        return UUID(match[1]), Address.parse(match[2]), match[3] or ""
    except ValueError:
        return None


def _accepted(tag: str) -> bool:
    try:
        Tag.parse(tag)
    except ValueError:
        return False
    return True


class TagMap:
    """What tags become (N4)."""

    def __init__(
        self, draws: Draws, tags: Collection[str], ids: Mapping[UUID, UUID], address: Callable[[Address], Address]
    ) -> None:
        """Number those of *tags* that are not made of an id and an address."""
        self._ids = ids
        self._address = address
        self.made: dict[str, str] = {}
        """What was asked for."""

        oddly = self._oddly_spelled(draws, tags)
        plain = {tag for tag in tags if not self._is_canonical(tag) and tag not in oddly}
        self._others = oddly | draws.titles("tag-", {tag for tag in plain if _accepted(tag)})
        self._others |= draws.titles("refused tag ", {tag for tag in plain if not _accepted(tag)})
        for tag in tags:
            self(tag)

    def _is_canonical(self, tag: str) -> bool:
        named = named_by(tag)
        return named is not None and f"{named[0]}:{named[1]}{named[2]}" == tag

    def _oddly_spelled(self, draws: Draws, tags: Collection[str]) -> dict[str, str]:
        """Return tags whose address is right and not written as it should be, with what they become.

        They still name their group, but are not the canonical tag. There are few ways to write an address; tags
        beyond those count as tags of no form.
        """
        odd: defaultdict[tuple[UUID, Address, str], list[str]] = defaultdict(list)
        for tag in draws.shuffled("odd", tags):
            named = named_by(tag)
            if named is not None and not self._is_canonical(tag):
                odd[named].append(tag)
        found: dict[str, str] = {}
        for (group, address, rest), its in odd.items():
            other = self._address(address)
            spellings = {other.ip.exploded, other.ip.exploded.upper(), other.text.upper()} - {other.text}
            found |= {
                tag: f"{self._ids[group]}:{spelling}{rest}"
                for tag, spelling in zip(its, sorted(spellings), strict=False)
            }
        return found

    def __call__(self, tag: str) -> str:
        """Return what *tag* becomes.

        Raises:
            InvariantError: the map was made for other tags.
        """
        if tag not in self.made:
            self.made[tag] = self._image(tag)
        return self.made[tag]

    def _image(self, tag: str) -> str:
        if tag in self._others:
            return self._others[tag]
        named = named_by(tag)
        if named is None or not self._is_canonical(tag) or named[0] not in self._ids:
            raise InvariantError("tags", f"{tag!r} is of no document that the map was made for")
        group, address, rest = named
        return f"{self._ids[group]}:{self._address(address)}{rest}"
