"""dpd over HTTP: every call on multicast groups, with its rules and its hidden state."""

import itertools

import httpx
import pytest

from blueprints.documents import snapshot_document
from blueprints.identifiers import PortId
from tests.simrack.program import attributes, ok, port, switch_group
from tests.simrack.rows import G4, G6, S4, S6, SWITCH0, SWITCH1, TAG4, U4, U6, small_rack, switch
from tests.simrack.talk import Json, Talk

UNDERLAYS, EXTERNALS, GROUPS = "/multicast/underlay-groups", "/multicast/external-groups", "/multicast/groups"
OURS = f"{UNDERLAYS}/{U4}?tag={TAG4}"


def underlay(*members: Json, group: str = U4, tag: str | None = TAG4) -> Json:
    return {"group_ip": group, "members": list(members), "tag": tag}


def external(group: str = G4, *sources: str, target: str = U4, tag: str | None = TAG4) -> Json:
    return {"group_ip": group, "tag": tag, **attributes(target, *sources)}


def error(response: httpx.Response) -> tuple[int, str, str | None]:
    body = response.json()
    assert response.is_error, f"{response.status_code}: {body}"
    assert body["request_id"] == response.headers["x-request-id"]
    return response.status_code, body["message"], body.get("error_code")


def chip_members(talk: Talk) -> list[str]:
    (group,) = talk.state()["switches"]["switch0"]["underlay_groups"]
    return [row["port_id"] for row in group["members"]]


def test_a_created_underlay_group_is_answered_and_can_be_read(talk: Talk) -> None:
    """POST answers 201 with the group, whose first ids are the highest, and GET answers the same."""
    created = talk.dpd("POST", UNDERLAYS, underlay(port(14)))
    assert created.status_code == 201
    assert created.json() == {
        "group_ip": U4,
        "external_group_id": 65534,
        "underlay_group_id": 65533,
        "tag": TAG4,
        "members": [port(14)],
    }
    assert talk.dpd("GET", f"{UNDERLAYS}/{U4}").json() == created.json()


def test_a_created_external_group_borrows_the_ids_of_its_underlay_group(talk: Talk) -> None:
    """POST answers 201 with the attributes as they are kept: sources sorted and once each."""
    ok(talk.dpd("POST", UNDERLAYS, underlay()))
    created = talk.dpd("POST", EXTERNALS, external(G4, "10.20.0.6", S4, S4))
    assert created.status_code == 201
    assert created.json() == {
        "group_ip": G4,
        "external_group_id": 65534,
        "tag": TAG4,
        **attributes(U4, S4, "10.20.0.6"),
    }


def test_bodies_carry_a_kind_only_where_both_kinds_are_told(talk: Talk) -> None:
    """The calls under groups and tags say which kind each group is, the others do not."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    assert "kind" not in talk.dpd("GET", f"{UNDERLAYS}/{U4}").json()
    assert talk.dpd("GET", f"{GROUPS}/{U4}").json()["kind"] == "underlay"
    assert talk.dpd("GET", f"{GROUPS}/{G4}").json()["kind"] == "external"
    kinds = [row["kind"] for row in talk.dpd("GET", f"/multicast/tags/{TAG4}").json()["items"]]
    assert kinds == ["external", "underlay"]


def test_a_second_post_is_refused_even_if_it_is_the_same(talk: Talk) -> None:
    """POST is not idempotent: 409, with the detail in the error code."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    for path, body in ((UNDERLAYS, underlay()), (EXTERNALS, external())):
        status, message, code = error(talk.dpd("POST", path, body))
        assert (status, message) == (409, "Conflict")
        assert code is not None
        assert body["group_ip"] in code


def test_an_omitted_tag_is_made_up(talk: Talk) -> None:
    """A group without a tag gets one of its own, which ends in its address."""
    tags = [ok(talk.dpd("POST", UNDERLAYS, underlay(group=group, tag=None))).json()["tag"] for group in (U4, U6)]
    assert [tag.endswith(group) for tag, group in zip(tags, (U4, U6), strict=True)] == [True, True]
    assert tags[0][:36] != tags[1][:36]


def test_put_replaces_the_whole_member_list(talk: Talk) -> None:
    """What the list does not name is taken out; the same PUT again changes nothing."""
    ok(talk.dpd("POST", UNDERLAYS, underlay(port(14), port(15))))
    for _ in range(2):
        answer = talk.dpd("PUT", OURS, {"members": [port(16), port(15)]})
        assert (answer.status_code, answer.json()["members"]) == (200, [port(16), port(15)])
        assert chip_members(talk) == ["rear15", "rear16"]


def test_put_replaces_all_attributes_of_an_external_group(talk: Talk) -> None:
    """Sources that are not given are any source, whether absent, empty or with Any among them."""
    switch_group(talk, SWITCH0, G4, U4, TAG4, S4)
    assert talk.dpd("GET", f"{GROUPS}/{G4}").json()["sources"] == [{"Exact": S4}]
    path = f"{EXTERNALS}/{G4}?tag={TAG4}"
    for sources in (None, [], ["Any"], [{"Exact": S4}, "Any"]):
        answer = ok(talk.dpd("PUT", path, attributes(U4) | {"sources": sources}))
        assert (answer.status_code, answer.json()["sources"]) == (200, None)
        ok(talk.dpd("PUT", path, attributes(U4, S4)))


def test_put_and_delete_of_what_is_absent_are_404(talk: Talk) -> None:
    """Only POST creates; a deleted group can be deleted no second time."""
    for method, path, body in (
        ("PUT", OURS, {"members": []}),
        ("PUT", f"{EXTERNALS}/{G4}?tag={TAG4}", attributes(U4)),
        ("DELETE", f"{GROUPS}/{G4}?tag={TAG4}", None),
        ("GET", f"{GROUPS}/{G4}", None),
        ("GET", f"{UNDERLAYS}/{U4}", None),
    ):
        assert error(talk.dpd(method, path, body))[:2] == (404, "Not Found")


def test_the_tag_is_asked_for_and_never_disclosed(talk: Talk) -> None:
    """A wrong tag is 400 without the right one in it; no tag is 400 too."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    wrong = "somebody:else"
    for method, path, body in (
        ("PUT", f"{UNDERLAYS}/{U4}", {"members": []}),
        ("PUT", f"{EXTERNALS}/{G4}", attributes(U4)),
        ("DELETE", f"{GROUPS}/{G4}", None),
    ):
        mismatch = error(talk.dpd(method, f"{path}?tag={wrong}", body))
        assert mismatch == (400, "tag mismatch: provided tag does not match the group's tag", None)
        assert error(talk.dpd(method, path, body))[0] == 400
        assert error(talk.dpd(method, f"{path}?tag=b%20ad", body))[0] == 400
    assert len(talk.dpd("GET", GROUPS).json()["items"]) == 2


@pytest.mark.parametrize("tag", ["", "a b", "ä", "x" * 81])
def test_a_bad_tag_is_refused_everywhere(talk: Talk, tag: str) -> None:
    """Tags are 1 to 80 characters of a small alphabet."""
    assert error(talk.dpd("POST", UNDERLAYS, underlay(tag=tag)))[0] == 400
    assert talk.dpd("GET", GROUPS).json()["items"] == []


def test_an_external_group_needs_its_underlay_group_when_it_is_created(talk: Talk) -> None:
    """POST is refused without the underlay group on this very switch; PUT does not look."""
    ok(talk.dpd("POST", UNDERLAYS, underlay(), SWITCH1))
    assert error(talk.dpd("POST", EXTERNALS, external()))[0] == 400
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    answer = ok(talk.dpd("PUT", f"{EXTERNALS}/{G4}?tag={TAG4}", attributes("ff04::dead")))
    assert answer.json()["internal_forwarding"]["nat_target"]["internal_ip"] == "ff04::dead"


def test_an_underlay_group_in_use_cannot_be_deleted(talk: Talk) -> None:
    """External first; the guard is asked before existence and tag."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    status, message, _ = error(talk.dpd("DELETE", f"{GROUPS}/{U4}?tag=wrong"))
    assert (status, "still referenced" in message) == (400, True)
    assert talk.dpd("DELETE", f"{GROUPS}/{G4}?tag={TAG4}").status_code == 204
    assert talk.dpd("DELETE", f"{GROUPS}/{U4}?tag={TAG4}").status_code == 204
    assert talk.state()["switches"]["switch0"]["underlay_groups"] == []


def test_the_guard_remembers_one_external_group_alone(talk: Talk) -> None:
    """A second external group on an underlay group takes the guard over, and its deletion ends it."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    ok(talk.dpd("POST", EXTERNALS, external("239.1.1.1")))
    ok(talk.dpd("DELETE", f"{GROUPS}/239.1.1.1?tag={TAG4}"))
    assert talk.dpd("DELETE", f"{GROUPS}/{U4}?tag={TAG4}").status_code == 204


def test_reset_by_tag_takes_external_groups_first(talk: Talk) -> None:
    """Everything of one tag goes, nothing of another; nothing to do is fine."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    switch_group(talk, SWITCH0, G6, U6, "other:tag", S6)
    for _ in range(2):
        assert talk.dpd("DELETE", f"/multicast/tags/{TAG4}").status_code == 204
    assert [row["group_ip"] for row in talk.dpd("GET", GROUPS).json()["items"]] == [U6, G6]


def test_reset_by_tag_stops_at_a_foreign_reference(talk: Talk) -> None:
    """An underlay group that an external group of another tag uses stops it; what was done stays done."""
    ok(talk.dpd("POST", UNDERLAYS, underlay()))
    ok(talk.dpd("POST", UNDERLAYS, underlay(group=U6)))
    ok(talk.dpd("POST", EXTERNALS, external("239.1.1.1", target=U6)))
    ok(talk.dpd("POST", EXTERNALS, external(tag="other")))
    assert error(talk.dpd("DELETE", f"/multicast/tags/{TAG4}"))[0] == 400
    assert [row["group_ip"] for row in talk.dpd("GET", GROUPS).json()["items"]] == [G4, U4, U6]


def test_a_freed_id_is_given_out_next(talk: Talk) -> None:
    """Ids are a stack, local to a switch."""
    first = ok(talk.dpd("POST", UNDERLAYS, underlay())).json()
    ok(talk.dpd("DELETE", f"{GROUPS}/{U4}?tag={TAG4}"))
    second = ok(talk.dpd("POST", UNDERLAYS, underlay())).json()
    assert first == second


class TestPages:
    """Listings in pages, ordered by address."""

    ADDRESSES = tuple(f"ff04::{number:x}" for number in range(1, 6))

    @pytest.fixture(autouse=True)
    def groups(self, talk: Talk) -> None:
        """Five underlay groups, created out of order, and one external group."""
        for group in reversed(self.ADDRESSES):
            ok(talk.dpd("POST", UNDERLAYS, underlay(group=group)))
        ok(talk.dpd("POST", EXTERNALS, external(target=self.ADDRESSES[0])))

    def pages(self, talk: Talk, path: str, limit: int) -> list[list[str]]:
        token, pages = "", []
        for _ in itertools.repeat(None, 10):
            page = ok(talk.dpd("GET", f"{path}?limit={limit}{token}")).json()
            pages.append([row["group_ip"] for row in page["items"]])
            if page["next_page"] is None:
                return pages
            token = f"&page_token={page['next_page']}"
        raise AssertionError("no end of pages")

    @pytest.mark.parametrize("path", [GROUPS, f"/multicast/tags/{TAG4}"])
    def test_a_page_that_is_not_empty_names_a_next_one(self, talk: Talk, path: str) -> None:
        """IPv4 comes first; the last page with groups, full or not, is followed by an empty one."""
        assert self.pages(talk, path, 3) == [[G4, "ff04::1", "ff04::2"], ["ff04::3", "ff04::4", "ff04::5"], []]
        assert self.pages(talk, path, 4) == [[G4, "ff04::1", "ff04::2", "ff04::3"], ["ff04::4", "ff04::5"], []]

    def test_pages_go_on_after_the_last_address_seen(self, talk: Talk) -> None:
        """Groups that come and go between pages are seen or missed by address, never twice."""
        first = ok(talk.dpd("GET", f"{GROUPS}?limit=2")).json()
        ok(talk.dpd("DELETE", f"{GROUPS}/ff04::2?tag={TAG4}"))
        ok(talk.dpd("POST", UNDERLAYS, underlay(group="ff04::")))
        rest = ok(talk.dpd("GET", f"{GROUPS}?page_token={first['next_page']}")).json()
        assert [row["group_ip"] for row in rest["items"]] == ["ff04::3", "ff04::4", "ff04::5"]

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=x",
            "limit=-1",
            "limit=4294967296",
            "limit=1&limit=1",
            "page_token=",
            "page_token=junk",
            "page_token=e30=",
            f"page_token={'A' * 516}",
        ],
    )
    def test_a_bad_query_is_refused(self, talk: Talk, query: str) -> None:
        """A limit of 0 or none at all, and a token that dpd did not make, are 400."""
        status, message, _ = error(talk.dpd("GET", f"{GROUPS}?{query}"))
        assert (status, message.startswith("unable to parse query string")) == (400, True)

    def test_a_huge_limit_is_cut_silently(self, talk: Talk) -> None:
        """More than 10000 a page is taken as 10000."""
        assert len(ok(talk.dpd("GET", f"{GROUPS}?limit=4294967295")).json()["items"]) == 6


@pytest.mark.parametrize(
    "group",
    [
        "10.0.0.1",
        "224.0.0.5",
        "232.0.0.7",
        "ff01::1",
        "ff02::1",
        "ff03::1",
        "ff06::1",
        "ff0f::1",
        "ff04::1:2",
        "ff3e::1",
        "ff3e:0:1::8000:1",
        "fd00::1",
    ],
)
def test_refused_group_addresses(talk: Talk, group: str) -> None:
    """Not multicast, reserved, an unrouted scope, a bad source-specific id, or underlay."""
    ok(talk.dpd("POST", UNDERLAYS, underlay()))
    sources = [S6 if ":" in group else S4]
    assert error(talk.dpd("POST", EXTERNALS, external(group, *sources)))[0] == 400


@pytest.mark.parametrize(
    ("group", "sources"),
    [
        ("224.0.1.1", []),
        ("232.1.2.3", [S4]),
        ("239.255.255.255", []),
        ("ff0e::1", []),
        ("ff08::1234", []),
        ("ff3e::8000:1", [S6]),
        ("ff3e:20:1234::1", []),
        ("ff04:1::1", []),
    ],
)
def test_accepted_group_addresses(talk: Talk, group: str, sources: list[str]) -> None:
    """Routed scopes, source-specific groups with a source, and ff04::/16 outside ff04::/64."""
    ok(talk.dpd("POST", UNDERLAYS, underlay()))
    assert talk.dpd("POST", EXTERNALS, external(group, *sources)).status_code == 201


@pytest.mark.parametrize("group", ["ff04:0:0:1::1", "ff05::1", "233.252.0.1", "fd00::1", "nonsense"])
def test_refused_underlay_addresses(talk: Talk, group: str) -> None:
    """Underlay groups lie in ff04::/64, in the body and in the path."""
    assert error(talk.dpd("POST", UNDERLAYS, underlay(group=group)))[0] == 400
    assert error(talk.dpd("GET", f"{UNDERLAYS}/{group}"))[0] == 400


@pytest.mark.parametrize(
    "source",
    ["0.0.0.0", "127.0.0.1", "255.255.255.255", "224.1.1.1", "::", "::1", "fe80::1", "ff0e::1", "x"],  # noqa: S104  # nothing is bound
)
def test_refused_sources(talk: Talk, source: str) -> None:
    """A source is a host that can send."""
    ok(talk.dpd("POST", UNDERLAYS, underlay()))
    assert error(talk.dpd("POST", EXTERNALS, external(G4, source)))[0] == 400


def test_a_source_of_the_other_family_is_kept_and_never_matches(talk: Talk) -> None:
    """The family is not looked at; the entry then admits nobody of the group's own."""
    ok(talk.dpd("POST", UNDERLAYS, underlay()))
    answer = ok(talk.dpd("POST", EXTERNALS, external(G4, S6))).json()
    assert answer["sources"] == [{"Exact": S6}]
    assert talk.state()["switches"]["switch0"]["rows"]["filter v4"] == 1


@pytest.mark.parametrize(("revision", "status"), [("e2e", 201), ("main", 400)])
def test_the_revision_says_which_groups_of_ipv6_are_source_specific(talk: Talk, revision: str, status: int) -> None:
    """Revision main wants a source for every group of ff30::/12, also where the other asks for none."""
    ok(talk.control("PUT", "/dpds", {"backend": "tofino_stub", "revision": revision}))
    ok(talk.dpd("POST", UNDERLAYS, underlay()))
    assert talk.dpd("POST", EXTERNALS, external("ff35:20::5") | {"sources": None}).status_code == status


@pytest.mark.parametrize("sources", [None, [], ["Any"]])
def test_a_source_specific_group_needs_a_source(talk: Talk, sources: Json) -> None:
    """No source, or any, is refused where the address asks for named ones."""
    ok(talk.dpd("POST", UNDERLAYS, underlay()))
    assert error(talk.dpd("POST", EXTERNALS, external("232.1.2.3") | {"sources": sources}))[0] == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nat_target", None),
        ("internal_ip", "fd00::1"),
        ("inner_mac", {"a": [0, 0, 0, 0, 0, 1]}),
        ("inner_mac", {"a": [51, 51, 0, 0, 1]}),
        ("inner_mac", {"a": [51, 51, 0, 0, 0, 256]}),
        ("vni", 1 << 24),
        ("vni", "77"),
        ("vlan_id", 1),
        ("vlan_id", 4096),
    ],
)
def test_refused_attributes(talk: Talk, field: str, value: Json) -> None:
    """The translation has to be into an underlay group with a group MAC; VLANs are 2 to 4095."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    body = attributes(U4)
    if field == "vlan_id":
        body["external_forwarding"][field] = value
    elif field == "nat_target":
        body["internal_forwarding"][field] = value
    else:
        body["internal_forwarding"]["nat_target"][field] = value
    assert error(talk.dpd("PUT", f"{EXTERNALS}/{G4}?tag={TAG4}", body))[0] == 400
    before = talk.dpd("GET", f"{GROUPS}/{G4}").json()
    assert before["internal_forwarding"] == attributes(U4)["internal_forwarding"]


@pytest.mark.parametrize(
    "body",
    [
        {"group_ip": U4},
        {"group_ip": U4, "members": None},
        {"members": []},
        {"group_ip": 7, "members": []},
        {"group_ip": U4, "members": [{"port_id": "rear99", "link_id": 0, "direction": "Underlay"}]},
        {"group_ip": U4, "members": [{"port_id": "rear1", "link_id": True, "direction": "Underlay"}]},
        {"group_ip": U4, "members": [{"port_id": "rear1", "link_id": 0, "direction": "underlay"}]},
        [],
        "text",
    ],
)
def test_unreadable_bodies(talk: Talk, body: Json) -> None:
    """A missing field, another type or an unknown word is 400."""
    status, message, _ = error(talk.dpd("POST", UNDERLAYS, body))
    assert (status, message.startswith("unable to parse JSON body")) == (400, True)


def test_port_names_may_be_in_either_case(talk: Talk) -> None:
    """REAR14 is rear14."""
    answer = ok(talk.dpd("POST", UNDERLAYS, underlay(port(14) | {"port_id": "REAR14"})))
    assert answer.json()["members"] == [port(14)]


class TestHalfDone:
    """Requests that fail on the way."""

    def test_a_create_that_fails_leaves_nothing(self, talk: Talk) -> None:
        """An unknown link is 404, a port twice 500, and neither the group nor its ids are taken."""
        stray = port(14) | {"link_id": 1}
        assert error(talk.dpd("POST", UNDERLAYS, underlay(port(15), stray)))[0] == 404
        assert error(talk.dpd("POST", UNDERLAYS, underlay(port(14), port(14)))) == (
            500,
            "Internal Server Error",
            "Internal",
        )
        assert talk.state()["switches"]["switch0"]["underlay_groups"] == []
        assert ok(talk.dpd("POST", UNDERLAYS, underlay())).json()["external_group_id"] == 65534

    def test_a_member_change_that_fails_leaves_the_chip_short(self, talk: Talk) -> None:
        """Removals come first and are not undone, while GET still tells the old list."""
        ok(talk.dpd("POST", UNDERLAYS, underlay(port(14), port(15))))
        talk.fault("switch0 dpd", "port_add")
        assert error(talk.dpd("PUT", OURS, {"members": [port(15), port(16)]}))[0] == 500
        assert talk.dpd("GET", f"{UNDERLAYS}/{U4}").json()["members"] == [port(14), port(15)]
        assert chip_members(talk) == ["rear15"]
        (difference,) = talk.state()["switches"]["switch0"]["soft_state_differs"]
        assert difference == {"group_ip": U4, "soft": [port(14), port(15)], "chip": [port(15)]}

    def test_after_that_the_same_change_is_refused_until_the_group_is_made_anew(self, talk: Talk) -> None:
        """The removal fails on a port that is gone already; deleting and creating heals."""
        ok(talk.dpd("POST", UNDERLAYS, underlay(port(14), port(15))))
        talk.fault("switch0 dpd", "port_add")
        body = {"members": [port(15), port(16)]}
        talk.dpd("PUT", OURS, body)
        assert [error(talk.dpd("PUT", OURS, body))[0] for _ in range(2)] == [400, 400]
        ok(talk.dpd("DELETE", f"{GROUPS}/{U4}?tag={TAG4}"))
        ok(talk.dpd("POST", UNDERLAYS, underlay(port(15), port(16))))
        assert talk.state()["switches"]["switch0"]["soft_state_differs"] == []

    def test_an_unknown_port_stops_a_change_halfway(self, talk: Talk) -> None:
        """The list's known ports are added up to the one that this switch does not have."""
        smaller = {
            slot: switch(slot, backplane=tuple(PortId("rear", number) for number in range(16)))
            for slot in (SWITCH0, SWITCH1)
        }
        ok(talk.control("PUT", "/snapshot", snapshot_document(small_rack(switches=smaller))))
        ok(talk.dpd("POST", UNDERLAYS, underlay(port(14))))
        status, message, code = error(talk.dpd("PUT", OURS, {"members": [port(15), port(16)]}))
        assert (status, message) == (404, "Not Found")
        assert code is not None
        assert "rear16" in code
        assert chip_members(talk) == ["rear15"]


class TestCapacity:
    """Tables of 1024 rows."""

    def test_the_source_filter_fills_up(self, talk: Talk) -> None:
        """Each source takes a row; the 1025th is 507 and changes nothing."""
        ok(talk.dpd("POST", UNDERLAYS, underlay()))
        for block in range(8):
            sources = [f"10.{block}.0.{host}" for host in range(1, 129)]
            ok(talk.dpd("POST", EXTERNALS, external(f"239.0.0.{block + 1}", *sources)))
        assert talk.state()["switches"]["switch0"]["rows"]["filter v4"] == 1024
        refusal = talk.dpd("POST", EXTERNALS, external("239.0.1.1"))
        assert error(refusal)[:2] == (507, "Insufficient Storage")
        assert talk.state()["switches"]["switch0"]["rows"]["filter v4"] == 1024
        ok(talk.dpd("POST", EXTERNALS, external("ff0e::1")))

    def test_a_body_over_10240_octets_is_refused(self, talk: Talk) -> None:
        """About 190 full-length IPv6 sources fit, 256 do not."""
        ok(talk.dpd("POST", UNDERLAYS, underlay()))
        sources = [f"fd00:1122:3344:5566:7788:99aa:bbcc:{number:04x}" for number in range(0x1000, 0x1100)]
        status, message, _ = error(talk.dpd("POST", EXTERNALS, external("ff0e::1", *sources)))
        assert (status, "exceeded maximum size" in message) == (400, True)
        ok(talk.dpd("POST", EXTERNALS, external("ff0e::1", *sources[:180])))


def test_what_switches_say_about_themselves(talk: Talk) -> None:
    """Slot and serial differ per switch; the backplane has a link per rear port."""
    told = [talk.dpd("GET", "/switch/identifiers", slot=slot).json() for slot in (SWITCH0, SWITCH1)]
    assert [row["slot"] for row in told] == [0, 1]
    assert [row["serial"] for row in told] == ["BRM11110000", "BRM11110001"]
    assert told[0]["sidecar_id"] != told[1]["sidecar_id"]
    links = talk.dpd("GET", "/backplane-map").json()
    assert links["rear14"]["cubby"] == 14
    assert len(links) == 32
    assert talk.dpd("GET", "/backplane-map/rear14").json() == links["rear14"]
    assert talk.dpd("GET", "/backplane-map/qsfp0").status_code == 404
    assert talk.dpd("GET", "/backplane-map/rear32").status_code == 400


def test_nothing_survives_a_restart(talk: Talk) -> None:
    """After it lists are empty, the chip is, and ids start over."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    talk.restart("switch0 dpd", keep_state=False)
    assert talk.dpd("GET", GROUPS).json() == {"items": [], "next_page": None}
    state = talk.state()["switches"]["switch0"]
    assert (state["underlay_groups"], state["external_groups"]) == ([], [])
    assert ok(talk.dpd("POST", UNDERLAYS, underlay())).json()["external_group_id"] == 65534


@pytest.mark.parametrize("path", [GROUPS, "/all-settings"])
def test_some_calls_wipe_everything(talk: Talk, path: str) -> None:
    """No tag is asked for: every group of every owner goes, from the chip too."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    switch_group(talk, SWITCH0, G6, U6, "other:tag", S6)
    assert talk.dpd("DELETE", path).status_code == 204
    assert talk.dpd("GET", GROUPS).json() == {"items": [], "next_page": None}
    state = talk.state()["switches"]["switch0"]
    assert (state["underlay_groups"], state["external_groups"], max(state["rows"].values())) == ([], [], 0)


def test_settings_of_a_tag_are_not_groups(talk: Talk) -> None:
    """What deletes all other settings of a tag leaves its multicast groups."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    assert talk.dpd("DELETE", f"/all-settings/{TAG4}").status_code == 204
    assert len(talk.dpd("GET", GROUPS).json()["items"]) == 2


def test_there_are_no_untagged_groups_to_delete(talk: Talk) -> None:
    """The old call is gone, and says what to use."""
    status, message, _ = error(talk.dpd("DELETE", "/multicast/untagged"))
    assert (status, "tag" in message) == (410, True)


def test_a_dpd_without_multicast_says_so_to_everything(talk: Talk) -> None:
    """Every call on groups is 501; what is not about groups is answered, and the call that is gone stays gone."""
    talk.fault("switch0 dpd", "no_multicast", times=None)
    calls: tuple[tuple[str, str, Json], ...] = (
        ("POST", UNDERLAYS, underlay()),
        ("PUT", OURS, {"members": []}),
        ("POST", EXTERNALS, external()),
        ("GET", GROUPS, None),
        ("GET", f"{GROUPS}/{G4}", None),
        ("DELETE", f"/multicast/tags/{TAG4}", None),
    )
    assert [error(talk.dpd(*call))[:2] for call in calls] == [(501, "Not Implemented")] * len(calls)
    assert talk.dpd("DELETE", "/multicast/untagged").status_code == 410
    assert talk.dpd("GET", "/switch/identifiers").status_code == 200


def test_another_vlan_makes_the_translation_anew(talk: Talk) -> None:
    """So then, and only then, a PUT looks whether the underlay group is there."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    path, absent = f"{EXTERNALS}/{G4}?tag={TAG4}", attributes("ff04::dead")
    assert error(talk.dpd("PUT", path, absent | {"external_forwarding": {"vlan_id": 7}}))[0] == 400
    assert talk.dpd("GET", f"{GROUPS}/{G4}").json()["external_forwarding"] == {"vlan_id": None}
    assert talk.dpd("PUT", path, attributes(U4) | {"external_forwarding": {"vlan_id": 7}}).status_code == 200
    assert talk.dpd("PUT", path, absent | {"external_forwarding": {"vlan_id": 7}}).status_code == 200


def test_the_ports_and_links_of_a_switch(talk: Talk) -> None:
    """32 rear ports, 32 front ports and one inside; links can be picked by a part of their name."""
    ports = talk.dpd("GET", "/ports").json()
    assert (len(ports), ports[0], "rear31" in ports, "qsfp0" in ports) == (65, "int0", True, True)
    (link,) = talk.dpd("GET", "/links?filter=rear14").json()
    assert (link["port_id"], link["link_id"], link["kr"]) == ("rear14", 0, True)
    assert len(talk.dpd("GET", "/links").json()) == len(talk.dpd("GET", "/links/tfport_data").json()) == 64


def test_tables_show_what_the_chip_has(talk: Talk) -> None:
    """A row per source, route, translation and replication; the sizes are those that fill up."""
    switch_group(talk, SWITCH0, G4, U4, TAG4, S4)

    def keys(name: str) -> list[Json]:
        table = talk.dpd("GET", f"/table/{name}/dump?from_hardware=false").json()
        assert (table["name"], table["size"]) == (name, 1024)
        return [row["keys"] for row in table["entries"]]

    names = {name.rpartition(".")[2]: name for name in talk.dpd("GET", "/table").json()}
    assert keys(names["mcast_source_filter_ipv4"]) == [{"src_addr": f"{S4}/32", "dst_addr": G4}]
    assert keys(names["mcast_replication_ipv6"]) == [{"dst_addr": U4}]
    assert keys("pipe.Ingress.l3_router.MulticastRouter4.tbl") == [{"dst_addr": G4}]
    assert keys("pipe.Ingress.l3_router.MulticastRouter6.tbl") == [{"dst_addr": U4}]
    ok(talk.dpd("PUT", f"{EXTERNALS}/{G4}?tag={TAG4}", attributes(U4)))
    assert keys(names["mcast_source_filter_ipv4"]) == [{"src_addr": "0.0.0.0/0", "dst_addr": G4}]
    ok(talk.dpd("PUT", OURS, {"members": []}))
    assert keys(names["mcast_replication_ipv6"]) == []


@pytest.mark.parametrize(("version", "status"), [("8.0.0", 200), ("9.0.0", 400), ("13.0.0", 400)])
def test_a_dump_has_to_say_where_from_since_version_9(talk: Talk, version: str, status: int) -> None:
    """Older versions know no such question."""
    name = talk.dpd("GET", "/table").json()[0]
    assert talk.call("switch0 dpd", "GET", f"/table/{name}/dump", version=version).status_code == status


def test_the_uptime_starts_over_with_dpd(talk: Talk) -> None:
    """It counts in seconds, and a restart shows."""
    first, second = (talk.dpd("GET", "/dpd-uptime").json() for _ in range(2))
    assert second > first
    talk.restart("switch0 dpd", keep_state=False)
    assert talk.dpd("GET", "/dpd-uptime").json() == 0


def test_group_addresses_in_any_spelling_are_one(talk: Talk) -> None:
    """Paths and bodies take every form of an address."""
    ok(talk.dpd("POST", UNDERLAYS, underlay(group="FF04:0:0:0:0:0:E9FC:0001")))
    assert talk.dpd("GET", f"{UNDERLAYS}/ff04::E9FC:1").json()["group_ip"] == U4
    assert talk.dpd("GET", f"{UNDERLAYS}/ff04::e9fc:2").status_code == 404
