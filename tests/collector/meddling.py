"""What somebody else may do to group 4 of the small rack, and to its listener, between planning and telling."""

from typing import Any

from tests.simrack.rows import G4, GROUP4, LISTENER, MOVER, SLEDS, TAG4, U4, member, propolis, uid

MEMBER = member(GROUP4, LISTENER).id
LINK = uid(4, 4)
STRANGER = uid(77, 1)
NEWCOMER = uid(77, 2)

Change = tuple[Any, ...]
"""A statement and its values."""


def _group(sets: str) -> Change:
    return (f"UPDATE multicast_group SET {sets} WHERE id = %s", GROUP4)  # noqa: S608


def _member(sets: str, *values: object) -> Change:
    return (f"UPDATE multicast_group_member SET {sets} WHERE id = %s", *values, MEMBER)  # noqa: S608


def _vmm(sets: str, *values: object) -> Change:
    return (f"UPDATE vmm SET {sets} WHERE instance_id = %s", *values, LISTENER)  # noqa: S608


def _underlay(*values: object) -> Change:
    columns = "id, time_created, time_modified, multicast_ip, tag"
    return (f"INSERT INTO underlay_multicast_group ({columns}) VALUES (%s, now(), now(), %s, %s)", *values)  # noqa: S608


GROUP_DELETED = _group("state = 'deleting', time_deleted = now()")
GROUP_RESURRECTED = _group("state = 'creating', time_deleted = NULL, time_created = now()")
GROUP_TOMBSTONED = _group("time_deleted = now()")
GROUP_ACTIVATED = _group("state = 'active'")
GROUP_DELETED_WITHOUT_TIME = _group("time_deleted = NULL")
GROUP_CREATING = _group("state = 'creating'")
GROUP_CREATED_NOW = _group("time_created = now()")
GROUP_LINKED = _group(f"underlay_group_id = '{LINK}'")
GROUP_GONE = ("DELETE FROM multicast_group WHERE id = %s", GROUP4)

ADDRESS_TAKEN = _underlay(STRANGER, U4, "somebody")
ADDRESS_TAKEN_NAMELESS = _underlay(STRANGER, U4, None)
LINKED_TO_ANOTHER_ADDRESS = _underlay(LINK, "ff04::7", TAG4)
ORPHAN = _underlay(STRANGER, U4, TAG4)

MEMBER_LEFT = _member("state = 'left', time_deleted = now()")
MEMBER_TOMBSTONED = _member("time_deleted = now()")
MEMBER_REVIVED = _member("time_deleted = NULL")
MEMBER_PARKED = _member("state = 'left', sled_id = NULL")
MEMBER_JOINED = _member("state = 'joined'")
MEMBER_JOINING = _member("state = 'joining'")
MEMBER_MOVED = _member("sled_id = %s", SLEDS[2])
MEMBER_WITHOUT_SLED = _member("sled_id = NULL")
MEMBER_GONE = ("DELETE FROM multicast_group_member WHERE id = %s", MEMBER)

VMM_MOVED = _vmm("sled_id = %s", SLEDS[1])
VMM_STOPPING = _vmm("state = 'stopping'")
VMM_DELETED = _vmm("time_deleted = now()")
INSTANCE_DELETED = ("UPDATE instance SET time_deleted = now() WHERE id = %s", LISTENER)
INSTANCE_STOPPED = (
    "UPDATE instance SET state = 'no_vmm', active_propolis_id = NULL, target_propolis_id = NULL WHERE id = %s",
    LISTENER,
)

_INSERT_MEMBER = """
    INSERT INTO multicast_group_member (
        id, time_created, time_modified, time_deleted, external_group_id, parent_id, sled_id, state, multicast_ip
    ) VALUES (%s, now(), now(), {deleted}, %s, %s, %s, %s, %s)
"""

ANOTHER_JOINED = (_INSERT_MEMBER.format(deleted="NULL"), NEWCOMER, GROUP4, MOVER, None, "joining", G4)

_START = """
    WITH made AS (
        INSERT INTO vmm (id, instance_id, sled_id, state, state_generation, propolis_ip, propolis_port)
        VALUES (%s, %s, %s, 'creating', 1, '::1', 1)
    )
    UPDATE instance SET state = 'vmm', active_propolis_id = %s WHERE id = %s
"""

INSTANCE_STARTED = (_START, propolis(LISTENER, 1), LISTENER, SLEDS[0], propolis(LISTENER, 1), LISTENER)


def vmm_in(state: str) -> Change:
    """Return what brings the listener's active VMM into *state*."""
    reason = "unknown" if state == "failed" else None
    return ("UPDATE vmm SET state = %s, failure_reason = %s WHERE id = %s", state, reason, propolis(LISTENER))


def tombstone(row: Any, sled: Any) -> Change:
    """Return what makes a tombstone of *row* that names *sled*."""
    values = (row.id, row.group_id, row.instance_id, sled, "left", row.multicast_ip.text)
    return (_INSERT_MEMBER.format(deleted="now()"), *values)
