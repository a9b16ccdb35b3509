"""What a switch has room for: every limit holds to the row and to the byte, by two other counts as well."""

import json
import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from blueprints.addresses import ExternalGroup, UnicastSource, underlay_address
from blueprints.blueprint import (
    Content,
    ExternalEntryRow,
    GroupSources,
    HeldGroup,
    MemberPort,
    PlannedGroup,
    SwitchTables,
    UnderlayEntry,
)
from blueprints.capacity import (
    LIMITS,
    Excess,
    Occupant,
    excesses,
    external_request,
    underlay_request,
)
from blueprints.identifiers import MulticastMac, PortId, SwitchSlot, Tag
from blueprints.snapshot import ExternalEntry, Policy
from executor.bodies import external_attributes, external_body, members_body, underlay_body
from executor.preflight import refusals
from simrack.dpd.chip import TABLE_ROWS, Chip
from simrack.dpd.groups import Dpd
from simrack.dpd.http import BODY_LIMIT
from simrack.dpd.model import External, NatTarget, Port
from tests.strategies import name

SWITCH0 = SwitchSlot.SWITCH0

# --- tables of a wanted size ----------------------------------------------------------------------------------------


def v4_group(number: int) -> ExternalGroup:
    """Return an IPv4 group of our own."""
    return ExternalGroup(IPv4Address((239 << 24) + number))


def v6_group(number: int) -> ExternalGroup:
    """Return an IPv6 group of our own."""
    return ExternalGroup(IPv6Address((0xFF0E << 112) + number))


def sources(count: int, family: int) -> tuple[UnicastSource, ...]:
    """Return so many senders; those of IPv6 are written in full length."""
    first = (
        int(IPv4Address("10.0.0.0")) if family == 4 else int(IPv6Address("fd11:1122:3344:5566:7788:99aa:bbcc:1000"))
    )
    kind = IPv4Address if family == 4 else IPv6Address
    return tuple(UnicastSource(kind(first + number)) for number in range(count))


def external(group: ExternalGroup, named: Iterable[UnicastSource] | None = None, tag: str = "t") -> ExternalEntryRow:
    """Return an entry on a switch."""
    home = underlay_address(group, 0)
    return ExternalEntryRow(
        group_ip=group, tag=Tag(tag), internal_ip=home, inner_mac=MulticastMac.of_group(home), sources=named
    )


def underlay(group: ExternalGroup, ports: int = 0, tag: str = "t") -> UnderlayEntry:
    """Return an underlay group with so many members: rear ports, then their further links."""
    members = [MemberPort(port_id=PortId("rear", n % 32), link_id=n // 32) for n in range(ports)]
    return UnderlayEntry(group_ip=underlay_address(group, 0), tag=Tag(tag), members=members, complete=True)


def content(
    externals: Iterable[ExternalEntryRow] = (),
    underlays: Iterable[UnderlayEntry] = (),
    held: Iterable[HeldGroup] = (),
    policy: Policy | None = None,
) -> Content:
    """Return what a blueprint of one switch says."""
    tables = SwitchTables(generation=1, underlay_groups=underlays, external_groups=externals, mrib_routes=())
    return Content(
        rack_id=name("rack", 0),
        policy=policy or Policy(),
        groups=(),
        held=held,
        switches={SWITCH0: tables},
        sleds={},
        ports={},
        transitions=(),
        findings=(),
    )


def filters(rows: int, group: Callable[[int], ExternalGroup], family: int) -> Content:
    """Return groups whose filters take so many rows: the last by taking any source, the others by 200 each."""
    full, rest = divmod(rows - 1, 200)
    sizes = [200] * full + [rest] * bool(rest)
    named = [external(group(number), sources(size, family)) for number, size in enumerate(sizes)]
    return content([*named, external(group(len(sizes)))])


def long_external(size: int) -> Content:
    """Return a group whose creation takes so many bytes: as many sources as go in, and a tag that fills up."""
    for count in range(150, 400):
        short = external(v6_group(1), sources(count, 6))
        missing = size - len(sent(external_body(short)))
        if 0 <= missing < 60:
            return content([evolve(short, tag=Tag("t" * (missing + 1)))])
    raise AssertionError(size)


def long_underlay(size: int) -> Content:
    """Return a group whose creation takes so many bytes: as many members as go in, and a tag that fills up."""
    for count in range(100, 400):
        short = underlay(v6_group(1), count)
        missing = size - len(sent(underlay_body(short)))
        if 0 <= missing < 60:
            return content(underlays=[evolve(short, tag=Tag("t" * (missing + 1)))])
    raise AssertionError(size)


def sent(body: object) -> bytes:
    """Return a request's body as the executor sends it."""
    return json.dumps(body, separators=(",", ":")).encode()


def both(number: int) -> Content:
    """Return so many rows of IPv6 routes: a third of the groups have their external entry there."""
    groups = number // 4 * 3 + number % 4
    entries = [external(v6_group(n)) for n in range(number - groups)]
    return content(entries, [underlay(v6_group(n)) for n in range(groups)])


SIZES: dict[str, tuple[int, Callable[[int], Content]]] = {
    "IPv4 routes": (1024, lambda n: content([external(v4_group(m)) for m in range(n)])),
    "IPv6 routes": (1024, both),
    "IPv4 translation": (1024, lambda n: content([external(v4_group(m)) for m in range(n)])),
    "IPv6 translation": (1024, lambda n: content([external(v6_group(m)) for m in range(n)])),
    "IPv4 source filter": (1024, lambda n: filters(n, v4_group, 4)),
    "IPv6 source filter": (1024, lambda n: filters(n, v6_group, 6)),
    "replication": (1024, lambda n: content(underlays=[underlay(v4_group(m), ports=2) for m in range(n)])),
    "decapsulation bitmaps": (1024, lambda n: content(underlays=[underlay(v4_group(m)) for m in range(n)])),
    "member ports": (256, lambda n: content(underlays=[underlay(v4_group(1), ports=n)])),
    "request for the external group": (10_240, long_external),
    "request for the underlay group": (10_240, long_underlay),
}
"""Limit to its size, and to what takes exactly so much of it."""


def test_every_limit_has_its_boundary_here() -> None:
    """The table of this test and the table of the limits name the same."""
    assert list(SIZES) == [limit.name for limit in LIMITS]


def test_the_documentation_quotes_the_table() -> None:
    """People read the same limits that are checked, in the same order."""
    page = Path(__file__).parents[2].joinpath("docs", "concepts.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if re.search(r"\| \d+ (rows|ports|bytes) \|", line)]
    assert rows == [f"| {limit.name} | {limit.most} {limit.unit} | {limit.counted} |" for limit in LIMITS]


def exceeded(found: Iterable[Excess], limit: str) -> list[Excess]:
    """Return the excesses of one *limit*."""
    return [excess for excess in found if excess.limit.name == limit]


@pytest.mark.parametrize("name", SIZES)
def test_limits_hold_to_the_last_one(name: str) -> None:
    """One less and exactly as much fit; one more does not, and the numbers are told."""
    most, filled = SIZES[name]
    assert exceeded(excesses(filled(most - 1)), name) == []
    assert exceeded(excesses(filled(most)), name) == []
    (excess,) = exceeded(excesses(filled(most + 1)), name)
    assert excess.used == most + 1
    assert excess.message.startswith(f"{name}: {most + 1} of {most} {excess.limit.unit}, 1 too many")


@pytest.mark.parametrize("name", SIZES)
def test_the_executor_refuses_what_does_not_fit(name: str) -> None:
    """Whoever carries out a blueprint refuses it before anything is sent, with the same numbers."""
    most, filled = SIZES[name]
    assert not any(f"{name}:" in refusal for refusal in refusals(filled(most)))
    (refusal,) = (refusal for refusal in refusals(filled(most + 3)) if f" {name}:" in refusal)
    assert refusal.startswith("switch0")
    assert ", 3 too many" in refusal


def test_the_largest_are_named_first() -> None:
    """The five groups that take the most are told, with how much, and how many groups there are."""
    sizes = [3, 200, 100, 190, 180, 170, 185, 1]
    entries = [external(v4_group(number), sources(size, 4)) for number, size in enumerate(sizes)]
    (excess,) = excesses(content(entries))
    assert excess.subject == "switch0"
    assert excess.message == (
        "IPv4 source filter: 1029 of 1024 rows, 5 too many; 8 groups, most for "
        "239.0.0.1 (200), 239.0.0.3 (190), 239.0.0.6 (185), 239.0.0.4 (180), 239.0.0.5 (170)"
    )


def test_a_long_request_names_its_group() -> None:
    """What one group exceeds by itself is told of that group."""
    (excess,) = excesses(long_external(10_300))
    assert excess.subject == "switch0 group ff0e::1"
    assert excess.message == "request for the external group: 10300 of 10240 bytes, 60 too many"


def test_256_sources_fit_in_ipv4_and_not_in_ipv6() -> None:
    """The datastore allows a group 256 sources; written out in full, those of IPv6 are too long for one request."""
    assert excesses(content([external(v4_group(1), sources(256, 4))])) == ()
    assert [e.limit.unit for e in excesses(content([external(v6_group(1), sources(256, 6))]))] == ["bytes"]
    assert excesses(content([external(v6_group(1), sources(190, 6))])) == ()


def test_an_entry_that_nobody_asks_for_takes_a_row_and_no_request() -> None:
    """Without a live member the entry stays as it is: it counts on the chip, and nothing is sent for it."""
    kept = [external(v4_group(number), ()) for number in range(1025)]
    assert {e.limit.name for e in excesses(content(kept))} == {
        "IPv4 routes",
        "IPv4 translation",
        "IPv4 source filter",
    }
    (limit,) = (limit for limit in LIMITS if limit.name == "request for the external group")
    assert limit.takes(Occupant(group=v4_group(1), external=kept[0])) == 0


# --- second opinions ------------------------------------------------------------------------------------------------


@st.composite
def rows(draw: st.DrawFn) -> tuple[list[ExternalEntryRow], list[UnderlayEntry]]:
    """Draw groups of both families with and without sources, members and external entries."""
    externals, underlays = [], []
    for number in range(draw(st.integers(1, 6))):
        family, count, ports, stands = draw(
            st.tuples(st.sampled_from([4, 6]), st.integers(0, 40), st.integers(0, 40), st.booleans())
        )
        group = v4_group(number) if family == 4 else v6_group(number)
        tag = f"{name('group', number)}:{group}"
        underlays.append(underlay(group, ports, tag))
        if stands:
            externals.append(external(group, sources(count, family) if count else None, tag))
    return externals, underlays


@given(rows())
def test_requests_are_measured_as_they_are_sent(drawn: tuple[list[ExternalEntryRow], list[UnderlayEntry]]) -> None:
    """The bytes that are counted are the bytes that the executor sends to create the group."""
    externals, underlays = drawn
    assert [external_request(row).encode() for row in externals] == [sent(external_body(row)) for row in externals]
    assert [underlay_request(row).encode() for row in underlays] == [sent(underlay_body(row)) for row in underlays]
    assert all(len(sent(external_attributes(row))) < len(sent(external_body(row))) for row in externals)
    assert all(len(sent(members_body(row))) < len(sent(underlay_body(row))) for row in underlays)


def test_what_is_asked_first_is_no_less_than_what_is_taken() -> None:
    """A group that a bound lets pass without being measured is within the limit: its rows at their longest."""
    long = [UnicastSource.parse(f"fd11:1122:3344:5566:7788:99aa:bbcc:{0x1000 + number:x}") for number in range(3)]
    mapped = [UnicastSource.parse(f"::ffff:210.110.110.{110 + number}") for number in range(3)]
    group = ExternalGroup.parse("ff0e:1111:2222:3333:4444:5555:6666:7777")
    ports = underlay(group, 3, "t" * 80)
    wide = [evolve(member, port_id=PortId("qsfp", 31), link_id=2**64) for member in ports.members]
    for named in ((), long, mapped, None):
        entry = evolve(external(group, named, "t" * 80), vni=2**24 - 1, vlan_id=4095)
        occupant = Occupant(group=group, underlay=evolve(ports, members=wide), external=entry)
        for limit in LIMITS:
            assert limit.bound is None or limit.bound(occupant) >= limit.takes(occupant) > 0 or named == ()


CHIP = {
    "IPv4 routes": "route v4",
    "IPv6 routes": "route v6",
    "IPv4 translation": "NAT v4",
    "IPv6 translation": "NAT v6",
    "IPv4 source filter": "filter v4",
    "IPv6 source filter": "filter v6",
    "replication": "replication v6",
    "decapsulation bitmaps": "decap bitmap",
}
"""Limit to the table of the simulated switch chip, which counts by itself."""


@given(rows())
def test_rows_are_counted_as_the_chip_counts_them(drawn: tuple[list[ExternalEntryRow], list[UnderlayEntry]]) -> None:
    """A simulated chip that is given the same groups has as many rows taken, table by table."""
    externals, underlays = drawn
    dpd = Dpd(Chip(frozenset((PortId("rear", n), link) for n in range(32) for link in range(2))))
    for home in underlays:
        members = tuple(Port(m.port_id, m.link_id, m.direction) for m in home.members)
        dpd.create_underlay(home.group_ip, members, home.tag.text)
    for row in externals:
        nat = NatTarget(row.internal_ip, row.inner_mac, row.vni)
        dpd.create_external(row.group_ip, External(nat, None, row.sources), row.tag.text)
    assert used(content(externals, underlays)) == {limit: dpd.chip.rows[table] for limit, table in CHIP.items()}


def used(what: Content) -> dict[str, int]:
    """Return how many rows of each table *what* takes."""
    tight = [evolve(limit, most=0) for limit in LIMITS if limit.name in CHIP]
    told = {excess.limit.name: excess.used for excess in excesses(what, tight)}
    return {limit: told.get(limit, 0) for limit in CHIP}


@pytest.mark.parametrize(
    ("hop", "entry", "rows"),
    [
        (SwitchSlot.SWITCH0, ExternalEntry.EVERY_SWITCH, (3, 2, 1)),
        (SwitchSlot.SWITCH1, ExternalEntry.EVERY_SWITCH, (3, 2, 1)),
        (SwitchSlot.SWITCH0, ExternalEntry.ELECTED, (3, 2, 1)),
        (SwitchSlot.SWITCH1, ExternalEntry.ELECTED, (0, 1, 1)),
    ],
)
@pytest.mark.parametrize("receiving", [True, False])
def test_held_groups_count_as_they_were_planned(
    hop: SwitchSlot, entry: ExternalEntry, rows: tuple[int, ...], receiving: bool
) -> None:
    """A held group has its rows where its entries stood, its members if somebody heard it, and sends no request."""
    group = v6_group(1)
    planned = PlannedGroup(
        id=name("group", 1),
        name="held",
        multicast_ip=group,
        underlay_ip=underlay_address(group, 0),
        salt=0,
        tag=Tag("t"),
        next_hop_switch=hop,
        sources=GroupSources(any=False, specific=sources(3, 6)),
        receiving=receiving,
    )
    held = HeldGroup(id=planned.id, multicast_ip=group, because="group_vni_refused", planned=planned)
    what = content(held=[held], policy=Policy(external_entry=entry))
    taken = used(what)
    assert (taken["IPv6 source filter"], taken["IPv6 routes"], taken["decapsulation bitmaps"]) == rows
    assert taken["replication"] == receiving
    (limit,) = (evolve(limit, most=0) for limit in LIMITS if limit.name == "request for the external group")
    assert excesses(what, [limit]) == ()


def test_the_simulated_switches_keep_the_same_limits() -> None:
    """Table sizes and the length of requests are the same in the simulated rack."""
    assert {limit.most for limit in LIMITS if limit.name in CHIP} == {TABLE_ROWS}
    assert {limit.most for limit in LIMITS if limit.unit == "bytes"} == {BODY_LIMIT}
