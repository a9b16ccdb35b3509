"""Whole runs against a simulated rack that answers nothing but the truth."""

import asyncio
from typing import Any

import httpx
import pytest
from attrs import evolve

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from blueprints.endpoints import SubscriptionForm
from blueprints.run_report import Outcome
from blueprints.snapshot import MemberPorts, Policy, Snapshot, UnderlayRow
from blueprints.text import dumps
from executor import compare, execute
from executor.actions import FORMS, Effect, Observability
from executor.changes import Kind
from executor.exchanges import Exchange
from executor.observe import NO_ENDPOINT
from executor.progress import CallFinished, Event, Observed, StageStarted
from executor.report import Report, unfinished
from simrack.background import running
from simrack.web.versions import NEWEST, DaemonKind
from tests.executor.bench import LOSSY, QUICK, Bench, planned
from tests.simrack.rows import (
    G4,
    G6,
    GROUP4,
    LISTENER,
    MOVER,
    PICKER,
    READER,
    S4,
    S6,
    SLEDS,
    SWITCH0,
    SWITCH1,
    TAG4,
    U4,
    U6,
    group,
    instance,
    member,
    small_rack,
    uid,
)

PLAN = planned(small_rack())


def without(*members: int) -> Snapshot:
    """Return the small rack without some of its members."""
    rack = small_rack()
    return evolve(rack, members=[row for place, row in enumerate(rack.members) if place not in members])


def doubled() -> Blueprint:
    """Return the plan with one mapping twice on one sled."""
    sled, tables = next(iter(PLAN.sleds.items()))
    return evolve(PLAN, sleds={**PLAN.sleds, sled: evolve(tables, m2p=(*tables.m2p, tables.m2p[0]))})


def sent(report: Report) -> list[tuple[str, str, str, Any]]:
    """Return the calls of a report as they went over the wire."""
    return [(str(a.call.target), a.call.method, a.call.path, a.call.body) for a in report.actions]


def test_an_empty_rack_converges_and_packets_arrive(bench: Bench) -> None:
    """After one run every receiver hears its group exactly once, whatever it takes."""
    report = bench.run(PLAN)
    assert (report.outcome, report.exit_code, report.owed) == (Outcome.CONVERGED, 0, ())
    assert bench.heard(G4, S4) == {LISTENER: 1, PICKER: 1, MOVER: 1}
    assert bench.heard(G4, "10.20.0.77") == {LISTENER: 1, MOVER: 1}
    assert bench.heard(G6, S6) == {READER: 1}


def test_a_second_run_writes_nothing(bench: Bench) -> None:
    """What is in effect is not written again; only what cannot be read is repeated."""
    bench.run(PLAN)
    bench.forget_calls()
    again = bench.run(PLAN)
    assert (again.outcome, again.counts.get("writes", 0)) == (Outcome.CONVERGED, 0)
    assert {(call["method"], call["path"].split("/")[1]) for call in bench.calls()} == {
        ("PUT", "networking"),
        ("PUT", "instances"),
    }


def test_a_dry_run_shows_the_very_calls_and_sends_none(bench: Bench) -> None:
    """The calls of a dry run are those of the run that follows, in their order."""
    rehearsal = bench.run(PLAN, dry_run=True)
    assert (rehearsal.exit_code, bench.calls()) == (3, [])
    assert sent(rehearsal) == sent(bench.run(PLAN))
    quiet = bench.run(PLAN, dry_run=True)
    assert (quiet.exit_code, {action.call.form.effect for action in quiet.actions}) == (0, {Effect.REASSERT})


def test_a_member_that_leaves_is_taken_out_everywhere(bench: Bench) -> None:
    """The group that lost its only member is gone from switches and sleds, and the other goes on."""
    bench.run(PLAN)
    bench.enter(without(3))
    report = bench.run(planned(without(3), PLAN))
    assert report.exit_code == 0
    state = bench.state()
    assert U6 not in str([sled["m2p"] for sled in state["sleds"].values()])
    assert U6 not in str([sled["forwarding"] for sled in state["sleds"].values()])
    assert bench.heard(G6, S6) == {}
    assert bench.heard(G4, S4) == {LISTENER: 1, PICKER: 1, MOVER: 1}


def test_an_instance_that_moved_is_heard_where_it_is(bench: Bench) -> None:
    """A replaced member port is added before the old one goes, and nobody else notices."""
    bench.run(PLAN)
    rows = [instance(MOVER, 2) if row.id == MOVER else row for row in small_rack().instances]
    moved = evolve(small_rack(), instances=rows)
    bench.enter(moved)
    bench.forget_calls()
    report = bench.run(planned(moved, PLAN))
    assert report.exit_code == 0
    assert bench.heard(G4, S4) == {LISTENER: 1, PICKER: 1, MOVER: 1}


def test_nothing_of_others_is_touched(bench: Bench) -> None:
    """Foreign groups, routes and mappings are byte for byte what they were, and are listed."""
    urls = bench.rack.endpoints.switches[SWITCH0]
    strange = {"group_ip": "ff04::bad", "tag": "backup", "members": []}
    dpd = {"api-version": "12.0.0"}
    assert bench.http.post(f"{urls.dpd}/multicast/underlay-groups", json=strange, headers=dpd).status_code == 201
    route = {"key": {"V4": {"source": None, "group": "239.1.1.1", "vni": 77}}, "underlay_group": "ff04::bad"}
    mgd = {"api-version": "13.0.0"}
    assert bench.http.put(f"{urls.mgd}/static/mroute", json={"routes": [route]}, headers=mgd).status_code == 204
    report = bench.run(PLAN)
    bench.enter(without(0, 1, 2, 3))
    bench.run(planned(without(0, 1, 2, 3), PLAN))
    assert {each.what for each in report.foreign} == {
        "underlay group ff04::bad, tag backup",
        "route (*, 239.1.1.1), VNI 77, to ff04::bad",
    }
    seen = bench.observe().switches[SWITCH0]
    assert [(str(row.group_ip), row.tag) for row in seen.underlay_groups or () if row.tag == "backup"]
    assert [str(row.group) for row in seen.mrib_routes or ()].count("239.1.1.1") == 1


def test_a_foreign_group_in_our_way_is_a_conflict_that_blocks_it_there_alone(bench: Bench) -> None:
    """The group is owed on that switch, and everything else is done."""
    urls = bench.rack.endpoints.switches[SWITCH1]
    strange = {"group_ip": U4, "tag": "backup", "members": []}
    bench.http.post(f"{urls.dpd}/multicast/underlay-groups", json=strange, headers={"api-version": "12.0.0"})
    report = bench.run(PLAN)
    assert report.exit_code == 4
    assert [(owed.target, str(owed.groups[0])) for owed in report.owed] == [("switch1 dpd", G4)]
    assert bench.heard(G4, S4) == {LISTENER: 1, PICKER: 1, MOVER: 1}
    assert "backup" in str(bench.observe().switches[SWITCH1].underlay_groups)


def test_a_rack_with_multicast_disabled_is_not_called(bench: Bench) -> None:
    """No call is made, not even a read."""
    off = planned(small_rack(policy=Policy(multicast_enabled=False)))
    report = bench.run(off)
    assert (report.outcome, dict(report.counts), report.actions) == (Outcome.CONVERGED, {}, ())


def test_derived_members_are_left_to_their_writer(bench: Bench) -> None:
    """Groups are made empty, and members that somebody else adds stay."""
    derived = planned(small_rack(policy=Policy(member_ports=MemberPorts.DERIVED)))
    assert bench.run(derived).exit_code == 0
    body = {"members": [{"port_id": "rear14", "link_id": 0, "direction": "Underlay"}]}
    url = f"{bench.rack.endpoints.switches[SWITCH0].dpd}/multicast/underlay-groups/{U4}?tag={TAG4}"
    assert bench.http.put(url, json=body, headers={"api-version": "12.0.0"}).status_code == 200
    report = bench.run(derived)
    assert (report.exit_code, report.counts.get("writes", 0)) == (0, 0)
    assert report.members_elsewhere == 4


def moved_underlay() -> Snapshot:
    """Return the small rack with another underlay address for its first group."""
    rows = [
        UnderlayRow(id=uid(4, 4), multicast_ip=Address.parse("ff04::e9fc:8"), tag=TAG4),
        *small_rack().underlay_groups[1:],
    ]
    groups = [group(GROUP4, G4, underlay_salt=9), small_rack().groups[1]]
    return evolve(small_rack(), underlay_groups=rows, groups=groups)


def test_a_move_of_the_underlay_address_needs_consent(bench: Bench) -> None:
    """Without consent nothing of the group is written and everybody still hears it; with it, it arrives."""
    bench.run(PLAN)
    bench.forget_calls()
    target = planned(moved_underlay())
    report = bench.run(target)
    assert (report.outcome, report.exit_code) == (Outcome.CONSENT, 5)
    assert all(owed.consent for owed in report.owed)
    assert [call for call in bench.calls() if "ff04::e9fc:8" in str(call)] == []
    assert bench.heard(G4, S4) == {LISTENER: 1, PICKER: 1, MOVER: 1}
    assert bench.run(target, dry_run=True).exit_code == 5
    done = bench.run(target, safeguards=LOSSY)
    assert (done.outcome, done.owed) == (Outcome.CONVERGED, ())
    assert bench.heard(G4, S4) == {LISTENER: 1, PICKER: 1, MOVER: 1}
    assert U4 not in str(bench.observe().switches)
    assert bench.run(target).counts.get("writes", 0) == 0


def test_another_of_our_tags_needs_consent_and_is_rebuilt(bench: Bench) -> None:
    """A tag never changes in place: the group is deleted and made again on one switch after the other."""
    bench.run(PLAN)
    other = evolve(small_rack(), groups=[group(uid(3, 5), G4, underlay_group_id=uid(4, 4)), small_rack().groups[1]])
    other = evolve(
        other, members=[evolve(m, group_id=uid(3, 5)) if m.group_id == GROUP4 else m for m in other.members]
    )
    target = planned(other)
    assert bench.run(target).exit_code == 5
    bench.forget_calls()
    assert bench.run(target, safeguards=LOSSY).exit_code == 0
    order = [call["target"] for call in bench.calls() if call["target"].endswith("dpd")]
    assert order == sorted(order)
    assert bench.heard(G4, S4) == {LISTENER: 1, PICKER: 1, MOVER: 1}


def test_sources_change_on_one_switch_after_the_other(bench: Bench) -> None:
    """A source filter is rewritten by one request per switch, and never on both at once."""
    bench.run(PLAN)
    rows = [member(GROUP4, PICKER, S4) if place == 1 else row for place, row in enumerate(small_rack().members)]
    filtered = evolve(small_rack(), members=[rows[1], rows[3]])
    bench.enter(filtered)
    bench.forget_calls()
    assert bench.run(planned(filtered, PLAN)).exit_code == 0
    calls = [call for call in bench.calls() if "external-groups" in call["path"]]
    assert [(call["target"], call["method"]) for call in calls] == [("switch0 dpd", "PUT"), ("switch1 dpd", "PUT")]
    assert bench.heard(G4, "10.20.0.77") == {}


def test_progress_is_told_in_small_events(bench: Bench) -> None:
    """Listeners hear of the reading, of each stage and of each call."""
    events: list[Event] = []
    report = bench.run(PLAN, progress=events.append)
    assert any(isinstance(event, Exchange) for event in events)
    events = [event for event in events if not isinstance(event, Exchange)]
    assert events[0] == Observed(targets=7, silent=0)
    stages = [event for event in events if isinstance(event, StageStarted)]
    assert sum(stage.calls for stage in stages) == len(report.actions)
    assert len([event for event in events if isinstance(event, CallFinished)]) == len(report.actions)


@pytest.mark.parametrize("dry_run", [False, True], ids=["run", "dry run"])
def test_a_blueprint_that_contradicts_itself_is_refused(bench: Bench, dry_run: bool) -> None:
    """One key twice in one table is refused before anything is read."""
    report = bench.run(doubled(), dry_run=dry_run)
    assert (report.exit_code, dict(report.counts), len(report.refusals)) == (7, {}, 1)


def test_the_report_is_plain_data(bench: Bench) -> None:
    """Every fixed key is there, and every action says where, how, what and what became of it."""
    report = bench.run(PLAN)
    document = report.as_json()
    assert "".join(report.pieces()) == dumps(document)
    assert {"format", "blueprint", "outcome", "actions", "owed", "counts"} <= set(document)
    assert set(document["counts"]) == {"reads", "writes", "reasserts"}
    assert all({"target", "method", "path", "body", "outcome"} <= set(action) for action in document["actions"])


@pytest.mark.parametrize("dry_run", [False, True], ids=["run", "dry run"])
def test_every_report_names_its_blueprint(bench: Bench, dry_run: bool) -> None:
    """A report says which blueprint it is about, a refusal and a run that has not ended too."""
    reports = [bench.run(plan, dry_run=dry_run) for plan in (PLAN, doubled())]
    reports.append(unfinished(PLAN, dry_run=dry_run))
    about = {"id": str(PLAN.id), "digest": PLAN.digest, "generation": PLAN.generation}
    assert [report.as_json()["blueprint"] for report in reports] == [about] * 3
    assert [report.dry_run for report in reports] == [dry_run] * 3
    assert reports[1].outcome is Outcome.REFUSED


def test_a_run_that_has_not_ended_is_not_converged() -> None:
    """What stands in the file while a run goes on owes everything."""
    report = unfinished(PLAN, dry_run=False)
    assert (report.outcome, report.exit_code, len(report.owed)) == (Outcome.PARTIAL, 4, 1)


def test_a_comparison_sends_nothing_and_says_what_would_be_sent(bench: Bench) -> None:
    """Before a run everything differs, after it nothing, and only reads are made."""
    before = asyncio.run(compare(PLAN, bench.rack.endpoints, limits=QUICK))
    assert (before.exit_code, bench.calls()) == (3, [])
    assert all({"target", "method", "path", "subject"} <= set(each) for each in before.as_json()["changes"])
    bench.run(PLAN)
    assert asyncio.run(compare(PLAN, bench.rack.endpoints, limits=QUICK)).exit_code == 0
    bench.fault("switch0 mgd", "refuse", times=None)
    silent = asyncio.run(compare(PLAN, bench.rack.endpoints, limits=QUICK))
    assert (silent.exit_code, [each["target"] for each in silent.as_json()["unknown"]]) == (4, ["switch0 mgd"])


def test_older_daemons_are_spoken_to_in_their_version(control_http: httpx.Client) -> None:
    """A rack of older daemons converges as well."""
    with running(small_rack(), newest={**NEWEST, DaemonKind.DPD: (9, 0, 0)}) as rack:
        assert Bench(rack, control_http).run(PLAN).exit_code == 0


def test_sleds_that_know_ports_by_propolis_are_told_so(bench: Bench) -> None:
    """The other form of the path has the same effect."""
    endpoints = evolve(bench.rack.endpoints, subscriptions=SubscriptionForm.VMM)
    report = asyncio.run(execute(PLAN, endpoints, limits=QUICK))
    assert report.exit_code == 0
    assert {call["path"].split("/")[1] for call in bench.calls() if "multicast-group" in call["path"]} == {"vmms"}
    assert bench.heard(G4, S4) == {LISTENER: 1, PICKER: 1, MOVER: 1}


def test_a_target_without_an_address_is_owed(bench: Bench) -> None:
    """A sled that the blueprint names and the endpoints do not is reported, and no other is taken for it."""
    sleds = {sled: url for sled, url in bench.rack.endpoints.sleds.items() if sled != SLEDS[2]}
    report = asyncio.run(execute(PLAN, evolve(bench.rack.endpoints, sleds=sleds), limits=QUICK))
    assert [(owed.target, owed.because) for owed in report.owed] == [(f"sled {SLEDS[2]}", NO_ENDPOINT)]


def reads(bench: Bench) -> list[tuple[str, str]]:
    """Return target and path of every read on record that a daemon answered."""
    calls = bench.control("GET", "/calls")
    return [(call["target"], call["path"]) for call in calls if call["method"] == "GET" and call["status"] == 200]


AT_REST = {
    "dpd": ["/switch/identifiers", "/multicast/groups"],
    "mgd": ["/switch/identifiers", "/static/mroute"],
    "sled": ["/sled-identifiers", "/networking/mcast-m2p", "/networking/mcast-fwd"],
}
"""What a rack at rest is asked, by daemon."""


def test_a_rack_at_rest_costs_a_fixed_number_of_reads(bench: Bench) -> None:
    """Who it is, and each table once, page by page; nothing is read back, because nothing was written."""
    bench.run(PLAN)
    bench.forget_calls()
    assert bench.run(PLAN).counts.get("writes", 0) == 0
    found = reads(bench)
    assert len(set(found)) == len(found)
    for target in sorted({target for target, _ in found}):
        daemon = "sled" if target.startswith("sled") else target.split()[1]
        asked = sorted(path.partition("?")[0] for name, path in found if name == target)
        pages = 1 if daemon == "dpd" else 0  # the page after the last group is empty
        assert asked == sorted([*AT_REST[daemon], *["/multicast/groups"] * pages]), target
    assert len(found) == 2 * 3 + 2 * 2 + 3 * 3


def test_only_what_was_written_to_is_read_back(bench: Bench) -> None:
    """A run that writes to one daemon reads that one again, and asks nobody twice who it is."""
    bench.run(PLAN)
    bench.control("POST", "/restarts", {"target": "switch0 mgd", "keep_state": False})
    bench.forget_calls()
    assert bench.run(PLAN).counts["writes"] == 1
    twice = sorted({read for read in reads(bench) if reads(bench).count(read) > 1})
    assert twice == [("switch0 mgd", "/static/mroute")]
    assert reads(bench).count(twice[0]) == 2


def test_every_kind_says_how_it_is_known_to_be_in_effect(bench: Bench) -> None:
    """Joins and repeated mappings can be read nowhere, members of a chip only inferred, and reports count them."""
    classes = {kind: form.observed for kind, form in FORMS.items()}
    write_only = {Kind.JOIN, Kind.LEAVE, Kind.MOVE_LEAVE, Kind.M2P_ASSERT}
    assert {kind for kind, each in classes.items() if each is Observability.WRITE_ONLY} == write_only
    inferred = {Kind.MEMBERS_ADD, Kind.MEMBERS_REMOVE}
    assert {kind for kind, each in classes.items() if each is Observability.INFERRED} == inferred
    document = bench.run(PLAN).as_json()
    assert sum(document["observability"].values()) == len(document["actions"])
    assert document["observability"]["write_only"] == document["counts"]["reasserts"]
    compared = asyncio.run(compare(PLAN, bench.rack.endpoints, limits=QUICK)).as_json()
    assert compared["changes"] == []
    assert compared["repeated"] == {"join": 5, "m2p_assert": 6}
    assert compared["observability"] == {"readable": 0, "inferred": 0, "write_only": 11}
