"""What all daemons share: versions, routing, forms of errors, bodies."""

import socket
from contextlib import closing
from http.client import HTTPConnection

import httpx
import pytest

from simrack.background import running
from simrack.web.listeners import listening_socket
from simrack.web.versions import DaemonKind
from tests.simrack.rows import G4, SLEDS, TAG4, U4, small_rack
from tests.simrack.talk import Talk

READS = {
    "switch0 dpd": "/switch/identifiers",
    "switch1 mgd": "/static/mroute",
    "switch0 ddmd": "/peers",
    "switch1 mgs": "/local/switch-id",
    f"sled {SLEDS[0]}": "/networking/mcast-m2p",
}
TOO_NEW = {"dpd": "13.0.1", "mgd": "14.0.0", "ddmd": "3.1.0", "mgs": "4.0.0", "sled": "50.0.0"}


def kind(target: str) -> str:
    return "sled" if target.startswith("sled") else target.split()[1]


def get(talk: Talk, target: str, headers: dict[str, str]) -> httpx.Response:
    return talk.client.get(talk.rack.url(target) + READS[target], headers=headers)


@pytest.mark.parametrize("target", READS)
class TestVersions:
    """The api-version header, for every daemon."""

    def test_the_header_is_required(self, talk: Talk, target: str) -> None:
        """Without it everything is 400, unknown paths too."""
        answer = get(talk, target, {})
        assert (answer.status_code, answer.json()["message"]) == (400, 'missing expected header "api-version"')
        assert talk.client.get(talk.rack.url(target) + "/nonsense").status_code == 400

    @pytest.mark.parametrize("version", ["12", "1.0", "x", "1.0.0.0", "01.0.0", ""])
    def test_it_has_to_be_a_full_version(self, talk: Talk, target: str, version: str) -> None:
        """Three numbers, no fewer."""
        answer = get(talk, target, {"api-version": version})
        assert answer.status_code == 400
        assert answer.json()["message"].startswith("bad value for header")

    def test_a_newer_version_than_the_daemon_has_is_refused(self, talk: Talk, target: str) -> None:
        """The message names the version, so that a client can step down."""
        version = TOO_NEW[kind(target)]
        answer = get(talk, target, {"api-version": version})
        assert answer.status_code == 400
        assert answer.json()["message"] == f"server does not support this API version: {version}"

    def test_the_newest_version_is_served(self, talk: Talk, target: str) -> None:
        """And it is what the other tests speak."""
        assert talk.call(target, "GET", READS[target]).status_code == 200

    def test_every_answer_carries_a_request_id(self, talk: Talk, target: str) -> None:
        """No two answers share one, and an error repeats it in its body."""
        good = talk.call(target, "GET", READS[target])
        bad = talk.call(target, "GET", "/nonsense")
        assert bad.json() == {"request_id": bad.headers["x-request-id"], "message": "Not Found"}
        assert good.headers["x-request-id"] != bad.headers["x-request-id"]


@pytest.mark.parametrize(
    ("target", "path", "version", "status"),
    [
        ("switch0 dpd", "/multicast/groups", "12.0.0", 200),
        ("switch0 dpd", "/multicast/groups", "8.0.0", 200),
        ("switch0 dpd", "/multicast/groups", "7.0.0", 404),
        ("switch0 dpd", "/switch/identifiers", "7.0.0", 200),
        ("switch0 mgd", "/static/mroute", "12.0.0", 404),
        ("switch0 ddmd", "/multicast_groups", "2.0.0", 404),
        ("switch0 ddmd", "/peers", "2.0.0", 200),
        (f"sled {SLEDS[0]}", "/networking/mcast-m2p", "48.0.0", 404),
    ],
)
def test_older_versions_lack_what_came_later(talk: Talk, target: str, path: str, version: str, status: int) -> None:
    """A version is taken, and only the paths that it has are found."""
    assert talk.call(target, "GET", path, version=version).status_code == status


def test_a_daemon_can_be_older(client: httpx.Client) -> None:
    """A rack with an older mgd refuses the version that has multicast."""
    with running(small_rack(), newest={DaemonKind.MGD: (12, 0, 0)}) as rack:
        talk = Talk(rack, client)
        assert talk.mgd("GET", "/static/mroute").status_code == 400
        assert talk.call("switch0 mgd", "GET", "/switch/identifiers", version="12.0.0").status_code == 200


def test_a_method_that_a_path_lacks_is_405(talk: Talk) -> None:
    """A known path with another method is told apart from an unknown one."""
    answer = talk.dpd("PUT", "/multicast/groups")
    assert (answer.status_code, answer.json()["message"]) == (405, "Method Not Allowed")
    assert talk.dpd("PUT", "/multicast/nothing").status_code == 404
    assert talk.dpd("GET", "/multicast/underlay-groups/").status_code == 405


def status_of(talk: Talk, path: str) -> int:
    """Ask dpd for *path* as it is written: other clients tidy it up."""
    url = httpx.URL(talk.rack.url("switch0 dpd"))
    with closing(HTTPConnection(url.host, url.port)) as connection:
        connection.request("GET", path, headers={"api-version": "13.0.0"})
        return connection.getresponse().status


@pytest.mark.parametrize("path", ["/multicast//groups", "/multicast/groups/", "//multicast///groups//"])
def test_slashes_in_a_row_are_one(talk: Talk, path: str) -> None:
    """Segments without a character do not count."""
    assert status_of(talk, path) == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/multicast/%67roups", 200),
        ("/multicast/tags/a%2Fb", 400),
        ("/multicast/../multicast/groups", 400),
        ("/multicast/./groups", 400),
        ("/multicast/tags/%FF", 400),
    ],
)
def test_segments_are_decoded_one_by_one(talk: Talk, path: str, status: int) -> None:
    """An encoded slash is part of its segment, dots are no way up, and what is no text is refused."""
    assert status_of(talk, path) == status


def test_a_body_that_nobody_asked_for_is_not_looked_at(talk: Talk) -> None:
    """Only calls that take a body mind its length, its type or its form."""
    url = talk.rack.url("switch0 dpd") + "/multicast/groups"
    for body in (b"{", b"x" * 10_241):
        headers = {"api-version": "13.0.0", "content-type": "text/plain"}
        assert talk.client.request("GET", url, content=body, headers=headers).status_code == 200


def test_the_path_is_read_before_the_body(talk: Talk) -> None:
    """Of two mistakes the one in the path is told, in both forms of a membership."""
    for form in ("vmms", "instances"):
        answer = talk.sled(SLEDS[0], "PUT", f"/{form}/x/multicast-group", {})
        assert answer.json()["message"].startswith("bad parameter in URL path")


MAPPING = f'"group":"{G4}","underlay":"{U4}"'
MORE = ('"a":NaN', '"a":1e999', f'"group":"{G4}"')
"""What makes a body wrong in which a mapping is told well: numbers that are none or too large, a field again."""


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[" * 100_000, *(f"{{{MAPPING},{more}}}".encode() for more in MORE)]
)
def test_a_body_that_is_not_json_is_400(talk: Talk, body: bytes) -> None:
    """Nothing, half of something, other encodings, bottomless nesting, and what only lenient readers take."""
    url = talk.rack.url(f"sled {SLEDS[0]}") + "/networking/mcast-m2p"
    answer = talk.client.put(url, content=body, headers={"api-version": "49.0.0"})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("unable to parse JSON body")


@pytest.mark.parametrize(
    ("content_type", "status"), [(None, 204), ("application/json; charset=utf-8", 204), ("text/plain", 400)]
)
def test_a_body_is_json_unless_it_says_otherwise(talk: Talk, content_type: str | None, status: int) -> None:
    """An absent content type is taken as JSON, another one is refused."""
    url = talk.rack.url(f"sled {SLEDS[0]}") + "/networking/mcast-m2p"
    headers = {"api-version": "49.0.0"} | ({} if content_type is None else {"content-type": content_type})
    body = f'{{"group":"{G4}","underlay":"{U4}"}}'.encode()
    assert talk.client.put(url, content=body, headers=headers).status_code == status


def test_extra_fields_are_ignored(talk: Talk) -> None:
    """A newer client may say more than a daemon understands."""
    body = {"group_ip": U4, "members": [], "tag": TAG4, "colour": "green"}
    assert talk.dpd("POST", "/multicast/underlay-groups", body).status_code == 201


def test_sockets_name_their_protocol() -> None:
    """Otherwise answers wait for Nagle's algorithm, because asyncio would not turn it off."""
    with listening_socket() as sock:
        assert sock.proto == socket.IPPROTO_TCP


def test_a_large_body_arrives_whole(talk: Talk) -> None:
    """Bodies of several packets are put together."""
    routes = [
        {"key": {"V4": {"group": f"233.{n >> 8}.{n & 255}.1"}}, "underlay_group": f"ff04::{n + 1:x}"}
        for n in range(4000)
    ]
    assert talk.mgd("PUT", "/static/mroute", {"routes": routes}).status_code == 204
    assert len(talk.mgd("GET", "/mrib/status/selected").json()) == 4000
