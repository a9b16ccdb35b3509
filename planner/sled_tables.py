"""Pass 9: what each sled shall hold.

Needs      groups, memberships, underlay addresses, next hops and sleds.
Adds       ``draft.subscriptions`` and ``draft.sled_tables``, all of generation 1; `planner.lineage` counts.
Promises   every sled can send to every group that has a receiver; sleds share equal tables as one object; a
           subscription's group is mapped on its sled.
"""

from collections.abc import Iterable
from operator import attrgetter
from uuid import UUID

from attrs import evolve

from blueprints.blueprint import ForwardingEntry, M2pEntry, NextHop, NicFilter, SledTables, Subscription
from blueprints.identifiers import MulticastMac
from blueprints.ordering import InOrder, in_order
from planner.draft import Draft


def fill_sleds(draft: Draft) -> Draft:
    """Return *draft* with the tables of every sled, still without departures."""
    m2p = in_order(
        M2pEntry(group=draft.groups[group].address, underlay=draft.underlay[group][0]) for group in draft.receiving
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
            subscriptions=subscriptions[sled.id],
            departures=(),
        )
        for sled in draft.sleds.values()
    }
    return evolve(draft, sled_tables=tables, subscriptions=subscriptions)


def _forwarding(draft: Draft, group: UUID) -> ForwardingEntry:
    switch = draft.snapshot.switches[draft.next_hops[group]]
    return ForwardingEntry(underlay=draft.underlay[group][0], next_hops=[NextHop(next_hop=switch.underlay_address)])


def _filters(draft: Draft, nics: tuple[str, ...]) -> tuple[NicFilter, ...]:
    return in_order(_filters_unsorted(draft, nics))


def _filters_unsorted(draft: Draft, nics: tuple[str, ...]) -> Iterable[NicFilter]:
    for group in draft.receiving:
        underlay = draft.underlay[group][0]
        mac = MulticastMac.of_group(underlay)
        for nic in nics:
            yield NicFilter(nic=nic, underlay=underlay, mac=mac)


def _subscriptions(draft: Draft) -> dict[UUID, tuple[Subscription, ...]]:
    """Return the subscriptions of every sled, empty ones included."""
    rows: dict[int, list[Subscription]] = {sled.int: [] for sled in draft.sleds}
    # Made in the order in which they stand, so that nobody has to sort them; an instance is in a group once.
    for group in sorted(draft.groups.values(), key=lambda live: live.address.key):
        for member in sorted(draft.memberships[group.row.id], key=_BY_INSTANCE):
            for vmm in member.hears if len(member.hears) < 2 else sorted(member.hears, key=_BY_ID):
                row = Subscription(
                    instance_id=member.row.instance_id,
                    propolis_id=vmm.id,
                    group_ip=group.address,
                    sources=member.sources,
                )
                rows[vmm.sled_id.int].append(row)
    return {sled: InOrder(rows[sled.int]) for sled in draft.sleds}


_BY_INSTANCE = attrgetter("row.instance_id.int")
_BY_ID = attrgetter("id.int")
