"""sled-agent over HTTP: mappings with their NIC filters, forwarding, and what VMMs are told to hear."""

import os
from ipaddress import IPv6Address
from pathlib import Path
from uuid import UUID

import pytest

from blueprints.documents import snapshot_document
from blueprints.snapshot import Snapshot, VmmState
from simrack.daemons import daemons_of
from simrack.web.faults import Faults
from simrack.world import world_of
from tests.simrack.program import hop, join, leave, ok
from tests.simrack.rows import (
    G4,
    G6,
    LISTENER,
    MOVER,
    OTHER4,
    PICKER,
    RACK,
    S4,
    SLEDS,
    SPEAKER,
    SWITCH0,
    SWITCH1,
    U4,
    U6,
    instance,
    propolis,
    sled,
    small_rack,
    vmm,
)
from tests.simrack.talk import Json, Talk

OWN4, OWN6 = (str(IPv6Address(f"ff04::{number}") + (os.getpid() << 32)) for number in (4, 6))
"""Underlay groups of this very process: the system counts the memberships of all that run beside it."""

M2P, FORWARDING = "/networking/mcast-m2p", "/networking/mcast-fwd"
HERE = SLEDS[0]
MEMBERSHIPS = Path("/proc/net/igmp6")

needs_proc = pytest.mark.skipif(
    not MEMBERSHIPS.exists(), reason="this system does not show IPv6 memberships in /proc/net/igmp6"
)


def mapping(group: str = G4, underlay: str = U4) -> Json:
    return {"group": group, "underlay": underlay}


def m2p(talk: Talk, method: str = "GET", body: Json = None, on: UUID = HERE) -> int:
    return talk.sled(on, method, M2P, body).status_code


def listed(talk: Talk) -> list[Json]:
    rows: list[Json] = ok(talk.sled(HERE, "GET", M2P)).json()
    return rows


def state(talk: Talk, on: UUID = HERE) -> Json:
    return talk.state()["sleds"][str(on)]


def heard_under(talk: Talk, on: UUID = HERE) -> dict[str, list[str]]:
    """Underlay group to sources of what the sled's ports are subscribed to."""
    return {row["underlay"]: row["sources"] for row in state(talk, on)["subscriptions"]}


def memberships(underlay: str) -> int:
    """How many sockets of this system hold *underlay* joined on loopback."""
    digits = IPv6Address(underlay).packed.hex()
    rows = [line.split() for line in MEMBERSHIPS.read_text().splitlines()]
    return sum(int(row[3]) for row in rows if row[1] == "lo" and row[2] == digits)


class TestMappings:
    """M2P: one underlay group per external group."""

    def test_a_mapping_is_listed(self, talk: Talk) -> None:
        """PUT answers 204, again and again."""
        assert [m2p(talk, "PUT", mapping()) for _ in range(2)] == [204, 204]
        assert listed(talk) == [mapping()]

    def test_another_underlay_group_overwrites(self, talk: Talk) -> None:
        """There is no second mapping of a group, and the old NIC filter stays open."""
        m2p(talk, "PUT", mapping())
        m2p(talk, "PUT", mapping(underlay=U6))
        assert listed(talk) == [mapping(underlay=U6)]
        assert {row["underlay"] for row in state(talk)["nic_filters"]} == {U4, U6}

    def test_clearing_an_unmapped_group_releases_a_filter_alone(self, talk: Talk) -> None:
        """The filter that is named goes, and the mapping of the living group stays."""
        m2p(talk, "PUT", mapping())
        m2p(talk, "PUT", mapping(underlay=U6))
        assert m2p(talk, "DELETE", mapping(group=U4, underlay=U4)) == 204
        assert listed(talk) == [mapping(underlay=U6)]
        assert {row["underlay"] for row in state(talk)["nic_filters"]} == {U6}

    def test_clearing_goes_by_group_whatever_underlay_group_is_named(self, talk: Talk) -> None:
        """So clearing a stale pair after the right one was set destroys the right one."""
        m2p(talk, "PUT", mapping(underlay=U6))
        assert m2p(talk, "DELETE", mapping(underlay=U4)) == 204
        assert listed(talk) == []
        assert m2p(talk, "DELETE", mapping(underlay=U4)) == 204

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (mapping(underlay="ff05::1"), 500),
            (mapping(underlay="fd00::1"), 500),
            (mapping(group="10.0.0.1"), 500),
            (mapping(underlay="ff04:1::1"), 204),
            (mapping(underlay=G4), 400),
            ({"group": G4}, 400),
            ({"group": G4, "underlay": None}, 400),
        ],
    )
    def test_what_is_refused(self, talk: Talk, body: Json, status: int) -> None:
        """The packet engine takes underlay groups of ff04::/16 and answers 500 for others."""
        assert m2p(talk, "PUT", body) == status
        assert bool(listed(talk)) is (status == 204)


class TestForwarding:
    """Forwarding entries: additive by next hop."""

    def put(self, talk: Talk, *hops: Json) -> int:
        return talk.sled(HERE, "PUT", FORWARDING, {"underlay": U4, "next_hops": list(hops)}).status_code

    def listed(self, talk: Talk) -> list[Json]:
        rows: list[Json] = ok(talk.sled(HERE, "GET", FORWARDING)).json()
        return rows

    def test_hops_add_up(self, talk: Talk) -> None:
        """A second PUT with another hop leaves the first one standing."""
        assert [self.put(talk, hop(SWITCH0)), self.put(talk, hop(SWITCH1))] == [204, 204]
        assert self.listed(talk) == [{"underlay": U4, "next_hops": [hop(SWITCH0), hop(SWITCH1)]}]

    def test_the_same_hop_is_replaced(self, talk: Talk) -> None:
        """A hop is known by its address."""
        self.put(talk, hop(SWITCH0), hop(SWITCH1))
        self.put(talk, hop(SWITCH1, "include", S4) | {"replication": "both"})
        changed = hop(SWITCH1, "include", S4) | {"replication": "both"}
        assert self.listed(talk) == [{"underlay": U4, "next_hops": [hop(SWITCH0), changed]}]

    def test_delete_takes_the_whole_entry(self, talk: Talk) -> None:
        """There is no deleting of one hop; an entry that is not there is no mistake."""
        self.put(talk, hop(SWITCH0), hop(SWITCH1))
        for _ in range(2):
            assert talk.sled(HERE, "DELETE", FORWARDING, {"underlay": U4}).status_code == 204
        assert self.listed(talk) == []

    def test_an_entry_may_have_no_hops(self, talk: Talk) -> None:
        """An empty list makes an empty entry."""
        assert self.put(talk) == 204
        assert self.listed(talk) == [{"underlay": U4, "next_hops": []}]

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"next_hop": "ff04::1"}, 500),
            ({"next_hop": "::"}, 500),
            ({"next_hop": "10.0.0.1"}, 400),
            ({"replication": "reserved"}, 400),
            ({"filter": {"mode": "exclude"}}, 400),
            ({"filter": {"mode": "none", "sources": []}}, 400),
            ({"filter": None}, 400),
            ({"filter": {"mode": "include", "sources": [G4]}}, 500),
            ({"filter": {"mode": "exclude", "sources": ["127.0.0.1"]}}, 500),
        ],
    )
    def test_what_is_refused(self, talk: Talk, change: Json, status: int) -> None:
        """A next hop is one host's IPv6 address, so is every source of a filter, and every word has to be known."""
        assert self.put(talk, hop(SWITCH0) | change) == status
        assert self.listed(talk) == []


class TestSubscriptions:
    """Joins and leaves of VMMs."""

    def test_a_join_needs_a_mapping(self, talk: Talk) -> None:
        """Without M2P the packet engine refuses, and the failed join is not remembered."""
        assert join(talk, 0, LISTENER, G4).status_code == 500
        m2p(talk, "PUT", mapping())
        assert join(talk, 0, LISTENER, G4).status_code == 204
        assert heard_under(talk) == {U4: []}

    def test_a_group_inside_ff04_needs_none(self, talk: Talk) -> None:
        """An address of ff04::/16 is its own underlay group."""
        assert join(talk, 0, LISTENER, "ff04::77").status_code == 204
        assert heard_under(talk) == {"ff04::77": []}

    def test_other_sources_replace(self, talk: Talk) -> None:
        """The list is exact, not added to."""
        m2p(talk, "PUT", mapping())
        for sources in ([S4], [OTHER4], [OTHER4, S4], []):
            assert join(talk, 0, LISTENER, G4, *sources).status_code == 204
            assert heard_under(talk) == {U4: sorted(sources)}

    def test_an_identical_repeat_does_not_reach_the_packet_engine(self, talk: Talk) -> None:
        """After the mapping moved, asking again for the same repairs nothing; other sources do."""
        m2p(talk, "PUT", mapping())
        join(talk, 0, LISTENER, G4)
        m2p(talk, "PUT", mapping(underlay=U6))
        assert join(talk, 0, LISTENER, G4).status_code == 204
        assert heard_under(talk) == {U4: []}
        join(talk, 0, LISTENER, G4, S4)
        assert heard_under(talk) == {U4: [], U6: [S4]}

    def test_an_identical_repeat_succeeds_without_a_mapping(self, talk: Talk) -> None:
        """What is remembered is not checked against the packet engine."""
        m2p(talk, "PUT", mapping())
        join(talk, 0, LISTENER, G4)
        m2p(talk, "DELETE", mapping())
        assert join(talk, 0, LISTENER, G4).status_code == 204
        assert join(talk, 0, LISTENER, G4, S4).status_code == 500

    def test_a_leave_goes_through_the_mapping_of_now(self, talk: Talk) -> None:
        """Before the mapping goes it removes, afterwards it silently does nothing."""
        m2p(talk, "PUT", mapping())
        join(talk, 0, LISTENER, G4)
        assert leave(talk, 0, LISTENER, G4).status_code == 204
        assert heard_under(talk) == {}
        join(talk, 0, LISTENER, G4)
        m2p(talk, "DELETE", mapping())
        assert leave(talk, 0, LISTENER, G4).status_code == 204
        assert heard_under(talk) == {U4: []}

    def test_a_leave_and_a_join_move_a_subscription(self, talk: Talk) -> None:
        """Leave, map, join is the way to another underlay group."""
        m2p(talk, "PUT", mapping())
        join(talk, 0, LISTENER, G4)
        leave(talk, 0, LISTENER, G4)
        m2p(talk, "PUT", mapping(underlay=U6))
        join(talk, 0, LISTENER, G4)
        assert heard_under(talk) == {U6: []}

    def test_an_unknown_vmm_cannot_join_and_has_left(self, talk: Talk) -> None:
        """A join is 404, a leave 204: so too for a VMM of another sled."""
        m2p(talk, "PUT", mapping())
        assert join(talk, 0, PICKER, G4).status_code == 404
        assert leave(talk, 0, PICKER, G4).status_code == 204
        stranger = f"/vmms/{UUID(int=1)}/multicast-group"
        assert talk.sled(HERE, "PUT", stranger, {"group_ip": G4, "sources": []}).status_code == 404

    @pytest.mark.parametrize("status", [204, 404, 410, 500])
    def test_sled_agents_differ_about_unknown_vmms(self, talk: Talk, status: int) -> None:
        """Newer and older ones and simulated ones answer joins and leaves alike, each in its own way."""
        talk.fault(f"sled {HERE}", "unknown_vmm", status=status, times=None)
        m2p(talk, "PUT", mapping())
        for call in (join, leave):
            answer = call(talk, 0, PICKER, G4)
            assert answer.status_code == status
            if status in (404, 410):
                assert answer.json()["error_code"] == "NO_SUCH_INSTANCE"
        assert heard_under(talk) == {}
        assert join(talk, 0, LISTENER, G4).status_code == 204

    @pytest.mark.parametrize(("method", "word"), [("PUT", "join"), ("DELETE", "leave")])
    def test_older_versions_say_in_the_body_what_it_is_for(self, talk: Talk, method: str, word: str) -> None:
        """Before version 49 the body had one field named for the call, and another one was refused."""
        path = f"/vmms/{propolis(LISTENER)}/multicast-group"
        body = {"group_ip": "ff04::77", "sources": []}

        def status(version: str, sent: Json) -> int:
            return talk.call(f"sled {HERE}", method, path, sent, version=version).status_code

        assert [status(version, {word: body}) for version in ("48.0.0", "7.0.0")] == [204, 204]
        assert [status("48.0.0", sent) for sent in (body, {"other": body}, {word: body, "x": 1})] == [400] * 3
        assert (status("6.0.0", {word: body}), status("49.0.0", {word: body})) == (404, 400)

    def test_the_state_of_a_vmm_can_be_read(self, talk: Talk) -> None:
        """A VMM that is here tells its state, any other is 404."""
        told = talk.sled(HERE, "GET", f"/vmms/{propolis(LISTENER)}/state")
        assert (told.status_code, told.json()["vmm_state"]["state"]) == (200, "running")
        unknown = talk.sled(HERE, "GET", f"/vmms/{propolis(PICKER)}/state")
        assert (unknown.status_code, unknown.json()["error_code"]) == (404, "NO_SUCH_INSTANCE")

    @pytest.mark.parametrize("body", [{"group_ip": G4}, {"sources": []}, {"join": {"group_ip": G4, "sources": []}}])
    def test_both_fields_are_required(self, talk: Talk, body: Json) -> None:
        """The tagged body of older versions is none."""
        path = f"/vmms/{propolis(LISTENER)}/multicast-group"
        assert talk.sled(HERE, "PUT", path, body).status_code == 400
        assert talk.sled(HERE, "DELETE", path, body).status_code == 400

    def test_a_bad_id_is_refused(self, talk: Talk) -> None:
        """The path wants a UUID."""
        body = {"group_ip": G4, "sources": []}
        assert talk.sled(HERE, "PUT", "/vmms/x/multicast-group", body).status_code == 400


class TestInstances:
    """The form keyed by instance: sled-agent finds the VMM."""

    def call(self, talk: Talk, method: str, number: int, name: UUID, *sources: str) -> int:
        path = f"/instances/{name}/multicast-group"
        body = {"group_ip": G4, "sources": list(sources)}
        return talk.sled(SLEDS[number], method, path, body).status_code

    def ports(self, talk: Talk, number: int) -> list[str]:
        return [row["propolis_id"] for row in state(talk, SLEDS[number])["subscriptions"]]

    def test_it_reaches_the_active_vmm(self, talk: Talk) -> None:
        """Both forms speak of one subscription."""
        m2p(talk, "PUT", mapping())
        assert self.call(talk, "PUT", 0, LISTENER, S4) == 204
        assert self.ports(talk, 0) == [str(propolis(LISTENER))]
        assert leave(talk, 0, LISTENER, G4).status_code == 204
        assert self.ports(talk, 0) == []

    def test_on_the_target_sled_of_a_migration_it_reaches_the_vmm_there(self, talk: Talk) -> None:
        """Each sled applies it to the VMM that it has."""
        for number in (1, 2):
            m2p(talk, "PUT", mapping(), SLEDS[number])
            assert self.call(talk, "PUT", number, MOVER) == 204
        assert self.ports(talk, 1) == [str(propolis(MOVER))]
        assert self.ports(talk, 2) == [str(propolis(MOVER, 1))]
        assert self.call(talk, "DELETE", 2, MOVER) == 204
        assert (len(self.ports(talk, 1)), self.ports(talk, 2)) == (1, [])

    def test_after_a_migration_committed_the_old_sled_has_no_vmm(self, talk: Talk) -> None:
        """A subscription cannot land on a VMM that is gone, and its port took the old one along."""
        for number in (1, 2):
            m2p(talk, "PUT", mapping(), SLEDS[number])
            self.call(talk, "PUT", number, MOVER)
        rows = [row for row in small_rack().instances if row.id != MOVER]
        moved = instance(MOVER, 2, active_vmm=small_rack().instances[3].target_vmm)
        ok(talk.control("PUT", "/snapshot", snapshot_document(small_rack(instances=(*rows, moved)))))
        assert self.ports(talk, 1) == []
        assert self.ports(talk, 2) == [str(propolis(MOVER, 1))]
        assert self.call(talk, "PUT", 1, MOVER) == 404
        assert self.call(talk, "DELETE", 1, MOVER) == 204
        assert self.call(talk, "PUT", 2, MOVER, S4) == 204

    @pytest.mark.parametrize("vmm_state", [VmmState.CREATING, VmmState.SAGA_UNWOUND, VmmState.DESTROYED])
    def test_a_vmm_without_a_process_is_not_there(self, talk: Talk, vmm_state: VmmState) -> None:
        """Rows may point to a VMM that is not yet, never was or no longer is on its sled."""
        rows = [row for row in small_rack().instances if row.id != LISTENER]
        unborn = instance(LISTENER, 0, active_vmm=vmm(LISTENER, 0, vmm_state))
        ok(talk.control("PUT", "/snapshot", snapshot_document(small_rack(instances=(*rows, unborn)))))
        m2p(talk, "PUT", mapping())
        assert self.call(talk, "PUT", 0, LISTENER) == 404
        assert join(talk, 0, LISTENER, G4).status_code == 404

    def test_of_two_vmms_on_one_sled_it_is_the_active_one(self, talk: Talk) -> None:
        """A migration may stay on its sled."""
        rows = [row for row in small_rack().instances if row.id != LISTENER]
        staying = instance(LISTENER, 0, 0)
        ok(talk.control("PUT", "/snapshot", snapshot_document(small_rack(instances=(*rows, staying)))))
        m2p(talk, "PUT", mapping())
        assert self.call(talk, "PUT", 0, LISTENER) == 204
        assert self.ports(talk, 0) == [str(propolis(LISTENER))]

    def test_an_instance_that_is_elsewhere(self, talk: Talk) -> None:
        """A join is 404, a leave 204."""
        m2p(talk, "PUT", mapping())
        assert self.call(talk, "PUT", 0, SPEAKER) == 404
        assert self.call(talk, "DELETE", 0, SPEAKER) == 204


@needs_proc
class TestNicFilters:
    """One UDP socket per underlay group and NIC, as long as the mapping lives."""

    def test_a_mapping_opens_its_sockets_and_clearing_closes_them(self, talk: Talk) -> None:
        """Both NICs of the sled join for real."""
        m2p(talk, "PUT", mapping(underlay=OWN4))
        assert memberships(OWN4) == 2
        assert state(talk)["nic_filters"] == [
            {"nic": nic, "underlay": OWN4, "mac": "33:33:00:00:00:04"} for nic in ("cxgbe0", "cxgbe1")
        ]
        m2p(talk, "PUT", mapping(underlay=OWN4))
        assert memberships(OWN4) == 2
        m2p(talk, "DELETE", mapping(underlay=OWN4))
        assert memberships(OWN4) == 0
        assert talk.state()["nic_filters"] == "sockets"

    def test_every_sled_has_its_own(self, talk: Talk) -> None:
        """Three sleds with two NICs hold six memberships."""
        for on in SLEDS:
            m2p(talk, "PUT", mapping(underlay=OWN4), on)
        assert memberships(OWN4) == 6

    @pytest.mark.parametrize("nic", [None, "cxgbe0", "cxgbe1"])
    def test_all_nics_or_none(self, talk: Talk, nic: str | None) -> None:
        """Whichever NIC fails, nothing stays joined, the mapping is cleared and the answer is 500."""
        talk.fault(f"sled {HERE}", "nic_join", nic=nic)
        assert m2p(talk, "PUT", mapping(underlay=OWN4)) == 500
        assert memberships(OWN4) == 0
        assert mapping(underlay=OWN4) not in listed(talk)
        assert m2p(talk, "PUT", mapping(underlay=OWN4)) == 204
        assert memberships(OWN4) == 2

    def test_a_failed_address_change_loses_the_old_mapping(self, talk: Talk) -> None:
        """The roll-back clears the group, not the change."""
        m2p(talk, "PUT", mapping(underlay=OWN4))
        talk.fault(f"sled {HERE}", "nic_join")
        assert m2p(talk, "PUT", mapping(underlay=OWN6)) == 500
        assert listed(talk) == []
        assert (memberships(OWN4), memberships(OWN6)) == (2, 0)

    def test_where_even_the_roll_back_fails_a_mapping_is_listed_without_its_filter(self, talk: Talk) -> None:
        """Listed does not prove joined; putting it again joins."""
        talk.fault(f"sled {HERE}", "nic_join")
        talk.fault(f"sled {HERE}", "m2p_clear")
        assert m2p(talk, "PUT", mapping(underlay=OWN4)) == 500
        assert (listed(talk), memberships(OWN4)) == ([mapping(underlay=OWN4)], 0)
        assert m2p(talk, "PUT", mapping(underlay=OWN4)) == 204
        assert memberships(OWN4) == 2

    def test_groups_on_one_underlay_group_share_and_lose_it(self, talk: Talk) -> None:
        """Clearing one of two mappings closes the filter of both."""
        m2p(talk, "PUT", mapping(underlay=OWN4))
        m2p(talk, "PUT", mapping(G6, OWN4))
        assert memberships(OWN4) == 2
        m2p(talk, "DELETE", mapping(G6, OWN4))
        assert (listed(talk), memberships(OWN4)) == ([mapping(underlay=OWN4)], 0)

    def test_a_sled_with_one_nic_joins_once(self, talk: Talk) -> None:
        """One NIC, one membership."""
        ok(talk.control("PUT", "/snapshot", snapshot_document(one_nic())))
        m2p(talk, "PUT", mapping(underlay=OWN4))
        assert memberships(OWN4) == 1

    def test_a_restart_opens_them_again(self, talk: Talk) -> None:
        """Mappings, forwarding and subscriptions are kernel state; sockets are made anew from the mappings."""
        m2p(talk, "PUT", mapping(underlay=OWN4))
        talk.sled(HERE, "PUT", FORWARDING, {"underlay": OWN4, "next_hops": [hop(SWITCH0)]})
        join(talk, 0, LISTENER, G4)
        before = state(talk)
        talk.restart(f"sled {HERE}", keep_state=True)
        assert state(talk) == before
        assert memberships(OWN4) == 2

    def test_a_mapping_whose_filter_cannot_be_opened_again_is_cleared(self, talk: Talk) -> None:
        """So that the next pass finds it missing, instead of a group that nobody hears."""
        m2p(talk, "PUT", mapping(underlay=OWN4))
        m2p(talk, "PUT", mapping(G6, OWN6))
        talk.fault(f"sled {HERE}", "nic_join")
        talk.restart(f"sled {HERE}", keep_state=True)
        assert listed(talk) == [mapping(G6, OWN6)]
        assert (memberships(OWN4), memberships(OWN6)) == (0, 2)

    def test_a_mapping_that_cannot_be_cleared_either_lingers_unjoined(self, talk: Talk) -> None:
        """The list then lies until the mapping is put again."""
        m2p(talk, "PUT", mapping(underlay=OWN4))
        talk.fault(f"sled {HERE}", "nic_join")
        talk.fault(f"sled {HERE}", "m2p_clear")
        talk.restart(f"sled {HERE}", keep_state=True)
        assert (listed(talk), memberships(OWN4)) == ([mapping(underlay=OWN4)], 0)

    def test_a_reboot_loses_everything(self, talk: Talk) -> None:
        """Kernel state does not outlive the sled."""
        m2p(talk, "PUT", mapping(underlay=OWN4))
        join(talk, 0, LISTENER, G4)
        talk.restart(f"sled {HERE}", keep_state=False)
        told = state(talk)
        assert [told[table] for table in ("m2p", "forwarding", "subscriptions", "nic_filters")] == [[]] * 4
        assert memberships(OWN4) == 0


def one_nic() -> Snapshot:
    alone = sled(0, underlay_nics=("cxgbe0",))
    return small_rack(sleds=(alone, sled(1), sled(2)))


def test_a_restart_forgets_what_vmms_were_told(talk: Talk) -> None:
    """The memory of joins is the process's: after it an identical join reaches the packet engine again."""
    m2p(talk, "PUT", mapping())
    join(talk, 0, LISTENER, G4)
    m2p(talk, "PUT", mapping(underlay=U6))
    talk.restart(f"sled {HERE}", keep_state=True)
    join(talk, 0, LISTENER, G4)
    assert heard_under(talk) == {U4: [], U6: []}


def test_a_restart_may_take_the_ports_along(talk: Talk) -> None:
    """Mappings, forwarding and filters are there afterwards; VMMs are dead until a snapshot has them again."""
    m2p(talk, "PUT", mapping())
    talk.sled(HERE, "PUT", FORWARDING, {"underlay": U4, "next_hops": [hop(SWITCH0)]})
    join(talk, 0, LISTENER, G4)
    before = state(talk)
    talk.fault(f"sled {HERE}", "ports_die")
    talk.restart(f"sled {HERE}", keep_state=True)
    assert state(talk) == before | {"subscriptions": [], "vmms": []}
    assert join(talk, 0, LISTENER, G4).status_code == 404
    ok(talk.control("PUT", "/snapshot", snapshot_document(small_rack())))
    assert join(talk, 0, LISTENER, G4).status_code == 204


def test_subscriptions_and_filters_cannot_be_read(talk: Talk) -> None:
    """Of what is written to sleds, only mappings and forwarding are told by anybody but the control interface."""
    m2p(talk, "PUT", mapping())
    join(talk, 0, LISTENER, G4)
    served = daemons_of(world_of(small_rack(), Faults()))[f"sled {HERE}"].router.patterns()
    read = {pattern for method, pattern in served if method == "GET"}
    assert read == {M2P, FORWARDING, "/vmms/{propolis_id}/state", "/sled-identifiers", "/inventory"}
    assert talk.sled(HERE, "GET", f"/vmms/{propolis(LISTENER)}/multicast-group").status_code == 405


def test_what_sleds_say_about_themselves(talk: Talk) -> None:
    """Identifiers and inventory carry the row's serial, part and address."""
    told = talk.sled(HERE, "GET", "/sled-identifiers").json()
    assert (told["sled_id"], told["serial"], told["rack_id"]) == (str(HERE), "BRM42220000", str(RACK))
    inventory = talk.sled(HERE, "GET", "/inventory").json()
    assert inventory["baseboard_id"] == {"part_number": "913-0000019", "serial_number": "BRM42220000"}
    assert inventory["sled_agent_address"] == "[fd00:1122:3344:101::1]:12345"
