"""`rackcast explain`: causes and blockers, as people and programs get them."""

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner

from blueprints.files import write_blueprint
from blueprints.sealing import sealed
from blueprints.snapshot import MemberState
from planner.plan import plan
from rackcast.main import rackcast
from tests.planner.case_files import CASES, id_of, read_case
from tests.rackcast.conftest import Run


def told(tmp_path: Path, case: str, *words: str, code: int = 0) -> Any:
    """Return what `explain --json` prints of a case's blueprint."""
    done = explained(tmp_path, case, *words, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.output)


def explained(tmp_path: Path, case: str, *words: str) -> Any:
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
        facts = causes_of(entry)
        assert facts["membership"] == [f"member {id_of('member-1')}"]
        assert facts["instance"] == [f"instance {entry['names']['instance']}"]
        assert facts["sled"] == [f"sled {entry['names']['sled']}"]


def test_options_narrow_down(tmp_path: Path) -> None:
    """Options leave the entries of one switch."""
    entries = told(tmp_path, "sources_asm_mixed", "route", "--switch", "1")["entries"]
    assert {entry["names"]["switch"] for entry in entries} == {"switch1"}


def test_an_unknown_entry_is_wrong_usage(tmp_path: Path) -> None:
    """What is not there ends with 2 and says what there is."""
    done = explained(tmp_path, "sources_asm_mixed", "m2p", "--group", "239.9.9.9")
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
    done = explained(tmp_path, "sources_asm_mixed", "route", "--why-not")
    assert done.exit_code == 0
    assert "It is there." in done.output
    assert "a live row of a group is planned" in done.output


def test_any_source_is_asked_for_by_a_star(tmp_path: Path) -> None:
    """What takes any source is found under *, in every table that has sources, and nothing else is."""
    for kind, case in (("group", "sources_asm_any"), ("external", "sources_asm_any"), ("route", "sources_asm_mixed")):
        entries = told(tmp_path, case, kind, "--source", "*")["entries"]
        assert entries
        assert all(entry["value"] == "any" or entry["names"].get("source") == "*" for entry in entries)
    assert told(tmp_path, "sources_asm_specific", "external", "--source", "*", "--why-not")["entries"] == []


def test_a_port_that_nobody_knows_is_not_there(tmp_path: Path) -> None:
    """Its entry says that it is unknown; whoever asks why not is told what is wrong with who names one."""
    words = ["port", "--sled", str(id_of("sled-a")), "--switch", "0"]
    (entry,) = told(tmp_path, "ports_seen_twice_undecided", *words)["entries"]
    assert entry["value"] == "unknown"
    found = told(tmp_path, "ports_seen_twice_undecided", *words, "--why-not")
    assert found["entries"] == []
    assert {
        "fact": f"sled {id_of('sled-a')}",
        "because": "DDM sees it behind rear14, rear16 on switch0 (port_ambiguous)",
    } in found["blockers"]


@pytest.mark.parametrize("word", ["", "group-without-kind"])
def test_an_unknown_selector_is_refused(tmp_path: Path, word: str) -> None:
    """A selector of another kind ends with 2 and lists the kinds."""
    done = explained(tmp_path, "sources_asm_mixed", word)
    assert done.exit_code == 2
    assert "nic-filter" in done.output


def causes_of(entry: dict[str, Any]) -> dict[str, list[str]]:
    """Return the causes of an entry by rule."""
    return {cause["rule"]: cause["any_of"] for cause in entry["because"]}


def test_a_group_that_was_planned_before_rests_on_that(tmp_path: Path) -> None:
    """An old row that shows up late puts nobody aside, because the parent has the group."""
    entries = told(tmp_path, "group_planned_before_an_old_row_shows_up", "group", "--group", "233.252.0.1")["entries"]
    assert [causes_of(entry)["group_succeeds"] for entry in entries] == [
        [f"parent's group {id_of('group-2')}"] for _ in entries
    ]
    assert entries


def test_a_port_that_is_new_does_not_rest_on_the_parent(tmp_path: Path) -> None:
    """A sled that moved is where DDM and inventory say; one that stayed is there for the parent's sake as well."""
    entries = told(tmp_path, "ports_sled_moved", "port", "--switch", "0")["entries"]
    said = {entry["names"]["sled"]: causes_of(entry)["port"] for entry in entries}
    told_by_parent = {sled: any(fact.startswith("parent's port") for fact in facts) for sled, facts in said.items()}
    assert told_by_parent == {str(id_of("sled-a")): False, str(id_of("sled-b")): True}


def transition(tmp_path: Path, case: str, *words: str) -> dict[str, list[str]]:
    """Return the causes of the one transition of a case that *words* leave, by rule."""
    (entry,) = told(tmp_path, case, "transition", *words)["entries"]
    return causes_of(entry)


def test_a_member_that_joins_names_what_lets_it_hear(tmp_path: Path) -> None:
    """Told to be joined, a row rests on itself, its group, its instance and the sled."""
    causes = transition(tmp_path, "member_joining_with_a_stale_sled", "--instance", str(id_of("vm-1")))
    assert causes["transition"] == [f"member {id_of('member-1')}"]
    assert causes["group_row"] == [f"group {id_of('group-1')}"]
    assert causes["instance"] == [f"instance {id_of('vm-1')}"]
    assert set(causes) == {"transition", "group_row", "instance", "sled"}


def test_a_member_that_joins_with_sources_of_before_names_them(tmp_path: Path) -> None:
    """Where none of its own sources can be granted it joins for what the parent had it hear."""
    read = read_case(CASES / "sources_all_refused_with_a_parent")
    rows = [evolve(row, state=MemberState.JOINING) for row in read.snapshot.members]
    path = tmp_path / "blueprint.json"
    write_blueprint(str(path), plan(evolve(read.snapshot, members=rows), read.parent))
    done = CliRunner().invoke(rackcast, ["explain", str(path), "transition", "--json"])
    told_of = [causes_of(entry) for entry in json.loads(done.output)["entries"]]
    memory = f"parent's subscription of instance {id_of('vm-1')} to 233.252.0.1"
    assert [causes["sources_kept"] for causes in told_of] == [[memory]]


def test_a_member_that_is_parked_names_the_instance_that_lost_its_process(tmp_path: Path) -> None:
    """A VMM that has no row is the instance's affair, and the entry says which one it is."""
    causes = transition(tmp_path, "member_vmm_row_gone", "--group", "233.252.0.1")
    assert causes["process_gone"] == [f"instance {id_of('vm-1')}"]


def test_a_tombstone_that_is_released_names_the_process_that_leaves(tmp_path: Path) -> None:
    """A leave is sent because the instance is on that sled; nothing else needs the tombstone."""
    causes = transition(tmp_path, "tombstone_on_the_sled_of_the_instance")
    assert causes == {"transition": [f"member {id_of('member-2')}"], "leave_sent": [f"instance {id_of('vm-2')}"]}


def test_members_of_a_group_that_ends_name_it(tmp_path: Path) -> None:
    """A member is told to end because its group is being deleted."""
    causes = transition(tmp_path, "member_of_ending_group", "--instance", str(id_of("vm-1")))
    assert causes["group_ends"] == [f"group {id_of('group-1')}"]


def test_a_transition_is_found_by_the_row_that_is_told(tmp_path: Path) -> None:
    """The group's own and each member's can be asked for alone, by id or its beginning, and why there is none."""
    case, group, member = "group_creating_with_a_member", str(id_of("group-1")), str(id_of("member-1"))
    for row in (group, member, group[:9], member.upper()):
        (entry,) = told(tmp_path, case, "transition", "--subject", row)["entries"]
        assert entry["names"]["id"].startswith(row.lower())
    (entry,) = told(tmp_path, case, "transition", "--subject", group, "--why-not")["entries"]
    assert entry["names"]["subject"] == "group"
    idle = "group_active_without_a_receiver"
    why = [told(tmp_path, idle, "transition", "--why-not", "--subject", row) for row in (group, member)]
    facts_told = [[blocker["fact"] for blocker in each["blockers"]] for each in why]
    assert facts_told == [[f"group {group}"], [f"member {member}"]]


def test_a_subject_is_asked_of_transitions_alone(tmp_path: Path) -> None:
    """No other entry is of a row, so that the option would leave none: wrong usage, and it says so."""
    done = explained(tmp_path, "group_creating_with_a_member", "m2p", "--subject", str(id_of("group-1")))
    assert done.exit_code == 2
    assert "--subject names the row that a transition is of" in done.output


def test_groups_that_hold_each_other_name_each_other(tmp_path: Path) -> None:
    """Of two groups on one address each is held because of the other."""
    entries = told(tmp_path, "two_groups_on_one_address", "held")["entries"]
    with_whom = {entry["names"]["group"]: causes_of(entry)["held_with"] for entry in entries}
    first, third = (str(id_of(name)) for name in ("group-1", "group-3"))
    assert with_whom == {first: [f"group {third}"], third: [f"group {first}"]}


def test_a_group_asleep_rests_on_the_parent(tmp_path: Path) -> None:
    """While the feature is off a group is remembered from the parent; no row is asked."""
    (entry,) = told(tmp_path, "feature_disabled", "held")["entries"]
    assert entry["because"] == [{"rule": "asleep", "any_of": [f"parent's group {id_of('group-1')}"]}]
    assert "policy multicast_enabled" in entry["given"]


def test_causes_that_do_not_fit_are_refused(run: Run, tmp_path: Path) -> None:
    """A file whose causes are not those of its entries ends with 7 and says what is wrong."""
    sound = read_case(CASES / "group_creating_with_a_member").blueprint
    (line,) = sound.causes.groups
    lame = evolve(sound, causes=evolve(sound.causes, groups=[evolve(line, members=())]))
    path = tmp_path / "blueprint.json"
    write_blueprint(str(path), sealed(lame, None, 1, sound.snapshot_digest))
    done = run("explain", path, "subscription")
    assert (done.code, done.out) == (7, "")
    assert f"causes: group {line.group} 0 member rows are noted for 1 who hear it" in " ".join(done.err.split())
