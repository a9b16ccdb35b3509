"""What a daemon answers: a status with a body, or an error in the form all daemons share.

This file does not know routes, versions or connections.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from attrs import frozen

JsonValue = Any
"""What `json` reads and writes."""


@frozen
class Answer:
    """A status and a body; None sends no body."""

    status: int
    body: bytes | None = None


NO_CONTENT = Answer(204)


_compact = json.JSONEncoder(separators=(",", ":")).encode
"""Made once: `json.dumps` makes one for each value that it does not write in its own way."""


def answer(value: JsonValue, status: int = 200) -> Answer:
    """Return *value* as a JSON answer."""
    return Answer(status, _compact(value).encode())


class HttpError(Exception):
    """An error that a daemon answers with; leaves no daemon as an exception.

    The message is literal only for 400. For other codes the daemons send the standard phrase; dpd's 404 and 409
    carry the detail in ``error_code``, the rest keep it in their logs.
    """

    def __init__(self, status: int, message: str, error_code: str | None = None) -> None:
        """Keep what goes into the body, see `bad_request` and its neighbours for the usual forms."""
        self.status = status
        self.message = message
        self.error_code = error_code
        super().__init__(f"{status} {message}")


_CODES: Mapping[int, str] = MappingProxyType({500: "Internal"})
"""Error codes that go with a status whatever the cause."""


def phrase(status: int) -> str:
    """Return the standard phrase of *status*; an unknown status has none but its number."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def bad_request(detail: str) -> HttpError:
    """Return a 400, whose message is the detail."""
    return HttpError(400, detail)


def refused(status: int, detail: str | None = None) -> HttpError:
    """Return an error whose message is the standard phrase and whose code is *detail*, if any.

    Source:
        dropshot's error constructors; dpd's "missing" and "exists" put the detail into ``error_code``.
    """
    return HttpError(status, phrase(status), detail or _CODES.get(status))


def error_body(error: HttpError, request_id: str) -> bytes:
    """Return the body of *error*, fields in dropshot's order."""
    body = {"request_id": request_id}
    if error.error_code is not None:
        body["error_code"] = error.error_code
    body["message"] = error.message
    return _compact(body).encode()
