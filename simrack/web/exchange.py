"""One HTTP exchange over ASGI, and how each kind of fault spoils it.

This file does not know which faults are on order, nor what daemons do.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any

from attrs import define

from simrack.web.answers import Answer, HttpError, error_body, phrase
from simrack.web.faults import Fault

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TRANSPORT = "simrack.transport"
"""Where the protocol leaves the connection in the scope."""


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
    await send(_head(answer, request_id))
    await send({"type": "http.response.body", "body": answer.body or b""})


def _head(answer: Answer, request_id: str) -> Message:
    headers = [(b"x-request-id", request_id.encode())]
    if answer.body is not None:
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer.body))]
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


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

    async def wait_for_disconnect(self) -> None:
        """Wait until the connection is gone."""
        message = await self.receive()
        while message["type"] != "http.disconnect":
            message = await self.receive()


Spoil = Callable[[Exchange, Fault], Awaitable[int | None]]
"""Plays a fault; returns the status that the client got, None where it got none."""


async def _refuse(exchange: Exchange, _: Fault) -> int | None:
    await exchange.drop()
    return None


async def _timeout_before(exchange: Exchange, _: Fault) -> int | None:
    await exchange.wait_for_disconnect()
    return None


async def _timeout_after(exchange: Exchange, _: Fault) -> int | None:
    await exchange.perform()
    await exchange.wait_for_disconnect()
    return None


async def _late_effect(exchange: Exchange, fault: Fault) -> int | None:
    await exchange.wait_for_disconnect()
    await asyncio.sleep(fault.interval)
    await exchange.perform()
    return None


async def _status(exchange: Exchange, fault: Fault) -> int | None:
    error = HttpError(fault.status, phrase(fault.status), fault.error_code)
    body = error_body(error, exchange.request_id)
    await send_answer(exchange.send, Answer(fault.status, body), exchange.request_id)
    return fault.status


async def _slow_body(exchange: Exchange, fault: Fault) -> int | None:
    answer = await exchange.perform()
    if not answer.body:
        if not await exchange.pause(fault.interval):
            return None
        await send_answer(exchange.send, answer, exchange.request_id)
        return answer.status
    await exchange.send(_head(answer, exchange.request_id))
    for octet in answer.body:
        message = {"type": "http.response.body", "body": bytes((octet,)), "more_body": True}
        await exchange.send(message)
        if not await exchange.pause(fault.interval):
            return answer.status
    await exchange.send({"type": "http.response.body", "body": b""})
    return answer.status


async def _truncated_body(exchange: Exchange, _: Fault) -> int | None:
    answer = await exchange.perform()
    if not answer.body:
        await exchange.drop()
        return None
    await exchange.send(_head(answer, exchange.request_id))
    half = answer.body[: len(answer.body) // 2]
    await exchange.send({"type": "http.response.body", "body": half, "more_body": True})
    exchange.scope[TRANSPORT].close()
    await exchange.wait_for_disconnect()
    return answer.status


async def _restart_empty(exchange: Exchange, _: Fault) -> int | None:
    exchange.restart(False)
    await exchange.drop()
    return None


async def _restart_with_state(exchange: Exchange, _: Fault) -> int | None:
    exchange.restart(True)
    await exchange.drop()
    return None


SPOILS: Mapping[str, Spoil] = MappingProxyType(
    {
        "refuse": _refuse,
        "timeout_before": _timeout_before,
        "timeout_after": _timeout_after,
        "late_effect": _late_effect,
        "status": _status,
        "slow_body": _slow_body,
        "truncated_body": _truncated_body,
        "restart_empty": _restart_empty,
        "restart_with_state": _restart_with_state,
    }
)
"""Who plays which kind of fault of a call."""
