"""Packets through what is programmed, from outside and between instances."""

from collections.abc import Mapping
from uuid import UUID

import pytest

from blueprints.addresses import Address
from simrack.expected import expected_receivers
from tests.simrack.program import attributes, hop, join, leave, ok, port, program, switch_group
from tests.simrack.rows import (
    G4,
    G6,
    LISTENER,
    MOVER,
    OTHER4,
    PICKER,
    READER,
    S4,
    S6,
    SLEDS,
    SPEAKER,
    SWITCH0,
    SWITCH1,
    TAG4,
    U4,
    propolis,
    small_rack,
)
from tests.simrack.talk import Talk

OUTSIDE = {"switch": "switch0"}
NOBODY = UUID(int=1)


def once(*ports: UUID) -> dict[str, int]:
    return {str(name): 1 for name in ports}


LISTENERS = once(propolis(LISTENER), propolis(MOVER), propolis(MOVER, 1))
EVERYBODY = LISTENERS | once(propolis(PICKER))


def why(talk: Talk, origin: Mapping[str, object], group: str = G4, source: str = S4) -> str:
    return "\n".join(talk.packet(origin, group, source)["path"])


@pytest.fixture
def programmed(talk: Talk) -> Talk:
    program(talk)
    return talk


@pytest.mark.parametrize("switch", ["switch0", "switch1"])
def test_an_outside_packet_reaches_each_subscriber_once(programmed: Talk, switch: str) -> None:
    """From an uplink of either switch every subscribed port gets one copy."""
    assert programmed.heard({"switch": switch}) == EVERYBODY


def test_an_instance_reaches_each_subscriber_once(programmed: Talk) -> None:
    """A sender that hears nothing itself reaches all ports, those of its own sled included."""
    assert programmed.heard({"instance": SPEAKER}) == EVERYBODY


def test_nobody_hears_itself(programmed: Talk) -> None:
    """A sender is left out, and so is the other VMM of an instance that migrates."""
    assert str(propolis(LISTENER)) not in programmed.heard({"instance": LISTENER})
    assert programmed.heard({"instance": MOVER}) == once(propolis(LISTENER), propolis(PICKER))


def test_a_port_hears_only_the_sources_it_asked_for(programmed: Talk) -> None:
    """A source that a subscription does not list is dropped at that port alone."""
    assert programmed.heard(OUTSIDE, source=OTHER4) == LISTENERS
    assert f"instance {PICKER} does not hear {OTHER4}" in why(programmed, OUTSIDE, source=OTHER4)


def test_a_source_specific_entry_drops_other_sources_on_the_switch(programmed: Talk) -> None:
    """The switch's filter lets the named source in and no other."""
    assert programmed.heard(OUTSIDE, G6, S6) == once(propolis(READER))
    assert programmed.heard(OUTSIDE, G6, "fd00:99::6") == {}
    assert "does not admit fd00:99::6" in why(programmed, OUTSIDE, G6, "fd00:99::6")


def test_the_filter_of_a_switch_gates_packets_between_instances_too(programmed: Talk) -> None:
    """An encapsulated packet whose source the external entry does not admit goes no further."""
    path = f"/multicast/external-groups/{G4}?tag={TAG4}"
    ok(programmed.dpd("PUT", path, attributes(U4, OTHER4), SWITCH1))
    assert programmed.heard({"instance": SPEAKER}) == once(propolis(MOVER, 1))


def test_a_packet_between_instances_needs_the_external_entry(programmed: Talk) -> None:
    """Without the external entry the switch drops by default, even for sleds that are members."""
    ok(programmed.dpd("DELETE", f"/multicast/groups/{G4}?tag={TAG4}", slot=SWITCH1))
    assert programmed.heard({"instance": SPEAKER}) == once(propolis(MOVER, 1))
    assert f"switch1: dropped, no entry of {G4}" in why(programmed, {"instance": SPEAKER})


def test_the_ingress_port_gets_no_copy(programmed: Talk) -> None:
    """A copy that went back would make a second one on the sender's sled."""
    heard = programmed.heard({"instance": PICKER})
    assert heard[str(propolis(MOVER))] == 1


def test_a_nic_that_has_not_joined_drops(programmed: Talk) -> None:
    """Without the NIC filter a member port's copy ends at the sled's NIC."""
    ok(programmed.sled(SLEDS[0], "DELETE", "/networking/mcast-m2p", {"group": "239.9.9.9", "underlay": U4}))
    assert str(propolis(LISTENER)) not in programmed.heard(OUTSIDE)
    assert f"the NIC does not let {U4} in" in why(programmed, OUTSIDE)


def test_a_nic_filter_admits_by_ethernet_address(programmed: Talk) -> None:
    """Underlay groups that share the last four octets pass each other's filters."""
    twin = "ff04::7:e9fc:1"
    mapping = {"group": "239.9.9.9", "underlay": twin}
    ok(programmed.sled(SLEDS[0], "PUT", "/networking/mcast-m2p", mapping))
    ok(programmed.sled(SLEDS[0], "DELETE", "/networking/mcast-m2p", {"group": "239.1.1.1", "underlay": U4}))
    assert str(propolis(LISTENER)) in programmed.heard(OUTSIDE)


def test_a_port_without_a_sled_loses_the_copy(programmed: Talk) -> None:
    """A member port behind which nothing is plugged in changes nothing for the others."""
    members = {"members": [port(14), port(15), port(16), port(3)]}
    ok(programmed.dpd("PUT", f"/multicast/underlay-groups/{U4}?tag={TAG4}", members))
    assert programmed.heard(OUTSIDE) == EVERYBODY
    assert "switch0 rear3: lost, nothing is plugged in" in why(programmed, OUTSIDE)


def test_an_external_member_sends_out_of_the_rack(programmed: Talk) -> None:
    """A copy to a member of direction External is heard by nobody inside."""
    members = {"members": [port(14, "External")]}
    ok(programmed.dpd("PUT", f"/multicast/underlay-groups/{U4}?tag={TAG4}", members))
    assert programmed.heard(OUTSIDE) == {}
    assert "leaves the rack" in why(programmed, OUTSIDE)


def test_a_sender_without_a_mapping_is_dropped(programmed: Talk) -> None:
    """Without M2P a sender's packet does not even reach its own sled's subscribers."""
    ok(programmed.sled(SLEDS[2], "DELETE", "/networking/mcast-m2p", {"group": G4, "underlay": U4}))
    assert programmed.heard({"instance": SPEAKER}) == {}
    assert f"no M2P mapping of {G4}" in why(programmed, {"instance": SPEAKER})


def test_without_forwarding_only_the_own_sled_hears(programmed: Talk) -> None:
    """The packet engine serves its own ports itself and sends nothing on."""
    ok(programmed.sled(SLEDS[2], "DELETE", "/networking/mcast-fwd", {"underlay": U4}))
    assert programmed.heard({"instance": SPEAKER}) == once(propolis(MOVER, 1))


def test_two_next_hops_make_two_copies(programmed: Talk) -> None:
    """A sled that sends to both switches is heard twice, except on its own sled."""
    body = {"underlay": U4, "next_hops": [hop(SWITCH0)]}
    ok(programmed.sled(SLEDS[2], "PUT", "/networking/mcast-fwd", body))
    heard = programmed.heard({"instance": SPEAKER})
    assert heard[str(propolis(LISTENER))] == 2
    assert heard[str(propolis(MOVER, 1))] == 1


def test_an_inert_hop_gets_nothing(programmed: Talk) -> None:
    """Including nobody switches a hop off; in one call with a new hop the path moves without a gap or a copy."""
    body = {"underlay": U4, "next_hops": [hop(SWITCH0), hop(SWITCH1, "include")]}
    ok(programmed.sled(SLEDS[2], "PUT", "/networking/mcast-fwd", body))
    assert programmed.heard({"instance": SPEAKER}) == EVERYBODY
    assert "arriving at rear16" in why(programmed, {"instance": SPEAKER})
    assert "switch1:" not in why(programmed, {"instance": SPEAKER})


def test_a_hop_that_no_switch_has_loses_the_copy(programmed: Talk) -> None:
    """A next hop is a switch zone's address, and any other one leads nowhere."""
    stray = hop(SWITCH0) | {"next_hop": "fd00:1122:3344:1ff::2"}
    ok(programmed.sled(SLEDS[2], "DELETE", "/networking/mcast-fwd", {"underlay": U4}))
    body = {"underlay": U4, "next_hops": [stray]}
    ok(programmed.sled(SLEDS[2], "PUT", "/networking/mcast-fwd", body))
    assert "no switch has the address" in why(programmed, {"instance": SPEAKER})


def test_a_translation_into_an_absent_group_is_a_black_hole(programmed: Talk) -> None:
    """A PUT to an underlay group that is not there is taken, and its packets are dropped."""
    path = f"/multicast/external-groups/{G4}?tag={TAG4}"
    ok(programmed.dpd("PUT", path, attributes("ff04::dead")))
    assert programmed.heard(OUTSIDE) == {}
    assert "no replication group of ff04::dead" in why(programmed, OUTSIDE)


def test_a_recreated_underlay_group_does_not_serve_the_old_external_group(talk: Talk) -> None:
    """An external group borrows its underlay group's ids, which a second one of that address does not get back."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    other = "239.7.7.7"
    ok(talk.dpd("POST", "/multicast/external-groups", {"group_ip": other, "tag": TAG4, **attributes(U4)}))
    ok(talk.dpd("DELETE", f"/multicast/groups/{other}?tag={TAG4}"))
    ok(talk.dpd("DELETE", f"/multicast/groups/{U4}?tag={TAG4}"))
    ok(talk.dpd("POST", "/multicast/underlay-groups", {"group_ip": "ff04::7", "members": [], "tag": TAG4}))
    ok(talk.dpd("POST", "/multicast/underlay-groups", {"group_ip": U4, "members": [port(14)], "tag": TAG4}))
    assert f"no replication group of {U4}" in why(talk, OUTSIDE)


def test_a_subscription_stays_with_its_underlay_group(programmed: Talk) -> None:
    """After a mapping moves, ports joined before it still hear the old underlay group alone."""
    sled = SLEDS[0]
    ok(programmed.sled(sled, "PUT", "/networking/mcast-m2p", {"group": G4, "underlay": "ff04::9"}))
    assert str(propolis(LISTENER)) in programmed.heard(OUTSIDE)
    ok(join(programmed, 0, LISTENER, G4))
    state = programmed.state()["sleds"][str(sled)]["subscriptions"]
    assert [row["underlay"] for row in state if row["instance_id"] == str(LISTENER)] == [U4]


def test_a_leave_after_the_mapping_is_gone_leaves_the_port_hearing(programmed: Talk) -> None:
    """A later group on the same underlay group would be heard by the old instance."""
    ok(programmed.sled(SLEDS[0], "DELETE", "/networking/mcast-m2p", {"group": G4, "underlay": "ff04::1"}))
    ok(leave(programmed, 0, LISTENER, G4))
    assert str(propolis(LISTENER)) in programmed.heard(OUTSIDE)


def test_a_sled_is_heard_where_it_really_is(programmed: Talk) -> None:
    """Cables decide where copies arrive, whatever the members say."""
    ok(programmed.control("PUT", "/wiring", {str(SLEDS[0]): 3}))
    assert str(propolis(LISTENER)) not in programmed.heard(OUTSIDE)
    members = {"members": [port(3), port(15), port(16)]}
    ok(programmed.dpd("PUT", f"/multicast/underlay-groups/{U4}?tag={TAG4}", members))
    assert programmed.heard(OUTSIDE) == EVERYBODY


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"group": G4, "source": S6, "from": OUTSIDE}, 400),
        ({"group": "10.0.0.1", "source": S4, "from": OUTSIDE}, 400),
        ({"group": G4, "source": G4, "from": OUTSIDE}, 400),
        ({"group": G4, "source": S4, "from": {}}, 400),
        ({"group": G4, "source": S4, "from": OUTSIDE | {"instance": str(SPEAKER)}}, 400),
        ({"group": G4, "source": S4, "from": {"switch": "switch7"}}, 400),
        ({"group": G4, "source": S4, "from": {"instance": str(NOBODY)}}, 404),
        ({"group": G4, "from": OUTSIDE}, 400),
    ],
)
def test_a_packet_that_cannot_be_is_refused(talk: Talk, body: object, status: int) -> None:
    """Families have to match, the group is multicast, the source is not, and there is one origin."""
    assert talk.control("POST", "/packets", body).status_code == status


def test_what_is_programmed_by_hand_is_what_the_oracle_expects(programmed: Talk) -> None:
    """The walk through the programmed tables and the rows of the snapshot agree on every origin and source."""
    senders = [None, LISTENER, READER, PICKER, MOVER, SPEAKER]
    for group, source in ((G4, S4), (G4, OTHER4), (G6, S6), (G6, "fd00:99::6"), ("239.1.1.1", S4)):
        for sender in senders:
            origin: Mapping[str, object] = OUTSIDE if sender is None else {"instance": sender}
            delivered = programmed.packet(origin, group, source)["delivered"]
            heard = {(row["instance_id"], row["propolis_id"], row["sled_id"]) for row in delivered}
            wanted = expected_receivers(small_rack(), Address.parse(group), Address.parse(source), sender)
            assert heard == {tuple(map(str, receiver)) for receiver in wanted}
            assert all(row["copies"] == 1 for row in delivered)
