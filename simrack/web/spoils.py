"""How each kind of fault of a call spoils an exchange over HTTP.

This file does not know which faults are on order, nor what daemons do.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from simrack.web.alterations import ALTERATIONS, BLANKS, altered, blanks_of
from simrack.web.answers import Answer, HttpError, error_body, phrase
from simrack.web.exchange import JSON, TRANSPORT, Exchange, head, head_of, send_answer
from simrack.web.faults import Fault

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


async def _half_open(exchange: Exchange, _: Fault) -> int | None:
    """The daemon's side does not even learn that the client has gone; it ends when the rack does."""
    exchange.scope[TRANSPORT].pause_reading()
    await exchange.wait_for_disconnect()
    return None


async def _status(exchange: Exchange, fault: Fault) -> int | None:
    if fault.status < 200:
        exchange.scope[TRANSPORT].write(b"HTTP/1.1 %d %s\r\n\r\n" % (fault.status, phrase(fault.status).encode()))
        await exchange.wait_for_disconnect()
        return fault.status
    await send_answer(exchange.send, _error(exchange, fault), exchange.request_id)
    return fault.status


def _error(exchange: Exchange, fault: Fault) -> Answer:
    error = HttpError(fault.status, phrase(fault.status), fault.error_code)
    return Answer(fault.status, error_body(error, exchange.request_id))


async def _redirect(exchange: Exchange, fault: Fault) -> int | None:
    answer = _error(exchange, fault)
    start = head_of(answer, exchange.request_id)
    start["headers"].append((b"location", (fault.location or "").encode()))
    await exchange.send(start)
    await exchange.send({"type": "http.response.body", "body": answer.body})
    return fault.status


async def _not_http(exchange: Exchange, _: Fault) -> int | None:
    exchange.scope[TRANSPORT].write(b"SSH-2.0-simrack\r\n")
    exchange.scope[TRANSPORT].close()
    await exchange.wait_for_disconnect()
    return None


async def _stalled_head(exchange: Exchange, _: Fault) -> int | None:
    answer = await exchange.perform()
    line = b"HTTP/1.1 %d %s\r\ncontent-ty" % (answer.status, phrase(answer.status).encode())
    exchange.scope[TRANSPORT].write(line)
    await exchange.wait_for_disconnect()
    return answer.status


async def _slow_body(exchange: Exchange, fault: Fault) -> int | None:
    answer = await exchange.perform()
    if not answer.body:
        if not await exchange.pause(fault.interval):
            return None
        await send_answer(exchange.send, answer, exchange.request_id)
        return answer.status
    await exchange.send(head_of(answer, exchange.request_id))
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
    await exchange.send(head_of(answer, exchange.request_id))
    half = answer.body[: len(answer.body) // 2]
    await exchange.send({"type": "http.response.body", "body": half, "more_body": True})
    exchange.scope[TRANSPORT].close()
    await exchange.wait_for_disconnect()
    return answer.status


async def _huge_body(exchange: Exchange, fault: Fault) -> int | None:
    answer = await exchange.perform()
    body = answer.body or b""
    length = (b"content-length", b"%d" % (len(body) + fault.size))
    await exchange.send(head(answer.status, exchange.request_id, JSON, length))
    for octets in (body, *blanks_of(fault.size)):
        if not await exchange.pour(octets):
            return answer.status
    await exchange.send({"type": "http.response.body", "body": b""})
    return answer.status


async def _endless_chunks(exchange: Exchange, _: Fault) -> int | None:
    answer = await exchange.perform()
    await exchange.send(head(answer.status, exchange.request_id, JSON))
    octets = answer.body or BLANKS
    while await exchange.pour(octets):
        octets = BLANKS
    return answer.status


async def _altered(exchange: Exchange, fault: Fault) -> int | None:
    answer = await exchange.perform()
    reply = altered(answer, fault, exchange.request_id)
    if reply is None:
        await send_answer(exchange.send, answer, exchange.request_id)
        return answer.status
    headers = [(b"content-type", reply.content_type.encode()), (b"content-length", b"%d" % len(reply.body))]
    if reply.encoding is not None:
        headers.append((b"content-encoding", reply.encoding.encode()))
    await exchange.send(head(reply.status, exchange.request_id, *headers))
    await exchange.send({"type": "http.response.body", "body": reply.body})
    return reply.status


async def _another_call(exchange: Exchange, fault: Fault) -> int | None:
    answer = await exchange.perform()
    if fault.call is not None:
        await exchange.call_otherwise(fault.call)
    await send_answer(exchange.send, answer, exchange.request_id)
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
        "half_open": _half_open,
        "restart_empty": _restart_empty,
        "restart_with_state": _restart_with_state,
        "status": _status,
        "redirect": _redirect,
        "not_http": _not_http,
        "stalled_head": _stalled_head,
        "slow_body": _slow_body,
        "truncated_body": _truncated_body,
        "huge_body": _huge_body,
        "endless_chunks": _endless_chunks,
        **dict.fromkeys(ALTERATIONS, _altered),
        "another_call": _another_call,
    }
)
"""Who plays which kind of fault of a call."""
