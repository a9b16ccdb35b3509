"""The NICs of the sleds: what joins of underlay groups are made of, and how many open files they may come to.

    sockets     for each underlay group and NIC a UDP socket that joins on loopback, which stands in for all NICs
    counted     nothing: joins are a table
    netns       for each underlay group and sled one UDP socket that joins on the sled's own NICs, see `namespaces`

This file does not know when a group is joined, nor namespaces.
"""

import socket
import struct
import sys
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

from attrs import define, field

from blueprints.addresses import Address
from blueprints.errors import InputRejectedError, Mistake
from blueprints.snapshot import Snapshot
from simrack.sledagent.filters import Membership
from simrack.web.listeners import raise_file_limit
from simrack.wiring import nics_of

SPARE_FILES = 1024
"""Left for listeners, connections and the process itself."""


NO_NAMESPACES: Mapping[UUID, str] = MappingProxyType({})


class FilterKind(StrEnum):
    """What NIC filters are made of."""

    SOCKETS = "sockets"
    COUNTED = "counted"
    NETNS = "netns"


class Nics(Protocol):
    """The NICs of all sleds of a rack."""

    @property
    def kind(self) -> FilterKind:
        """What their filters are made of."""

    @property
    def namespaces(self) -> Mapping[UUID, str]:
        """The network namespaces by sled; empty where there are none."""

    def check(self, snapshot: Snapshot) -> None:
        """Make sure that the filters of *snapshot* can be held.

        Raises:
            InputRejectedError: they come to more open files than the process may have, or no NIC can be called so.
        """

    def wire(self, snapshot: Snapshot) -> None:
        """Give every sled the NICs that it has in *snapshot*.

        Raises:
            OSError: the system does not let a NIC be made.
        """

    def membership(self, sled_id: UUID, underlay: Address) -> Membership:
        """Return what is to hold *underlay* joined on NICs of the sled."""


def join_request(underlay: Address, interface: int) -> bytes:
    """Return how the system is asked to join *underlay* on the interface of that index (ipv6(7))."""
    return underlay.ip.packed + struct.pack("@I", interface)


@define
class _LoopbackMembership:
    """A socket for each NIC: on one interface, a socket joins a group only once."""

    underlay: Address
    sockets: list[socket.socket] = field(factory=list)

    def join(self, _nic: str, /) -> None:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.sockets.append(sock)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, join_request(self.underlay, _loopback()))

    def leave(self) -> None:
        while self.sockets:
            self.sockets.pop().close()


def _loopback() -> int:
    """Return the index of the loopback interface, which Linux calls otherwise than other systems."""
    try:
        return socket.if_nametoindex("lo")
    except OSError:
        return socket.if_nametoindex("lo0")


class LoopbackNics:
    """Loopback in place of every NIC."""

    kind = FilterKind.SOCKETS
    namespaces = NO_NAMESPACES

    def check(self, snapshot: Snapshot) -> None:
        """See `Nics`."""
        check_files(snapshot, _nics_in(snapshot), "NICs")

    def wire(self, _: Snapshot) -> None:
        """See `Nics`; loopback is always there."""

    def membership(self, _: UUID, underlay: Address) -> Membership:
        """See `Nics`."""
        return _LoopbackMembership(underlay)


class _CountedMembership:
    def join(self, _nic: str, /) -> None:
        """A line in a table."""

    def leave(self) -> None:
        """Nothing holds it."""


class CountedNics:
    """No NICs at all: who has joined what is remembered, and that is all."""

    kind = FilterKind.COUNTED
    namespaces = NO_NAMESPACES

    def check(self, _: Snapshot) -> None:
        """See `Nics`; a table holds any number."""

    def wire(self, _: Snapshot) -> None:
        """See `Nics`."""

    def membership(self, _sled_id: UUID, _underlay: Address) -> Membership:
        """See `Nics`."""
        return _CountedMembership()


SOCKETS: Nics = LoopbackNics()
COUNTED: Nics = CountedNics()


def check_files(snapshot: Snapshot, places: int, noun: str) -> None:
    """Let the process open as many files as it may, and make sure that they suffice.

    Each group of *snapshot* may come to a file at each of so many *places*, which are called *noun*.

    Raises:
        InputRejectedError: they do not; says the numbers, and what to do.
    """
    lack = _lack_of_files(snapshot, places, noun)
    if lack is not None:
        advice = "raise it (ulimit -Hn), or have joins counted in a table: --filters counted"
        raise InputRejectedError("NIC filters", [Mistake("", f"{lack}; {advice}")])


def nics_that_fit(snapshot: Snapshot) -> Nics:
    """Return sockets if the limit of open files allows them for *snapshot*, else count joins, and say so."""
    lack = _lack_of_files(snapshot, _nics_in(snapshot), "NICs")
    if lack is None:
        return SOCKETS
    sys.stderr.write(f"simrack: joins of NICs are counted in a table: {lack}\n")
    return COUNTED


def _lack_of_files(snapshot: Snapshot, places: int, noun: str) -> str | None:
    groups = max(len(snapshot.groups), len(snapshot.underlay_groups))
    needed, limit = groups * places + SPARE_FILES, raise_file_limit()
    if needed <= limit:
        return None
    return (
        f"{groups:,} groups on {places:,} {noun} need {needed:,} open files, {SPARE_FILES:,} of them to spare, and "
        f"the hard limit is {limit:,}"
    )


def _nics_in(snapshot: Snapshot) -> int:
    return sum(len(nics_of(sled)) for sled in snapshot.sleds)
