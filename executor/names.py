"""Questions to a rack's internal DNS: services and addresses.

This file does not know which names a rack has.
"""

from collections import Counter
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.resolver
from attrs import define, field

from blueprints.errors import BadAnswerError, InputRejectedError, Mistake, SilentError
from executor.reach import Reach

_LOOK_UP_SECONDS = 5.0

_MOST_RECORDS = 64
"""Of one name; a rack has two switches."""


def parse_server(text: str) -> tuple[str, int]:
    """Return address and port of a name server written as ``ADDRESS``, ``ADDRESS:PORT`` or ``[ADDRESS]:PORT``.

    Raises:
        InputRejectedError: not of these forms.

    >>> parse_server("[fd00::1]:5353"), parse_server("fd00::1"), parse_server("127.0.0.1:53")
    (('fd00::1', 5353), ('fd00::1', 53), ('127.0.0.1', 53))
    """
    host, port = text, "53"
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        port = rest.removeprefix(":") if rest else "53"
        host = host if bracket and rest[:1] in ("", ":") else ""
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        if "%" in host:
            raise ValueError("a zone id says which link of this host is meant, and the rack is behind no one link")
        ip_address(host)
        number = int(port) if port.isascii() and port.isdigit() else 0
    except ValueError:
        number = 0
    if not 0 < number < 65536:
        raise InputRejectedError(
            text, [Mistake("", "expected ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT of a name server")]
        )
    return host, number


@define
class Names:
    """Questions to one name server."""

    address: str
    port: int
    reach: Reach = field()
    """What may be called on its word."""

    _resolver: dns.asyncresolver.Resolver = field(init=False)

    @reach.default
    def _usual(self) -> Reach:
        return Reach.of(self.address)

    def __attrs_post_init__(self) -> None:
        """Ask this server alone, whatever the host's own settings say."""
        self._resolver = dns.asyncresolver.Resolver(configure=False)
        self._resolver.nameservers = [self.address]
        self._resolver.port = self.port
        self._resolver.lifetime = _LOOK_UP_SECONDS

    async def services(self, name: str) -> dict[str, int]:
        """Return target and port of every SRV record of *name*; none if there are none.

        Raises:
            DeviceError: no answer, one target with two ports, or a port that may not be called.
        """
        records = {(str(r.target), self.reach.port(name, int(r.port))) for r in await self._ask(name, "SRV")}
        targets = Counter(target for target, _ in records)
        doubled = sorted(target for target, count in targets.items() if count > 1)
        if doubled:
            raise BadAnswerError(f"{name} gives {doubled[0]} two ports")
        return dict(sorted(records))

    async def address_of(self, name: str) -> IPv6Address | None:
        """Return the address of *name*, the lowest if there are several.

        Raises:
            DeviceError: no answer, or one of the addresses may not be called.
        """
        found = sorted(self.reach.address(name, str(record.address)) for record in await self._ask(name, "AAAA"))
        return found[0] if found else None

    async def _ask(self, name: str, kind: str) -> Iterable[Any]:
        try:
            records = list(await self._resolver.resolve(name, kind, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except (dns.exception.DNSException, OSError) as error:
            raise SilentError(f"no answer about {name}: {error}") from error
        if len(records) > _MOST_RECORDS:
            raise BadAnswerError(f"{name} has {len(records)} records; {_MOST_RECORDS} are taken")
        return records
