"""The daemons' own API documents, where a copy of them lies beside the project, and calls held against them."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import httpx

from simrack.web.versions import DaemonKind
from tests.simrack.openapi import Document, Json

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


@cache
def document(kind: DaemonKind, version: str) -> Document | None:
    """None: there is no copy of that document."""
    name = FILES.get((kind, version))
    path = FOLDER / (name or "")
    return Document.load(path) if path.is_file() else None


def documented_path(path: str) -> str:
    return path.replace(*TWIN) if path.startswith(TWIN[0]) else path


def answer_problems(kind: DaemonKind, version: str, response: httpx.Response) -> list[str]:
    """What of *response* is not as documented: status, content type, headers or body."""
    api, request = document(kind, version), response.request
    if api is None:
        return []
    template = api.find(request.method, documented_path(request.url.path))
    problems = [] if "x-request-id" in response.headers else ["no x-request-id"]
    if template is None:
        # A call that nobody documented is an error, and errors have one form.
        schema: Json = {"$ref": "#/components/schemas/Error"}
        if response.status_code < 400:
            problems.append(f"{response.status_code}: not documented")
    else:
        try:
            schema = api.response_schema(request.method, template, response.status_code)
        except KeyError:
            return [*problems, f"{response.status_code}: not documented"]
    if schema is None:
        return [*problems, *(["a body where none is documented"] if response.content else [])]
    if response.headers.get("content-type") != "application/json":
        return [*problems, f"content type {response.headers.get('content-type')}"]
    if response.status_code >= 400 and response.json().get("request_id") != response.headers.get("x-request-id"):
        problems.append("the error names another request id than its header")
    return [*problems, *api.problems(response.json(), schema)]
