"""What holds for every plan, whatever the snapshot and the parent."""

import json
from collections import Counter
from typing import Any
from uuid import UUID

from attrs import evolve
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from blueprints.blueprint import Blueprint, LearnedFrom, SledPort
from blueprints.checks import check
from blueprints.documents import blueprint_from, expanded, file_form, snapshot_document, snapshot_from
from blueprints.notation import loads
from blueprints.snapshot import Snapshot
from blueprints.text import dumps
from planner.plan import plan
from tests.oracle.delivery import Copies, Rack
from tests.oracle.receivers import Hearing, astray, hearing_processes, hearings
from tests.strategies import SOURCES, committed, shuffled, snapshots, successors

MANY = settings(max_examples=60)
SOME = settings(max_examples=40)


@st.composite
def lineages(draw: Any, *, clean: bool = False, truthful: bool = False) -> tuple[Snapshot, Blueprint]:
    """Draw a snapshot, and the blueprint of what the rack was before."""
    before = draw(snapshots(clean=clean, truthful=truthful))
    parent = plan(before)
    if draw(st.booleans()):
        before = committed(before, parent)
    return draw(successors(before, clean=clean)), parent


def plain(blueprint: Blueprint) -> Any:
    """Return the expanded form of *blueprint* as JSON has it."""
    return json.loads(json.dumps(expanded(blueprint)))


# --- the same again -------------------------------------------------------------------------------------------------


@MANY
@given(st.data())
def test_the_order_of_rows_decides_nothing(data: st.DataObject) -> None:
    """Snapshots with the same rows in another order give the same bytes."""
    snapshot = data.draw(snapshots())
    document = json.loads(json.dumps(snapshot_document(snapshot)))
    again = snapshot_from(data.draw(shuffled(document)), "shuffled")
    assert dumps(file_form(plan(snapshot))) == dumps(file_form(plan(again)))


@MANY
@given(snapshots())
def test_a_plan_after_itself_is_itself(snapshot: Snapshot) -> None:
    """Planning the same snapshot with its own plan as the parent gives that very plan."""
    first = plan(snapshot)
    assert plan(snapshot, first) is first


@MANY
@given(lineages())
def test_a_plan_with_an_ancestor_is_its_own_fixed_point(lineage: tuple[Snapshot, Blueprint]) -> None:
    """A plan that follows a parent is its own successor as long as the snapshot stays the same."""
    snapshot, parent = lineage
    child = plan(snapshot, parent)
    assert plan(snapshot, child) is child


@SOME
@given(lineages())
def test_a_parent_read_from_its_file_is_as_good_as_the_object(lineage: tuple[Snapshot, Blueprint]) -> None:
    """A parent that went through text leads to the same plan."""
    snapshot, parent = lineage
    read = blueprint_from(loads(dumps(file_form(parent)), "parent.json"), "parent.json")
    assert dumps(file_form(plan(snapshot, parent))) == dumps(file_form(plan(snapshot, read)))


# --- lineage --------------------------------------------------------------------------------------------------------


@SOME
@given(lineages())
def test_generations_grow_by_one_and_only_with_content(lineage: tuple[Snapshot, Blueprint]) -> None:
    """A target's generation moves by one when its tables change, and stays when they do not."""
    snapshot, parent = lineage
    child = plan(snapshot, parent)
    assert child.generation == parent.generation + (child is not parent)
    pairs: list[tuple[Any, Any]] = [(child.switches[slot], parent.switches[slot]) for slot in child.switches]
    pairs += [(child.sleds[sled], parent.sleds.get(sled)) for sled in child.sleds]
    for new, old in pairs:
        if old is None:
            assert new.generation == child.generation
        elif evolve(new, generation=0) == evolve(old, generation=0):
            assert new.generation == old.generation
        else:
            assert new.generation == old.generation + 1


@SOME
@given(lineages())
def test_choices_of_the_parent_stay(lineage: tuple[Snapshot, Blueprint]) -> None:
    """A group that is planned again keeps its underlay address, and its next hop while that switch is there."""
    snapshot, parent = lineage
    before = {group.id: group for group in parent.groups}
    for group in plan(snapshot, parent).groups:
        if group.id in before:
            assert group.underlay_ip == before[group.id].underlay_ip
            if before[group.id].next_hop_switch in snapshot.switches:
                assert group.next_hop_switch is before[group.id].next_hop_switch


# --- what a plan looks like -----------------------------------------------------------------------------------------


def address_key(text: str | None) -> tuple[int, int]:
    """Return where an address stands in a list: nothing first, then IPv4, then by number."""
    if text is None:
        return (0, 0)
    if "." in text:
        return (4, int.from_bytes(bytes(map(int, text.split(".")))))
    head, _, tail = text.partition("::")
    left, right = ([int(part, 16) for part in side.split(":") if side] for side in (head, tail))
    parts = left + [0] * (8 - len(left) - len(right)) + right
    return (6, sum(part << 16 * (7 - place) for place, part in enumerate(parts)))


def port_key(text: str) -> tuple[str, int]:
    """Return where a port stands in a list."""
    kind = text.rstrip("0123456789")
    return kind, int(text[len(kind) :])


SORT_KEYS: dict[str, Any] = {
    "groups": lambda row: (address_key(row["multicast_ip"]), address_key(row["underlay_ip"]), row["id"]),
    "held": lambda row: (address_key(row["multicast_ip"]), row["id"]),
    "former_groups": lambda row: (address_key(row["multicast_ip"]), row["id"]),
    "missing_switches": str,
    "underlay_groups": lambda row: address_key(row["group_ip"]),
    "external_groups": lambda row: address_key(row["group_ip"]),
    "mrib_routes": lambda row: (address_key(row["group"]), address_key(row["source"])),
    "m2p": lambda row: address_key(row["group"]),
    "forwarding": lambda row: address_key(row["underlay"]),
    "nic_filters": lambda row: (address_key(row["underlay"]), row["nic"]),
    "subscriptions": lambda row: (address_key(row["group_ip"]), row["instance_id"], row["propolis_id"]),
    "departures": lambda row: (address_key(row["group_ip"]), row["instance_id"], row["propolis_id"]),
    "transitions": lambda row: (row["subject"], row["id"]),
    "sources": address_key,
    "specific": address_key,
    "members": lambda row: (port_key(row["port_id"]), row["link_id"]),
    "next_hops": lambda row: address_key(row["next_hop"]),
    "findings": lambda row: (row["code"], row["severity"], row["subject"], row["message"]),
}


CAUSE_KEYS: dict[str, Any] = {
    "groups": lambda row: row["group"],
    "members": lambda row: (row["group"], row["instance"], row["member"], row["sled"] or "", row["verdict"]),
    "absent": lambda row: (address_key(row["multicast_ip"]), row["group"]),
    "sleds": lambda row: row["sled"],
    "ports": lambda row: (row["sled"], row["switch"]),
    "departures": lambda row: (address_key(row["group_ip"]), row["propolis"], row["sled"]),
}


def lists_in(value: Any, label: str = "") -> list[tuple[str, list[Any]]]:
    """Return every list in *value* with the name it is found under."""
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in lists_in(item, key)]
    if isinstance(value, list):
        return [(label, value), *(found for item in value for found in lists_in(item, label))]
    return []


@MANY
@given(lineages())
def test_every_list_is_sorted_and_says_nothing_twice(lineage: tuple[Snapshot, Blueprint]) -> None:
    """Every list stands in the documented order, without repetition."""
    snapshot, parent = lineage
    document = plain(plan(snapshot, parent))
    causes = document.pop("causes")
    assert causes == {name: sorted(rows, key=CAUSE_KEYS[name]) for name, rows in causes.items()}
    for label, rows in lists_in(document):
        keys = [SORT_KEYS[label](row) for row in rows]
        assert keys == sorted(keys), label
        texts = [json.dumps(row, sort_keys=True) for row in rows]
        assert len(set(texts)) == len(texts), label


def receivers_of(tables: Any, group_ip: str) -> set[str]:
    """Return the sleds with a subscription to *group_ip*."""
    return {
        sled for sled, its in tables["sleds"].items() for row in its["subscriptions"] if row["group_ip"] == group_ip
    }


def may_be_astray(snapshot: Snapshot, group: str) -> bool:
    """Return whether a live member's process is on a sled that has no row."""
    known = {row.id for row in snapshot.sleds}
    instances = {row.id: row for row in snapshot.instances}
    return any(
        vmm.sled_id not in known
        for row in snapshot.members
        if str(row.group_id) == group and row.time_deleted is None
        for vmm in hearing_processes(row, instances.get(row.instance_id))
    )


def assert_group_is_whole(tables: Any, group: Any, snapshot: Snapshot) -> None:
    """Fail unless every table that has to know *group* knows it, and no other does."""
    ip, underlay = group["multicast_ip"], group["underlay_ip"]
    hearing = receivers_of(tables, ip)
    heard = group["receiving"]
    assert bool(hearing) <= heard <= (bool(hearing) or may_be_astray(snapshot, group["id"]))
    elected = snapshot.policy.external_entry == "elected"
    for slot, its in tables["switches"].items():
        entries = [row for row in its["underlay_groups"] if row["group_ip"] == underlay]
        assert [row["tag"] for row in entries] == [group["tag"]]
        ports = [tables["ports"][sled][slot] for sled in hearing]
        short = any(port is None or port["learned_from"] == "old_inventory" for port in ports)
        assert short <= (not entries[0]["complete"]) <= (short or may_be_astray(snapshot, group["id"]))
        assert {(row["port_id"], row["link_id"]) for row in entries[0]["members"]} == {
            (port["port_id"], port["link_id"]) for port in ports if port is not None
        }
        external = [row for row in its["external_groups"] if row["group_ip"] == ip]
        stands = not elected or slot == group["next_hop_switch"]
        assert [(row["internal_ip"], row["tag"]) for row in external] == [(underlay, group["tag"])] * stands
        routes = [row for row in its["mrib_routes"] if row["group"] == ip]
        assert not (routes and not heard)
        assert {row["underlay_group"] for row in routes} <= {underlay}
    hop = snapshot.switches[group["next_hop_switch"]].underlay_address.text
    for its in tables["sleds"].values():
        assert ({"group": ip, "underlay": underlay} in its["m2p"]) is heard
        hops = [row["next_hops"] for row in its["forwarding"] if row["underlay"] == underlay]
        assert [[each["next_hop"] for each in row] for row in hops] == [[hop]] * heard


@MANY
@given(lineages())
def test_every_table_that_a_group_needs_has_it(lineage: tuple[Snapshot, Blueprint]) -> None:
    """Each group stands in all tables it needs, in no other, and the lists of its ports say when they are short."""
    snapshot, parent = lineage
    tables = plain(plan(snapshot, parent))
    for group in tables["groups"]:
        assert_group_is_whole(tables, group, snapshot)
    underlays = {group["underlay_ip"] for group in tables["groups"]}
    ips = {group["multicast_ip"] for group in tables["groups"]}
    assert len(underlays) == len(ips) == len(tables["groups"])
    for its in tables["switches"].values():
        assert {row["group_ip"] for row in its["underlay_groups"]} == underlays
        assert {row["group_ip"] for row in its["external_groups"]} <= ips
        assert {row["group"] for row in its["mrib_routes"]} <= ips
    for its in tables["sleds"].values():
        assert {row["group"] for row in its["m2p"]} <= ips
        assert {row["underlay"] for row in its["forwarding"]} <= underlays
        assert {row["underlay"] for row in its["nic_filters"]} <= underlays
        assert {row["group_ip"] for row in its["subscriptions"]} <= {row["group"] for row in its["m2p"]}


@MANY
@given(lineages())
def test_underlay_addresses_are_never_taken_from_anyone(lineage: tuple[Snapshot, Blueprint]) -> None:
    """A new group gets no address of an underlay row, nor of a group of the parent."""
    snapshot, parent = lineage
    rows = {row.id: row.multicast_ip.text for row in snapshot.underlay_groups}
    links = {row.id: rows.get(row.underlay_group_id) for row in snapshot.groups if row.underlay_group_id}
    before = {group.id: group.underlay_ip.text for group in parent.groups}
    for group in plan(snapshot, parent).groups:
        if group.id not in before and links.get(group.id) is None:
            assert group.underlay_ip.text not in {*rows.values(), *before.values()}
        else:
            assert group.underlay_ip.text in {before.get(group.id), links.get(group.id)}


@MANY
@given(lineages())
def test_members_are_rear_ports_of_one_sled_each(lineage: tuple[Snapshot, Blueprint]) -> None:
    """Every known port is a rear port, and no two sleds share one."""
    snapshot, parent = lineage
    child = plan(snapshot, parent)
    for slot in child.switches:
        ports = [row[slot] for row in child.ports.values()]
        known = [port.port_id for port in ports if port is not None]
        assert {port.kind for port in known} <= {"rear"}
        assert len(set(known)) == len(known)


@MANY
@given(lineages())
def test_nothing_departs_that_is_wanted(lineage: tuple[Snapshot, Blueprint]) -> None:
    """Nobody leaves what it shall hear, and nothing that the parent gave is forgotten while its process lives."""
    snapshot, parent = lineage
    child = plan(snapshot, parent)
    wanted = {(row.propolis_id, row.group_ip) for its in child.sleds.values() for row in its.subscriptions}
    leaving = {(sled, row.propolis_id, row.group_ip) for sled, its in child.sleds.items() for row in its.departures}
    assert not wanted & {(propolis, group) for _, propolis, group in leaving}
    alive = {
        (vmm.sled_id, vmm.id)
        for row in snapshot.instances
        for vmm in (row.active_vmm, row.target_vmm)
        if vmm and vmm.state not in ("creating", "saga_unwound", "destroyed")
    }
    held = {row.multicast_ip for row in child.held}
    for sled, its in parent.sleds.items():
        for row in its.subscriptions:
            still = (sled, row.propolis_id) in alive and sled in child.sleds and row.group_ip not in held
            if still and (row.propolis_id, row.group_ip) not in wanted:
                assert (sled, row.propolis_id, row.group_ip) in leaving


@MANY
@given(lineages())
def test_what_is_left_is_known_by_its_group(lineage: tuple[Snapshot, Blueprint]) -> None:
    """A port that has to leave does so from the group that is planned on the address, or from one that is named."""
    snapshot, parent = lineage
    child = plan(snapshot, parent)
    known = {(row.multicast_ip, row.id) for row in child.groups} | {(row.multicast_ip, row.id) for row in child.held}
    known |= {(row.multicast_ip, row.id) for row in child.former_groups}
    before = {group.multicast_ip: group.id for group in parent.groups}
    heard = {(row.propolis_id, row.group_ip) for its in parent.sleds.values() for row in its.subscriptions}
    groups = {row.id: row.group_id for row in snapshot.members}
    said = {(line.propolis, line.group_ip): line.tombstones for line in child.causes.departures}
    for its in child.sleds.values():
        for leave in its.departures:
            key = (leave.propolis_id, leave.group_ip)
            owners = {groups[tombstone] for tombstone in said[key]}
            if key in heard:
                owners.add(before[leave.group_ip])
            assert {(leave.group_ip, owner) for owner in owners} <= known


@MANY
@given(lineages())
def test_every_plan_keeps_the_structural_rules(lineage: tuple[Snapshot, Blueprint]) -> None:
    """Whoever checks a plan finds no breach."""
    snapshot, parent = lineage
    assert check(parent) == ()
    assert check(plan(snapshot, parent)) == ()


# --- the oracle -----------------------------------------------------------------------------------------------------


def planned_hearings(blueprint: Blueprint) -> set[Hearing]:
    """Return the subscriptions of *blueprint*."""
    groups = {group.multicast_ip: group.id for group in blueprint.groups}
    return {
        Hearing(
            group_id=groups[row.group_ip],
            sled_id=sled,
            instance_id=row.instance_id,
            propolis_id=row.propolis_id,
            group_ip=row.group_ip.text,
            sources=tuple(source.text for source in row.sources),
        )
        for sled, its in blueprint.sleds.items()
        for row in its.subscriptions
    }


def held_for_underlay(blueprint: Blueprint) -> set[UUID]:
    """Return the groups that could not get an underlay address."""
    return {row.id for row in blueprint.held if row.because.startswith(("underlay_", "group_underlay_"))}


@settings(max_examples=150)
@given(snapshots())
def test_the_oracle_finds_the_same_receivers(snapshot: Snapshot) -> None:
    """The planned subscriptions are those that follow from the rows one by one."""
    blueprint = plan(snapshot)
    held = held_for_underlay(blueprint)
    heard = hearings(snapshot, held)
    assert planned_hearings(blueprint) == heard
    lost = astray(snapshot, held)
    ips = {group.underlay_ip: group.id for group in blueprint.groups}
    for slot, tables in blueprint.switches.items():
        unknown = {row.group_id for row in heard if not proven(blueprint.ports[row.sled_id][slot])} | lost
        assert {ips[row.group_ip] for row in tables.underlay_groups if not row.complete} == unknown


def proven(port: SledPort | None) -> bool:
    """Return whether somebody knows the port who may be believed when he leaves another one out."""
    return port is not None and port.learned_from is not LearnedFrom.OLD_INVENTORY


def rack_of(snapshot: Snapshot, blueprint: Blueprint) -> Rack:
    """Return the rack that *blueprint* describes, wired as it believes."""
    return Rack(
        tables=plain(blueprint),
        sled_at={
            (slot, str(port.port_id)): str(sled)
            for sled, row in blueprint.ports.items()
            for slot, port in row.items()
            if port is not None
        },
        address_of={slot: switch.underlay_address.text for slot, switch in snapshot.switches.items()},
        nics={str(row.id): row.underlay_nics or () for row in snapshot.sleds},
    )


def admitted(heard: set[Hearing], group: UUID, source: str, but: UUID | None = None) -> Copies:
    """Return one copy for everyone who hears *group* from *source*, but for process *but*."""
    return Counter(
        (str(row.sled_id), str(row.propolis_id))
        for row in heard
        if row.group_id == group and row.propolis_id != but and (not row.sources or source in row.sources)
    )


@settings(max_examples=80)
@given(snapshots(truthful=True))
def test_every_packet_reaches_exactly_its_receivers_once(snapshot: Snapshot) -> None:
    """Walking the tables delivers one copy to each receiver that admits the source, and none to anyone else."""
    snapshot = evolve(snapshot, sleds=[evolve(row, underlay_nics=("cxgbe0", "cxgbe1")) for row in snapshot.sleds])
    blueprint = plan(snapshot)
    heard = hearings(snapshot, held_for_underlay(blueprint))
    assume(heard)
    rack = rack_of(snapshot, blueprint)
    senders = [
        vmm
        for row in snapshot.instances
        for vmm in (row.active_vmm, row.target_vmm)
        if vmm and vmm.sled_id in blueprint.sleds
    ]
    everywhere = snapshot.policy.external_entry == "every_switch"
    for group in blueprint.groups:
        ip = group.multicast_ip.text
        for source in SOURCES[group.multicast_ip.family]:
            for slot, tables in blueprint.switches.items():
                whole = all(row.complete for row in tables.underlay_groups if row.group_ip == group.underlay_ip)
                if not whole:
                    continue
                expected = admitted(heard, group.id, source)
                enters = everywhere or slot is group.next_hop_switch
                assert rack.from_outside(slot, ip, source) == (expected if enters else Counter())
                if slot is group.next_hop_switch:
                    for vmm in senders:
                        copies = rack.from_instance(str(vmm.sled_id), str(vmm.id), ip, source)
                        assert copies == admitted(heard, group.id, source, but=vmm.id)
