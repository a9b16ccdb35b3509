"""Pass 9: what each sled shall hold.

Needs      groups, audiences, underlay addresses, next hops and sleds.
Adds       ``draft.sled_tables``, all of generation 1; `planner.lineage` counts.
Promises   every sled can send to every group that has a receiver; sleds share equal tables as one object; a
           subscription's group is mapped on its sled.
"""

from collections.abc import Iterable
from uuid import UUID

from attrs import evolve

from blueprints.blueprint import ForwardingEntry, M2pEntry, NextHop, NicFilter, SledTables, Subscription
from blueprints.columns import made
from blueprints.identifiers import MulticastMac
from blueprints.ordering import InOrder
from blueprints.rows import unread
from blueprints.written import WrittenSubscription
from planner.draft import Draft


def fill_sleds(draft: Draft) -> Draft:
    """Return *draft* with the tables of every sled, still without departures."""
    heard = [group for group in draft.by_address if group in draft.receiving]
    addresses = [draft.groups[group].address for group in heard]
    m2p = InOrder(made(M2pEntry, [addresses, [draft.underlay[group].address for group in heard]]))
    forwarding = InOrder(_forwarding(draft))
    filters = {nics: _filters(draft, nics) for nics in {sled.nics for sled in draft.sleds.values()}}
    subscriptions = _subscriptions(draft)
    tables = {
        sled.id: SledTables(
            generation=1,
            m2p=m2p,
            forwarding=forwarding,
            nic_filters=filters[sled.nics],
            subscriptions=subscriptions[sled.id],
            departures=(),
        )
        for sled in draft.sleds.values()
    }
    return evolve(draft, sled_tables=tables)


def _forwarding(draft: Draft) -> Iterable[ForwardingEntry]:
    hops = {
        slot: InOrder([NextHop(next_hop=switch.underlay_address)]) for slot, switch in draft.snapshot.switches.items()
    }
    for group in draft.by_underlay:
        if group in draft.receiving:
            yield ForwardingEntry(underlay=draft.underlay[group].address, next_hops=hops[draft.next_hops[group]])


def _filters(draft: Draft, nics: tuple[str, ...]) -> tuple[NicFilter, ...]:
    receiving = [draft.underlay[group].address for group in draft.by_underlay if group in draft.receiving]
    each, several = sorted(nics), len(nics)
    underlays = [underlay for underlay in receiving for _ in each]
    macs = [mac for mac in map(MulticastMac.of_group, receiving) for _ in range(several)]
    return InOrder(made(NicFilter, [each * len(receiving), underlays, macs]))


def _subscriptions(draft: Draft) -> dict[UUID, tuple[Subscription, ...]]:
    """Return the subscriptions of every sled, empty ones included; the parent's own where they are the same."""
    rows: dict[str, list[WrittenSubscription]] = {str(sled): [] for sled in draft.sleds}
    for group in draft.by_address:
        audience = draft.audiences[group]
        for sled, row in zip(audience.places, audience.subscriptions, strict=True):
            rows[sled].append(row)
    return {sled: _as_before(draft, sled, unread(Subscription, rows[str(sled)])) for sled in draft.sleds}


def _as_before(draft: Draft, sled: UUID, rows: tuple[Subscription, ...]) -> tuple[Subscription, ...]:
    """Return the parent's rows if they equal *rows*: whoever compares them again sees that they are the same."""
    before = draft.parent.sleds.get(sled) if draft.parent is not None else None
    return before.subscriptions if before is not None and before.subscriptions == rows else rows
