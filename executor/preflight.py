"""What a blueprint must not say, checked again before anything is sent.

Rules: in one table of one target, no key stands twice; the tables could not be compared otherwise. Every switch has
room for what it shall hold; a table that fills up would end a run half way.
Addresses need no check here: their types refuse wrong ones.
This file does not know racks.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from blueprints.blueprint import Content
from blueprints.capacity import excesses


def refusals(content: Content) -> tuple[str, ...]:
    """Return why *content* cannot be carried out; empty if it can."""
    found: list[str] = []
    for slot, switch in content.switches.items():
        found += _twice(f"{slot} underlay group", (row.group_ip for row in switch.underlay_groups))
        found += _twice(f"{slot} external group", (row.group_ip for row in switch.external_groups))
        routes = ((row.source, row.group, row.vni) for row in switch.mrib_routes)
        found += _twice(f"{slot} route", (f"({source or '*'}, {group}), VNI {vni}" for source, group, vni in routes))
    for sled, tables in content.sleds.items():
        found += _twice(f"sled {sled} mapping of", (row.group for row in tables.m2p))
        found += _twice(f"sled {sled} forwarding of", (row.underlay for row in tables.forwarding))
    found += [f"{excess.subject}: {excess.message}" for excess in excesses(content)]
    return tuple(found)


def _twice(what: str, keys: Iterable[Any]) -> Iterator[str]:
    counted = Counter(map(str, keys))
    return (f"{what} {key} stands {count} times" for key, count in sorted(counted.items()) if count > 1)
