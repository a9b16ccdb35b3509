"""The rows that a snapshot stands for: what a control plane would have written had it come to this state.

Of a snapshot, the datastore holds neither switches nor NICs, policy or source. Columns that no snapshot knows get
fixed sensible values; ids that it does not know follow from ids that it does.

This file does not know SQL or databases.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from blueprints.errors import InputRejectedError, Mistake
from blueprints.snapshot import Snapshot
from simrack.datastore import group_rows, instance_rows, machine_rows
from simrack.datastore.definitions import OLDEST
from simrack.datastore.named import Named
from simrack.datastore.refusals import refusals
from simrack.datastore.tables import NEWEST, USUAL, columns, is_known

Row = tuple[Any, ...]
"""Values in the order of the columns."""

_Maker = Callable[[Snapshot], Iterator[Named]]

_MAKERS: Mapping[str, _Maker] = MappingProxyType(
    {
        "sled": machine_rows.sleds,
        "hw_baseboard_id": machine_rows.boards,
        "inv_collection": machine_rows.collections,
        "inv_collection_error": machine_rows.collection_errors,
        "inv_service_processor": machine_rows.service_processors,
        "inv_sled_agent": machine_rows.sled_agents,
        "ip_pool": group_rows.pools,
        "ip_pool_range": group_rows.pool_ranges,
        "multicast_group": group_rows.groups,
        "underlay_multicast_group": group_rows.underlay_groups,
        "multicast_group_member": group_rows.members,
        "instance": instance_rows.instances,
        "vmm": instance_rows.vmms,
    }
)

_NUMBERED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "multicast_group_version": ("multicast_group", "underlay_multicast_group"),
        "multicast_group_member_version": ("multicast_group_member",),
    }
)
"""Sequence to the tables whose rows have taken its first numbers, one each."""


def rows_of(snapshot: Snapshot, schema: int = USUAL) -> dict[str, list[Row]]:
    """Return the rows of every table of *schema*, each with its values in the order of the table's columns.

    Raises:
        InputRejectedError: the tables refuse some of *snapshot*, or *schema* is not one of those described.
    """
    if not is_known(schema):
        raise InputRejectedError("schema", [Mistake("", f"schema {schema} is not one of {OLDEST} to {NEWEST}")])
    mistakes = refusals(snapshot, schema)
    if mistakes:
        raise InputRejectedError("snapshot", mistakes)
    makers: dict[str, _Maker] = {**_MAKERS, "db_metadata": partial(_metadata, schema)}
    return {table: list(map(itemgetter(*names), makers[table](snapshot))) for table, names in columns(schema).items()}


def _metadata(schema: int, snapshot: Snapshot) -> Iterator[Named]:
    yield {
        "singleton": True,
        "time_created": snapshot.evaluated_at,
        "time_modified": snapshot.evaluated_at,
        "version": f"{schema}.0.0",
        "target_version": None,
    }


def sequences_of(rows: Mapping[str, list[Row]]) -> dict[str, int]:
    """Return the next free number of each sequence that *rows* have taken numbers from."""
    return {
        sequence: 1 + sum(len(rows[table]) for table in tables)
        for sequence, tables in _NUMBERED.items()
        if all(table in rows for table in tables)
    }
