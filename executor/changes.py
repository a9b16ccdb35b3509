"""The vocabulary of a difference: what one target must gain, change, lose, or be told again; whose the rest is.

A change says *what*, in typed rows. What is sent for it, when, and what it waits for is the table of
`executor.actions`. This file does not know how changes are found.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from blueprints.addresses import Address
from blueprints.observation import SeenHop
from blueprints.ordering import Key, in_order
from executor.targets import Target


class Kind(StrEnum):
    """Every change that a target can need, in the order in which they are sent."""

    REBUILD_EXTERNAL = "rebuild_external"
    """Delete an external group that carries another of our tags; its creation follows."""
    REBUILD_UNDERLAY = "rebuild_underlay"
    UNDERLAY_CREATE = "underlay_create"
    MEMBERS_ADD = "members_add"
    EXTERNAL_CREATE = "external_create"
    EXTERNAL_UPDATE = "external_update"
    """Rewrite an external group; if its source filter too, then on a switch that no sled sends it through."""
    EXTERNAL_RETARGET = "external_retarget"
    """Translate an external group into another underlay group than now, under which sleds may hear it."""
    REFILTER_LIVE = "refilter_live"
    """Rewrite the source filter of an external group on a switch that sleds send it through: they are interrupted."""
    DRAIN = "drain"
    """Send a group by another switch while its source filter is rewritten."""
    REFILTER_DRAINED = "refilter_drained"
    """Rewrite the source filter of an external group on a switch that no sled sends it through any more."""
    FORWARDING_SET = "forwarding_set"
    """Give a next hop to an underlay group that has none, or refine the one it has."""
    HOP_CHANGE = "hop_change"
    """Take a next hop that carries traffic out of use."""
    MOVE_LEAVE = "move_leave"
    """Leave a group while its old mapping still stands."""
    M2P_SET = "m2p_set"
    M2P_MOVE = "m2p_move"
    """Overwrite a mapping that leads to another underlay group."""
    M2P_ASSERT = "m2p_assert"
    """Repeat a mapping that is there: whether the NICs joined cannot be read."""
    JOIN = "join"
    ROUTE_PUT = "route_put"
    ROUTE_WITHDRAW = "route_withdraw"
    LEAVE = "leave"
    FORWARDING_CLEAR = "forwarding_clear"
    M2P_CLEAR = "m2p_clear"
    EXTERNAL_DELETE = "external_delete"
    MEMBERS_REMOVE = "members_remove"
    UNDERLAY_DELETE = "underlay_delete"


KIND_RANKS = {kind: rank for rank, kind in enumerate(Kind)}


ADDRESS_MOVES = frozenset({Kind.EXTERNAL_RETARGET, Kind.M2P_MOVE})
"""Kinds that take a group from one underlay address to another."""


def _sorted_groups(groups: Iterable[Address]) -> tuple[Address, ...]:
    if type(groups) is tuple and len(groups) == 1:
        return groups
    return tuple(sorted(set(groups), key=lambda group: group.key))


@frozen(kw_only=True)
class ForwardingPut:
    """What one request tells a sled of an underlay group: hops to use, and hops to switch off."""

    underlay: Address
    next_hops: tuple[SeenHop, ...] = field(converter=in_order)

    @property
    def sort_key(self) -> Key:
        """By address."""
        return (self.underlay.key,)


@frozen(kw_only=True)
class Change:
    """One thing that one target must be told."""

    kind: Kind
    target: Target

    groups: tuple[Address, ...] = field(converter=_sorted_groups)
    """The external groups that it serves: one, but for a forwarding entry that several name."""

    subject: Address
    """The address of the object: an external or an underlay group."""

    row: Any
    """What the target shall hold, or what it shall lose; its type follows from the kind."""

    seen: Any = None
    """What was read there, or None."""

    via: str = ""
    """A switch that must hold the group before this may be sent."""

    held: str = ""
    """Why it is not sent in this run, whatever becomes of the rest."""

    lossless: bool = False
    """Nobody hears what it takes away, so it needs no consent, although its kind does."""

    def at(self, target: Target) -> "Change":
        """Return the same change of another target."""
        return Change(
            kind=self.kind,
            target=target,
            groups=self.groups,
            subject=self.subject,
            row=self.row,
            seen=self.seen,
            via=self.via,
            held=self.held,
            lossless=self.lossless,
        )

    @property
    def sort_key(self) -> Key:
        """By kind, target, address; rows of one address in their own order."""
        return (KIND_RANKS[self.kind], self.target.sort_key, self.subject.key, self.row.sort_key)


@frozen(kw_only=True)
class Foreign:
    """An object of somebody else: listed, never changed."""

    target: Target
    what: str
    """Such as ``external group 233.252.0.9, tag backup``."""

    held: bool = False
    """It belongs to a group that the blueprint holds."""

    def at(self, target: Target) -> "Foreign":
        """Return the same of another target."""
        return evolve(self, target=target)

    @property
    def sort_key(self) -> Key:
        """By target, then by text."""
        return (self.target.sort_key, self.what)


@frozen(kw_only=True)
class Conflict:
    """A foreign or held object where ours should stand: the group is blocked in that place."""

    target: Target
    group: Address
    because: str

    def at(self, target: Target) -> "Conflict":
        """Return the same of another target."""
        return evolve(self, target=target)

    @property
    def sort_key(self) -> Key:
        """By target, then by group."""
        return (self.target.sort_key, self.group.key, self.because)


@frozen(kw_only=True)
class MembersElsewhere:
    """An underlay group whose members differ but are somebody else's to write (``member_ports: derived``)."""

    target: Target
    group: Address

    @property
    def sort_key(self) -> Key:
        """By target, then by group."""
        return (self.target.sort_key, self.group.key)
