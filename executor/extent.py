"""How much a change takes away: what the rack was seen to hold and the blueprint no longer has, in numbers.

Measured against the observation, not against an earlier blueprint: it is what stands there that can be lost, and a
run that was stopped half way is measured by what is left of it. What was not read, is not ours or is held counts on
neither side. A port counts once for each group, however many instances hear it behind that port.

This file does not know what is sent, nor who may accept a loss.
"""

from collections.abc import Iterator

from attrs import frozen

from blueprints.addresses import Address
from blueprints.blueprint import Content, MemberPort
from blueprints.identifiers import SwitchSlot
from blueprints.observation import Observation, SeenUnderlay, SwitchObservation
from blueprints.snapshot import MemberPorts
from executor.limits import Allowance, Allowances
from executor.ownership import Ownership, ownership
from executor.switch_differences import member_ports

Members = set[tuple[Address, MemberPort]]


@frozen(kw_only=True)
class Loss:
    """How many of one sort of thing a change takes away."""

    what: str
    """``members``, ``groups`` or ``rows``."""

    place: str
    """``rack``, or the switch whose rows they are."""

    losing: int
    of: int
    """How many were seen."""

    allowed: Allowance

    @property
    def beyond(self) -> bool:
        """Whether somebody has to accept it first."""
        return not self.allowed.permits(self.losing, self.of)

    def __str__(self) -> str:
        """Return what people are told, such as ``3 of 4 groups would go (allowed: 20 % or 5)``."""
        where = "" if self.place == "rack" else f" of {self.place}"
        verb = "would stop hearing" if self.what == "members" else "would go"
        return f"{self.losing:,} of {self.of:,} {self.what}{where} {verb} (allowed: {self.allowed})"


def losses(content: Content, observation: Observation, allowances: Allowances) -> tuple[Loss, ...]:
    """Return what carrying *content* out takes away from what was observed."""
    measured = _Extent(content=content, observation=observation, ours=ownership(content, [observation]))
    now, then = measured.members_now(), measured.members_then()
    groups = set(measured.groups_now())
    wanted = {group.multicast_ip for group in content.groups}
    found = [
        Loss(what="members", place="rack", losing=len(now - then), of=len(now), allowed=allowances.members),
        Loss(what="groups", place="rack", losing=len(groups - wanted), of=len(groups), allowed=allowances.groups),
    ]
    for slot in content.switches:
        kept = [wanted for _, wanted in measured.rows(slot)]
        found.append(
            Loss(what="rows", place=slot.value, losing=kept.count(False), of=len(kept), allowed=allowances.rows)
        )
    return tuple(found)


@frozen(kw_only=True)
class _Extent:
    """A blueprint, an observation, and whose the observed objects are."""

    content: Content
    observation: Observation
    ours: Ownership

    def _switches(self) -> Iterator[tuple[SwitchSlot, SwitchObservation]]:
        """Yield the switches of the blueprint that were looked at."""
        for slot, seen in self.observation.switches.items():
            if slot in self.content.switches:
                yield slot, seen

    def _underlays(self, seen: SwitchObservation) -> Iterator[SeenUnderlay]:
        for row in seen.underlay_groups or ():
            if self.ours.owns_underlay(row) and not self.ours.holds(row.group_ip, tag=row.tag):
                yield row

    def members_now(self) -> Members:
        """Return which ports get which groups."""
        return {
            (group, port)
            for _, seen in self._switches()
            for row in self._underlays(seen)
            for group in self.ours.groups_of(row.group_ip)
            for port in member_ports(row)
        }

    def members_then(self) -> Members:
        """Return which of them, and which others, get what once the blueprint is in effect."""
        found: Members = set()
        for slot, seen in self._switches():
            if seen.underlay_groups is None:
                continue
            tables = self.content.switches[slot]
            routed = {route.underlay_group for route in tables.mrib_routes}
            now = {row.group_ip: member_ports(row) for row in self._underlays(seen)}
            for entry in tables.underlay_groups:
                ports = set(entry.members)
                if not entry.complete or (self._derived and entry.group_ip in routed):
                    ports |= now.get(entry.group_ip, set())
                group = self.ours.group_of(entry.group_ip, entry.tag.text)
                found.update((group, port) for port in ports)
        return found

    @property
    def _derived(self) -> bool:
        """Whether somebody else writes member lists, as long as a route asks for them."""
        return self.content.policy.member_ports is MemberPorts.DERIVED

    def groups_now(self) -> Iterator[Address]:
        """Yield the groups that something is programmed for, on a switch or on a sled."""
        for slot, _ in self._switches():
            yield from (group for group, _ in self.rows(slot))
        sleds = [seen for sled, seen in self.observation.sleds.items() if sled in self.content.sleds]
        tables = {id(seen.m2p): seen.m2p for seen in sleds if seen.m2p}.values()  # sleds share theirs
        for group, underlay in {(pair.group, pair.underlay) for table in tables for pair in table}:
            if self.ours.owns_mapping(group, underlay) and not self.ours.holds(group, underlay):
                yield group

    def rows(self, slot: SwitchSlot) -> Iterator[tuple[Address, bool]]:
        """Yield the group of each row of ours that a switch was seen to hold, and whether the row stays."""
        seen = self.observation.switches.get(slot)
        if seen is None:
            return
        tables = self.content.switches[slot]
        underlays = {row.group_ip for row in tables.underlay_groups}
        for underlay in self._underlays(seen):
            yield self.ours.groups_of(underlay.group_ip)[0], underlay.group_ip in underlays
        externals = {row.group_ip for row in tables.external_groups}
        for row in seen.external_groups or ():
            if self.ours.owns_external(row) and not self.ours.holds(row.group_ip, row.internal_ip, tag=row.tag):
                yield row.group_ip, row.group_ip in externals
        routes = {(row.group, row.source, row.vni) for row in tables.mrib_routes}
        for route in seen.mrib_routes or ():
            if self.ours.owns_route(route) and not self.ours.holds(route.group, route.underlay_group):
                yield route.group, (route.group, route.source, route.vni) in routes
