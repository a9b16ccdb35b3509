"""The rack's internal DNS zone as data, with the generation of what it holds.

Real racks tell switch zones apart by address; here all share one and differ by port, which the SRV target bridges;
as there it names the scrimlet. Sleds share the address too, so each has an SRV record of its own, which real racks
do not publish. This file does not know the wire format.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from uuid import NAMESPACE_OID, UUID, uuid5

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from attrs import define, field, frozen

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


@frozen(order=True)
class Record:
    """One record, as text."""

    name: str
    kind: str
    text: str


def switch_zone(scrimlet: UUID, ports: Mapping[DaemonKind, int]) -> Iterator[Record]:
    """Yield all records of the switch zone on *scrimlet*: its address, and a service for each of its *ports*.

    Source:
        omicron, internal-dns/types/src/config.rs, host_zone_switch: the services of a zone share their target.
    """
    target = switch_zone_name(scrimlet)
    yield Record(target, "AAAA", LOOPBACK)
    for kind, port in ports.items():
        yield Record(f"{SERVICES[kind]}.{ZONE}.", "SRV", f"0 0 {port} {target}")


def sled(sled_id: UUID, port: int) -> Iterator[Record]:
    """Yield the records of a sled whose sled-agent listens on *port*."""
    name = sled_name(sled_id)
    yield Record(name, "AAAA", LOOPBACK)
    yield Record(f"{SLED_AGENT_SERVICE}.{name}", "SRV", f"0 0 {port} {name}")


def _start_of_authority(generation: int) -> Record:
    """Return the record whose serial number is the zone's generation (omicron, dns-server)."""
    return Record(f"{ZONE}.", "SOA", f"ns.{ZONE}. admin.{ZONE}. {generation} 3600 600 18000 {_TTL}")


@define
class Zone:
    """All names, each with its records by type; each change of the set of records is a generation."""

    generation: int = 0
    records: frozenset[Record] = frozenset()
    names: frozenset[dns.name.Name] = frozenset()
    """Names that exist, with or without records: those between a record and the apex are there too."""

    _found: Mapping[_Key, dns.rrset.RRset] = field(factory=dict)

    def publish(self, records: Iterable[Record]) -> bool:
        """Let *records* be all there are, and return whether that is a change; in which order they come is none."""
        wanted = frozenset(records)
        if wanted == self.records:
            return False
        self.generation += 1
        self.records = wanted
        found: dict[_Key, dns.rrset.RRset] = {}
        for record in sorted({*wanted, _start_of_authority(self.generation)}):
            _add(found, record)
        self._found = found
        self.names = frozenset(name for owner, _ in found for name in _up_to_the_apex(owner))
        return True

    def find(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
        """Return the records of *kind* at *name*, None where there are none."""
        return self._found.get((name, kind))


def _add(found: dict[_Key, dns.rrset.RRset], record: Record) -> None:
    owner, kind = dns.name.from_text(record.name), dns.rdatatype.from_text(record.kind)
    rrset = found.setdefault((owner, kind), dns.rrset.RRset(owner, dns.rdataclass.IN, kind))
    rrset.add(dns.rdata.from_text(dns.rdataclass.IN, kind, record.text), _TTL)


def _up_to_the_apex(owner: dns.name.Name) -> Iterator[dns.name.Name]:
    apex = dns.name.from_text(ZONE)
    while owner != apex:
        yield owner
        owner = owner.parent()
    yield apex


@frozen(kw_only=True)
class RackNames:
    """What a rack has to name: its switch zones, each with the ports of its daemons, and its sleds."""

    scrimlets: Mapping[SwitchSlot, UUID]
    switches: Mapping[tuple[SwitchSlot, DaemonKind], int]
    sleds: Mapping[UUID, int]

    def records(self, services: Collection[DaemonKind] = tuple(SERVICES)) -> Iterator[Record]:
        """Yield all records of the rack; older racks publish fewer *services*."""
        for slot, scrimlet in self.scrimlets.items():
            ports = {kind: port for (at, kind), port in self.switches.items() if at == slot and kind in services}
            yield from switch_zone(scrimlet, ports)
        for sled_id, port in self.sleds.items():
            yield from sled(sled_id, port)
