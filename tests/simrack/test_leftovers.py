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


def test_a_restart_sweeps_everything(talk: Talk) -> None:
    """Nothing survives dpd, leaked rows neither."""
    talk.dpd("POST", UNDERLAYS, UNDERLAY | {"tag": "b ad"})
    talk.restart("switch0 dpd", keep_state=False)
    assert rows(talk) == {}
