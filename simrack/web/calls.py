"""The calls that daemons received, in order.

This file does not know who called, nor what the calls mean.
"""

import json
from typing import Any

from attrs import define, field, frozen


@define
class Call:
    """One request to a daemon, and how it ended."""

    target: str
    """Such as ``switch0 dpd`` or ``sled 5f0c…``."""

    method: str
    path: str
    """As received, query included."""

    body: bytes
    status: int | None
    """None: the client got no status."""

    fault: str | None = None
    """The kind of fault that changed the answer, if any."""

    def to_json(self) -> dict[str, Any]:
        """Return the call for the control interface; a body that is not JSON as text, and as it came."""
        return {
            "target": self.target,
            "method": self.method,
            "path": self.path,
            "body": _readable(self.body),
            "content": self.body.decode("utf-8", "replace"),
            "status": self.status,
            "fault": self.fault,
        }


@frozen(kw_only=True)
class OtherCall:
    """What another client calls, beside the one that is looked at."""

    target: str
    method: str
    path: str
    body: Any = None


@define
class CallLog:
    """All calls since the start, or since they were cleared."""

    calls: list[Call] = field(factory=list)

    def add(self, call: Call) -> None:
        """Append *call*."""
        self.calls.append(call)

    def clear(self) -> None:
        """Forget all calls."""
        self.calls.clear()


def _readable(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
