"""Life in a rack: what events do to rows, and what daemons and packets make of it."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from uuid import UUID

import httpx
import pytest

from blueprints.errors import FieldError
from blueprints.snapshot import Instance, InstanceState, Member, MemberState, SledPolicy, VmmState
from simrack.life.events import EVENTS, Event
from simrack.life.state import Life
from tests.simrack.program import join, ok, program
from tests.simrack.rows import (
    G4,
    GROUP4,
    GROUP6,
    LISTENER,
    MOVER,
    PICKER,
    READER,
    SLEDS,
    SPEAKER,
    propolis,
    sled,
    small_rack,
    uid,
)
from tests.simrack.talk import Json, Talk

SERIALS = tuple(sled(number).serial for number in range(3))


def after(*events: tuple[str, Mapping[str, object]]) -> Life:
    """Return what becomes of the small rack."""
    life = Life(snapshot=small_rack())
    for kind, fields in events:
        life = Event(kind=kind, fields=fields).change(life)
    return life


def instance_in(life: Life, name: UUID) -> Instance:
    return next(row for row in life.snapshot.instances if row.id == name)


def members_in(life: Life, name: UUID) -> list[Member]:
    return [row for row in life.snapshot.members if row.instance_id == name]


class TestRows:
    """What becomes of rows, event by event."""

    def test_an_instance_stops_and_starts_elsewhere(self) -> None:
        """It has no VMM and its members have left; then a new VMM, and members that left stay so until they join."""
        stopped = after(("stop", {"instance": LISTENER}))
        assert instance_in(stopped, LISTENER).state is InstanceState.NO_VMM
        assert instance_in(stopped, LISTENER).active_vmm is None
        assert [(row.state, row.sled_id) for row in members_in(stopped, LISTENER)] == [(MemberState.LEFT, None)]
        again = Event(kind="start", fields={"instance": LISTENER, "sled": SERIALS[2]}).change(stopped)
        vmm = instance_in(again, LISTENER).active_vmm
        assert vmm is not None
        assert (vmm.sled_id, vmm.state) == (SLEDS[2], VmmState.RUNNING)
        assert vmm.id != propolis(LISTENER)
        assert [row.state for row in members_in(again, LISTENER)] == [MemberState.LEFT]

    def test_members_that_did_not_leave_follow_their_instance(self) -> None:
        """To the sled that it starts on, and to that of a migration which is committed, not of one that is begun."""
        joined: tuple[tuple[str, Mapping[str, object]], ...] = (
            ("stop", {"instance": PICKER}),
            ("join", {"instance": PICKER, "group": G4}),
        )
        started = after(*joined, ("start", {"instance": PICKER, "sled": str(SLEDS[0])}))
        assert [row.sled_id for row in members_in(started, PICKER)] == [SLEDS[0]]
        begun = Event(kind="migrate", fields={"instance": PICKER, "to": SERIALS[2]}).change(started)
        assert [row.sled_id for row in members_in(begun, PICKER)] == [SLEDS[0]]
        done = Event(kind="commit", fields={"instance": PICKER}).change(begun)
        assert [row.sled_id for row in members_in(done, PICKER)] == [SLEDS[2]]

    @pytest.mark.parametrize(("end", "sled_id"), [("commit", SLEDS[2]), ("abort", SLEDS[1])])
    def test_a_migration_ends_with_one_vmm(self, end: str, sled_id: UUID) -> None:
        """The second one where it is committed, the first one where it is aborted."""
        life = after(("migrate", {"instance": PICKER, "to": SERIALS[2]}))
        begun = instance_in(life, PICKER)
        assert (begun.migration_id is None, begun.target_vmm is None, begun.active_vmm is None) == (False,) * 3
        vmms = {vmm.sled_id: vmm.id for vmm in (begun.active_vmm, begun.target_vmm) if vmm is not None}
        ended = instance_in(Event(kind=end, fields={"instance": PICKER}).change(life), PICKER)
        assert (ended.migration_id, ended.target_vmm) == (None, None)
        assert ended.active_vmm is not None
        assert (ended.active_vmm.sled_id, ended.active_vmm.state) == (sled_id, VmmState.RUNNING)
        assert ended.active_vmm.id == vmms[sled_id]

    def test_an_instance_that_is_stopping_has_its_vmm_still(self) -> None:
        """And one that crashes has none, and has failed."""
        vmm = instance_in(after(("stopping", {"instance": LISTENER})), LISTENER).active_vmm
        assert vmm is not None
        assert vmm.state is VmmState.STOPPING
        crashed = instance_in(after(("crash", {"instance": LISTENER})), LISTENER)
        assert (crashed.state, crashed.active_vmm) == (InstanceState.FAILED, None)

    def test_members_join_and_leave(self) -> None:
        """A new row, one that changes its sources, a tombstone that keeps its sled, and a new row after that."""
        by_name = {"instance": SPEAKER, "group": "group-4", "sources": ()}
        life = after(("join", by_name))
        (row,) = members_in(life, SPEAKER)
        assert (row.state, row.sled_id, row.group_id) == (MemberState.JOINING, SLEDS[2], GROUP4)
        source = small_rack().members[1].source_ips
        other = Event(kind="join", fields={**by_name, "group": G4, "sources": source}).change(life)
        assert [(same.id, same.source_ips) for same in members_in(other, SPEAKER)] == [(row.id, source)]
        left = Event(kind="leave", fields={"instance": SPEAKER, "group": str(GROUP4)}).change(other)
        (tombstone,) = members_in(left, SPEAKER)
        assert (tombstone.state, tombstone.time_deleted is None) == (MemberState.LEFT, False)
        assert tombstone.sled_id == SLEDS[2]
        again = Event(kind="join", fields=by_name).change(left)
        assert len(members_in(again, SPEAKER)) == 2

    def test_a_sled_without_power_has_lost_its_vmms_when_it_returns(self) -> None:
        """Not before, and not where only its network was away; a migration to it is aborted."""
        down = after(("fail", {"machine": SERIALS[2]}))
        assert (down.snapshot, list(down.down)) == (small_rack(), [f"sled {SLEDS[2]}"])
        kept = Event(kind="return", fields={"machine": SERIALS[2], "rebooted": False}).change(down)
        assert (kept.snapshot, dict(kept.down)) == (small_rack(), {})
        back = Event(kind="return", fields={"machine": SERIALS[2]}).change(down)
        assert instance_in(back, SPEAKER).state is InstanceState.FAILED
        mover = instance_in(back, MOVER)
        assert (mover.state, mover.target_vmm, mover.migration_id) == (InstanceState.VMM, None, None)
        assert instance_in(back, LISTENER) == instance_in(Life(snapshot=small_rack()), LISTENER)

    def test_an_expunged_sled_is_out_of_service_with_all_its_instances(self) -> None:
        """A migration from it has failed too."""
        life = after(("expunge", {"sled": SERIALS[1]}))
        assert next(row.policy for row in life.snapshot.sleds if row.id == SLEDS[1]) is SledPolicy.EXPUNGED
        assert {instance_in(life, name).state for name in (PICKER, MOVER)} == {InstanceState.FAILED}
        assert all(row.state is MemberState.LEFT for row in members_in(life, PICKER))

    def test_ids_that_events_make_are_the_same_in_every_run(self) -> None:
        """And differ from event to event."""
        start: tuple[str, Mapping[str, object]] = ("start", {"instance": LISTENER, "sled": SERIALS[0]})
        story = [("stop", {"instance": LISTENER}), start] * 2
        first, second = after(*story), after(*story)
        assert first == second
        once = instance_in(after(*story[:2]), LISTENER).active_vmm
        twice = instance_in(first, LISTENER).active_vmm
        assert once is not None
        assert twice is not None
        assert once.id != twice.id

    @pytest.mark.parametrize(
        ("kind", "fields", "field"),
        [
            ("start", {"instance": LISTENER, "sled": SERIALS[0]}, "instance"),
            ("start", {"instance": uid(5, 99), "sled": SERIALS[0]}, "instance"),
            ("migrate", {"instance": LISTENER, "to": "nowhere"}, "to"),
            ("migrate", {"instance": LISTENER, "to": SERIALS[0]}, "to"),
            ("migrate", {"instance": MOVER, "to": SERIALS[0]}, "instance"),
            ("stop", {"instance": MOVER}, "instance"),
            ("commit", {"instance": LISTENER}, "instance"),
            ("abort", {"instance": LISTENER}, "instance"),
            ("join", {"instance": LISTENER, "group": "group-9"}, "group"),
            ("leave", {"instance": SPEAKER, "group": "group-4"}, "group"),
            ("fail", {"machine": "switch7"}, "machine"),
            ("return", {"machine": "switch0"}, "machine"),
            ("expunge", {"sled": "nowhere"}, "sled"),
            ("plug", {"sled": "nowhere", "cubby": 3}, "sled"),
            ("restart", {"target": "switch0", "keep_state": True}, "target"),
            ("restart", {"target": "switch0 nginx", "keep_state": True}, "target"),
        ],
    )
    def test_what_cannot_be_is_refused_by_its_field(self, kind: str, fields: dict[str, object], field: str) -> None:
        """Nothing else is said."""
        with pytest.raises(FieldError) as error:
            after((kind, fields))
        assert error.value.field == field

    @pytest.mark.parametrize(
        ("before", "kind", "fields", "field"),
        [
            (("fail", {"machine": "switch0"}), "fail", {"machine": "switch0"}, "machine"),
            (("fail", {"machine": SERIALS[2]}), "migrate", {"instance": LISTENER, "to": SERIALS[2]}, "to"),
            (("expunge", {"sled": SERIALS[2]}), "migrate", {"instance": LISTENER, "to": SERIALS[2]}, "to"),
            (("stop", {"instance": LISTENER}), "stop", {"instance": LISTENER}, "instance"),
        ],
    )
    def test_what_can_no_longer_be_is_refused(
        self, before: tuple[str, Mapping[str, object]], kind: str, fields: dict[str, object], field: str
    ) -> None:
        """By its field, after another event."""
        with pytest.raises(FieldError) as error:
            after(before, (kind, fields))
        assert error.value.field == field

    def test_sources_are_of_the_groups_family(self) -> None:
        """A join with others is refused."""
        sources = small_rack().members[1].source_ips
        with pytest.raises(FieldError) as error:
            after(("join", {"instance": SPEAKER, "group": str(GROUP6), "sources": sources}))
        assert error.value.field == "sources"


class TestRack:
    """Events of a rack that runs."""

    @pytest.fixture(autouse=True)
    def up_again(self, talk: Talk) -> Iterator[None]:
        """Every machine is up when the test is over."""
        talk.moved_on = True
        ok(talk.control("DELETE", "/events"))
        yield
        for machine in ("switch0", "switch0 dpd", *SERIALS):
            play(talk, "return", machine=machine)
        ok(talk.control("DELETE", "/events"))

    def test_a_migration_is_seen_by_sleds_and_packets(self, talk: Talk) -> None:
        """Both VMMs are there while it lasts, and the first is gone when it is committed."""
        program(talk)
        ok(play(talk, "migrate", instance=str(PICKER), to=SERIALS[0]))
        vmms = talk.state()["sleds"][str(SLEDS[0])]["vmms"]
        (target,) = (row["propolis_id"] for row in vmms if row["instance_id"] == str(PICKER))
        assert str(propolis(PICKER)) in talk.heard({"switch": "switch0"})
        ok(play(talk, "commit", instance=str(PICKER)))
        assert str(propolis(PICKER)) not in talk.heard({"switch": "switch0"})
        path = f"/instances/{PICKER}/multicast-group"
        ok(talk.sled(SLEDS[0], "PUT", path, {"group_ip": G4, "sources": []}))
        assert talk.heard({"switch": "switch0"})[target] == 1

    def test_an_instance_that_stops_is_no_longer_heard(self, talk: Talk) -> None:
        """And one that starts can join."""
        program(talk)
        ok(play(talk, "stop", instance=str(LISTENER)))
        assert str(propolis(LISTENER)) not in talk.heard({"switch": "switch0"})
        ok(play(talk, "start", instance=str(LISTENER), sled=SERIALS[1]))
        path = f"/instances/{LISTENER}/multicast-group"
        ok(talk.sled(SLEDS[1], "PUT", path, {"group_ip": G4, "sources": []}))
        assert len(talk.heard({"switch": "switch0"})) == 4

    def test_a_silent_machine_answers_nothing_and_passes_no_packet(self, talk: Talk) -> None:
        """All daemons of a switch keep silent; packets through it are lost, those through the other one are not."""
        program(talk)
        ok(play(talk, "fail", machine="switch0"))
        assert talk.state()["down"] == {"switch0": "silent"}
        for daemon in ("dpd", "mgd", "ddmd", "mgs"):
            with pytest.raises(httpx.ReadTimeout):
                talk.client.get(talk.rack.url(f"switch0 {daemon}") + "/peers", timeout=0.1)
        assert talk.packet({"switch": "switch0"})["path"][-1] == "switch0: lost, the switch is down"
        assert len(talk.heard({"switch": "switch1"})) == 4
        ok(play(talk, "return", machine="switch0", rebooted=False))
        assert len(talk.heard({"switch": "switch0"})) == 4

    def test_a_switch_that_lost_power_keeps_only_mgds_store(self, talk: Talk) -> None:
        """Its tables are empty, its routes are not."""
        program(talk)
        mroute = {"routes": [{"key": {"V4": {"group": G4}}, "underlay_group": "ff04::e9fc:1"}]}
        ok(talk.mgd("PUT", "/static/mroute", mroute))
        ok(play(talk, "fail", machine="switch0"))
        ok(play(talk, "return", machine="switch0"))
        told = talk.state()["switches"]["switch0"]
        assert (told["underlay_groups"], len(told["mrib_routes"])) == ([], 1)

    def test_a_machine_that_refuses_is_not_connected_to(self, talk: Talk) -> None:
        """Neither by a new connection nor over one that was open; afterwards it is there at the same port."""
        target = "switch0 dpd"
        talk.dpd("GET", "/dpd-version")
        _, _, number = talk.rack.url(target).rpartition(":")
        ok(play(talk, "fail", machine=target, how="refused"))
        with pytest.raises(httpx.TransportError):
            talk.dpd("GET", "/dpd-version")
        with pytest.raises(httpx.ConnectError):
            talk.dpd("GET", "/dpd-version")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("::1", int(number)), timeout=1)
        assert talk.mgd("GET", "/static/mroute").status_code == 200
        ok(play(talk, "return", machine=target))
        with closing(socket.create_connection(("::1", int(number)), timeout=1)):
            assert talk.dpd("GET", "/dpd-version").status_code == 200

    def test_a_sled_that_is_down_hears_nothing_and_expires(self, talk: Talk) -> None:
        """Packets to and from it are lost, and no switch exchanges with it; after a reboot its VMMs are gone."""
        program(talk)
        ok(play(talk, "fail", machine=SERIALS[2]))
        assert str(propolis(MOVER, 1)) not in talk.heard({"switch": "switch0"})
        assert talk.packet({"instance": SPEAKER})["delivered"] == []
        peers = talk.call("switch1 ddmd", "GET", "/peers").json().values()
        assert {row["host"]: row["status"]["type"] for row in peers} == {
            SERIALS[0]: "Exchange",
            SERIALS[1]: "Exchange",
            SERIALS[2]: "Expired",
        }
        ok(play(talk, "return", machine=f"sled {SLEDS[2]}"))
        told = talk.state()["sleds"][str(SLEDS[2])]
        assert (told["vmms"], told["m2p"]) == ([], [])
        assert join(talk, 2, SPEAKER, G4).status_code == 404

    def test_cables_and_restarts_and_faults_are_events_too(self, talk: Talk) -> None:
        """Each does what the call of its own does, and cables stay when rows change afterwards."""
        program(talk)
        ok(play(talk, "plug", sled=SERIALS[0], cubby=20))
        ok(play(talk, "stop", instance=str(READER)))
        assert talk.state()["sleds"][str(SLEDS[0])]["port"] == "rear20"
        ok(play(talk, "restart", target="switch1 dpd", keep_state=False))
        assert talk.state()["switches"]["switch1"]["underlay_groups"] == []
        ok(play(talk, "fault", fault={"target": "switch1 dpd", "kind": "status", "status": 507}))
        assert talk.call("switch1 dpd", "GET", "/dpd-version").status_code == 507
        ok(play(talk, "fault", fault={"target": "switch1 dpd", "kind": "status", "status": 507}))
        ok(play(talk, "calm"))
        assert talk.call("switch1 dpd", "GET", "/dpd-version").status_code == 200

    def test_what_cannot_be_is_answered_with_the_reason(self, talk: Talk) -> None:
        """Nothing happens and nothing is on record."""
        before = talk.state()
        answer = play(talk, "stop", instance=str(MOVER))
        assert (answer.status_code, "migrates" in answer.json()["message"]) == (400, True)
        wrongs: list[Json] = [{"event": "melt"}, {}, {"event": "stop"}, {"event": "stop", "instance": "x"}, []]
        for wrong in wrongs:
            assert talk.control("POST", "/events", wrong).status_code == 400
        assert (talk.state(), talk.control("GET", "/events").json()) == (before, [])

    def test_an_event_may_have_its_time(self, talk: Talk) -> None:
        """It takes place when the clock gets there, and what can no longer be then is on record with the reason."""
        ok(talk.control("PUT", "/time", {"held": True}))
        now = talk.control("GET", "/time").json()["now"]
        told = {"event": "stop", "instance": str(LISTENER)}
        for moment in (now + 10, now + 20, now + 90):
            assert talk.control("POST", "/events", {**told, "at": moment}).status_code == 202
        stopped = []
        for _ in range(3):
            stopped.append(str(LISTENER) not in {row["instance_id"] for row in vmms_on(talk, 0)})
            talk.advance(10)
        assert stopped == [False, True, True]
        log = talk.control("GET", "/events").json()
        assert [row["played_at"] for row in log] == [now + 10, now + 20, None]
        assert [row["refused"] is None for row in log] == [True, False, True]
        ok(talk.control("DELETE", "/events"))
        ok(play(talk, "start", instance=str(LISTENER), sled=SERIALS[0]))
        talk.advance(100)
        assert str(LISTENER) in {row["instance_id"] for row in vmms_on(talk, 0)}
        assert [row["event"]["event"] for row in talk.control("GET", "/events").json()] == ["start"]


def test_every_kind_of_event_is_tried_here() -> None:
    """The table has no row that no test of this file names."""
    tried = {"start", "stopping", "stop", "crash", "migrate", "commit", "abort", "join", "leave", "fail", "return"}
    assert set(EVENTS) == tried | {"expunge", "plug", "restart", "fault", "calm"}


def play(talk: Talk, kind: str, **fields: Json) -> httpx.Response:
    return talk.control("POST", "/events", {"event": kind, **fields})


def vmms_on(talk: Talk, number: int) -> list[Json]:
    vmms: list[Json] = talk.state()["sleds"][str(SLEDS[number])]["vmms"]
    return vmms
