"""Rows that dpd no longer remembers, and what they do to those who come after."""

import pytest

from tests.simrack.program import attributes, ok, port, program
from tests.simrack.rows import G4, LISTENER, S4, TAG4, U4, propolis
from tests.simrack.talk import Json, Talk

UNDERLAYS, EXTERNALS, GROUPS = "/multicast/underlay-groups", "/multicast/external-groups", "/multicast/groups"
UNDERLAY: Json = {"group_ip": U4, "members": [port(14)], "tag": TAG4}
EXTERNAL: Json = {"group_ip": G4, "tag": TAG4, **attributes(U4, S4)}


def rows(talk: Talk) -> dict[str, int]:
    taken: dict[str, int] = talk.state()["switches"]["switch0"]["rows"]
    return {name: number for name, number in taken.items() if number}


def statuses(talk: Talk, *calls: tuple[str, str, Json]) -> list[int]:
    return [talk.dpd(*call).status_code for call in calls]


def test_a_bad_tag_leaks_an_underlay_group(talk: Talk) -> None:
    """It is refused after the tables are filled: the group is nowhere, and its rows are there."""
    create = ("POST", UNDERLAYS, UNDERLAY)
    assert statuses(talk, ("POST", UNDERLAYS, UNDERLAY | {"tag": "b ad"})) == [400]
    assert talk.dpd("GET", f"{GROUPS}/{U4}").status_code == 404
    assert rows(talk) == {"route v6": 1, "replication v6": 1, "decap bitmap": 1}
    assert statuses(talk, create, ("GET", f"{GROUPS}/{U4}", None), create) == [409, 404, 201]
    assert rows(talk) == {"route v6": 1, "replication v6": 1, "decap bitmap": 1}


def test_a_bad_tag_leaks_an_external_group(talk: Talk) -> None:
    """The refusal of the next create sweeps the rows that stood in its way."""
    ok(talk.dpd("POST", UNDERLAYS, UNDERLAY))
    before = rows(talk)
    create = ("POST", EXTERNALS, EXTERNAL)
    assert statuses(talk, ("POST", EXTERNALS, EXTERNAL | {"tag": ""})) == [400]
    assert rows(talk)["route v4"] == 1
    assert statuses(talk, create) == [409]
    assert rows(talk) == before
    assert statuses(talk, create, ("GET", f"{GROUPS}/{G4}", None)) == [201, 200]


def test_leaked_rows_forward(talk: Talk) -> None:
    """The chip knows nothing of what dpd remembers: packets go where the rows say."""
    program(talk)
    ok(talk.dpd("DELETE", f"{GROUPS}/{G4}?tag={TAG4}"))
    assert talk.heard({"switch": "switch0"}) == {}
    assert statuses(talk, ("POST", EXTERNALS, EXTERNAL | {"tag": "b ad"})) == [400]
    assert str(propolis(LISTENER)) in talk.heard({"switch": "switch0"})
    (entry,) = [row for row in talk.state()["switches"]["switch0"]["external_groups"] if row["group_ip"] == G4]
    assert entry["tag"] is None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", f"{UNDERLAYS}/{U4}?tag={TAG4}", {"members": []}),
        ("DELETE", f"{GROUPS}/{U4}?tag={TAG4}", None),
    ],
)
def test_a_missing_entry_makes_dpd_forget_the_group(talk: Talk, method: str, path: str, body: Json) -> None:
    """404 means gone from the list, not from the chip; what creates it anew is refused once."""
    ok(talk.dpd("POST", UNDERLAYS, UNDERLAY))
    talk.fault("switch0 dpd", "entry_missing")
    assert talk.dpd(method, path, body).status_code == 404
    assert talk.dpd("GET", GROUPS).json()["items"] == []
    assert rows(talk)["route v6"] == 1
    create = ("POST", UNDERLAYS, UNDERLAY)
    assert statuses(talk, create, create) == [409, 201]


class TestRealChips:
    """A chip that minds the deletion of what is not there."""

    @pytest.fixture(autouse=True)
    def tofino(self, talk: Talk) -> None:
        ok(talk.control("PUT", "/dpds", {"backend": "tofino_asic", "revision": "e2e"}))

    def create(self, talk: Talk, *members: Json) -> int:
        return talk.dpd("POST", UNDERLAYS, UNDERLAY | {"members": list(members)}).status_code

    def put(self, talk: Talk, *members: Json) -> int:
        return talk.dpd("PUT", f"{UNDERLAYS}/{U4}?tag={TAG4}", {"members": list(members)}).status_code

    def delete(self, talk: Talk) -> int:
        return talk.dpd("DELETE", f"{GROUPS}/{U4}?tag={TAG4}").status_code

    def test_a_switch_says_which_chip_it_has(self, talk: Talk) -> None:
        """By the name of its backend."""
        assert talk.dpd("GET", "/switch/identifiers").json()["asic_backend"] == "tofino_asic"

    def test_a_group_created_empty_is_lost_when_it_is_emptied(self, talk: Talk) -> None:
        """Its bitmap was never written: 404, the group is nowhere and its rows are left."""
        assert (self.create(talk), self.put(talk, port(14)), self.put(talk)) == (201, 200, 404)
        assert talk.dpd("GET", f"{GROUPS}/{U4}").status_code == 404
        assert rows(talk)["route v6"] == 1

    def test_a_group_created_empty_is_lost_when_it_is_deleted(self, talk: Talk) -> None:
        """The delete says that nothing was there, and what comes next finds rows in its way."""
        assert (self.create(talk), self.put(talk, port(14)), self.delete(talk)) == (201, 200, 404)
        assert (self.create(talk), self.create(talk)) == (409, 201)

    def test_a_group_created_with_members_is_not(self, talk: Talk) -> None:
        """So that is how to create them."""
        assert (self.create(talk, port(14)), self.put(talk), self.delete(talk)) == (201, 200, 204)
        assert rows(talk) == {}

    def test_an_external_member_writes_the_bitmap(self, talk: Talk) -> None:
        """Once it came or went, everything is there."""
        assert (self.create(talk), self.put(talk, port(14, "External")), self.put(talk)) == (201, 200, 200)
        assert self.delete(talk) == 204


def test_the_stub_does_not_mind(talk: Talk) -> None:
    """Of a group created empty everything can be taken away again, as in the vendor's own tests."""
    ok(talk.dpd("POST", UNDERLAYS, UNDERLAY | {"members": []}))
    path = f"{UNDERLAYS}/{U4}?tag={TAG4}"
    calls: tuple[tuple[str, str, Json], ...] = (
        ("PUT", path, {"members": [port(14)]}),
        ("PUT", path, {"members": []}),
        ("DELETE", f"{GROUPS}/{U4}?tag={TAG4}", None),
    )
    assert statuses(talk, *calls) == [200, 200, 204]


class TestMainRevision:
    """The revision that forgets to forget sources."""

    PATH = f"{EXTERNALS}/{G4}?tag={TAG4}"

    @pytest.fixture(autouse=True)
    def main(self, talk: Talk) -> None:
        ok(talk.control("PUT", "/dpds", {"backend": "tofino_stub", "revision": "main"}))
        program(talk)
        ok(talk.dpd("PUT", self.PATH, attributes(U4, S4)))

    def told(self, talk: Talk) -> Json:
        return talk.dpd("GET", f"{GROUPS}/{G4}").json()["sources"]

    @pytest.mark.parametrize("absent", [False, True])
    def test_no_sources_at_all_leave_the_old_ones_told(self, talk: Talk, absent: bool) -> None:
        """Absent or null: the chip lets everybody in, and GET lies for ever."""
        body = {name: value for name, value in attributes(U4).items() if name != "sources"}
        body |= {} if absent else {"sources": None}
        assert talk.heard({"switch": "switch0"}, G4, "10.20.0.77") == {}
        ok(talk.dpd("PUT", self.PATH, body))
        assert self.told(talk) == [{"Exact": S4}]
        assert talk.heard({"switch": "switch0"}, G4, "10.20.0.77") != {}

    @pytest.mark.parametrize("sources", [[], ["Any"]])
    def test_none_or_any_in_so_many_words_are_told(self, talk: Talk, sources: Json) -> None:
        """So that is how to say it, to both revisions."""
        ok(talk.dpd("PUT", self.PATH, attributes(U4) | {"sources": sources}))
        assert self.told(talk) is None


@pytest.mark.parametrize(
    "body", [{"backend": "paper", "revision": "e2e"}, {"backend": "tofino_asic", "revision": "x"}]
)
def test_other_dpds_are_not_played(talk: Talk, body: Json) -> None:
    """A backend and a revision that are known."""
    assert talk.control("PUT", "/dpds", body).status_code == 400


def test_a_restart_sweeps_everything(talk: Talk) -> None:
    """Nothing survives dpd, leaked rows neither."""
    talk.dpd("POST", UNDERLAYS, UNDERLAY | {"tag": "b ad"})
    talk.restart("switch0 dpd", keep_state=False)
    assert rows(talk) == {}
