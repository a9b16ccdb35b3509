"""Hypothesis strategies for snapshots that try to betray a scrubber: odd addresses, tags, serials and ids.

Built on the snapshots of ``tests.strategies``, whose rows get what a datastore should not hold and a reader takes.
Nothing here knows what a scrubber does.
"""

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from attrs import evolve
from hypothesis import strategies as st

from blueprints.addresses import Address, UnderlayUnicast, underlay_address
from blueprints.blueprint import Blueprint
from blueprints.snapshot import Group, Instance, Snapshot, Source, UnderlayRow, Vmm
from planner.plan import plan
from tests.strategies import committed, name, pick, snapshots, successors

EDGES = (
    *("0.0.0.9", "0.1.2.3", "10.0.0.1", "127.0.0.1", "169.254.1.1", "203.0.113.7", "223.255.255.255"),
    *("224.0.0.0", "224.0.0.255", "224.0.1.0", "232.0.0.1", "232.0.0.2", "232.0.1.0", "233.0.0.1", "239.255.255.255"),
    *("240.0.0.1", "255.255.255.255", "::", "::1", "::2", "::5", "::ffff:10.0.0.1", "::ffff:224.1.2.3"),
    *("64:ff9b::1", "2001:db8::1", "2001:db8::2", "fd00::1", "fd00::5", "fe80::1", "fe80::2", "fe80:0:0:1::1"),
    *("fec0::1", "ff00::", "ff02::1", "ff02::2", "ff04::", "ff04::1", "ff04:0:0:1::", "ff04:1::1", "ff05::1"),
    *("ff0e::1", "ff0e::2", "ff0e::ff0e:0:e001:203", "ff0e:1234:5678:9abc:def0:1234:5678:9abc", "ff14::7"),
    *("ff0e:1234:5678:9abc:ff0e:1234:5678:9abc", "ff30::8000:1", "ff32::8000:1", "ff35::8000:1", "ff3e::", "ff3e::1"),
    *("ff3e::8000:0", "ff3e::8000:1", "ff3e::8000:100", "ff3e::ffff:ffff", "ff3e:0:1::8000:0", "ff3e::1:8000:0"),
    *("ff3e:20:1234::1", "ff3e:20:1234::2", "ff3e:1:0:0:ff3e:1:8000:1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
)
"""One address or more of every range that anybody tells from another."""

_UNICAST = ("fd00:1:2:3::1", "fd00:1:2:3::2", "fd00:1:2:3::77", "::1", "2001:db8::1", "::ffff:10.0.0.1", "fec0::9")
_SERIALS = ("BRM7", "BRM7", "", "on", "rear3", "fd00::1", "serial-1", "serial 9, and more")
_TAGS = (
    *("", "plain", "plain2", "tag-1", "a b", "it's", 'it\'s "so"', "new\nline", "back\\slash", "x" * 80, "x" * 81),
    *("refused tag 1", "é", "{id}", "{id}:", "{id}:{ip}", "{id}:{ip}", "{id}:{ip}/32", "{id}:{ip}/128", "{id}:{ip}/"),
    *("{id}:{exploded}", "{id}:{upper}", "{upper_id}:{ip}", "{hex}:{ip}", "{id}:{ip}:", "{id}:{ip} ", "{ip}"),
    *("{other}:{ip}", "{other}:{exploded}", "{id}:224.1.2.3", "{id}:ff0e::1", "{id}:fe80::1%eth0", "tag of {ip}"),
)


def any_address() -> st.SearchStrategy[Address]:
    """Return a strategy for any IP address, those at the edges of ranges often, and neighbours of theirs."""
    near = st.tuples(st.sampled_from(EDGES), st.integers(0, 255)).map(lambda pair: _near(*pair))
    return st.one_of(st.sampled_from(EDGES).map(Address.parse), near, st.ip_addresses().map(Address))


def _near(text: str, flip: int) -> Address:
    ip = Address.parse(text).ip
    return Address(IPv4Address(int(ip) ^ flip) if ip.version == 4 else IPv6Address(int(ip) ^ flip))


@st.composite
def odd_snapshots(draw: Any, *, clean: bool = False) -> Snapshot:
    """Draw a snapshot of ``tests.strategies`` and make it odd in some ways, perhaps in none."""
    snapshot: Snapshot = draw(snapshots(clean=clean))
    (asked,) = pick(draw, range(1 << len(_ODDITIES)))
    for place, oddity in enumerate(_ODDITIES):
        if asked >> place & 1:
            snapshot = oddity(draw, snapshot)
    return snapshot


@st.composite
def odd_lineages(draw: Any) -> tuple[Snapshot, Blueprint, Snapshot, Blueprint | None]:
    """Draw a snapshot, the parent of its plan, the parent's snapshot, and the parent's own parent if it has one."""
    before = draw(odd_snapshots())
    grandparent = plan(before) if draw(st.booleans()) else None
    middle = draw(successors(before)) if grandparent else before
    if grandparent and draw(st.booleans()):
        middle = _silenced(draw, middle)
    parent = plan(middle, grandparent)
    after = committed(middle, parent) if draw(st.booleans()) else middle
    return draw(successors(after)) if after.sleds else after, parent, middle, grandparent


def _addresses_of_groups(draw: Any, snapshot: Snapshot) -> Snapshot:
    """Draw other addresses for groups; most members follow."""
    others = {row.id: draw(any_address()) for row in snapshot.groups if draw(st.booleans())}
    stray = {row.id: draw(any_address()) for row in snapshot.members if pick(draw, "nnny") == ["y"]}
    return evolve(
        snapshot,
        groups=[evolve(row, multicast_ip=others.get(row.id, row.multicast_ip)) for row in snapshot.groups],
        members=[
            evolve(row, multicast_ip=stray.get(row.id, others.get(row.group_id, row.multicast_ip)))
            for row in snapshot.members
        ],
    )


def _underlay_rows(draw: Any, snapshot: Snapshot) -> Snapshot:
    """Draw underlay rows where groups would go, with any salt, or anywhere at all; and some that nobody names."""
    strays = tuple(
        UnderlayRow(id=name("stray", number), multicast_ip=Address.parse("ff04::1")) for number in range(3)
    )
    rows = (*snapshot.underlay_groups, *strays[: pick(draw, range(4))[0]])
    return evolve(
        snapshot, underlay_groups=[evolve(row, multicast_ip=_underlay(draw, snapshot.groups)) for row in rows]
    )


def _underlay(draw: Any, groups: tuple[Group, ...]) -> Address:
    if not groups or pick(draw, "nnny") == ["y"]:
        return draw(any_address())  # type: ignore[no-any-return]  # draws are untyped
    group, salt = pick(draw, groups, [0, 0, 1, 2, 3, 255])
    return underlay_address(group.multicast_ip, salt)


def _sources(draw: Any, snapshot: Snapshot) -> Snapshot:
    def asked(ips: tuple[Address, ...]) -> tuple[Address, ...]:
        return (*ips, *draw(st.lists(any_address(), max_size=2)))

    return evolve(snapshot, members=[evolve(row, source_ips=asked(row.source_ips)) for row in snapshot.members])


def _tags(draw: Any, snapshot: Snapshot) -> Snapshot:
    def tag(row: Group | UnderlayRow) -> str:
        (form,) = pick(draw, _TAGS)
        return str(form).format(
            id=row.id,
            other=name("nobody", 0),
            hex=row.id.hex,
            upper_id=str(row.id).upper(),
            ip=row.multicast_ip,
            exploded=row.multicast_ip.ip.exploded,
            upper=row.multicast_ip.text.upper(),
        )

    return evolve(
        snapshot,
        groups=[evolve(row, tag=tag(row)) for row in snapshot.groups],
        underlay_groups=[evolve(row, tag=tag(row)) for row in snapshot.underlay_groups],
    )


def _serials(draw: Any, snapshot: Snapshot) -> Snapshot:
    """Draw serials that sleds share, and peers and boards that name them, or nobody."""
    sleds = [evolve(row, serial=pick(draw, _SERIALS)[0]) for row in snapshot.sleds]
    hosts = [*[row.serial for row in sleds], "oxide"]
    addresses = [*[row.underlay_address for row in sleds], Address.parse("fe80::5"), Address.parse("10.0.0.1")]
    switches = {
        slot: evolve(
            switch,
            peers=switch.peers
            and [
                evolve(peer, host=host, addr=addr)
                for peer in switch.peers
                for host, addr in [pick(draw, hosts, addresses)]
            ],
        )
        for slot, switch in snapshot.switches.items()
    }
    inventory = snapshot.inventory and evolve(
        snapshot.inventory,
        service_processors=[
            evolve(board, serial=pick(draw, hosts)[0]) for board in snapshot.inventory.service_processors
        ],
    )
    return evolve(snapshot, sleds=sleds, switches=switches, inventory=inventory)


def _underlay_unicast(draw: Any, snapshot: Snapshot) -> Snapshot:
    places = [UnderlayUnicast.parse(text) for text in _UNICAST]
    return evolve(
        snapshot,
        sleds=[evolve(row, underlay_address=pick(draw, places)[0]) for row in snapshot.sleds],
        switches={s: evolve(its, underlay_address=pick(draw, places)[0]) for s, its in snapshot.switches.items()},
    )


def _names(draw: Any, snapshot: Snapshot) -> Snapshot:
    names = ["group-1", "one name", "one name", ""]
    source = Source(datastore_schema="296", transaction="tx 17", collected_by="somebody")
    groups = [evolve(row, name=pick(draw, names)[0]) for row in snapshot.groups]
    return evolve(snapshot, source=source, groups=groups)


def _silenced(draw: Any, snapshot: Snapshot) -> Snapshot:
    (enabled,) = pick(draw, [True, False])
    return evolve(snapshot, policy=evolve(snapshot.policy, multicast_enabled=enabled))


def _ids(draw: Any, snapshot: Snapshot) -> Snapshot:
    """Draw ids that rows of several tables share."""
    numbers = [pick(draw, range(3))[0] for _ in range(4)]
    shared = [name("shared", number) for number in range(3)]
    kinds = (snapshot.sleds, snapshot.groups, snapshot.instances, snapshot.underlay_groups)
    others = {
        rows[number].id: shared[number] for rows, number in zip(kinds, numbers, strict=True) if number < len(rows)
    }
    return _renamed(snapshot, others)


def _renamed(snapshot: Snapshot, others: Mapping[UUID, UUID]) -> Snapshot:
    def other(row_id: UUID) -> UUID:
        return others.get(row_id, row_id)

    def maybe(row_id: UUID | None) -> UUID | None:
        return None if row_id is None else other(row_id)

    def vmm(its: Vmm | None) -> Vmm | None:
        return its and evolve(its, sled_id=other(its.sled_id))

    def instance(row: Instance) -> Instance:
        return evolve(row, id=other(row.id), active_vmm=vmm(row.active_vmm), target_vmm=vmm(row.target_vmm))

    return evolve(
        snapshot,
        sleds=[evolve(row, id=other(row.id)) for row in snapshot.sleds],
        groups=[
            evolve(row, id=other(row.id), underlay_group_id=maybe(row.underlay_group_id)) for row in snapshot.groups
        ],
        underlay_groups=[evolve(row, id=other(row.id)) for row in snapshot.underlay_groups],
        members=[
            evolve(
                row,
                group_id=other(row.group_id),
                instance_id=other(row.instance_id),
                sled_id=maybe(row.sled_id),
            )
            for row in snapshot.members
        ],
        instances=[instance(row) for row in snapshot.instances],
    )


_ODDITIES: tuple[Callable[[Any, Snapshot], Snapshot], ...] = (
    _addresses_of_groups,
    _underlay_rows,
    _sources,
    _serials,
    _underlay_unicast,
    _names,
    _ids,
    _tags,
)
"""In this order: tags are made of the ids and addresses that a snapshot ends up with."""
