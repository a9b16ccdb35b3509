"""From a snapshot to rows of a database and back: what was collected must be what was loaded.

This file does not know how either is done.
"""

from attrs import evolve, fields

from blueprints.snapshot import Snapshot
from collector.assemble import Stated
from rackcast.collecting import Sources, collected
from rackcast.simulated import RunningRack


def collected_again(rack: RunningRack, dsn: str, loaded: Snapshot) -> tuple[Snapshot, list[str]]:
    """Return the snapshot of a simulated *rack* and its database, and the names of what differs from *loaded*.

    The snapshot has the time of *loaded*.

    Args:
        rack: whose switches are asked.
        dsn: the database with the rows of *loaded*.
        loaded: what the rack simulates; it also says what no table and no call tells.
    """
    nics = {sled.underlay_nics for sled in loaded.sleds}
    stated = Stated(policy=loaded.policy, underlay_nics=nics.pop() if len(nics) == 1 else None)
    snapshot, _ = collected(Sources(dsn=dsn, dns=None, endpoints=rack.endpoints), stated)
    wanted = _collectable(loaded)
    # The rows are of the day that they tell of; by today's clock their inventory would be too old to go by.
    snapshot = evolve(snapshot, evaluated_at=wanted.evaluated_at)
    found = evolve(snapshot, source=wanted.source)
    return snapshot, [name for name in _names() if getattr(found, name) != getattr(wanted, name)]


def _names() -> list[str]:
    return [attribute.name for attribute in fields(Snapshot)]


def _collectable(loaded: Snapshot) -> Snapshot:
    """Return *loaded* without what nobody reads: tombstones that owe nothing, and instances without a membership."""
    members = [row for row in loaded.members if row.time_deleted is None or row.sled_id is not None]
    wanted = {row.instance_id for row in members}
    instances = [row for row in loaded.instances if row.id in wanted]
    return evolve(loaded, members=members, instances=instances)
