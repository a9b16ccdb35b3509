"""What is sent for each kind of change: one table that the sender runs from and the documentation can quote.

A row (`Form`) says the tier in which a kind is sent, the exact call, how it is known to be in effect, what it waits
for, and whether it needs consent because no order of calls avoids a loss.

Sources: the API documents of dpd 12 and 13, mgd 13 and sled-agent 49.
This file does not know bodies, how calls are sent, nor what became of them.
"""

from collections.abc import Callable, Mapping
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

from attrs import frozen

from executor import bodies
from executor.bodies import Json
from executor.changes import Kind
from executor.targets import Daemon


class Tier(IntEnum):
    """The order of an update: first everything that widens, then everything that narrows."""

    REBUILD_EXTERNAL = 0
    REBUILD_UNDERLAY = 1
    UNDERLAY = 2
    EXTERNAL = 3
    DRAIN = 4
    REFILTER = 5
    FORWARDING = 6
    MOVE_LEAVE = 7
    M2P = 8
    JOIN = 9
    ROUTES = 10
    WITHDRAW = 11
    LEAVE = 12
    FORWARDING_CLEAR = 13
    M2P_CLEAR = 14
    EXTERNAL_DELETE = 15
    NARROW = 16

    @property
    def narrows(self) -> bool:
        """Whether it comes after the read-back that follows widening."""
        return self >= Tier.WITHDRAW


class Effect(Enum):
    """Whether a call changes what was read to differ, or repeats what cannot be read."""

    WRITE = "write"
    REASSERT = "reassert"


class Observability(StrEnum):
    """How it is known whether a change is in effect."""

    READABLE = "readable"
    """The daemon lists the object, and what it lists is what it does."""
    INFERRED = "inferred"
    """The daemon lists the object, but its chip may hold another one: only an answer of success says so."""
    WRITE_ONLY = "write_only"
    """Nobody can list it: subscriptions, and the NIC filters that come with a mapping. It is repeated."""


class Scope(Enum):
    """Where a change of the same group has to be in effect before another is sent."""

    TARGET = "on the same target"
    PLACE = "on the same switch"
    ANYWHERE = "wherever it could be sent"


@frozen(kw_only=True)
class Gate:
    """What a kind waits for: changes of these kinds and of the same group, none of them failed."""

    kinds: tuple[Kind, ...]
    scope: Scope
    reads: Daemon | None = None
    """Closed too while this daemon of the same switch could not be read: what it holds matters."""


def _after(*kinds: Kind, scope: Scope = Scope.TARGET, reads: Daemon | None = None) -> Gate:
    return Gate(kinds=kinds, scope=scope, reads=reads)


_UNDERLAY = "/multicast/underlay-groups"
_EXTERNAL = "/multicast/external-groups"
_ONE_UNDERLAY = "/multicast/underlay-groups/{row.group_ip}?tag={tag}"
_ONE_EXTERNAL = "/multicast/external-groups/{row.group_ip}?tag={tag}"
_ONE_GROUP = "/multicast/groups/{row.group_ip}?tag={tag}"
_M2P = "/networking/mcast-m2p"
_FORWARDING = "/networking/mcast-fwd"
_ROUTES = "/static/mroute"
MEMBERSHIP = "membership"
"""Stands for one of two paths: sled-agents name a port by instance or by propolis."""


@frozen(kw_only=True)
class Form:
    """A row of the table: what is sent for one kind of change."""

    tier: Tier
    method: str
    path: str
    body: Callable[[Any], Json] | None = None
    """From the row of the change; for a batch, from the rows of all of them."""

    observed: Observability = Observability.READABLE
    consent: bool = False
    """No order of calls avoids a loss: sent only if that is allowed."""

    batch: bool = False
    """One request carries the changes of a whole target, all or nothing."""

    gates: tuple[Gate, ...] = ()

    @property
    def effect(self) -> Effect:
        """What cannot be read is repeated, and counted apart from what was read to differ."""
        return Effect.REASSERT if self.observed is Observability.WRITE_ONLY else Effect.WRITE

    @property
    def reading_proves(self) -> bool:
        """Whether reading the wanted state back shows, after a refusal, that it is in effect all the same."""
        return self.observed is Observability.READABLE


_K = Kind
_SUBSTRATE = (_K.REBUILD_EXTERNAL, _K.REBUILD_UNDERLAY, _K.UNDERLAY_CREATE, _K.MEMBERS_ADD)
_ENTRY = (
    _K.EXTERNAL_CREATE,
    _K.EXTERNAL_UPDATE,
    _K.EXTERNAL_RETARGET,
    _K.REFILTER_LIVE,
    _K.REFILTER_DRAINED,
)
_TURNED = (_K.DRAIN, _K.FORWARDING_SET, _K.HOP_CHANGE)
_MAPPED = (_K.M2P_SET, _K.M2P_ASSERT, _K.M2P_MOVE)
# A chip whose dpd forgot the group when it was given members leads an entry that is written then to nobody, for good:
# the ids that are compared afterwards may be equal again.
_HELD = _after(_K.UNDERLAY_CREATE, _K.MEMBERS_ADD)

FORMS: Mapping[Kind, Form] = MappingProxyType(
    {
        _K.REBUILD_EXTERNAL: Form(tier=Tier.REBUILD_EXTERNAL, method="DELETE", path=_ONE_GROUP, consent=True),
        _K.REBUILD_UNDERLAY: Form(
            tier=Tier.REBUILD_UNDERLAY,
            method="DELETE",
            path=_ONE_GROUP,
            consent=True,
            gates=(_after(_K.REBUILD_EXTERNAL),),
        ),
        _K.UNDERLAY_CREATE: Form(
            tier=Tier.UNDERLAY,
            method="POST",
            path=_UNDERLAY,
            body=bodies.underlay_body,
            gates=(_after(_K.REBUILD_EXTERNAL, _K.REBUILD_UNDERLAY),),
        ),
        _K.MEMBERS_ADD: Form(
            tier=Tier.UNDERLAY,
            method="PUT",
            path=_ONE_UNDERLAY,
            body=bodies.members_body,
            observed=Observability.INFERRED,
        ),
        _K.EXTERNAL_CREATE: Form(
            tier=Tier.EXTERNAL,
            method="POST",
            path=_EXTERNAL,
            body=bodies.external_body,
            gates=(_after(_K.REBUILD_EXTERNAL, _K.REBUILD_UNDERLAY, _K.UNDERLAY_CREATE),),
        ),
        _K.EXTERNAL_UPDATE: Form(
            tier=Tier.EXTERNAL,
            method="PUT",
            path=_ONE_EXTERNAL,
            body=bodies.external_attributes,
            gates=(_HELD,),
        ),
        _K.EXTERNAL_RETARGET: Form(
            tier=Tier.EXTERNAL,
            method="PUT",
            path=_ONE_EXTERNAL,
            body=bodies.external_attributes,
            consent=True,
            gates=(_after(*_SUBSTRATE),),
        ),
        _K.REFILTER_LIVE: Form(
            tier=Tier.EXTERNAL,
            method="PUT",
            path=_ONE_EXTERNAL,
            body=bodies.external_attributes,
            consent=True,
            gates=(_HELD,),
        ),
        _K.DRAIN: Form(tier=Tier.DRAIN, method="PUT", path=_FORWARDING, body=bodies.forwarding_body),
        _K.REFILTER_DRAINED: Form(
            tier=Tier.REFILTER,
            method="PUT",
            path=_ONE_EXTERNAL,
            body=bodies.external_attributes,
            gates=(_HELD, _after(_K.DRAIN, scope=Scope.ANYWHERE)),
        ),
        _K.FORWARDING_SET: Form(tier=Tier.FORWARDING, method="PUT", path=_FORWARDING, body=bodies.forwarding_body),
        _K.HOP_CHANGE: Form(tier=Tier.FORWARDING, method="PUT", path=_FORWARDING, body=bodies.forwarding_body),
        _K.MOVE_LEAVE: Form(
            tier=Tier.MOVE_LEAVE,
            method="DELETE",
            path=MEMBERSHIP,
            body=bodies.membership_body,
            observed=Observability.WRITE_ONLY,
            consent=True,
            gates=(_after(*_SUBSTRATE, scope=Scope.ANYWHERE),),
        ),
        _K.M2P_SET: Form(tier=Tier.M2P, method="PUT", path=_M2P, body=bodies.m2p_body),
        _K.M2P_MOVE: Form(
            tier=Tier.M2P,
            method="PUT",
            path=_M2P,
            body=bodies.m2p_body,
            consent=True,
            gates=(
                _after(_K.MOVE_LEAVE, _K.FORWARDING_SET, _K.HOP_CHANGE),
                _after(*_SUBSTRATE, scope=Scope.ANYWHERE),
            ),
        ),
        _K.M2P_ASSERT: Form(
            tier=Tier.M2P, method="PUT", path=_M2P, body=bodies.m2p_body, observed=Observability.WRITE_ONLY
        ),
        _K.JOIN: Form(
            tier=Tier.JOIN,
            method="PUT",
            path=MEMBERSHIP,
            body=bodies.membership_body,
            observed=Observability.WRITE_ONLY,
            gates=(_after(*_MAPPED),),
        ),
        _K.ROUTE_PUT: Form(
            tier=Tier.ROUTES,
            method="PUT",
            path=_ROUTES,
            body=bodies.routes_body,
            batch=True,
            # A route attracts traffic: not to a switch of which nobody knows whether it holds the group.
            gates=(_after(*_SUBSTRATE, *_ENTRY, scope=Scope.PLACE, reads=Daemon.DPD),),
        ),
        _K.ROUTE_WITHDRAW: Form(
            tier=Tier.WITHDRAW,
            method="DELETE",
            path=_ROUTES,
            body=bodies.keys_body,
            batch=True,
            gates=(_after(_K.ROUTE_PUT),),
        ),
        _K.LEAVE: Form(
            tier=Tier.LEAVE,
            method="DELETE",
            path=MEMBERSHIP,
            body=bodies.membership_body,
            observed=Observability.WRITE_ONLY,
            gates=(_after(*_MAPPED),),
        ),
        _K.FORWARDING_CLEAR: Form(
            tier=Tier.FORWARDING_CLEAR,
            method="DELETE",
            path=_FORWARDING,
            body=bodies.forwarding_clear_body,
            # While a mapping that a leave needs could not be set, the forwarding is what tells that it is needed.
            gates=(_after(_K.M2P_SET, _K.M2P_MOVE),),
        ),
        _K.M2P_CLEAR: Form(
            tier=Tier.M2P_CLEAR,
            method="DELETE",
            path=_M2P,
            body=bodies.m2p_body,
            gates=(_after(_K.LEAVE, _K.FORWARDING_CLEAR),),
        ),
        _K.EXTERNAL_DELETE: Form(
            tier=Tier.EXTERNAL_DELETE,
            method="DELETE",
            path=_ONE_GROUP,
            gates=(
                _after(_K.ROUTE_WITHDRAW, scope=Scope.PLACE, reads=Daemon.MGD),
                _after(*_TURNED, _K.ROUTE_PUT, scope=Scope.ANYWHERE),
            ),
        ),
        _K.MEMBERS_REMOVE: Form(
            tier=Tier.NARROW,
            method="PUT",
            path=_ONE_UNDERLAY,
            body=bodies.members_body,
            observed=Observability.INFERRED,
            gates=(_after(_K.MEMBERS_ADD),),
        ),
        _K.UNDERLAY_DELETE: Form(
            tier=Tier.NARROW,
            method="DELETE",
            path=_ONE_GROUP,
            gates=(
                _after(_K.REBUILD_EXTERNAL, *_ENTRY, _K.EXTERNAL_DELETE),
                _after(_K.DRAIN, _K.HOP_CHANGE, _K.M2P_MOVE, scope=Scope.ANYWHERE),
            ),
        ),
    }
)

NARROWING = frozenset(kind for kind, form in FORMS.items() if form.tier.narrows)
WIDENING = frozenset(FORMS) - NARROWING
