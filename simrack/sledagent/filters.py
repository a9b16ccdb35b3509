"""NIC filters: UDP sockets that hold underlay groups joined on every underlay NIC of a sled.

Rules:
    N1  All NICs or none: a join that fails closes those made before it.
    N2  One set of sockets per underlay group, whichever groups map to it; closing it closes it for all of them.
    N3  A NIC lets frames in by Ethernet address, of which an underlay group gives only the last four octets.

A real sled holds one socket per underlay group. Here loopback stands in for all NICs, and one socket cannot join a
group twice on one interface, so each NIC has its own. This file does not know mappings, nor when a filter is wanted.
"""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

from attrs import define, field

from blueprints.addresses import Address

Join = Callable[[Address], "socket.socket | None"]
"""Joins an underlay group; returns what holds the join, None where nothing has to."""


def loopback_index() -> int:
    """Return the index of the interface that stands in for NICs.

    Raises:
        OSError: there is no such interface.
    """
    return socket.if_nametoindex("lo")


def join_on_loopback(group: Address) -> socket.socket:
    """Return a new UDP socket that has joined *group* on loopback.

    Raises:
        OSError: the join failed, or no files are left.
    """
    request = group.ip.packed + struct.pack("@I", loopback_index())
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
    except OSError:
        sock.close()
        raise
    return sock


def join_on_paper(_: Address) -> None:
    """Join nothing: filters are a table only."""


@lru_cache(maxsize=1 << 16)
def mac_of(underlay: Address) -> str:
    """Return the Ethernet address that frames of *underlay* carry (RFC 2464 section 7)."""
    return "33:33:" + underlay.ip.packed[-4:].hex(":")


def _never(_: str) -> bool:
    return False


@define
class NicFilters:
    """Which underlay groups the NICs of one sled let in."""

    nics: tuple[str, ...]
    """Sorted: the first is wired to switch0, the second to switch1."""

    join: Join = join_on_loopback
    refuses_join: Callable[[str], bool] = _never
    joined: dict[Address, dict[str, socket.socket | None]] = field(factory=dict)

    def open(self, underlay: Address) -> bool:
        """Join *underlay* on every NIC (rule N1); return whether it is joined everywhere."""
        held = self.joined.get(underlay)
        if held is not None and tuple(held) == self.nics:
            return True
        self.close(underlay)
        made: dict[str, socket.socket | None] = {}
        with suppress(OSError):
            for nic in self.nics:
                if self.refuses_join(nic):
                    raise OSError(f"{nic} refuses to join {underlay}")
                made[nic] = self.join(underlay)
            self.joined[underlay] = made
            return True
        _close(made)
        return False

    def close(self, underlay: Address) -> None:
        """Leave *underlay* on every NIC (rule N2)."""
        _close(self.joined.pop(underlay, {}))

    def close_all(self) -> None:
        """Leave everything, as a process does that ends."""
        for underlay in tuple(self.joined):
            self.close(underlay)

    def put_on_paper(self) -> None:
        """Close the sockets and remember in the table alone what is joined."""
        self.join = join_on_paper
        for held in self.joined.values():
            _close(held)
            held.update(dict.fromkeys(held))

    def admits(self, nic: str, underlay: Address) -> bool:
        """Return whether *nic* lets frames of *underlay* in (rule N3)."""
        if nic in self.joined.get(underlay, ()):
            return True
        mac = mac_of(underlay)
        return any(nic in nics and mac_of(group) == mac for group, nics in self.joined.items())


def _close(held: dict[str, "socket.socket | None"]) -> None:
    for sock in held.values():
        if sock is not None:
            sock.close()
