"""Faults that make an answer hang, end, or say something else than it should."""

import gzip
import json
import socket
from contextlib import closing

import httpx
import pytest

from simrack.web.alterations import ALTERATIONS
from tests.simrack.program import ok, port, switch_group
from tests.simrack.rows import G4, SWITCH0, TAG4, U4
from tests.simrack.talk import Json, Talk

DPD = "switch0 dpd"
UNDERLAYS = "/multicast/underlay-groups"
BODY = {"group_ip": U4, "members": [port(14)], "tag": TAG4}
MEBIBYTE = 1 << 20


def get(talk: Talk, path: str, target: str = DPD, **options: float) -> httpx.Response:
    """Ask as any client would, whatever is answered."""
    headers = {"api-version": "3.0.0" if target.endswith(("ddmd", "mgs")) else "13.0.0"}
    return talk.client.get(talk.rack.url(target) + path, headers=headers, **options)  # type: ignore[arg-type]


def create(talk: Talk, timeout: float = 5) -> httpx.Response:
    url = talk.rack.url(DPD) + UNDERLAYS
    return talk.client.post(url, json=BODY, headers={"api-version": "13.0.0"}, timeout=timeout)


def exists(talk: Talk) -> bool:
    return bool(talk.state()["switches"]["switch0"]["underlay_groups"])


def octets(talk: Talk, path: str, *, until: int, patience: float = 0.3) -> bytes:
    """Return what comes over a connection of its own until *until* octets are there, it ends, or nothing comes."""
    _, _, number = talk.rack.url(DPD).rpartition(":")
    with closing(socket.create_connection(("::1", int(number)), timeout=patience)) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\napi-version: 13.0.0\r\n\r\n".encode())
        received = b""
        try:
            while len(received) < until and (more := line.recv(1 << 16)):
                received += more
        except TimeoutError:
            return received + b"(silence)"
        return received


# --- half an answer, or none ---------------------------------------------------------------------------------


def test_a_head_may_stall_after_the_effect(talk: Talk) -> None:
    """The status comes, then nothing: only a deadline for the whole answer ends the call."""
    talk.fault(DPD, "stalled_head")
    with pytest.raises(httpx.ReadTimeout):
        create(talk, timeout=0.15)
    assert exists(talk)
    talk.fault(DPD, "stalled_head")
    assert octets(talk, "/dpd-version", until=1 << 20) == b"HTTP/1.1 200 OK\r\ncontent-ty(silence)"


def test_a_connection_may_be_half_open(talk: Talk) -> None:
    """It stays open and silent while others are answered, and nothing takes effect."""
    talk.fault(DPD, "half_open")
    assert octets(talk, "/dpd-version", until=1) == b"(silence)"
    assert get(talk, "/dpd-version").status_code == 200
    talk.fault(DPD, "half_open")
    with pytest.raises(httpx.ReadTimeout):
        create(talk, timeout=0.15)
    assert not exists(talk)


def test_what_comes_may_be_no_http(talk: Talk) -> None:
    """Another protocol answers, and nothing takes effect."""
    talk.fault(DPD, "not_http")
    with pytest.raises(httpx.RemoteProtocolError):
        create(talk)
    assert not exists(talk)
    talk.fault(DPD, "not_http")
    assert octets(talk, "/dpd-version", until=1 << 20) == b"SSH-2.0-simrack\r\n"


@pytest.mark.parametrize("status", [100, 103])
def test_an_interim_status_may_be_all_that_comes(talk: Talk, status: int) -> None:
    """No final one follows, and nothing takes effect."""
    talk.fault(DPD, "status", status=status)
    with pytest.raises(httpx.ReadTimeout):
        create(talk, timeout=0.15)
    assert not exists(talk)


def test_a_daemon_may_send_its_client_elsewhere(talk: Talk) -> None:
    """The location is the one ordered; a client that follows it is seen there."""
    elsewhere = talk.rack.url("switch1 dpd") + UNDERLAYS
    talk.fault(DPD, "redirect", location=elsewhere)
    answer = create(talk)
    assert (answer.status_code, answer.headers["location"]) == (307, elsewhere)
    assert not exists(talk)
    talk.fault(DPD, "redirect", location="/dpd-version", status=302)
    assert get(talk, "/dpd-uptime").status_code == 302
    assert [call["target"] for call in talk.calls()] == [DPD, DPD]


# --- too much ------------------------------------------------------------------------------------------------


def test_a_body_may_be_huge(talk: Talk) -> None:
    """It is valid JSON as long as somebody reads it to the end."""
    talk.fault(DPD, "huge_body", size=3 * MEBIBYTE + 5)
    answer = get(talk, "/dpd-version")
    assert (len(answer.content), answer.json()) == (
        3 * MEBIBYTE + 5 + len('"0.2.0"'),
        get(talk, "/dpd-version").json(),
    )


def test_a_huge_body_ends_with_its_client(talk: Talk) -> None:
    """Whoever goes away is sent no more, and the call keeps its status on record."""
    talk.fault(DPD, "huge_body", size=1 << 34)
    assert len(octets(talk, "/dpd-version", until=MEBIBYTE)) >= MEBIBYTE
    assert get(talk, "/dpd-version").status_code == 200
    assert [call["status"] for call in talk.calls()] == [200, 200]


def test_chunks_may_come_without_end(talk: Talk) -> None:
    """A true body first, then blanks for as long as somebody listens."""
    talk.fault(DPD, "endless_chunks")
    received = octets(talk, "/dpd-version", until=4 * MEBIBYTE)
    assert len(received) >= 4 * MEBIBYTE
    assert b"transfer-encoding: chunked\r\n" in received
    assert get(talk, "/dpd-version").status_code == 200


def test_a_body_may_be_packed_small(talk: Talk) -> None:
    """A thousandth comes over the wire, and it is valid JSON when it is unpacked."""
    talk.fault(DPD, "gzip_bomb", size=2 * MEBIBYTE)
    url = talk.rack.url(DPD) + "/dpd-version"
    with talk.client.stream("GET", url, headers={"api-version": "13.0.0", "accept-encoding": "identity"}) as answer:
        packed = b"".join(answer.iter_raw())
    assert (answer.headers["content-encoding"], len(packed) < 4096) == ("gzip", True)
    unpacked = gzip.decompress(packed)
    assert (len(unpacked) > 2 * MEBIBYTE, json.loads(unpacked)) == (True, get(talk, "/dpd-version").json())


# --- another content -----------------------------------------------------------------------------------------

PEERS = "/peers"


@pytest.mark.parametrize("kind", sorted(ALTERATIONS))
def test_an_altered_answer_has_its_effect(talk: Talk, kind: str) -> None:
    """The group is made whatever the answer says, and an answer without a body stays as it is."""
    options: Json = {"set_field": {"field": "tag", "value": 1}, "drop_field": {"field": "tag"}, "body": {"body": "x"}}
    talk.fault(DPD, kind, **options.get(kind, {}))
    assert create(talk).status_code == 201
    assert exists(talk)
    talk.fault(DPD, kind, **options.get(kind, {}))
    gone = talk.dpd("DELETE", f"/multicast/groups/{U4}?tag={TAG4}")
    assert (gone.status_code, gone.content) == (204, b"")


def test_a_body_may_say_to_be_something_else(talk: Talk) -> None:
    """The octets are the same, text unless said otherwise."""
    true = get(talk, "/switch/identifiers").content
    for options, told in (({}, "text/plain"), ({"content_type": "text/html"}, "text/html")):
        talk.fault(DPD, "content_type", **options)
        answer = get(talk, "/switch/identifiers")
        assert (answer.headers["content-type"], answer.content) == (told, true)


def test_a_body_may_begin_with_a_mark(talk: Talk) -> None:
    """Three octets that JSON does not allow."""
    true = get(talk, "/switch/identifiers").content
    talk.fault(DPD, "byte_order_mark")
    assert get(talk, "/switch/identifiers").content == b"\xef\xbb\xbf" + true


def test_a_body_may_be_any_text_or_none(talk: Talk) -> None:
    """The status is the true one."""
    talk.fault(DPD, "body", body='{"a": Infinity}', content_type="application/json")
    talk.fault(DPD, "empty_body")
    first, second = get(talk, "/switch/identifiers"), get(talk, "/switch/identifiers")
    assert (first.status_code, first.text, first.headers["content-type"]) == (
        200,
        '{"a": Infinity}',
        "application/json",
    )
    assert (second.status_code, second.content) == (200, b"")


def test_a_number_may_be_none(talk: Talk) -> None:
    """The first number of the body, or the whole body where there is none."""
    talk.fault(DPD, "not_a_number")
    assert b'"revision":NaN' in get(talk, "/switch/identifiers").content
    talk.fault(DPD, "not_a_number")
    assert get(talk, "/dpd-version").content == b"NaN"


def test_a_key_may_stand_twice(talk: Talk) -> None:
    """In the first object that has one: null first, so that a lenient reader sees nothing wrong."""
    true = get(talk, "/switch/identifiers").json()
    talk.fault(DPD, "duplicate_key")
    text = get(talk, "/switch/identifiers").text
    first = next(iter(true))
    assert text.startswith(f'{{"{first}":null,"{first}":')
    assert json.loads(text) == true
    talk.fault(DPD, "duplicate_key")
    assert get(talk, "/dpd-version").text == '{"twice":0,"twice":0}'


def test_a_body_may_be_deep(talk: Talk) -> None:
    """As deep as ordered, in a field that nobody knows where there is an object."""
    talk.fault(DPD, "deep_nesting", depth=5)
    assert get(talk, "/switch/identifiers").json()["nested"] == [[[[[]]]]]
    talk.fault(DPD, "deep_nesting")
    assert get(talk, "/switch/identifiers").text.count("[") >= 100_000
    talk.fault(DPD, "deep_nesting", depth=3)
    assert get(talk, "/dpd-version").json() == [[[]]]


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        ("slot", 7, lambda body: body["slot"]),
        ("slot", "0", lambda body: body["slot"]),
        ("model", None, lambda body: body["model"]),
        ("unheard_of", {"a": [1]}, lambda body: body["unheard_of"]),
    ],
)
def test_a_field_may_have_any_value(talk: Talk, field: str, value: Json, found: Json) -> None:
    """A wrong slot, another type, null, a field that no version knows."""
    talk.fault("switch0 dpd", "set_field", field=field, value=value)
    assert found(get(talk, "/switch/identifiers").json()) == value
    assert get(talk, "/switch/identifiers").json()["slot"] == 0


def test_fields_of_every_entry_may_be_changed_or_left_out(talk: Talk) -> None:
    """A star is every entry of a list or an object, a number one entry of a list."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    talk.fault(DPD, "set_field", field="items.*.members.0.port_id", value="rear99")
    talk.fault(DPD, "drop_field", field="items.*.members")
    talk.fault(DPD, "drop_field", field="items.0")
    talk.fault("switch0 ddmd", "set_field", field="*.host", value="nobody")
    changed, missing, shorter = (get(talk, "/multicast/groups").json()["items"] for _ in range(3))
    members = next(row["members"] for row in changed if row["kind"] == "underlay")
    assert [row["port_id"] for row in members] == ["rear99", "rear15", "rear16"]
    assert (len(missing), any("members" in row for row in missing)) == (2, False)
    assert [row["kind"] for row in shorter] == ["underlay"]
    assert {row["host"] for row in get(talk, PEERS, "switch0 ddmd").json().values()} == {"nobody"}


def test_a_list_may_be_partly_there(talk: Talk) -> None:
    """None of it unless said; an emptied page is the last one, and peers are a list by number."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    talk.fault(DPD, "partial_list")
    talk.fault(DPD, "partial_list", keep=1)
    empty, one = (get(talk, "/multicast/groups").json() for _ in range(2))
    assert empty == {"items": [], "next_page": None}
    assert (len(one["items"]), one["next_page"]) == (1, None)
    talk.fault("switch0 ddmd", "partial_list")
    talk.fault("switch0 ddmd", "partial_list", keep=2)
    assert [len(get(talk, PEERS, "switch0 ddmd").json()) for _ in range(3)] == [0, 2, 3]


@pytest.mark.parametrize(("kind", "different"), [("repeated_page", 1), ("endless_pages", 5)])
def test_pages_may_follow_each_other_for_ever(talk: Talk, kind: str, different: int) -> None:
    """Five pages and no end: each holds the same groups, under one token or under ever new ones."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    talk.fault(DPD, kind, times=None)
    tokens, path = [], "/multicast/groups?limit=10"
    for _ in range(5):
        page = get(talk, path).json()
        assert len(page["items"]) == 2
        tokens.append(page["next_page"])
        path = f"/multicast/groups?limit=10&page_token={tokens[-1]}"
    assert len(set(tokens)) == different


def test_somebody_else_may_call_in_between(talk: Talk) -> None:
    """A group goes between the first page and the second; both calls are on record."""
    switch_group(talk, SWITCH0, G4, U4, TAG4)
    other = {"target": DPD, "method": "DELETE", "path": f"/multicast/groups/{G4}?tag={TAG4}"}
    talk.fault(DPD, "another_call", method="GET", path="/multicast/groups", call=other)
    page = ok(talk.dpd("GET", "/multicast/groups?limit=1")).json()
    assert [row["group_ip"] for row in page["items"]] == [G4]
    rest = ok(talk.dpd("GET", f"/multicast/groups?limit=1&page_token={page['next_page']}")).json()
    assert [row["group_ip"] for row in rest["items"]] == [U4]
    assert talk.dpd("GET", f"/multicast/groups/{G4}").status_code == 404
    row = next(row for row in talk.calls() if row["fault"] == "another_call" and row["method"] == "DELETE")
    assert (row["path"], row["status"]) == (f"/multicast/groups/{G4}?tag={TAG4}", 204)


def test_somebody_else_may_put_something_there(talk: Talk) -> None:
    """The body of the other call is what was ordered, and it may go to another daemon."""
    other = {"target": "switch1 dpd", "method": "POST", "path": UNDERLAYS, "body": BODY}
    talk.fault(DPD, "another_call", call=other)
    get(talk, "/dpd-version")
    (group,) = talk.state()["switches"]["switch1"]["underlay_groups"]
    assert (group["group_ip"], group["tag"]) == (U4, TAG4)
