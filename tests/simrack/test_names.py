"""The internal DNS zone over real UDP and TCP."""

from uuid import uuid4

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from blueprints.addresses import UnderlayUnicast
from simrack.naming import SERVICES, ZONE, scrimlets_of, sled_name, switch_zone_name
from simrack.web.versions import DaemonKind
from tests.simrack.rows import SLEDS, SWITCH0, SWITCH1, small_rack, switch
from tests.simrack.talk import Talk


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
