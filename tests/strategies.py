"""Hypothesis strategies for snapshots that a datastore could give, and for what such a snapshot may become.

Rows are drawn from small pools, so that groups collide, instances share sleds and memberships overlap.
Nothing here knows what follows from the rows.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from math import prod
from typing import Any
from uuid import UUID, uuid5

from attrs import evolve, frozen
from hypothesis import strategies as st

from blueprints.addresses import Address, UnderlayUnicast
from blueprints.blueprint import Blueprint
from blueprints.identifiers import PortId, SwitchSlot
from blueprints.snapshot import (
    ExternalEntry,
    Group,
    GroupState,
    Instance,
    InstanceState,
    Inventory,
    Member,
    MemberPorts,
    MemberState,
    Peer,
    Policy,
    ServiceProcessor,
    Sled,
    SledPolicy,
    SledState,
    Snapshot,
    SpType,
    Switch,
    UnderlayRow,
    Vmm,
    VmmState,
)

Draw = Any
"""What `hypothesis.strategies.composite` hands over; its own type is generic."""

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
_NAMESPACE = UUID("5f0c9d3e-8b1a-4a9e-9b4c-2d7b0d1c6a00")

ASM = ("224.1.2.3", "224.1.2.2", "233.252.0.1", "233.252.0.0", "239.255.255.255", "ff05::1234", "ff0e::3")
"""Groups that any source may send to. The first two and the two after are neighbours: a salt leads to the other."""

FOLDED = ("ff0e::ff0e:0:e001:203", "ff0e:0:0:1::2")
"""Fold onto the underlay addresses of 224.1.2.3 and ff0e::3."""

SSM = ("232.1.2.3", "ff3e::8000:1")
"""Groups that need named sources."""

REFUSED = ("224.0.0.5", "232.0.0.9", "ff02::1", "ff04::7", "ff3e::1", "10.0.0.1")
"""Addresses that no group may have."""

SOURCES: Mapping[int, tuple[str, ...]] = {
    4: ("10.20.0.5", "10.20.0.6", "192.0.2.1"),
    6: ("fd00::5", "fd00::6", "2001:db8::1"),
}
BAD_SOURCES = ("127.0.0.1", "224.1.1.1", "::1", "fe80::1", "ff0e::1")


def name(kind: str, number: int) -> UUID:
    """Return the id of the row *number* of its *kind*."""
    return uuid5(_NAMESPACE, f"{kind} {number}")


@cache
def _below(size: int) -> st.SearchStrategy[int]:
    return st.integers(0, size - 1)


def pick(draw: Draw, *choices: Sequence[Any]) -> list[Any]:
    """Draw one of each of *choices* with a single number, which is much faster than a draw for each.

    The first of each is the simplest; repeat what shall be likely.
    """
    number = draw(_below(prod(map(len, choices))))
    picked = []
    for choice in reversed(choices):
        number, place = divmod(number, len(choice))
        picked.append(choice[place])
    return picked[::-1]


def subset(draw: Draw, items: Sequence[Any]) -> list[Any]:
    """Draw some of *items*, in their order."""
    bits = draw(_below(1 << len(items)))
    return [item for place, item in enumerate(items) if bits >> place & 1]


def shuffle(draw: Draw, items: Sequence[Any]) -> list[Any]:
    """Draw *items* in another order."""
    left, taken = list(items), []
    while left:
        taken.append(left.pop(pick(draw, range(len(left)))[0]))
    return taken


# --- the rack -------------------------------------------------------------------------------------------------------


def _sled(number: int, policy: SledPolicy, state: SledState, nics: tuple[str, ...] | None) -> Sled:
    return Sled(
        id=name("sled", number),
        serial=f"BRM{number:08}",
        part="913-0000019",
        underlay_address=UnderlayUnicast.parse(f"fd00:1122:3344:{0x101 + number:x}::1"),
        policy=policy,
        state=state,
        underlay_nics=nics,
    )


_SERVICE = [(SledPolicy.IN_SERVICE, SledState.ACTIVE)] * 16
_SERVICE += [(policy, state) for policy in SledPolicy for state in SledState]
_NICS = [("cxgbe0", "cxgbe1")] * 6 + [("cxgbe0",), None]


@st.composite
def sled_rows(draw: Draw) -> tuple[Sled, ...]:
    """Draw one to six sleds, most of them in service, some with NICs that nobody knows."""
    picked = (pick(draw, _SERVICE, _NICS) for _ in range(draw(_below(6)) + 1))
    return tuple(_sled(number, policy, state, nics) for number, ((policy, state), nics) in enumerate(picked))


def cubbies_of(draw: Draw, rows: tuple[Sled, ...]) -> dict[UUID, int]:
    """Draw in which cubby each sled sits."""
    first, step = pick(draw, range(32), [1, 3, 5, 7])
    return {row.id: (first + step * place) % 32 for place, row in enumerate(rows)}


ALL_REAR = tuple(PortId("rear", number) for number in range(32))


def _peer(draw: Draw, row: Sled, cubby: int, *, truthful: bool) -> Peer | None:
    """Draw what a switch's ddmd tells about one sled: the truth or nothing if *truthful*, else perhaps a lie."""
    honest = ["told", "told", "told", "by address", "silent", "dead"]
    how, number, port = pick(
        draw, honest + ([] if truthful else ["lie"]), range(34), ["rear", "rear", "rear", "qsfp"]
    )
    if how == "silent":
        return None
    if how != "lie":
        number, port = cubby, "rear"
    return Peer(
        if_name=f"tfport{port}{number}_0",
        addr=row.underlay_address if how == "by address" else Address.parse(f"fe80::{cubby + 1:x}"),
        host="oxide" if how == "by address" else row.serial,
        kind=0,
        status="Init" if how == "dead" else "Exchange",
    )


def _board(draw: Draw, row: Sled, cubby: int, *, truthful: bool) -> ServiceProcessor | None:
    """Draw what a collection found of one sled: the truth or nothing if *truthful*, else perhaps a lie."""
    honest = ["exact", "exact", "exact", "other part", "missing"]
    how, slot = pick(draw, honest + ([] if truthful else ["elsewhere", "switch"]), range(34))
    if how == "missing":
        return None
    return ServiceProcessor(
        type=SpType.SWITCH if how == "switch" else SpType.SLED,
        slot=slot if how == "elsewhere" else cubby,
        serial=row.serial,
        part="other" if how == "other part" else row.part,
    )


_AGES = [5] * 6 + [90, -10]
"""Minutes since the inventory ended; the last two say that it proves nothing."""


@st.composite
def witnesses(
    draw: Draw, rows: tuple[Sled, ...], *, truthful: bool
) -> tuple[dict[SwitchSlot, Switch], Inventory | None]:
    """Draw one or two switches and an inventory, with all they say about where *rows* are."""
    cubbies = cubbies_of(draw, rows)
    slots, has_inventory, errors, age = pick(
        draw, [tuple(SwitchSlot)] * 6 + [(slot,) for slot in SwitchSlot], "yyyn", [0, 0, 2], _AGES
    )
    some = tuple(PortId("rear", cubby) for cubby in sorted(cubbies.values()))
    backplanes = [ALL_REAR, ALL_REAR, some, None] + ([] if truthful else [some[:1], ()])
    switches = {}
    for slot in slots:
        backplane, has_peers = pick(draw, backplanes, "yyyn")
        peers = [_peer(draw, row, cubbies[row.id], truthful=truthful) for row in rows] if has_peers == "y" else None
        switches[slot] = Switch(
            underlay_address=UnderlayUnicast.parse(f"fd00:1122:3344:{0x201 + slot.number:x}::2"),
            backplane=backplane,
            peers=None if peers is None else [peer for peer in peers if peer],
        )
    boards = [_board(draw, row, cubbies[row.id], truthful=truthful) for row in rows] if has_inventory == "y" else []
    inventory = Inventory(
        collection_id=name("collection", 0),
        completed_at=NOW - timedelta(minutes=age),
        errors=errors,
        service_processors=[board for board in boards if board],
    )
    return switches, inventory if has_inventory == "y" else None


# --- rows -----------------------------------------------------------------------------------------------------------

_TAGS = [None, None, "canonical", "old:tag", "not a tag"]


def _group(draw: Draw, number: int, ip: str, *, clean: bool, old: bool) -> Group:
    states = [GroupState.DELETING] if old else [GroupState.ACTIVE, *GroupState, GroupState.CREATING]
    link, state, tag, salt, age, odd = pick(
        draw,
        ["none", "row"] if clean else ["none", "row", "row", "row", "gone"],
        states,
        _TAGS,
        [None, None, 0, 1, 255],
        [10, 60, 61, 3600],
        ["no"] * 10 + ([] if clean else ["vni", "time"]),
    )
    row_id = name("group", number)
    return Group(
        id=row_id,
        name=f"group-{number}",
        multicast_ip=Address.parse(ip),
        state=state,
        vni=78 if odd == "vni" else 77,
        tag=f"{row_id}:{ip}" if tag == "canonical" else tag,
        underlay_group_id=None if link == "none" else name(f"underlay {link}", number),
        underlay_salt=salt,
        time_created=NOW - timedelta(seconds=age),
        time_deleted=NOW if state is GroupState.DELETING or odd == "time" else None,
    )


@st.composite
def group_rows(draw: Draw, *, clean: bool) -> tuple[tuple[Group, ...], tuple[UnderlayRow, ...]]:
    """Draw up to six groups in all states with their underlay rows, and a row that nobody names.

    *clean* leaves out what the datastore's own rules forbid: two live groups on one address, addresses out of
    range, contradictions. Underlay rows lie where natural addresses of other groups could.
    """
    good = ASM + FOLDED + SSM
    pool = good if clean else good + good + REFUSED[:4]
    ips = shuffle(draw, pool)[: pick(draw, [1, 2, 3, 4, 5, 6, 0])[0]]
    again = ips[: pick(draw, [0, 0, 1])[0]]  # the older row of a group that was made again
    groups = [_group(draw, number, ip, clean=clean, old=False) for number, ip in enumerate(ips)]
    groups += [_group(draw, len(ips), ip, clean=clean, old=True) for ip in again]
    free = shuffle(draw, range(len(groups) + 1))
    rows = [
        UnderlayRow(id=group.underlay_group_id, multicast_ip=Address.parse(f"ff04::e001:20{free[place]:x}"))
        for place, group in enumerate(groups)
        if group.underlay_group_id == name("underlay row", place)
    ]
    if draw(st.booleans()):
        rows.append(UnderlayRow(id=name("underlay", 99), multicast_ip=Address.parse(f"ff04::e001:20{free[-1]:x}")))
    return tuple(groups), tuple(rows)


_ROW_STATES = [InstanceState.VMM] * 10 + [state for state in InstanceState if state is not InstanceState.VMM]
_VMM_STATES = [VmmState.RUNNING] * 8 + [None, *VmmState]


@st.composite
def instance_rows(draw: Draw, sleds: tuple[UUID, ...], *, first_vmm: int = 0) -> tuple[Instance, ...]:
    """Draw five instances in all states, some of them migrating and some missing.

    *first_vmm* keeps propolis ids of two draws apart.
    """
    rows = []
    for number in range(5):
        missing, state, running, sled, moving, target_state, target_sled = pick(
            draw, "nnnnnnnny", _ROW_STATES, _VMM_STATES, sleds, "nnny", _VMM_STATES, sleds
        )
        if missing == "y":
            continue
        active = target = None
        if state is InstanceState.VMM:
            if running is not None:
                active = Vmm(id=name("propolis", first_vmm + 2 * number), sled_id=sled, state=running)
            if moving == "y" and target_state is not None:
                target = Vmm(id=name("propolis", first_vmm + 2 * number + 1), sled_id=target_sled, state=target_state)
        migration = name("migration", first_vmm + number) if target else None
        rows.append(
            Instance(
                id=name("instance", number),
                state=state,
                active_vmm=active,
                target_vmm=target,
                migration_id=migration,
            )
        )
    return tuple(rows)


def source_choices(ip: Address, *, clean: bool) -> list[tuple[Address, ...]]:
    """Return what a member of the group *ip* may name; bad sources and none at all unless *clean*."""
    good = [Address.parse(text) for text in SOURCES[ip.family]]
    choices = [tuple(good[:1]), tuple(good[1:]), tuple(good)]
    if not clean or ip.text not in SSM:
        choices.append(())
    if not clean:
        bad = [Address.parse(text) for text in (*BAD_SOURCES, *SOURCES[10 - ip.family][:1])]
        choices += [(good[0], each) for each in bad] + [tuple(bad)]
    return choices


@st.composite
def member_rows(
    draw: Draw, groups: tuple[Group, ...], sleds: tuple[UUID, ...], *, clean: bool, first: int = 0
) -> tuple[Member, ...]:
    """Draw memberships of five instances in *groups*: live ones in all states, and tombstones."""
    rows: list[Member] = []
    for group in groups:
        for number in subset(draw, range(5)):
            kind, sled, sources = pick(
                draw,
                [*MemberState, *MemberState, "tombstone"],
                [None, *sleds],
                source_choices(group.multicast_ip, clean=clean),
            )
            rows.append(
                Member(
                    id=name("member", first + len(rows)),
                    group_id=group.id,
                    instance_id=name("instance", number),
                    sled_id=sled,
                    state=MemberState.LEFT if kind == "tombstone" else kind,
                    multicast_ip=group.multicast_ip,
                    source_ips=sources,
                    time_deleted=NOW if kind == "tombstone" else None,
                )
            )
    return tuple(rows) if clean else (*rows, STRAY)


STRAY = Member(
    id=name("member", 999),
    group_id=name("group", 999),
    instance_id=name("instance", 0),
    state=MemberState.JOINED,
    multicast_ip=Address.parse("233.252.0.9"),
    source_ips=(),
)
"""A membership in a group that has no row."""


# --- snapshots ------------------------------------------------------------------------------------------------------


@st.composite
def snapshots(draw: Draw, *, clean: bool = False, truthful: bool = False) -> Snapshot:
    """Draw a snapshot.

    Args:
        draw: given by hypothesis.
        clean: only rows that the datastore's own rules allow.
        truthful: witnesses of ports tell the truth or nothing.
    """
    rows = draw(sled_rows())
    ids = tuple(row.id for row in rows)
    groups, underlays = draw(group_rows(clean=clean))
    entry, ports = pick(draw, list(ExternalEntry), list(MemberPorts))
    switches, inventory = draw(witnesses(rows, truthful=truthful))
    return Snapshot(
        rack_id=_NAMESPACE,
        evaluated_at=NOW,
        policy=Policy(external_entry=entry, member_ports=ports),
        switches=switches,
        sleds=rows,
        inventory=inventory,
        groups=groups,
        underlay_groups=underlays,
        members=draw(member_rows(groups, ids, clean=clean)),
        instances=draw(instance_rows(ids if clean else (*ids, ids[0], name("sled", 99)))),
    )


@st.composite
def successors(draw: Draw, before: Snapshot, *, clean: bool = False) -> Snapshot:
    """Draw what *before* may have become: instances move, members come and go, groups end, witnesses fall silent."""
    places = tuple(row.id for row in before.sleds)
    same, first_vmm = pick(draw, "yn", [0, 0, 100])
    instances = before.instances if same == "y" else draw(instance_rows(places, first_vmm=first_vmm))
    groups = tuple(_aged(draw, group) for group in before.groups)
    gone = {row.id for row in subset(draw, before.members) if draw(st.booleans())}
    members = [
        evolve(row, state=MemberState.LEFT, time_deleted=NOW) if row.id in gone else row for row in before.members
    ]
    if not clean:
        addresses = {row.id: row.multicast_ip for row in groups}
        members = [_edited(draw, row, addresses) for row in members]
    taken = {row.id for row in members} | {(row.group_id, row.instance_id) for row in members if not row.time_deleted}
    new = draw(member_rows(groups, places, clean=clean, first=500)) if draw(st.booleans()) else ()
    members += [row for row in new if not taken & {row.id, (row.group_id, row.instance_id)}]
    after = evolve(before, instances=instances, groups=groups, members=members)
    return losing_witnesses(after, draw(losses(before))) if draw(st.booleans()) else after


def _edited(draw: Draw, row: Member, addresses: Mapping[UUID, Address]) -> Member:
    """Draw *row* with other sources, perhaps: members may change theirs at any time."""
    if row.group_id not in addresses:
        return row
    choices = source_choices(addresses[row.group_id], clean=False)
    (sources,) = pick(draw, [row.source_ips] * len(choices) + choices)
    return evolve(row, source_ips=sources)


def _aged(draw: Draw, group: Group) -> Group:
    if group.time_deleted is not None:
        return group
    later = {
        GroupState.CREATING: [GroupState.CREATING, GroupState.ACTIVE, GroupState.ACTIVE, GroupState.DELETING],
        GroupState.ACTIVE: [GroupState.ACTIVE, GroupState.ACTIVE, GroupState.DELETING],
        GroupState.DELETING: [GroupState.DELETING],
    }
    (state,) = pick(draw, later[group.state])
    return evolve(group, state=state, time_deleted=NOW if state is GroupState.DELETING else None)


@frozen
class Loss:
    """What a later collection failed to learn."""

    peers: frozenset[SwitchSlot]
    backplanes: frozenset[SwitchSlot]
    inventory: bool
    sleds: frozenset[UUID]
    nics: frozenset[UUID]


@st.composite
def losses(draw: Draw, snapshot: Snapshot) -> Loss:
    """Draw which inputs of *snapshot* fall silent; perhaps none."""
    slots, sleds = sorted(snapshot.switches), [row.id for row in snapshot.sleds]
    return Loss(
        peers=frozenset(subset(draw, slots)),
        backplanes=frozenset(subset(draw, slots)),
        inventory=draw(st.booleans()),
        sleds=frozenset(subset(draw, sleds)),
        nics=frozenset(subset(draw, sleds)),
    )


def losing_witnesses(snapshot: Snapshot, loss: Loss) -> Snapshot:
    """Return *snapshot* without what the *loss* names."""
    switches = {
        slot: evolve(
            switch,
            peers=None if slot in loss.peers else switch.peers,
            backplane=None if slot in loss.backplanes else switch.backplane,
        )
        for slot, switch in snapshot.switches.items()
    }
    sleds = [
        evolve(row, underlay_nics=None if row.id in loss.nics else row.underlay_nics)
        for row in snapshot.sleds
        if row.id not in loss.sleds
    ]
    inventory = None if loss.inventory else snapshot.inventory
    return evolve(snapshot, switches=switches, sleds=sleds, inventory=inventory)


def committed(snapshot: Snapshot, blueprint: Blueprint) -> Snapshot:
    """Return *snapshot* once the datastore has underlay rows for all that *blueprint* planned."""
    rows = {row.id: row for row in snapshot.underlay_groups}
    groups = {row.id: row for row in snapshot.groups}
    for planned in blueprint.groups:
        row = groups[planned.id]
        link = row.underlay_group_id or uuid5(planned.id, "underlay")
        rows.setdefault(link, UnderlayRow(id=link, multicast_ip=planned.underlay_ip, tag=str(planned.tag)))
        groups[planned.id] = evolve(row, underlay_group_id=link, underlay_salt=planned.salt)
    return evolve(snapshot, groups=groups.values(), underlay_groups=rows.values())


@st.composite
def shuffled(draw: Draw, document: dict[str, Any]) -> dict[str, Any]:
    """Draw *document* with every list of rows, and the keys of every object, in another order."""
    return {key: _shuffle(draw, value) for key, value in shuffle(draw, list(document.items()))}


def _shuffle(draw: Draw, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shuffle(draw, item) for key, item in value.items()}
    if isinstance(value, list):
        return shuffle(draw, [_shuffle(draw, item) for item in value])
    return value
