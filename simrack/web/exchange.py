"""One HTTP exchange over ASGI: a request that waits for its answer, and the connection under it.

This file does not know faults, nor what daemons do.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from attrs import define

from blueprints.errors import InvariantError
from simrack.web.answers import Answer
from simrack.web.calls import OtherCall

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON = (b"content-type", b"application/json")

TRANSPORT = "simrack.transport"
"""Where the protocol leaves the connection in the scope: an asyncio transport. Faults use ``abort``, ``close``,
``is_closing``, ``pause_reading`` and ``write`` of it."""


async def read_body(receive: Receive) -> bytes | None:
    """Return the whole body, None where the client went away before its end."""
    message = await receive()
    if message["type"] == "http.disconnect":
        return None
    body: bytes = message["body"]
    if not message["more_body"]:
        return body
    parts = [body]
    while message["more_body"]:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message["body"])
    return b"".join(parts)


async def send_answer(send: Send, answer: Answer, request_id: str) -> None:
    """Send *answer* whole."""
    await send(head_of(answer, request_id))
    await send({"type": "http.response.body", "body": answer.body or b""})


def head_of(answer: Answer, request_id: str) -> Message:
    """Return the head of *answer*."""
    if answer.body is None:
        return head(answer.status, request_id)
    return head(answer.status, request_id, JSON, (b"content-length", b"%d" % len(answer.body)))


def head(status: int, request_id: str, *headers: tuple[bytes, bytes]) -> Message:
    """Return the head of an answer with *headers*; without a length the body comes in chunks."""
    rows = [(b"x-request-id", request_id.encode()), *headers]
    return {"type": "http.response.start", "status": status, "headers": rows}


async def _nobody_else(call: OtherCall) -> None:
    raise InvariantError("another call", f"there is nobody here to call {call.target}")


@define(eq=False)
class Exchange:
    """A request that waits for its answer."""

    scope: Scope
    receive: Receive
    send: Send
    request_id: str
    perform: Callable[[], Awaitable[Answer]]
    """Lets the daemon act, once."""

    restart: Callable[[bool], None]
    call_otherwise: Callable[[OtherCall], Awaitable[None]] = _nobody_else
    """Lets somebody else call a daemon."""

    async def drop(self) -> None:
        """Close the connection without a further octet."""
        self.scope[TRANSPORT].abort()
        await self.wait_for_disconnect()

    async def pause(self, seconds: float) -> bool:
        """Wait for *seconds*; return whether the client is still there."""
        try:
            await asyncio.wait_for(self.wait_for_disconnect(), seconds)
        except TimeoutError:
            return True
        return False

    async def pour(self, octets: bytes) -> bool:
        """Send *octets* of a body that goes on; return whether the client is still there to take more."""
        await self.send({"type": "http.response.body", "body": octets, "more_body": True})
        await asyncio.sleep(0)
        return not self.scope[TRANSPORT].is_closing()

    async def wait_for_disconnect(self) -> None:
        """Wait until the connection is gone."""
        message = await self.receive()
        while message["type"] != "http.disconnect":
            message = await self.receive()
