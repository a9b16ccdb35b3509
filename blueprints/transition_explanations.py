"""Explanations of what the datastore is told, and of groups that nothing is done for.

This file does not know the rules; what many entries have in common is in `blueprints.shared_grounds`.
"""

from collections.abc import Iterator
from uuid import UUID

from blueprints import facts
from blueprints.blueprint import HeldGroup, PlannedGroup, Subject, Transition
from blueprints.causes import Apart, ApartMember
from blueprints.grounds import Explanation, Grounds
from blueprints.ledger import Hearer
from blueprints.shared_grounds import SharedGrounds
from blueprints.snapshot import GroupState


def of_transitions(shared: SharedGrounds) -> Iterator[Explanation]:
    """Yield what the datastore is told."""
    told = _Told(shared)
    for row in shared.blueprint.transitions:
        grounds, names = told.of_member(row) if row.subject is Subject.MEMBER else told.of_group(row)
        where = f" on {row.sled_id}" if row.sled_id is not None else ""
        value = f"{row.from_} to {row.to}{where}: {row.because}"
        yield grounds.of("transitions", value, subject=row.subject, id=row.id, to=row.to, **names)


Told = tuple[Grounds, dict[str, object]]
"""Why a row is told something, and what it is about as far as that is known."""


class _Told:
    """What the rows that are told something are about, looked up once."""

    def __init__(self, shared: SharedGrounds) -> None:
        self._shared = shared
        blueprint = shared.blueprint
        self._planned: dict[UUID, PlannedGroup] = {group.id: group for group in blueprint.groups}
        self._hearers: dict[UUID, tuple[UUID, Hearer]] = {
            hearer.member: (group, hearer) for group, its in shared.ledger.hearers.items() for hearer in its
        }
        self._apart = {row.member: row for row in blueprint.causes.members}
        self._ending = {row.member for row in blueprint.causes.members if row.verdict is Apart.GROUP_ENDING}
        self._lost = {row.member for row in blueprint.causes.members if row.verdict is Apart.LOST}
        self._leavers = {
            tombstone: row
            for sled, its in blueprint.sleds.items()
            for row in its.departures
            for tombstone in shared.ledger.departures[sled, row.propolis_id, row.group_ip].tombstones
        }

    def of_member(self, row: Transition) -> Told:
        """Return why a member is told something: its row, and what will have put that in effect."""
        grounds = Grounds().on("transition", [facts.member(row.id)]).but(facts.about_member(row.id))
        if row.id in self._hearers:
            group, hearer = self._hearers[row.id]
            names = {"group": self._planned[group].multicast_ip, "instance": hearer.instance}
            return grounds.also(self._of_hearer(row, self._planned[group], hearer)), names
        if row.id in self._apart:
            apart = self._apart[row.id]
            names = {"group": self._shared.ledger.address_of(apart.group), "instance": apart.instance}
            return grounds.also(self._of_parked(apart)), names
        if row.id in self._leavers:
            leave = self._leavers[row.id]
            grounds.on("leave_sent", [facts.instance(leave.instance_id)])
            return grounds, {"group": leave.group_ip, "instance": leave.instance_id}
        return grounds, {}

    def _of_hearer(self, row: Transition, group: PlannedGroup, hearer: Hearer) -> Grounds:
        grounds = self._shared.planned(group).on("instance", [facts.instance(hearer.instance)])
        if hearer.kept:
            grounds.on("sources_kept", [facts.memory(hearer.instance, group.multicast_ip)])
        return grounds.also(self._shared.takes_part(row.sled_id)) if row.sled_id is not None else grounds

    def _of_parked(self, apart: ApartMember) -> Grounds:
        if apart.member in self._ending:
            return Grounds().on("group_ends", [facts.group(apart.group)])
        grounds = self._shared.planned(self._planned[apart.group])
        return grounds.on("process_gone", [facts.instance(apart.instance)] if apart.member in self._lost else [])

    def of_group(self, row: Transition) -> Told:
        """Return why a group is told something."""
        grounds = Grounds().on("transition", [facts.group(row.id)]).but(facts.members_of(row.id))
        grounds.but(facts.TIME, facts.SWITCHES, facts.policy("orphan_grace_seconds"))
        address = self._shared.ledger.address_of(row.id)
        if row.from_ == GroupState.CREATING and row.id in self._planned:
            grounds.also(self._shared.planned(self._planned[row.id]))
        return (grounds.also(self._shared.on_address(address)), {"group": address}) if address else (grounds, {})


def of_held(shared: SharedGrounds) -> Iterator[Explanation]:
    """Yield the groups that nothing is done for."""
    for row in shared.blueprint.held:
        grounds = _asleep(row) if row.because == "multicast_disabled" else _contradicting(shared, row)
        yield grounds.of("held", row.because, group=row.id)


def _asleep(row: HeldGroup) -> Grounds:
    """Return why a group of the parent is remembered while the feature is off; no row of the snapshot is asked."""
    grounds = Grounds().on("asleep", [facts.parent_group(row.id)] if row.planned is not None else [])
    return grounds.but(facts.policy("multicast_enabled"), facts.parent_group(row.id))


def _contradicting(shared: SharedGrounds, row: HeldGroup) -> Grounds:
    grounds = Grounds().on("held", [facts.group(row.id)]).also(shared.on_address(row.multicast_ip.text))
    if row.because == "group_address_shared":
        grounds.on("held_with", map(facts.group, shared.ledger.rivals(row.id, row.multicast_ip)))
    return grounds.but(facts.parent_group(row.id), facts.block(row.multicast_ip))
