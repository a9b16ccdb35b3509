"""What takes time: mg-lower's mirror, and ddmd as the writer of members, on a clock that is moved by hand."""

import asyncio

import pytest
from attrs import evolve

from blueprints.addresses import Address
from blueprints.documents import snapshot_document
from blueprints.snapshot import Peer
from simrack.clock import Clock
from tests.simrack.program import join, leave, ok, port, sled_group, switch_group
from tests.simrack.rows import (
    G4,
    LISTENER,
    PICKER,
    S4,
    SLEDS,
    SWITCH0,
    SWITCH1,
    TAG4,
    U4,
    small_rack,
    switch,
)
from tests.simrack.talk import Json, Talk

MROUTE = "/static/mroute"


def route(underlay: str = U4, group: str = G4, source: str | None = None) -> Json:
    return {"key": {"V4": {"source": source, "group": group, "vni": 77}}, "underlay_group": underlay}


def put(talk: Talk, *routes: Json) -> None:
    ok(talk.mgd("PUT", MROUTE, {"routes": list(routes)}))


def originated(talk: Talk) -> list[str]:
    rows = talk.call("switch0 ddmd", "GET", "/originated_multicast_groups").json()
    return [row["underlay_group"] for row in rows]


def hold(talk: Talk) -> None:
    ok(talk.control("PUT", "/time", {"held": True}))


def sweep(talk: Talk) -> None:
    """A group with no member on either switch, mapped on every sled; the clock is held and ddmd writes members."""
    for slot in (SWITCH0, SWITCH1):
        switch_group(talk, slot, G4, U4, TAG4)
        path = f"/multicast/underlay-groups/{U4}?tag={TAG4}"
        ok(talk.dpd("PUT", path, {"members": []}, slot))
    for sled in SLEDS:
        sled_group(talk, sled, G4, U4, SWITCH1)
    hold(talk)
    ok(talk.control("PUT", "/sweep", {"running": True}))


class TestClock:
    """The clock alone."""

    def test_what_is_due_is_done_in_order_at_its_own_time(self) -> None:
        """What an action orders is done too, if it is due by then."""
        clock, done = Clock(), []

        def again() -> None:
            done.append(("again", clock.now))
            clock.at(clock.now + 2, again)

        clock.at(3, lambda: done.append(("late", clock.now)))
        clock.at(1, again)
        clock.at(1, lambda: done.append(("second", clock.now)))
        asyncio.run(clock.advance(4))
        assert done == [("again", 1), ("second", 1), ("late", 3), ("again", 3)]
        assert clock.now == 4

    @pytest.mark.parametrize("body", [{}, {"seconds": -1}, {"seconds": 1e7}, {"seconds": True}, {"seconds": "1"}, []])
    def test_it_moves_forward_alone(self, talk: Talk, body: Json) -> None:
        """By a number of seconds, and not so many that sweeps on the way never end."""
        assert talk.control("POST", "/time", body).status_code == 400


class TestMirror:
    """mg-lower, while somebody holds the clock."""

    @pytest.fixture(autouse=True)
    def held(self, talk: Talk) -> None:
        hold(talk)

    def test_a_new_route_is_passed_on_at_once_and_a_deleted_one_withdrawn(self, talk: Talk) -> None:
        """Neither waits for a full comparison."""
        put(talk, route(), route("ff04::2", "239.1.1.1"))
        assert sorted(originated(talk)) == ["ff04::2", U4]
        ok(talk.mgd("DELETE", MROUTE, {"keys": [route()["key"]]}))
        assert originated(talk) == ["ff04::2"]

    def test_the_old_origin_of_a_changed_route_stays_until_a_second_is_quiet(self, talk: Talk) -> None:
        """So for that long a group is originated under two underlay groups."""
        put(talk, route())
        talk.advance(5)
        put(talk, route("ff04::2"))
        talk.advance(0.9)
        assert sorted(originated(talk)) == ["ff04::2", U4]
        talk.advance(0.1)
        assert originated(talk) == ["ff04::2"]

    def test_changes_that_keep_coming_put_the_withdrawal_off(self, talk: Talk) -> None:
        """A trickle of changes of other groups is enough."""
        put(talk, route())
        talk.advance(5)
        put(talk, route("ff04::2"))
        for number in range(1, 20):
            talk.advance(0.9)
            put(talk, route(f"ff04::{number + 2:x}", f"239.1.1.{number}"))
        assert U4 in originated(talk)
        talk.advance(1)
        assert U4 not in originated(talk)

    def test_what_is_advertised_by_hand_is_there_for_a_second(self, talk: Talk) -> None:
        """And what is withdrawn by hand is away for one."""
        put(talk, route())
        talk.advance(5)
        mine = {"overlay_group": "239.1.1.1", "underlay_group": "ff04::1"}
        ok(talk.call("switch0 ddmd", "PUT", "/multicast_group", [mine]))
        ok(talk.call("switch0 ddmd", "DELETE", "/multicast_group", [{"overlay_group": G4, "underlay_group": U4}]))
        assert originated(talk) == ["ff04::1"]
        talk.advance(1)
        assert originated(talk) == [U4]

    def test_a_source_that_loses_its_way_is_withdrawn(self, talk: Talk) -> None:
        """The mirror is of selected routes, and routes of sources are selected by the unicast table."""
        put(talk, route(source=S4))
        assert originated(talk) == [U4]
        ok(talk.control("PUT", "/unreachable-sources", {"switch": "switch0", "sources": [S4]}))
        assert originated(talk) == []

    def test_letting_go_of_the_clock_makes_everything_done(self, talk: Talk) -> None:
        """While nobody holds it, a second has always passed."""
        put(talk, route())
        put(talk, route("ff04::2"))
        ok(talk.control("PUT", "/time", {"held": False}))
        assert originated(talk) == ["ff04::2"]


def members(talk: Talk) -> list[Json]:
    rows: list[Json] = ok(talk.dpd("GET", f"/multicast/underlay-groups/{U4}")).json()["members"]
    return rows


class TestSweep:
    """ddmd, while it is the writer of members."""

    @pytest.fixture(autouse=True)
    def swept(self, talk: Talk) -> None:
        sweep(talk)

    def test_members_follow_subscriptions_every_ten_seconds(self, talk: Talk) -> None:
        """A joined port's sled becomes a member on both switches, by the tag that is there."""
        ok(join(talk, 0, LISTENER, G4))
        talk.advance(9)
        assert members(talk) == []
        talk.advance(1)
        assert members(talk) == [port(14)]
        assert str(LISTENER) in {row["instance_id"] for row in talk.packet({"switch": "switch1"})["delivered"]}
        ok(join(talk, 1, PICKER, G4))
        ok(leave(talk, 0, LISTENER, G4))
        talk.advance(10)
        assert members(talk) == [port(15)]

    def test_switches_tell_of_the_sleds_that_they_heard(self, talk: Talk) -> None:
        """An import names the group, the peer it came from, and the sled."""
        ok(join(talk, 0, LISTENER, G4))
        (row,) = talk.call("switch0 ddmd", "GET", "/multicast_groups").json()
        assert (row["origin"]["overlay_group"], row["origin"]["underlay_group"]) == (G4, U4)
        peers = talk.call("switch0 ddmd", "GET", "/peers").json().values()
        assert [peer["host"] for peer in peers if peer["addr"] == row["nexthop"]] == [row["path"][0]["router_id"]]

    def test_a_foreign_writer_is_overruled(self, talk: Talk) -> None:
        """Members that nobody subscribed are gone with the next sweep, so two writers fight for ever."""
        ok(join(talk, 0, LISTENER, G4))
        talk.advance(30)
        for _ in range(2):
            ok(talk.dpd("PUT", f"/multicast/underlay-groups/{U4}?tag={TAG4}", {"members": [port(14), port(16)]}))
            talk.advance(10)
            assert members(talk) == [port(14)]

    def test_nothing_is_drained_in_the_first_twenty_seconds(self, talk: Talk) -> None:
        """A ddmd that has just started has not heard everybody yet."""
        ok(talk.dpd("PUT", f"/multicast/underlay-groups/{U4}?tag={TAG4}", {"members": [port(16)]}))
        talk.advance(19)
        assert members(talk) == [port(16)]
        talk.advance(1)
        assert members(talk) == []

    def test_while_a_port_is_not_known_members_are_only_added(self, talk: Talk) -> None:
        """A peer whose interface has no name holds every removal back."""
        ok(join(talk, 0, LISTENER, G4))
        ok(join(talk, 1, PICKER, G4))
        talk.advance(20)
        assert members(talk) == [port(14), port(15)]
        ok(leave(talk, 0, LISTENER, G4))
        ok(talk.control("PUT", "/snapshot", snapshot_document(nameless_peer())))
        talk.advance(10)
        assert members(talk) == [port(14), port(15)]

    def test_a_sled_that_is_no_live_peer_is_not_heard(self, talk: Talk) -> None:
        """Its subscriptions are nothing to a switch that does not exchange with it."""
        ok(join(talk, 1, PICKER, G4))
        ok(talk.control("PUT", "/snapshot", snapshot_document(nameless_peer("Init"))))
        talk.advance(20)
        assert members(talk) == []
        assert talk.call("switch0 ddmd", "GET", "/multicast_groups").json() == []
        (row,) = talk.call("switch1 ddmd", "GET", "/multicast_groups").json()
        assert row["path"][0]["router_id"] == "BRM42220001"

    def test_groups_are_never_made(self, talk: Talk) -> None:
        """What does not exist on a switch is nobody's to fill."""
        ok(talk.dpd("DELETE", f"/multicast/tags/{TAG4}"))
        ok(join(talk, 0, LISTENER, G4))
        talk.advance(60)
        assert talk.dpd("GET", "/multicast/groups").json()["items"] == []

    def test_without_a_held_clock_it_has_always_taken_place(self, talk: Talk) -> None:
        """Whoever looks finds the members of now."""
        ok(talk.control("PUT", "/time", {"held": False}))
        ok(join(talk, 0, LISTENER, G4))
        assert members(talk) == [port(14)]
        ok(leave(talk, 0, LISTENER, G4))
        assert members(talk) == []

    def test_it_can_be_stopped(self, talk: Talk) -> None:
        """From then on members are the controller's."""
        ok(talk.control("PUT", "/sweep", {"running": False}))
        ok(join(talk, 0, LISTENER, G4))
        talk.advance(60)
        assert members(talk) == []


def nameless_peer(status: str = "Exchange") -> Json:
    """The small rack as switch0 sees it when it knows no interface of sled 1."""
    rack = small_rack()
    peers = (
        Peer(if_name="tfportrear14_0", addr=Address.parse("fe80::1"), host="BRM42220000", kind=0, status="Exchange"),
        Peer(if_name=None, addr=Address.parse("fe80::2"), host="BRM42220001", kind=0, status=status),
    )
    return evolve(rack, switches={**rack.switches, SWITCH0: switch(SWITCH0, peers=peers)})
