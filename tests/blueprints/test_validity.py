"""What every daemon of a rack takes: each rule at its edges, and agreement with the rules of the simulated daemons.

The strictest decides: dpd's multicast branch, mgd, the packet engine of sleds, the checks of the datastore's tables.
"""

from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_network
from itertools import chain

import pytest

from blueprints.addresses import Address, ExternalGroup, UnderlayGroup, UnicastSource, is_source_specific
from blueprints.identifiers import MulticastMac, PortId, Tag, port_of_interface
from simrack import addresses as simulated
from simrack.dpd.model import External, NatTarget
from simrack.dpd.rules import check_external, check_tag
from simrack.web.answers import HttpError

Parse = Callable[[str], object]
Row = tuple[str, Parse, tuple[str, ...], tuple[str, ...]]


def _specific(text: str) -> None:
    """Raise where the group takes any source."""
    if not is_source_specific(Address.parse(text)):
        raise ValueError(text)


def _interface(text: str) -> None:
    """Raise where the interface tells no port."""
    if port_of_interface(text) is None:
        raise ValueError(text)


def scopes(flags: str, *, low: str = "") -> Iterable[tuple[str, str]]:
    """Yield every scope with an address of it."""
    return ((scope, f"ff{flags}{scope}::{low}1") for scope in "0123456789abcdef")


def routed(flags: str, low: str = "", *, without: str = "") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return addresses of the scopes that are routed, and of those that are not."""
    good = set("458e") - set(without)
    listed = list(scopes(flags, low=low))
    return tuple(ip for scope, ip in listed if scope in good), tuple(ip for scope, ip in listed if scope not in good)


GROUP, SOURCE, HOME = ExternalGroup.parse, UnicastSource.parse, UnderlayGroup.parse

RULES: list[Row] = [
    ("group-multicast-v4", GROUP, ("224.0.1.0", "239.255.255.255"), ("223.255.255.255", "240.0.0.0")),
    ("group-multicast-v6", GROUP, ("ff05::",), ("feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::")),
    ("group-link-local-control", GROUP, ("224.0.1.0",), ("224.0.0.0", "224.0.0.255")),
    ("group-232-0-0", GROUP, ("231.255.255.255", "232.0.1.0"), ("232.0.0.0", "232.0.0.255")),
    ("group-scope-of-well-known-groups", GROUP, *routed("0", without="4")),
    ("group-scope-of-transient-groups", GROUP, *routed("1")),
    ("group-scope-of-specific-groups", GROUP, *routed("3", "8000:")),
    ("group-scope-of-other-flags", GROUP, *routed("7")),
    (
        "group-of-the-racks-own-scope",
        GROUP,
        ("ff05::", "ff14::1"),
        ("ff04::", "ff04::ffff:ffff:ffff:ffff", "ff04:0:0:1::", "ff04:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ),
    (
        "group-id-of-specific-groups",
        GROUP,
        ("ff3e::8000:0", "ff3e::ffff:ffff", "ff34::8000:0", "ff3e:1::"),
        ("ff3e::7fff:ffff", "ff3e::1:0:0", "ff3e::1:8000:0", "ff3e:0:1::8000:0", "ff3e:0:8000::8000:0", "ff3e::"),
    ),
    ("specific-v4", _specific, ("232.0.0.0", "232.255.255.255"), ("231.255.255.255", "233.0.0.0")),
    (
        "specific-v6",
        _specific,
        ("ff30::", "ff30:0:ffff:ffff:ffff:ffff:ffff:ffff", "ff3f::", "ff3f:0:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("ff2f:0:ffff:ffff:ffff:ffff:ffff:ffff", "ff30:1::", "ff3e:ffff::", "ff40::"),
    ),
    ("source-multicast-v4", SOURCE, ("223.255.255.255",), ("224.0.0.0", "239.255.255.255")),
    ("source-this-network", SOURCE, ("1.0.0.0",), ("0.0.0.1", "0.255.255.255")),
    ("source-loopback-v4", SOURCE, ("126.255.255.255", "128.0.0.0"), ("127.0.0.0", "127.255.255.255")),
    ("source-link-local-v4", SOURCE, ("169.253.255.255", "169.255.0.0"), ("169.254.0.0", "169.254.255.255")),
    (
        "source-reserved-and-broadcast",
        SOURCE,
        ("223.255.255.255",),
        ("240.0.0.0", "255.255.255.254", "255.255.255.255"),
    ),
    ("source-unspecified-and-loopback-v6", SOURCE, ("::2",), ("::", "::1")),
    (
        "source-link-local-v6",
        SOURCE,
        ("fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fec0::"),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ),
    (
        "source-multicast-v6",
        SOURCE,
        ("feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ),
    (
        "underlay-subnet",
        HOME,
        ("ff04::", "ff04::ffff:ffff:ffff:ffff"),
        ("ff03:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ff04:0:0:1::", "ff14::1", "224.1.2.3"),
    ),
    ("tag-length", Tag.parse, ("t", "t" * 80), ("", "t" * 81)),
    ("tag-characters", Tag.parse, ("azAZ09_.:-",), ("a b", "a/32", "a@", "a[", "a`", "a{", "a;", "a,", "é", "a\n")),
    (
        "mac-multicast-bit",
        MulticastMac.parse,
        ("33:33:00:00:00:01", "01:00:5e:00:00:01"),
        ("32:33:00:00:00:01", "fe:" * 5 + "01"),
    ),
    ("port-rear", PortId.parse, ("rear0", "rear31"), ("rear-1", "rear32", "rear00", "rear")),
    ("port-qsfp", PortId.parse, ("qsfp0", "qsfp31"), ("qsfp-1", "qsfp32")),
    ("port-int", PortId.parse, ("int0",), ("int-1", "int1")),
    (
        "link-of-an-interface",
        _interface,
        ("tfportrear0_0", "tfportrear31_255"),
        ("tfportrear0_256", "tfportrear32_0"),
    ),
]
"""Name, what reads a text, what is just inside, what is just outside. Numbers (identifiers, VLANs, links) are rules
C4 and C12 of a blueprint, and stand in ``test_checks``."""


def takes(parse: Parse, text: str) -> bool:
    """Return whether *text* is read."""
    try:
        parse(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(("parse", "inside", "outside"), [row[1:] for row in RULES], ids=[row[0] for row in RULES])
def test_each_rule_at_its_edges(parse: Parse, inside: tuple[str, ...], outside: tuple[str, ...]) -> None:
    """What lies just inside a rule is taken, and what lies just outside is refused."""
    assert inside
    assert outside
    assert [text for text in inside if not takes(parse, text)] == []
    assert [text for text in outside if takes(parse, text)] == []


# --- a second opinion -----------------------------------------------------------------------------------------------

NETWORKS = (
    *("0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "224.0.0.0/24"),
    *("232.0.0.0/8", "232.0.0.0/24", "233.252.0.0/24", "239.0.0.0/8", "240.0.0.0/4", "255.255.255.255/32"),
    *("::/128", "::1/128", "::ffff:0:0/96", "fc00::/7", "fe80::/10", "ff00::/8", "ff04::/16", "ff04::/64"),
    *(f"ff{flags:x}{scope:x}::/{size}" for flags in range(16) for scope in range(16) for size in (16, 32, 96)),
    *(f"ff3{scope:x}::8000:0/97" for scope in range(16)),
)
"""Every range that some rule names, and some that none does."""


def edges() -> list[Address]:
    """Return the first and last address of every range, with their neighbours."""
    found = set()
    for network in map(ip_network, NETWORKS):
        first, last = int(network.network_address), int(network.broadcast_address)
        kind, most = (IPv4Address, 1 << 32) if network.version == 4 else (IPv6Address, 1 << 128)
        near = {first - 1, first, first + 1, last - 1, last, last + 1}
        found |= {Address(kind(number)) for number in near if 0 <= number < most}
    return sorted(found)


EDGES = edges()

_NOT_IN_THE_DATASTORE = ("224.0.0.0/24", "ff00::/16", "ff01::/16", "ff02::/16", "ff04::/16")


def datastore_takes(group: Address) -> bool:
    """Return whether the CHECKs of the datastore's table let a group have this address."""
    return simulated.is_multicast(group) and not any(
        group.family == network.version and group.ip in network for network in map(ip_network, _NOT_IN_THE_DATASTORE)
    )


def test_groups_are_what_dpd_mgd_and_the_datastore_all_take() -> None:
    """At every edge of every range, a group is taken here if and only if no daemon and no CHECK refuses it."""
    for address in EDGES:
        taken = simulated.group_refusal(address) is None and datastore_takes(address)
        assert takes(GROUP, address.text) is taken, address


def test_sources_are_what_dpd_and_mgd_both_take() -> None:
    """At every edge of every range, a source is taken here if and only if dpd and mgd both take it."""
    for address in EDGES:
        group = Address.parse("233.252.0.1" if address.family == 4 else "ff0e::1")
        taken = simulated.dpd_source_refusal(address) is None and simulated.mgd_source_refusal(address, group) is None
        assert takes(SOURCE, address.text) is taken, address


def test_specific_groups_and_underlay_groups_are_those_of_the_daemons() -> None:
    """At every edge of every range, both sides agree on what is source-specific and on what is an underlay group."""
    for address in EDGES:
        if simulated.is_multicast(address):
            assert is_source_specific(address) is simulated.is_source_specific(address), address
        assert takes(HOME, address.text) is simulated.is_underlay(address), address
        if takes(HOME, address.text):
            assert simulated.is_admin_local(address), address


def test_every_edge_decides_something() -> None:
    """The edges reach both sides of all four questions."""
    for parse in (GROUP, SOURCE, HOME, _specific):
        assert {takes(parse, address.text) for address in EDGES} == {True, False}


def daemon_takes(call: Callable[[], None]) -> bool:
    """Return whether a simulated daemon lets *call* pass."""
    try:
        call()
    except HttpError:
        return False
    return True


def test_tags_are_what_dpd_takes() -> None:
    """Every single character, and every length around the limits, is a tag here if and only if dpd takes it."""
    for text in chain(map(chr, range(0x180)), ("t" * length for length in (0, 1, 2, 79, 80, 81, 82)), ("a\n", "\na")):
        assert takes(Tag.parse, text) is daemon_takes(partial(check_tag, text)), repr(text)


@pytest.mark.parametrize(
    ("group", "sources", "taken"),
    [
        ("232.1.2.3", None, False),
        ("232.1.2.3", ("10.0.0.1",), True),
        ("233.252.0.1", None, True),
        ("ff3e::8000:1", None, False),
        ("ff3e::8000:1", ("fd00::1",), True),
        ("ff3e:1::1", None, True),
    ],
)
def test_dpd_wants_sources_where_we_say_so(group: str, sources: tuple[str, ...] | None, taken: bool) -> None:
    """Dpd refuses any source for exactly the groups that are source-specific here."""
    home = HOME("ff04::1")
    named = None if sources is None else tuple(map(Address.parse, sources))
    external = External(NatTarget(home, MulticastMac.of_group(home), 77), None, named)
    assert daemon_takes(lambda: check_external(Address.parse(group), external)) is taken
    assert taken is (named is not None or not is_source_specific(Address.parse(group)))
