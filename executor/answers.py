"""A whole answer of a daemon, and the ways in which none comes.

Nothing is derived from an answer that is not what HTTP and JSON allow, or whose type is not the one that the APIs
give. This file does not know requests, nor what a status means.
"""

import json
from collections.abc import Callable
from typing import Any

import httpx
from attrs import frozen

from blueprints.errors import BadAnswerError, SilentError

Json = Any

MESSAGE_CHARACTERS = 300
"""Of what a daemon says of an error."""


class HungError(SilentError):
    """No whole answer came before the deadline of the request."""


class UnreachedError(SilentError):
    """Nothing was sent: the daemon cannot have acted."""


class ForbiddenError(UnreachedError):
    """Nothing was sent, because it may not be any more, or the time of the run is over."""


@frozen(kw_only=True)
class Answer:
    """A whole answer."""

    status: int
    body: Json
    """The JSON of a success, or None where there is none."""

    message: str = ""
    """What the daemon says of an error."""

    repeated: bool = False
    """Whether the request was sent before, to no end that anybody knows."""


def answer_from(response: httpx.Response, content: bytes, parse: Callable[[bytes], Json]) -> Answer:
    """Return the answer that *response* with its *content* is; *parse* reads its JSON.

    Raises:
        BadAnswerError: it calls itself a success and cannot be trusted.
    """
    if not response.is_success:
        return Answer(status=response.status_code, body=None, message=_message(content))
    if response.status_code == 204 or not content:
        return Answer(status=response.status_code, body=None)
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/json":
        raise BadAnswerError(f"expected application/json, found {kind or 'no content type'}")
    return Answer(status=response.status_code, body=parse(content))


def _message(content: bytes) -> str:
    """Return what an error body says, cut short and on one line; daemons put details into one field or the other."""
    try:
        table = json.loads(content)
    except (ValueError, RecursionError):
        return "an error without explanation"
    if not isinstance(table, dict):
        return "an error without explanation"
    said = [table[key] for key in ("message", "error_code") if isinstance(table.get(key), str)]
    return " ".join(": ".join(said).split())[:MESSAGE_CHARACTERS]
