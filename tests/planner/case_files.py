"""How a case is read: a folder with what goes into a plan and what shall come out.

    snapshot.yaml          what the planner gets; its head comment says what is to be seen
    parent_snapshot.yaml   if there: planned first, and its blueprint is the parent
    expect.yaml            what the blueprint holds

Snapshot files are snapshots with four shorthands:

    names      ``sled-a``, ``group-1``, ``vm-1``, ``vmm-1``, ``member-1``, ``underlay-1``, ``migration-1`` stand for
               ids; equal names are equal ids, and ids of one kind are in the order of their names
    base       a file to start from; objects are merged key by key, rows of one id field by field, other lists not
    without    rows and switches that the base has and this snapshot has not
    defaults   a group was created an hour ago under the name of its id; a member has its group's address and takes
               any source

``expect.yaml`` speaks of the expanded form, with names for ids:

    values          path to what stands there; in a path ``.key`` goes down, ``.*`` means every key, ``[text]`` picks
                    the one row that holds the text in a field, and ``[]`` collects from all rows
    same_as_parent  paths under which nothing changed
    findings        code to subjects: all there are
    transitions     ``member member-1 joining -> joined on sled-a``: all there are
    held            group to the code that holds it: all there are
    is_parent       true: the plan is its parent

What is not listed under findings, transitions and held must not be there, so these three need no reminder.
"""

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

from attrs import frozen

from blueprints.blueprint import Blueprint
from blueprints.documents import expanded, snapshot_from
from blueprints.notation import loads
from blueprints.snapshot import Snapshot
from planner.plan import plan

CASES = Path(__file__).parent / "cases"

KINDS = ("sled", "group", "member", "vm", "vmm", "underlay", "migration")
_NAME = re.compile(rf"({'|'.join(sorted(KINDS, key=len, reverse=True))})-([a-z]|[0-9]{{1,3}})")
_ID = re.compile(r"([0-9a-f]{8})-ca5e-4000-8000-([0-9a-f]{12})")


def id_of(name: str) -> UUID:
    """Return the id that *name* stands for."""
    match = _NAME.fullmatch(name)
    assert match, f"{name} is no name of a row"
    number = int(match[2]) if match[2].isdecimal() else ord(match[2]) - ord("a") + 1000
    return UUID(f"{KINDS.index(match[1]) + 1:08x}-ca5e-4000-8000-{number:012x}")


def _name_of(match: re.Match[str]) -> str:
    number = int(match[2], 16)
    return f"{KINDS[int(match[1], 16) - 1]}-{chr(number - 1000 + ord('a')) if number >= 1000 else number}"


def named(value: Any) -> Any:
    """Return plain data with names for the ids of a case."""
    return json.loads(_ID.sub(_name_of, json.dumps(value)))


def _unnamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unnamed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unnamed(item) for item in value]
    return str(id_of(value)) if isinstance(value, str) and _NAME.fullmatch(value) else value


# --- snapshots ------------------------------------------------------------------------------------------------------


def merged(base: Any, change: Any) -> Any:
    """Return *base* with *change* laid over it."""
    if isinstance(base, dict) and isinstance(change, dict):
        return {**base, **{key: merged(base.get(key), value) for key, value in change.items()}}
    if _are_rows(base) and _are_rows(change):
        rows = {row["id"]: row for row in base}
        return list((rows | {row["id"]: merged(rows.get(row["id"]), row) for row in change}).values())
    return change


def _are_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) and "id" in row for row in value)


def _document(path: Path) -> dict[str, Any]:
    document = loads(path.read_text("utf-8"), str(path))
    assert isinstance(document, dict), path
    base = document.pop("base", None)
    gone = document.pop("without", [])
    whole = merged(_document(path.parent / base), document) if base else document
    tables = {key: value for key, value in whole.items() if _are_rows(value)}
    known = {row["id"] for rows in tables.values() for row in rows} | set(whole["switches"])
    assert set(gone) <= known, f"{path}: without nothing"
    left = {key: [row for row in rows if row["id"] not in gone] for key, rows in tables.items()}
    return whole | left | {"switches": {slot: its for slot, its in whole["switches"].items() if slot not in gone}}


def read_snapshot(path: Path) -> Snapshot:
    """Return the snapshot in the case file *path*."""
    document = _document(path)
    groups = {row["id"]: row for row in document["groups"]}
    for row in groups.values():
        row.setdefault("name", f"name of {row['id']}")
        row.setdefault("time_created", "2026-08-01T11:00:00Z")
    for row in document["members"]:
        row.setdefault("source_ips", [])
        if "multicast_ip" not in row:
            row["multicast_ip"] = groups[row["group_id"]]["multicast_ip"]
    return snapshot_from(_unnamed(document), str(path))


# --- expectations ---------------------------------------------------------------------------------------------------

_STEP = re.compile(r"\.?(?P<key>[A-Za-z0-9_*-]+)|\[(?P<row>[^\]]*)\]")


def at(value: Any, path: str) -> list[Any]:
    """Return what stands under *path*: one value, or one for each key that a ``*`` stands for.

    Raises:
        AssertionError: the path leads nowhere.
    """
    found, place = [value], 0
    while place < len(path):
        step = _STEP.match(path, place)
        assert step, f"{path}: not a path from {path[place:]}"
        place = step.end()
        if step["row"] == "":
            return [[each for row in rows for each in at(row, path[place:])] for rows in found]
        found = [each for item in found for each in _down(item, step, path)]
    return found


def _down(value: Any, step: re.Match[str], path: str) -> list[Any]:
    if step["row"]:
        assert isinstance(value, list), f"{path}: no list to pick {step['row']} from"
        rows = [row for row in value if step["row"] in map(str, row.values())]
        assert len(rows) == 1, f"{path}: {len(rows)} rows hold {step['row']}"
        return rows
    assert isinstance(value, dict), f"{path}: nothing below {step['key']}"
    if step["key"] == "*":
        assert value, f"{path}: no keys"
        return list(value.values())
    assert step["key"] in value, f"{path}: there is no {step['key']} among {', '.join(value)}"
    return [value[step["key"]]]


def _findings(tables: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in tables["findings"]:
        found.setdefault(row["code"], []).append(row["subject"])
    return found


def _transitions(tables: Any) -> list[str]:
    return [
        f"{row['subject']} {row['id']} {row['from']} -> {row['to']}"
        + (f" on {row['sled_id']}" if row["sled_id"] else "")
        for row in tables["transitions"]
    ]


@frozen(kw_only=True)
class Case:
    """A case that was planned."""

    snapshot: Snapshot
    parent: Blueprint | None
    blueprint: Blueprint
    expected: dict[str, Any]

    @property
    def tables(self) -> Any:
        """The expanded form, with names for ids."""
        return named(expanded(self.blueprint))


SECTIONS = frozenset({"values", "same_as_parent", "findings", "transitions", "held", "is_parent"})


def read_expectations(path: Path) -> dict[str, Any]:
    """Return the expectations in the file *path*.

    Raises:
        AssertionError: there are none, or a section that nobody reads.
    """
    expected = loads(path.read_text("utf-8"), str(path))
    assert isinstance(expected, dict), f"{path}: expects nothing"
    assert set(expected) <= SECTIONS, f"{path}: unknown sections {sorted(set(expected) - SECTIONS)}"
    assert all(expected.values()), f"{path}: an empty section says nothing"
    return expected


def read_case(folder: Path) -> Case:
    """Return the case in *folder*, planned."""
    files = {path.name for path in folder.iterdir()}
    assert files <= {"snapshot.yaml", "parent_snapshot.yaml", "expect.yaml"}, files
    assert (folder / "snapshot.yaml").read_text("utf-8").startswith("# "), (
        f"{folder}: does not say what is to be seen"
    )
    has_parent = "parent_snapshot.yaml" in files
    parent = plan(read_snapshot(folder / "parent_snapshot.yaml")) if has_parent else None
    snapshot = read_snapshot(folder / "snapshot.yaml")
    return Case(
        snapshot=snapshot,
        parent=parent,
        blueprint=plan(snapshot, parent),
        expected=read_expectations(folder / "expect.yaml"),
    )


def differences(case: Case) -> list[str]:
    """Return in which lines *case* is not what is expected of it; empty if it is."""
    tables, expected = case.tables, case.expected
    wrong = []
    for path, wanted in expected.get("values", {}).items():
        wrong += [
            f"{path}: {json.dumps(found)}, expected {json.dumps(wanted)}"
            for found in at(tables, path)
            if found != wanted
        ]
    for path in expected.get("same_as_parent", []):
        assert case.parent is not None, f"{path}: there is no parent to be the same as"
        if at(tables, path) != at(named(expanded(case.parent)), path):
            wrong.append(f"{path}: not as in the parent")
    for section, found, nothing in (
        ("findings", _findings(tables), {}),
        ("transitions", _transitions(tables), []),
        ("held", {row["id"]: row["because"] for row in tables["held"]}, {}),
        ("is_parent", case.blueprint is case.parent, False),
    ):
        if found != expected.get(section, nothing):
            wrong.append(f"{section}: {json.dumps(found)}")
    return wrong
