"""One daemon's client: permitted calls only, versions, deadlines, tries, and when to give a daemon up.

What can be called is a table (`PERMITTED`), and the calls that wipe all groups, all settings or untagged groups are
not in it. A client follows no redirect and reads no proxy settings from its surroundings.

This file does not know what is sent, nor what a status means.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import httpx
from attrs import define, field, frozen

from blueprints import strict
from blueprints.errors import BadAnswerError, InvariantError, RefusedError, SilentError
from executor.limits import Limits
from executor.transport import PlainTransport

Json = Any


class Api(Enum):
    """The APIs that are spoken; each has versions of its own."""

    DPD = "dpd"
    MGD = "mgd"
    DDMD = "ddmd"
    SLED_AGENT = "sled_agent"
    MGS = "mgs"


def _majors(*majors: int) -> tuple[str, ...]:
    return tuple(f"{major}.0.0" for major in majors)


KNOWN_VERSIONS: Mapping[Api, tuple[str, ...]] = MappingProxyType(
    {
        Api.DPD: _majors(13, 12, 11, 10, 9, 8),
        Api.MGD: _majors(13),
        # Older ones do not say on which interface a peer is.
        Api.DDMD: _majors(3),
        # Versions 33 to 50 carried the same multicast calls while their number was being settled.
        Api.SLED_AGENT: _majors(50, 49, 48, 47, 45, 44, 43, 42, 41, 39, 38, 36, 33),
        Api.MGS: _majors(3, 2, 1),
    }
)
"""Versions with the calls that are permitted here, newest first."""

_IP = r"[0-9a-f:.]+"
_TAG = r"\?tag=[A-Za-z0-9_.%-]+"
_ID = r"[0-9a-f-]{36}"
_PERMITTED: Mapping[Api, tuple[tuple[str, str], ...]] = {
    Api.DPD: (
        ("GET", r"/switch/identifiers"),
        ("GET", r"/backplane-map"),
        ("GET", r"/multicast/groups\?limit=[0-9]+(&page_token=[A-Za-z0-9_.%~-]+)?"),
        ("GET", rf"/multicast/groups/{_IP}"),
        ("POST", r"/multicast/(underlay|external)-groups"),
        ("PUT", rf"/multicast/(underlay|external)-groups/{_IP}{_TAG}"),
        ("DELETE", rf"/multicast/groups/{_IP}{_TAG}"),
    ),
    Api.MGD: (
        ("GET", r"/switch/identifiers"),
        ("GET", r"/static/mroute"),
        ("PUT", r"/static/mroute"),
        ("DELETE", r"/static/mroute"),
    ),
    Api.DDMD: (("GET", r"/peers"),),
    Api.SLED_AGENT: (
        ("GET", r"/sled-identifiers"),
        ("GET", r"/networking/mcast-(m2p|fwd)"),
        ("PUT", r"/networking/mcast-(m2p|fwd)"),
        ("DELETE", r"/networking/mcast-(m2p|fwd)"),
        ("PUT", rf"/(instances|vmms)/{_ID}/multicast-group"),
        ("DELETE", rf"/(instances|vmms)/{_ID}/multicast-group"),
    ),
    Api.MGS: (("GET", r"/local/switch-id"),),
}
PERMITTED: Mapping[tuple[Api, str], re.Pattern[str]] = MappingProxyType(
    {
        (api, method): re.compile("|".join(path for allowed, path in rows if allowed == method))
        for api, rows in _PERMITTED.items()
        for method in {method for method, _ in rows}
    }
)
"""Every path that may be asked for, by API and method."""

RETRIED = frozenset({429, 502, 503, 504})
"""Statuses after which the same request is sent again."""


class UnreachedError(SilentError):
    """Nothing was sent: the daemon cannot have acted."""


class ForbiddenError(UnreachedError):
    """Nothing was sent, because it may not be any more."""


@frozen(kw_only=True)
class Answer:
    """A whole answer."""

    status: int
    body: Json
    """The JSON of a success, or None where there is none."""

    message: str = ""
    """What the daemon says of an error."""


def never() -> None:
    """Forbid no write."""


@define(kw_only=True, eq=False)
class Client:
    """The way to one daemon. Not for use from several event loops."""

    name: str
    api: Api
    base: str
    limits: Limits
    in_flight: asyncio.Semaphore
    """Shared by all clients of a run."""

    calls: Counter[str]
    """Shared by all clients of a run: requests sent, by what they are for."""

    forbidden: Callable[[], str | None] = never
    """Asked right before each write, each try of one too: why it may not be sent, or None."""

    version: str | None = None
    """The version to speak; None: the newest that the daemon takes."""

    transport: httpx.AsyncBaseTransport = field()
    _silences: int = 0
    _step: int = 0

    @transport.default
    def _plain(self) -> httpx.AsyncBaseTransport:
        return PlainTransport(answer_bytes=self.limits.answer_bytes)

    async def call(self, method: str, path: str, body: Json = None, *, purpose: str = "reads") -> Answer:
        """Send one request, again where that is safe, and return the answer of whatever status.

        A request whose outcome is unknown is repeated only if repeating it does no harm; POST is not among those.

        Raises:
            UnreachedError: nothing was sent; a ForbiddenError if it may not be.
            SilentError: no whole answer came in time, or the daemon was given up.
            BadAnswerError: the answer is not what HTTP or JSON allow, or no version is shared.
            InvariantError: the call is not in `PERMITTED`.
        """
        pattern = PERMITTED.get((self.api, method))
        if pattern is None or not pattern.fullmatch(path):
            raise InvariantError("PERMITTED", f"{self.api.value} {method} {path}")
        for attempt in range(1, self.limits.tries + 1):
            last = attempt == self.limits.tries
            try:
                answer = await self._versioned(method, path, body, purpose)
            except ForbiddenError:
                raise
            except UnreachedError:
                if last or self._given_up:
                    raise
            except SilentError:
                # A read that ran into its deadline would only run into the next one.
                if last or self._given_up or method in ("POST", "GET"):
                    raise
            else:
                if last or answer.status not in RETRIED:
                    return answer
            pauses = self.limits.pauses_seconds
            await asyncio.sleep(pauses[min(attempt, len(pauses)) - 1])
        raise InvariantError("tries", "at least one try")

    async def read(self, path: str) -> Json:
        """Return the JSON that a GET answers with.

        Raises:
            DeviceError: no such answer came.
        """
        answer = await self.call("GET", path)
        if answer.status != 200:
            raise RefusedError(answer.status, answer.message)
        return answer.body

    async def aclose(self) -> None:
        """Close the connections."""
        await self.transport.aclose()

    @property
    def _given_up(self) -> bool:
        return self._silences >= self.limits.silences

    async def _versioned(self, method: str, path: str, body: Json, purpose: str) -> Answer:
        """Send once, or once more for each version that the daemon is too old for."""
        versions = (self.version,) if self.version else KNOWN_VERSIONS[self.api]
        step = self._step
        while step < len(versions):
            answer = await self._counted(self._request(method, path, body, versions[step]), purpose)
            if answer.status != 400 or "does not support this API version" not in answer.message:
                return answer
            step += 1
            self._step = max(self._step, step)
        raise BadAnswerError(f"the daemon takes none of the versions {', '.join(versions)}")

    async def _counted(self, request: httpx.Request, purpose: str) -> Answer:
        async with self.in_flight:
            if self._given_up:
                raise UnreachedError(f"left alone after {self._silences} tries without an answer")
            because = None if purpose == "reads" else self.forbidden()
            if because is not None:
                raise ForbiddenError(because)
            self.calls[purpose] += 1
            try:
                answer = await self._sent(request)
            except SilentError:
                self._silences += 1
                raise
            self._silences = 0
            return answer

    async def _sent(self, request: httpx.Request) -> Answer:
        try:
            async with asyncio.timeout(self.limits.request_seconds):
                response = await self.transport.handle_async_request(request)
                content = await response.aread()
        except TimeoutError:
            raise SilentError(f"no whole answer within {self.limits.request_seconds:g} s") from None
        except httpx.ConnectError as error:
            raise UnreachedError(f"cannot connect: {error}") from error
        except (httpx.DecodingError, httpx.RemoteProtocolError) as error:
            raise BadAnswerError(str(error)) from error
        except httpx.TransportError as error:
            raise SilentError(str(error)) from error
        return self._answer(response, content)

    def _answer(self, response: httpx.Response, content: bytes) -> Answer:
        if not response.is_success:
            return Answer(status=response.status_code, body=None, message=_message(content))
        if response.status_code == 204 or not content:
            return Answer(status=response.status_code, body=None)
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        if kind != "application/json":
            raise BadAnswerError(f"expected application/json, found {kind or 'no content type'}")
        return Answer(status=response.status_code, body=strict.parse_json(content, depth=self.limits.answer_depth))

    def _request(self, method: str, path: str, body: Json, version: str) -> httpx.Request:
        content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        url = _url(self.base, path)
        headers = [
            (b"host", url.netloc),
            (b"api-version", version.encode("ascii")),
            (b"accept-encoding", b"identity"),
            (b"content-length", b"%d" % len(content)),
        ]
        if body is not None:
            headers.append((b"content-type", b"application/json"))
        return httpx.Request(method, url, headers=headers, content=content)


@lru_cache(maxsize=4096)
def _url(base: str, path: str) -> httpx.URL:
    """Return a parsed address: most calls of a run go to few paths, and parsing costs more than sending."""
    return httpx.URL(base).copy_with(raw_path=path.encode("ascii"))


def _message(content: bytes) -> str:
    """Return what an error body says, cut short and on one line; daemons put details into one field or the other."""
    try:
        table = json.loads(content)
    except (ValueError, RecursionError):
        return "an error without explanation"
    if not isinstance(table, dict):
        return "an error without explanation"
    said = [str(table[key]) for key in ("message", "error_code") if table.get(key)]
    return " ".join(": ".join(said).split())[:300]
