"""`rackcast explain`: causes and blockers, as people and programs get them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from blueprints.files import write_blueprint
from planner.plan import plan
from rackcast.main import rackcast
from tests.planner.case_files import CASES, id_of, read_case


def told(tmp_path: Path, case: str, *words: str, code: int = 0) -> Any:
    """Return what `explain --json` prints of a case's blueprint."""
    done = run(tmp_path, case, *words, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.output)


def run(tmp_path: Path, case: str, *words: str) -> Any:
    """Return how `explain` ends for a case's blueprint."""
    read = read_case(CASES / case)
    path = tmp_path / "blueprint.json"
    write_blueprint(str(path), plan(read.snapshot, read.parent))
    return CliRunner().invoke(rackcast, ["explain", str(path), *words])


def test_a_subscription_names_its_member_row(tmp_path: Path) -> None:
    """Each subscription rests on its member row, its instance and its sled."""
    entries = told(tmp_path, "group_creating_with_a_member", "subscription")["entries"]
    assert entries
    for entry in entries:
        facts = {cause["rule"]: cause["any_of"] for cause in entry["because"]}
        assert facts["membership"] == [f"member {id_of('member-1')}"]
        assert facts["instance"] == [f"instance {entry['names']['instance']}"]
        assert facts["sled"] == [f"sled {entry['names']['sled']}"]


def test_options_narrow_down(tmp_path: Path) -> None:
    """Options leave the entries of one switch."""
    entries = told(tmp_path, "sources_asm_mixed", "route", "--switch", "1")["entries"]
    assert {entry["names"]["switch"] for entry in entries} == {"switch1"}


def test_an_unknown_entry_is_wrong_usage(tmp_path: Path) -> None:
    """What is not there ends with 2 and says what there is."""
    done = run(tmp_path, "sources_asm_mixed", "m2p", "--group", "239.9.9.9")
    assert done.exit_code == 2
    assert "there is sled" in done.output


def test_why_not_names_the_blocker(tmp_path: Path) -> None:
    """A group that the snapshot does not have keeps its entries away, and that is no error."""
    found = told(tmp_path, "sources_asm_mixed", "m2p", "--group", "239.9.9.9", "--why-not")
    assert found["entries"] == []
    assert found["blockers"] == [{"fact": "group 239.9.9.9", "because": "the snapshot has no such group"}]


def test_why_not_of_a_source_that_nobody_names(tmp_path: Path) -> None:
    """A route for a source is kept away because no member names it."""
    group = read_case(CASES / "sources_asm_mixed").blueprint.groups[0]
    words = ["--group", group.multicast_ip.text, "--source", "10.99.0.1", "--why-not"]
    found = told(tmp_path, "sources_asm_mixed", "route", *words)["blockers"]
    assert found == [{"fact": f"members of group {group.id}", "because": "none of them names 10.99.0.1"}]


def test_why_not_of_what_is_there_says_so(tmp_path: Path) -> None:
    """Asked why an entry is not there that is, it says so and gives its causes."""
    done = run(tmp_path, "sources_asm_mixed", "route", "--why-not")
    assert done.exit_code == 0
    assert "It is there." in done.output
    assert "a live row of a group is planned" in done.output


@pytest.mark.parametrize("word", ["", "group-without-kind"])
def test_an_unknown_selector_is_refused(tmp_path: Path, word: str) -> None:
    """A selector of another kind ends with 2 and lists the kinds."""
    done = run(tmp_path, "sources_asm_mixed", word)
    assert done.exit_code == 2
    assert "nic-filter" in done.output
