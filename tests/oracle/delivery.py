"""Where a packet goes: a walk over the tables of a blueprint's expanded form, hop by hop, counting copies.

What each hop does:
    sled     looks the group up in its mappings, copies to its own subscribers but the sender, and sends one packet
             to each next hop of the underlay group.
    switch   drops unless it holds the external entry and its filter lets the source in; copies to every member port
             but the one the packet came from. From outside it also needs a route, or nobody upstream would send.
    sled     lets the packet in only where every NIC filters for the underlay group; copies to its subscribers that
             take the source.

Knows JSON and nothing of the planner.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

Plain = Mapping[str, Any]
Copies = Counter[tuple[str, str]]
"""Sled and propolis to the number of copies."""


@frozen
class Rack:
    """A blueprint, and what is true of the rack it is carried out on."""

    tables: Plain
    """The expanded form."""

    sled_at: Mapping[tuple[str, str], str]
    """Switch slot and port to the sled behind it."""

    address_of: Mapping[str, str]
    """Switch slot to its zone's underlay address."""

    nics: Mapping[str, tuple[str, ...]]
    """Sled to all of its underlay NICs."""

    def from_instance(self, sled: str, propolis: str, group: str, source: str) -> Copies:
        """Return who gets a packet that process *propolis* on *sled* sends to *group* from *source*."""
        tables = self.tables["sleds"][sled]
        copies: Copies = Counter()
        for mapping in _rows(tables["m2p"], group=group):
            underlay = mapping["underlay"]
            copies.update(self._heard(sled, group, source, but=propolis))
            for entry in _rows(tables["forwarding"], underlay=underlay):
                for hop in entry["next_hops"]:
                    switches = [slot for slot, address in self.address_of.items() if address == hop["next_hop"]]
                    for slot in switches:
                        copies.update(self._replicated(slot, underlay, group, source, came_from=sled))
        return copies

    def from_outside(self, slot: str, group: str, source: str) -> Copies:
        """Return who gets a packet for *group* from *source* that an uplink brings to the switch in *slot*."""
        routes = [*_rows(self.tables["switches"][slot]["mrib_routes"], group=group)]
        copies: Copies = Counter()
        if any(route["source"] in (None, source) for route in routes):
            for underlay in {route["underlay_group"] for route in routes}:
                copies.update(self._replicated(slot, underlay, group, source, came_from=None))
        return copies

    def _replicated(self, slot: str, underlay: str, group: str, source: str, came_from: str | None) -> Copies:
        tables = self.tables["switches"][slot]
        copies: Copies = Counter()
        for entry in _rows(tables["external_groups"], group_ip=group, internal_ip=underlay):
            if entry["sources"] is not None and source not in entry["sources"]:
                continue
            for here in _rows(tables["underlay_groups"], group_ip=underlay):
                for member in here["members"]:
                    sled = self.sled_at.get((slot, member["port_id"]))
                    if sled is not None and sled != came_from:
                        copies.update(self._arrived(sled, underlay, group, source))
        return copies

    def _arrived(self, sled: str, underlay: str, group: str, source: str) -> Copies:
        tables = self.tables["sleds"][sled]
        open_nics = {row["nic"] for row in _rows(tables["nic_filters"], underlay=underlay)}
        mapped = [*_rows(tables["m2p"], group=group, underlay=underlay)]
        return (
            self._heard(sled, group, source, but=None) if mapped and open_nics >= set(self.nics[sled]) else Counter()
        )

    def _heard(self, sled: str, group: str, source: str, but: str | None) -> Copies:
        rows = _rows(self.tables["sleds"][sled]["subscriptions"], group_ip=group)
        return Counter(
            (sled, row["propolis_id"])
            for row in rows
            if row["propolis_id"] != but and (not row["sources"] or source in row["sources"])
        )


def _rows(table: Iterable[Plain], **fields: Any) -> Iterable[Plain]:
    return (row for row in table if all(row[key] == value for key, value in fields.items()))
