"""The control interface where other files do not use it, and what surrounds a rack: peers, boards, running it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from blueprints.addresses import Address
from blueprints.documents import snapshot_document
from blueprints.endpoints import SubscriptionForm
from blueprints.identifiers import PortId, SwitchSlot
from blueprints.snapshot import Instance, Peer, ServiceProcessor, Snapshot, SpType
from simrack.background import running
from simrack.rack import SimulatedRack
from simrack.wiring import nic_towards, wiring_of
from tests.simrack.program import join, ok, program
from tests.simrack.rows import (
    G4,
    LISTENER,
    MOVER,
    PICKER,
    SLEDS,
    SPEAKER,
    SWITCH0,
    SWITCH1,
    U4,
    instance,
    inventory,
    propolis,
    sled,
    small_rack,
    switch,
    uid,
)
from tests.simrack.talk import Json, Talk

ROOT = Path(__file__).parents[2]


def enter(talk: Talk, snapshot: Snapshot) -> httpx.Response:
    return talk.control("PUT", "/snapshot", snapshot_document(snapshot))


def peer(number: int, host: str, **changes: object) -> Peer:
    fields: dict[str, object] = {
        "if_name": f"tfportrear{number}_0",
        "addr": Address.parse("fe80::1"),
        "host": host,
        "kind": 0,
        "status": "Exchange",
    }
    return Peer(**(fields | changes))  # type: ignore[arg-type]


def with_peers(*peers: Peer, **changes: object) -> Snapshot:
    switches = {SWITCH0: switch(SWITCH0, peers=peers), SWITCH1: switch(SWITCH1)}
    return small_rack(switches=switches, **changes)


def with_instance(changed: Instance) -> Snapshot:
    rows = [row for row in small_rack().instances if row.id != changed.id]
    return small_rack(instances=(*rows, changed))


class TestMovingOn:
    """PUT /snapshot: the world changes, what is programmed stays."""

    def test_tables_stay(self, talk: Talk) -> None:
        """Entering the same snapshot changes nothing at all."""
        program(talk)
        before = talk.state()
        assert enter(talk, small_rack()).status_code == 204
        assert talk.state() == before

    def test_a_vmm_that_is_gone_takes_its_subscriptions_along(self, talk: Talk) -> None:
        """Its port vanishes with all that it heard; other ports stay."""
        program(talk)
        ok(enter(talk, with_instance(instance(LISTENER, None))))
        told = talk.state()["sleds"][str(SLEDS[0])]
        assert str(LISTENER) not in {row["instance_id"] for row in told["subscriptions"] + told["vmms"]}
        assert len(told["m2p"]) == 2
        assert str(propolis(PICKER)) in talk.heard({"switch": "switch0"})

    def test_a_vmm_that_comes_back_hears_nothing_yet(self, talk: Talk) -> None:
        """Not even if its id is the same: the port is a new one, and sled-agent has forgotten it."""
        program(talk)
        ok(enter(talk, with_instance(instance(LISTENER, None))))
        ok(enter(talk, small_rack()))
        assert str(propolis(LISTENER)) not in talk.heard({"switch": "switch0"})
        ok(join(talk, 0, LISTENER, G4))
        assert str(propolis(LISTENER)) in talk.heard({"switch": "switch0"})

    def test_a_moved_instance_is_on_its_new_sled(self, talk: Talk) -> None:
        """There it can join and send."""
        program(talk)
        ok(enter(talk, with_instance(instance(SPEAKER, 0))))
        assert f"sled {SLEDS[0]}" in talk.packet({"instance": SPEAKER})["path"][0]

    def test_cables_are_those_of_the_snapshot(self, talk: Talk) -> None:
        """A sled in another cubby is behind another port."""
        program(talk)
        ok(enter(talk, small_rack(inventory=inventory(20, 15, 16))))
        assert talk.state()["sleds"][str(SLEDS[0])]["port"] == "rear20"
        assert str(propolis(LISTENER)) not in talk.heard({"switch": "switch0"})

    @pytest.mark.parametrize(
        ("other", "mistakes"),
        [
            (small_rack(sleds=(sled(0), sled(1))), ["sleds"]),
            (small_rack(switches={SWITCH0: switch(SWITCH0)}), ["switches"]),
            (small_rack(switches={SWITCH0: switch(SWITCH0)}, sleds=()), ["switches", "sleds"]),
        ],
        ids=["a sled less", "a switch less", "both"],
    )
    def test_switches_and_sleds_stay_the_same(self, talk: Talk, other: Snapshot, mistakes: list[str]) -> None:
        """A rack of other hardware is refused with all that is wrong, and nothing changes."""
        program(talk)
        before = talk.state()
        answer = enter(talk, other)
        assert answer.status_code == 400
        lines = answer.json()["message"].splitlines()[1:]
        assert [line.split(":")[0].strip() for line in lines] == mistakes
        assert talk.state() == before

    def test_a_wrong_document_is_refused_with_its_mistakes(self, talk: Talk) -> None:
        """The reader's own message comes back."""
        document = snapshot_document(small_rack()) | {"rack_id": "x"}
        answer = talk.control("PUT", "/snapshot", document)
        assert answer.status_code == 400
        assert "rack_id" in answer.json()["message"]


class TestWiring:
    """The truth of the cables."""

    @pytest.mark.parametrize(("status", "cubby"), [("Exchange", 5), ("Active", 5), ("Solicit", 14)])
    def test_a_live_peer_comes_first(self, status: str, cubby: int) -> None:
        """A sled is where frames of it arrive; a peer that is not live yields to the sled's serial in inventory."""
        snapshot = with_peers(peer(5, "BRM42220000", status=status))
        assert wiring_of(snapshot).cubbies == {SLEDS[0]: cubby, SLEDS[1]: 15, SLEDS[2]: 16}

    def test_peers_fill_gaps(self) -> None:
        """By host or by underlay address; other kinds of router and other interfaces say nothing."""
        snapshot = with_peers(
            peer(5, "BRM42220000"),
            peer(6, "unknown", addr=sled(1).underlay_address),
            peer(7, "BRM42220002", kind=1),
            peer(8, "BRM42220002", if_name="tfportqsfp3_0"),
            inventory=None,
        )
        assert wiring_of(snapshot).cubbies == {SLEDS[0]: 5, SLEDS[1]: 6}

    def test_a_switch_board_with_a_sleds_serial_is_no_sled(self) -> None:
        """Only boards of sleds count."""
        board = ServiceProcessor(type=SpType.POWER, slot=0, serial="BRM42220000", part="913-0000019")
        boards = inventory()
        stray = type(boards)(
            collection_id=boards.collection_id,
            completed_at=boards.completed_at,
            errors=0,
            service_processors=(board,),
        )
        assert wiring_of(small_rack(inventory=stray)).cubbies == {}

    def test_one_sled_per_cubby(self) -> None:
        """Two sleds cannot be in one place."""
        assert wiring_of(small_rack(inventory=inventory(14, 14, 16))).cubbies == {SLEDS[0]: 14, SLEDS[2]: 16}

    def test_nics_go_to_switches_in_order(self) -> None:
        """The first to switch0, the second to switch1, a single one to both."""
        pairs = [nic_towards(nics, slot) for nics in (("a", "b"), ("a",), ()) for slot in SwitchSlot]
        assert pairs == ["a", "b", "a", "a", None, None]

    def test_unknown_nics_are_the_usual_two(self, talk: Talk) -> None:
        """A sled that nobody asked still has NICs."""
        ok(enter(talk, small_rack(sleds=(sled(0, underlay_nics=None), sled(1), sled(2)))))
        body = {"group": G4, "underlay": U4}
        ok(talk.sled(SLEDS[0], "PUT", "/networking/mcast-m2p", body))
        told = talk.state()["sleds"][str(SLEDS[0])]["nic_filters"]
        assert [row["nic"] for row in told] == ["cxgbe0", "cxgbe1"]

    def test_a_sled_can_be_unplugged(self, talk: Talk) -> None:
        """By hand, until the next snapshot; unknown sleds are 404."""
        program(talk)
        ok(talk.control("PUT", "/wiring", {str(SLEDS[2]): None}))
        assert talk.heard({"instance": SPEAKER}) == {str(propolis(MOVER, 1)): 1}
        ok(enter(talk, small_rack()))
        assert len(talk.heard({"instance": SPEAKER})) == 4
        assert talk.control("PUT", "/wiring", {str(uid(2, 9)): 3}).status_code == 404

    @pytest.mark.parametrize("cubby", [-1, 32, True, "3"])
    def test_a_sled_is_plugged_into_cubbies_that_there_are(self, talk: Talk, cubby: Json) -> None:
        """0 to 31; anything else is refused, and its cables stay where they are."""
        program(talk)
        assert talk.control("PUT", "/wiring", {str(SLEDS[2]): cubby}).status_code == 400
        assert len(talk.heard({"instance": SPEAKER})) == 4


class TestPeers:
    """GET /peers of ddmd."""

    def peers(self, talk: Talk, version: str = "3.0.0", switch_: str = "switch0") -> Json:
        return ok(talk.call(f"{switch_} ddmd", "GET", "/peers", version=version)).json()

    def test_unknown_peers_follow_from_the_cables(self, talk: Talk) -> None:
        """Each sled is a peer of both switches, on the port of its cubby."""
        for name in ("switch0", "switch1"):
            told = self.peers(talk, switch_=name)
            assert {row["host"]: row["if_name"] for row in told.values()} == {
                "BRM42220000": "tfportrear14_0",
                "BRM42220001": "tfportrear15_0",
                "BRM42220002": "tfportrear16_0",
            }
            assert all(row["addr"].startswith("fe80:") and row["kind"] == 0 for row in told.values())

    def test_the_snapshots_peers_are_told_as_they_are(self, talk: Talk) -> None:
        """With their states, kinds and missing names, on that switch alone."""
        peers = (peer(14, "BRM42220000"), peer(9, "x", kind=1, if_name=None, status="Solicit"))
        ok(enter(talk, with_peers(*peers)))
        told = sorted(self.peers(talk).values(), key=lambda row: row["host"])
        assert [(row["host"], row["if_name"], row["kind"], row["status"]["type"]) for row in told] == [
            ("BRM42220000", "tfportrear14_0", 0, "Exchange"),
            ("x", None, 1, "Solicit"),
        ]
        assert len(self.peers(talk, switch_="switch1")) == 3

    def test_no_peers_is_not_unknown_peers(self, talk: Talk) -> None:
        """An empty list is told as such."""
        ok(enter(talk, with_peers()))
        assert self.peers(talk) == {}

    def test_older_versions_have_older_shapes(self, talk: Talk) -> None:
        """Version 2 has no interface names, version 1 has a plain word for the state."""
        assert all("if_name" not in row for row in self.peers(talk, "2.0.0").values())
        assert {row["status"]["type"] for row in self.peers(talk, "2.0.0").values()} == {"Exchange"}
        assert {row["status"] for row in self.peers(talk, "1.0.0").values()} == {"Active"}

    def test_the_older_spelling_of_a_state_is_understood(self, talk: Talk) -> None:
        """Active is Exchange."""
        ok(enter(talk, with_peers(peer(14, "BRM42220000", status="Active"))))
        assert [row["status"]["type"] for row in self.peers(talk).values()] == ["Exchange"]


class TestBoards:
    """MGS."""

    def test_each_switch_knows_its_slot(self, talk: Talk) -> None:
        """And both know all boards."""
        for number in (0, 1):
            told = talk.call(f"switch{number} mgs", "GET", "/local/switch-id").json()
            assert told == {"type": "switch", "slot": number}
            ids = talk.call(f"switch{number} mgs", "GET", "/local/all-sp-ids").json()
            assert {"type": "sled", "slot": 14} in ids
            assert len(ids) == 5

    def test_a_board_tells_its_serial_and_part(self, talk: Talk) -> None:
        """By type and slot; where there is none it is 404, and a slot that is no number 400."""
        board = ok(talk.call("switch0 mgs", "GET", "/sp/sled/15")).json()
        assert (board["serial_number"], board["model"]) == ("BRM42220001", "913-0000019")
        for path, status in (("/sp/sled/3", 404), ("/sp/power/15", 404), ("/sp/sled/x", 400), ("/sp/x/1", 400)):
            assert talk.call("switch0 mgs", "GET", path).status_code == status

    def test_without_inventory_sleds_are_in_their_cubbies(self, talk: Talk) -> None:
        """MGS asks the boards themselves."""
        ok(enter(talk, with_peers(peer(5, "BRM42220000"), inventory=None)))
        assert talk.call("switch1 mgs", "GET", "/local/all-sp-ids").json() == [{"type": "sled", "slot": 5}]


def test_endpoints_name_every_daemon(rack: SimulatedRack, client: httpx.Client) -> None:
    """Every address answers, and subscriptions go by instance."""
    endpoints = rack.endpoints
    urls = [url for row in endpoints.switches.values() for url in (row.dpd, row.mgd, row.ddmd)]
    urls += endpoints.sleds.values()
    assert len(set(urls)) == 9
    assert [client.get(url).status_code for url in urls] == [400] * 9
    assert endpoints.subscriptions is SubscriptionForm.INSTANCE


PROGRAM = """
import json, sys
from blueprints.documents import snapshot_from
from simrack.serve import run

def ready(rack):
    print(json.dumps({"ready": True, "control": rack.control_url, "dns": rack.dns}), flush=True)

run(snapshot_from(json.load(sys.stdin), "stdin"), control_port=None, ready=ready)
print("stopped")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_runs_in_the_foreground_until_a_signal(client: httpx.Client, number: signal.Signals) -> None:
    """It says when it is ready, serves, and ends in order even while a client is held."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(snapshot_document(small_rack())))
        process.stdin.close()
        ready = json.loads(process.stdout.readline())
        state = client.get(ready["control"] + "/state").json()
        assert len(state["sleds"]) == 3
        process.send_signal(number)
        assert process.stdout.read() == "stopped\n"
        assert process.wait(timeout=5) == 0


def test_a_control_port_can_be_named(rack: SimulatedRack) -> None:
    """A taken port is an OSError for whoever starts the rack."""
    taken = int(rack.control_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"), running(small_rack(), control_port=taken):
        pass


def test_backplane_ports_follow_the_snapshot(talk: Talk) -> None:
    """Known ports are told as they are; unknown ones are all 32."""
    few = switch(SWITCH0, backplane=(PortId("rear", 3),))
    ok(enter(talk, small_rack(switches={SWITCH0: few, SWITCH1: switch(SWITCH1, backplane=None)})))
    assert list(talk.dpd("GET", "/backplane-map").json()) == ["rear3"]
    assert len(talk.dpd("GET", "/backplane-map", slot=SWITCH1).json()) == 32
