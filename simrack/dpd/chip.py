"""The switch chip: what forwards packets, apart from what dpd believes it has programmed.

Rules:
    H1  Steps are small and each one is final: whoever programs several and fails between two leaves the chip there.
        Packets meet the chip between any two steps; `Chip.stepped` is told of each.
    H2  Ports leave before ports come. Those that stay are not touched.
    H3  Another source filter is all rows out, then the new ones in, one by one; without a row the chip drops.
    H4  Another VLAN is the translation out, then in. Another target alone is changed in place.
    H5  What is there cannot be made once more: rows that nobody remembers stand in the way of those who would.

Source: dendrite, dpd/src/mcast/mod.rs and sidecar.p4. This file does not know tags, soft state or HTTP.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from attrs import define, evolve, field, frozen

from blueprints.addresses import Address
from blueprints.blueprint import Direction
from blueprints.identifiers import PortId
from simrack.dpd.model import External, Port
from simrack.web.answers import bad_request, refused

TABLE_ROWS = 1024
"""Of each table below (dendrite's constants.p4)."""

TABLES: Mapping[str, str] = MappingProxyType(
    {
        "route v4": "one per external IPv4 group",
        "route v6": "one per external IPv6 group and one per underlay group",
        "NAT v4": "one per external IPv4 group",
        "NAT v6": "one per external IPv6 group",
        "filter v4": "one per source of an IPv4 group, at least one per group",
        "filter v6": "one per source of an IPv6 group, at least one per group",
        "replication v6": "one per underlay group with members",
        "decap bitmap": "one per underlay group",
    }
)
"""Name to what takes its rows."""


ANY_SOURCE: Mapping[int, str] = MappingProxyType({4: "0.0.0.0/0", 6: "::/0"})
"""The one row of a filter that lets everybody in, by family."""


@define
class Replication:
    """An underlay group on the chip."""

    group_id: int
    ports: set[Port] = field(factory=set)
    bitmap: bool = False
    """Whether its bitmap row was written: at creation with members, or when external members change."""


Filter = frozenset[Address] | None
"""Whom the rows of a filter let in, None for everybody; no rows let nobody in."""


@frozen
class Entry:
    """An external group on the chip."""

    external: External
    group_id: int
    """Which replication group its packets go to; stale once that group is another one."""

    admitted: Filter = field()
    """The rows that are there at this moment (rule H3)."""

    translated: bool = True
    """Whether the translation is there at this moment (rule H4)."""

    @admitted.default
    def _whole(self) -> Filter:
        sources = self.external.sources
        return None if sources is None else frozenset(sources)

    def filter_rows(self, family: int) -> int:
        """Return how many filter rows the entry takes: sources of the other family are never programmed."""
        return max(1, sum(source.family == family for source in self.external.sources or ()))

    def filter_keys(self, family: int) -> tuple[str, ...]:
        """Return the sources that the filter of *family* has rows for, as prefixes."""
        if self.admitted is None:
            return (ANY_SOURCE[family],)
        length = 32 if family == 4 else 128
        return tuple(f"{source}/{length}" for source in sorted(self.admitted) if source.family == family)

    def admits(self, source: Address) -> bool:
        """Return whether a packet from *source* passes; without a matching row the chip drops."""
        return self.admitted is None or source in self.admitted


def _never() -> bool:
    return False


def _nobody(_: str) -> None:
    """Nobody watches."""


def _no_links() -> frozenset[tuple[PortId, int]]:
    return frozenset()


@define
class Chip:
    """Tables of one switch."""

    links: frozenset[tuple[PortId, int]] = field(factory=_no_links)
    """Ports and links that exist."""

    refuses_port: Callable[[], bool] = _never
    """Asked before each addition of a port; True: the addition fails."""

    stepped: Callable[[str], None] = _nobody
    """Told what was done, after each step that packets may meet (rule H1)."""

    replication: dict[Address, Replication] = field(factory=dict)
    entries: dict[Address, Entry] = field(factory=dict)
    rows: dict[str, int] = field(factory=lambda: dict.fromkeys(TABLES, 0))
    """How many rows of each table are taken."""

    def create_group(self, group: Address, group_id: int, ports: Iterable[Port]) -> None:
        """Add an underlay group with *ports*, or nothing.

        Raises:
            HttpError: 507 table full, 404 no such port, 500 a port twice, 409 it is there already (rule H5).
        """
        if group in self.replication:
            raise refused(409, f"rows of {group} are in the tables")
        wanted = tuple(ports)
        cost = {"route v6": 1, "decap bitmap": 1, "replication v6": int(bool(wanted))}
        self._need_rows(cost)
        replication = Replication(group_id)
        for port in wanted:
            if port in replication.ports:
                raise refused(500)
            self._add(replication, port)
        replication.bitmap = bool(wanted)
        self.replication[group] = replication
        self._take_rows(cost)
        self.stepped(f"group {group} made")

    def change_ports(self, group: Address, leaving: Iterable[Port], coming: Iterable[Port]) -> None:
        """Take *leaving* out, then put *coming* in; a failure leaves what was done until then.

        Raises:
            HttpError: 404 no such port or group, 400 the port is not as assumed, 500 refused, 507 table full.

        Source:
            dpd, process_membership_changes: removals before additions, and a rollback that undoes neither.
        """
        if group not in self.replication:
            raise refused(404, f"no replication group for {group}")
        replication = self.replication[group]
        before = bool(replication.ports)
        try:
            self._change(group, leaving, coming, before)
        finally:
            self._take_rows({"replication v6": bool(replication.ports) - before})

    def _change(self, group: Address, leaving: Iterable[Port], coming: Iterable[Port], counted: bool) -> None:
        """Rule H2."""
        replication = self.replication[group]
        for port in leaving:
            self._need_link(port)
            if port not in replication.ports:
                raise bad_request(f"{port.port_id} is not in the replication group")
            replication.ports.remove(port)
            replication.bitmap |= port.direction is Direction.EXTERNAL
            self.stepped(f"port {port.port_id} out of {group}")
        for port in coming:
            if not replication.ports and not counted:
                self._need_rows({"replication v6": 1})
            if port in replication.ports:
                raise bad_request(f"{port.port_id} is already in the replication group")
            self._add(replication, port)
            replication.bitmap |= port.direction is Direction.EXTERNAL
            self.stepped(f"port {port.port_id} into {group}")

    def drop_group(self, group: Address) -> None:
        """Remove an underlay group; one that is not there needs no removing."""
        gone = self.replication.pop(group, None)
        if gone is not None:
            self._take_rows({"route v6": -1, "decap bitmap": -1, "replication v6": -bool(gone.ports)})
            self.stepped(f"group {group} deleted")

    def create_entry(self, group: Address, entry: Entry) -> None:
        """Add an external group, or nothing.

        Raises:
            HttpError: 507 a table is full, 409 it is there already (rule H5).
        """
        if group in self.entries:
            raise refused(409, f"rows of {group} are in the tables")
        family = f"v{group.family}"
        cost = {f"filter {family}": entry.filter_rows(group.family), f"route {family}": 1, f"NAT {family}": 1}
        self._need_rows(cost)
        self._take_rows(cost)
        self.entries[group] = entry
        self.stepped(f"entry {group} made")

    def change_entry(self, group: Address, entry: Entry) -> None:
        """Replace an external group, step by step.

        Raises:
            HttpError: 507 a table is full, 404 it is not there.
        """
        if group not in self.entries:
            raise refused(404, f"no rows of {group}")
        old = self.entries[group]
        cost = {f"filter v{group.family}": entry.filter_rows(group.family) - old.filter_rows(group.family)}
        self._need_rows(cost)
        self._take_rows(cost)
        if entry.external.sources != old.external.sources:
            self._refilter(group, entry.admitted)
        if entry.external.vlan_id != old.external.vlan_id:
            self._step(group, translated=False, done="translation deleted")
        self.entries[group] = entry
        self.stepped(f"entry {group}: translation set")

    def _refilter(self, group: Address, wanted: Filter) -> None:
        """Rule H3."""
        self._step(group, admitted=frozenset(), done="filter deleted")
        if wanted is None:
            self._step(group, admitted=None, done="filter row for any source added")
            return
        added: set[Address] = set()
        for source in sorted(wanted):
            added.add(source)
            self._step(group, admitted=frozenset(added), done=f"filter row for {source} added")

    def _step(self, group: Address, *, done: str, **changes: Any) -> None:
        self.entries[group] = evolve(self.entries[group], **changes)
        self.stepped(f"entry {group}: {done}")

    def drop_entry(self, group: Address) -> None:
        """Remove an external group; one that is not there needs no removing."""
        gone = self.entries.pop(group, None)
        if gone is not None:
            family = f"v{group.family}"
            rows = gone.filter_rows(group.family)
            self._take_rows({f"filter {family}": -rows, f"route {family}": -1, f"NAT {family}": -1})
            self.stepped(f"entry {group} deleted")

    def ports_of(self, entry: Entry) -> set[Port] | None:
        """Return where packets of *entry* go, None where its replication group is gone or another one."""
        replication = self.replication.get(entry.external.nat.internal_ip)
        if replication is None or replication.group_id != entry.group_id:
            return None
        return replication.ports

    def _add(self, replication: Replication, port: Port) -> None:
        self._need_link(port)
        if self.refuses_port():
            raise refused(500)
        replication.ports.add(port)

    def _need_link(self, port: Port) -> None:
        if (port.port_id, port.link_id) not in self.links:
            raise refused(404, f"no link {port.port_id}/{port.link_id}")

    def _need_rows(self, wanted: Mapping[str, int]) -> None:
        for table, more in wanted.items():
            if more > 0 and self.rows[table] + more > TABLE_ROWS:
                raise refused(507, f"table {table} is full")

    def _take_rows(self, cost: Mapping[str, int]) -> None:
        for table, more in cost.items():
            self.rows[table] += more
