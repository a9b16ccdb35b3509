"""The true dataplane state of the rack as JSON, hidden parts included.

This file does not know how the state came about.
"""

from typing import Any
from uuid import UUID

from blueprints.identifiers import SwitchSlot
from simrack.dpd.chip import Chip
from simrack.dpd.encoding import show_port
from simrack.dpd.groups import Dpd
from simrack.dpd.model import External
from simrack.mgd.routes import Mrib
from simrack.sledagent.agent import SledAgent
from simrack.sledagent.filters import mac_of
from simrack.sledagent.http import show_hop
from simrack.world import World


def state_of(world: World, filters: str) -> dict[str, Any]:
    """Return the whole state; *filters* says how NIC filters are held."""
    return {
        "nic_filters": filters,
        "nic_joins": sum(len(nics) for agent in world.agents.values() for nics in agent.filters.joined.values()),
        "switches": {slot.value: _switch(world, slot) for slot in world.dpds},
        "sleds": {str(sled_id): _sled(world, sled_id, agent) for sled_id, agent in world.agents.items()},
    }


def _switch(world: World, slot: SwitchSlot) -> dict[str, Any]:
    """Groups are the chip's; ``soft_state_differs`` lists where dpd believes otherwise."""
    dpd = world.dpds[slot]
    return {
        "underlay_groups": _chip_underlay(dpd.chip, dpd),
        "external_groups": _chip_external(dpd.chip, dpd),
        "soft_state_differs": _differences(dpd),
        "mrib_routes": _routes(world.mribs[slot]),
        "rows": dpd.chip.rows,
    }


def _chip_underlay(chip: Chip, dpd: Dpd) -> list[dict[str, Any]]:
    return [
        {
            "group_ip": group.text,
            "tag": dpd.underlay[group].tag if group in dpd.underlay else None,
            "members": [show_port(port) for port in sorted(chip.replication[group].ports)],
        }
        for group in sorted(chip.replication)
    ]


def _chip_external(chip: Chip, dpd: Dpd) -> list[dict[str, Any]]:
    return [
        {"group_ip": group.text, "tag": dpd.external[group].tag if group in dpd.external else None}
        | _attributes(chip.entries[group].external)
        | {"reaches_underlay_group": chip.ports_of(chip.entries[group]) is not None}
        for group in sorted(chip.entries)
    ]


def _attributes(external: External) -> dict[str, Any]:
    sources = external.sources
    return {
        "internal_ip": external.nat.internal_ip.text,
        "inner_mac": external.nat.inner_mac.text,
        "vni": external.nat.vni,
        "vlan_id": external.vlan_id,
        "sources": None if sources is None else [source.text for source in sources],
    }


def _differences(dpd: Dpd) -> list[dict[str, Any]]:
    found = []
    for group in sorted(dpd.underlay):
        soft, chip = sorted(dpd.underlay[group].members), sorted(dpd.chip.replication[group].ports)
        if soft != chip:
            found.append(
                {
                    "group_ip": group.text,
                    "soft": [show_port(port) for port in soft],
                    "chip": [show_port(port) for port in chip],
                }
            )
    return found


def _routes(mrib: Mrib) -> list[dict[str, Any]]:
    return [
        {
            "group": route.key.group.text,
            "source": None if route.key.source is None else route.key.source.text,
            "vni": route.key.vni,
            "underlay_group": route.underlay_group.text,
            "selected": mrib.is_selected(route.key),
        }
        for route in mrib.imported()
    ]


def _sled(world: World, sled_id: UUID, agent: SledAgent) -> dict[str, Any]:
    opte = agent.opte
    port = world.wiring.port_of(sled_id)
    return {
        "port": None if port is None else str(port),
        "m2p": [{"group": group.text, "underlay": opte.m2p[group].text} for group in sorted(opte.m2p)],
        "forwarding": [
            {"underlay": underlay.text, "next_hops": [show_hop(hops[address]) for address in sorted(hops)]}
            for underlay, hops in sorted(opte.forwarding.items(), key=lambda row: row[0])
        ],
        "nic_filters": [
            {"nic": nic, "underlay": underlay.text, "mac": mac_of(underlay)}
            for underlay in sorted(agent.filters.joined)
            for nic in agent.filters.joined[underlay]
        ],
        "subscriptions": _subscriptions(agent),
        "vmms": [
            {"propolis_id": str(vmm.propolis_id), "instance_id": str(vmm.instance_id), "active": vmm.active}
            for vmm in sorted(agent.vmms.values(), key=lambda vmm: vmm.propolis_id)
        ],
    }


def _subscriptions(agent: SledAgent) -> list[dict[str, Any]]:
    """``group_ip`` is the group named at the join; the packet engine keeps the underlay group alone."""
    return [
        {
            "instance_id": str(agent.vmms[port].instance_id),
            "propolis_id": str(port),
            "group_ip": subscription.group.text,
            "underlay": underlay.text,
            "sources": [source.text for source in sorted(subscription.filter.sources)],
        }
        for port in sorted(agent.opte.subscriptions)
        for underlay, subscription in sorted(agent.opte.subscriptions[port].items(), key=lambda row: row[0])
    ]
