"""Sends packets after every visible step, and says what became worse without a reason.

Invariants:
    I1  whoever is promised a packet by the plan before and by the plan now, and heard it, goes on hearing it.
    I2  nobody begins to hear what neither plan promises, unless it is a port of the same group that still has to
        leave, or to hear less: the way to it may be opened again before it is told.
    I3  nobody begins to hear a packet more than once.
    I5  what is somebody else's stays as it is.

A step is one call, and each half of a call that a switch's chip takes in several steps. What was lost before is no
step's doing.

Exempt, and nothing else:
    X1  what a fault does itself: a daemon that lost its state, a call that takes effect after its sender gave up, a
        NIC that does not join. Until the run ends, too, packets through that place: the run goes by what it read.
    X2  a loss that was announced and accepted, for that group in that place. An address that moves, moves everywhere.
    X3  a new source filter, while it is written: packets of that group that enter the rack through that switch, or
        that come from a sled which could not be read, and so not be led around.
    X4  rows of a chip that its dpd has forgotten: they are swept when the group is made again.
    X5  a group whose chip was left in doubt, as the journal says or a refusal of its members in this run, while it is
        made anew: packets of it that enter the rack through that switch. If the run comes to its end without even
        trying to delete that group there, they were lost for nothing.
    X6  packets between instances of one sled that a move left behind, while the sled is brought after the rest. The
        move was accepted for its group in some run, or that its address became another group's, which may have moved.
    X7  packets that enter by a switch which no plan has named yet: what is left there from long ago nobody can know.

This file does not know who sends what, nor what holds at rest.
"""

import json
from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from attrs import define, field

from blueprints.addresses import Address
from blueprints.identifiers import SwitchSlot
from executor.changes import ADDRESS_MOVES, Kind
from executor.owed import Owed
from simrack.world import World
from tests.campaign.delivery import Ears, Probe, groups_at, heard, switches_used
from tests.campaign.epoch import Epoch, stays
from tests.campaign.planted import foreign_in
from tests.campaign.wire import Call

SPOILING = frozenset({"nic_join", "ports_die", "entry_missing", "m2p_clear", "port_add"})
"""Faults within a daemon that change what it holds."""

_LEAVING_BEHIND = ADDRESS_MOVES | {Kind.REBUILD_EXTERNAL}
"""What leaves behind the sleds that do not answer, if it leads a group to another underlay address."""

_ADDRESSED = ("group", "underlay", "group_ip", "internal_ip", "underlay_group")

Picture = dict[Probe, Ears]


@define(kw_only=True, eq=False)
class Witness:
    """What is heard, step by step, and what was wrong with it."""

    world: World
    addresses: tuple[Address, ...]
    """Every group that packets are sent to."""

    before_plan: Epoch = field(factory=Epoch)
    plan: Epoch = field(factory=Epoch)
    leaving: frozenset[tuple[UUID, Address]] = frozenset()
    """Ports that still have to leave, and which group."""

    accepted: list[Owed] = field(factory=list)
    picture: Picture = field(factory=dict)
    wrong: list[str] = field(factory=list)
    steps: int = 0
    _tainted: set[str] = field(factory=set)
    """Places that changed behind the back of the run."""

    _unread: set[str] = field(factory=set)
    """Places that could not be read."""

    _doubted: set[tuple[SwitchSlot, Address]] = field(factory=set)
    """Groups whose chips are in doubt."""

    _excused: dict[tuple[SwitchSlot | UUID, Address], list[str]] = field(factory=dict)
    """What was lost of them, as long as they are made anew after that."""

    _call: Call | None = None
    _touched: set[Address] = field(factory=set)
    _moving: set[Address] = field(factory=set)
    """Groups of which a move was accepted, now or in an earlier run."""

    _behind: set[Address] = field(factory=set)
    """Groups that the sled of the call maps to where no switch has a group."""

    _swept: bool = False
    """The call makes again what a dpd has forgotten."""

    _foreign: dict[str, Any] = field(factory=dict)
    _ever: set[tuple[UUID, UUID]] = field(factory=set)
    """Every group row with every port that was promised it."""

    _epochs: list[Epoch] = field(factory=list)
    """Every plan until now."""

    def enter(self, plan: Epoch, leaving: frozenset[tuple[UUID, Address]]) -> None:
        """Judge by *plan* from now on."""
        self.before_plan, self.plan, self.leaving = self.plan, plan, leaving
        self.accepted = []
        self._epochs.append(plan)
        self._ever |= {(plan.ids[group], port) for group, members in plan.members.items() for port in members}
        self.rebase()

    def begin_run(self, doubted: Collection[tuple[SwitchSlot, Address]]) -> None:
        """A run begins: it looks at everything, and knows which groups are in doubt on which switch."""
        self._doubted = set(doubted)
        self._excused.clear()
        self._moving.update(*(owed.groups for owed in self.accepted if owed.kind in _LEAVING_BEHIND))
        self._tainted.clear()
        self._unread.clear()

    def end_run(self, calls: Collection[Call]) -> None:
        """A run that sent *calls* is over: nothing may be lost for a group that it did not try to delete."""
        tried = {(call.target, _tagged(call)) for call in calls if call.method == "DELETE" and "?tag=" in call.path}
        for (origin, group), lines in self._excused.items():
            if isinstance(origin, SwitchSlot) and (f"{origin.value} dpd", group.text) not in tried:
                self.wrong += lines

    def rebase(self) -> None:
        """Take everything as it is now: the world has changed, and nobody of us did it."""
        self.picture = heard(self.world, self.addresses)
        self._foreign = {target: foreign_in(self.world, target) for target in self._targets()}

    def _targets(self) -> Iterator[str]:
        for slot in self.world.dpds:
            yield from (f"{slot.value} dpd", f"{slot.value} mgd")
        yield from (f"sled {sled}" for sled in self.world.agents)

    # --- told by the wire

    def before(self, call: Call) -> None:
        """Note what *call* may touch, while it can still be told."""
        self._call = call
        self._touched = self._reach(call)
        self._swept = self._forgotten(call)
        self._behind = self._left_behind(call)
        if call.given_up:  # between its halves, too, it takes effect behind the back of the run
            self._tainted.add(_place(call.target))

    def _forgotten(self, call: Call) -> bool:
        """Return whether *call* makes a group whose rows its chip still has, forgotten by its dpd."""
        if call.method != "POST":
            return False
        dpd = self.world.dpds[SwitchSlot(_place(call.target))]
        made = Address.parse(json.loads(call.body)["group_ip"])
        return (
            made in dpd.chip.replication.keys() - dpd.underlay.keys() | dpd.chip.entries.keys() - dpd.external.keys()
        )

    def _left_behind(self, call: Call) -> set[Address]:
        held = {underlay for dpd in self.world.dpds.values() for underlay in dpd.underlay}
        agents = (agent for sled, agent in self.world.agents.items() if str(sled) == _place(call.target))
        return {group for agent in agents for group, underlay in agent.opte.m2p.items() if underlay not in held}

    def halfway(self, place: str, step: str) -> None:
        """Look between two halves of a call."""
        if self._call is None:
            return
        for line in self._worse(self._now(), halfway=True):
            self._note(f"{line}, at {place}: {step}")

    def after(self, call: Call, struck: frozenset[str]) -> None:
        """Look once *call* was obeyed or refused."""
        self._call = call
        self._touched |= self._reach(call)
        now = self._now()
        if call.given_up or struck & SPOILING:
            self._tainted.add(_place(call.target))
        for line in self._worse(now, halfway=False):
            self._note(line)
        self.picture = now
        foreign = foreign_in(self.world, call.target)
        if foreign != self._foreign[call.target]:
            self._note(f"I5 {self._foreign[call.target]} became {foreign}")
            self._foreign[call.target] = foreign
        self._call = None

    def missed(self, target: str) -> None:
        """Note that a daemon could not be read."""
        self._unread.add(_place(target))

    def refused(self, call: Call) -> None:
        """Note that a run is told of a bad request: about members, that leaves the chip of their group in doubt."""
        if "/underlay-groups/" in call.path:
            self._doubted.add((SwitchSlot(_place(call.target)), Address.parse(_tagged(call))))

    def restarted(self, target: str) -> None:
        """Note that a daemon died and came back."""
        self._tainted.add(_place(target))
        self.rebase()

    # --- judging

    def _reach(self, call: Call) -> set[Address]:
        named = set(_addresses_of(json.loads(call.body) if call.body else None))
        last = call.path.partition("?")[0].rpartition("/")[2]
        if "-groups/" in call.path or "/groups/" in call.path:
            named.add(Address.parse(last))
        return groups_at(self.world, named)

    def _now(self) -> Picture:
        self.steps += 1
        touched = [group for group in self.addresses if group in self._touched]
        kept = {probe: ears for probe, ears in self.picture.items() if probe.group not in self._touched}
        return kept | heard(self.world, touched)

    def _worse(self, now: Picture, *, halfway: bool) -> Iterator[str]:
        for probe in self.picture.keys() | now.keys():
            old, new = self.picture.get(probe, {}), now.get(probe, {})
            if old == new:
                continue
            for propolis in old.keys() - new.keys():
                if stays(self.before_plan, self.plan, self.world, probe, propolis) and not self._exempt(
                    probe, propolis, halfway=halfway
                ):
                    lost = f"I1 {_port(propolis)} lost {probe}"
                    if self._is_doubted(probe):
                        self._excused.setdefault((probe.origin, probe.group), []).append(self._told(lost))
                    else:
                        yield lost
            for propolis, copies in new.items():
                if propolis not in old and not self._may_hear(probe, propolis):
                    yield f"I2 {_port(propolis)} hears {probe}"
                if copies > max(1, old.get(propolis, 0)) and not (
                    self._is_doubted(probe) or self._exempt(probe, propolis, halfway=halfway)
                ):
                    yield f"I3 {_port(propolis)} hears {probe} {copies} times"

    def _may_hear(self, probe: Probe, propolis: UUID) -> bool:
        """Invariant I2."""
        if self.plan.admits(probe, propolis) or not self._is_known(probe.origin):
            return True
        row = self.plan.ids.get(probe.group)
        same = row is None or self.before_plan.ids.get(probe.group) in (None, row)
        if same and self.before_plan.admits(probe, propolis):
            return True
        if propolis in self.plan.members.get(probe.group, {}) and any(
            epoch.admits(probe, propolis) for epoch in self._epochs
        ):
            return True
        # Of a group that is gone, too, or whose address is promised to nobody since: it hears that until it leaves.
        rows = [epoch.ids[probe.group] for epoch in self._epochs if probe.group in epoch.ids]
        had = rows[-1:] if self.plan.members.get(probe.group) else rows
        leaves = (propolis, probe.group) in self.leaving and any((row, propolis) in self._ever for row in had)
        return leaves or self._through_tainted(probe, propolis)

    def _is_known(self, origin: SwitchSlot | UUID) -> bool:
        return not isinstance(origin, SwitchSlot) or any(origin in epoch.switches for epoch in self._epochs)

    def _exempt(self, probe: Probe, propolis: UUID, *, halfway: bool) -> bool:
        if self._through_tainted(probe, propolis):
            return True
        place = "" if self._call is None else _place(self._call.target)
        if self._swept and place in switches_used(self.world, probe):
            return True
        if halfway and self._refilters() and (probe.origin == place or self._unread & self._sender(probe)):
            return True
        places = self._places(probe, propolis)
        if probe.group in self._moving & self._behind and self._sender(probe) == self._receiver(propolis) == {place}:
            return True
        return any(
            probe.group in owed.groups and (owed.kind in ADDRESS_MOVES or _place(owed.target) in places)
            for owed in self.accepted
        )

    def _is_doubted(self, probe: Probe) -> bool:
        """Return whether the chip that a packet from outside meets first is in doubt about its group."""
        return (probe.origin, probe.group) in self._doubted

    def _refilters(self) -> bool:
        """Return whether the call may rewrite a source filter."""
        return self._call is not None and self._call.method == "PUT" and "/external-groups/" in self._call.path

    def _through_tainted(self, probe: Probe, propolis: UUID) -> bool:
        return not self._tainted.isdisjoint(self._places(probe, propolis))

    def _places(self, probe: Probe, propolis: UUID) -> set[str]:
        """Return the switches and sleds between a sender and a receiver."""
        switches = {slot.value for slot in switches_used(self.world, probe)}
        return switches | self._sender(probe) | self._receiver(propolis)

    def _receiver(self, propolis: UUID) -> set[str]:
        """Return the sled that a port is on, as a set."""
        processes = (vmm for row in self.world.snapshot.instances for vmm in (row.active_vmm, row.target_vmm))
        return {str(vmm.sled_id) for vmm in processes if vmm is not None and vmm.id == propolis}

    def _sender(self, probe: Probe) -> set[str]:
        """Return the sled that sends, as a set; empty for a packet from outside."""
        row = None if isinstance(probe.origin, SwitchSlot) else self.world.instance(probe.origin)
        return set() if row is None or row.active_vmm is None else {str(row.active_vmm.sled_id)}

    def _note(self, line: str) -> None:
        self.wrong.append(self._told(line))

    def _told(self, line: str) -> str:
        return f"{line} after call {self._call}"


def _addresses_of(body: Any) -> Iterator[Address]:
    if isinstance(body, dict):
        for key, value in body.items():
            if key in _ADDRESSED and isinstance(value, str):
                yield Address.parse(value)
            else:
                yield from _addresses_of(value)
    elif isinstance(body, list):
        for value in body:
            yield from _addresses_of(value)


def _tagged(call: Call) -> str:
    """Return the group that is named by the tag of a call about one group of a switch, if the tag is one of ours."""
    return unquote(call.path).partition("?tag=")[2].partition(":")[2]


def _place(target: str) -> str:
    """Return the switch or the sled of a target by name."""
    return target.removeprefix("sled ").partition(" ")[0]


def _port(propolis: UUID) -> str:
    return f"port {propolis.int & 0xFF:x}"
