"""Explanations of what a sled shall hold: mappings, forwarding, filters of NICs, subscriptions, leaves.

This file does not know the rules; what many entries have in common is in `blueprints.shared_grounds`.
"""

from collections.abc import Iterator
from uuid import UUID

from blueprints import facts
from blueprints.blueprint import SledTables, Subscription
from blueprints.grounds import Explanation, Grounds
from blueprints.shared_grounds import SharedGrounds


def of_sled(shared: SharedGrounds, sled: UUID) -> Iterator[Explanation]:
    """Yield the entries of one sled."""
    its = shared.blueprint.sleds[sled]
    yield from _ways(shared, sled, its)
    for subscription in its.subscriptions:
        yield _subscription(shared, sled, subscription)
    yield from _departures(shared, sled, its)


def _ways(shared: SharedGrounds, sled: UUID, its: SledTables) -> Iterator[Explanation]:
    """Yield what a sled needs to send and to receive, whoever is on it."""
    here = shared.takes_part(sled)
    homes = {group.underlay_ip: group for group in shared.blueprint.groups}
    paths = {
        group.id: Grounds().also(here, shared.planned(group), shared.underlay(group), shared.anybody(group))
        for group in shared.blueprint.groups
        if group.receiving
    }
    for row in its.m2p:
        group = shared.ledger.by_address[row.group]
        yield paths[group.id].of("m2p", row.underlay, sled=sled, group=row.group)
    for entry in its.forwarding:
        group = homes[entry.underlay]
        hops = ", ".join(f"{hop.next_hop} {hop.replication}" for hop in entry.next_hops)
        grounds = Grounds().also(paths[group.id], shared.next_hop(group))
        yield grounds.of("forwarding", f"{entry.underlay} {hops}", sled=sled, group=group.multicast_ip)
    for nic in its.nic_filters:
        group = homes[nic.underlay]
        grounds = Grounds().also(paths[group.id], _nic(shared, sled, nic.nic))
        yield grounds.of("nic_filters", f"{nic.underlay} {nic.mac}", sled=sled, group=group.multicast_ip, nic=nic.nic)


def _nic(shared: SharedGrounds, sled: UUID, nic: str) -> Grounds:
    line = shared.ledger.sleds[sled]
    told = [facts.sled(sled)] if line.nics_told else []
    before = [facts.parent_nics(sled)] if shared.ledger.had_nic(sled, nic) else []
    return Grounds().on("nic", told + before).but(facts.parent_nics(sled))


def _subscription(shared: SharedGrounds, sled: UUID, row: Subscription) -> Explanation:
    group = shared.ledger.by_address[row.group_ip]
    hearer = next(h for h in shared.ledger.hearers[group.id] if h.instance == row.instance_id)
    grounds = Grounds().also(shared.takes_part(sled), shared.planned(group))
    grounds.on("membership", shared.ledger.rows_of(group.id, hearer))
    grounds.on("instance", [facts.instance(row.instance_id)])
    grounds.but(facts.memberships(row.instance_id, row.group_ip.text))
    if hearer.kept:
        grounds.on("sources_kept", [facts.memory(row.instance_id, row.group_ip)])
    sources = ", ".join(source.text for source in row.sources) or "any"
    return grounds.of(
        "subscriptions", sources, sled=sled, group=row.group_ip, instance=row.instance_id, propolis=row.propolis_id
    )


def _departures(shared: SharedGrounds, sled: UUID, its: SledTables) -> Iterator[Explanation]:
    ledger = shared.ledger
    for row in its.departures:
        line = ledger.departures[sled, row.propolis_id, row.group_ip]
        owed = [facts.member(tombstone) for tombstone in line.tombstones]
        if ledger.has_parent and not line.new:
            owed.append(facts.parent_leave(sled, row.propolis_id, row.group_ip))
        grounds = shared.takes_part(sled).on("owed", owed)
        grounds.on("instance", [facts.instance(row.instance_id)])
        grounds.aside(_hearing(shared, row.instance_id, row.group_ip.text))
        yield grounds.of(
            "departures", "owed", sled=sled, group=row.group_ip, instance=row.instance_id, propolis=row.propolis_id
        )


def _hearing(shared: SharedGrounds, instance: UUID, address: str) -> Grounds:
    """Return, as given, what decides whether an instance hears an address."""
    grounds = shared.on_address(address).but(facts.memberships(instance, address), facts.instance(instance))
    grounds.but(facts.memory(instance, address))
    for row in shared.ledger.apart_of_instance(instance):
        if row.sled is not None:
            grounds.but(facts.sled(row.sled), facts.parent_sled(row.sled))
    return grounds
