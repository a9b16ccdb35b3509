"""Addresses of a scrubbed document: every address becomes another one of which the same rules hold.

One map serves groups, underlay groups, sources, sleds and switches, so that equal addresses stay equal wherever they
stand. What it keeps, because plans depend on it:

    A1  different addresses stay different.
    A2  which ranges of `blueprints.addresses` an address lies in: what is refused stays refused, for the same reason.
    A3  the salt between a group and an underlay group, or that there is none; two groups that fold onto one underlay
        group, and two underlay groups that share an Ethernet address, go on doing so.
    A4  addresses of one IPv6 network of 64 bits stay in one; hosts 1 and 2 of it, by which sleds and switch zones
        are reached, keep their numbers.

For A3 the 64-bit number that a group folds onto is taken in three parts. The upper 32 bits and the middle 24 are
exchanged, each by a table of its own; the low 8, which a salt may flip, are XORed with a number that belongs to the
middle ones. A salt that leads from one number to another thus leads from image to image.

This file does not know documents.
"""

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeVar, cast

from blueprints.addresses import UNDERLAY_SUBNET, Address, ExternalGroup, IpValue, is_source_specific
from blueprints.errors import InvariantError
from collector.scrub_draws import PATIENCE, Draws

A = TypeVar("A", bound=Address)

_LOW_64 = (1 << 64) - 1
_MAPPED = 0xFFFF << 32
"""What stands before an IPv4 address in ``::ffff:0:0/96``."""

_MULTICAST = IPv4Network("224.0.0.0/4")
_KEPT_HOSTS = (1, 2)

_BLOCKS = (
    (0xE00000, 1 << 0),  # 224.0.0.0/24
    (0xE80000, 1 << 0),  # 232.0.0.0/24
    (0xE80000, 1 << 16),  # the rest of 232.0.0.0/8
    (0xE00000, 1 << 20),  # the rest of 224.0.0.0/4
    (0x800000, 1 << 23),  # group ids of ff3x::/96 that source-specific groups may have
    (0x000000, 1 << 23),
)
"""Ranges of the middle 24 bits, as first and size, narrow ones first. Each stays within itself; whatever an IPv4
group is, its upper 24 bits are these."""

_V4: tuple[tuple[IPv4Network, IPv4Network], ...] = tuple(
    (IPv4Network(its), IPv4Network(becomes))
    for its, becomes in (
        ("0.0.0.0/8", "0.0.0.0/8"),
        ("127.0.0.0/8", "127.0.0.0/8"),
        ("169.254.0.0/16", "169.254.0.0/16"),
        ("240.0.0.0/4", "240.0.0.0/4"),
        ("0.0.0.0/0", "10.0.0.0/8"),  # nobody's on the Internet
    )
)
"""Networks of IPv4 unicast, narrow ones first, and where their addresses go."""

_V6: tuple[tuple[IPv6Network, IPv6Network], ...] = tuple(
    (IPv6Network(its), IPv6Network(becomes))
    for its, becomes in (
        ("fe80::/64", "fe80::/64"),
        ("fe80::/10", "fe80::/10"),
        ("fc00::/7", "fd00::/8"),
        ("::/0", "2001:db8::/32"),  # kept for documentation (RFC 3849)
    )
)
_FIXED = (0, 1)
"""``::`` and ``::1``: ranges of one address, with nothing to hide."""


def _block_kind(block: int) -> int:
    return next(kind for kind, (first, size) in enumerate(_BLOCKS) if first <= block < first + size)


def _other_block(block: int, draw: int) -> int | None:
    kind = _block_kind(block)
    first, size = _BLOCKS[kind]
    other = first + draw % size
    return other if _block_kind(other) == kind else None


def _is_bare(upper: int) -> bool:
    """Return whether the *upper* 32 bits say nothing: those of IPv4 groups, or mere flags and scope as ff0e."""
    return upper == 0 or upper & 0xFF00FFFF == 0xFF000000


def _other_upper(upper: int, draw: int) -> int | None:
    other = draw % (1 << 32)
    if _is_bare(upper):
        return upper
    return None if _is_bare(other) else other


def _other_prefix(prefix: int, draw: int) -> int | None:
    """Return another 64 bits before a group id, with the same flags and scope; none where nothing else is said."""
    if prefix & (1 << 48) - 1 == 0:
        return prefix
    other = prefix >> 48 << 48 | draw % (1 << 48)
    same = is_source_specific(_group(prefix)) == is_source_specific(_group(other))
    return other if same and other & (1 << 48) - 1 else None


def _group(prefix: int) -> Address:
    return Address(IPv6Address(prefix << 64))


def _other_v4(number: int, draw: int) -> int:
    becomes = next(becomes for its, becomes in _V4 if IPv4Address(number) in its)
    return int(becomes.network_address) + draw % becomes.num_addresses


def _other_network(network: int, draw: int) -> int:
    becomes = next(becomes for its, becomes in _V6 if IPv6Address(network << 64) in its)
    return int(becomes.network_address) + (draw % becomes.num_addresses) >> 64


def _other_refused(number: int, draw: int) -> int | None:
    """Return another multicast address that is refused for the same reason: flags, scope and whose block it is."""
    specific = is_source_specific(Address(IPv6Address(number)))
    free = 96 if specific else 112
    other = IPv6Address(number >> free << free | draw % (1 << free))
    same = is_source_specific(Address(other)) == specific and _folded(other) is None
    return int(other) if same else None


def _folded(ip: IpValue) -> int | None:
    """Return the 64 bits by which a group or an underlay group is known inside the rack; None for other addresses."""
    number = int(ip)
    if isinstance(ip, IPv4Address):
        return number if ip in _MULTICAST else None
    if ip in UNDERLAY_SUBNET:
        return number & _LOW_64
    try:
        ExternalGroup(ip)
    except ValueError:
        return None
    return number >> 64 ^ number & _LOW_64


class AddressMap:
    """The map, made for the addresses that occur; derived underlay groups have theirs too."""

    def __init__(self, draws: Draws, addresses: Iterable[Address]) -> None:
        """Draw an image for each of *addresses*."""
        self._draws = draws
        self._made: dict[tuple[type, tuple[int, int]], Address] = {}
        addresses = tuple(addresses)
        known = {_core(address.ip) for address in addresses}
        folds = {ip: fold for ip in known if (fold := _folded(ip)) is not None}
        self._exchange_folds(set(folds.values()))
        prefixes = {int(ip) >> 64 for ip in folds if ip.version == 6 and ip not in UNDERLAY_SUBNET}
        self._prefixes = draws.images("prefix", prefixes, _other_prefix)
        self._exchange_others([ip for ip in known if ip not in folds])
        for address in addresses:
            self(address)

    def _exchange_folds(self, folds: set[int]) -> None:
        self._uppers = self._draws.images("upper", {fold >> 32 for fold in folds}, _other_upper)
        self._blocks = self._draws.images("block", {fold >> 8 & 0xFFFFFF for fold in folds}, _other_block)
        lows: defaultdict[int, set[int]] = defaultdict(set)
        for fold in folds:
            lows[fold >> 8 & 0xFFFFFF].add(fold & 0xFF)
        self._flips = {block: self._flip(block, its) for block, its in lows.items()}

    def _flip(self, block: int, lows: set[int]) -> int:
        """Return what the last 8 bits are XORed with: in a block that stays, no difference of two of *lows*."""
        flips = [self._draws.number("flip", block, attempt) % 255 + 1 for attempt in range(PATIENCE)]
        stays = self._blocks[block] == block
        return next((flip for flip in flips if not stays or not {low ^ flip for low in lows} & lows), flips[0])

    def _exchange_others(self, others: Iterable[IpValue]) -> None:
        v4 = [int(ip) for ip in others if ip.version == 4]
        v6 = [ip for ip in others if ip.version == 6 and int(ip) not in _FIXED]
        unicast = [int(ip) for ip in v6 if not ip.is_multicast]
        refused = [int(ip) for ip in v6 if ip.is_multicast]
        self._networks = self._draws.images("network", {number >> 64 for number in unicast}, _other_network)
        self._v4 = self._draws.images("v4", v4, _other_v4)
        self._v6 = self._draws.images("refused", refused, _other_refused)
        self._v6 |= self._draws.images("unicast", unicast, self._other_host)
        self._v6 |= {number: number for number in _FIXED}

    def _other_host(self, number: int, draw: int) -> int | None:
        host = number & _LOW_64
        network = self._networks[number >> 64]
        kept = host in _KEPT_HOSTS and network != number >> 64
        other = host if kept else draw & _LOW_64
        return network << 64 | other if kept or other not in _KEPT_HOSTS else None

    def __call__(self, address: A) -> A:
        """Return what *address* becomes, as the same type.

        Raises:
            InvariantError: the map was made for other addresses.
        """
        found = self._made.get((address.__class__, address.key))
        if found is None:
            try:
                ip = self._image(address.ip)
            except KeyError:
                raise InvariantError("addresses", f"{address} is of no document that the map was made for") from None
            found = self._made[address.__class__, address.key] = address.__class__(ip)
        return cast(A, found)

    def table(self) -> dict[str, str]:
        """Return every address that was asked for, with what it became."""
        made = {key: (Address(_ip_of(key)).text, found.text) for (_, key), found in self._made.items()}
        return dict(made[key] for key in sorted(made))

    def _image(self, ip: IpValue) -> IpValue:
        core = _core(ip)
        if core.version != ip.version:
            return IPv6Address(_MAPPED | int(self._image(core)))
        number, fold = int(core), _folded(core)
        if isinstance(core, IPv4Address):
            return IPv4Address(self._v4[number] if fold is None else self._fold(fold))
        if fold is None:
            return IPv6Address(self._v6[number])
        if core in UNDERLAY_SUBNET:
            return IPv6Address(number ^ fold | self._fold(fold))
        prefix = self._prefixes[number >> 64]
        return IPv6Address(prefix << 64 | prefix ^ self._fold(fold))

    def _fold(self, fold: int) -> int:
        block = fold >> 8 & 0xFFFFFF
        low = fold & 0xFF ^ self._flips[block]
        return self._uppers[fold >> 32] << 32 | self._blocks[block] << 8 | low


def _ip_of(key: tuple[int, int]) -> IpValue:
    version, number = key
    return IPv4Address(number) if version == 4 else IPv6Address(number)


def _core(ip: IpValue) -> IpValue:
    """Return the IPv4 address that is written as an IPv6 one, or *ip* itself."""
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return ip if mapped is None else mapped
