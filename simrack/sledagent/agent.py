"""sled-agent's machine: the VMMs here, what each was told to hear, how mappings and NIC filters go together.

Rules:
    A1  A mapping and its NIC filter come together: where the filter fails, the mapping of the group is cleared.
    A2  A filter is kept per underlay group and outlives an overwritten mapping; clearing a mapping closes the
        filter of the underlay group that the call names.
    A3  A join that repeats the remembered sources does not reach the packet engine. A join that fails is forgotten.
    A4  An instance is its active VMM on this sled; where that is elsewhere, its migration target here.
    A5  At start-up filters are opened again for mappings that survived; a mapping whose filter fails is cleared.
    A6  A join for an unknown VMM is 404, a leave 204, unless this sled-agent is ordered to answer otherwise: the
        newest takes both (204), the one before refuses both (404), the vendor's simulated one fails (500).

One thread serves all calls, so a look-up of a VMM and what is then done with it cannot be torn apart.
Source: omicron, sled-agent/src/instance.rs and illumos-utils/src/opte/port_manager.rs. This file does not know HTTP.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from uuid import UUID

from attrs import define, field, frozen

from blueprints.addresses import Address
from blueprints.snapshot import VmmState
from simrack.sledagent.filters import NicFilters
from simrack.sledagent.opte import Opte
from simrack.web.answers import HttpError, refused


@frozen
class LocalVmm:
    """A VMM on this sled."""

    propolis_id: UUID
    instance_id: UUID
    active: bool
    """False: the target of a migration."""

    state: VmmState = VmmState.RUNNING


NO_SUCH_VMM = "NO_SUCH_INSTANCE"
"""What the error code says of a VMM that is not here."""


def _never() -> bool:
    return False


def _as_usual(status: int) -> int:
    return status


NO_VMMS: Mapping[UUID, LocalVmm] = MappingProxyType({})


@define
class SledAgent:
    """The multicast part of one sled-agent."""

    filters: NicFilters
    opte: Opte = field(factory=Opte)
    vmms: Mapping[UUID, LocalVmm] = NO_VMMS
    """By propolis id."""

    loses_ports: Callable[[], bool] = _never
    """Asked at each restart: True, and all ports are deleted, which is the end of their VMMs."""

    unknown_vmm: Callable[[int], int] = _as_usual
    """From the usual status to the one that an unknown VMM gets (rule A6)."""

    _told: dict[UUID, dict[Address, frozenset[Address]]] = field(factory=dict)
    """What each VMM was told to hear (rule A3); memory of the process."""

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

    def join(self, propolis_id: UUID | None, group: Address, sources: frozenset[Address]) -> None:
        """Let a VMM hear *group* (rule A3); None is a VMM that nobody knows (rule A6).

        Raises:
            HttpError: 404 no such VMM, 500 the packet engine refuses.
        """
        if propolis_id is None or propolis_id not in self.vmms:
            self._meet_unknown(404)
            return
        told = self._told.setdefault(propolis_id, {})
        if told.get(group) == sources:
            return
        self.opte.subscribe(propolis_id, group, sources)
        told[group] = sources

    def leave(self, propolis_id: UUID | None, group: Address) -> None:
        """Let a VMM no longer hear *group*; an unknown VMM hears nothing already (rule A6).

        Raises:
            HttpError: this sled-agent minds unknown VMMs.
        """
        if propolis_id is None or propolis_id not in self.vmms:
            self._meet_unknown(204)
            return
        self._told.get(propolis_id, {}).pop(group, None)
        self.opte.unsubscribe(propolis_id, group)

    def _meet_unknown(self, usual: int) -> None:
        status = self.unknown_vmm(usual)
        if status != 204:
            raise refused(status, NO_SUCH_VMM if status in (404, 410) else None)

    def vmm_of(self, instance_id: UUID) -> UUID | None:
        """Return the propolis of *instance_id* here (rule A4), None where it has none."""
        here = [vmm for vmm in self.vmms.values() if vmm.instance_id == instance_id]
        return min(here, key=lambda vmm: (not vmm.active, vmm.propolis_id)).propolis_id if here else None

    def host(self, vmms: Mapping[UUID, LocalVmm]) -> None:
        """Take *vmms* for those on this sled; a VMM that is gone takes its port along."""
        for gone in self.vmms.keys() - vmms.keys():
            self._told.pop(gone, None)
            self.opte.drop_port(gone)
        self.vmms = vmms

    def restart(self) -> None:
        """End the process and start again: sockets and memory go, kernel state stays (rule A5)."""
        self.filters.close_all()
        self._told.clear()
        if self.loses_ports():
            self.host(NO_VMMS)
        for group, underlay in tuple(self.opte.m2p.items()):
            if not self.filters.open(underlay):
                with suppress(HttpError):
                    self.opte.clear_m2p(group)

    def reboot(self) -> None:
        """Restart the whole sled: kernel state goes too."""
        self.filters.close_all()
        self._told.clear()
        self.opte.reboot()
