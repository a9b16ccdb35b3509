"""Whole blueprints as they are stored: a change of any line shows here, to be read and agreed to.

``pytest tests/planner/test_blueprints.py --snapshot-update`` writes the files anew.
"""

import pytest
from syrupy.assertion import SnapshotAssertion

from planner.plan import plan
from tests.planner.big_rack import big_rack
from tests.planner.case_files import CASES, read_case

REPRESENTATIVE = [
    "group_creating_with_a_member",
    "sources_asm_mixed",
    "member_migrating",
    "old_group_ends_on_the_address_of_a_new_one",
    "ports_one_of_two_receivers_unknown",
]


@pytest.mark.hashseed
@pytest.mark.parametrize("case", REPRESENTATIVE)
def test_stored_blueprint(case: str, blueprint_snapshot: SnapshotAssertion) -> None:
    """The plan of a representative case is the blueprint that was stored for it."""
    assert read_case(CASES / case).blueprint == blueprint_snapshot


@pytest.mark.hashseed
def test_digest_of_a_full_rack() -> None:
    """A full rack with sixty groups has one digest, in every process and on every machine."""
    assert plan(big_rack()).digest == "sha256:a27cf7a85549c96fbde1a48f45efdfd2f23255de7e06c83def604d4b64620a60"
