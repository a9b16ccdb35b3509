"""The language of the cases: expectations that are not met, or that nobody could meet, are noticed."""

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.planner.case_files import CASES, Case, at, differences, id_of, merged, named, read_case, read_expectations

TABLES = {"rows": [{"id": "a", "n": 1}, {"id": "b", "n": 2}], "slots": {"x": {"n": []}, "y": {"n": [1]}}}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("rows[a].n", [1]),
        ("rows[2].id", ["b"]),
        ("rows[].n", [[1, 2]]),
        ("slots.*.n", [[], [1]]),
        ("slots.y", [{"n": [1]}]),
    ],
)
def test_paths_lead_to_what_stands_there(path: str, found: list[Any]) -> None:
    """A path picks keys, every key, one row, or a field of all rows."""
    assert at(TABLES, path) == found


@pytest.mark.parametrize("path", ["row", "rows[c].n", "rows.id", "slots.x.m", "slots.x.n.*", "rows[a]]", "slots!"])
def test_paths_that_lead_nowhere_fail(path: str) -> None:
    """A path that finds nothing is a mistake of the case, never a silent success."""
    with pytest.raises(AssertionError):
        at(TABLES, path)


def changed(**sections: Any) -> Case:
    """Return a good case with some of its expectations replaced."""
    case = read_case(CASES / "departure_from_the_parent")
    assert differences(case) == []
    return evolve(case, expected=case.expected | sections)


@pytest.mark.parametrize(
    "sections",
    [
        {"values": {"groups[group-1].salt": 1}},
        {"values": {"sleds.*.subscriptions": [], "switches.*.mrib_routes": [1]}},
        {"findings": {}},
        {"findings": {"group_without_members": ["group group-2"]}},
        {"transitions": []},
        {"held": {"group-1": "group_address_shared"}},
        {"same_as_parent": ["sleds"]},
        {"is_parent": True},
    ],
    ids=lambda sections: next(iter(sections)),
)
def test_expectations_that_are_not_met_are_told(sections: dict[str, Any]) -> None:
    """Each section can fail."""
    assert differences(changed(**sections)) != []


@pytest.mark.parametrize("text", ["values:", "vaules: {}", "[]", ""], ids=["nothing", "typo", "list", "empty"])
def test_expectation_files_are_read_strictly(tmp_path: Path, text: str) -> None:
    """A section that nobody reads, or none at all, is refused."""
    (tmp_path / "expect.yaml").write_text(text)
    with pytest.raises(AssertionError):
        read_expectations(tmp_path / "expect.yaml")


def test_bases_are_merged_row_by_row() -> None:
    """Objects are merged by key, rows by id, and other lists are replaced."""
    base = {"a": 1, "rows": [{"id": "x", "n": 1, "m": 1}, {"id": "y"}], "list": [1, 2], "deep": {"p": 1, "q": 2}}
    change = {"rows": [{"id": "x", "n": 2}, {"id": "z"}], "list": [3], "deep": {"q": None}}
    assert merged(base, change) == {
        "a": 1,
        "rows": [{"id": "x", "n": 2, "m": 1}, {"id": "y"}, {"id": "z"}],
        "list": [3],
        "deep": {"p": 1, "q": None},
    }


def test_names_stand_for_ids_in_their_order() -> None:
    """Names become ids and come back, and are in the order of the ids."""
    names = ["group-1", "group-2", "group-10", "group-255", "group-a", "group-b"]
    ids = [id_of(name) for name in names]
    assert ids == sorted(ids)
    assert named(list(map(str, ids))) == names
