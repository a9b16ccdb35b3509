"""Unknown is not empty: whatever a collection fails to learn, nothing that somebody still wants is taken away."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint, LearnedFrom
from blueprints.identifiers import PortId, SwitchSlot
from blueprints.snapshot import Peer, ServiceProcessor, Sled, Snapshot, SpType
from planner.plan import plan
from tests.planner.case_files import CASES, id_of, read_snapshot
from tests.strategies import NOW, Loss, losing_witnesses, losses, pick, snapshots, subset

# --- witnesses that agree -------------------------------------------------------------------------------------------


@st.composite
def losing(draw: Any) -> tuple[Snapshot, Loss]:
    """Draw a snapshot whose witnesses agree, and what falls silent."""
    snapshot = draw(snapshots(clean=True, truthful=True))
    return snapshot, draw(losses(snapshot))


@settings(max_examples=60)
@given(losing())
def test_a_silent_witness_removes_nothing(case: tuple[Snapshot, Loss]) -> None:
    """Losing peers, backplanes, the inventory or rows of sleds takes nothing away from what the parent had."""
    snapshot, loss = case
    parent = plan(snapshot)
    child = plan(losing_witnesses(snapshot, loss), parent)
    assert list(removed(parent, child)) == []
    for slot, before in parent.switches.items():
        now = child.switches[slot]
        assert now.external_groups == before.external_groups
        assert [row.members for row in now.underlay_groups] == [row.members for row in before.underlay_groups]
        # A sled out of service whose row is lost could be any sled: then the list is the same and no longer complete.
        assert all(
            old.complete or not new.complete
            for new, old in zip(now.underlay_groups, before.underlay_groups, strict=True)
        )
    if loss.sleds <= parent.sleds.keys():
        assert child.groups == parent.groups
        assert [its.mrib_routes for its in child.switches.values()] == [
            its.mrib_routes for its in parent.switches.values()
        ]
        assert {sled: evolve(its, generation=0) for sled, its in child.sleds.items()} == {
            sled: evolve(its, generation=0) for sled, its in parent.sleds.items()
        }


@settings(max_examples=40)
@given(losing())
def test_ports_stay_known(case: tuple[Snapshot, Loss]) -> None:
    """A port that was known stays the same port when its witnesses fall silent, and says who remembers it."""
    snapshot, loss = case
    parent = plan(snapshot)
    child = plan(losing_witnesses(snapshot, loss), parent)
    for sled, row in parent.ports.items():
        for slot, port in row.items():
            now = child.ports[sled][slot]
            if port is None:
                assert now is None
            else:
                assert now is not None
                assert (now.port_id, now.link_id) == (port.port_id, port.link_id)
                assert list(LearnedFrom).index(now.learned_from) >= list(LearnedFrom).index(port.learned_from)


# --- any witnesses --------------------------------------------------------------------------------------------------


def removed(before: Blueprint, after: Blueprint) -> Iterator[tuple[object, ...]]:
    """Yield what whoever carries out *after* may take away of *before*, or has to make leave."""
    for slot, old in before.switches.items():
        new = after.switches[slot]
        lists = {row.group_ip: row for row in new.underlay_groups}
        for row in old.underlay_groups:
            now = lists.get(row.group_ip)
            if now is None:
                yield slot, row
            elif now.complete:
                yield from ((slot, row.group_ip, gone) for gone in set(row.members) - set(now.members))
        yield from ((slot, gone) for gone in set(old.external_groups) - set(new.external_groups))
        yield from ((slot, gone) for gone in set(old.mrib_routes) - set(new.mrib_routes))
    for sled, mine in before.sleds.items():
        if sled not in after.sleds:
            yield sled, mine
            continue
        now_there = after.sleds[sled]
        for table in ("m2p", "forwarding", "nic_filters", "subscriptions"):
            yield from ((sled, gone) for gone in set(getattr(mine, table)) - set(getattr(now_there, table)))
        yield from ((sled, leave) for leave in set(now_there.departures) - set(mine.departures))


@settings(max_examples=150)
@given(st.data())
def test_whatever_falls_silent_nothing_is_removed(data: st.DataObject) -> None:
    """Of any snapshot, with witnesses that lie and rows that cannot be right, losing inputs removes nothing."""
    snapshot = data.draw(snapshots())
    parent = plan(snapshot)
    child = plan(losing_witnesses(snapshot, data.draw(losses(snapshot))), parent)
    assert list(removed(parent, child)) == []


# --- witnesses that quarrel -----------------------------------------------------------------------------------------


def _each_hears_its_own() -> Snapshot:
    """Return the settled rack with a second group, which vm-2 on sled-b hears."""
    base = read_snapshot(CASES / "_settled.yaml")
    (group,), (member,) = base.groups, base.members
    address = Address.parse("233.252.0.2")
    second = evolve(group, id=id_of("group-2"), multicast_ip=address, underlay_group_id=None)
    hers = evolve(
        member,
        id=id_of("member-2"),
        group_id=second.id,
        instance_id=id_of("vm-2"),
        multicast_ip=address,
        sled_id=None,
    )
    return evolve(base, groups=[group, second], members=[member, hers])


SETTLED = _each_hears_its_own()
"""Where its sleds are is drawn anew."""

CUBBIES = tuple(range(13, 17))
"""So few that witnesses meet: they contradict each other about most sleds."""


def _peers(draw: Any, rows: tuple[Sled, ...]) -> list[Peer]:
    said = [
        (row.serial, cubby)
        for row in rows
        for cubby in pick(draw, [(), *((each,) for each in CUBBIES), CUBBIES[:2]])[0]
    ]
    return [
        Peer(
            if_name=f"tfportrear{cubby}_0",
            addr=Address.parse(f"fe80::{cubby:x}"),
            host=serial,
            kind=0,
            status="Exchange",
        )
        for serial, cubby in said
    ]


@st.composite
def quarrels(draw: Any) -> Snapshot:
    """Draw a rack whose witnesses contradict themselves and each other about where its sleds are."""
    rear = tuple(PortId("rear", cubby) for cubby in CUBBIES)
    switches = {}
    for slot in SwitchSlot:
        (told,) = pick(draw, [rear, subset(draw, rear), None])
        (read,) = pick(draw, "yyn")
        peers = _peers(draw, SETTLED.sleds) if read == "y" else None
        switches[slot] = evolve(SETTLED.switches[slot], backplane=told, peers=peers)
    slots = [(row, pick(draw, [*CUBBIES, None])[0]) for row in SETTLED.sleds]
    boards = [
        ServiceProcessor(type=SpType.SLED, slot=slot, serial=row.serial, part=row.part)
        for row, slot in slots
        if slot is not None
    ]
    assert SETTLED.inventory is not None
    (age,) = pick(draw, [5, 5, 5000])
    inventory = evolve(SETTLED.inventory, completed_at=NOW - timedelta(minutes=age), service_processors=boards)
    return evolve(SETTLED, evaluated_at=NOW, switches=switches, inventory=pick(draw, [inventory, None])[0])


@settings(max_examples=300)
@given(st.data())
def test_where_witnesses_quarrel_the_silence_of_one_decides_nothing(data: st.DataObject) -> None:
    """A witness that was outvoted does not win because another falls silent, in this plan or in the ones after it."""
    snapshot = data.draw(quarrels())
    parent = plan(snapshot)
    lossy = losing_witnesses(snapshot, data.draw(losses(snapshot)))
    child = plan(lossy, parent)
    assert list(removed(parent, child)) == []
    assert plan(lossy, child) is child
    again = plan(losing_witnesses(snapshot, data.draw(losses(snapshot))), child)
    assert list(removed(parent, again)) == []
