"""A name server for one zone, over UDP and TCP on loopback.

This file does not know which names there are.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from simrack.naming import Zone
from simrack.web.faults import Fault
from simrack.web.listeners import LOOPBACK, listening_socket, port_of

_PLAIN_UDP = 512
"""Octets of an answer over UDP to a client that does not say that it takes more (RFC 1035 section 4.2.1)."""

_ATTEMPTS = 16
"""How many ports to try until one is free for UDP and TCP."""

TakeFault = Callable[[str, str], Fault | None]
"""Given the type of records and the name that are asked for, the fault that spoils the answer.

``refuse`` is REFUSED, ``timeout_before`` and ``timeout_after`` are no answer, ``status`` is a response code without
records, ``records`` other records.
"""


def reply(zone: Zone, wire: bytes, take_fault: TakeFault, *, udp: bool) -> bytes | None:
    """Return the answer to the query *wire*; None: none is given."""
    try:
        query = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None
    if query.flags & dns.flags.QR:
        return None
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    fault = _fault(query, take_fault)
    if fault is not None:
        if fault.kind.startswith("timeout"):
            return None
        if fault.kind == "records":
            response.answer = list(_given(query.question[0], fault.records))
        else:
            response.set_rcode(_rcode(fault))
    elif query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
        response.set_rcode(dns.rcode.NOTIMP)
    else:
        _answer(zone, query.question[0], response)
    return _sized(query, response) if udp else response.to_wire()


def _fault(query: dns.message.Message, take_fault: TakeFault) -> Fault | None:
    if not query.question:
        return None
    asked = query.question[0]
    return take_fault(dns.rdatatype.to_text(asked.rdtype), asked.name.to_text(omit_final_dot=True))


def _given(asked: dns.rrset.RRset, records: Iterable[str]) -> Iterator[dns.rrset.RRset]:
    """Yield *records* as what *asked* is about, each alone: one that is given twice is there twice."""
    for text in records:
        yield dns.rrset.from_text(asked.name, 0, dns.rdataclass.IN, asked.rdtype, text)


def _rcode(fault: Fault) -> dns.rcode.Rcode:
    if fault.kind == "refuse":
        return dns.rcode.REFUSED
    return dns.rcode.Rcode(fault.status) if fault.status < 16 else dns.rcode.SERVFAIL


def _answer(zone: Zone, asked: dns.rrset.RRset, response: dns.message.Message) -> None:
    """Fill in records and, for SRV, the addresses of the targets; a name without such records has an empty answer."""
    found = zone.find(asked.name, asked.rdtype)
    if asked.name not in zone.names or asked.rdclass != dns.rdataclass.IN:
        response.set_rcode(dns.rcode.NXDOMAIN)
    elif found is not None:
        response.answer.append(found)
        if asked.rdtype == dns.rdatatype.SRV:
            targets = sorted({record.target for record in found})
            addresses = (zone.find(target, dns.rdatatype.AAAA) for target in targets)
            response.additional.extend(rrset for rrset in addresses if rrset is not None)


def _sized(query: dns.message.Message, response: dns.message.Message) -> bytes:
    """Return *response* for UDP: what does not fit is left out and flagged, so that the client asks over TCP."""
    size = max(_PLAIN_UDP, query.payload) if query.edns >= 0 else _PLAIN_UDP
    with suppress(dns.exception.TooBig):
        return response.to_wire(max_size=size)
    short = dns.message.make_response(query)
    short.flags |= dns.flags.AA | dns.flags.TC
    return short.to_wire()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        self._answer = answer
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        wire = self._answer(data)
        if wire is not None and self._transport is not None:
            self._transport.sendto(wire, addr)


class NameServer:
    """Answers for *zone* between `start` and `stop`."""

    def __init__(self, zone: Zone, take_fault: TakeFault) -> None:
        """Listen on a free port of loopback, the same for UDP and TCP.

        Raises:
            OSError: no port is free for both.
        """
        self._zone, self._take_fault = zone, take_fault
        self._tcp, self._udp = _sockets()
        self.port = port_of(self._tcp)
        self._server: asyncio.Server | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Return once both sockets are served."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(lambda wire: reply(self._zone, wire, self._take_fault, udp=True)), sock=self._udp
        )
        self._server = await asyncio.start_server(self._stream, sock=self._tcp)

    async def stop(self) -> None:
        """Close both sockets and all connections."""
        if self._transport is not None:
            self._transport.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer queries of one connection, each after its length (RFC 1035 section 4.2.2)."""
        self._writers.add(writer)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    (size,) = struct.unpack("!H", await reader.readexactly(2))
                    wire = reply(self._zone, await reader.readexactly(size), self._take_fault, udp=False)
                    if wire is not None:
                        writer.write(struct.pack("!H", len(wire)) + wire)
                        await writer.drain()
        finally:
            self._writers.discard(writer)
            writer.close()


def _sockets() -> tuple[socket.socket, socket.socket]:
    for _ in range(_ATTEMPTS):
        tcp = listening_socket()
        udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
        try:
            udp.bind((LOOPBACK, port_of(tcp)))
        except OSError:
            tcp.close()
            udp.close()
        else:
            return tcp, udp
    raise OSError(f"no port of {LOOPBACK} is free for both UDP and TCP")
