"""How transitions of groups are told: the rows of the table of `collector.transitions` that are about groups.

This file does not know members' transitions, nor connections.
"""

from collector.schema import Feature
from collector.swaps import Condition, Phase, Rule

LIVE = Condition(says="it is not deleted", sql="it.time_deleted IS NULL")
STILL = Condition(says="it still stands where it stood when it was planned", sql="it.state::text = %(from)s")

ENDING = "it.state::text IN ('deleting', 'deleted') AND it.time_deleted IS NOT NULL"
"""Up to schema 294 the state has a second name, which means the same."""

NO_LIVE_MEMBER = Condition(
    says="it has no live member",
    sql="""NOT EXISTS (
        SELECT 1 FROM multicast_group_member AS m
        WHERE m.external_group_id = it.id AND m.time_deleted IS NULL AND m.id <> ALL(%(leaving)s::uuid[])
    )""",
)
"""In a rehearsal, members count as gone whose own transition says so; else the list is empty."""

ACTIVATE = Rule(
    phase=Phase.GROUPS_COME,
    conditions=(
        LIVE,
        STILL,
        Condition(
            says="its underlay address is free, or its own",
            sql="""NOT EXISTS (
                SELECT 1 FROM underlay_multicast_group AS u
                WHERE u.multicast_ip = %(underlay)s::inet AND u.time_deleted IS NULL
                AND CASE WHEN it.underlay_group_id IS NULL
                    THEN u.tag IS DISTINCT FROM %(tag)s::text ELSE u.id <> it.underlay_group_id END
            )""",  # whose a row is the link says, and the tag where there is no link yet
        ),
        Condition(
            says="it is linked to no other underlay group",
            sql="""NOT EXISTS (
                SELECT 1 FROM underlay_multicast_group AS u
                WHERE u.id = it.underlay_group_id
                AND (u.multicast_ip <> %(underlay)s::inet OR u.time_deleted IS NOT NULL)
            )""",
        ),
    ),
    there="""it.state::text = 'active' AND it.time_deleted IS NULL AND EXISTS (
        SELECT 1 FROM underlay_multicast_group AS u
        WHERE u.id = it.underlay_group_id AND u.multicast_ip = %(underlay)s::inet AND u.time_deleted IS NULL
    )""",
    before=(
        # A link that leads nowhere is kept, and gets its row back; else the id follows from group and address.
        """INSERT INTO underlay_multicast_group (id, time_created, time_modified, multicast_ip, tag)
        SELECT COALESCE(it.underlay_group_id, %(row)s::uuid), now(), now(), %(underlay)s::inet, %(tag)s::text
        FROM multicast_group AS it WHERE {guard}
        ON CONFLICT DO NOTHING""",
    ),
    change="""UPDATE multicast_group AS it
        SET {also}underlay_group_id = u.id, state = 'active', time_modified = now()
        FROM underlay_multicast_group AS u
        WHERE {guard} AND u.multicast_ip = %(underlay)s::inet AND u.time_deleted IS NULL""",
    also={Feature.SALTS: "underlay_salt = %(salt)s"},
    source="group transitions: creating, saga success; underlay allocation: row, then link, then salt, told by the "
    "tag whose a row is. A group that is active already is accepted: running it again after a crash is no failure",
)
"""creating → active: the underlay row, the link, the salt and the state in one transaction.

Told also if the last member has left since: without the link nobody would know of the state that is on the rack.
"""

CLOSE = Rule(
    phase=Phase.GROUPS_CLOSE,
    conditions=(
        LIVE,
        STILL,
        NO_LIVE_MEMBER,
        Condition(
            says="its grace is over",
            sql="it.time_created < now() - %(grace)s * interval '1 second'",  # from a resurrection anew
        ),
    ),
    there=ENDING,
    ends_the_row=True,
    change="""UPDATE multicast_group AS it
        SET state = 'deleting', time_deleted = now(), time_modified = now()
        WHERE {guard}""",
    source="group transitions: no live member, older than the grace by the time of creation; atomic, with the "
    "deletion time",
)
"""creating or active → deleting: the state and the deletion time together."""

REMOVE = Rule(
    phase=Phase.GROUPS_GO,
    conditions=(
        Condition(says="it is being deleted", sql=ENDING),
        NO_LIVE_MEMBER,
        Condition(
            says="no held group has its address: what is held stays on the rack",
            sql="it.underlay_group_id IS NULL OR NOT (it.multicast_ip = ANY(%(held)s::inet[]))",
        ),
    ),
    there="FALSE",
    ends_the_row=True,
    before=(
        """DELETE FROM underlay_multicast_group AS u
        WHERE u.id = (SELECT it.underlay_group_id FROM multicast_group AS it WHERE {guard})
        AND NOT EXISTS (
            SELECT 1 FROM multicast_group AS other WHERE other.underlay_group_id = u.id AND other.id <> %(id)s
        )""",
        # A member with a sled still owes a leave there: its row is the only note of that.
        """DELETE FROM multicast_group_member AS m
        WHERE m.external_group_id = (SELECT it.id FROM multicast_group AS it WHERE {guard})
        AND m.time_deleted IS NOT NULL AND m.sled_id IS NULL""",
    ),
    change="DELETE FROM multicast_group AS it WHERE {guard}",
    source="group transitions: deleting, after the state is gone: underlay row, members without a sled, group row. "
    "In one transaction: a teardown that loses the underlay row alone cannot be taken up again",
)
"""deleting → the end of the row."""
