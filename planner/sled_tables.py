"""Pass 9: what each sled shall hold.

Needs      groups, audiences, underlay addresses, next hops and sleds.
Adds       ``draft.sled_tables``, all of generation 1; `planner.lineage` counts.
Promises   every sled can send to every group that has a receiver; sleds share equal tables as one object; a
           subscription's group is mapped on its sled.
"""

from collections.abc import Iterable
from operator import attrgetter
from uuid import UUID

from attrs import evolve

from blueprints.blueprint import ForwardingEntry, M2pEntry, NextHop, NicFilter, SledTables, Subscription
from blueprints.identifiers import MulticastMac
from blueprints.ordering import in_order
from blueprints.rows import unread
from blueprints.written import WrittenSubscription
from planner.draft import Draft


def fill_sleds(draft: Draft) -> Draft:
    """Return *draft* with the tables of every sled, still without departures."""
    m2p = in_order(
        M2pEntry(group=draft.groups[group].address, underlay=draft.underlay[group].address)
        for group in draft.receiving
    )
    forwarding = in_order(_forwarding(draft, group) for group in draft.receiving)
    filters = {nics: _filters(draft, nics) for nics in {sled.nics for sled in draft.sleds.values()}}
    subscriptions = _subscriptions(draft)
    tables = {
        sled.id: SledTables(
            generation=1,
            m2p=m2p,
            forwarding=forwarding,
            nic_filters=filters[sled.nics],
            subscriptions=unread(Subscription, subscriptions[sled.id]),
            departures=(),
        )
        for sled in draft.sleds.values()
    }
    return evolve(draft, sled_tables=tables)


def _forwarding(draft: Draft, group: UUID) -> ForwardingEntry:
    switch = draft.snapshot.switches[draft.next_hops[group]]
    return ForwardingEntry(
        underlay=draft.underlay[group].address, next_hops=[NextHop(next_hop=switch.underlay_address)]
    )


def _filters(draft: Draft, nics: tuple[str, ...]) -> tuple[NicFilter, ...]:
    return in_order(_filters_unsorted(draft, nics))


def _filters_unsorted(draft: Draft, nics: tuple[str, ...]) -> Iterable[NicFilter]:
    for group in draft.receiving:
        underlay = draft.underlay[group].address
        mac = MulticastMac.of_group(underlay)
        for nic in nics:
            yield NicFilter(nic=nic, underlay=underlay, mac=mac)


def _subscriptions(draft: Draft) -> dict[UUID, list[WrittenSubscription]]:
    """Return the subscriptions of every sled, empty ones included."""
    rows: dict[str, list[WrittenSubscription]] = {str(sled): [] for sled in draft.sleds}
    # Made in the order in which they stand, so that nobody has to sort them.
    for live in sorted(draft.groups.values(), key=_BY_ADDRESS):
        audience = draft.audiences[live.row.id]
        for sled, row in zip(audience.places, audience.subscriptions, strict=True):
            rows[sled].append(row)
    return {sled: rows[str(sled)] for sled in draft.sleds}


_BY_ADDRESS = attrgetter("address.key")
