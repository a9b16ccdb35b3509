"""The map of addresses: what it must keep, address by address, and that it hides the rest."""

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
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
from blueprints.errors import InvariantError
from blueprints.identifiers import MulticastMac
from collector.scrub_addresses import AddressMap, _other_prefix, _other_refused
from collector.scrub_draws import Draws
from tests.collector.odd_snapshots import any_address

DRAWS = Draws(b"the owner's key, never given away")
MANY = settings(max_examples=300)


def verdicts(address: Address) -> list[Any]:
    """Return what every type of address says of *address*, whatever its number."""
    said: list[Any] = [address.family, is_source_specific(address)]
    for kind in (ExternalGroup, UnderlayGroup, UnicastSource, UnderlayUnicast):
        try:
            kind(address.ip)
        except ValueError as error:
            said.append(str(error).removeprefix(address.text))
        else:
            said.append(kind)
    return said


@MANY
@given(st.lists(any_address(), max_size=12))
def test_addresses_stay_different_and_of_their_range(addresses: list[Address]) -> None:
    """No two addresses become one, and what is refused stays refused in the same words."""
    found = AddressMap(DRAWS, addresses)
    assert len({found(address) for address in addresses}) == len(set(addresses))
    for address in addresses:
        assert verdicts(found(address)) == verdicts(address)


def groups_of(addresses: Iterable[Address]) -> list[ExternalGroup]:
    """Return those of *addresses* that a group may have."""
    good = []
    for address in addresses:
        try:
            good.append(ExternalGroup(address.ip))
        except ValueError:
            continue
    return good


@MANY
@given(st.lists(any_address(), min_size=1, max_size=12), st.data())
def test_salts_lead_from_image_to_image(addresses: list[Address], data: st.DataObject) -> None:
    """Whatever salt leads from a group to an underlay group, or none, does so between what they became."""
    groups = groups_of(addresses)
    rows = [underlay_address(group, data.draw(st.integers(0, 255))) for group in groups if data.draw(st.booleans())]
    found = AddressMap(DRAWS, [*addresses, *rows])
    for group in groups:
        for salt in (0, 1, 128, 255):
            assert underlay_address(found(group), salt) == found(underlay_address(group, salt))
        for row in rows:
            assert salt_between(found(group), found(row)) == salt_between(group, row)


@MANY
@given(st.lists(any_address(), min_size=2, max_size=12))
def test_underlay_groups_share_ethernet_addresses_as_before(addresses: list[Address]) -> None:
    """Two groups whose packets arrive on one Ethernet address still share one, and others still do not."""
    found = AddressMap(DRAWS, addresses)
    for one, other in combinations([underlay_address(group, 0) for group in groups_of(addresses)], 2):
        before = MulticastMac.of_group(one) == MulticastMac.of_group(other)
        assert (MulticastMac.of_group(found(one)) == MulticastMac.of_group(found(other))) is before


def test_groups_of_both_families_that_fold_onto_one_still_do() -> None:
    """An IPv6 group that takes the underlay address of an IPv4 group takes that of its image."""
    v4, v6 = ExternalGroup.parse("224.1.2.3"), ExternalGroup.parse("ff0e::ff0e:0:e001:203")
    found = AddressMap(DRAWS, [v4, v6])
    assert underlay_address(found(v4), 0) == underlay_address(found(v6), 0) != underlay_address(v4, 0)


def test_two_groups_of_one_ethernet_address_keep_it() -> None:
    """Underlay groups that differ only above the last 32 bits share an Ethernet address before and after."""
    groups = [ExternalGroup.parse(text) for text in ("ff0e::7:1:2", "ff0e::8:1:2", "ff0e:0:0:9::1:b")]
    found = AddressMap(DRAWS, groups)
    for its in (groups, [found(group) for group in groups]):
        underlays = [underlay_address(group, 0) for group in its]
        assert len(set(underlays)) == 3
        assert len({MulticastMac.of_group(underlay) for underlay in underlays}) == 1


@pytest.mark.parametrize("block", ["224.0.0", "232.0.0", "233.252.0", "232.1.2", "10.1.2"])
def test_a_full_block_goes_somewhere(block: str) -> None:
    """All 256 addresses of a block become 256 of its range, though nothing but the block may be left for them."""
    addresses = [Address.parse(f"{block}.{last}") for last in range(256)]
    found = AddressMap(DRAWS, addresses)
    images = {found(address) for address in addresses}
    assert len(images) == 256
    assert all(found(address) != address for address in addresses)
    assert {str(verdicts(image)) for image in images} == {str(verdicts(address)) for address in addresses}


@pytest.mark.parametrize("key", [bytes([number]) * 16 for number in range(8)], ids=lambda key: str(key[0]))
def test_half_a_block_that_has_to_stay_becomes_the_other_half(key: bytes) -> None:
    """In a range of one block, too, no address becomes one that was there before, if that can be avoided."""
    addresses = [Address.parse(f"224.0.0.{last}") for last in range(128)]
    found = AddressMap(Draws(key), addresses)
    assert {found(address).text for address in addresses} == {f"224.0.0.{last}" for last in range(128, 256)}


@pytest.mark.parametrize(
    ("prefix", "draw", "becomes"),
    [
        ("ff0e:1::", 0, None),
        ("ff0e:1::", 7, "ff0e:0:0:7::"),
        ("ff3e:20:1234::", 7, None),
        ("ff3e:20:1234::", 7 << 32, "ff3e:7::"),
        ("ff0e::", 7, "ff0e::"),
        ("ff3e::", 7, "ff3e::"),
    ],
)
def test_prefixes_of_groups_are_not_drawn_out_of_their_range(prefix: str, draw: int, becomes: str | None) -> None:
    """A draw that would make another kind of group, or one that says nothing, does not count."""
    found = _other_prefix(int(Address.parse(prefix).ip) >> 64, draw)
    assert found == (becomes and int(Address.parse(becomes).ip) >> 64)


@pytest.mark.parametrize(
    ("text", "draw", "becomes"),
    [
        ("ff04:1::1", 5, None),
        ("ff04:1::1", 5 << 96, "ff04:5::"),
        ("ff32:1::1", 5, None),
        ("ff32:1::1", 5 << 96, "ff32:5::"),
        ("ff3e::1", 0x80000001, None),
        ("ff3e::1", 5 << 96 | 5, "ff3e::5"),
    ],
)
def test_refused_addresses_are_not_drawn_out_of_their_range(text: str, draw: int, becomes: str | None) -> None:
    """A draw that would be accepted, or refused for another reason, does not count."""
    found = _other_refused(int(Address.parse(text).ip), draw)
    assert found == (becomes and int(Address.parse(becomes).ip))


@MANY
@given(st.lists(any_address(), max_size=12))
def test_no_address_is_seen_again(addresses: list[Address]) -> None:
    """What an address became is none of the originals, but where a range has a single address."""
    found = AddressMap(DRAWS, addresses)
    assert {found(address).text for address in addresses} & {address.text for address in addresses} <= {"::", "::1"}


def test_networks_stay_together_and_hosts_one_and_two_keep_their_numbers() -> None:
    """Sleds are still host 1 of their networks and switch zones host 2; others tell nothing."""
    texts = ["fd00:1:2:3::1", "fd00:1:2:3::2", "fd00:1:2:3::99", "fd00:1:2:4::1", "2001:db8::1"]
    found = AddressMap(DRAWS, map(Address.parse, texts))
    numbers = [int(found(Address.parse(text)).ip) for text in texts]
    assert len({number >> 64 for number in numbers}) == 3
    assert len({number >> 64 for number in numbers[:3]}) == 1
    assert [number & (1 << 64) - 1 for number in numbers if number & (1 << 64) - 1 < 1 << 32] == [1, 2, 1, 1]


def test_an_ipv4_address_written_as_ipv6_follows_it() -> None:
    """The two ways to write an address become two ways to write another."""
    found = AddressMap(DRAWS, map(Address.parse, ["10.0.0.1", "::ffff:10.0.0.1"]))
    assert found(Address.parse("::ffff:10.0.0.1")).text == f"::ffff:{found(Address.parse('10.0.0.1'))}"


@pytest.mark.parametrize("text", ["10.0.0.2", "fd00::2", "224.1.9.1", "ff0e::9:1:2", "ff02::1", "ff04::1:2:3"])
def test_an_address_that_nobody_gave_is_refused(text: str) -> None:
    """The map makes nothing up."""
    found = AddressMap(DRAWS, map(Address.parse, ["10.0.0.1", "224.1.2.3"]))
    with pytest.raises(InvariantError, match="of no document"):
        found(Address.parse(text))
