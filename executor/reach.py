"""Where the daemons of a rack may be: what DNS says beyond that is not called.

Whoever poisons the rack's DNS could otherwise send our writes anywhere. Allowed are

    * addresses in the prefixes that the user names, else in fd00::/8, from which racks take their /48; and, unless
      prefixes are named, loopback for a rack that is simulated, which is one whose name server is on loopback too;
    * ports that need no privilege: every daemon of a rack listens on one, and what else a host of the underlay
      offers (DNS, SSH, a web server of its own) is on the others.

Zone ids are refused. This file does not know DNS.
"""

from collections.abc import Iterable
from ipaddress import IPv6Address, IPv6Network, ip_address

from attrs import frozen

from blueprints.errors import BadAnswerError

UNDERLAY = IPv6Network("fd00::/8")
LOOPBACK = IPv6Network("::1/128")

LOWEST_PORT = 1024


@frozen
class Reach:
    """Addresses and ports that may be called."""

    prefixes: tuple[IPv6Network, ...]

    @classmethod
    def of(cls, server: str, named: Iterable[IPv6Network] = ()) -> "Reach":
        """Return what may be called on the word of the name *server*; *named* prefixes replace the usual ones."""
        prefixes = tuple(named)
        if prefixes:
            return cls(prefixes)
        return cls((UNDERLAY, LOOPBACK) if ip_address(server).is_loopback else (UNDERLAY,))

    def address(self, name: str, text: str) -> IPv6Address:
        """Return the address *text* of *name*.

        Raises:
            BadAnswerError: it may not be called.
        """
        address = IPv6Address(text)
        if address.scope_id is not None or not any(address in prefix for prefix in self.prefixes):
            raise BadAnswerError(f"{name} is at {address}, outside the rack: {self}")
        return address

    def port(self, name: str, port: int) -> int:
        """Return the *port* of *name*.

        Raises:
            BadAnswerError: it may not be called.
        """
        if not LOWEST_PORT <= port < 65536:
            raise BadAnswerError(f"{name} is at port {port}, below {LOWEST_PORT}: no daemon of a rack listens there")
        return port

    def __str__(self) -> str:
        """Return what people are told."""
        return f"allowed are {', '.join(map(str, self.prefixes))} (--allow-prefix)"
