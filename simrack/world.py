"""The rack as a whole: its machines, and the part of the world that snapshots change under them.

This file does not know HTTP, DNS or sockets of daemons.
"""

from asyncio import Lock, sleep
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from attrs import define, field

from blueprints.errors import InputRejectedError, Mistake, SilentError
from blueprints.identifiers import PortId, SwitchSlot
from blueprints.snapshot import Instance, Sled, Snapshot, SpType, Vmm, VmmState
from simrack.clock import Clock
from simrack.dpd.chip import Chip
from simrack.dpd.groups import Dpd
from simrack.dpd.hardware import SwitchHardware
from simrack.mgd.routes import Mrib
from simrack.mglower import MgLower
from simrack.nics import SOCKETS, Nics
from simrack.populated import PopulatedPeers, is_in_service
from simrack.sledagent.agent import SledAgent
from simrack.sledagent.filters import NicFilters
from simrack.sledagent.instances import LocalVmm
from simrack.web.faults import Faults
from simrack.web.versions import DaemonKind
from simrack.wiring import LINK, Wiring, nics_of, wiring_of

_NOT_ON_A_SLED = frozenset({VmmState.CREATING, VmmState.SAGA_UNWOUND, VmmState.DESTROYED})
"""States in which a VMM has no process (nexus/types/src/instance.rs)."""

REAR_PORTS = tuple(PortId("rear", number) for number in range(32))
_FRONT_PORTS = tuple(PortId("qsfp", number) for number in range(32))


def _nobody(_place: str, _step: str) -> None:
    """Nobody watches."""


@define
class World:
    """Machines by switch and sled, and the snapshot they live in."""

    snapshot: Snapshot
    faults: Faults
    wiring: Wiring
    dpds: Mapping[SwitchSlot, Dpd]
    mribs: Mapping[SwitchSlot, Mrib]
    agents: Mapping[UUID, SledAgent]
    lowers: Mapping[SwitchSlot, MgLower]
    clock: Clock
    held: bool = False
    """Whether time passes only by the clock; else whatever takes time has taken place when somebody looks."""

    sweeping: bool = False
    """Whether ddmd is the writer of members."""

    sweeping_since: float = 0.0
    stepped: Callable[[str, str], None] = _nobody
    """Told where and what, after each step of a chip that packets may meet."""

    moved: dict[UUID, int | None] = field(factory=dict)
    """Sleds whose cables were moved by hand, None where they were pulled."""

    down: Mapping[str, str] = field(factory=dict)
    """Machines that are down, and how they answer."""

    populated: PopulatedPeers | None = None
    """What makes up the peers of all switches; None: they are the snapshot's."""

    ask_datastore: Callable[[], frozenset[UUID]] | None = None
    """Asks the datastore which sleds are in service; None: there is none."""

    ddmd_started: dict[SwitchSlot, float] = field(factory=dict)
    """When ddmds were restarted, in seconds on the rack's clock."""

    outside: Callable[[], float] | None = None
    """A clock that the rack's own runs with while nobody holds it; None: it stands."""

    ticks: int = 0
    _moving_on: Lock = field(factory=Lock)
    """One snapshot after the other."""

    def check(self, snapshot: Snapshot) -> None:
        """Make sure that the world can move on to *snapshot*.

        Raises:
            InputRejectedError: switches or sleds appear or disappear.
        """
        mistakes = []
        if snapshot.switches.keys() != self.dpds.keys():
            mistakes.append(Mistake("switches", "a rack that runs neither gains nor loses switches"))
        if {sled.id for sled in snapshot.sleds} != self.agents.keys():
            mistakes.append(Mistake("sleds", "a rack that runs neither gains nor loses sleds"))
        if mistakes:
            raise InputRejectedError("snapshot", mistakes)

    async def enter(self, snapshot: Snapshot) -> None:
        """Let the world move on to *snapshot*, after those that came before; what is programmed stays.

        Raises:
            InputRejectedError: switches or sleds appear or disappear.
        """
        self.check(snapshot)
        async with self._moving_on:
            self.snapshot = snapshot
            self.moved.clear()
            self.wire()
            hosted = _hosted(snapshot)
            for sled_id, agent in self.agents.items():
                await agent.host(hosted.get(sled_id, {}))

    def hold(self, held: bool) -> None:
        """Let time pass only by the clock, or no longer."""
        self.held = held
        self.ddmd_started.clear()
        if held or self.outside is None:
            self.clock.stand()
        else:
            self.clock.run(self.outside)
        for lower in self.lowers.values():
            lower.hold(held)

    def note(self, place: str, step: str) -> None:
        """Pass on that a chip made *step*."""
        self.stepped(place, step)

    def move(self, cubbies: Mapping[UUID, int | None]) -> None:
        """Plug sleds into other cubbies, or into none, until the next snapshot."""
        self.moved.update(cubbies)
        self.wire()

    def wire(self) -> None:
        """Lay cables, and give sleds their NICs and switches their links, as snapshot and hands have it."""
        cubbies = dict(wiring_of(self.snapshot).cubbies)
        for sled_id, cubby in self.moved.items():
            cubbies.pop(sled_id, None)
            if cubby is not None:
                cubbies[sled_id] = cubby
        self.wiring = Wiring(cubbies)
        for slot, dpd in self.dpds.items():
            dpd.chip.links = _links(self.backplane(slot))
        for sled in self.snapshot.sleds:
            self.agents[sled.id].filters.nics = nics_of(sled)

    def now(self) -> datetime:
        """Return the rack's own time: the snapshot's, and a second later at every call."""
        self.ticks += 1
        return self.snapshot.evaluated_at + timedelta(seconds=self.ticks)

    def sleds_in_service(self) -> frozenset[UUID]:
        """Return the sleds that the datastore counts on now; the snapshot's where there is none, or it is gone."""
        if self.ask_datastore is not None:
            with suppress(SilentError):
                return self.ask_datastore()
        return frozenset(sled.id for sled in self.snapshot.sleds if is_in_service(sled))

    def restart_ddmd(self, slot: SwitchSlot) -> None:
        """Let the ddmd of *slot* have started just now; while nobody holds the clock that is long ago."""
        if self.held:
            self.ddmd_started[slot] = self.clock.now

    def is_dead(self, machine: SwitchSlot | UUID) -> bool:
        """Return whether a switch or a sled is down as a whole."""
        return (machine.value if isinstance(machine, SwitchSlot) else sled_target(machine)) in self.down

    def sled(self, sled_id: UUID) -> Sled:
        """Return the row of *sled_id*."""
        return next(sled for sled in self.snapshot.sleds if sled.id == sled_id)

    def instance(self, instance_id: UUID) -> Instance | None:
        """Return the row of *instance_id*."""
        return next((row for row in self.snapshot.instances if row.id == instance_id), None)

    def backplane(self, slot: SwitchSlot) -> tuple[PortId, ...]:
        """Return the backplane of *slot*; a switch that was not read has all 32 ports."""
        known = self.snapshot.switches[slot].backplane
        return REAR_PORTS if known is None else known

    def hardware(self, slot: SwitchSlot) -> SwitchHardware:
        """Return what the switch in *slot* is; made up where inventory does not say."""
        inventory = self.snapshot.inventory
        boards = () if inventory is None else inventory.service_processors
        for board in boards:
            if board.type is SpType.SWITCH and board.slot == slot.number:
                return SwitchHardware(slot, board.serial, board.part)
        return SwitchHardware(slot, f"BRM0000000{slot.number}", "913-0000006")


def is_on_its_sled(vmm: Vmm) -> bool:
    """Return whether *vmm* has a process on its sled."""
    return vmm.state not in _NOT_ON_A_SLED


def _links(backplane: tuple[PortId, ...]) -> frozenset[tuple[PortId, int]]:
    return frozenset((port, LINK) for port in (*backplane, *_FRONT_PORTS))


def _hosted(snapshot: Snapshot) -> dict[UUID, dict[UUID, LocalVmm]]:
    hosted: dict[UUID, dict[UUID, LocalVmm]] = {}
    for instance in snapshot.instances:
        for vmm, active in ((instance.target_vmm, False), (instance.active_vmm, True)):
            if vmm is not None and is_on_its_sled(vmm):
                hosted.setdefault(vmm.sled_id, {})[vmm.id] = LocalVmm(vmm.id, instance.id, active, vmm.state)
    return hosted


def world_of(snapshot: Snapshot, faults: Faults, nics: Nics = SOCKETS) -> World:
    """Return the rack of *snapshot* with empty tables; its NIC filters are held on *nics*."""
    agents = {sled.id: _agent(sled, faults, nics) for sled in snapshot.sleds}
    clock = Clock()
    faults.now = lambda: clock.now
    mribs = {slot: Mrib() for slot in snapshot.switches}
    world = World(
        snapshot=snapshot,
        faults=faults,
        wiring=Wiring({}),
        dpds={slot: _dpd(slot, faults) for slot in snapshot.switches},
        mribs=mribs,
        agents=agents,
        lowers={slot: MgLower(mrib, clock) for slot, mrib in mribs.items()},
        clock=clock,
    )
    for slot, mrib in mribs.items():
        mrib.changed = world.lowers[slot].notice
        world.dpds[slot].chip.stepped = partial(world.note, switch_target(slot, DaemonKind.DPD))
    world.wire()
    hosted = _hosted(snapshot)
    for sled_id, agent in agents.items():
        agent.instances.vmms.update(hosted.get(sled_id, {}))
    return world


def _dpd(slot: SwitchSlot, faults: Faults) -> Dpd:
    target = switch_target(slot, DaemonKind.DPD)
    chip = Chip(refuses_port=partial(faults.strikes, target, "port_add"))
    return Dpd(chip, misses_entry=partial(faults.strikes, target, "entry_missing"))


def _agent(sled: Sled, faults: Faults, nics: Nics) -> SledAgent:
    target = sled_target(sled.id)
    refuses_join = partial(faults.strikes, target, "nic_join")
    agent = SledAgent(NicFilters(nics_of(sled), partial(nics.membership, sled.id), refuses_join))
    agent.loses_ports = partial(faults.strikes, target, "ports_die")
    agent.unknown_vmm = partial(faults.status, target, "unknown_vmm")
    agent.opte.refuses_clear = partial(faults.strikes, target, "m2p_clear")
    agent.reach_engine = lambda: sleep(faults.seconds(target, "slow_engine"))
    return agent


def switch_target(slot: SwitchSlot, kind: DaemonKind) -> str:
    """Return how faults and calls name a daemon of *slot*, such as ``switch0 dpd``."""
    return f"{slot} {kind}"


def sled_target(sled_id: UUID) -> str:
    """Return how faults and calls name a sled-agent."""
    return f"sled {sled_id}"
