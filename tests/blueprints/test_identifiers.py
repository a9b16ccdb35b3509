"""Ports, interfaces, tags and Ethernet addresses: what devices take, and what they refuse."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprints.addresses import Address, UnderlayGroup
from blueprints.identifiers import MulticastMac, PortId, SwitchSlot, Tag, port_of_interface

GROUP = UUID("5f0c9d3e-8b1a-4a9e-9b4c-2d7b0d1c6a11")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("rear0", "rear0"),
        ("rear31", "rear31"),
        ("qsfp31", "qsfp31"),
        ("int0", "int0"),
        ("REAR14", "rear14"),
        ("Qsfp1", "qsfp1"),
    ],
)
def test_ports_are_read_in_any_case(text: str, written: str) -> None:
    """Every port of a switch is read, and written in lower case."""
    assert str(PortId.parse(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rear",
        "rear32",
        "rear99",
        "rear100",
        "rear01",
        "rear-1",
        "rear1 ",
        " rear1",
        "rear1\n",
        "qsfp32",
        "int1",
        "front0",
        "rear\u0661",
        "q\u017ffp0",
        "\u0130nt0",
        "rear1_0",
        "tfportrear1_0",
    ],
)
def test_other_texts_are_no_ports(text: str) -> None:
    """What no switch has is refused, letters that only look alike included."""
    with pytest.raises(ValueError, match="is not a port"):
        PortId.parse(text)


def test_ports_sort_by_number() -> None:
    """Ports are in the order of their numbers, not of their texts."""
    texts = ["rear10", "rear9", "qsfp2", "int0", "qsfp10", "rear0"]
    assert [str(port) for port in sorted(map(PortId.parse, texts))] == [
        "int0",
        "qsfp2",
        "qsfp10",
        "rear0",
        "rear9",
        "rear10",
    ]


@pytest.mark.parametrize(
    ("if_name", "port", "link"),
    [
        ("tfportrear0_0", "rear0", 0),
        ("tfportrear31_0", "rear31", 0),
        ("tfportrear14_3", "rear14", 3),
        ("tfportqsfp5_255", "qsfp5", 255),
        ("tfportrear14_0.100", "rear14", 0),
    ],
)
def test_interfaces_tell_port_and_link(if_name: str, port: str, link: int) -> None:
    """The name of a switch-zone interface says behind which port and link it is."""
    assert port_of_interface(if_name) == (PortId.parse(port), link)


@pytest.mark.parametrize(
    "if_name",
    [
        "",
        "tfportrear32_0",
        "tfportrear14",
        "tfportrear14_",
        "tfportrear014_0",
        "tfportrear14_256",
        "tfportint0_0",
        "cxgbe0",
        "tfportREAR14_0",
        "xtfportrear14_0",
        "tfportrear14_0.",
        "tfportrear14_0x",
        "tfportrear\u0661_0",
    ],
)
def test_other_interfaces_tell_nothing(if_name: str) -> None:
    """A name of another form is no mistake: it tells nothing."""
    assert port_of_interface(if_name) is None


@pytest.mark.parametrize("text", ["a", "a" * 80, "A-Z_a.z:0-9", f"{GROUP}:233.252.0.1", f"{GROUP}:ff0e::1"])
def test_tags_that_switches_take(text: str) -> None:
    """One to eighty of the allowed characters are a tag."""
    assert str(Tag.parse(text)) == text


@pytest.mark.parametrize("text", ["", "a" * 81, "a b", "a/32", "ä", "a\n", "a@b", "\u0661"])
def test_tags_that_switches_refuse(text: str) -> None:
    """Anything else is refused here, before a switch half accepts it."""
    with pytest.raises(ValueError, match="is not a tag"):
        Tag.parse(text)


def test_canonical_tags_name_their_group() -> None:
    """The tag that we make leads back to the group."""
    tag = Tag.of_group(GROUP, Address.parse("FF0E::1"))
    assert str(tag) == f"{GROUP}:ff0e::1"
    assert tag.group_id == GROUP


@pytest.mark.parametrize(
    "text",
    [
        "market-data",
        str(GROUP),
        f"{GROUP}:",
        f"{GROUP}:here",
        f"{GROUP.hex}:233.252.0.1",
        f"{str(GROUP).upper()}:233.252.0.1",
        f"{GROUP.hex}----:233.252.0.1",
        f"{GROUP.hex[:30]}:::{GROUP.hex[30:]}:233.252.0.1",
    ],
)
def test_tags_of_others_name_no_group(text: str) -> None:
    """A tag of any other form is somebody else's, however close it looks."""
    assert Tag.parse(text).group_id is None


@pytest.mark.parametrize(
    ("underlay", "mac"),
    [
        ("ff04::e9fc:1", "33:33:e9:fc:00:01"),
        ("ff04::e001:203", "33:33:e0:01:02:03"),
        ("ff04::", "33:33:00:00:00:00"),
        ("ff04::1234:5678:9abc:def0", "33:33:9a:bc:de:f0"),
    ],
)
def test_underlay_groups_have_an_ethernet_address(underlay: str, mac: str) -> None:
    """Frames for a group go to 33:33 and its last four octets."""
    found = MulticastMac.of_group(UnderlayGroup.parse(underlay))
    assert str(found) == mac
    assert bytes(found.octets).hex(":") == mac
    assert MulticastMac.parse(mac.upper()) == found


@pytest.mark.parametrize(
    "text", ["", "33:33:00:00:00", "32:33:00:00:00:00", "33-33-00-00-00-00", "33:33:0:0:0:0", "333300000000"]
)
def test_other_ethernet_addresses_are_refused(text: str) -> None:
    """An address of another form, or without the multicast bit, is refused."""
    with pytest.raises(ValueError, match="is not a multicast Ethernet address"):
        MulticastMac.parse(text)


def test_switch_slots_are_numbered() -> None:
    """Slots count from nought, as switches do."""
    assert [slot.number for slot in SwitchSlot] == [0, 1]


@given(st.text(max_size=12))
def test_any_text_is_a_port_or_refused(text: str) -> None:
    """No text leads to anything but a port that is written back alike, or a refusal."""
    try:
        port = PortId.parse(text)
    except ValueError:
        return
    assert str(port) == text.lower()
