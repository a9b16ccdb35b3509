"""Pass 9: what each sled shall hold.

Needs      groups, memberships, underlay addresses, next hops and sleds.
Adds       ``draft.subscriptions``, ``draft.hearers`` and ``draft.sled_tables``, all of generation 1;
           `planner.lineage` counts.
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
from planner.draft import Draft, Membership


def fill_sleds(draft: Draft) -> Draft:
    """Return *draft* with the tables of every sled, still without departures."""
    m2p = in_order(
        M2pEntry(group=draft.groups[group].address, underlay=draft.underlay[group].address)
        for group in draft.receiving
    )
    forwarding = in_order(_forwarding(draft, group) for group in draft.receiving)
    filters = {nics: _filters(draft, nics) for nics in {sled.nics for sled in draft.sleds.values()}}
    subscriptions, hearers = _subscriptions(draft)
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
    return evolve(draft, sled_tables=tables, subscriptions=subscriptions, hearers=hearers)


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


def _subscriptions(
    draft: Draft,
) -> tuple[dict[UUID, tuple[Subscription, ...]], dict[UUID, tuple[Membership, ...]]]:
    """Return the subscriptions of every sled, empty ones included; and by group whose they are, by instance."""
    rows: dict[int, list[Subscription]] = {sled.int: [] for sled in draft.sleds}
    hearers = {}
    # Made in the order in which they stand, so that nobody has to sort them; an instance is in a group once.
    for group in sorted(draft.groups.values(), key=lambda live: live.address.key):
        hearing = [member for member in draft.memberships[group.row.id] if member.hears]
        hearers[group.row.id] = tuple(sorted(hearing, key=_BY_INSTANCE))
        for member in hearers[group.row.id]:
            for vmm in member.hears if len(member.hears) < 2 else sorted(member.hears, key=_BY_ID):
                row = Subscription(
                    instance_id=member.row.instance_id,
                    propolis_id=vmm.id,
                    group_ip=group.address,
                    sources=member.sources,
                )
                rows[vmm.sled_id.int].append(row)
    return {sled: InOrder(rows[sled.int]) for sled in draft.sleds}, hearers


_BY_INSTANCE = attrgetter("row.instance_id.int")
_BY_ID = attrgetter("id.int")
