"""Addresses: which texts become which type, and which are refused, on both sides of every limit."""

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprints.addresses import (
    Address,
    ExternalGroup,
    UnderlayGroup,
    UnderlayUnicast,
    UnicastSource,
    is_source_specific,
    salt_between,
    underlay_address,
)
from tests.oracle.choices import underlay
from tests.oracle.receivers import good_group, good_source, source_specific

GOOD: list[tuple[type[Address], str]] = [
    *(
        (ExternalGroup, text)
        for text in ["224.0.1.0", "224.1.2.3", "231.255.255.255", "232.0.1.0", "232.255.255.255"]
    ),
    *((ExternalGroup, text) for text in ["233.0.0.0", "239.255.255.255"]),
    *((ExternalGroup, text) for text in ["ff05::1", "ff08::1", "ff0e::1", "ff14::1", "ff1e::", "ff3e:20:1234::1"]),
    *(
        (ExternalGroup, text)
        for text in ["ff3e::8000:0", "ff3e::ffff:ffff", "ff35::8000:1", "ff38::8000:1", "ff34::8000:0"]
    ),
    *((UnderlayGroup, text) for text in ["ff04::", "ff04::1", "ff04::ffff:ffff:ffff:ffff"]),
    *((UnicastSource, text) for text in ["1.0.0.0", "10.20.0.5", "126.255.255.255", "128.0.0.0", "169.253.255.255"]),
    *((UnicastSource, text) for text in ["169.255.0.0", "223.255.255.255", "::2", "fd00::1", "fe7f::1", "fec0::1"]),
    *((UnderlayUnicast, text) for text in ["fd00:1122:3344:101::2", "::1", "fe7f::1", "fec0::1"]),
]

BAD: list[tuple[type[Address], str, str]] = [
    *(
        (ExternalGroup, text, "not a multicast")
        for text in ["223.255.255.255", "240.0.0.0", "10.0.0.1", "fd00::1", "::"]
    ),
    *((ExternalGroup, text, "RFC 5771") for text in ["224.0.0.0", "224.0.0.1", "224.0.0.255"]),
    *((ExternalGroup, text, "RFC 4607") for text in ["232.0.0.0", "232.0.0.255"]),
    *((ExternalGroup, text, "rack's own") for text in ["ff04::", "ff04::1", "ff04:1::1", "ff04:ffff::"]),
    *((ExternalGroup, f"ff0{scope}::1", "scope") for scope in "0123679abcdf"),
    *((ExternalGroup, f"ff3{scope}::8000:1", "scope") for scope in "01236"),
    *(
        (ExternalGroup, text, "source-specific")
        for text in ["ff3e::7fff:ffff", "ff3e::", "ff3e::1:8000:0", "ff3e:0:1::8000:0"]
    ),
    *((UnderlayGroup, text, "ff04::/64") for text in ["ff04:0:0:1::", "ff03::1", "ff05::1", "fd00::1", "224.1.2.3"]),
    *((UnicastSource, text, "multicast") for text in ["224.0.0.0", "239.255.255.255", "ff00::", "ff0e::1"]),
    *((UnicastSource, text, "0.0.0.0/8") for text in ["0.0.0.1", "0.255.255.255"]),
    *((UnicastSource, text, "loopback") for text in ["127.0.0.0", "127.255.255.255", "::1"]),
    *((UnicastSource, text, "link-local") for text in ["169.254.0.0", "169.254.255.255", "fe80::", "febf:ffff::1"]),
    *((UnicastSource, text, "240.0.0.0/4") for text in ["240.0.0.0", "255.255.255.255"]),
    (UnicastSource, "::", "unspecified"),
    (UnderlayUnicast, "::", "unspecified"),
    (UnderlayUnicast, "fe80::1", "link-local"),
    (UnderlayUnicast, "ff04::1", "multicast"),
    (UnderlayUnicast, "10.0.0.1", "not IPv6"),
    *(
        (Address, text, "not an IP")
        for text in ["", "x", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4/32", " 1.2.3.4", "1.2.3.4\n"]
    ),
    *((Address, text, "not an IP") for text in ["::1::", "12345::", "[::1]", "16909060", "\u0661.2.3.4"]),
    *((Address, text, "zone") for text in ["fe80::1%eth0", "fe80::1%"]),
]


@pytest.mark.parametrize(("kind", "text"), GOOD)
def test_good_addresses_are_taken(kind: type[Address], text: str) -> None:
    """An address inside the limits of its type is taken and written as it was."""
    assert str(kind.parse(text)) == text


@pytest.mark.parametrize(("kind", "text", "reason"), BAD)
def test_bad_addresses_are_refused_with_their_reason(kind: type[Address], text: str, reason: str) -> None:
    """An address outside the limits of its type is refused, and the message says by which rule."""
    with pytest.raises(ValueError, match=reason):
        kind.parse(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("FF0E::1", "ff0e::1"),
        ("ff0e:0:0:0:0:0:0:1", "ff0e::1"),
        ("ff0e:0000::0001", "ff0e::1"),
        ("ff0e::0.0.0.1", "ff0e::1"),
        ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("::ffff:102:304", "::ffff:1.2.3.4"),
        ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
    ],
)
def test_texts_of_one_address_are_written_alike(text: str, canonical: str) -> None:
    """Any spelling becomes the canonical one of RFC 5952, under every version of Python."""
    assert Address.parse(text).text == canonical
    assert Address.parse(text) == Address.parse(canonical)


def test_a_refusal_names_the_address_as_it_is_written() -> None:
    """The message of a refusal has the canonical text, the same under every version of Python."""
    with pytest.raises(ValueError, match=r"^::ffff:1\.2\.3\.4 is not a multicast address$"):
        ExternalGroup.parse("::ffff:102:304")


@given(st.ip_addresses())
def test_the_limits_are_those_of_the_documentation(ip: object) -> None:
    """Types agree with the oracle's own reading of the ranges, for any address."""
    text = str(ip)
    for kind, good in ((ExternalGroup, good_group), (UnicastSource, good_source)):
        assert _takes(kind, text) is good(Address.parse(text).ip)
    assert is_source_specific(Address.parse(text)) is source_specific(Address.parse(text).ip)


@given(st.integers(0, (1 << 120) - 1), st.integers(0, 255))
def test_the_limits_of_v6_groups_are_those_of_the_documentation(low: int, second: int) -> None:
    """The same for addresses that are multicast at least, source-specific ones among them."""
    for number in (low, low & 0xFFFFFFFF, low & ~(0xFFFF << 96), low & 0xFFFFFFFF | (low >> 112 << 112)):
        ip = IPv6Address(0xFF << 120 | number & ~(0xFF << 112) | second << 112)
        assert _takes(ExternalGroup, str(ip)) is good_group(ip)
        assert is_source_specific(Address(ip)) is source_specific(ip)


def _takes(kind: type[Address], text: str) -> bool:
    try:
        kind.parse(text)
    except ValueError:
        return False
    return True


@given(st.lists(st.ip_addresses(), max_size=8))
def test_addresses_sort_by_family_and_number(ips: list[object]) -> None:
    """IPv4 comes before IPv6, and each is in the order of its numbers, not of its texts."""
    addresses = sorted(Address.parse(str(ip)) for ip in ips)
    assert [(a.family, int(a.ip)) for a in addresses] == sorted((a.family, int(a.ip)) for a in addresses)


def test_equal_addresses_are_equal_whatever_their_types() -> None:
    """A checked address equals the unchecked one of a row, hash included."""
    assert ExternalGroup.parse("233.252.0.1") == Address.parse("233.252.0.1")
    assert hash(ExternalGroup.parse("233.252.0.1")) == hash(Address.parse("233.252.0.1"))
    assert Address.parse("10.0.0.1") != Address.parse("::a00:1")
    assert Address.parse("10.0.0.1") != "10.0.0.1"


VECTORS = [
    ("224.1.1.1", "ff04::e001:101", "ff04::e001:100"),
    ("224.1.2.3", "ff04::e001:203", "ff04::e001:202"),
    ("232.1.2.3", "ff04::e801:203", "ff04::e801:202"),
    ("233.252.0.1", "ff04::e9fc:1", "ff04::e9fc:0"),
    ("239.255.255.255", "ff04::efff:ffff", "ff04::efff:fffe"),
    ("ff05::1234", "ff04::ff05:0:0:1234", "ff04::ff05:0:0:1235"),
    ("ff08::1234", "ff04::ff08:0:0:1234", "ff04::ff08:0:0:1235"),
    ("ff3e::8000:1", "ff04::ff3e:0:8000:1", "ff04::ff3e:0:8000:0"),
    ("ff0e::1:2:3", "ff04::ff0e:1:2:3", "ff04::ff0e:1:2:2"),
    ("ff0e:1234:5678:9abc:7ef0:1122:3344:5566", "ff04::81fe:316:653c:cfda", "ff04::81fe:316:653c:cfdb"),
    ("ff3e:1234:5678:9abc:def0:1234:5678:9abc", "ff04::21ce:0:0:0", "ff04::21ce:0:0:1"),
    ("ff0e:1234:5678:9abc:ff0e:1234:5678:9abc", "ff04::", "ff04::1"),
]


@pytest.mark.parametrize(("group", "plain", "salted"), VECTORS)
def test_underlay_vectors(group: str, plain: str, salted: str) -> None:
    """The rack's own test vectors for the mapping of groups, at salt 0 and 1."""
    external = ExternalGroup.parse(group)
    assert [str(underlay_address(external, salt)) for salt in (0, 1)] == [plain, salted]
    assert [salt_between(external, Address.parse(text)) for text in (plain, salted)] == [0, 1]


@given(st.ip_addresses(), st.integers(0, 255))
def test_salts_lead_back(ip: object, salt: int) -> None:
    """Each of the 256 salts leads to an address of its own, and the address tells the salt."""
    group = Address.parse(str(ip))
    address = underlay_address(group, salt)
    assert address.text == underlay(group.ip, salt)
    assert salt_between(group, address) == salt


@pytest.mark.parametrize("address", ["ff04::e9fc:101", "ff04::1:e9fc:1", "ff04:0:0:1::e9fc:1", "233.252.0.1"])
def test_no_salt_leads_elsewhere(address: str) -> None:
    """Addresses that differ in more than the last byte are reached by no salt."""
    assert salt_between(ExternalGroup.parse("233.252.0.1"), Address.parse(address)) is None
