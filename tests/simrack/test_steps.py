"""What packets meet between two steps of one request to a switch."""

import pytest

from tests.simrack.program import attributes, ok, port, program
from tests.simrack.rows import G4, LISTENER, MOVER, OTHER4, PICKER, S4, SPEAKER, TAG4, U4, propolis
from tests.simrack.talk import Talk, packet_body

OUTSIDE = {"switch": "switch0"}
MEMBERS = f"/multicast/underlay-groups/{U4}?tag={TAG4}"
ATTRIBUTES = f"/multicast/external-groups/{G4}?tag={TAG4}"

FIRST, SECOND = str(propolis(LISTENER)), str(propolis(MOVER))
THIRD, CHOOSY = str(propolis(MOVER, 1)), str(propolis(PICKER))


@pytest.fixture
def programmed(talk: Talk) -> Talk:
    program(talk)
    return talk


def test_a_swap_of_ports_has_a_gap_and_stayers_have_none(programmed: Talk) -> None:
    """Ports leave before ports come: in between neither of the two hears, and those that stay always do."""
    ok(programmed.dpd("PUT", MEMBERS, {"members": [port(14), port(15)]}))
    programmed.watch(packet_body(OUTSIDE))
    ok(programmed.dpd("PUT", MEMBERS, {"members": [port(14), port(16)]}))
    assert programmed.watched() == [
        (f"switch0 dpd: port rear15 out of {U4}", {FIRST: 1}),
        (f"switch0 dpd: port rear16 into {U4}", {FIRST: 1, THIRD: 1}),
    ]


def test_two_requests_have_no_gap(programmed: Talk) -> None:
    """Widening and narrowing apart, everybody who hears before and after hears all the time."""
    ok(programmed.dpd("PUT", MEMBERS, {"members": [port(14), port(15)]}))
    programmed.watch(packet_body(OUTSIDE))
    ok(programmed.dpd("PUT", MEMBERS, {"members": [port(14), port(15), port(16)]}))
    ok(programmed.dpd("PUT", MEMBERS, {"members": [port(14), port(16)]}))
    assert [FIRST in heard for _, heard in programmed.watched()] == [True, True]
    assert [SECOND in heard or THIRD in heard for _, heard in programmed.watched()] == [True, True]


def test_another_source_list_drops_everybody_meanwhile(programmed: Talk) -> None:
    """The whole filter goes out before the new one comes in, row by row, also for sources that stay."""
    ok(programmed.dpd("PUT", ATTRIBUTES, attributes(U4, S4)))
    programmed.watch(packet_body(OUTSIDE), packet_body({"instance": SPEAKER}))
    ok(programmed.dpd("PUT", ATTRIBUTES, attributes(U4, OTHER4, S4)))
    everybody = {FIRST: 1, SECOND: 1, THIRD: 1, CHOOSY: 1}
    assert programmed.watched() == [
        (f"switch0 dpd: entry {G4}: filter deleted", {}),
        (f"switch0 dpd: entry {G4}: filter row for {S4} added", everybody),
        (f"switch0 dpd: entry {G4}: filter row for {OTHER4} added", everybody),
        (f"switch0 dpd: entry {G4}: translation set", everybody),
    ]


def test_the_gap_is_there_for_packets_between_sleds_too(programmed: Talk) -> None:
    """The filter gates encapsulated packets as well; those of the sender's own sled need no switch."""
    programmed.watch(packet_body({"instance": SPEAKER}))
    path = f"/multicast/external-groups/{G4}?tag={TAG4}"
    ok(programmed.call("switch1 dpd", "PUT", path, attributes(U4, S4)))
    first, *rest = programmed.watched()
    assert first == (f"switch1 dpd: entry {G4}: filter deleted", {THIRD: 1})
    assert all(FIRST in heard for _, heard in rest)


def test_the_same_sources_have_no_gap(programmed: Talk) -> None:
    """Only a list that differs is written again."""
    ok(programmed.dpd("PUT", ATTRIBUTES, attributes(U4, S4, OTHER4)))
    programmed.watch(packet_body(OUTSIDE))
    ok(programmed.dpd("PUT", ATTRIBUTES, attributes(U4, OTHER4, S4)))
    assert all(FIRST in heard for _, heard in programmed.watched())


def test_another_vlan_has_a_gap_for_packets_from_outside_alone(programmed: Talk) -> None:
    """The translation is deleted and added; packets between sleds are translated already."""
    inside = packet_body({"instance": SPEAKER})
    programmed.watch(packet_body({"switch": "switch1"}), inside)
    body = attributes(U4) | {"external_forwarding": {"vlan_id": 7}}
    ok(programmed.call("switch1 dpd", "PUT", ATTRIBUTES, body))
    rows = programmed.control("GET", "/watch").json()
    assert rows[0]["after"] == f"switch1 dpd: entry {G4}: translation deleted"
    assert (rows[0]["heard"][0], FIRST in rows[0]["heard"][1]) == ({}, True)
    assert FIRST in rows[1]["heard"][0]


def test_a_packet_that_cannot_be_is_not_watched(talk: Talk) -> None:
    """The same rules hold as for a packet that is sent at once."""
    assert (
        talk.control("PUT", "/watch", [{"group": S4, "source": S4, "from": {"switch": "switch0"}}]).status_code == 400
    )
    assert talk.control("GET", "/watch").json() == []
