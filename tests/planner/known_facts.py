"""Every fact of a snapshot and a parent, under the name that causes call it by; and how one is taken away.

Written from the meaning of the names alone: nothing here asks the planner or the blueprint's own causes.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import evolve

from blueprints import facts
from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from blueprints.identifiers import PortId, port_of_interface
from blueprints.snapshot import CLOCK_SKEW, INVENTORY_AGE, Group, Peer, Sled, Snapshot, SpType

Known = dict[str, Any]
"""Name to content; what is not there is no key."""

Inputs = tuple[Snapshot, Blueprint | None]


def known_facts(snapshot: Snapshot, parent: Blueprint | None) -> Known:
    """Return all facts."""
    known: Known = {
        facts.SWITCHES: tuple(snapshot.switches),
        facts.TIME: snapshot.evaluated_at,
        facts.INVENTORY: _age(snapshot),
    }
    known |= {
        facts.policy(name): getattr(snapshot.policy, name) for name in ("external_entry", "orphan_grace_seconds")
    }
    known |= (
        _rows(snapshot) | _of_groups(snapshot, parent) | _of_members(snapshot, parent) | _of_ports(snapshot, parent)
    )
    return known | (_of_parent(parent) if parent is not None else {})


def _age(snapshot: Snapshot) -> Any:
    if snapshot.inventory is None:
        return None
    age = snapshot.evaluated_at - snapshot.inventory.completed_at
    return -CLOCK_SKEW <= age <= INVENTORY_AGE


def _rows(snapshot: Snapshot) -> Known:
    known: Known = {facts.group(row.id): row for row in snapshot.groups}
    known |= {facts.underlay(row.id): row for row in snapshot.underlay_groups}
    known |= {facts.member(row.id): row for row in snapshot.members}
    known |= {facts.instance(row.id): row for row in snapshot.instances}
    known |= {facts.sled(row.id): row for row in snapshot.sleds}
    for slot, switch in snapshot.switches.items():
        known[facts.switch(slot)] = switch.underlay_address
        known[facts.backplane(slot)] = switch.backplane
        known[facts.peers_read(slot)] = switch.peers is not None
        known |= {facts.peer(slot, peer): peer for peer in switch.peers or ()}
    boards = snapshot.inventory.service_processors if snapshot.inventory else ()
    return known | {facts.board(board): board for board in boards}


def _gather(pairs: Iterable[tuple[str, Any]]) -> Known:
    found: dict[str, set[Any]] = {}
    for name, value in pairs:
        found.setdefault(name, set()).add(value)
    return {name: frozenset(values) for name, values in found.items()}


def _before(parent: Blueprint | None) -> Mapping[Any, Any]:
    if parent is None:
        return {}
    return {row.id: row.planned for row in parent.held if row.planned} | {row.id: row for row in parent.groups}


def _of_groups(snapshot: Snapshot, parent: Blueprint | None) -> Known:
    rows = {row.id: row.multicast_ip for row in snapshot.underlay_groups}
    before = _before(parent)
    peopled = {row.group_id for row in snapshot.members if row.time_deleted is None}

    def homes(row: Group) -> set[Address]:
        found = {rows.get(row.underlay_group_id)} if row.underlay_group_id else set()
        found |= {before[row.id].underlay_ip} if row.id in before else set()
        return {address for address in found if address is not None}

    def told(row: Group) -> Any:
        return (evolve(row, name=""), row.id in peopled, tuple(sorted(home.text for home in homes(row))))

    pairs: list[tuple[str, Any]] = []
    for row in snapshot.groups:
        pairs.append((facts.groups_on(row.multicast_ip), evolve(row, name="", tag=None)))
        pairs.append((facts.block(row.multicast_ip), told(row)))
        pairs += [(facts.groups_at(home), told(row)) for home in homes(row)]
        pairs += [(facts.block_of(home), told(row)) for home in homes(row)]
    pairs += [(facts.block_of(row.multicast_ip), row) for row in snapshot.underlay_groups]
    pairs += [(facts.block_of(row.underlay_ip), (key, row.underlay_ip.text)) for key, row in before.items()]
    links = (row.underlay_group_id for row in snapshot.groups)
    everything = (tuple(snapshot.underlay_groups), tuple(links), tuple(map(told, snapshot.groups)))
    return _gather(pairs) | {facts.UNDERLAY_ROWS: everything}


def _of_members(snapshot: Snapshot, parent: Blueprint | None) -> Known:
    groups = {row.id: row for row in snapshot.groups}
    pairs: list[tuple[str, Any]] = []
    for row in snapshot.members:
        if row.time_deleted is None:
            pairs.append((facts.members_of(row.group_id), row.id))
        ips = {row.multicast_ip.text} | (
            {groups[row.group_id].multicast_ip.text} if row.group_id in groups else set()
        )
        pairs += [(facts.memberships(row.instance_id, ip), row) for ip in ips]
    known = _gather(pairs)
    instances = {row.id: row for row in snapshot.instances}
    sleds = {row.id: row for row in snapshot.sleds}
    remembered = _of_parent(parent) if parent is not None else {}
    underlays = _of_groups(snapshot, parent)
    for row in snapshot.members:
        instance, group = instances.get(row.instance_id), groups.get(row.group_id)
        vmms = [vmm for vmm in (instance.active_vmm, instance.target_vmm) if vmm] if instance else []
        ips = {row.multicast_ip.text} | ({group.multicast_ip.text} if group else set())
        known[facts.about_member(row.id)] = (
            instance,
            group,
            [(sleds.get(vmm.sled_id), remembered.get(facts.parent_sled(vmm.sled_id))) for vmm in vmms],
            [known.get(facts.memberships(row.instance_id, ip)) for ip in sorted(ips)],
            [remembered.get(facts.memory(row.instance_id, ip)) for ip in sorted(ips)],
            [
                {evolve(other, name="", tag=None) for other in snapshot.groups if other.multicast_ip.text == ip}
                for ip in ips
            ],
            # What may hold a group on its address.
            underlays[facts.UNDERLAY_ROWS],
            remembered.get(facts.parent_group(row.group_id)),
        )
    return known


def _usable(peer: Peer) -> PortId | None:
    port = port_of_interface(peer.if_name) if peer.if_name else None
    alive = peer.status in {"Exchange", "Active"} and peer.kind == 0
    return port[0] if alive and port is not None and port[0].kind == "rear" else None


def _of_ports(snapshot: Snapshot, parent: Blueprint | None) -> Known:
    boards = snapshot.inventory.service_processors if snapshot.inventory else ()
    before = parent.ports if parent else {}
    pairs: list[tuple[str, Any]] = []
    names: list[tuple[Any, Sled | None]] = [(row.id, row) for row in snapshot.sleds]
    names += [(sled, None) for sled in before if sled not in {row.id for row in snapshot.sleds}]
    for slot, switch in snapshot.switches.items():
        for sled, row in names:
            mine = facts.said_of(sled, slot)
            port = before.get(sled, {}).get(slot)
            pairs.append((mine, ("parent", port)))
            if port is not None:
                pairs.append((facts.said_behind(port.port_id, slot), ("parent", sled, row)))
            if row is None:
                continue
            twins = [other for other in snapshot.sleds if _is_twin(other, row)]
            pairs += [(mine, ("twin", twin.id, twin.policy, twin.state)) for twin in twins]
            named = [
                peer for peer in switch.peers or () if peer.host == row.serial or peer.addr == row.underlay_address
            ]
            shelved = [board for board in boards if board.serial == row.serial]
            pairs += [(mine, fact) for fact in (*named, *shelved)]
            pairs += [
                (facts.said_behind(p, slot), (peer, row.id, row.policy, row.state))
                for peer in named
                if (p := _usable(peer))
            ]
            pairs += [
                (facts.said_behind(PortId("rear", board.slot), slot), (board, row))
                for board in shelved
                if 0 <= board.slot <= 31
            ]
        pairs += [(facts.said_behind(p, slot), peer) for peer in switch.peers or () if (p := _usable(peer))]
        pairs += [
            (facts.said_behind(PortId("rear", board.slot), slot), board)
            for board in boards
            if board.type is SpType.SLED and 0 <= board.slot <= 31
        ]
    return _gather(pairs)


def _is_twin(one: Sled, other: Sled) -> bool:
    return one.serial == other.serial or one.underlay_address == other.underlay_address


def _of_parent(parent: Blueprint) -> Known:
    known: Known = {facts.parent_group(name): evolve(row, name="") for name, row in _before(parent).items()}
    pairs: list[tuple[str, Any]] = []
    for sled, tables in parent.sleds.items():
        known[facts.parent_sled(sled)] = True
        known[facts.parent_nics(sled)] = frozenset(row.nic for row in tables.nic_filters)
        pairs += [(facts.memory(row.instance_id, row.group_ip), (sled, row)) for row in tables.subscriptions]
        pairs += [(facts.parent_leave(sled, row.propolis_id, row.group_ip), True) for row in tables.subscriptions]
        pairs += [(facts.parent_leave(sled, row.propolis_id, row.group_ip), True) for row in tables.departures]
    for group in parent.held:
        pairs += [(facts.parent_leave(row.sled_id, row.propolis_id, row.group_ip), True) for row in group.heard_by]
    for sled, places in parent.ports.items():
        known |= {facts.parent_port(sled, slot): port for slot, port in places.items() if port is not None}
    return known | _gather(pairs)


# --- taking away ----------------------------------------------------------------------------------------------------


def without(inputs: Inputs, names: frozenset[str]) -> Inputs | None:
    """Return *inputs* without the facts *names*; None where that would be no snapshot, or nothing that can go."""
    snapshot, parent = inputs
    left = {slot: its for slot, its in snapshot.switches.items() if facts.switch(slot) not in names}
    if not left:
        return None
    switches = {
        slot: evolve(
            its, peers=None if its.peers is None else [p for p in its.peers if facts.peer(slot, p) not in names]
        )
        for slot, its in left.items()
    }
    inventory = snapshot.inventory
    if inventory is not None:
        boards = [board for board in inventory.service_processors if facts.board(board) not in names]
        inventory = evolve(inventory, service_processors=boards)

    def rest(rows: Iterable[Any], called: Callable[[Any], str]) -> list[Any]:
        return [row for row in rows if called(row.id) not in names]

    return evolve(
        snapshot,
        switches=switches,
        inventory=inventory,
        groups=rest(snapshot.groups, facts.group),
        underlay_groups=rest(snapshot.underlay_groups, facts.underlay),
        members=rest(snapshot.members, facts.member),
        instances=rest(snapshot.instances, facts.instance),
        sleds=rest(snapshot.sleds, facts.sled),
    ), None if parent is None else _parent_without(parent, names)


def _parent_without(parent: Blueprint, names: frozenset[str]) -> Blueprint:
    sleds = {
        sled: evolve(
            its,
            nic_filters=() if facts.parent_nics(sled) in names else its.nic_filters,
            subscriptions=[
                row
                for row in its.subscriptions
                if facts.memory(row.instance_id, row.group_ip) not in names
                and facts.parent_leave(sled, row.propolis_id, row.group_ip) not in names
            ],
            departures=[
                row for row in its.departures if facts.parent_leave(sled, row.propolis_id, row.group_ip) not in names
            ],
        )
        for sled, its in parent.sleds.items()
        if facts.parent_sled(sled) not in names
    }
    held = [
        evolve(
            row,
            planned=None if facts.parent_group(row.id) in names else row.planned,
            heard_by=[
                heard
                for heard in row.heard_by
                if facts.parent_leave(heard.sled_id, heard.propolis_id, heard.group_ip) not in names
            ],
        )
        for row in parent.held
    ]
    ports = {
        sled: {slot: None if facts.parent_port(sled, slot) in names else port for slot, port in places.items()}
        for sled, places in parent.ports.items()
    }
    groups = [row for row in parent.groups if facts.parent_group(row.id) not in names]
    # Another digest, so that nobody takes it for the blueprint that it was.
    return evolve(parent, sleds=sleds, held=held, ports=ports, groups=groups, snapshot_digest="sha256:other")
