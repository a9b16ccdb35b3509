"""Commands that only read and write files: plan, show, check, diff; and what all commands share."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unicodedata import category
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from blueprints.endpoints import Endpoints
from blueprints.files import read_blueprint, read_snapshot, write_endpoints, write_snapshot
from blueprints.notation import loads
from rackcast.main import COMMANDS
from rackcast.saying import HIDDEN, safe
from tests.rackcast.conftest import Ending, Run

FIVE_MISTAKES: dict[str, Callable[[dict[str, Any]], None]] = {
    "groups[0].multicast_ip": lambda s: s["groups"][0].update(multicast_ip="233.252.0"),
    "members[1].state": lambda s: s["members"][1].update(state="waiting"),
    "sleds[0].serial": lambda s: s["sleds"][0].pop("serial"),
    "switches.switch1.colour": lambda s: s["switches"]["switch1"].update(colour="grey"),
    "policy.orphan_grace_seconds": lambda s: s["policy"].update(orphan_grace_seconds="60"),
}


@pytest.fixture
def planned(run: Run, one_group: Path, tmp_path: Path) -> Path:
    """Return the blueprint file of the hand-sized rack."""
    target = tmp_path / "blueprint.json"
    assert run("plan", one_group, "-o", target).code == 0
    return target


def test_plan_writes_the_same_bytes_twice(run: Run, one_group: Path, planned: Path, tmp_path: Path) -> None:
    """Planning one snapshot twice gives the same file, to the byte."""
    again = tmp_path / "again.json"
    run("plan", one_group, "-o", again)
    assert again.read_bytes() == planned.read_bytes()


def test_plan_after_itself_writes_the_parent(run: Run, one_group: Path, planned: Path, tmp_path: Path) -> None:
    """A blueprint planned again with itself as parent is itself, to the byte."""
    again = tmp_path / "again.json"
    ending = run("plan", one_group, "--parent", planned, "-o", again)
    assert "Nothing changes" in ending.err
    assert again.read_bytes() == planned.read_bytes()


def test_signing_changes_neither_digest_nor_id(run: Run, one_group: Path, planned: Path, tmp_path: Path) -> None:
    """Who signs a blueprint is in the file, outside the digest."""
    signed = tmp_path / "signed.json"
    run("plan", one_group, "-o", signed, "--by", "ada", "--comment", "first light")
    blueprint = read_blueprint(str(signed))
    assert blueprint.made is not None
    assert (blueprint.made.by, blueprint.made.comment) == ("ada", "first light")
    assert blueprint.made.at is not None
    assert blueprint.digest == read_blueprint(str(planned)).digest


def test_plan_reads_standard_input_and_writes_standard_output(one_group: Path, planned: Path) -> None:
    """``rackcast plan - -o -`` is a filter."""
    done = subprocess.run(
        [sys.executable, "-m", "rackcast", "plan", "-"], input=one_group.read_bytes(), capture_output=True, check=True
    )
    assert done.stdout == planned.read_bytes()


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".json.gz", ".yaml.gz"])
def test_every_suffix_is_read_and_written(
    run: Run, one_group: Path, planned: Path, tmp_path: Path, suffix: str
) -> None:
    """Snapshots and blueprints may be JSON or YAML, packed or not, and mean the same."""
    snapshot, blueprint = tmp_path / f"s{suffix}", tmp_path / f"b{suffix}"
    write_snapshot(str(snapshot), read_snapshot(str(one_group)))
    assert run("plan", snapshot, "-o", blueprint).code == 0
    data = blueprint.read_bytes()
    assert (gzip.decompress(data) if suffix.endswith(".gz") else data) == planned.read_bytes()


def _spoiled(one_group: Path, tmp_path: Path) -> Path:
    snapshot = loads(one_group.read_text(), one_group.name)
    for spoil in FIVE_MISTAKES.values():
        spoil(snapshot)
    path = tmp_path / "spoiled.json"
    path.write_text(json.dumps(snapshot))
    return path


def test_five_mistakes_are_five_lines_and_write_nothing(run: Run, one_group: Path, tmp_path: Path) -> None:
    """A file with five mistakes reports five, each with its path, ends with 7, and the old blueprint stays."""
    target = tmp_path / "blueprint.json"
    target.write_text("the old one")
    ending = run("plan", _spoiled(one_group, tmp_path), "-o", target)
    assert ending.code == 7
    lines = ending.err.splitlines()
    assert "5 mistakes" in lines[0]
    assert {line.split(":")[0].strip() for line in lines[1:]} == set(FIVE_MISTAKES)
    assert target.read_text() == "the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blueprint.json", "spoiled.json"]


@pytest.mark.parametrize("command", ["plan", "show", "check"])
def test_a_missing_file_is_refused(run: Run, command: str, tmp_path: Path) -> None:
    """A file that is not there is named, and the command ends with 7."""
    ending = run(command, tmp_path / "nowhere.json")
    assert ending.code == 7
    assert "nowhere.json" in ending.err


def test_an_edited_blueprint_is_refused(run: Run, planned: Path) -> None:
    """A blueprint whose content no longer matches its digest is not read."""
    planned.write_text(planned.read_text().replace("rear14", "rear13"))
    ending = run("show", planned)
    assert ending.code == 7
    assert "digest" in ending.err


def test_show_json_is_the_expanded_form(run: Run, planned: Path) -> None:
    """``show --json`` spells out every switch and sled, and can be read again as a blueprint."""
    document = json.loads(run("show", planned, "--json").out)
    assert len(document["sleds"]) == 2
    assert [len(its["m2p"]) for its in document["sleds"].values()] == [1, 1]
    copy = planned.with_name("expanded.json")
    copy.write_text(json.dumps(document))
    assert read_blueprint(str(copy)) == read_blueprint(str(planned))


@pytest.mark.parametrize(
    ("option", "word", "said"),
    [
        ("--group", "market-data", "233.252.0.1"),
        ("--group", "233.252.0.1", "rear14, rear15"),
        ("--group", "5f0c9d3e", "market-data"),
        ("--sled", "00000000-0000-4000-8000-000000000014", "cxgbe0, cxgbe1"),
        ("--switch", "switch1", "33:33:e9:fc:00:01"),
    ],
)
def test_show_finds_a_part_by_its_names(run: Run, planned: Path, option: str, word: str, said: str) -> None:
    """Groups, sleds and switches are found by the names that people have for them."""
    ending = run("show", planned, option, word)
    assert ending.code == 0
    assert said in ending.out


@pytest.mark.parametrize("words", [("--group", "nobody"), ("--sled", "0000"), ("--switch", "switch7")])
def test_show_refuses_names_of_nothing_and_of_several(run: Run, planned: Path, words: tuple[str, str]) -> None:
    """A name that leads nowhere, or to several things, is wrong usage."""
    ending = run("show", planned, *words)
    assert ending.code == 2
    assert words[1] in ending.err


def test_check_holds_for_a_sound_blueprint(run: Run, planned: Path) -> None:
    """A planned blueprint keeps every rule."""
    ending = run("check", planned, "--json")
    document = json.loads(ending.out)
    assert ending.code == 0
    assert document["breaches"] == []
    assert all(rule["holds"] for rule in document["rules"])


def test_check_ends_with_7_for_an_error_finding(run: Run, one_group: Path, tmp_path: Path) -> None:
    """A finding of severity error is planned around, and `check` refuses to pass it over."""
    snapshot, blueprint = tmp_path / "s.yaml", tmp_path / "b.json"
    snapshot.write_text(one_group.read_text().replace("233.252.0.1", "224.0.0.9"))
    assert run("plan", snapshot, "-o", blueprint).code == 0
    ending = run("check", blueprint)
    assert ending.code == 7
    assert "group_address_refused" in ending.out


def _diff(run: Run, one_group: Path, planned: Path, *options: str) -> Ending:
    later = planned.with_name("later.yaml")
    gone = "00000000-0000-4000-a000-000000000002\n    group_id"
    later.write_text(
        one_group.read_text()
        .replace(gone, f"{gone}")
        .replace("source_ips: [10.20.0.5]", "source_ips: [10.20.0.5]\n    time_deleted: 2026-08-01T11:59:59Z")
    )
    after = planned.with_name("after.json")
    assert run("plan", later, "--parent", planned, "-o", after).code == 0
    return run("diff", planned, after, *options)


def test_what_is_said_of_a_plan_is_no_part_of_it(run: Run, one_group: Path, tmp_path: Path) -> None:
    """People are told aside; programs, who ask for it, on standard output unless the blueprint goes there."""
    target = tmp_path / "blueprint.json"
    words = ("plan", one_group, "-o")
    quiet, told = run(*words, target), run(*words, target, "--json")
    assert (quiet.out, "Blueprint " in quiet.err) == ("", True)
    assert (json.loads(told.out)["unchanged"], told.err) == (False, "")
    for options, said in (((), "Blueprint "), (("--json",), '"unchanged": false')):
        printed = run(*words, "-", *options)
        assert (printed.out, said in printed.err) == (target.read_text(), True)


def test_diff_says_what_instances_feel(run: Run, one_group: Path, planned: Path) -> None:
    """`diff` ends with 3 and says first who stops to hear."""
    ending = _diff(run, one_group, planned, "--json")
    document = json.loads(ending.out)
    assert ending.code == 3
    assert [(row["kind"], row["instance"][-1]) for row in document["hearings"]] == [("stops", "2")]
    assert {"underlay_groups", "subscriptions", "departures"} <= {row["table"] for row in document["changes"]}


def test_diff_for_people_names_the_rows(run: Run, one_group: Path, planned: Path) -> None:
    """The text names the port that goes."""
    ending = _diff(run, one_group, planned)
    assert ending.code == 3
    assert "members -rear15" in ending.out


def test_diff_of_a_blueprint_with_itself_is_nothing(run: Run, planned: Path) -> None:
    """Nothing differs: 0."""
    ending = run("diff", planned, planned)
    assert (ending.code, "Nothing differs" in ending.out) == (0, True)


@pytest.mark.parametrize("words", [(), ("--rack",)])
def test_diff_needs_something_to_compare_with(run: Run, planned: Path, words: tuple[str, ...]) -> None:
    """One blueprint alone, or a rack that nobody says where to find, is wrong usage."""
    assert run("diff", planned, *words).code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run: Run, command: str) -> None:
    """``--help`` explains each command and ends well."""
    ending = run(command, "--help")
    assert ending.code == 0
    assert ending.out.startswith("Usage: rackcast " + command) or f" {command} " in ending.out.splitlines()[0]


def test_help_loads_no_heavy_library() -> None:
    """``rackcast --help`` answers without loading what only commands need."""
    code = "import sys; from rackcast.main import main\ntry: main(['--help'])\nexcept SystemExit: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"networkx", "httpx", "cattrs", "rich", "yaml", "dns", "uvicorn", "planner", "simrack"})


def test_names_cannot_steer_the_terminal(run: Run, one_group: Path, tmp_path: Path) -> None:
    """Control characters and markup in a tenant's group name are shown, not obeyed."""
    snapshot, blueprint = tmp_path / "s.yaml", tmp_path / "b.json"
    snapshot.write_text(one_group.read_text().replace("name: market-data", 'name: "\\e[31m[bold]\\u202Ered"'))
    assert run("plan", snapshot, "-o", blueprint).code == 0
    for words in ((), ("--group", "233.252.0.1")):
        out = run("show", blueprint, *words).out
        assert "\x1b[31m" not in out
        assert "\u202e" not in out
        assert "\\x1b[31m[bold]\\u202ered" in out


def test_what_people_write_is_shown_to_the_letter(run: Run, one_group: Path, tmp_path: Path) -> None:
    """Names of pictures between colons stay names, in a comment as in a group's name."""
    snapshot, blueprint = tmp_path / "s.yaml", tmp_path / "b.json"
    snapshot.write_text(one_group.read_text().replace("name: market-data", 'name: ":fire:"'))
    ending = run("plan", snapshot, "--comment", ":rocket: [b]now[/b]", "-o", blueprint)
    assert (ending.code, ":rocket: [b]now[/b]" in ending.err) == (0, True)
    assert ":fire:" in run("show", blueprint).out


@given(st.text())
def test_no_text_reaches_a_terminal_with_what_steers_it(text: str) -> None:
    """All that is hidden is escaped, and nothing else is changed."""
    said = safe(text)
    assert not any(category(char) in HIDDEN for char in said)
    assert said == "".join(
        char.encode("unicode_escape").decode() if category(char) in HIDDEN else char for char in text
    )


def test_show_json_of_one_group_is_its_rows_everywhere(run: Run, one_group: Path, tmp_path: Path) -> None:
    """A part of the expanded JSON keeps every key, and of every table the rows that belong to the part."""
    text = one_group.read_text()
    second = """
  - id: 5f0c9d3e-8b1a-4a9e-9b4c-2d7b0d1c6a22
    name: other
    multicast_ip: 233.252.0.9
    state: active
    time_created: 2026-08-01T11:59:30Z
"""
    snapshot, blueprint = tmp_path / "s.yaml", tmp_path / "b.json"
    snapshot.write_text(text.replace("\nunderlay_groups: []", second + "\nunderlay_groups: []"))
    assert run("plan", snapshot, "-o", blueprint).code == 0
    whole = json.loads(run("show", blueprint, "--json").out)
    part = json.loads(run("show", blueprint, "--json", "--group", "market-data").out)
    assert list(part) == list(whole)
    assert [len(its["underlay_groups"]) for its in (*whole["switches"].values(), *part["switches"].values())] == [
        2,
        2,
        1,
        1,
    ]
    assert part["sleds"] == whole["sleds"]
    one = json.loads(run("show", blueprint, "--json", "--switch", "switch1").out)
    assert (list(one["switches"]), one["sleds"], one["groups"]) == (["switch1"], {}, whole["groups"])


@pytest.mark.parametrize("options", [(), ("--group", "market-data"), ("--switch", "0")])
def test_showing_a_sound_blueprint_loads_nothing_that_finds_mistakes(planned: Path, options: tuple[str, ...]) -> None:
    """A canonical file is read without cattrs, YAML and snapshots, and without what commands at a rack need."""
    words = ["show", str(planned), *options]
    code = f"import sys; from rackcast.main import main\ntry: main({words})\nexcept SystemExit: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "blueprints.quick_blueprint" in loaded
    needless = {
        "cattrs",
        "yaml",
        "networkx",
        "httpx",
        "asyncio",
        "dns",
        "planner",
        "executor",
        "collector",
        "simrack",
    }
    needless_of_ours = {"converter", "documents", "observation", "snapshot", "written"}
    assert loaded.isdisjoint(needless | {f"blueprints.{name}" for name in needless_of_ours})


def test_carrying_out_loads_nothing_that_it_does_not_use(planned: Path, tmp_path: Path) -> None:
    """A run whose files have no mistake, and that nobody watches, loads neither what reads YAML nor what draws."""
    endpoints = tmp_path / "endpoints.json"
    write_endpoints(str(endpoints), Endpoints(switches={}, sleds={}))
    words = ["execute", str(planned), "--endpoints", str(endpoints), "--json", "--report", str(tmp_path / "report")]
    code = f"import sys; from rackcast.main import main\ntry: main({words})\nexcept SystemExit: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert {"httpx", "executor.run", "blueprints.quick_endpoints"} <= loaded
    assert loaded.isdisjoint({"cattrs", "yaml", "rich", "pygments", "networkx", "dns", "planner", "simrack"})


def test_nothing_is_looked_through_when_a_command_has_ended() -> None:
    """At the end of the process nothing is left for the collector of cycles, which was on for what went before."""
    code = """
import atexit, gc
atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 10_000 > gc.get_count()[0]))
from rackcast.main import main
main(["--version"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True True"


def test_what_a_plan_misses_and_remembers_is_shown(run: Run, one_group: Path, planned: Path, tmp_path: Path) -> None:
    """A switch that is not in the snapshot any more, and the group whose ports have yet to leave."""
    snapshot = read_snapshot(str(one_group))
    (old,) = snapshot.groups
    switches = {slot: row for slot, row in snapshot.switches.items() if slot.value != "switch0"}
    after = evolve(snapshot, switches=switches, groups=(evolve(old, id=UUID(int=99)),), members=())
    later, blueprint = tmp_path / "later.yaml", tmp_path / "later.json"
    write_snapshot(str(later), after)
    assert run("plan", later, "--parent", planned, "-o", blueprint).code == 0
    shown = run("show", blueprint).out
    assert "1 switch, switch0 missing;" in shown
    assert "Former groups that ports have to leave" in shown
    assert str(old.id) in shown
    compared = json.loads(run("diff", planned, blueprint, "--json").out)
    told = {(row["table"], json.dumps(row["after"])) for row in compared["changes"]}
    assert ("missing_switches", '{"switch": "switch0"}') in told
    assert ("former_groups", json.dumps({"id": str(old.id), "multicast_ip": old.multicast_ip.text})) in told
