"""The rack's internal DNS zone as data.

Real racks tell switch zones apart by address; here all share one and differ by port, which the SRV target bridges;
as there it names the scrimlet. Sleds share the address too, so each has an SRV record of its own, which real racks
do not publish. This file does not know the wire format.
"""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import NAMESPACE_OID, UUID, uuid5

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from attrs import define, field

from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Snapshot
from simrack.scrimlets import scrimlet_of
from simrack.web.listeners import LOOPBACK
from simrack.web.versions import DaemonKind

ZONE = "control-plane.oxide.internal"

SERVICES: Mapping[DaemonKind, str] = MappingProxyType(
    {
        DaemonKind.DPD: "_dendrite._tcp",
        DaemonKind.MGS: "_mgs._tcp",
        DaemonKind.MGD: "_mgd._tcp",
        DaemonKind.DDMD: "_ddm._tcp",
    }
)
"""Daemon of a switch zone to its SRV label (omicron, internal-dns/types)."""

SLED_AGENT_SERVICE = "_sledagent._tcp"

_TTL = 0
"""Nobody shall remember a port of a rack that is gone."""

_Key = tuple[dns.name.Name, dns.rdatatype.RdataType]


def scrimlets_of(snapshot: Snapshot) -> dict[SwitchSlot, UUID]:
    """Return the sled that each switch zone is named after, one each; a made-up one where the snapshot has none."""
    hosts: dict[SwitchSlot, UUID] = {}
    for slot, switch in snapshot.switches.items():
        sled = scrimlet_of(snapshot, switch)
        made_up = uuid5(NAMESPACE_OID, f"rackcast scrimlet {snapshot.rack_id} {slot}")
        hosts[slot] = made_up if sled is None or sled.id in hosts.values() else sled.id
    return hosts


def switch_zone_name(scrimlet: UUID) -> str:
    """Return the SRV target that the four daemons of the switch zone on *scrimlet* share."""
    return f"dendrite-{scrimlet}.host.{ZONE}."


def sled_name(sled_id: UUID) -> str:
    """Return the host name of a sled."""
    return f"{sled_id}.sled.{ZONE}."


@define
class Zone:
    """All names, each with its records by type."""

    records: dict[_Key, dns.rrset.RRset] = field(factory=dict)
    names: set[dns.name.Name] = field(factory=set)
    """Names that exist, with or without records: those between a record and the apex are there too."""

    def add(self, name: str, kind: str, text: str) -> None:
        """Add one record."""
        owner = dns.name.from_text(name)
        rdtype = dns.rdatatype.from_text(kind)
        record = dns.rdata.from_text(dns.rdataclass.IN, rdtype, text)
        rrset = self.records.setdefault((owner, rdtype), dns.rrset.RRset(owner, dns.rdataclass.IN, rdtype))
        rrset.add(record, _TTL)
        apex = dns.name.from_text(ZONE)
        while owner != apex:
            self.names.add(owner)
            owner = owner.parent()
        self.names.add(apex)

    def find(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
        """Return the records of *kind* at *name*, None where there are none."""
        return self.records.get((name, kind))


def zone_of(
    scrimlets: Mapping[SwitchSlot, UUID],
    switches: Mapping[tuple[SwitchSlot, DaemonKind], int],
    sleds: Mapping[UUID, int],
) -> Zone:
    """Return the zone of a rack whose daemons listen on the given ports, its switch zones being on *scrimlets*."""
    zone = Zone()
    for slot, kind in switches:
        target = switch_zone_name(scrimlets[slot])
        zone.add(f"{SERVICES[kind]}.{ZONE}.", "SRV", f"0 0 {switches[slot, kind]} {target}")
        if kind is DaemonKind.DPD:
            zone.add(target, "AAAA", LOOPBACK)
    for sled_id, port in sleds.items():
        name = sled_name(sled_id)
        zone.add(name, "AAAA", LOOPBACK)
        zone.add(f"{SLED_AGENT_SERVICE}.{name}", "SRV", f"0 0 {port} {name}")
    return zone
