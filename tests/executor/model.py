"""A rack in memory that obeys calls as the daemons do, without HTTP: for what is true of calls and their order.

It takes method, path and body, so that it judges what is sent and not what was meant. Sleds keep one underlay
group per group, add next hops, and resolve memberships through the mapping of the moment.
"""

import json
from collections import defaultdict
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from attrs import field, frozen

from blueprints.identifiers import SwitchSlot
from blueprints.observation import Observation, SledObservation, SwitchObservation
from executor import decoding
from executor.calls import Call
from executor.targets import Daemon

Json = Any


@frozen(kw_only=True)
class Switch:
    """One switch's tables, as wire JSON by address."""

    underlay: dict[str, Json] = field(factory=dict)
    external: dict[str, Json] = field(factory=dict)
    routes: dict[str, Json] = field(factory=dict)


@frozen(kw_only=True)
class Sled:
    """One sled's tables."""

    m2p: dict[str, str] = field(factory=dict)
    forwarding: dict[str, dict[str, Json]] = field(factory=dict)
    subscriptions: set[tuple[str, str]] = field(factory=set)
    """Port and underlay address: what a port really hears."""


@frozen(kw_only=True)
class ModelRack:
    """All tables, and every call that was obeyed or refused."""

    switches: defaultdict[str, Switch] = field(factory=lambda: defaultdict(Switch))
    sleds: defaultdict[str, Sled] = field(factory=lambda: defaultdict(Sled))
    refused: list[tuple[Call, str]] = field(factory=list)

    def obey(self, call: Call) -> None:
        """Do what *call* says, or note why not."""
        url = urlsplit(call.path)
        tag = parse_qs(url.query).get("tag", [""])[0]
        act = {Daemon.DPD: self._dpd, Daemon.MGD: self._mgd, Daemon.SLED_AGENT: self._sled}[call.target.daemon]
        problem = act(call, url.path.split("/")[1:], tag)
        if problem:
            self.refused.append((call, problem))

    def _dpd(self, call: Call, path: list[str], tag: str) -> str | None:
        switch, name = self.switches[call.target.place], path[-1]
        table = switch.underlay if name in switch.underlay else switch.external
        if call.method == "POST":
            table = switch.underlay if name == "underlay-groups" else switch.external
            address = call.body["group_ip"]
            if address in table:
                return "exists"
            if table is switch.external and _target(call.body) not in switch.underlay:
                return "no such underlay group"
            table[address] = dict(call.body)
            return None
        if name not in table:
            return "absent"
        if table[name]["tag"] != tag:
            return "tag mismatch"
        if call.method == "PUT":
            table[name] |= call.body
        elif any(_target(row) == name for row in switch.external.values()):
            return "still referenced"
        else:
            del table[name]
        return None

    def _mgd(self, call: Call, _: list[str], __: str) -> None:
        routes = self.switches[call.target.place].routes
        for row in call.body.get("routes", ()):
            routes[json.dumps(row["key"], sort_keys=True)] = row
        for key in call.body.get("keys", ()):
            routes.pop(json.dumps(key, sort_keys=True), None)

    def _sled(self, call: Call, path: list[str], _: str) -> str | None:
        sled, body, puts = self.sleds[call.target.place], call.body, call.method == "PUT"
        if path[-1] == "mcast-m2p":
            sled.m2p.pop(body["group"], None)
            if puts:
                sled.m2p[body["group"]] = body["underlay"]
        elif path[-1] == "mcast-fwd":
            if puts:
                hops = sled.forwarding.setdefault(body["underlay"], {})
                hops |= {hop["next_hop"]: hop for hop in body["next_hops"]}
            else:
                sled.forwarding.pop(body["underlay"], None)
        elif body["group_ip"] in sled.m2p:
            member = (path[1], sled.m2p[body["group_ip"]])
            sled.subscriptions.add(member) if puts else sled.subscriptions.discard(member)
        elif puts:
            return "no mapping"
        return None

    def load(self, observation: Observation) -> None:
        """Take over the tables of *observation*; what is unknown in it is empty here."""
        for slot, switch in observation.switches.items():
            self.switches[slot.value] = _switch(switch)
        for sled, tables in observation.sleds.items():
            self.sleds[str(sled)] = _sled_tables(tables)

    def observation(self) -> Observation:
        """Return what the rack reports, through the decoders of the executor."""
        return Observation(
            switches={
                SwitchSlot(slot): SwitchObservation(
                    underlay_groups=[decoding.underlay(row, "u") for row in switch.underlay.values()],
                    external_groups=[decoding.external(row, "e") for row in switch.external.values()],
                    mrib_routes=[decoding.route(row, "r") for row in switch.routes.values()],
                )
                for slot, switch in self.switches.items()
            },
            sleds={
                UUID(sled): SledObservation(
                    m2p=[decoding.mapping({"group": g, "underlay": u}, "m") for g, u in tables.m2p.items()],
                    forwarding=[
                        decoding.forwarding({"underlay": u, "next_hops": list(hops.values())}, "f")
                        for u, hops in tables.forwarding.items()
                    ],
                )
                for sled, tables in self.sleds.items()
            },
            silent=(),
        )


def _target(external: Json) -> Json:
    return (external["internal_forwarding"]["nat_target"] or {}).get("internal_ip")


def _switch(seen: SwitchObservation) -> Switch:
    underlay = {
        row.group_ip.text: {
            "group_ip": row.group_ip.text,
            "tag": row.tag,
            "members": [
                {"port_id": str(m.port_id), "link_id": m.link_id, "direction": m.direction.value} for m in row.members
            ],
        }
        for row in seen.underlay_groups or ()
    }
    external = {
        row.group_ip.text: {
            "group_ip": row.group_ip.text,
            "tag": row.tag,
            "internal_forwarding": {
                "nat_target": row.internal_ip
                and {
                    "internal_ip": row.internal_ip.text,
                    "inner_mac": {"a": list(bytes.fromhex((row.inner_mac or "").replace(":", "")))},
                    "vni": row.vni,
                }
            },
            "external_forwarding": {"vlan_id": row.vlan_id},
            "sources": None if row.sources is None else [{"Exact": s.text} for s in row.sources],
        }
        for row in seen.external_groups or ()
    }
    routes = {}
    for row in seen.mrib_routes or ():
        key = {
            f"V{row.group.family}": {
                "source": row.source and row.source.text,
                "group": row.group.text,
                "vni": row.vni,
            }
        }
        routes[json.dumps(key, sort_keys=True)] = {"key": key, "underlay_group": row.underlay_group.text}
    return Switch(underlay=underlay, external=external, routes=routes)


def _sled_tables(seen: SledObservation) -> Sled:
    return Sled(
        m2p={row.group.text: row.underlay.text for row in seen.m2p or ()},
        forwarding={
            row.underlay.text: {
                hop.next_hop.text: {
                    "next_hop": hop.next_hop.text,
                    "replication": hop.replication,
                    "filter": {"mode": hop.mode.value, "sources": [s.text for s in hop.sources]},
                }
                for hop in row.next_hops
            }
            for row in seen.forwarding or ()
        },
    )
