"""ddmd over HTTP: what is advertised by hand, and what becomes of it."""

import pytest

from tests.simrack.rows import G4, S6, U4
from tests.simrack.talk import Json, Talk

ROUTE = {"key": {"V4": {"source": None, "group": G4, "vni": 77}}, "underlay_group": U4}


def ddmd(talk: Talk, method: str, path: str, body: Json = None, version: str | None = None) -> int:
    return talk.call("switch0 ddmd", method, path, body, version=version).status_code


def originated(talk: Talk) -> list[Json]:
    rows: list[Json] = talk.call("switch0 ddmd", "GET", "/originated_multicast_groups").json()
    return rows


def test_what_is_advertised_by_hand_does_not_stay(talk: Talk) -> None:
    """mg-lower mirrors mgd's routes into ddmd and undoes whatever else it finds there."""
    origin = {"overlay_group": "239.1.1.1", "underlay_group": "ff04::1"}
    assert [ddmd(talk, "PUT", "/multicast_group", [origin]) for _ in range(2)] == [204, 204]
    assert originated(talk) == []
    talk.mgd("PUT", "/static/mroute", {"routes": [ROUTE]})
    (mirrored,) = originated(talk)
    assert ddmd(talk, "DELETE", "/multicast_group", [mirrored]) == 204
    assert originated(talk) == [mirrored]


@pytest.mark.parametrize(
    "change",
    [
        {"overlay_group": "10.0.0.1"},
        {"overlay_group": None},
        {"underlay_group": "ff05::1"},
        {"underlay_group": "10.0.0.1"},
        {"source": "x"},
        {"vni": -1},
        {"vni": None},
        {"metric": 1 << 64},
    ],
)
def test_refused_origins(talk: Talk, change: Json) -> None:
    """A set is read whole: an overlay group is multicast, an underlay group in ff04::/64, numbers fit."""
    good = {"overlay_group": "ff0e::1", "underlay_group": "ff04::1", "source": S6}
    for method in ("PUT", "DELETE"):
        assert ddmd(talk, method, "/multicast_group", [good]) == 204
        assert ddmd(talk, method, "/multicast_group", [good, good | change]) == 400
        assert ddmd(talk, method, "/multicast_group", good) == 400


def test_calls_that_leave_nothing_behind(talk: Talk) -> None:
    """A synchronisation is done at once, and an expired peer comes back."""
    assert ddmd(talk, "PUT", "/sync") == 204
    assert ddmd(talk, "DELETE", "/peers/fe80::1") == 204
    assert ddmd(talk, "DELETE", "/peers/nobody") == 400


def test_advertising_came_with_version_3(talk: Talk) -> None:
    """Earlier versions do not have the path."""
    assert ddmd(talk, "PUT", "/multicast_group", [], "2.0.0") == 404
    assert ddmd(talk, "DELETE", "/peers/fe80::1", version="1.0.0") == 204
