"""The daemons' own API documents, where a copy of them lies beside the project, and calls held against them.

openapi-core does the holding, stricter than a document asks: a field that no schema names is a mistake, and so are a
parameter and a body that no operation names. Formats that JSON Schema does not know, such as ``uint16``, are ours.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import UUID

import httpx
from attrs import define, field, frozen
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.paths.exceptions import PathError
from openapi_core.templating.paths.finders import APICallPathFinder

from simrack.web.versions import DaemonKind

Json = Any

FOLDER = Path(__file__).parents[3] / "shared" / "openapi"

FILES: Mapping[tuple[DaemonKind, str], str] = {
    (DaemonKind.DPD, "13.0.0"): "dpd-13.0.0.json",
    (DaemonKind.DPD, "12.0.0"): "dpd-12.0.0.json",
    (DaemonKind.MGD, "13.0.0"): "mg-admin-13.0.0.json",
    (DaemonKind.DDMD, "3.0.0"): "ddm-admin-3.0.0.json",
    (DaemonKind.SLED_AGENT, "49.0.0"): "sled-agent-49.0.0.json",
    (DaemonKind.MGS, "3.0.0"): "gateway-3.0.0.json",
}

UNDOCUMENTED = "/instances/{instance_id}/multicast-group"
"""Newer than the documents: the form keyed by instance."""

TWIN = ("/instances/", "/vmms/")
"""What to put for what in a path of that form, to find the call that it equals in everything else."""


def kind_of(target: str) -> DaemonKind:
    return DaemonKind.SLED_AGENT if target.startswith("sled") else DaemonKind(target.split()[1])


def documented_path(path: str) -> str:
    return path.replace(*TWIN) if path.startswith(TWIN[0]) else path


# --- formats --------------------------------------------------------------------------------------------------------


def _reads(read: Callable[[str], object]) -> Callable[[Any], bool]:
    """What takes texts that *read* reads; what is no text is another rule's matter."""

    def check(value: Any) -> bool:
        try:
            return not isinstance(value, str) or read(value) is not None
        except ValueError:
            return False

    return check


def _within(lowest: int, beyond: int) -> Callable[[Any], bool]:
    return lambda value: not isinstance(value, int) or lowest <= value < beyond


FORMATS: dict[str, Callable[[Any], bool]] = {
    **{f"uint{bits}": _within(0, 1 << bits) for bits in (8, 16, 32, 64)},
    **{f"int{bits}": _within(-1 << bits - 1, 1 << bits - 1) for bits in (8, 16, 32, 64)},
    "uint": _within(0, 1 << 64),
    "uuid": _reads(UUID),
    "ip": _reads(ip_address),
    "ipv4": _reads(IPv4Address),
    "ipv6": _reads(IPv6Address),
}


# --- calls as openapi-core has them ---------------------------------------------------------------------------------


@define
class _Request:
    method: str
    path: str
    parameters: RequestParameters
    body: bytes | None = None
    content_type: str = "application/json"
    host_url: str = "http://rack.invalid"


@define
class _Response:
    status_code: int
    data: bytes
    content_type: str
    headers: Mapping[str, str] = field(factory=dict)


def _meant(part: Json) -> Json:
    """*part* of a document, saying in OpenAPI 3.0.3 what those who generate these documents mean.

    ``nullable`` beside ``allOf`` means nothing there, and here an optional value. An object has the fields that are
    named; openapi-core can forbid others too, and makes a class for each value that it looks at.
    """
    if isinstance(part, list):
        return [_meant(row) for row in part]
    if not isinstance(part, dict):
        return part
    meant = {name: _meant(row) for name, row in part.items()}
    if meant.get("nullable") is True and "allOf" in meant:
        return {"anyOf": [{"type": "object", "nullable": True, "enum": [None]}, {"allOf": meant["allOf"]}]}
    if meant.get("type") == "object" and "properties" in meant:
        return {"additionalProperties": False, **meant}
    return meant


@frozen
class Document:
    """One daemon's API."""

    api: OpenAPI
    content: Json

    @staticmethod
    def load(path: Path) -> "Document":
        content = _meant(json.loads(path.read_text()))
        config = Config(extra_format_validators=FORMATS)
        return Document(OpenAPI.from_dict(content, config=config), content)

    def operation(self, method: str, path: str) -> Json:
        """The operation that *path*, without its query, means, None where no call is so documented."""
        try:
            found = APICallPathFinder(self.api.spec).find(method.lower(), f"http://rack.invalid{path}")
        except PathError:
            return None
        return found.operation.read_value()

    def request_problems(self, method: str, target: str, body: Json) -> list[str]:
        """What of a request is not as documented; *target* is its path with its query, no *body* is None."""
        path, _, text = target.partition("?")
        query = dict(parse_qsl(text, keep_blank_values=True))
        operation = self.operation(method, path)
        if operation is None:
            return [f"{method} {path}: not documented"]
        known = {row["name"] for row in operation.get("parameters", ()) if row["in"] == "query"}
        problems = [f"query {name}: not documented" for name in query if name not in known]
        if body is not None and "requestBody" not in operation:
            problems.append("body: not documented")
        parameters = RequestParameters(query=query)
        content = None if body is None else json.dumps(body).encode()
        request = _Request(method.lower(), unquote(path), parameters, content)
        return [*problems, *_errors(lambda: self.api.validate_request(request))]

    def answer_problems(self, method: str, path: str, status: int, content_type: str, body: bytes) -> list[str]:
        """What of an answer is not as documented: status, content type or body."""
        operation = self.operation(method, path)
        if operation is None:
            if status < 400:
                return [f"{status}: not documented"]
            # A call that nobody documented is an error, and errors have one form.
            method, path = self._any_call
            operation = self.operation(method, path)
        request = _Request(method.lower(), path, RequestParameters())
        response = _Response(status, body, content_type)
        problems = list(_errors(lambda: self.api.validate_response(request, response)))
        responses = operation["responses"]
        documented = responses.get(str(status)) or responses.get(f"{status // 100}XX", {})
        if body and not documented.get("content") and "$ref" not in documented:
            problems.append("a body where none is documented")
        if not body and (documented.get("content") or "$ref" in documented):
            problems.append("no body where one is documented")
        return problems

    @property
    def _any_call(self) -> tuple[str, str]:
        return next(
            (method, path)
            for path, operations in self.content["paths"].items()
            for method in operations
            if "{" not in path
        )


def _errors(check: Callable[[], None]) -> Iterator[str]:
    try:
        check()
    except OpenAPIError as error:
        yield from _reasons(error)


def _reasons(error: BaseException) -> Iterator[str]:
    """What openapi-core says, down to the schema's own words."""
    inner = [*getattr(error, "schema_errors", ()), *([error.__cause__] if error.__cause__ else ())]
    if not inner:
        yield str(getattr(error, "message", error))
    for part in inner:
        yield from _reasons(part)


# --- the documents --------------------------------------------------------------------------------------------------


@cache
def document(kind: DaemonKind, version: str) -> Document | None:
    """None: there is no copy of that document."""
    name = FILES.get((kind, version))
    path = FOLDER / (name or "")
    return Document.load(path) if path.is_file() else None


@lru_cache(maxsize=1 << 14)
def _answer_problems(
    kind: DaemonKind, version: str, call: tuple[str, str], status: int, content_type: str, body: bytes
) -> tuple[str, ...]:
    """Tests get the same answers again and again, and holding one takes ten times as long as getting it."""
    api = document(kind, version)
    return () if api is None else tuple(api.answer_problems(*call, status, content_type, body))


def answer_problems(kind: DaemonKind, version: str, response: httpx.Response) -> list[str]:
    """What of *response* is not as documented: status, content type, headers or body."""
    if document(kind, version) is None:
        return []
    request_id = response.headers.get("x-request-id")
    problems = [] if request_id else ["no x-request-id"]
    body = response.content
    if response.status_code >= 400 and body:
        told = response.json()
        if told.get("request_id") != request_id:
            problems.append("the error names another request id than its header")
        body = json.dumps({**told, "request_id": "this one"} if "request_id" in told else told).encode()
    call = response.request.method, documented_path(unquote(response.request.url.path))
    content_type = response.headers.get("content-type", "")
    return [*problems, *_answer_problems(kind, version, call, response.status_code, content_type, body)]
