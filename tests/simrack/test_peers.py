"""DDM peers that are made up of rows and inventory, and ddmds that have just started."""

from importlib import import_module

import httpx
import pytest
from attrs import evolve

from blueprints.documents import snapshot_document
from blueprints.snapshot import SledPolicy, SledState, Snapshot
from simrack.background import running
from simrack.populated import PopulatedPeers
from tests.simrack.program import ok
from tests.simrack.rows import SLEDS, SWITCH0, SWITCH1, inventory, sled, small_rack, switch
from tests.simrack.talk import Talk

ALL = frozenset(SLEDS)
SERIALS = tuple(sled(number).serial for number in range(3))


def told(talk: Talk, slot: str = "switch0") -> dict[str, str]:
    """Return host and interface of each peer that a switch tells."""
    peers = talk.call(f"{slot} ddmd", "GET", "/peers").json().values()
    return {row["host"]: row["if_name"] for row in peers}


def enter(talk: Talk, snapshot: Snapshot) -> None:
    ok(talk.control("PUT", "/snapshot", snapshot_document(snapshot)))


class TestMaking:
    """The peers alone."""

    def test_a_sled_in_service_is_a_peer_behind_its_cubby(self) -> None:
        """By serial and part, on the rear port of its slot; frames of it have an address of their own."""
        peers = PopulatedPeers().of(small_rack(), ALL)
        assert [(row.host, row.if_name, row.kind, row.status) for row in peers] == [
            (SERIALS[0], "tfportrear14_0", 0, "Exchange"),
            (SERIALS[1], "tfportrear15_0", 0, "Exchange"),
            (SERIALS[2], "tfportrear16_0", 0, "Exchange"),
        ]
        assert len({row.addr for row in peers}) == 3

    def test_they_are_made_once_for_one_set_of_sleds(self) -> None:
        """The very same objects come back, whatever else has changed; another set makes them again."""
        made, rack = PopulatedPeers(), small_rack()
        first = made.of(rack, ALL)
        assert made.of(evolve(rack, inventory=inventory(1, 2, 3)), ALL) is first
        assert made.builds == 1
        fewer = made.of(rack, ALL - {SLEDS[1]})
        assert [row.host for row in fewer] == [SERIALS[0], SERIALS[2]]
        assert made.of(rack, ALL - {SLEDS[1]}) is fewer
        again = made.of(evolve(rack, inventory=inventory(1, 2, 3)), ALL)
        assert [row.if_name for row in again] == ["tfportrear1_0", "tfportrear2_0", "tfportrear3_0"]
        assert made.builds == 3

    @pytest.mark.parametrize(
        ("snapshot", "hosts"),
        [
            (small_rack(inventory=None), []),
            (small_rack(inventory=inventory(14, 15)), [SERIALS[0], SERIALS[1]]),
            (small_rack(inventory=inventory(14, 14, 32)), [SERIALS[0]]),
            (small_rack(sleds=(sled(0), sled(1, part="another"), sled(2))), [SERIALS[0], SERIALS[2]]),
        ],
        ids=["no inventory", "a sled less", "two in one cubby, and one in none", "another board"],
    )
    def test_a_sled_that_inventory_does_not_place_is_no_peer(self, snapshot: Snapshot, hosts: list[str]) -> None:
        """It takes the way of the fallback."""
        assert [row.host for row in PopulatedPeers().of(snapshot, ALL)] == hosts


class TestRack:
    """Peers of a rack that runs."""

    @pytest.fixture(autouse=True)
    def as_told(self, talk: Talk) -> None:
        """The rack's ddmds tell nobody, whatever the cables are."""
        silent = {slot: switch(slot, peers=()) for slot in (SWITCH0, SWITCH1)}
        self.rack = small_rack(switches=silent)
        enter(talk, self.rack)
        assert told(talk) == {}

    def test_every_switch_tells_them_while_they_are_made_up(self, talk: Talk) -> None:
        """Made once for any number of questions; afterwards the snapshot's are told again."""
        ok(talk.control("PUT", "/peers", {"populated": True}))
        hosts = dict(zip(SERIALS, ("tfportrear14_0", "tfportrear15_0", "tfportrear16_0"), strict=True))
        assert [told(talk, slot) for slot in ("switch0", "switch1", "switch0")] == [hosts] * 3
        assert talk.control("GET", "/peers").json() == {
            "populated": True,
            "builds": 1,
            "sleds": sorted(map(str, SLEDS)),
        }
        ok(talk.control("PUT", "/peers", {"populated": False}))
        assert (told(talk), talk.control("GET", "/peers").json()) == ({}, {"populated": False})

    @pytest.mark.parametrize(
        ("changes", "stays"),
        [
            ({"policy": SledPolicy.EXPUNGED}, False),
            ({"state": SledState.DECOMMISSIONED}, False),
            ({"policy": SledPolicy.NO_PROVISION}, True),
        ],
    )
    def test_a_sled_out_of_service_is_no_peer(self, talk: Talk, changes: dict[str, object], stays: bool) -> None:
        """It goes with the next question, and one that only takes no new instances stays."""
        ok(talk.control("PUT", "/peers", {"populated": True}))
        assert SERIALS[1] in told(talk)
        enter(talk, evolve(self.rack, sleds=(sled(0), sled(1, **changes), sled(2))))
        assert (SERIALS[1] in told(talk)) is stays
        assert talk.control("GET", "/peers").json()["builds"] == (1 if stays else 2)

    def test_an_expunged_sled_goes_and_one_that_is_down_expires(self, talk: Talk) -> None:
        """An event is enough for either; what expired is not made again when it returns."""
        ok(talk.control("PUT", "/peers", {"populated": True}))
        assert set(told(talk)) == set(SERIALS)
        ok(talk.control("POST", "/events", {"event": "expunge", "sled": SERIALS[1]}))
        assert set(told(talk)) == {SERIALS[0], SERIALS[2]}
        ok(talk.control("POST", "/events", {"event": "fail", "machine": SERIALS[2]}))
        peers = talk.call("switch1 ddmd", "GET", "/peers").json().values()
        assert {row["host"]: row["status"]["type"] for row in peers}[SERIALS[2]] == "Expired"
        ok(talk.control("POST", "/events", {"event": "return", "machine": SERIALS[2]}))
        assert talk.control("GET", "/peers").json()["builds"] == 2


def test_a_ddmd_that_has_just_started_has_heard_nobody(talk: Talk) -> None:
    """For two seconds on a clock that somebody holds; the other switch's is not affected."""
    ok(talk.control("PUT", "/time", {"held": True}))
    assert len(told(talk)) == 3
    talk.restart("switch0 ddmd", keep_state=True)
    assert (told(talk), len(told(talk, "switch1"))) == ({}, 3)
    talk.advance(1.9)
    assert told(talk) == {}
    talk.advance(0.1)
    assert len(told(talk)) == 3


def test_while_nobody_holds_the_clock_a_ddmd_has_heard_everybody(talk: Talk) -> None:
    """A restart is long ago at once."""
    talk.restart("switch0 ddmd", keep_state=True)
    assert len(told(talk)) == 3


class TestDatastore:
    """Rows of a database beside the rack."""

    def test_sleds_in_service_are_those_of_the_database(self, database: str, client: httpx.Client) -> None:
        """Whoever wrote its rows: a sled that is expunged there alone is no peer from then on."""
        psycopg = import_module("psycopg")
        store = import_module("simrack.datastore.beside").LoadedDatabase(database)
        with running(small_rack(), datastore=store) as rack:
            talk = Talk(rack, client)
            ok(talk.control("PUT", "/peers", {"populated": True}))
            assert set(told(talk)) == set(SERIALS)
            with psycopg.connect(database, autocommit=True) as connection:
                connection.execute("UPDATE sled SET sled_policy = 'expunged' WHERE id = %s", (SLEDS[0],))
            assert set(told(talk)) == {SERIALS[1], SERIALS[2]}
            assert talk.control("GET", "/peers").json()["builds"] == 2

    def test_events_move_the_rows_of_the_database(self, database: str, client: httpx.Client) -> None:
        """They are there when the call is answered, and a database that is gone keeps everything as it is."""
        psycopg = import_module("psycopg")
        beside = import_module("simrack.datastore.beside")
        with running(small_rack(), datastore=beside.LoadedDatabase(database)) as rack:
            talk = Talk(rack, client)
            expunge = {"event": "expunge", "sled": SERIALS[2]}
            ok(talk.control("POST", "/events", expunge))
            with psycopg.connect(database, autocommit=True) as connection:
                (row,) = connection.execute("SELECT sled_policy FROM sled WHERE id = %s", (SLEDS[2],)).fetchall()
            assert str(row[0]) == "expunged"
            store, rack._datastore = rack._datastore, beside.LoadedDatabase("host=/nonexistent dbname=none")
            assert talk.control("POST", "/events", {**expunge, "sled": SERIALS[1]}).status_code == 503
            assert [entry["event"]["sled"] for entry in talk.control("GET", "/events").json()] == [SERIALS[2]]
            rack._datastore = store
