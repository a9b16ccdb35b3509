"""Explanations: each entry of a blueprint with what it rests on, put together from what the passes wrote down.

Two laws hold, for a blueprint and the snapshot and parent that it was planned from:
    X1  an entry stays as it is while every fact that it cites stays, whatever else changes.
    X2  a cause is a set of facts of which any one would do: without the whole set the entry changes or goes.

Entries are the smallest things that a table says: a list of ports is an entry for the list, one for each port with
the sled that is behind it, and one for whether it is complete. This file does not know the rules: it reads what is in
the blueprint, and no more.
"""

from collections.abc import Iterator

from blueprints import facts
from blueprints.blueprint import Blueprint, PlannedGroup, SledPort
from blueprints.grounds import Explanation, Grounds
from blueprints.shared_grounds import SharedGrounds
from blueprints.sled_explanations import of_sled
from blueprints.switch_explanations import of_switch
from blueprints.transition_explanations import of_held, of_transitions


def explanations(blueprint: Blueprint) -> Iterator[Explanation]:
    """Yield every entry of *blueprint* with what it rests on, table by table.

    Raises:
        InvariantError: its causes do not fit its tables.
    """
    shared = SharedGrounds(blueprint)
    for group in blueprint.groups:
        yield from _of_group(shared, group)
    for slot in blueprint.switches:
        yield from of_switch(shared, slot)
    for sled in blueprint.sleds:
        yield from of_sled(shared, sled)
    yield from _of_ports(shared)
    yield from of_transitions(shared)
    yield from of_held(shared)


def _of_group(shared: SharedGrounds, group: PlannedGroup) -> Iterator[Explanation]:
    """Yield what is planned for the group as such."""
    me = group.multicast_ip
    yield shared.planned(group).of("groups", f"{group.id} {group.tag}", group=me, field="row")
    home = f"{group.underlay_ip} salt {group.salt}"
    yield shared.planned(group).also(shared.underlay(group)).of("groups", home, group=me, field="underlay_ip")
    hop = shared.planned(group).also(shared.next_hop(group))
    yield hop.of("groups", group.next_hop_switch, group=me, field="next_hop_switch")
    if group.sources.any:
        grounds = shared.planned(group).also(shared.sources(group, None))
        yield grounds.of("groups", "any", group=me, field="sources")
    for source in group.sources.specific:
        grounds = shared.planned(group).also(shared.sources(group, source))
        yield grounds.of("groups", "named", group=me, field="sources", source=source)
    heard = shared.anybody(group) if group.receiving else shared.everybody(group)
    yield shared.planned(group).also(heard).of("groups", group.receiving, group=me, field="receiving")


def _of_ports(shared: SharedGrounds) -> Iterator[Explanation]:
    """Yield behind which port each sled is."""
    for sled, row in shared.blueprint.ports.items():
        for slot, port in row.items():
            grounds = Grounds().also(shared.takes_part(sled), shared.port(sled, slot))
            grounds.on("switch", [facts.switch(slot)])
            yield grounds.of("ports", _said(port), sled=sled, switch=slot)


def _said(port: SledPort | None) -> str:
    return "unknown" if port is None else f"{port.port_id} link {port.link_id} from {port.learned_from}"
