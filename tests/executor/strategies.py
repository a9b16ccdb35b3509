"""Made-up blueprints and racks: any mixture of what is ours, stale, foreign, held and unknown."""

from collections.abc import Sequence
from typing import TypeVar

from attrs import evolve
from hypothesis import strategies as st

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint, FilterMode
from blueprints.observation import (
    Observation,
    SeenExternal,
    SeenForwarding,
    SeenHop,
    SeenM2p,
    SeenRoute,
    SeenUnderlay,
    SledObservation,
    SwitchObservation,
)
from tests.executor.builders import (
    SILENT_SLED,
    SILENT_SWITCH,
    SWITCH0,
    SWITCH1,
    G,
    blueprint,
    group_id,
    group_ip,
    hop_address,
    port,
    seen_members,
    seen_sled,
    seen_switch,
    sled_id,
    sled_tables,
    switch_tables,
    underlay_ip,
)

T = TypeVar("T")

NUMBERS = (1, 2, 3)
SLEDS = (0, 1, 2)
HELD = 20
"""The group that some blueprints hold."""

FOREIGN = 50
"""A group of somebody else; its underlay address is no salt away from ours."""


def chosen(mask: int, things: Sequence[T]) -> list[T]:
    """Return the things whose bits are set; one number is drawn faster than many truths."""
    return [thing for place, thing in enumerate(things) if mask >> place & 1]


SHAPES = 8 * 16 * 2 * 2 * 2
"""How many shapes a group can have."""


def shaped(number: int, shape: int, *, salts: bool) -> G | None:
    """Return one group, or None for a shape without receivers."""
    shape, sleds = divmod(shape, 8)
    shape, heard = divmod(shape, 16)
    shape, hop = divmod(shape, 2)
    complete, salt = divmod(shape, 2)
    if not sleds:
        return None
    return G(
        number=number,
        sleds=tuple(chosen(sleds, SLEDS)),
        sources=tuple(chosen(heard, (1, 2, 3, 4))) or None,
        salt=8 * salt if salts else 0,
        hop=(SWITCH0, SWITCH1)[hop],
        complete=not complete,
    )


@st.composite
def groups(draw: st.DrawFn, *, salts: bool = False) -> tuple[G, ...]:
    """Draw some of the three groups, with receivers on some sleds."""
    drawn = (shaped(number, draw(st.integers(0, SHAPES - 1)), salts=salts) for number in NUMBERS)
    return tuple(group for group in drawn if group)


@st.composite
def blueprints(draw: st.DrawFn, *, salts: bool = False, held: bool = False) -> Blueprint:
    """Draw a blueprint over two switches and three sleds."""
    departures = chosen(draw(st.integers(0, 511)), [(sled, number) for sled in SLEDS for number in NUMBERS])
    return blueprint(*draw(groups(salts=salts)), sleds=SLEDS, departures=departures, held=(HELD,) if held else ())


def tag(number: int) -> str:
    """Return the canonical tag of a group."""
    return f"{group_id(number)}:{group_ip(number)}"


FOREIGN_UNDERLAY = SeenUnderlay(group_ip=underlay_ip(FOREIGN), tag="backup", members=seen_members([port(30)]))
FOREIGN_EXTERNAL = SeenExternal(
    group_ip=group_ip(FOREIGN),
    tag="backup",
    internal_ip=underlay_ip(FOREIGN),
    inner_mac="33:33:e9:fc:00:32",
    vni=77,
    vlan_id=None,
    sources=None,
)
FOREIGN_ROUTE = SeenRoute(group=group_ip(FOREIGN), source=None, vni=77, underlay_group=Address.parse("ff04::bad"))
FOREIGN_M2P = SeenM2p(group=group_ip(FOREIGN), underlay=Address.parse("ff04::bad"))
FOREIGN_FORWARDING = SeenForwarding(underlay=Address.parse("ff04::bad"), next_hops=())
HELD_UNDERLAY = SeenUnderlay(group_ip=underlay_ip(HELD), tag=tag(HELD), members=())
HELD_EXTERNAL = evolve(FOREIGN_EXTERNAL, group_ip=group_ip(HELD), tag=tag(HELD), internal_ip=underlay_ip(HELD))
HELD_ROUTE = SeenRoute(group=group_ip(HELD), source=None, vni=77, underlay_group=underlay_ip(HELD))
HELD_M2P = SeenM2p(group=group_ip(HELD), underlay=underlay_ip(HELD))
HELD_FORWARDING = SeenForwarding(underlay=underlay_ip(HELD), next_hops=())


@st.composite
def racks(draw: st.DrawFn, *, silent: bool = False) -> Observation:
    """Draw a rack in any state that some history of blueprints, restarts and other owners could leave."""
    switches = {slot: draw(_switches(silent=silent)) for slot in (SWITCH0, SWITCH1)}
    sleds = {sled_id(n): draw(_sleds(n, silent=silent)) for n in SLEDS}
    return Observation(switches=switches, sleds=sleds, silent=())


@st.composite
def _switches(draw: st.DrawFn, *, silent: bool) -> SwitchObservation:
    if silent and draw(st.integers(0, 5)) == 0:
        return SILENT_SWITCH
    seen = seen_switch(switch_tables(draw(groups())))
    mask = draw(st.integers(0, 2**16 - 1))
    return SwitchObservation(
        underlay_groups=[*(seen.underlay_groups or ()), *chosen(mask, (FOREIGN_UNDERLAY, HELD_UNDERLAY))],
        external_groups=[
            *chosen(mask >> 2, seen.external_groups or ()),
            *chosen(mask >> 5, (FOREIGN_EXTERNAL, HELD_EXTERNAL)),
        ],
        mrib_routes=[
            *chosen(mask >> 7, seen.mrib_routes or ()),
            *chosen(mask >> 3, (FOREIGN_ROUTE, HELD_ROUTE, evolve(FOREIGN_ROUTE, vni=5, group=group_ip(1)))),
        ],
    )


@st.composite
def _sleds(draw: st.DrawFn, number: int, *, silent: bool) -> SledObservation:
    if silent and draw(st.integers(0, 5)) == 0:
        return SILENT_SLED
    seen = seen_sled(sled_tables(draw(groups()), number))
    mask = draw(st.integers(0, 2**13 - 1))
    return SledObservation(
        m2p=[*chosen(mask, seen.m2p or ()), *chosen(mask >> 3, (FOREIGN_M2P, HELD_M2P))],
        forwarding=[
            *(_with_inert_hop(row, mask >> 5 + n) for n, row in enumerate(chosen(mask >> 8, seen.forwarding or ()))),
            *chosen(mask >> 11, (FOREIGN_FORWARDING, HELD_FORWARDING)),
        ],
    )


def _with_inert_hop(row: SeenForwarding, mask: int) -> SeenForwarding:
    other = SWITCH1 if row.next_hops[0].next_hop == hop_address(SWITCH0) else SWITCH0
    inert = SeenHop(next_hop=hop_address(other), replication="underlay", mode=FilterMode.INCLUDE, sources=())
    return evolve(row, next_hops=(*row.next_hops, inert)) if mask & 1 else row
