"""Views of a blueprint for people, at three zooms: headline, tables of the rack, one group, sled or switch.

This file does not know where a blueprint came from.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.table import Table

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint, ForwardingEntry, PlannedGroup, SledPort, SledTables, SwitchTables
from blueprints.findings import Severity, heaviest_first
from blueprints.identifiers import SwitchSlot
from rackcast.saying import plural, safe
from rackcast.terminal import findings_table, short, table


def summary(blueprint: Blueprint) -> dict[str, Any]:
    """Return the headline as data: who it is, and how much of everything."""
    severities = Counter(finding.severity for finding in blueprint.findings)
    return {
        "id": str(blueprint.id),
        "digest": blueprint.digest,
        "generation": blueprint.generation,
        "parent": str(blueprint.parent.id) if blueprint.parent else None,
        "groups": len(blueprint.groups),
        "receiving": sum(group.receiving for group in blueprint.groups),
        "held": len(blueprint.held),
        "switches": len(blueprint.switches),
        "sleds": len(blueprint.sleds),
        "subscriptions": sum(len(tables.subscriptions) for tables in blueprint.sleds.values()),
        "departures": sum(len(tables.departures) for tables in blueprint.sleds.values()),
        "transitions": len(blueprint.transitions),
        "findings": {severity.value: severities[severity] for severity in Severity},
    }


def headline(out: Console, blueprint: Blueprint) -> None:
    """Print who the blueprint is, and how much of everything is in it, in a few lines."""
    said = summary(blueprint)
    after = f", after {short(said['parent'])}" if said["parent"] else ""
    out.print(f"[bold]Blueprint {said['id']}[/], generation {said['generation']}{after}")
    made = blueprint.made
    if made is not None and (made.by or made.comment):
        signed = [f"by {made.by}" if made.by else "", f"at {made.at}" if made.at else ""]
        said_of_it = f": {made.comment}" if made.comment else ""
        out.print(f"  made {safe(' '.join(filter(None, signed)) + said_of_it)}", markup=False)
    out.print(
        f"  {plural(said['groups'], 'group')} ({said['receiving']} heard by somebody, {said['held']} held), "
        f"{plural(said['subscriptions'], 'subscription')}, {plural(said['departures'], 'departure')}"
    )
    switches = f"{said['switches']} switch{'' if said['switches'] == 1 else 'es'}"
    switches += "".join(f", {slot} missing" for slot in blueprint.missing_switches)
    out.print(
        f"  on {plural(said['sleds'], 'sled')} and {switches}; "
        f"{plural(said['transitions'], 'transition')} for the datastore"
    )
    if blueprint.findings:
        out.print("  " + ", ".join(plural(count, name) for name, count in said["findings"].items() if count))
        out.print(findings_table(heaviest_first(blueprint.findings)[:20]))
        if len(blueprint.findings) > 20:
            out.print(f"  … and {len(blueprint.findings) - 20} more; --json has all")


def overview(out: Console, blueprint: Blueprint) -> None:
    """Print the headline, the groups, and the targets with their generations."""
    headline(out, blueprint)
    heard = _hearers(blueprint)
    out.print(table("Groups", _GROUP_COLUMNS, (_group_row(group, heard) for group in blueprint.groups)))
    if blueprint.held:
        rows = ((row.multicast_ip, row.id, row.because) for row in blueprint.held)
        out.print(table("Held: nothing of these is touched", ("address", "group", "because"), rows))
    if blueprint.former_groups:
        former = ((row.multicast_ip, row.id) for row in blueprint.former_groups)
        out.print(table("Former groups that ports have to leave", ("address", "group"), former))
    out.print(table("Switches", ("switch", "generation", "underlay", "external", "routes"), _switch_rows(blueprint)))
    out.print(
        table("Sleds", ("sled", "generation", "ports", "groups", "subscribed", "leaving"), _sled_rows(blueprint))
    )


_GROUP_COLUMNS = ("address", "name", "underlay", "through", "sources", "heard by", "id")


def _hearers(blueprint: Blueprint) -> Counter[Address]:
    """Return how many ports hear each group."""
    return Counter(row.group_ip for its in blueprint.sleds.values() for row in its.subscriptions)


def _group_row(group: PlannedGroup, heard: Counter[Address]) -> tuple[object, ...]:
    underlay = f"{group.underlay_ip}" + (f" (salt {group.salt})" if group.salt else "")
    hearers = heard[group.multicast_ip]
    return (
        group.multicast_ip, group.name, underlay, group.next_hop_switch, _sources(group), hearers, short(group.id),
    )  # fmt: skip


def _sources(group: PlannedGroup) -> str:
    named = len(group.sources.specific)
    if not group.sources.any:
        return f"{named} named"
    return f"any, {named} named" if named else "any"


def _switch_rows(blueprint: Blueprint) -> Iterable[tuple[object, ...]]:
    for slot, its in blueprint.switches.items():
        yield slot, its.generation, len(its.underlay_groups), len(its.external_groups), len(its.mrib_routes)


def _sled_rows(blueprint: Blueprint) -> Iterable[tuple[object, ...]]:
    for sled, its in blueprint.sleds.items():
        ports = ", ".join(_port(port) for port in blueprint.ports.get(sled, {}).values())
        yield sled, its.generation, ports, len(its.m2p), len(its.subscriptions), len(its.departures)


def _port(port: SledPort | None) -> str:
    return "?" if port is None else f"{port.port_id} ({port.learned_from})"


def show_group(out: Console, blueprint: Blueprint, group: PlannedGroup) -> None:
    """Print one group: where it lives, through which ports, and who hears it."""
    out.print(table(f"Group {group.name}", _GROUP_COLUMNS, [_group_row(group, _hearers(blueprint))]))
    if group.sources.specific:
        out.print(f"  sources: {', '.join(source.text for source in group.sources.specific)}")
    rows = []
    for slot, its in blueprint.switches.items():
        for entry in its.underlay_groups:
            if entry.group_ip == group.underlay_ip:
                ports = ", ".join(str(member.port_id) for member in entry.members)
                routes = sum(route.group == group.multicast_ip for route in its.mrib_routes)
                rows.append((slot, ports or "none", "yes" if entry.complete else "lower bound", routes))
    out.print(table("On switches", ("switch", "member ports", "complete", "routes"), rows))
    hearers = [
        (sled, row.instance_id, ", ".join(source.text for source in row.sources) or "any")
        for sled, its in blueprint.sleds.items()
        for row in its.subscriptions
        if row.group_ip == group.multicast_ip
    ]
    out.print(table("Heard by", ("sled", "instance", "sources"), hearers))


def show_switch(out: Console, slot: SwitchSlot, its: SwitchTables) -> None:
    """Print one switch's tables."""
    out.print(f"[bold]{slot}[/], generation {its.generation}")
    groups = (
        (
            row.group_ip,
            ", ".join(str(m.port_id) for m in row.members) or "none",
            "" if row.complete else "lower bound",
        )
        for row in its.underlay_groups
    )
    out.print(table("Underlay groups", ("group", "member ports", ""), groups))
    external = ((row.group_ip, row.internal_ip, row.inner_mac, _filter(row.sources)) for row in its.external_groups)
    out.print(table("External groups", ("group", "underlay", "inner MAC", "sources"), external))
    routes = ((row.group, row.source or "*", row.underlay_group) for row in its.mrib_routes)
    out.print(table("Routes", ("group", "source", "underlay"), routes))


def _filter(sources: Iterable[object] | None) -> str:
    return "any" if sources is None else ", ".join(map(str, sources)) or "as they are"


def show_sled(out: Console, blueprint: Blueprint, sled: UUID, its: SledTables) -> None:
    """Print one sled's tables."""
    ports = ", ".join(f"{slot} {_port(port)}" for slot, port in blueprint.ports.get(sled, {}).items())
    out.print(f"[bold]Sled {sled}[/], generation {its.generation}; {ports}")
    hops = {row.underlay: _hops(row) for row in its.forwarding}
    nics: dict[object, list[str]] = {}
    for entry in its.nic_filters:
        nics.setdefault(entry.underlay, []).append(entry.nic)
    rows = (
        (row.group, row.underlay, hops.get(row.underlay, "?"), safe(", ".join(nics.get(row.underlay, ()))))
        for row in its.m2p
    )
    out.print(table("Groups", ("group", "underlay", "next hop", "NIC filters"), rows))
    subscriptions = ((row.group_ip, row.instance_id, _filter(row.sources or None)) for row in its.subscriptions)
    out.print(table("Subscriptions", ("group", "instance", "sources"), subscriptions))
    if its.departures:
        out.print(_departures(its))


def _departures(its: SledTables) -> Table:
    return table("Departures", ("group", "instance"), ((row.group_ip, row.instance_id) for row in its.departures))


def _hops(entry: ForwardingEntry) -> str:
    return ", ".join(hop.next_hop.text for hop in entry.next_hops)
