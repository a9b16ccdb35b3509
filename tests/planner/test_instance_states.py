"""What an instance does and what follows for its memberships: every state of its row and VMM, migrating or not."""

from itertools import product
from typing import NamedTuple

import pytest
from attrs import evolve

from blueprints.blueprint import Blueprint
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Instance, InstanceState, MemberState, Snapshot, Vmm, VmmState
from blueprints.written import written_of
from planner.life_cycle import effective_state, processes
from planner.plan import plan
from tests.planner.case_files import CASES, id_of, read_snapshot

SETTLED = read_snapshot(CASES / "_settled.yaml")
"""vm-1 runs on sled-a as vmm-1 and hears group-1."""

EFFECTIVE: dict[tuple[str, str | None, bool], str | None] = {
    ("creating", None, False): "creating",
    ("no_vmm", None, False): "stopped",
    ("failed", None, False): "failed",
    ("destroyed", None, False): "destroyed",
    ("vmm", None, False): None,  # the row names a VMM that has no row
    ("vmm", "creating", False): "starting",
    ("vmm", "starting", False): "starting",
    ("vmm", "running", False): "running",
    ("vmm", "rebooting", False): "rebooting",
    ("vmm", "migrating", False): "migrating",
    ("vmm", "stopping", False): "stopping",
    ("vmm", "stopped", False): "stopping",
    ("vmm", "destroyed", False): "stopping",
    ("vmm", "failed", False): "stopping",
    ("vmm", "saga_unwound", False): "failed",
    **{("vmm", state.value, True): "migrating" for state in VmmState},
}
"""State of the row, state of the active VMM, whether it migrates: to what the instance does."""

NOT_ON_A_SLED = {"creating", "saga_unwound", "destroyed"}
"""A VMM in any other state exists on its sled."""


class Fate(NamedTuple):
    """What is planned for a live membership."""

    hears: bool
    becomes: str | None
    """The state it is to be given; None: it stays as it is."""


HEARS, WAITS, KEEPS, PARKED = Fate(True, "joined"), Fate(False, None), Fate(True, None), Fate(False, "left")

FATES: dict[str | None, dict[str, Fate]] = {
    "creating": {"joining": WAITS, "joined": WAITS, "left": WAITS},
    "starting": {"joining": HEARS, "joined": HEARS, "left": HEARS},
    "running": {"joining": HEARS, "joined": HEARS, "left": HEARS},
    "rebooting": {"joining": HEARS, "joined": HEARS, "left": HEARS},
    "migrating": {"joining": HEARS, "joined": HEARS, "left": HEARS},
    "stopping": {"joining": WAITS, "joined": KEEPS, "left": WAITS},
    "stopped": {"joining": PARKED, "joined": PARKED, "left": WAITS},
    "failed": {"joining": PARKED, "joined": PARKED, "left": WAITS},
    "destroyed": {"joining": PARKED, "joined": PARKED, "left": WAITS},
    None: {"joining": WAITS, "joined": PARKED, "left": WAITS},
}
"""What the instance does and the stored state of the membership, to what is planned while the VMM is on a sled."""


def instance(row: str, vmm: str | None, migrating: bool, target: str | None = None) -> Instance:
    """Return vm-1 in these states: vmm-1 on sled-a, the target vmm-3 on sled-b."""
    return Instance(
        id=id_of("vm-1"),
        state=InstanceState(row),
        migration_id=id_of("migration-1") if migrating else None,
        active_vmm=None if vmm is None else Vmm(id=id_of("vmm-1"), sled_id=id_of("sled-a"), state=VmmState(vmm)),
        target_vmm=None
        if target is None
        else Vmm(id=id_of("vmm-3"), sled_id=id_of("sled-b"), state=VmmState(target)),
    )


def rack(vm: Instance, member: str) -> Snapshot:
    """Return the settled rack with *vm* as the only instance and its membership in the state *member*."""
    members = [evolve(SETTLED.members[0], state=MemberState(member))]
    return evolve(SETTLED, instances=[vm], members=members)


def heard(blueprint: Blueprint) -> set[tuple[str, str]]:
    """Return sled and process of every subscription."""
    names = {id_of(name): name for name in ("sled-a", "sled-b", "vmm-1", "vmm-3")}
    return {
        (names[sled], names[row.propolis_id]) for sled, its in blueprint.sleds.items() for row in its.subscriptions
    }


def ports(blueprint: Blueprint) -> list[list[str]]:
    """Return the member ports of each switch."""
    return [
        [str(member.port_id) for entry in blueprint.switches[slot].underlay_groups for member in entry.members]
        for slot in SwitchSlot
    ]


def moved(blueprint: Blueprint) -> str | None:
    """Return what the membership is to become, or None if nothing is said of it."""
    told = [row.to for row in blueprint.transitions if row.id == id_of("member-1")]
    assert len(told) < 2
    return told[0] if told else None


def described(key: tuple[str, str | None, bool]) -> str:
    """Return the name of a row of the table."""
    row, vmm, migrating = key
    return "-".join(filter(None, (row, vmm, "migrating" if migrating else "")))


def test_every_state_of_an_instance_stands_in_the_table() -> None:
    """No state of a row or of a VMM is missing."""
    assert {row for row, _, _ in EFFECTIVE} == {state.value for state in InstanceState}
    for migrating in (True, False):
        assert {vmm for _, vmm, its in EFFECTIVE if its is migrating} - {None} == {state.value for state in VmmState}
    assert set(FATES) == set(EFFECTIVE.values())
    assert all(set(fates) == {state.value for state in MemberState} for fates in FATES.values())


@pytest.mark.parametrize("key", EFFECTIVE, ids=described)
def test_what_an_instance_does(key: tuple[str, str | None, bool]) -> None:
    """Row, active VMM and migration give the effective state; which VMMs exist on a sled depends on theirs alone."""
    vm = instance(*key)
    state = effective_state(written_of(vm))
    assert (None if state is None else state.value) == EFFECTIVE[key]
    exists = key[1] is not None and key[1] not in NOT_ON_A_SLED
    assert len(processes(written_of(vm))) == exists


def test_an_instance_without_a_row_is_gone() -> None:
    """Of an instance that has no row nothing is on any sled."""
    assert effective_state(None) == "gone"
    assert processes(None) == ()


@pytest.mark.parametrize("member", [state.value for state in MemberState])
@pytest.mark.parametrize("key", EFFECTIVE, ids=described)
def test_what_follows_for_a_membership(key: tuple[str, str | None, bool], member: str) -> None:
    """Who runs hears, who is stopping keeps what it has, who is not there yet waits, who is gone is parked."""
    fate = FATES[EFFECTIVE[key]][member]
    on_sled = key[1] is not None and key[1] not in NOT_ON_A_SLED
    if fate in (HEARS, KEEPS) and not on_sled:
        fate = WAITS
    blueprint = plan(rack(instance(*key), member))
    assert heard(blueprint) == ({("sled-a", "vmm-1")} if fate.hears else set())
    assert ports(blueprint) == [["rear14"] if fate.hears else []] * 2
    assert moved(blueprint) == (None if fate.becomes == member else fate.becomes)


@pytest.mark.parametrize(("active", "target"), [*product(VmmState, [None, *VmmState])], ids=str)
def test_both_ends_of_a_migration(active: VmmState, target: VmmState | None) -> None:
    """While an instance migrates, whichever of its two processes exists on a sled hears there, through both ports."""
    vm = instance("vmm", active.value, True, None if target is None else target.value)
    expected = set()
    if active.value not in NOT_ON_A_SLED:
        expected.add(("sled-a", "vmm-1"))
    if target is not None and target.value not in NOT_ON_A_SLED:
        expected.add(("sled-b", "vmm-3"))
    blueprint = plan(rack(vm, "joined"))
    assert heard(blueprint) == expected
    assert ports(blueprint) == [[{"sled-a": "rear14", "sled-b": "rear15"}[sled] for sled, _ in sorted(expected)]] * 2


@pytest.mark.parametrize("state", VmmState, ids=str)
def test_a_target_outlives_the_row_of_its_source(state: VmmState) -> None:
    """The row of the source may be gone before the migration is committed: who has moved already goes on hearing."""
    moving = instance("vmm", "running", True, "running")
    parent = plan(rack(moving, "joined"))
    arrived = rack(instance("vmm", None, True, state.value), "joined")
    there = state.value not in NOT_ON_A_SLED
    for blueprint in (plan(arrived), plan(arrived, parent)):
        assert heard(blueprint) == ({("sled-b", "vmm-3")} if there else set())
        assert [row for its in blueprint.sleds.values() for row in its.departures] == []
        assert moved(blueprint) == ("joined" if there else "left")


EXISTING = [state for state in VmmState if state.value not in NOT_ON_A_SLED]


@pytest.mark.parametrize(("active", "state"), [*product(EXISTING, EXISTING)], ids=str)
def test_a_target_without_a_migration_is_not_heard_by(active: VmmState, state: VmmState) -> None:
    """A target VMM that is left over from a migration that nobody runs any more is given nothing."""
    assert heard(plan(rack(instance("vmm", active.value, False, state.value), "joined"))) == {("sled-a", "vmm-1")}
