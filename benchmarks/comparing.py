"""What finding differences costs beside decoding what is compared: ``python -m benchmarks.comparing [ROUNDS]``.

The rack has 2,048 groups and 65,536 members, which make some 131,000 rows of sleds. In each round the differences
are found in every state, beside two floors of the same round, both as strict as a run:

* each answer of each daemon decoded by itself, which is what the goal calls decoding the observation;
* equal answers decoded once, as a run does. Sleds of a rack at rest answer alike, so this is far less.

The goal is about a full rack: one that holds all of its blueprint, "at rest". The other states tell what drift
adds; where no two sleds are alike nothing can be decoded once, so that only the first floor has a meaning.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from attrs import evolve

from benchmarks.timing import Seconds, ratios, taken
from benchmarks.workload import Size, rack
from blueprints import strict
from blueprints.blueprint import Blueprint
from blueprints.observation import Observation, SeenExternal, SeenUnderlay, SledObservation, SwitchObservation
from blueprints.ordering import in_order
from executor import decoding
from executor.differences import differences
from executor.limits import Limits
from executor.shelf import Shelf
from planner import plan
from rackcast.bulk import bulk

SEED = 1
LARGE = Size(sleds=32, groups=2048, members=65_536, instances=8192)
DEPTH = Limits().answer_depth
_ROWS: dict[object, Callable[[Any], Any]] = {}

Json = Any


def answers(blueprint: Blueprint) -> dict[str, dict[str, bytes]]:
    """Return what the daemons of a rack answer that holds *blueprint*: place to table to body."""
    found: dict[str, dict[str, bytes]] = {}
    for slot, tables in blueprint.switches.items():
        groups = [
            *({"kind": "underlay", "group_ip": r.group_ip.text, "tag": r.tag.text, "external_group_id": 1,
               "underlay_group_id": 2, "members": _members(r)} for r in tables.underlay_groups),
            *({"kind": "external", "group_ip": r.group_ip.text, "tag": r.tag.text, "external_group_id": 1,
               "internal_forwarding": {"nat_target": {
                   "internal_ip": r.internal_ip.text, "inner_mac": {"a": list(r.inner_mac.octets)}, "vni": r.vni}},
               "external_forwarding": {"vlan_id": r.vlan_id}, "sources": _sources(r)}
              for r in tables.external_groups if r.sources != ()),
        ]  # fmt: skip
        routes = [
            {"key": {f"V{r.group.family}": {"source": r.source and r.source.text, "group": r.group.text,
                     "vni": r.vni}}, "underlay_group": r.underlay_group.text} for r in tables.mrib_routes
        ]  # fmt: skip
        found[slot] = {"groups": json.dumps(groups).encode(), "routes": json.dumps(routes).encode()}
    for sled, its in blueprint.sleds.items():
        forwarding = [
            {"underlay": r.underlay.text, "next_hops": list(map(_hop, r.next_hops))} for r in its.forwarding
        ]
        mappings = [{"group": r.group.text, "underlay": r.underlay.text} for r in its.m2p]
        found[str(sled)] = {"m2p": json.dumps(mappings).encode(), "forwarding": json.dumps(forwarding).encode()}
    return found


def _members(entry: Any) -> Json:
    return [{"port_id": str(m.port_id), "link_id": m.link_id, "direction": m.direction.value} for m in entry.members]


def _sources(entry: Any) -> Json:
    return None if entry.sources is None else [{"Exact": source.text} for source in entry.sources]


def _hop(hop: Any) -> Json:
    filters = {"mode": hop.filter.mode.value, "sources": [source.text for source in hop.filter.sources]}
    return {"next_hop": hop.next_hop.text, "replication": hop.replication.value, "filter": filters}


def decoded(blueprint: Blueprint, said: dict[str, dict[str, bytes]], *, shared: bool) -> Observation:
    """Return the observation that the answers make, checked as a run checks them.

    A run reads answers that are equal once (*shared*); the floor reads each.
    """
    shelf = Shelf()

    def table(content: bytes, decode: Callable[[Json, str], Any]) -> Any:
        def rows(answer: Json) -> Any:
            return in_order(decode(entry, "row") for entry in answer)

        if not shared:
            return rows(_parsed(content))
        return shelf.decoded(shelf.parsed(content, depth=DEPTH), _ROWS.setdefault(decode, rows))

    switches, sleds = {}, {}
    for slot in blueprint.switches:
        groups = [decoding.group(entry, "group") for entry in _parsed(said[slot]["groups"])]
        switches[slot] = SwitchObservation(
            underlay_groups=[g for g in groups if isinstance(g, SeenUnderlay)],
            external_groups=[g for g in groups if isinstance(g, SeenExternal)],
            mrib_routes=table(said[slot]["routes"], decoding.route),
        )
    for sled in blueprint.sleds:
        its = said[str(sled)]
        sleds[sled] = SledObservation(
            m2p=table(its["m2p"], decoding.mapping), forwarding=table(its["forwarding"], decoding.forwarding)
        )
    return Observation(switches=switches, sleds=sleds, silent=())


def _parsed(content: bytes) -> Json:
    return strict.parse_json(content, depth=DEPTH)


def drifted(seen: Observation, *, alike: bool) -> Observation:
    """Return *seen* without one row in a hundred of each sled's tables: the same rows, or others on each sled."""
    sleds: dict[UUID, SledObservation] = {}
    for place, (sled, its) in enumerate(seen.sleds.items()):
        if alike and place:
            sleds[sled] = next(iter(sleds.values()))
            continue
        sleds[sled] = evolve(
            its,
            m2p=[each for number, each in enumerate(its.m2p or ()) if (number + place) % 100],
            forwarding=[each for number, each in enumerate(its.forwarding or ()) if (number + place) % 100 != 50],
        )
    return evolve(seen, sleds=sleds)


def comparing(blueprint: Blueprint, rounds: int) -> None:
    """Print what finding differences costs beside decoding what is compared."""
    said = answers(blueprint)
    seen = decoded(blueprint, said, shared=True)
    states = {
        "at rest": (seen, "<= 0.5 x"),
        "1 in 100 gone": (drifted(seen, alike=True), ""),
        "1 in 100 gone, no two sleds alike": (drifted(seen, alike=False), ""),
    }
    each: dict[str, list[Seconds]] = {state: [] for state in states}
    once: dict[str, list[Seconds]] = {state: [] for state in states}
    for _ in range(rounds):
        by_itself = taken(lambda: decoded(blueprint, said, shared=False))
        as_run = taken(lambda: decoded(blueprint, said, shared=True))
        for state, (held, _goal) in states.items():
            spent = taken(partial(differences, blueprint, held))
            each[state].append(spent.beside(by_itself))
            once[state].append(spent.beside(as_run))
    rows = sum(len(its.m2p or ()) + len(its.forwarding or ()) for its in seen.sleds.values())
    for state, (_, goal) in states.items():
        ratios(f"differences, {rows:,} rows of sleds, {state}, to decoding", each[state], goal)
    for state in ("at rest", "1 in 100 gone"):
        ratios(f"... {state}, to decoding equal answers once", once[state])


def main() -> None:
    """Measure, with the number of rounds that the command line names."""
    with bulk():
        blueprint = plan(rack(SEED, LARGE))
    comparing(blueprint, int(sys.argv[1]) if len(sys.argv) > 1 else 5)


if __name__ == "__main__":
    main()
