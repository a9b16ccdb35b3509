"""Whose an observed object is: ours, a held group's, or somebody else's.

Rules, refused rather than guessed:
    O1  an object of dpd is ours if its tag is the blueprint's for that object, or is ``<uuid>:<address>`` where
        the address is the external group itself, or leads to the underlay group by some salt.
    O2  a route or a mapping carries no tag: it is ours if some salt leads from its group to its underlay group,
        and a route only under the fleet's VNI. What the blueprint itself says is ours too.
    O3  a forwarding entry is ours if the blueprint, or an object that O1 or O2 calls ours, names its underlay group.
    O4  whatever carries a held group's id, address or underlay group is held, whoever else could claim it.

Source: the tags and the address mapping that the rack's own control plane uses.
This file does not know what the blueprint wants of an object, only whether it may be touched.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from uuid import UUID

from attrs import evolve, field, frozen

from blueprints.addresses import Address, AddressKey, salt_between
from blueprints.blueprint import Content
from blueprints.identifiers import FLEET_VNI, Tag
from blueprints.observation import Observation, Opaque, SeenExternal, SeenM2p, SeenRoute, SeenUnderlay
from executor.targets import Target


@lru_cache(maxsize=8192)
def named_by(tag: str) -> tuple[UUID, Address] | None:
    """Return group and address that a canonical tag names, or None for a tag of another form."""
    try:
        group_id = Tag.parse(tag).group_id
        return None if group_id is None else (group_id, Address.parse(tag.partition(":")[2]))
    except ValueError:
        return None


def _maps(group: Address, underlay: Address) -> bool:
    return salt_between(group, underlay) is not None


@frozen(kw_only=True)
class Ownership:
    """What a blueprint may touch of what was observed."""

    tags: frozenset[tuple[Address, str]]
    """Address and tag of every object that the blueprint has on a switch."""

    mappings: frozenset[tuple[Address, Address]]
    """External and underlay address of every group of the blueprint."""

    held_ids: frozenset[UUID]
    held_addresses: frozenset[Address]
    """External addresses of held groups, and the underlay addresses that their objects have."""

    planned: Mapping[Address, Address]
    """Underlay address to external address, for every group of the blueprint."""

    named: Mapping[Address, tuple[Address, ...]] = field(factory=dict)
    """Underlay address to the external groups by which it is ours (rule O3)."""

    def owns_external(self, seen: SeenExternal) -> bool:
        """Rule O1 for an external group."""
        named = named_by(seen.tag)
        return (seen.group_ip, seen.tag) in self.tags or (named is not None and named[1] == seen.group_ip)

    def owns_underlay(self, seen: SeenUnderlay) -> bool:
        """Rule O1 for an underlay group."""
        named = named_by(seen.tag)
        by_tag = named is not None and _maps(named[1], seen.group_ip)
        return by_tag or (seen.group_ip, seen.tag) in self.tags

    def owns_mapping(self, group: Address, underlay: Address) -> bool:
        """Rule O2 for a mapping of a sled."""
        return (group, underlay) in self.mappings or _maps(group, underlay)

    def owns_route(self, seen: SeenRoute) -> bool:
        """Rule O2 for a static multicast route."""
        return seen.vni == FLEET_VNI and self.owns_mapping(seen.group, seen.underlay_group)

    def opaque_groups(self, row: Opaque) -> tuple[Address, ...]:
        """Return the groups of ours that an object serves which cannot be understood; none: it is somebody else's."""
        address, named = row.address, named_by(row.tag) if row.tag else None
        if named is not None and (named[1] == address or _maps(named[1], address)):
            return (named[1],)
        if row.tag is not None and (address, row.tag) not in self.tags:
            return self.named.get(address, ())
        groups = self.named.get(address)
        if groups is not None:
            return groups
        return (address,) if any(group == address for group, _ in self.mappings) else ()

    @property
    def holds_any(self) -> bool:
        """Whether the blueprint holds any group."""
        return bool(self.held_addresses or self.held_ids)

    def holds(self, *addresses: Address | None, tag: str = "") -> bool:
        """Rule O4: whether an object with these addresses and this tag belongs to a held group."""
        if not self.holds_any:
            return False
        named = named_by(tag) if tag else None
        by_tag = named is not None and (named[0] in self.held_ids or named[1] in self.held_addresses)
        return by_tag or any(address in self.held_addresses for address in addresses)

    def group_of(self, underlay: Address, tag: str) -> Address:
        """Return the external group that an underlay group of the blueprint serves."""
        named = named_by(tag)
        return self.planned.get(underlay) or (named[1] if named else underlay)

    def groups_of(self, underlay: Address) -> tuple[Address, ...]:
        """Return the external groups that an underlay group of ours serves; itself where nobody says."""
        return self.named.get(underlay, (underlay,))

    def served_by(self, underlay: Address) -> tuple[Address, ...]:
        """Return those of them that the blueprint wants there; all where it wants none."""
        groups = self.groups_of(underlay)
        return tuple(group for group in groups if (group, underlay) in self.mappings) or groups


def ownership(content: Content, observations: Iterable[Observation]) -> Ownership:
    """Return whose the objects are, given all that was observed in one run."""
    seen = list(observations)
    mappings = frozenset(_mappings(content))
    ours = Ownership(
        tags=frozenset(_tags(content)),
        mappings=mappings,
        planned={underlay: group for group, underlay in sorted(mappings, key=lambda m: (m[1].key, m[0].key))},
        held_ids=frozenset(group.id for group in content.held),
        held_addresses=_held_addresses(content, seen),
    )
    named: defaultdict[Address, set[Address]] = defaultdict(set)
    for group, underlay in {*ours.mappings, *_our_mappings(ours, seen)}:
        named[underlay].add(group)
    return evolve(ours, named={u: tuple(sorted(groups, key=lambda g: g.key)) for u, groups in named.items()})


def _tags(content: Content) -> Iterator[tuple[Address, str]]:
    for tables in content.switches.values():
        yield from ((row.group_ip, row.tag.text) for row in tables.underlay_groups)
        yield from ((row.group_ip, row.tag.text) for row in tables.external_groups)


def _mappings(content: Content) -> Iterator[tuple[Address, Address]]:
    yield from ((group.multicast_ip, group.underlay_ip) for group in content.groups)
    for switch in content.switches.values():
        yield from ((row.group_ip, row.internal_ip) for row in switch.external_groups)
        yield from ((route.group, route.underlay_group) for route in switch.mrib_routes)
    for table in {id(sled.m2p): sled.m2p for sled in content.sleds.values()}.values():
        yield from ((entry.group, entry.underlay) for entry in table)


def _our_mappings(ours: Ownership, observations: list[Observation]) -> Iterator[tuple[Address, Address]]:
    for underlay in _underlays(observations):
        named = named_by(underlay.tag)
        if named is not None and ours.owns_underlay(underlay):
            yield named[1], underlay.group_ip
    for route in _routes(observations):
        if ours.owns_route(route):
            yield route.group, route.underlay_group
    for pair in _pairs(observations):
        if ours.owns_mapping(pair.group, pair.underlay):
            yield pair.group, pair.underlay


def _held_addresses(content: Content, observations: list[Observation]) -> frozenset[Address]:
    if not content.held:
        return frozenset()
    ids = {group.id for group in content.held}
    groups = {group.multicast_ip for group in content.held}

    def by_tag(tag: str) -> bool:
        named = named_by(tag)
        return named is not None and (named[0] in ids or named[1] in groups)

    externals = [seen for seen in _externals(observations) if seen.group_ip in groups or by_tag(seen.tag)]
    return frozenset(
        groups
        | {seen.group_ip for seen in externals}
        | {seen.internal_ip for seen in externals if seen.internal_ip is not None}
        | {seen.group_ip for seen in _underlays(observations) if by_tag(seen.tag)}
        | {seen.underlay_group for seen in _routes(observations) if seen.group in groups}
        | {seen.underlay for seen in _pairs(observations) if seen.group in groups}
    )


def mappings_seen(observation: Observation) -> Iterator[tuple[Target, Address, Address]]:
    """Yield where which external group was seen to lead to which underlay group."""
    for slot, switch in observation.switches.items():
        dpd, mgd = Target.dpd(slot), Target.mgd(slot)
        yield from ((dpd, row.group_ip, row.internal_ip) for row in switch.external_groups or () if row.internal_ip)
        yield from ((mgd, row.group, row.underlay_group) for row in switch.mrib_routes or ())
    for sled, tables in observation.sleds.items():
        target = Target.sled(sled)
        yield from ((target, row.group, row.underlay) for row in tables.m2p or ())


def _externals(observations: list[Observation]) -> Iterator[SeenExternal]:
    for observation in observations:
        for switch in observation.switches.values():
            yield from switch.external_groups or ()


def _underlays(observations: list[Observation]) -> Iterator[SeenUnderlay]:
    for observation in observations:
        for switch in observation.switches.values():
            yield from switch.underlay_groups or ()


def _routes(observations: list[Observation]) -> Iterator[SeenRoute]:
    for observation in observations:
        for switch in observation.switches.values():
            yield from switch.mrib_routes or ()


def _pairs(observations: list[Observation]) -> Iterator[SeenM2p]:
    """Yield each mapping that any sled has, once; told apart by keys, which are compared without a call of Python."""
    tables = (sled.m2p for observation in observations for sled in observation.sleds.values() if sled.m2p)
    pairs: dict[tuple[AddressKey, AddressKey], SeenM2p] = {}
    for table in {id(table): table for table in tables}.values():  # sleds share theirs
        pairs.update({(pair.group.key, pair.underlay.key): pair for pair in table})
    yield from pairs.values()
