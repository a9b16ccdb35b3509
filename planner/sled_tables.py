"""Pass 9: what each sled shall hold.

Needs      groups, audiences, underlay addresses, next hops and sleds.
Adds       ``draft.subscriptions`` and ``draft.sled_tables``, all of generation 1; `planner.lineage` counts.
Promises   every sled can send to every group that has a receiver; sleds share equal tables as one object; a
           subscription's group is mapped on its sled.
"""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any
from uuid import UUID

from attrs import evolve

from blueprints.blueprint import ForwardingEntry, M2pEntry, NextHop, NicFilter, SledTables, Subscription
from blueprints.columns import made
from blueprints.identifiers import MulticastMac
from blueprints.ordering import InOrder, in_order
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
            subscriptions=subscriptions[sled.id],
            departures=(),
        )
        for sled in draft.sleds.values()
    }
    return evolve(draft, sled_tables=tables, subscriptions=subscriptions)


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


def _subscriptions(draft: Draft) -> dict[UUID, tuple[Subscription, ...]]:
    """Return the subscriptions of every sled, empty ones included."""
    rows: dict[int, list[tuple[Any, ...]]] = {sled.int: [] for sled in draft.sleds}
    # Made in the order in which they stand, so that nobody has to sort them; an instance is in a group once.
    for live in sorted(draft.groups.values(), key=_BY_ADDRESS):
        for member in draft.audiences[live.row.id].hearing:
            seat = member.seat
            for vmm in seat.hears if len(seat.hears) < 2 else sorted(seat.hears, key=_BY_ID):
                rows[vmm.sled_id.int].append((member.row.instance_id, vmm.id, live.address, member.sources))
    return {sled: InOrder(_made(rows[sled.int])) for sled in draft.sleds}


def _made(rows: list[tuple[Any, ...]]) -> list[Subscription]:
    return made(Subscription, list(zip(*rows, strict=True))) if rows else []


_BY_ADDRESS = attrgetter("address.key")
_BY_ID = attrgetter("id.int")
