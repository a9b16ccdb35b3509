"""The internal DNS zone over real UDP and TCP."""

from uuid import uuid4

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import pytest

from blueprints.addresses import UnderlayUnicast
from simrack.naming import SERVICES, ZONE, Zone, scrimlets_of, sled_name, switch_zone, switch_zone_name
from simrack.web.versions import DaemonKind
from tests.simrack.program import ok
from tests.simrack.rows import SLEDS, SWITCH0, SWITCH1, small_rack, switch
from tests.simrack.talk import Json, Talk


def ask(talk: Talk, name: str, kind: str = "SRV", *, tcp: bool = False, timeout: float = 2) -> dns.message.Message:
    host, _, port = talk.rack.dns.rpartition(":")
    query = dns.message.make_query(name, kind, use_edns=False)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, host.strip("[]"), port=int(port), timeout=timeout)


def srv(talk: Talk, name: str, *, tcp: bool = False) -> dict[str, int]:
    (rrset,) = ask(talk, name, tcp=tcp).answer
    return {record.target.to_text(): record.port for record in rrset}


@pytest.mark.parametrize("kind", [DaemonKind.DPD, DaemonKind.MGD, DaemonKind.DDMD, DaemonKind.MGS])
@pytest.mark.parametrize("tcp", [False, True])
def test_a_service_has_a_record_per_switch(talk: Talk, kind: DaemonKind, tcp: bool) -> None:
    """The target tells the switch zones apart, the port is where the daemon listens."""
    wanted = {
        switch_zone_name(scrimlet): int(talk.rack.url(f"{slot} {kind}").rpartition(":")[2])
        for slot, scrimlet in ((SWITCH0, SLEDS[0]), (SWITCH1, SLEDS[1]))
    }
    assert srv(talk, f"{SERVICES[kind]}.{ZONE}", tcp=tcp) == wanted


def test_every_switch_zone_has_a_scrimlet_of_its_own() -> None:
    """Zones outside every sled's /64, or in the same one, get made-up scrimlets: two zones never share a name."""
    beside = switch(SWITCH1, underlay_address=UnderlayUnicast.parse("fd00:1122:3344:101::3"))
    elsewhere = switch(SWITCH1, underlay_address=UnderlayUnicast.parse("fd00:1122:3344:1ff::2"))
    for other in (beside, elsewhere):
        scrimlets = scrimlets_of(small_rack(switches={SWITCH0: switch(SWITCH0), SWITCH1: other}))
        assert scrimlets[SWITCH0] == SLEDS[0]
        assert scrimlets[SWITCH1] not in SLEDS


def test_the_services_of_a_switch_share_their_target(talk: Talk) -> None:
    """One name per switch zone, with an address."""
    targets = [set(srv(talk, f"{service}.{ZONE}")) for service in SERVICES.values()]
    assert all(names == targets[0] for names in targets)
    for target in targets[0]:
        (rrset,) = ask(talk, target, "AAAA").answer
        assert [record.address for record in rrset] == ["::1"]


def test_a_sled_has_an_address_and_a_port(talk: Talk) -> None:
    """All sleds share the address, so each has an SRV record of its own."""
    for sled in SLEDS:
        (rrset,) = ask(talk, sled_name(sled), "AAAA").answer
        assert [record.address for record in rrset] == ["::1"]
        port = int(talk.rack.url(f"sled {sled}").rpartition(":")[2])
        assert srv(talk, f"_sledagent._tcp.{sled_name(sled)}") == {sled_name(sled): port}


def test_an_srv_answer_brings_the_addresses_along(talk: Talk) -> None:
    """The additional section holds the targets' AAAA records."""
    answer = ask(talk, f"_mgd._tcp.{ZONE}")
    assert {rrset.name.to_text() for rrset in answer.additional} == set(srv(talk, f"_mgd._tcp.{ZONE}"))
    assert answer.flags & dns.flags.AA


@pytest.mark.parametrize("name", [f"_nexus._tcp.{ZONE}", f"{uuid4()}.sled.{ZONE}", "example.com", "."])
def test_other_names_do_not_exist(talk: Talk, name: str) -> None:
    """NXDOMAIN, inside the zone and outside."""
    answer = ask(talk, name)
    assert (answer.rcode(), answer.answer) == (dns.rcode.NXDOMAIN, [])


@pytest.mark.parametrize(("name", "kind"), [(f"_mgd._tcp.{ZONE}", "AAAA"), (ZONE, "SRV"), (f"sled.{ZONE}", "A")])
def test_a_name_without_such_records_is_empty(talk: Talk, name: str, kind: str) -> None:
    """It exists, so it is not NXDOMAIN."""
    answer = ask(talk, name, kind)
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])


def test_names_are_the_same_in_any_case(talk: Talk) -> None:
    """DNS names know no case."""
    assert srv(talk, f"_MGD._TCP.{ZONE.upper()}") == srv(talk, f"_mgd._tcp.{ZONE}")


@pytest.mark.parametrize(
    ("status", "rcode"), [(0, dns.rcode.NOERROR), (2, dns.rcode.SERVFAIL), (3, dns.rcode.NXDOMAIN)]
)
def test_the_name_server_fails_on_order(talk: Talk, status: int, rcode: dns.rcode.Rcode) -> None:
    """An empty answer, a failure or a denial, once."""
    talk.fault("dns", "status", status=status)
    answer = ask(talk, f"_mgd._tcp.{ZONE}")
    assert (answer.rcode(), answer.answer) == (rcode, [])
    assert len(srv(talk, f"_mgd._tcp.{ZONE}")) == 2


def test_the_name_server_is_silent_on_order(talk: Talk) -> None:
    """For one name alone, if a path is given: the name is the path, the type the method."""
    talk.fault("dns", "timeout_before", path="_ddm", method="SRV")
    assert len(srv(talk, f"_mgd._tcp.{ZONE}")) == 2
    with pytest.raises(dns.exception.Timeout):
        ask(talk, f"_ddm._tcp.{ZONE}", timeout=0.1)
    assert len(srv(talk, f"_ddm._tcp.{ZONE}")) == 2


def test_refused_is_an_answer(talk: Talk) -> None:
    """The name server says so instead of closing anything."""
    talk.fault("dns", "refuse")
    assert ask(talk, f"_mgd._tcp.{ZONE}").rcode() == dns.rcode.REFUSED


def test_what_is_no_query_is_left_unanswered(talk: Talk) -> None:
    """Noise gets no answer, and the next query does."""
    host, _, port = talk.rack.dns.rpartition(":")
    query = dns.message.make_query(ZONE, "SRV")
    query.flags |= dns.flags.QR
    with pytest.raises(dns.exception.Timeout):
        dns.query.udp(query, host.strip("[]"), port=int(port), timeout=0.1)
    assert len(srv(talk, f"_mgd._tcp.{ZONE}")) == 2


# --- the generation -------------------------------------------------------------------------------------------------

LABELS = tuple(SERVICES.values())
PORTS = {kind: 1000 + number for number, kind in enumerate(SERVICES)}


def resolver(talk: Talk) -> dns.resolver.Resolver:
    """Return a resolver as any client has it, which asks this rack alone."""
    host, _, port = talk.rack.dns.rpartition(":")
    asking = dns.resolver.Resolver(configure=False)
    asking.nameservers, asking.port, asking.lifetime = [host.strip("[]")], int(port), 2
    return asking


def serial(talk: Talk) -> int:
    """Return the zone's serial number."""
    (record,) = resolver(talk).resolve(ZONE, "SOA")
    number: int = record.serial
    return number


def publish(talk: Talk, *labels: str) -> Json:
    """Let switch zones have these services alone."""
    return ok(talk.control("PUT", "/names", {"services": list(labels)})).json()


def test_one_function_names_a_switch_zone_by_its_ports() -> None:
    """Its address once, and each of its ports under the service's label and the one target."""
    target = switch_zone_name(SLEDS[0])
    assert sorted((row.name, row.kind, row.text) for row in switch_zone(SLEDS[0], PORTS)) == sorted(
        [
            (target, "AAAA", "::1"),
            *((f"{SERVICES[kind]}.{ZONE}.", "SRV", f"0 0 {port} {target}") for kind, port in PORTS.items()),
        ]
    )


def test_a_zone_grows_by_one_generation_with_each_change() -> None:
    """However many records change at once; the same records in another order are no change."""
    zone = Zone()
    two = [*switch_zone(SLEDS[0], PORTS), *switch_zone(SLEDS[1], PORTS)]
    generations = []
    for records in (two, two, two[::-1], two[:3], two[:3], [], [], two):
        zone.publish(records)
        generations.append(zone.generation)
    assert generations == [1, 1, 1, 2, 2, 3, 3, 4]


def test_a_rack_that_gains_ddmd_has_its_generation_bumped_once(talk: Talk) -> None:
    """Both switch zones gain the record in one step; registering them again changes nothing."""
    without = publish(talk, *(label for label in LABELS if label != "_ddm._tcp"))["generation"]
    assert ask(talk, f"_ddm._tcp.{ZONE}").rcode() == dns.rcode.NXDOMAIN
    assert len(srv(talk, f"_mgd._tcp.{ZONE}")) == 2
    assert (serial(talk), talk.state()["dns_generation"]) == (without, without)
    first, told = publish(talk, *LABELS), publish(talk, *LABELS)
    assert first == told
    assert (told["generation"], serial(talk)) == (without + 1, without + 1)
    assert len(srv(talk, f"_ddm._tcp.{ZONE}")) == 2
    ports = {int(row["data"].split()[2]) for row in told["records"] if row["name"].startswith("_ddm._tcp.")}
    assert ports == set(srv(talk, f"_ddm._tcp.{ZONE}").values())


def test_zones_that_share_an_address_stay_apart(talk: Talk) -> None:
    """A resolver finds two targets at one address, told apart by the ports of each service."""
    asking = resolver(talk)
    seen: dict[str, set[int]] = {}
    for service in LABELS:
        for record in asking.resolve(f"{service}.{ZONE}", "SRV"):
            seen.setdefault(record.target.to_text(), set()).add(record.port)
    assert [len(ports) for ports in seen.values()] == [4, 4]
    assert len(set().union(*seen.values())) == 8
    assert {asking.resolve(name, "AAAA")[0].address for name in seen} == {"::1"}


def test_services_that_are_none_are_refused(talk: Talk) -> None:
    """With those that there are, and nothing changes."""
    before = serial(talk)
    answer = talk.control("PUT", "/names", {"services": ["_nexus._tcp"]})
    assert (answer.status_code, "_dendrite._tcp" in answer.json()["message"]) == (400, True)
    assert serial(talk) == before


# --- other records --------------------------------------------------------------------------------------------------


def test_a_record_may_be_there_twice(talk: Talk) -> None:
    """As often as it is ordered, octet for octet."""
    target = switch_zone_name(SLEDS[0])
    host, _, port = talk.rack.dns.rpartition(":")
    talk.fault("dns", "records", method="SRV", records=[f"0 0 1 {target}"] * 2)
    query = dns.message.make_query(f"_ddm._tcp.{ZONE}", "SRV", use_edns=False)
    twice = dns.query.udp(query, host.strip("[]"), port=int(port), timeout=2, one_rr_per_rrset=True)
    assert [rrset.to_text() for rrset in twice.answer] == [f"_ddm._tcp.{ZONE}. 0 IN SRV 0 0 1 {target}"] * 2


def test_addresses_may_flip(talk: Talk) -> None:
    """Which questions meet the old address follows from the seed, in any run."""
    name = switch_zone_name(SLEDS[0])
    told = []
    for _ in range(2):
        ok(talk.control("DELETE", "/faults"))
        talk.fault("dns", "records", method="AAAA", times=None, chance=0.5, seed=3, records=["fd00:dead::1"])
        told.append([resolver(talk).resolve(name, "AAAA")[0].address for _ in range(20)])
    assert told[0] == told[1]
    assert set(told[0]) == {"::1", "fd00:dead::1"}


def test_a_service_may_lead_anywhere(talk: Talk) -> None:
    """Other targets, other ports, or one target with two."""
    target = switch_zone_name(SLEDS[0])
    records = ["0 0 80 example.com.", f"0 0 1 {target}", f"0 0 2 {target}"]
    talk.fault("dns", "records", method="SRV", path="_mgd._tcp", records=records)
    (rrset,) = ask(talk, f"_mgd._tcp.{ZONE}").answer
    assert {(row.target.to_text(), row.port) for row in rrset} == {("example.com.", 80), (target, 1), (target, 2)}
