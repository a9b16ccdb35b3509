"""sled-agent's machine: the VMMs here, what each was told to hear, how mappings and NIC filters go together.

Rules:
    A1  A mapping and its NIC filter come together: where the filter fails, the mapping of the group is cleared.
    A2  A filter is kept per underlay group and outlives an overwritten mapping; clearing a mapping closes the
        filter of the underlay group that the call names.
    A3  A join that repeats the remembered sources does not reach the packet engine. A join that fails is forgotten.
    A4  An instance is its active VMM on this sled; where that is elsewhere, its migration target here. The VMM is
        looked up, and joined or left, under the instance's lock; a migration commits under the same one. A call
        that names a VMM is for the instance of that VMM, and goes the same way.
    A5  At start-up filters are opened again for mappings that survived; a mapping whose filter fails is cleared.
    A6  A join for an unknown VMM is 404, a leave 204, unless this sled-agent is ordered to answer otherwise: the
        newest takes both (204), the one before refuses both (404), the vendor's simulated one fails (500).

Between a look-up and the packet engine other calls are served, as on a sled with many threads.
Source: omicron, sled-agent/src/instance.rs and illumos-utils/src/opte/port_manager.rs. This file does not know HTTP.
"""

from asyncio import sleep
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from attrs import define, field

from blueprints.addresses import Address
from simrack.sledagent.filters import NicFilters
from simrack.sledagent.instances import LocalInstances, LocalVmm
from simrack.sledagent.opte import Opte
from simrack.web.answers import HttpError, refused

NO_SUCH_VMM = "NO_SUCH_INSTANCE"
"""What the error code says of a VMM that is not here."""


def _never() -> bool:
    return False


def _as_usual(status: int) -> int:
    return status


def _in_a_moment() -> Awaitable[None]:
    return sleep(0)


@define
class SledAgent:
    """The multicast part of one sled-agent."""

    filters: NicFilters
    opte: Opte = field(factory=Opte)
    instances: LocalInstances = field(factory=LocalInstances)
    reach_engine: Callable[[], Awaitable[None]] = _in_a_moment
    """The way of a join or leave into the packet engine, on which other calls may overtake it."""

    loses_ports: Callable[[], bool] = _never
    """Asked at each restart: True, and all ports are deleted, which is the end of their VMMs."""

    unknown_vmm: Callable[[int], int] = _as_usual
    """From the usual status to the one that an unknown VMM gets (rule A6)."""

    _told: dict[UUID, dict[Address, frozenset[Address]]] = field(factory=dict)
    """What each VMM was told to hear (rule A3); memory of the process."""

    _process: int = 0
    """Which process this is since the sled was made."""

    @property
    def vmms(self) -> Mapping[UUID, LocalVmm]:
        """The VMMs on this sled, by propolis id."""
        return self.instances.vmms

    def set_m2p(self, group: Address, underlay: Address) -> None:
        """Map *group* and open the NIC filter of *underlay* (rule A1).

        Raises:
            HttpError: 500, refused, or a NIC did not join.
        """
        self.opte.set_m2p(group, underlay)
        if not self.filters.open(underlay):
            with suppress(HttpError):
                self.opte.clear_m2p(group)
            raise refused(500)

    def clear_m2p(self, group: Address, underlay: Address) -> None:
        """Clear the mapping of *group* and the filter of *underlay* (rule A2).

        Raises:
            HttpError: 500, the packet engine refuses.
        """
        self.opte.clear_m2p(group)
        self.filters.close(underlay)

    async def join(self, instance_id: UUID | None, group: Address, sources: frozenset[Address]) -> None:
        """Let an instance hear *group* (rules A3 and A4); None is one that nobody knows (rule A6).

        Raises:
            HttpError: 404 it has no VMM here, 500 the packet engine refuses or sled-agent ended meanwhile.
        """
        async with self._vmm_in_hand(instance_id) as propolis_id:
            if propolis_id is None:
                self._meet_unknown(404)
                return
            told = self._told.setdefault(propolis_id, {})
            if told.get(group) == sources:
                return
            self.opte.subscribe(propolis_id, group, sources)
            told[group] = sources

    async def leave(self, instance_id: UUID | None, group: Address) -> None:
        """Let an instance no longer hear *group*; one without a VMM here hears nothing already (rule A6).

        Raises:
            HttpError: this sled-agent minds unknown VMMs, or ended meanwhile.
        """
        async with self._vmm_in_hand(instance_id) as propolis_id:
            if propolis_id is None:
                self._meet_unknown(204)
                return
            self._told.get(propolis_id, {}).pop(group, None)
            self.opte.unsubscribe(propolis_id, group)

    @asynccontextmanager
    async def _vmm_in_hand(self, instance_id: UUID | None) -> AsyncIterator[UUID | None]:
        """Yield the VMM of *instance_id* in front of the packet engine, and keep it in place meanwhile (rule A4)."""
        if instance_id is None:
            yield None
            return
        async with self.instances.lock(instance_id):
            propolis_id, process = self.instances.vmm_of(instance_id), self._process
            if propolis_id is not None:
                await self.reach_engine()
            if process != self._process:
                raise refused(500)
            yield propolis_id

    def _meet_unknown(self, usual: int) -> None:
        status = self.unknown_vmm(usual)
        if status != 204:
            raise refused(status, NO_SUCH_VMM if status in (404, 410) else None)

    async def host(self, vmms: Mapping[UUID, LocalVmm]) -> None:
        """Take *vmms* for those on this sled, each instance when its turn comes (rule A4)."""
        for instance_id in self.instances.changed(vmms):
            async with self.instances.lock(instance_id):
                self._commit(instance_id, vmms)

    def _commit(self, instance_id: UUID, vmms: Mapping[UUID, LocalVmm]) -> None:
        """Give *instance_id* its VMMs of *vmms*; a VMM that is gone takes its port along."""
        for gone in self.instances.commit(instance_id, vmms):
            self._told.pop(gone, None)
            self.opte.drop_port(gone)

    def restart(self) -> None:
        """End the process and start again: sockets and memory go, kernel state stays (rule A5)."""
        self._end_process()
        if self.loses_ports():
            for instance_id in self.instances.changed({}):
                self._commit(instance_id, {})
        for group, underlay in tuple(self.opte.m2p.items()):
            if not self.filters.open(underlay):
                with suppress(HttpError):
                    self.opte.clear_m2p(group)

    def reboot(self) -> None:
        """Restart the whole sled: kernel state goes too."""
        self._end_process()
        self.opte.reboot()

    def _end_process(self) -> None:
        self._process += 1
        self.filters.close_all()
        self._told.clear()
