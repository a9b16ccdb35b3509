"""How transitions of members are told: the rows of the table of `collector.transitions` that are about members.

The sled of a member is a hint, its instance's VMM the truth, so the truth is asked in the same statement.

This file does not know groups' transitions, nor connections.
"""

from collector.group_swaps import LIVE, STILL
from collector.swaps import Condition, Phase, Rule

_LIVE_GROUP = """SELECT 1 FROM multicast_group AS g
    WHERE g.id = it.external_group_id AND g.time_deleted IS NULL AND g.state::text IN ('creating', 'active')"""

JOIN = Rule(
    phase=Phase.MEMBERS,
    conditions=(
        LIVE,
        STILL,
        Condition(says="its group is live", sql=f"EXISTS ({_LIVE_GROUP})"),
        Condition(
            says="its instance runs on that sled",
            # While it migrates both of its processes hear; else the active one, unless it is on its way out.
            sql="""EXISTS (
                SELECT 1 FROM instance AS i JOIN vmm AS v ON v.id IN (
                    i.active_propolis_id, CASE WHEN i.migration_id IS NOT NULL THEN i.target_propolis_id END
                )
                WHERE i.id = it.parent_id AND i.time_deleted IS NULL AND i.state::text = 'vmm'
                AND v.time_deleted IS NULL AND v.sled_id = %(sled)s::uuid
                AND (
                    v.state::text IN ('starting', 'running', 'rebooting', 'migrating')
                    OR (i.migration_id IS NOT NULL AND v.state::text IN ('stopping', 'stopped', 'failed'))
                )
            )""",
        ),
    ),
    there="it.state::text = 'joined' AND it.time_deleted IS NULL AND it.sled_id IS NOT DISTINCT FROM %(sled)s::uuid",
    change="""UPDATE multicast_group_member AS it
        SET state = 'joined', sled_id = %(sled)s::uuid, time_modified = now()
        WHERE {guard}""",
    source="member transitions: joining, left and joined elsewhere, instance valid, active VMM on a sled. Only after "
    "the sled was told, and never over a migration that has committed since",
)
"""joining, left or joined on another sled → joined here."""

PARK = Rule(
    phase=Phase.MEMBERS,
    conditions=(
        LIVE,
        STILL,
        Condition(
            says="its instance has no VMM left",
            sql="""NOT EXISTS (
                SELECT 1 FROM instance AS i JOIN vmm AS v ON v.id IN (i.active_propolis_id, i.target_propolis_id)
                WHERE i.id = it.parent_id AND v.time_deleted IS NULL
                AND v.state::text NOT IN ('destroyed', 'saga_unwound')
            )""",
        ),
    ),
    there="it.state::text = 'left' AND it.time_deleted IS NULL",
    change="""UPDATE multicast_group_member AS it
        SET state = 'left', sled_id = NULL, time_modified = now()
        WHERE {guard}""",
    source="member transitions: instance not valid. Stop ordering: nobody is detached under a guest that still runs, "
    "or that is being started",
)
"""joining or joined → left: parked, keeps its sources, may come back."""

END = Rule(
    phase=Phase.MEMBERS,
    conditions=(
        STILL,
        Condition(says="its group is being deleted, or gone", sql=f"NOT EXISTS ({_LIVE_GROUP})"),
        Condition(
            says="its sled is the one it had when it was planned",
            sql="it.sled_id IS NOT DISTINCT FROM %(sled)s::uuid",
        ),
    ),
    there="it.time_deleted IS NOT NULL",
    ends_the_row=True,
    change="""UPDATE multicast_group_member AS it
        SET state = 'left', time_deleted = now(), time_modified = now()
        WHERE {guard}""",
    source="member transitions: any state, group deleting: left, with the deletion time, its sled kept",
)
"""any → a tombstone, which keeps its sled: a leave is owed there."""

RELEASE = Rule(
    phase=Phase.MEMBERS,
    conditions=(
        Condition(says="it is a tombstone", sql="it.time_deleted IS NOT NULL"),
        STILL,
    ),
    there="it.time_deleted IS NOT NULL AND it.sled_id IS NULL",
    ends_the_row=True,
    change="""UPDATE multicast_group_member AS it
        SET sled_id = NULL, time_modified = now()
        WHERE {guard}""",
    source="tombstone cleanup: the sled is a note of the leave that is owed there. Nobody gives a tombstone another "
    "sled, so the note that stands is the one that was planned with",
)
"""left → left: a tombstone lets go of its sled, because nothing is owed there any more."""
