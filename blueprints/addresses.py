"""Checked addresses: an object of one of these types is a right address, or it does not exist.

Which ranges are allowed is data (`_Rule` rows), each row with the place it comes from. The strictest of the
devices decides, so that what passes here is refused nowhere: dpd's end-to-end branch, mgd and the datastore's
own CHECKs.

This file does not know snapshots, blueprints or devices.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, ClassVar, Self

from attrs import frozen

from blueprints.values import Value

IpValue = IPv4Address | IPv6Address
"""An address before any rule was asked."""


AddressKey = tuple[int, int]
"""What the order of every list is made of: version, then number."""


@frozen
class _Rule:
    """A range that may not be used, and why."""

    first: AddressKey
    last: AddressKey
    reason: str


def _rules(*rows: tuple[str, str]) -> tuple[_Rule, ...]:
    return tuple(_Rule(*_ends(ip_network(network)), reason) for network, reason in rows)


def _ends(network: IPv4Network | IPv6Network) -> tuple[AddressKey, AddressKey]:
    """Return the keys of the first and the last address of *network*."""
    version = network.version
    return (version, int(network.network_address)), (version, int(network.broadcast_address))


def _parse_ip(text: str) -> IpValue:
    if "%" in text:
        raise ValueError(f"{text!r} carries a zone; give the bare address")
    try:
        return ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None


MOST_PARSED = 1 << 16
"""So many texts of one type are known at once; with one more, all of them are parsed again."""


class Address(Value):
    """Any IP address. Equal addresses are equal whatever their types; IPv4 sorts before IPv6, then by number."""

    __slots__ = ("ip", "key", "text")

    ip: IpValue
    text: str
    """Canonical text, RFC 5952 for IPv6."""

    key: AddressKey

    _parsed: ClassVar[dict[str, Any]] = {}
    """Text to address of this very type. A cache of functools takes five times as much for each."""

    _RULES: ClassVar[tuple[_Rule, ...]] = ()
    _RULES_OF: ClassVar[Mapping[int, tuple[_Rule, ...]]]

    def __init__(self, ip: IpValue) -> None:
        """Refuse what the type does not allow.

        Raises:
            ValueError: the address is outside the type's ranges; the message says which rule.
        """
        mapped = getattr(ip, "ipv4_mapped", None)  # which Python writes in two ways, by version
        self._keep(ip=ip, text=str(ip) if mapped is None else f"::ffff:{mapped}", key=(ip.version, int(ip)))
        self._obey()

    def __reduce__(self) -> tuple[type[Self], tuple[IpValue]]:
        """Let copies be made from the address."""
        return type(self), (self.ip,)

    def _obey(self) -> None:
        if self._RULES:
            key = self.key
            for rule in self._RULES_OF[key[0]]:
                if rule.first <= key <= rule.last:
                    raise ValueError(f"{self.text} is {rule.reason}")
        self._check()

    def __init_subclass__(cls) -> None:
        """Part the rules by version once for each type."""
        cls._parsed = {}
        cls._RULES_OF = {
            version: tuple(rule for rule in cls._RULES if rule.first[0] == version) for version in (4, 6)
        }

    def _check(self) -> None:
        """Refuse what ranges alone cannot say."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address written as *text*; each distinct text is parsed once.

        Raises:
            ValueError: not an address, or not one of this type.
        """
        known = cls._parsed
        found: Self | None = known.get(text)
        if found is None:
            if len(known) >= MOST_PARSED:
                known.clear()
            # What addresses of several types are made of is held once.
            found = known[text] = cls(_parse_ip(text)) if cls is Address else cls.of(Address.parse(text))
        return found

    @classmethod
    def of(cls, address: "Address") -> Self:
        """Return *address* as one of this type; nothing is parsed or written again.

        Raises:
            ValueError: not one of this type.
        """
        made = object.__new__(cls)
        _set_ip(made, address.ip)
        _set_text(made, address.text)
        _set_key(made, address.key)
        made._obey()
        return made

    def __str__(self) -> str:
        """Return the canonical text."""
        return self.text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text})"

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Address) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __lt__(self, other: "Address") -> bool:
        return self.key < other.key

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.key[0]


_set_ip, _set_text, _set_key = (vars(Address)[name].__set__ for name in ("ip", "text", "key"))

UNIQUE_LOCAL = IPv6Network("fc00::/7")
"""Where every daemon of a real rack listens (RFC 4193)."""

UNDERLAY_SUBNET = IPv6Network("ff04::/64")
"""Where underlay groups live (dpd's API document, type UnderlayMulticastIpv6)."""

_UNDERLAY_FIRST, _UNDERLAY_LAST = _ends(UNDERLAY_SUBNET)

_V4_SSM_FIRST, _V4_SSM_LAST = _ends(IPv4Network("232.0.0.0/8"))


def is_source_specific(group: Address) -> bool:
    """Return whether *group* needs named sources: the address decides, not the members.

    Source:
        RFC 4607 section 1 (232.0.0.0/8); the sixteen blocks ff30::/32 to ff3f::/32 as dpd and the datastore
        test them, so ff3e:20:1234::1 is not one.

    >>> is_source_specific(Address.parse("232.1.2.3")), is_source_specific(Address.parse("ff3e:20:1234::1"))
    (True, False)
    """
    if group.family == 4:
        return _V4_SSM_FIRST <= group.key <= _V4_SSM_LAST
    return group.key[1] >> 96 & 0xFFF0FFFF == 0xFF300000


class ExternalGroup(Address):
    """A group that customers name: multicast, routable, outside every reserved range."""

    __slots__ = ()

    _RULES: ClassVar[tuple[_Rule, ...]] = _rules(
        ("224.0.0.0/24", "in 224.0.0.0/24, reserved for link-local control (RFC 5771 section 4)"),
        ("232.0.0.0/24", "in 232.0.0.0/24, reserved by RFC 4607 section 1"),
        ("ff04::/16", "in ff04::/16, kept for the rack's own underlay groups"),
    )
    _V6_SCOPES: ClassVar[dict[int, str]] = {4: "admin-local", 5: "site", 8: "organization", 14: "global"}

    def _check(self) -> None:
        if not self.ip.is_multicast:
            raise ValueError(f"{self.text} is not a multicast address")
        if isinstance(self.ip, IPv6Address):
            self._check_v6(int(self.ip))

    def _check_v6(self, number: int) -> None:
        """RFC 4291 section 2.7 scopes, narrowed to the four that dpd routes; RFC 4607 group ids."""
        scope = number >> 112 & 0xF
        if scope not in self._V6_SCOPES:
            allowed = ", ".join(f"{value:x} ({name})" for value, name in self._V6_SCOPES.items())
            raise ValueError(f"{self.text} has scope {scope:x}; routed scopes are {allowed}")
        if is_source_specific(self) and (number >> 32 & (1 << 64) - 1 or number & 0x80000000 == 0):
            raise ValueError(f"{self.text} is source-specific, whose group ids are ff3x::8000:0 to ff3x::ffff:ffff")


class UnderlayGroup(Address):
    """A group inside the rack: an IPv6 address in ff04::/64."""

    __slots__ = ()

    def _check(self) -> None:
        if not _UNDERLAY_FIRST <= self.key <= _UNDERLAY_LAST:
            raise ValueError(f"{self.text} is not an underlay group: those lie in {UNDERLAY_SUBNET}")


class UnicastSource(Address):
    """A sender's address: what dpd and mgd accept as a multicast source."""

    __slots__ = ()

    _RULES: ClassVar[tuple[_Rule, ...]] = _rules(
        ("224.0.0.0/4", "multicast, so nobody sends from it"),
        ("0.0.0.0/8", "in 0.0.0.0/8, no host's address"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("240.0.0.0/4", "in 240.0.0.0/4, reserved or broadcast"),
        ("ff00::/8", "multicast, so nobody sends from it"),
        ("::/128", "the unspecified address"),
        ("::1/128", "loopback"),
        ("fe80::/10", "link-local"),
    )


class UnderlayUnicast(Address):
    """Where a sled or a switch zone is reached inside the rack: unicast IPv6."""

    __slots__ = ()

    _RULES: ClassVar[tuple[_Rule, ...]] = _rules(
        ("ff00::/8", "multicast, not one host's address"),
        ("::/128", "the unspecified address"),
        ("fe80::/10", "link-local, so it names nobody across the rack"),
    )

    def _check(self) -> None:
        if self.ip.version != 6:
            raise ValueError(f"{self.text} is not IPv6, which the underlay speaks")


_LOW_64 = (1 << 64) - 1


def _folded(group: Address) -> int:
    number = group.key[1]
    return number if group.family == 4 else (number >> 64) ^ (number & _LOW_64)


def underlay_address(group: Address, salt: int) -> UnderlayGroup:
    """Return the underlay group that *group* maps to under *salt*.

    Args:
        group: the external group.
        salt: 0 to 255, flips bits of the last byte only.

    Source:
        The rack's mapping rule: ff04:: plus the address XOR-folded to 64 bits, XOR salt.

    >>> str(underlay_address(ExternalGroup.parse("233.252.0.1"), 0))
    'ff04::e9fc:1'
    >>> str(underlay_address(ExternalGroup.parse("ff05::1234"), 255))
    'ff04::ff05:0:0:12cb'
    """
    return UnderlayGroup(IPv6Address(_UNDERLAY_FIRST[1] | _folded(group) ^ salt))


def salt_between(group: Address, underlay: Address) -> int | None:
    """Return the salt that leads from *group* to *underlay*, or None where no salt does."""
    if not _UNDERLAY_FIRST <= underlay.key <= _UNDERLAY_LAST:
        return None
    salt = (underlay.key[1] & _LOW_64) ^ _folded(group)
    return salt if salt <= 255 else None
