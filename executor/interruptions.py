"""Whom a change interrupts, whatever its order: group by group, what is lost and which members lose it.

A member counts if its sled has a mapping of the group now: others hear nothing that they could lose. Who sends
cannot be read, so what is lost is said of whoever sends that way.

This file does not know how anything is sent, nor who accepts a loss.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypedDict
from uuid import UUID

from attrs import frozen

from blueprints.addresses import Address
from blueprints.blueprint import Content
from blueprints.identifiers import SwitchSlot
from blueprints.observation import Observation
from blueprints.ordering import Key
from executor.actions import FORMS
from executor.changes import Change, Kind
from executor.drains import REFILTERS, rewrites_filter
from executor.gates import accepted, moves_address

ALLOW_LOSS, MOVE_UNDERLAY = "--allow-loss", "--move-underlay"


class Consent(TypedDict):
    """What was accepted beforehand: losses, and groups whose underlay address may move."""

    allow_loss: bool
    moves: Collection[Address]


LOST: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.REBUILD_EXTERNAL: "what passes {place} while the group is made again there",
        Kind.REBUILD_UNDERLAY: "what passes {place} while the group is made again there",
        Kind.REFILTER_LIVE: "what passes {place} while its source filter is rewritten",
        Kind.EXTERNAL_RETARGET: "what reaches a sled under another underlay address than the one it listens on",
        Kind.M2P_MOVE: "what reaches a sled under another underlay address than the one it listens on",
        Kind.MOVE_LEAVE: "what reaches a sled under another underlay address than the one it listens on",
    }
)
"""What is lost by the kinds that need consent."""

INTERRUPTING = REFILTERS.union(LOST)
"""Kinds that interrupt anybody; `EXTERNAL_UPDATE` among them does so if it rewrites a filter or moves to a VLAN."""

FROM_OUTSIDE = "what enters {place} from outside while its source filter is rewritten"
VLAN = "what enters {place} from outside while its VLAN changes"
BEHIND = "what instances of their own sled send, while the sled, which a move left behind, is brought after the rest"
ANEW = "what enters {place} from outside while the group, of which its chip is in doubt, is made anew there"


@frozen(kw_only=True)
class Member:
    """A port that hears a group."""

    instance_id: UUID
    propolis_id: UUID
    sled_id: UUID

    @property
    def sort_key(self) -> Key:
        """By sled, then by instance."""
        return (self.sled_id.int, self.instance_id.int, self.propolis_id.int)


@frozen(kw_only=True)
class Interruption:
    """One thing that the members of one group lose."""

    group: Address
    what: str
    option: str | None
    """The option that accepts it; None: it is announced, and sent all the same."""

    accepted: bool
    members: tuple[Member, ...]

    @property
    def sort_key(self) -> Key:
        """By group, then by text."""
        return (self.group.key, self.what)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        named = [
            {"instance_id": str(m.instance_id), "propolis_id": str(m.propolis_id), "sled_id": str(m.sled_id)}
            for m in self.members
        ]
        said = {"group": self.group.text, "what": self.what, "option": self.option, "accepted": self.accepted}
        return {**said, "members": named}

    def __str__(self) -> str:
        """Return what people are told."""
        accepts = f"; {self.option} accepts it" if self.option and not self.accepted else ""
        return f"{self.group}: {len(self.members)} members lose {self.what}{accepts}"


def option_for(change: Change, moving: Collection[Address] = ()) -> str:
    """Return the option by which somebody accepts what *change*, which needs consent or waits for it, costs.

    Args:
        change: what is asked about.
        moving: groups whose underlay address would move; whatever of them waits, waits for that.
    """
    if not moves_address(change) and not any(group in moving for group in change.groups):
        return ALLOW_LOSS
    return " ".join(f"{MOVE_UNDERLAY} {group}" for group in change.groups)


def interruptions(
    content: Content,
    observation: Observation,
    changes: Iterable[Change],
    *,
    anew: Iterable[tuple[SwitchSlot, Address]] = (),
    allow_loss: bool = False,
    moves: Collection[Address] = (),
) -> tuple[Interruption, ...]:
    """Return what carrying out *changes* takes from members of groups for a while, although they stay members.

    Args:
        content: the blueprint.
        observation: what the rack holds before.
        changes: what differs, repeats included.
        anew: groups that are healed although nothing differs.
        allow_loss: whether losses are accepted, but for those of moves.
        moves: groups whose underlay address may move.
    """
    found: dict[tuple[Address, str], tuple[str | None, bool]] = {
        (group, ANEW.format(place=slot.value)): (None, True) for slot, group in anew
    }
    behind: defaultdict[Address, set[UUID]] = defaultdict(set)
    for change in changes:
        if change.lossless and change.kind is Kind.M2P_MOVE:
            for group in change.groups:
                behind[group].add(UUID(change.target.place))
        if change.held or change.lossless:
            continue
        fine = accepted(change, allow_loss=allow_loss, moves=moves)
        for what in _lost(change):
            option = option_for(change) if FORMS[change.kind].consent else None
            for group in change.groups:
                found[group, what] = (option, fine)
    members = _members(content, observation, {group for group, _ in found} | behind.keys())
    listed = [
        Interruption(group=group, what=what, option=option, accepted=fine, members=members.get(group, ()))
        for (group, what), (option, fine) in found.items()
    ]
    for group, sleds in behind.items():
        there = tuple(member for member in members.get(group, ()) if member.sled_id in sleds)
        listed.append(Interruption(group=group, what=BEHIND, option=None, accepted=True, members=there))
    return tuple(sorted((each for each in listed if each.members), key=lambda each: each.sort_key))


def _lost(change: Change) -> Iterator[str]:
    place = change.target.place
    if change.kind in LOST:
        yield LOST[change.kind].format(place=place)
    elif rewrites_filter(change):
        yield FROM_OUTSIDE.format(place=place)
    if change.kind in _ENTRIES and change.seen is not None and change.seen.vlan_id != change.row.vlan_id:
        yield VLAN.format(place=place)


_ENTRIES = (Kind.EXTERNAL_UPDATE, Kind.REFILTER_DRAINED, Kind.REFILTER_LIVE)


def _members(
    content: Content, observation: Observation, groups: Collection[Address]
) -> Mapping[Address, tuple[Member, ...]]:
    """Return the members that each of *groups* has, on sleds that map it now."""
    if not groups:
        return {}
    members: defaultdict[Address, list[Member]] = defaultdict(list)
    for sled, tables in content.sleds.items():
        seen = observation.sleds.get(sled)
        mapped = {row.group for row in (seen.m2p if seen else None) or ()}
        for row in tables.subscriptions:
            if row.group_ip in groups and row.group_ip in mapped:
                members[row.group_ip].append(
                    Member(instance_id=row.instance_id, propolis_id=row.propolis_id, sled_id=sled)
                )
    return {group: tuple(sorted(rows, key=lambda row: row.sort_key)) for group, rows in members.items()}
