"""mgd over HTTP: static multicast routes and their selection."""

import pytest

from tests.simrack.program import ok
from tests.simrack.rows import G4, G6, OTHER4, S4, S6, U4, U6
from tests.simrack.talk import Json, Talk

MROUTE, IMPORTED, SELECTED = "/static/mroute", "/mrib/status/imported", "/mrib/status/selected"


def key(group: str, source: str | None = None, vni: int = 77) -> Json:
    return {"V6" if ":" in group else "V4": {"source": source, "group": group, "vni": vni}}


def route(group: str, source: str | None = None, underlay: str = U4, vni: int = 77) -> Json:
    return {"key": key(group, source, vni), "underlay_group": underlay}


def put(talk: Talk, *routes: Json) -> int:
    return talk.mgd("PUT", MROUTE, {"routes": list(routes)}).status_code


def keys(talk: Talk, path: str = SELECTED) -> list[Json]:
    return [row["key"] for row in ok(talk.mgd("GET", path)).json()]


def test_a_route_is_kept_imported_and_selected(talk: Talk) -> None:
    """PUT answers 204; the route is then told by all three listings."""
    assert put(talk, route(G4)) == 204
    for path in (MROUTE, IMPORTED, SELECTED):
        (row,) = ok(talk.mgd("GET", path)).json()
        assert (row["key"], row["underlay_group"], row["source"]) == (key(G4), U4, "Static")


def test_put_is_an_upsert_by_key(talk: Talk) -> None:
    """Group, source and VNI make the key; an equal route keeps its times, another underlay group renews one."""
    put(talk, route(G4))
    (first,) = talk.mgd("GET", MROUTE).json()
    put(talk, route(G4))
    assert talk.mgd("GET", MROUTE).json() == [first]
    put(talk, route(G4, underlay=U6), route(G4, S4), route(G4, vni=78))
    changed = talk.mgd("GET", f"{IMPORTED}?group={G4}").json()[0]
    assert changed["underlay_group"] == U6
    assert changed["created"] == first["created"] < changed["updated"]
    assert keys(talk) == [key(G4), key(G4, vni=78), key(G4, S4)]


def test_a_batch_is_all_or_nothing(talk: Talk) -> None:
    """One refused route keeps the others out, and one refused key keeps the others in."""
    assert put(talk, route(G4), route("232.1.2.3")) == 400
    assert keys(talk) == []
    put(talk, route(G4))
    body = {"keys": [key(G4), key("224.0.0.1")]}
    assert talk.mgd("DELETE", MROUTE, body).status_code == 400
    assert keys(talk) == [key(G4)]


def test_delete_takes_what_is_there(talk: Talk) -> None:
    """Absent keys are no mistake, and a source-specific key may come without a source."""
    put(talk, route(G4), route(G4, S4))
    body = {"keys": [key(G4), key(G4, OTHER4), key("232.1.2.3")]}
    assert talk.mgd("DELETE", MROUTE, body).status_code == 204
    assert keys(talk) == [key(G4, S4)]


@pytest.mark.parametrize(
    "refused",
    [
        route("224.0.0.9"),
        route("232.0.0.9", S4),
        route("10.0.0.1"),
        route("ff02::1"),
        route("ff04::1:1"),
        route("ff3e::1", S6),
        route("232.1.2.3"),
        route(G6),
        route(G4, "0.1.2.3"),
        route(G4, "127.0.0.1"),
        route(G4, "169.254.1.1"),
        route(G4, "240.0.0.1"),
        route(G4, "239.1.1.1"),
        route("ff0e::1", "fe80::1"),
        route("ff0e::1", "::1"),
        route("ff0e::1", "::"),
        route("ff0e::1", "ff0e::2"),
        route(G4, vni=1 << 24),
        route(G4, underlay="ff05::1"),
        route(G4, underlay="ff04:0:0:1::1"),
        {"key": {"V4": {"group": G6}}, "underlay_group": U4},
        {"key": {"V4": {"group": G4, "source": S6}}, "underlay_group": U4},
        {"key": {"V4": {"group": G4, "vni": None}}, "underlay_group": U4},
        {"key": {"V4": {"group": G4, "vni": -1}}, "underlay_group": U4},
        {"key": {"V5": {"group": G4}}, "underlay_group": U4},
        {"key": {}, "underlay_group": U4},
        {"underlay_group": U4},
        {"key": key(G4)},
    ],
)
def test_refused_routes(talk: Talk, refused: Json) -> None:
    """Groups, sources, VNIs and underlay groups have their ranges; source-specific groups need a source."""
    assert put(talk, refused) == 400
    assert keys(talk, IMPORTED) == []


def test_a_route_without_a_vni_is_in_77(talk: Talk) -> None:
    """The default is part of the key like any other VNI, in bodies and in queries."""
    assert put(talk, {"key": {"V4": {"group": G4}}, "underlay_group": U4}) == 204
    assert keys(talk) == [key(G4)]
    assert talk.mgd("GET", f"{SELECTED}?group={G4}&vni=78").status_code == 404


def test_an_exact_query_finds_one_or_answers_404(talk: Talk) -> None:
    """With a group the answer is one route; without a source that is (*,G)."""
    put(talk, route(G4), route(G4, S4), route("232.1.2.3", S4))
    assert [row["key"] for row in talk.mgd("GET", f"{SELECTED}?group={G4}").json()] == [key(G4)]
    exact = talk.mgd("GET", f"{SELECTED}?group={G4}&source={S4}").json()
    assert [row["key"] for row in exact] == [key(G4, S4)]
    for query in (f"group={G4}&source={OTHER4}", "group=232.1.2.3", "group=239.1.1.1"):
        answer = talk.mgd("GET", f"{SELECTED}?{query}")
        assert (answer.status_code, answer.json()["message"]) == (404, "Not Found")
        assert "error_code" not in answer.json()


def test_a_listing_filters_by_family_and_origin_alone(talk: Talk) -> None:
    """Without a group, source and VNI are not looked at."""
    put(talk, route(G4), route(G6, S6, U6))

    def listed(query: str) -> list[Json]:
        return [row["key"] for row in ok(talk.mgd("GET", f"{IMPORTED}?{query}")).json()]

    assert listed("address_family=Ipv4") == [key(G4)]
    assert listed("address_family=Ipv6") == [key(G6, S6)]
    assert listed("route_origin=static&source=10.9.9.9&vni=5") == [key(G4), key(G6, S6)]
    assert listed("route_origin=dynamic") == []


@pytest.mark.parametrize(
    "query",
    [
        "group=224.0.0.1",
        "group=x",
        f"group={G4}&source={S6}",
        f"group={G4}&source=127.0.0.1",
        f"group={G4}&vni=x",
        "address_family=ipv4",
        "route_origin=igmp",
    ],
)
def test_refused_queries(talk: Talk, query: str) -> None:
    """Unusable addresses, mixed families and unknown words are 400."""
    assert talk.mgd("GET", f"{SELECTED}?{query}").status_code == 400


def test_a_source_without_a_unicast_route_is_imported_and_not_selected(talk: Talk) -> None:
    """Only (S,G) depends on a route to S; it is selected as soon as there is one."""
    put(talk, route(G4), route(G4, S4))
    ok(talk.control("PUT", "/unreachable-sources", {"switch": "switch0", "sources": [S4]}))
    assert keys(talk) == [key(G4)]
    assert keys(talk, IMPORTED) == [key(G4), key(G4, S4)]
    assert talk.mgd("GET", f"{SELECTED}?group={G4}&source={S4}").status_code == 404
    assert [row["selected"] for row in talk.state()["switches"]["switch0"]["mrib_routes"]] == [True, False]
    ok(talk.control("PUT", "/unreachable-sources", {"switch": "switch0", "sources": []}))
    assert keys(talk) == [key(G4), key(G4, S4)]


def test_a_selected_source_route_names_its_neighbour(talk: Talk) -> None:
    """Only an (S,G) in use has one, and the configuration never does."""
    put(talk, route(G4), route(G4, S4))
    assert [bool(row["rpf_neighbor"]) for row in talk.mgd("GET", SELECTED).json()] == [False, True]
    assert [row["rpf_neighbor"] for row in talk.mgd("GET", MROUTE).json()] == [None, None]


def test_static_routes_survive_a_restart(talk: Talk) -> None:
    """They are in a store, until that is lost."""
    put(talk, route(G4))
    talk.restart("switch0 mgd", keep_state=True)
    assert keys(talk) == [key(G4)]
    talk.restart("switch0 mgd", keep_state=False)
    assert keys(talk) == []


def test_switches_do_not_share_routes(talk: Talk) -> None:
    """Each switch has its own mgd, which knows its slot."""
    put(talk, route(G4))
    told = [talk.call(f"switch{n} mgd", "GET", "/switch/identifiers").json() for n in (0, 1)]
    assert told == [{"slot": 0}, {"slot": 1}]
    assert talk.call("switch1 mgd", "GET", SELECTED).json() == []


class TestDdmd:
    """The peer of mgd: advertised and heard groups."""

    def test_selected_routes_are_originated_and_the_other_switch_imports_them(self, talk: Talk) -> None:
        """A route that is not selected is not advertised."""
        put(talk, route(G4), route(G4, S4), route(G6, S6, U6))
        ok(talk.control("PUT", "/unreachable-sources", {"switch": "switch0", "sources": [S4]}))
        origins = talk.call("switch0 ddmd", "GET", "/originated_multicast_groups").json()
        assert origins == [
            {"overlay_group": G4, "underlay_group": U4, "vni": 77, "metric": 0, "source": None},
            {"overlay_group": G6, "underlay_group": U6, "vni": 77, "metric": 0, "source": S6},
        ]
        assert talk.call("switch0 ddmd", "GET", "/multicast_groups").json() == []
        imported = talk.call("switch1 ddmd", "GET", "/multicast_groups").json()
        assert [row["origin"] for row in imported] == origins
