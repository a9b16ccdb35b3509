"""One client: what it refuses to send, follow, wait for or swallow."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from attrs import evolve

from blueprints.addresses import Address
from blueprints.errors import BadAnswerError, InvariantError, SilentError
from executor.answers import Answer, UnreachedError
from executor.apis import KNOWN_VERSIONS, Api
from executor.dpd import read_group, read_groups
from executor.http import Client
from executor.limits import Limits
from executor.transport import PlainTransport

QUICK = Limits(request_seconds=0.3, pause_seconds=0.0, pause_jitter_seconds=0.0, answer_bytes=2000)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


def client(transport: httpx.AsyncBaseTransport | None = None, **changes: Any) -> Client:
    """Return a client of a sled-agent."""
    options: dict[str, Any] = {
        "name": "sled",
        "api": Api.SLED_AGENT,
        "base": "http://[::1]:1",
        "limits": QUICK,
        "in_flight": asyncio.Semaphore(4),
        "calls": Counter(),
        "version": "49.0.0",
    }
    if transport is not None:
        options["transport"] = transport
    return Client(**options | changes)


def answering(*responses: httpx.Response) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    """Return a transport that gives these answers, the last one for ever, and the requests it saw."""
    requests: list[httpx.Request] = []
    waiting = list(responses)

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return httpx.MockTransport(handle), requests


def call(of: Client, method: str = "GET", path: str = "/networking/mcast-m2p", body: Any = None) -> Answer:
    """Send one request."""

    async def run() -> Answer:
        try:
            return await of.call(method, path, body)
        finally:
            await of.aclose()

    return asyncio.run(run())


FORBIDDEN = [
    (Api.DPD, "DELETE", "/multicast/groups"),
    (Api.DPD, "DELETE", "/multicast/groups/"),
    (Api.DPD, "DELETE", "/multicast/groups/233.252.0.1"),
    (Api.DPD, "DELETE", "/multicast/tags/a"),
    (Api.DPD, "DELETE", "/multicast/untagged"),
    (Api.DPD, "DELETE", "/all-settings"),
    (Api.DPD, "DELETE", "/all-settings/a"),
    (Api.DPD, "PUT", "/multicast/underlay-groups/ff04::1?tag=a&tag=b"),
    (Api.DPD, "DELETE", "/multicast/groups/../groups?tag=a"),
    (Api.DPD, "DELETE", "/multicast/groups/..?tag=a"),
    (Api.DPD, "DELETE", "/multicast/groups/.?tag=a"),
    (Api.DPD, "PUT", "/multicast/underlay-groups/..?tag=a"),
    (Api.DPD, "GET", "/backplane-map/rear0"),
    (Api.MGD, "PUT", "/static/route4"),
    (Api.DDMD, "PUT", "/multicast_group"),
    (Api.DDMD, "DELETE", "/peers/fe80::1"),
    (Api.DDMD, "GET", "/peers?all"),
    (Api.SLED_AGENT, "POST", "/networking/mcast-m2p"),
    (Api.SLED_AGENT, "PUT", "/vmms/x/state"),
]


@pytest.mark.parametrize(("api", "method", "path"), FORBIDDEN, ids=str)
def test_only_permitted_calls_exist(api: Api, method: str, path: str) -> None:
    """A call that is not in the table is our own bug, and nothing is sent."""
    transport, requests = answering(httpx.Response(204))
    with pytest.raises(InvariantError):
        call(client(transport, api=api), method, path)
    assert requests == []


def test_redirects_are_not_followed() -> None:
    """A redirect is an answer like any other that is not a success."""
    transport, requests = answering(httpx.Response(302, headers={"location": "http://[::1]:9/"}))
    assert (call(client(transport)).status, len(requests)) == (302, 1)


def test_proxies_of_the_surroundings_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment changes nothing."""
    monkeypatch.setenv("HTTP_PROXY", "http://[::1]:9")
    monkeypatch.setenv("ALL_PROXY", "http://[::1]:9")
    assert isinstance(client().transport, PlainTransport)
    assert served(whole(b"HTTP/1.1 204 No Content\r\n\r\n")).status == 204


def test_the_newest_version_that_a_daemon_takes_is_found_and_kept() -> None:
    """Versions are stepped down until the daemon knows one, once."""
    refusal = httpx.Response(400, json={"message": "server does not support this API version: 50.0.0"})
    transport, requests = answering(refusal, refusal, httpx.Response(204))
    of = client(transport, version=None)

    async def twice() -> None:
        await of.call("GET", "/networking/mcast-m2p")
        await of.call("GET", "/networking/mcast-m2p")

    asyncio.run(twice())
    versions = [request.headers["api-version"] for request in requests]
    assert versions == [*KNOWN_VERSIONS[Api.SLED_AGENT][:3], KNOWN_VERSIONS[Api.SLED_AGENT][2]]


def test_a_version_that_was_chosen_is_not_changed() -> None:
    """The one that somebody settled on is spoken, or none."""
    transport, requests = answering(
        httpx.Response(400, json={"message": "server does not support this API version: 49.0.0"})
    )
    with pytest.raises(BadAnswerError, match=r"none of the versions 49\.0\.0"):
        call(client(transport))
    assert len(requests) == 1


def test_an_unanswered_creation_is_not_repeated_blindly() -> None:
    """What may have happened is settled by reading, not by sending it again."""
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        raise httpx.ReadError("gone")

    with pytest.raises(SilentError):
        call(client(httpx.MockTransport(handle), api=Api.DPD), "POST", "/multicast/underlay-groups", {})
    assert seen == ["POST"]


def test_a_daemon_that_cannot_be_reached_is_given_up() -> None:
    """After a few tries in a row nothing is sent any more."""
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        raise httpx.ConnectError("no")

    of = client(httpx.MockTransport(handle))
    for _ in range(3):
        with pytest.raises(UnreachedError):
            asyncio.run(of.call("PUT", "/networking/mcast-m2p", {}))
    assert len(seen) == QUICK.silences


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, content=b"[]", headers={"content-type": "text/html"}),
        httpx.Response(200, content=b"[]"),
        httpx.Response(200, content=b"[", headers={"content-type": "application/json"}),
    ],
    ids=["another type", "no type", "no JSON"],
)
def test_a_success_that_is_no_json_is_a_bad_answer(response: httpx.Response) -> None:
    """Nothing is derived from a page that calls itself a success."""
    with pytest.raises(BadAnswerError):
        call(client(answering(response)[0]))


def test_an_error_is_told_in_one_short_line() -> None:
    """What a daemon says of an error cannot break a line or fill a terminal."""
    response = httpx.Response(500, json={"message": "a\nb\x1b", "error_code": "x" * 1000})
    message = call(client(answering(response)[0])).message
    assert "\n" not in message
    assert len(message) == 300


# --- the transport, against real sockets ----------------------------------------------------------------------------


def whole(answer: bytes) -> Serve:
    """Return a server that reads a request and writes *answer*."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    return serve


def served(serve: Serve, **changes: Any) -> Answer:
    """Send one GET to a server on loopback."""

    async def run() -> Answer:
        server = await asyncio.start_server(serve, "::1", 0)
        port = server.sockets[0].getsockname()[1]
        of = client(base=f"http://[::1]:{port}", **changes)
        try:
            return await of.call("GET", "/networking/mcast-m2p")
        finally:
            await of.aclose()
            await asyncio.sleep(0.05)  # for the server to notice
            server.close()
            await server.wait_closed()

    return asyncio.run(run())


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"

BAD = [
    (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n[]", SilentError),
    (b"not HTTP at all\r\n\r\n", BadAnswerError),
    (HEAD + b"content-length: 5000\r\n\r\n" + b" " * 5000, BadAnswerError),
    (
        HEAD
        + b"transfer-encoding: chunked\r\n\r\n"
        + b"400\r\n"
        + b" " * 1024
        + b"\r\n" * 1
        + b"ffffff\r\n"
        + b" " * 70_000,
        BadAnswerError,
    ),
    (HEAD + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n[]", BadAnswerError),
    (b"", SilentError),
    (b"HTTP/1.1 100 Continue\r\n\r\n", SilentError),
]


@pytest.mark.parametrize(
    ("answer", "error"), BAD, ids=["cut", "no HTTP", "too large", "endless chunks", "gzip", "nothing", "1xx"]
)
def test_an_answer_that_is_not_whole_is_none(answer: bytes, error: type[Exception]) -> None:
    """Cut, oversized, compressed and malformed answers are refused as a whole."""
    if answer.startswith(b"HTTP/1.1 100"):
        assert served(whole(answer)).status == 100
        return
    with pytest.raises(error):
        served(whole(answer))


def test_the_deadline_is_for_the_whole_answer() -> None:
    """A body that drips in cannot hold a run up by always sending a little."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"content-length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.02)

    with pytest.raises(SilentError, match="within"):
        served(drip)


def test_a_connection_is_kept_and_one_that_was_closed_is_replaced() -> None:
    """Requests share a connection; after the daemon closed it, the next request opens another."""
    opened: list[int] = []

    async def two_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(1)
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD + b"content-length: 2\r\n\r\n[]")
        await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(two_each, "::1", 0)
        of = client(base=f"http://[::1]:{server.sockets[0].getsockname()[1]}")
        for _ in range(4):
            assert (await of.call("GET", "/networking/mcast-m2p")).body == []
            await asyncio.sleep(0.01)
        await of.aclose()
        server.close()
        await server.wait_closed()

    asyncio.run(run())
    assert len(opened) == 2


def test_a_retry_is_bounded() -> None:
    """A daemon that is always busy is asked as often as the limits say."""
    transport, requests = answering(httpx.Response(503))
    of = client(transport, limits=evolve(QUICK, tries=3))
    assert (call(of).status, len(requests)) == (503, 3)


# --- lists that come in pages ---------------------------------------------------------------------------------------


def pages(answer: Callable[[int], Any], **limits: Any) -> Any:
    """Read the groups of a switch whose n-th page is *answer* of n."""
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json=answer(len(asked)))

    of = client(httpx.MockTransport(handle), api=Api.DPD, limits=evolve(QUICK, **limits))
    return asyncio.run(read_groups(of))


def underlay(number: int) -> dict[str, Any]:
    """Return a group as a switch lists it."""
    return {"kind": "underlay", "group_ip": f"ff04::{number:x}", "tag": "t", "members": []}


def test_pages_are_read_until_the_last() -> None:
    """A page without a next one, or without groups, is the last."""
    listed, *_ = pages(lambda n: {"items": [underlay(n)] if n < 4 else [], "next_page": f"t{n}" if n < 5 else None})
    assert len(listed) == 3


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda n: {"items": [underlay(n)], "next_page": "same"}, "read before"),
        (lambda n: {"items": [underlay(n)], "next_page": f"t{n}"}, "more than 50 pages"),
        (lambda n: {"items": [underlay(9 * n + k) for k in range(9)], "next_page": f"t{n}"}, "more than 100 groups"),
        (
            lambda n: {"items": [underlay(9 * n + k) | {"kind": "x"} for k in range(9)], "next_page": f"t{n}"},
            "more than 100 groups",
        ),
        (lambda n: {"items": [underlay(1)], "next_page": "t" if n == 1 else None}, "twice"),
        (lambda _: {"next_page": None}, "items is missing"),
        (lambda _: [], "expected an object"),
    ],
    ids=["repeated token", "endless", "too much", "too much that is only read", "group twice", "no items", "no page"],
)
def test_a_list_without_an_honest_end_is_refused(answer: Callable[[int], Any], reason: str) -> None:
    """Pages that go round, go on for ever or contradict each other are a bad answer as a whole."""
    with pytest.raises(BadAnswerError, match=reason):
        pages(answer, pages=50, rows=100)


def test_a_group_that_was_not_asked_for_is_no_answer() -> None:
    """Whether ours stands somewhere is not told by what stands elsewhere."""
    of = client(httpx.MockTransport(lambda _: httpx.Response(200, json=underlay(2))), api=Api.DPD)
    assert asyncio.run(read_group(of, Address.parse("ff04::2"))) is not None
    with pytest.raises(BadAnswerError, match="asked for ff04::1, was told of ff04::2"):
        asyncio.run(read_group(of, Address.parse("ff04::1")))
