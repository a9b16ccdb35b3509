"""The rehearsal database in each of its versions."""

import pytest

from blueprints.errors import InputRejectedError
from simrack.datastore.load import MARKER, load
from simrack.datastore.rows import rows_of
from simrack.datastore.tables import columns
from tests.simrack.read_back import ask, count
from tests.simrack.rows import GROUP4, GROUP6, small_rack

SCHEMAS = (199, 208, 209, 219, 220, 239, 240, 294, 295, 296, 297)
"""Every version in which something changed, and the one before it."""


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_schema_is_made_and_filled(database: str, schema: int) -> None:
    """Each version's tables have its columns, in order, and the rows of the snapshot."""
    snapshot = small_rack() if schema >= 209 else small_rack(groups=(), underlay_groups=(), members=())
    load(database, snapshot, schema=schema)
    assert ask(database, "SELECT version, target_version FROM db_metadata") == [(f"{schema}.0.0", None)]
    for table, rows in rows_of(snapshot, schema).items():
        assert count(database, table) == len(rows)
    made: dict[str, tuple[str, ...]] = {}
    listed = """
        SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = current_schema() ORDER BY ordinal_position
    """
    for table, column in ask(database, listed):
        made[table] = (*made.get(table, ()), column)
    made.pop(MARKER)
    assert made == columns(schema)


@pytest.mark.parametrize(
    ("schema", "table", "column", "there"),
    [
        (208, "multicast_group", "id", False),
        (209, "multicast_group", "id", True),
        (219, "multicast_group", "source_ips", True),
        (220, "multicast_group", "source_ips", False),
        (219, "multicast_group", "underlay_salt", False),
        (220, "multicast_group", "underlay_salt", True),
        (219, "multicast_group_member", "multicast_ip", False),
        (220, "multicast_group_member", "multicast_ip", True),
        (219, "multicast_group_member", "source_ips", False),
        (220, "multicast_group_member", "source_ips", True),
        (239, "multicast_group", "mvlan", True),
        (240, "multicast_group", "mvlan", False),
        (295, "multicast_group_member", "membership_origin", False),
        (296, "multicast_group_member", "membership_origin", True),
        (296, "multicast_group_member", "parent_kind", False),
        (297, "multicast_group_member", "parent_kind", True),
    ],
)
def test_columns_come_and_go(schema: int, table: str, column: str, there: bool) -> None:
    """Columns stand from the version that brought them to the one that dropped them."""
    assert (column in columns(schema).get(table, ())) is there


@pytest.mark.parametrize(("schema", "values"), [(294, 4), (295, 3)])
def test_groups_lose_a_state(database: str, schema: int, values: int) -> None:
    """A state that nobody ever wrote stands until 295."""
    load(database, small_rack(), schema=schema)
    query = (
        "SELECT count(*) FROM pg_enum e JOIN pg_type t ON t.oid = enumtypid WHERE typname = 'multicast_group_state'"
    )
    assert ask(database, query) == [(values,)]


def test_sources_stood_with_the_group_once(database: str) -> None:
    """Before 220 a group has its members' sources together, and none as soon as a member takes any."""
    load(database, small_rack(), schema=219)
    query = "SELECT id, source_ips::text FROM multicast_group ORDER BY id"
    assert ask(database, query) == [(GROUP4, "{}"), (GROUP6, "{fd00:99::5}")]


@pytest.mark.parametrize("schema", [198, 298, 0])
def test_other_schemas_are_refused(database: str, schema: int) -> None:
    """Versions that are not described are refused, and nothing is made."""
    with pytest.raises(InputRejectedError, match=f"schema {schema}"):
        load(database, small_rack(), schema=schema)
    assert ask(database, "SELECT count(*) FROM pg_class WHERE relname = 'sled'") == [(0,)]
