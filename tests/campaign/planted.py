"""What stands in a rack before the first run: objects of somebody else, and leftovers of a rackcast of long ago.

Subscriptions are not planted: nobody can list them, so nobody could know of them. This file does not know who
finds what is here.
"""

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from uuid import UUID

from attrs import frozen

from blueprints.addresses import Address, UnderlayGroup, is_source_specific, underlay_address
from blueprints.blueprint import Direction, FilterMode, Replication
from blueprints.identifiers import MulticastMac, PortId, SwitchSlot
from simrack.dpd.model import External, NatTarget, Port
from simrack.mgd.routes import RouteKey
from simrack.sledagent.opte import Filter, Hop
from simrack.world import World
from tests.campaign.rows import ADDRESSES, SOURCES
from tests.campaign.scenario import Planted

STRANGER = Address.parse("233.252.9.9")
STRANGERS_UNDERLAY = Address.parse("ff04::bad:1")
"""No salt leads from one to the other."""

STRANGERS_TAG = "backup"
LONG_AGO = UUID(int=0xDEAD)
"""A group that no row names any more."""


@frozen(kw_only=True)
class Place:
    """Where something is planted, and for which group."""

    world: World
    slot: SwitchSlot
    sled: UUID
    group: Address
    port: Port

    @property
    def natural(self) -> Address:
        """The underlay address that the group has without a salt."""
        return underlay_address(self.group, 0)


def _group(place: Place, group: Address, underlay: Address, tag: str) -> None:
    dpd = place.world.dpds[place.slot]
    if underlay in dpd.underlay or group in dpd.external:
        return
    dpd.create_underlay(underlay, (place.port,), tag)
    nat = NatTarget(underlay, MulticastMac.of_group(UnderlayGroup.parse(underlay.text)), 77)
    sources = (Address.parse(SOURCES[group.family][0]),) if is_source_specific(group) else None
    dpd.create_external(group, External(nat, None, sources), tag)


def _route(place: Place, group: Address, underlay: Address) -> None:
    source = Address.parse(SOURCES[group.family][0]) if is_source_specific(group) else None
    key = RouteKey(group, source, 77)
    place.world.mribs[place.slot].put([(key, underlay)], place.world.now())


def _mapping(place: Place, group: Address, underlay: Address) -> None:
    place.world.agents[place.sled].set_m2p(group, underlay)


def _forwarding(place: Place, underlay: Address) -> None:
    world = place.world
    hop = Hop(
        world.snapshot.switches[place.slot].underlay_address,
        Replication.UNDERLAY,
        Filter(FilterMode.EXCLUDE, frozenset()),
    )
    world.agents[place.sled].opte.set_forwarding(underlay, (hop,))


Plant = Callable[[Place], None]

FOREIGN: Mapping[str, Plant] = MappingProxyType(
    {
        "group": lambda at: _group(at, STRANGER, STRANGERS_UNDERLAY, STRANGERS_TAG),
        "route": lambda at: _route(at, STRANGER, STRANGERS_UNDERLAY),
        "mapping": lambda at: _mapping(at, STRANGER, STRANGERS_UNDERLAY),
        "forwarding": lambda at: _forwarding(at, STRANGERS_UNDERLAY),
        "group in our place": lambda at: _group(at, at.group, STRANGERS_UNDERLAY, STRANGERS_TAG),
    }
)

LEFTOVERS: Mapping[str, Plant] = MappingProxyType(
    {
        "group": lambda at: _group(at, at.group, at.natural, f"{LONG_AGO}:{at.group}"),
        "route": lambda at: _route(at, at.group, at.natural),
        "mapping": lambda at: _mapping(at, at.group, at.natural),
        "forwarding": lambda at: _forwarding(at, at.natural),
    }
)


def plant(world: World, planted: Planted) -> None:
    """Put what *planted* says into *world*."""
    random = Random(planted.pace)
    for names, table in ((planted.foreign, FOREIGN), (planted.leftovers, LEFTOVERS)):
        for name in names:
            for _ in range(random.randint(1, 2)):
                table[name](_somewhere(world, random))


def _somewhere(world: World, random: Random) -> Place:
    sled = random.choice(world.snapshot.sleds).id
    port = world.wiring.port_of(sled) or PortId("rear", 0)
    return Place(
        world=world,
        slot=random.choice(tuple(world.dpds)),
        sled=sled,
        group=Address.parse(random.choice(ADDRESSES)),
        port=Port(port, 0, Direction.UNDERLAY),
    )


def foreign_in(world: World, target: str) -> str:
    """Return what *target* holds that is somebody else's, as text."""
    place, _, daemon = target.removeprefix("sled ").partition(" ")
    if target.startswith("sled "):
        opte = world.agents[UUID(place)].opte
        return repr((opte.m2p.get(STRANGER), opte.forwarding.get(STRANGERS_UNDERLAY)))
    slot = SwitchSlot(place)
    if daemon == "mgd":
        return repr(world.mribs[slot].routes.get(RouteKey(STRANGER, None, 77)))
    dpd = world.dpds[slot]
    externals = [row for row in dpd.external.values() if row.tag == STRANGERS_TAG]
    rows = [(row.group_ip, row.external, dpd.chip.entries.get(row.group_ip)) for row in externals]
    underlay = STRANGERS_UNDERLAY
    return repr((rows, dpd.underlay.get(underlay), dpd.chip.replication.get(underlay)))


def blocked_by(world: World) -> frozenset[Address]:
    """Return the groups in whose place something of somebody else's stands."""
    return frozenset(
        row.group_ip for dpd in world.dpds.values() for row in dpd.external.values() if row.tag == STRANGERS_TAG
    ) - {STRANGER}
