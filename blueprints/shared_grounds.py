"""Shared grounds: why a group is planned, lives where it lives, is heard, and what else many entries have in common.

This file does not know the rules, nor which entries there are: it reads what the passes wrote down.
"""

from collections.abc import Iterable
from uuid import UUID

from blueprints import facts
from blueprints.addresses import UnicastSource
from blueprints.blueprint import Blueprint, PlannedGroup
from blueprints.causes import Apart
from blueprints.grounds import Grounds
from blueprints.identifiers import SwitchSlot
from blueprints.ledger import Hearer, Ledger


class SharedGrounds:
    """What the entries of one blueprint have in common; every method returns grounds of the caller's own."""

    def __init__(self, blueprint: Blueprint) -> None:
        """Lay out the causes of *blueprint*.

        Raises:
            InvariantError: they do not fit its tables.
        """
        self.blueprint = blueprint
        self.ledger = Ledger(blueprint)
        self._heard: dict[UUID, Grounds] = {}
        self._planned = {group.id: self._exists(group) for group in blueprint.groups}

    def planned(self, group: PlannedGroup) -> Grounds:
        """Return why the group is planned at all."""
        return Grounds().also(self._planned[group.id])

    def _exists(self, group: PlannedGroup) -> Grounds:
        line = self.ledger.groups[group.id]
        grounds = Grounds().on("group_row", [facts.group(group.id)])
        if line.rests_on_members:
            grounds.on("group_peopled", self.ledger.live_members(group.id)).but(facts.members_of(group.id))
        if line.stays:
            grounds.on("group_succeeds", [facts.parent_group(group.id)])
        return grounds.but(facts.groups_on(group.multicast_ip)).aside(self.underlay(group))

    def underlay(self, group: PlannedGroup) -> Grounds:
        """Return why the group has its underlay address, and the salt."""
        line, me = self.ledger.groups[group.id], facts.group(group.id)
        ways = [facts.parent_group(group.id)] if self.ledger.has_parent and not line.new else []
        ways += [facts.underlay(line.link)] if line.linked and line.link else []
        grounds = Grounds().on("underlay_kept", ways + ([me] if line.search or not ways else []))
        grounds.on("group_row", [me]).but(facts.parent_group(group.id), facts.groups_at(group.underlay_ip))
        if line.link:
            grounds.but(facts.underlay(line.link))
        if not ways:
            taken = [facts.underlay(row) for row in line.taken_rows]
            taken += [facts.group(other) for other in line.taken_groups]
            taken += [facts.parent_group(other) for other in line.taken_before]
            grounds.on("underlay_taken", taken).but(facts.block(group.multicast_ip))
        return grounds

    def next_hop(self, group: PlannedGroup) -> Grounds:
        """Return why the group is replicated by its switch."""
        line, me = self.ledger.groups[group.id], facts.group(group.id)
        ways = [facts.parent_group(group.id)] if self.ledger.has_parent and not line.hop_new else []
        grounds = Grounds().on("next_hop", ways + ([me] if line.hashed else []))
        return grounds.on("switch", [facts.switch(group.next_hop_switch)]).but(
            facts.SWITCHES, facts.parent_group(group.id), me
        )

    def takes_part(self, sled: UUID) -> Grounds:
        """Return why the sled takes part."""
        return Grounds().on("sled", self._part_of(sled)).but(facts.sled(sled), facts.parent_sled(sled))

    def _part_of(self, sled: UUID) -> list[str]:
        line = self.ledger.sleds[sled]
        row = [facts.sled(sled)] if line.policy is not None else []
        return row + ([facts.parent_sled(sled)] if self.ledger.has_parent and not line.new else [])

    def heard_by(self, group: PlannedGroup, hearers: Iterable[Hearer]) -> Grounds:
        """Return why somebody hears the group: any of *hearers* would do."""
        several = tuple(hearers)
        rows = [row for hearer in several for row in self.ledger.rows_of(group.id, hearer)]
        sleds = [fact for h in several for sled in h.sleds for fact in self._part_of(sled)]
        grounds = Grounds().on("membership", rows)
        grounds.on("instance", [facts.instance(hearer.instance) for hearer in several]).on("hearing_sled", sleds)
        grounds.but(*(facts.memory(h.instance, group.multicast_ip) for h in several if h.kept))
        grounds.but(*(facts.memberships(h.instance, group.multicast_ip.text) for h in several))
        return grounds.but(*(f for h in several for s in h.sleds for f in (facts.sled(s), facts.parent_sled(s))))

    def anybody(self, group: PlannedGroup) -> Grounds:
        """Return why anybody hears the group: on sleds that take part, or on one of which nothing is known."""
        if group.id not in self._heard:
            self._heard[group.id] = self._wanted_by(group)
        return Grounds().also(self._heard[group.id])

    def _wanted_by(self, group: PlannedGroup) -> Grounds:
        hearers = self.ledger.hearers[group.id]
        rows = [row for hearer in hearers for row in self.ledger.rows_of(group.id, hearer)] + self.astray(group)
        instances = [hearer.instance for hearer in hearers] + self.lost(group)
        grounds = Grounds().on("membership", rows)
        grounds.on("instance", map(facts.instance, instances)).aside(self.heard_by(group, hearers))
        grounds.but(*(facts.memberships(instance, group.multicast_ip.text) for instance in instances))
        lost = [row.sled for row in self.ledger.apart_of_group(group.id) if row.sled is not None]
        return grounds.but(*(fact for sled in lost for fact in (facts.sled(sled), facts.parent_sled(sled))))

    def lost(self, group: PlannedGroup) -> list[UUID]:
        """Return the instances that would hear the group on a sled of which nothing is known."""
        apart = self.ledger.apart_of_group(group.id)
        refused = {row.instance for row in apart if row.verdict is Apart.REFUSED}
        return sorted({row.instance for row in apart if row.verdict is Apart.SLED_UNKNOWN} - refused)

    def astray(self, group: PlannedGroup) -> list[str]:
        """Return the rows that make them members."""
        return [row for instance in self.lost(group) for row in self.ledger.rows_of_instance(group.id, instance)]

    def everybody(self, group: PlannedGroup) -> Grounds:
        """Return everyone who could have made a list longer, or shorter."""
        grounds = Grounds().aside(self.anybody(group)).but(facts.members_of(group.id))
        for row in self.ledger.apart_of_group(group.id):
            grounds.but(facts.member(row.member), facts.instance(row.instance))
            grounds.but(facts.memberships(row.instance, group.multicast_ip.text))
            if row.sled is not None:
                grounds.but(facts.sled(row.sled), facts.parent_sled(row.sled))
            if row.verdict is Apart.REFUSED:
                grounds.but(facts.memory(row.instance, group.multicast_ip))
        return grounds

    def sources(self, group: PlannedGroup, source: UnicastSource | None) -> Grounds:
        """Return why a source is let in; None: any is."""
        askers = self.ledger.askers(group.id, source)
        asking = [row for instance in askers for row in self.ledger.rows_of_instance(group.id, instance)]
        stands = self.ledger.stands_alone(group.id, source)
        before = [facts.parent_group(group.id)] if asking and stands else []
        grounds = Grounds().on("source_any" if source is None else "source_named", asking + before)
        if not asking:
            grounds.on("source_kept", [facts.parent_group(group.id)]).but(facts.members_of(group.id))
        grounds.but(*(facts.memberships(instance, group.multicast_ip.text) for instance in askers))
        return grounds.but(*self.ledger.unsure_of_sources(group))

    def port(self, sled: UUID, slot: SwitchSlot) -> Grounds:
        """Return why the sled is believed to be behind its port."""
        line = self.ledger.ports[sled, slot]
        said = [facts.peer(slot, peer) for peer in line.peers] + [facts.board(board) for board in line.boards]
        said += [facts.parent_port(sled, slot)] if self.ledger.has_parent and not line.new else []
        grounds = Grounds().on("port", said).but(facts.INVENTORY, facts.SWITCHES, facts.peers_read(slot))
        grounds.but(*map(facts.backplane, SwitchSlot))
        grounds.but(*(facts.said_of(each, slot) for each in (sled, *line.other_sleds)))
        return grounds.but(*(facts.said_behind(port, slot) for port in line.ports))

    def on_address(self, address: str) -> Grounds:
        """Return, as given, what decides whether the groups on *address* are planned, held or going."""
        grounds = Grounds().but(facts.groups_on(address), facts.UNDERLAY_ROWS)
        return grounds.aside(*(self._planned[g.id] for g in self.blueprint.groups if g.multicast_ip.text == address))
