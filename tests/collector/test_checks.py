"""Whether rows agree: each check on real rows, one edit of a rack with which nothing is wrong."""

import subprocess
import sys
from typing import Any

import pytest

from blueprints.errors import InvariantError
from blueprints.findings import FINDINGS, sorted_findings
from collector.checks import CHECKS, check, found
from collector.datastore import read
from simrack.datastore.load import load
from tests.collector.rows import meddle
from tests.simrack.rows import G4, GROUP4, GROUP6, LISTENER, MOVER, PICKER, SLEDS, TAG4, small_rack, uid

U4_ROW = uid(4, 4)
NOWHERE = uid(99, 1)
_MEMBERS = {row.instance_id: row.id for row in small_rack().members if row.group_id == GROUP4}
_OLD_GROUP = (
    "INSERT INTO multicast_group (id, name, description, time_created, time_modified, time_deleted, vni, ip_pool_id,"
    " ip_pool_range_id, multicast_ip, underlay_group_id, tag, version_added, state)"
    " SELECT %s, 'old', '', time_created, now(), now(), vni, ip_pool_id, ip_pool_range_id, %s, NULL, NULL,"
    " 99, 'deleting' FROM multicast_group WHERE id = %s"
)
_TOMBSTONE = (
    "INSERT INTO multicast_group_member (id, time_created, time_modified, time_deleted, external_group_id, parent_id,"
    " sled_id, state, multicast_ip) VALUES (%s, now(), now(), now(), %s, %s, %s, 'left', %s)"
)
_UNDERLAY_ROW = (
    "INSERT INTO underlay_multicast_group (id, time_created, time_modified, multicast_ip, tag, version_added)"
    " VALUES (%s, now(), now(), 'ff04::77', 'x', 77)"
)
_COLLECTION = "UPDATE inv_collection SET time_done = now() + %s::interval"

Edit = tuple[str, tuple[Any, ...]]

FOUND: list[tuple[Edit, list[tuple[str, str]]]] = [
    (
        ("DELETE FROM underlay_multicast_group WHERE id = %s", (U4_ROW,)),
        [("group_underlay_missing", f"group {GROUP4}")],
    ),
    (
        ("UPDATE underlay_multicast_group SET time_deleted = now() WHERE id = %s", (U4_ROW,)),
        [("group_underlay_missing", f"group {GROUP4}")],
    ),
    (
        ("UPDATE multicast_group SET underlay_group_id = NULL WHERE id = %s", (GROUP4,)),
        [("group_underlay_missing", f"group {GROUP4}"), ("underlay_row_unused", f"underlay row {U4_ROW}")],
    ),
    (
        ("UPDATE underlay_multicast_group SET tag = %s WHERE id = %s", (f"{TAG4}x", U4_ROW)),
        [("group_underlay_differs", f"group {GROUP4}")],
    ),
    (
        ("UPDATE underlay_multicast_group SET tag = NULL WHERE id = %s", (U4_ROW,)),
        [("group_underlay_differs", f"group {GROUP4}")],
    ),
    (
        (_UNDERLAY_ROW, (NOWHERE,)),
        [("underlay_row_unused", f"underlay row {NOWHERE}")],
    ),
    ((_OLD_GROUP, (NOWHERE, G4, GROUP4)), [("group_ip_repeated", f"address {G4}")]),
    (
        ("UPDATE ip_pool_range SET time_deleted = now() WHERE family(first_address) = 4", ()),
        [("group_outside_pools", f"group {GROUP4}")],
    ),
    (
        ("UPDATE ip_pool SET pool_type = 'unicast'", ()),
        [("group_outside_pools", f"group {GROUP4}"), ("group_outside_pools", f"group {GROUP6}")],
    ),
    (
        ("UPDATE multicast_group_member SET multicast_ip = '233.252.0.9' WHERE id = %s", (_MEMBERS[PICKER],)),
        [("member_ip_differs", f"member {_MEMBERS[PICKER]}")],
    ),
    (
        ("UPDATE instance SET time_deleted = now() WHERE id = %s", (LISTENER,)),
        [("member_instance_missing", f"member {_MEMBERS[LISTENER]}")],
    ),
    (
        ("UPDATE vmm SET sled_id = %s WHERE instance_id = %s AND sled_id = %s", (NOWHERE, MOVER, SLEDS[1])),
        [("vmm_sled_missing", f"VMM {uid(6, MOVER.int & 0xFF)}")],
    ),
    (
        ("UPDATE vmm SET sled_id = %s WHERE instance_id = %s AND sled_id = %s", (NOWHERE, MOVER, SLEDS[2])),
        [("vmm_sled_missing", f"VMM {uid(7, MOVER.int & 0xFF)}")],
    ),
    (
        ("UPDATE sled SET serial_number = 'another' WHERE id = %s", (SLEDS[1],)),
        [("board_differs", f"sled {SLEDS[1]}")],
    ),
    (
        ("UPDATE sled SET part_number = 'another' WHERE id = %s", (SLEDS[1],)),
        [("board_differs", f"sled {SLEDS[1]}")],
    ),
    (("UPDATE inv_service_processor SET sp_slot = 14 WHERE sp_slot = 15", ()), [("slot_repeated", "sled 14")]),
    (("DELETE FROM inv_collection", ()), [("inventory_missing", "inventory")]),
    (
        ("INSERT INTO inv_collection_error SELECT id, 0, 'x' FROM inv_collection", ()),
        [("inventory_partial", "collection {collection}")],
    ),
    ((_COLLECTION, ("-61 minutes",)), [("inventory_late", "collection {collection}")]),
    ((_COLLECTION, ("6 minutes",)), [("inventory_early", "collection {collection}")]),
    (("UPDATE sled SET rack_id = %s WHERE id = %s", (NOWHERE, SLEDS[0])), [("racks_several", "sleds")]),
]

SILENT: list[Edit] = [
    (_COLLECTION, ("-59 minutes",)),
    (_COLLECTION, ("4 minutes",)),
    (_OLD_GROUP, (NOWHERE, "239.1.2.3", GROUP4)),
    (_TOMBSTONE, (NOWHERE, GROUP4, NOWHERE, SLEDS[0], "239.1.2.3")),
    ("UPDATE inv_sled_agent SET hw_baseboard_id = NULL", ()),
    ("UPDATE inv_service_processor SET sp_slot = 14, sp_type = 'switch' WHERE sp_slot = 15", ()),
    ("WITH gone AS (DELETE FROM underlay_multicast_group) UPDATE multicast_group SET state = 'creating'", ()),
]
"""Inside both limits of age; groups and members that are gone; unknown boards; a slot of another kind; new groups."""

ELSEWHERE = {"group_vlan_ignored", "member_is_probe", "member_without_address"}
"""Codes of rows of some schemas alone, tested where those are read."""


@pytest.fixture
def sound(shared: str) -> str:
    """A database with whose rows nothing is wrong."""
    load(shared, small_rack())
    meddle(shared, "UPDATE inv_collection SET time_started = now(), time_done = now()")
    return shared


def test_nothing_is_found_where_nothing_is_wrong(sound: str) -> None:
    """The rack that the other tests edit has no finding of its own."""
    assert check(read(sound)) == ()


@pytest.mark.parametrize(("edit", "expected"), FOUND)
def test_each_edit_is_found(sound: str, edit: Edit, expected: list[tuple[str, str]]) -> None:
    """One edit is found with its code and its subject, and nothing else is."""
    meddle(sound, edit[0], *edit[1])
    stored = read(sound)
    collection = stored.inventory and stored.inventory.collection_id
    named = [(code, subject.format(collection=collection)) for code, subject in expected]
    findings = check(stored)
    assert [(finding.code, finding.subject) for finding in findings] == named
    assert all(finding.severity is CHECKS[finding.code][0] for finding in findings)


@pytest.mark.parametrize("edit", SILENT)
def test_what_is_in_order_is_not_told(sound: str, edit: Edit) -> None:
    """Edits inside the limits are not found."""
    meddle(sound, edit[0], *edit[1])
    assert check(read(sound)) == ()


def test_every_code_is_tested() -> None:
    """Each code of the table stands in a test, and none of them is also one of the planner's."""
    assert {code for _, expected in FOUND for code, _ in expected} | ELSEWHERE == set(CHECKS)
    assert not set(CHECKS) & set(FINDINGS)


def test_findings_are_sorted_and_told_once(sound: str) -> None:
    """What reading found stands among what the checks find, in the fixed order."""
    for statement, values in (edit for edit, _ in FOUND[::5]):
        meddle(sound, statement, *values)
    findings = check(read(sound))
    assert len(findings) > 1
    assert findings == sorted_findings(findings)


def test_checks_need_no_driver() -> None:
    """What takes rows and returns records or findings is imported where no driver of databases is installed."""
    pure = ("checks", "refusals", "rows", "schema", "statements", "stored", "values")
    without = "import sys; sys.modules['psycopg'] = None; "
    subprocess.run(
        [sys.executable, "-c", without + "".join(f"import collector.{name}; " for name in pure)], check=True
    )


def test_an_unknown_code_is_our_mistake() -> None:
    """A code outside the table cannot be told."""
    with pytest.raises(InvariantError, match="no such code"):
        found("no_such_code", "x", "y")
