"""How a user of rackcast holds a plan fast."""

from pathlib import Path

from syrupy.assertion import SnapshotAssertion

from blueprints.files import read_snapshot
from planner import plan

SNAPSHOT = Path(__file__).parent.parent / "01_one_group" / "snapshot.yaml"


def test_one_group_is_planned_as_reviewed(blueprint_snapshot: SnapshotAssertion) -> None:
    """The plan of the hand-sized rack is the one that was reviewed."""
    assert plan(read_snapshot(str(SNAPSHOT))) == blueprint_snapshot
