"""The rehearsal database: what a snapshot's rows become in a real one."""

import psycopg

from simrack.datastore.load import load
from tests.simrack.rows import small_rack


def test_a_snapshot_is_loaded(database: str) -> None:
    """Every sled of the snapshot has a row."""
    snapshot = small_rack()
    load(database, snapshot)
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT id FROM sled ORDER BY id").fetchall()
    assert [row[0] for row in rows] == [sled.id for sled in snapshot.sleds]
