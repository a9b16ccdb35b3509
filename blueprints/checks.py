"""Structural rules of a blueprint, asked of the finished artifact by whoever is about to trust it.

`RULES` is the table: number, what must hold, and the function that looks. The checker shares no code with the
planner. This file does not know how a plan is made, nor what the rack holds.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from uuid import UUID

from attrs import frozen

from blueprints.addresses import Address, UnderlayGroup, UnicastSource, is_source_specific
from blueprints.blueprint import Blueprint, SledTables, SwitchTables
from blueprints.cause_checks import causes_fit
from blueprints.identifiers import FLEET_VNI, MulticastMac
from blueprints.ordering import Key
from blueprints.snapshot import ExternalEntry


@frozen(kw_only=True)
class Breach:
    """A rule that a blueprint breaks."""

    rule: str
    subject: str
    message: str

    @property
    def sort_key(self) -> Key:
        """By rule, then by what it is about."""
        return (self.rule, self.subject, self.message)


Found = Iterable[tuple[str, str]]
"""Pairs of subject and message."""


def _repeated(values: Iterable[Address], what: str) -> Found:
    for value, count in Counter(values).items():
        if count > 1:
            yield f"{what} {value}", f"stands {count} times"


def _addresses_once(blueprint: Blueprint) -> Found:
    yield from _repeated((group.multicast_ip for group in blueprint.groups), "group")
    yield from _repeated((group.underlay_ip for group in blueprint.groups), "underlay group")
    for slot, tables in blueprint.switches.items():
        yield from _repeated((row.group_ip for row in tables.underlay_groups), f"{slot} underlay group")
        yield from _repeated((row.group_ip for row in tables.external_groups), f"{slot} group")


def _translation_lands(blueprint: Blueprint) -> Found:
    for slot, tables in blueprint.switches.items():
        tags = {row.group_ip: row.tag for row in tables.underlay_groups}
        for row in tables.external_groups:
            if tags.get(row.internal_ip) != row.tag:
                yield f"{slot} group {row.group_ip}", f"{row.internal_ip} is not there under the same tag"


def _macs_follow(blueprint: Blueprint) -> Found:
    for slot, tables in blueprint.switches.items():
        for row in tables.external_groups:
            if row.inner_mac != MulticastMac.of_group(row.internal_ip):
                yield f"{slot} group {row.group_ip}", f"{row.inner_mac} does not follow from {row.internal_ip}"
    for sled, its in _sleds_once(blueprint):
        for entry in its.nic_filters:
            if entry.mac != MulticastMac.of_group(entry.underlay):
                yield f"{sled} NIC {entry.nic}", f"{entry.mac} does not follow from {entry.underlay}"


def _members_are_sleds(blueprint: Blueprint) -> Found:
    for slot, tables in blueprint.switches.items():
        for row in tables.underlay_groups:
            for member, count in Counter(row.members).items():
                if member.port_id.kind != "rear" or member.direction != "Underlay":
                    yield f"{slot} {row.group_ip}", f"{member.port_id} {member.direction} leads to no sled"
                if not 0 <= member.link_id <= 255:
                    yield (
                        f"{slot} {row.group_ip}",
                        f"{member.port_id} has no link {member.link_id}; links are 0 to 255",
                    )
                if count > 1:
                    yield f"{slot} {row.group_ip}", f"{member.port_id} stands {count} times"


def _routes_lead_home(blueprint: Blueprint) -> Found:
    homes = {group.multicast_ip: group.underlay_ip for group in blueprint.groups if group.receiving}
    for slot, tables in blueprint.switches.items():
        for route in tables.mrib_routes:
            if homes.get(route.group) != route.underlay_group:
                yield f"{slot} route {route.group}", f"{route.underlay_group} is not where a receiving group lives"


def _specific_groups_name_sources(blueprint: Blueprint) -> Found:
    for slot, tables in blueprint.switches.items():
        for row in tables.external_groups:
            if row.sources is None and is_source_specific(row.group_ip):
                yield f"{slot} group {row.group_ip}", "source-specific, and takes any source"
        for route in tables.mrib_routes:
            if route.source is None and is_source_specific(route.group):
                yield f"{slot} route {route.group}", "source-specific, and takes any source"


def _families_agree(blueprint: Blueprint) -> Found:
    rows: Iterable[tuple[Address, Iterable[UnicastSource]]] = chain(
        ((row.group_ip, row.sources or ()) for its in blueprint.switches.values() for row in its.external_groups),
        (
            (row.group, [row.source] if row.source else ())
            for t in blueprint.switches.values()
            for row in t.mrib_routes
        ),
        ((row.group_ip, row.sources) for its in blueprint.sleds.values() for row in its.subscriptions),
    )
    for group, sources in rows:
        for source in sources:
            if source.family != group.family:
                yield f"group {group}", f"source {source} is of the other family"


def _sleds_once(blueprint: Blueprint) -> Iterable[tuple[str, SledTables]]:
    """Yield one sled for each distinct set of shared tables: equal tables need one look."""
    seen: dict[tuple[int, int, int], tuple[str, SledTables]] = {}
    for sled, its in blueprint.sleds.items():
        seen.setdefault((id(its.m2p), id(its.forwarding), id(its.nic_filters)), (f"sled {sled}", its))
    return seen.values()


def _sleds_can_send(blueprint: Blueprint) -> Found:
    wanted = {(group.multicast_ip, group.underlay_ip) for group in blueprint.groups if group.receiving}
    for sled, its in _sleds_once(blueprint):
        mapped = {(row.group, row.underlay) for row in its.m2p}
        for group, underlay in sorted(mapped ^ wanted, key=lambda pair: pair[0].key):
            missing = (group, underlay) in wanted
            yield sled, f"mapping {group} to {underlay} " + ("is missing" if missing else "serves no receiving group")
        yield from _paths(sled, its, {underlay for _, underlay in mapped})


def _paths(sled: str, its: SledTables, mapped: set[UnderlayGroup]) -> Found:
    hops = {row.underlay: row.next_hops for row in its.forwarding}
    for underlay in sorted(mapped | set(hops), key=lambda address: address.key):
        if underlay not in mapped:
            yield sled, f"forwards {underlay}, which nothing maps to"
        elif len(hops.get(underlay, ())) != 1:
            yield sled, f"{underlay} has {len(hops.get(underlay, ()))} next hops; one replicates"


def _hearers_can_hear(blueprint: Blueprint) -> Found:
    for sled, its in blueprint.sleds.items():
        mapped = {row.group for row in its.m2p}
        for row in its.subscriptions:
            if row.group_ip not in mapped:
                yield f"sled {sled}", f"{row.instance_id} subscribes to {row.group_ip}, which the sled does not map"
    for (propolis, group), count in _heard_again(blueprint).items():
        yield f"propolis {propolis}", f"subscribes {count} times to {group}"


def _heard_again(blueprint: Blueprint) -> dict[tuple[UUID, Address], int]:
    """Return which process subscribes to which group how often, if more than once.

    Goes by sleds: pairs of all subscriptions at once take more memory than the subscriptions.
    """
    homes: dict[UUID, SledTables] = {}
    sleds = blueprint.sleds.values()
    several = {
        row.propolis_id
        for its in sleds
        for row in its.subscriptions
        if homes.setdefault(row.propolis_id, its) is not its
    }
    counts: Counter[tuple[UUID, Address]] = Counter()
    for its in sleds:
        here = Counter((row.propolis_id, row.group_ip) for row in its.subscriptions)
        counts.update({pair: count for pair, count in here.items() if count > 1 or pair[0] in several})
    return {pair: count for pair, count in counts.items() if count > 1}


def _nobody_wanted_departs(blueprint: Blueprint) -> Found:
    sleds = blueprint.sleds.values()
    leaving = {(row.propolis_id, row.group_ip) for its in sleds for row in its.departures}
    wanted = {
        pair
        for its in sleds
        if leaving
        for row in its.subscriptions
        if (pair := (row.propolis_id, row.group_ip)) in leaving
    }
    for sled, its in blueprint.sleds.items():
        for row in its.departures:
            if (row.propolis_id, row.group_ip) in wanted:
                yield f"sled {sled}", f"{row.instance_id} subscribes to {row.group_ip} and leaves it"


def _held_is_untouched(blueprint: Blueprint) -> Found:
    held = {group.multicast_ip for group in blueprint.held}
    for slot, tables in blueprint.switches.items():
        for address in sorted(held & _named_by(tables), key=lambda address: address.key):
            yield f"{slot} group {address}", "is held, and planned"


def _memory_is_needed(blueprint: Blueprint) -> Found:
    """What is remembered binds the hands of a run: it must be of something."""
    leaving = {row.group_ip for its in blueprint.sleds.values() for row in its.departures}
    held = {group.multicast_ip for group in blueprint.held}
    planned = {(group.id, group.multicast_ip) for group in blueprint.groups}
    for row in blueprint.former_groups:
        if (row.id, row.multicast_ip) in planned:
            yield f"group {row.multicast_ip}", "is planned, and remembered as a former one"
        elif row.multicast_ip not in leaving | held:
            yield f"group {row.multicast_ip}", "is remembered, and nobody has to leave it"
    for slot in blueprint.missing_switches:
        if slot in blueprint.switches:
            yield slot.value, "is missing, and planned"


def _numbers_are_taken(blueprint: Blueprint) -> Found:
    """The packet engine of sleds knows one network identifier of multicast; dpd takes VLANs 2 to 4095."""
    for group in blueprint.groups:
        if group.vni != FLEET_VNI:
            yield f"group {group.multicast_ip}", f"network identifier {group.vni} is not {FLEET_VNI}"
    for slot, tables in blueprint.switches.items():
        for row in tables.external_groups:
            if row.vni != FLEET_VNI:
                yield f"{slot} group {row.group_ip}", f"network identifier {row.vni} is not {FLEET_VNI}"
            if row.vlan_id is not None and not 2 <= row.vlan_id <= 4095:
                yield f"{slot} group {row.group_ip}", f"VLAN {row.vlan_id} is not 2 to 4095"
        for route in tables.mrib_routes:
            if route.vni != FLEET_VNI:
                yield f"{slot} route {route.group}", f"network identifier {route.vni} is not {FLEET_VNI}"


def _entries_stand(blueprint: Blueprint) -> Found:
    """A switch drops what it has no entry for, packets between instances too; two entries let a packet in twice."""
    elected = blueprint.policy.external_entry is ExternalEntry.ELECTED
    standing = {slot: {row.group_ip for row in its.external_groups} for slot, its in blueprint.switches.items()}
    for group in blueprint.groups:
        for slot, here in standing.items():
            wanted = not elected or slot is group.next_hop_switch
            if wanted is not (group.multicast_ip in here):
                yield f"{slot} group {group.multicast_ip}", "has no entry" if wanted else "another switch is elected"


def _named_by(tables: SwitchTables) -> set[Address]:
    return {row.group_ip for row in tables.external_groups} | {row.group for row in tables.mrib_routes}


RULES: tuple[tuple[str, str, Callable[[Blueprint], Found]], ...] = (
    ("C1", "every address stands once", _addresses_once),
    ("C2", "a translation leads to an underlay group of the same switch and tag", _translation_lands),
    ("C3", "Ethernet addresses follow from underlay groups", _macs_follow),
    ("C4", "members are ports that lead to sleds, each once", _members_are_sleds),
    ("C5", "routes lead to the underlay group of a group with receivers", _routes_lead_home),
    ("C6", "source-specific groups name their sources", _specific_groups_name_sources),
    ("C7", "sources are of their group's family", _families_agree),
    ("C8", "every sled can send to every group with receivers, through one switch", _sleds_can_send),
    ("C9", "who subscribes is on a sled that maps the group, once", _hearers_can_hear),
    ("C10", "nobody leaves what is wanted", _nobody_wanted_departs),
    ("C11", "held groups are not planned", _held_is_untouched),
    ("C12", "network identifiers are the rack's, VLANs ones that switches take", _numbers_are_taken),
    ("C13", "a group's entry stands on the switch that is elected, or on every one", _entries_stand),
    ("C14", "what is planned has its causes, and causes are of what is planned", causes_fit),
    (
        "C15",
        "former groups are ones that ports have to leave, missing switches have no tables",
        _memory_is_needed,
    ),
)


def check(blueprint: Blueprint) -> tuple[Breach, ...]:
    """Return every breach of every rule, in the order of rules and subjects; nothing for a sound blueprint."""
    found = []
    for rule, _, look in RULES:
        breaches = {Breach(rule=rule, subject=subject, message=message) for subject, message in look(blueprint)}
        found += sorted(breaches, key=lambda breach: breach.sort_key)
    return tuple(found)
