"""What takes a call back: the request that restores what was read before it, or why there is none.

A hop that a call added is switched off rather than taken out, since clearing the entry would interrupt the others.
An entry that led to an underlay group which is not there cannot be made again: switches refuse it.
This file does not know why anybody takes a call back, nor in which order.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from attrs import evolve, frozen

from blueprints.addresses import Address
from blueprints.endpoints import SubscriptionForm
from blueprints.observation import SeenM2p, SeenMember, SeenUnderlay
from executor.calls import Call, calls_for
from executor.changes import Change, ForwardingPut, Kind
from executor.sled_differences import switched_off

_K = Kind

UNREAD_JOIN = "whether the port had joined before cannot be read"
UNREAD_LEAVE = "whether the port had joined before, and from which sources it heard, cannot be read"
REPEATED = "it repeats what stands there"
NO_TARGET = "the entry led nowhere, and such an entry cannot be made"
NO_HOPS = "the entry had no next hop, and such an entry cannot be made"
SEVERAL = "several mappings were read, and a sled keeps one"


@frozen(kw_only=True)
class Inverse:
    """The requests that take a call back, in order; or none, and why."""

    calls: tuple[Call, ...] = ()
    because: str = ""


def inverse(call: Call) -> Inverse:
    """Return what takes *call* back once it was done."""
    found = [INVERSES[change.kind](change) for change in call.changes]
    reasons = sorted({each for each in found if isinstance(each, str)})
    if reasons:
        return Inverse(because="; ".join(reasons))
    changes = [each for each in found if isinstance(each, Change)]
    # Ports of sleds have no inverse, so it does not matter how they are named.
    return Inverse(calls=tuple(calls_for(changes, SubscriptionForm.VMM)))


def _becomes(kind: Kind) -> Callable[[Change], Change]:
    """Return what removes a row by the row itself."""
    return lambda change: evolve(change, kind=kind)


def _as_it_was(kind: Kind) -> Callable[[Change], Change | str]:
    """Return what writes the row that was read."""
    return lambda change: evolve(change, kind=kind, row=change.seen)


def _entry_as_it_was(kind: Kind) -> Callable[[Change], Change | str]:
    def undo(change: Change) -> Change | str:
        return NO_TARGET if change.seen.internal_ip is None else evolve(change, kind=kind, row=change.seen)

    return undo


def _none(because: str) -> Callable[[Change], str]:
    return lambda _: because


def _members_before(change: Change) -> Change:
    """Members come before others go: what stood there before a removal holds both."""
    now: SeenUnderlay = change.seen
    if change.kind is _K.MEMBERS_ADD:
        return evolve(change, row=now)
    wanted = [SeenMember(port_id=m.port_id, link_id=m.link_id, direction=m.direction) for m in change.row.members]
    return evolve(change, row=evolve(now, members={*now.members, *wanted}))


def _hops_before(change: Change) -> Change | str:
    put: ForwardingPut = change.row
    if change.seen is None:
        return evolve(change, kind=_K.FORWARDING_CLEAR, via="")
    before = {hop.next_hop: hop for hop in change.seen.next_hops}
    hops = [before.get(hop.next_hop) or switched_off(hop) for hop in put.next_hops]
    return evolve(change, kind=_K.HOP_CHANGE, row=evolve(put, next_hops=hops), via="")


def _hops_again(change: Change) -> Change | str:
    if not change.seen.next_hops:
        return NO_HOPS
    row = ForwardingPut(underlay=change.seen.underlay, next_hops=change.seen.next_hops)
    return evolve(change, kind=_K.FORWARDING_SET, row=row)


def _mapping_before(change: Change) -> Change | str:
    underlays: tuple[Address, ...] = change.seen
    if len(underlays) > 1:
        return SEVERAL
    return evolve(change, kind=_K.M2P_SET, row=SeenM2p(group=change.subject, underlay=underlays[0]))


def _route_before(change: Change) -> Change:
    if change.seen is None:
        return evolve(change, kind=_K.ROUTE_WITHDRAW)
    return evolve(change, row=change.seen)


INVERSES: Mapping[Kind, Callable[[Change], Change | str]] = MappingProxyType(
    {
        _K.REBUILD_EXTERNAL: _entry_as_it_was(_K.EXTERNAL_CREATE),
        _K.REBUILD_UNDERLAY: _as_it_was(_K.UNDERLAY_CREATE),
        _K.UNDERLAY_CREATE: _becomes(_K.UNDERLAY_DELETE),
        _K.MEMBERS_ADD: _members_before,
        _K.EXTERNAL_CREATE: _becomes(_K.EXTERNAL_DELETE),
        _K.EXTERNAL_UPDATE: _entry_as_it_was(_K.EXTERNAL_UPDATE),
        _K.EXTERNAL_RETARGET: _entry_as_it_was(_K.EXTERNAL_RETARGET),
        _K.REFILTER_LIVE: _entry_as_it_was(_K.REFILTER_LIVE),
        _K.DRAIN: _hops_before,
        _K.REFILTER_DRAINED: _entry_as_it_was(_K.REFILTER_DRAINED),
        _K.FORWARDING_SET: _hops_before,
        _K.HOP_CHANGE: _hops_before,
        _K.MOVE_LEAVE: _none(UNREAD_LEAVE),
        _K.M2P_SET: _becomes(_K.M2P_CLEAR),
        _K.M2P_MOVE: _mapping_before,
        _K.M2P_ASSERT: _none(REPEATED),
        _K.JOIN: _none(UNREAD_JOIN),
        _K.ROUTE_PUT: _route_before,
        _K.ROUTE_WITHDRAW: _becomes(_K.ROUTE_PUT),
        _K.LEAVE: _none(UNREAD_LEAVE),
        _K.FORWARDING_CLEAR: _hops_again,
        _K.M2P_CLEAR: _becomes(_K.M2P_SET),
        _K.EXTERNAL_DELETE: _entry_as_it_was(_K.EXTERNAL_CREATE),
        _K.MEMBERS_REMOVE: _members_before,
        _K.UNDERLAY_DELETE: _as_it_was(_K.UNDERLAY_CREATE),
    }
)
"""Kind to what takes it back: a change, or why there is none."""
