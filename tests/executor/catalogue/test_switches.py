"""Row by row: switches whose dpd restarts, does half, forgets, disagrees, is full or has other writers (``D``)."""

from collections.abc import Iterator
from typing import Any

import pytest
from attrs import evolve

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from blueprints.capacity import excesses
from blueprints.identifiers import SwitchSlot
from blueprints.run_report import Outcome
from blueprints.snapshot import MemberPorts, Policy
from executor import bodies, dpd, order
from executor.actions import FORMS
from executor.changes import Kind
from executor.differences import _Comparison
from executor.drains import drained
from executor.journal import Intents, JournalFile
from executor.limits import Allowance
from executor.observe import Rack
from executor.others import suspicious
from executor.ownership import Ownership
from executor.progress import CallFinished, Event
from executor.safeguards import Safeguards
from executor.statuses import STEPS, Endpoint, Meaning, NextStep
from executor.switch_differences import SwitchView, same_external
from planner.port_claims import backplane_of
from tests.blueprints import test_capacity
from tests.executor.bench import IMPATIENT, Bench, planned
from tests.executor.catalogue.bugs import silence_is_emptiness
from tests.executor.catalogue.scenes import (
    END,
    ENDED,
    EVERYBODY,
    FILTER,
    FILTERED,
    MOVE,
    MOVED,
    ONE_BY_ONE,
    PLAN,
    RACK,
    after_call,
    at_rest,
    member_list,
    owed_kinds,
    ports_of,
    restart,
    sent_to,
    to_dpd,
    to_mgd,
    to_sled,
)
from tests.executor.catalogue.twins import Twin, altered, entry, method, must_fail, replaced
from tests.executor.deaths import keeping
from tests.executor.test_others import without_underlay
from tests.simrack.rows import (
    G4,
    G6,
    PICKER,
    READER,
    S4,
    SLEDS,
    SPEAKER,
    SWITCH0,
    SWITCH1,
    TAG4,
    TAG6,
    U4,
    U6,
    member,
    propolis,
    small_rack,
    switch,
)

ANYBODY = "10.20.0.77"
"""A source that the first group takes until its sources are named."""


BACKPLANE = switch(SWITCH1).backplane or ()


def external(bench: Bench, slot: Any, **changes: Any) -> None:
    """Write the external entry of the first group over, as somebody would who uses our tag."""
    (seen,) = [row for row in PLAN.switches[slot].external_groups if row.group_ip.text == G4]
    body = bodies.external_attributes(evolve(seen, **changes))
    to_dpd(bench, slot, "PUT", f"/multicast/external-groups/{G4}?tag={TAG4}", body)


def test_d1_a_dpd_that_restarted_empty_gets_groups_with_their_members(bench: Bench) -> None:
    """Underlay groups are made with their members in one request each, and external ones after them."""
    bench.run(PLAN)
    restart(bench, "switch0 dpd", keep=False)
    assert bench.heard(G4, S4) == {}
    bench.forget_calls()
    assert bench.run(PLAN).exit_code == 0
    made = [
        (call["method"], call["path"], len(call["body"].get("members", ()))) for call in sent_to(bench, "switch0 dpd")
    ]
    underlay, entry = "/multicast/underlay-groups", "/multicast/external-groups"
    assert made == [("POST", underlay, 3), ("POST", underlay, 1), ("POST", entry, 0), ("POST", entry, 0)]
    at_rest(bench, PLAN)


def test_d2_a_dpd_that_never_answers_holds_up_nobody_but_itself(bench: Bench) -> None:
    """The process is up and its API is silent: a deadline, a debt, and everything else is carried out."""
    bench.fault("switch0 dpd", "timeout_before", times=None)
    report = bench.run(PLAN, limits=evolve(IMPATIENT, request_seconds=0.3))
    assert ("switch0 dpd", None) in {(owed.target, owed.kind) for owed in report.owed}
    assert {owed.target for owed in report.owed} == {"switch0 dpd", "switch0 mgd"}
    bench.calm()
    assert bench.heard(G4, S4, SWITCH1) == EVERYBODY


def gone(bench: Bench, target: str) -> list[str]:
    """Return the groups that a dpd was told to delete."""
    return [call["path"].partition("?")[0].rpartition("/")[2] for call in sent_to(bench, target, "DELETE")]


def half_done(bench: Bench, slot: SwitchSlot = SWITCH0) -> None:
    """Let the chip of a switch take one of two ports of a list, and dpd take the old list back."""
    bench.run(PLAN)
    path = f"/multicast/underlay-groups/{U4}?tag={TAG4}"
    to_dpd(bench, slot, "PUT", path, {"members": member_list("rear14")})
    short = evolve(RACK.switches[slot], backplane=BACKPLANE[:16])
    bench.enter(evolve(RACK, switches={**RACK.switches, slot: short}))
    report = bench.run(PLAN)
    assert owed_kinds(report) >= {(f"{slot.value} dpd", "members_add")}
    (split,) = bench.state()["switches"][slot.value]["soft_state_differs"]
    assert [len(split[side]) for side in ("soft", "chip")] == [1, 2]
    bench.enter(RACK)


def test_d3_a_chip_that_stopped_half_way_gets_its_group_anew(bench: Bench) -> None:
    """Every further list is refused, whatever dpd's own says: the group is deleted there and made again, once."""
    half_done(bench)
    packet = {"group": G4, "source": S4, "from": {"instance": str(SPEAKER)}}
    bench.control("PUT", "/watch", [packet])
    bench.forget_calls()
    report = bench.run(PLAN)
    seen = bench.control("GET", "/watch")
    bench.control("PUT", "/watch", [])
    assert (report.exit_code, report.owed) == (0, ())
    assert gone(bench, "switch0 dpd") == [G4, U4]
    assert bench.state()["switches"]["switch0"]["soft_state_differs"] == []
    assert ports_of(bench, U4) == {"rear14", "rear15", "rear16"}
    assert [step for step in seen if step["heard"][0].get(str(propolis(PICKER))) != 1] == []
    at_rest(bench, PLAN)


def test_d3_no_route_is_withdrawn_where_a_sled_cannot_be_turned(bench: Bench) -> None:
    """The group could not be deleted then, so that what comes from outside would be lost for nothing."""
    slot = next(group.next_hop_switch for group in PLAN.groups if group.multicast_ip.text == G4)
    half_done(bench, slot)
    for sled in SLEDS:
        bench.fault(f"sled {sled}", "status", method="PUT", path="/networking/mcast-fwd", status=500, times=None)
    bench.forget_calls()
    report = bench.run(PLAN)
    assert (f"{slot.value} dpd", "members_add") in owed_kinds(report)
    assert (gone(bench, f"{slot.value} dpd"), sent_to(bench, f"{slot.value} mgd", "DELETE")) == ([], [])
    bench.calm()
    assert bench.run(PLAN).exit_code == 0
    assert bench.state()["switches"][slot.value]["soft_state_differs"] == []


def test_d3_nothing_is_led_around_a_switch_that_cannot_be_read_any_more(bench: Bench) -> None:
    """Where it refuses members and then falls silent, no deletion would follow: routes and sleds stay as they are."""
    slot = next(group.next_hop_switch for group in PLAN.groups if group.multicast_ip.text == G4)
    half_done(bench, slot)
    bench.forget_calls()

    def fall_silent(event: Event) -> None:
        if isinstance(event, CallFinished) and event.failed:
            bench.fault(f"{slot.value} dpd", "status", method="GET", status=501, times=None)

    report = bench.run(PLAN, progress=fall_silent)
    assert (f"{slot.value} dpd", "everything") in owed_kinds(report)
    assert sent_to(bench, f"{slot.value} mgd", "DELETE") == []
    assert [call for call in bench.calls() if call["path"].startswith("/networking/mcast-fwd")] == []
    bench.calm()
    assert bench.run(PLAN).exit_code == 0
    assert bench.state()["switches"][slot.value]["soft_state_differs"] == []
    at_rest(bench, PLAN)


def half_removed(bench: Bench, **options: Any) -> Blueprint:
    """Let a chip lose one of two ports that go, and dpd take both back; return a plan that wants both again."""
    bench.run(PLAN, **options)
    alone = evolve(RACK, members=[RACK.members[0], RACK.members[3]])
    less = planned(alone, PLAN)
    short = evolve(RACK.switches[SWITCH0], backplane=BACKPLANE[:16])
    bench.enter(evolve(alone, switches={**RACK.switches, SWITCH0: short}))
    assert ("switch0 dpd", "members_remove") in owed_kinds(bench.run(less, **options))
    (split,) = bench.state()["switches"]["switch0"]["soft_state_differs"]
    assert [len(split[side]) for side in ("soft", "chip")] == [3, 2]
    bench.enter(RACK)
    return planned(RACK, less)


def test_d3_a_refusal_that_no_list_shows_any_more_is_remembered(bench: Bench, journal: JournalFile) -> None:
    """The next plan wants what dpd lists, so that no change would be refused: the group is made anew all the same."""
    kept: dict[str, Any] = {"safeguards": keeping(journal)}
    plan = half_removed(bench, **kept)
    assert len(journal.read(RACK.rack_id).doubted) == 1
    told = bench.run(plan, dry_run=True, **kept)
    assert any("chip" in owed.because for owed in told.owed)
    assert [(each.group.text, "from outside" in each.what) for each in told.interruptions] == [(G4, True)]
    bench.fault("switch1 dpd", "refuse", times=None)  # who would have to take over does not answer
    bench.forget_calls()
    assert bench.run(plan, **kept).exit_code == 4
    assert gone(bench, "switch0 dpd") == []
    assert {call["method"] for call in sent_to(bench, "switch0 mgd")} == {"PUT"}
    bench.calm()
    assert bench.run(plan, **kept).exit_code == 0
    assert bench.state()["switches"]["switch0"]["soft_state_differs"] == []
    assert journal.read(RACK.rack_id) == Intents()
    at_rest(bench, plan)


def test_d3_what_nobody_can_lead_around_is_healed_with_consent_alone(bench: Bench, journal: JournalFile) -> None:
    """The plan has one switch: its group stays in doubt until somebody accepts what is lost meanwhile."""
    half_removed(bench, safeguards=keeping(journal))
    alone = planned(evolve(RACK, switches={SWITCH0: RACK.switches[SWITCH0]}))
    for dry_run in (True, False):
        report = bench.run(alone, dry_run=dry_run, safeguards=keeping(journal))
        (owed,) = [each for each in report.owed if each.consent]
        assert (report.outcome, "--allow-loss" in owed.because) == (Outcome.CONSENT, True)
    report = bench.run(alone, safeguards=keeping(journal, allow_loss=True))
    assert (report.exit_code, journal.read(RACK.rack_id)) == (0, Intents())
    assert bench.state()["switches"]["switch0"]["soft_state_differs"] == []


def test_d4_a_port_that_is_replaced_is_added_in_one_request_and_removed_in_another(bench: Bench) -> None:
    """The superset first; where it is refused the old port stays, so that somebody is reached in any case."""
    bench.run(PLAN)
    bench.enter(MOVED)
    bench.forget_calls()
    bench.fault("switch1 dpd", "status", status=500, method="PUT", path="/multicast/underlay", times=1)
    report = bench.run(MOVE)
    lists = {
        target: [[port["port_id"] for port in call["body"]["members"]] for call in sent_to(bench, target, "PUT")]
        for target in ("switch0 dpd", "switch1 dpd")
    }
    assert lists["switch0 dpd"] == [["rear14", "rear15"], ["rear15"]]
    assert lists["switch1 dpd"][0] == ["rear14", "rear15"]
    assert ports_of(bench, U6, SWITCH1) == {"rear14"}
    assert ("switch1 dpd", "members_remove") in owed_kinds(report)
    assert bench.run(MOVE).exit_code == 0


def test_d5_a_port_that_the_switch_does_not_have_is_never_sent(bench: Bench) -> None:
    """A sled behind a port that is not on the backplane is a finding of the plan; all others hear the group."""
    short = evolve(RACK.switches[SWITCH1], backplane=BACKPLANE[:15])
    narrow = evolve(RACK, switches={**RACK.switches, SWITCH1: short})
    bench.enter(narrow)
    plan = planned(narrow)
    told = [each.message for each in plan.findings if each.code == "port_not_on_backplane"]
    assert told == ["inventory says rear15 on switch1", "inventory says rear16 on switch1"]
    report = bench.run(plan)
    assert report.exit_code == 0
    assert ports_of(bench, U4, SWITCH1) == {"rear14"}
    assert bench.heard(G4, S4) == EVERYBODY


def forget(bench: Bench) -> None:
    """Let the dpd of the first switch forget an underlay group that its external group still names."""
    bench.fault("switch0 dpd", "entry_missing")
    url = f"{bench.rack.endpoints.switches[SWITCH0].dpd}/multicast/underlay-groups/{U4}?tag={TAG4}"
    answer = bench.http.put(url, json={"members": member_list("rear14")}, headers={"api-version": "12.0.0"})
    assert answer.status_code == 404


def test_d6_an_external_group_is_never_written_over_a_missing_underlay_group(bench: Bench) -> None:
    """Dpd would take an update that leads to a group that is not there, and drop the packets: the update waits."""
    bench.run(PLAN)
    external(bench, SWITCH0, vni=78)
    forget(bench)
    bench.fault("switch0 dpd", "status", status=500, method="POST", times=None)
    bench.forget_calls()
    report = bench.run(PLAN)
    assert report.exit_code == 4
    assert sent_to(bench, "switch0 dpd", "PUT") == []
    bench.calm()
    assert bench.run(PLAN).exit_code == 0
    at_rest(bench, PLAN)


def test_d7_an_underlay_group_goes_after_the_external_one_that_names_it(bench: Bench) -> None:
    """While the external group cannot be deleted the underlay group is left alone, and the next run takes both."""
    bench.run(PLAN)
    bench.enter(ENDED)
    bench.fault("switch0 dpd", "status", status=500, method="DELETE", path=f"/multicast/groups/{G6}", times=None)
    bench.forget_calls()
    report = bench.run(END)
    assert owed_kinds(report) == {("switch0 dpd", "external_delete"), ("switch0 dpd", "underlay_delete")}
    assert gone(bench, "switch0 dpd") == [G6]
    assert gone(bench, "switch1 dpd") == [G6, U6]
    bench.calm()
    assert bench.run(END).exit_code == 0
    at_rest(bench, END)


def test_d8_a_group_that_dpd_forgot_is_made_again_and_reached_again(bench: Bench) -> None:
    """Its rows are swept by a second try, and the external group, which leads to the former one, is written anew."""
    bench.run(PLAN)
    forget(bench)
    strange = {"group_ip": "ff04::bad", "tag": "backup", "members": []}
    to_dpd(bench, SWITCH0, "POST", "/multicast/underlay-groups", strange)  # it gets the ids that became free
    bench.forget_calls()
    assert bench.run(PLAN).exit_code == 0
    assert [(call["method"], call["status"]) for call in sent_to(bench, "switch0 dpd")] == [
        ("POST", 409),
        ("POST", 201),
        ("PUT", 200),
    ]
    at_rest(bench, PLAN)


def test_d8_no_entry_is_written_while_the_group_beneath_is_forgotten(bench: Bench) -> None:
    """It would lead to nobody, and the group, made again under the ids that became free, would hide that."""
    bench.run(PLAN)
    external(bench, SWITCH0, vni=78)
    fewer = {"members": [{"port_id": "rear14", "link_id": 0, "direction": "Underlay"}]}
    to_dpd(bench, SWITCH0, "PUT", f"/multicast/underlay-groups/{U4}?tag={TAG4}", fewer)
    bench.fault("switch0 dpd", "entry_missing", times=1)
    bench.forget_calls()
    report = bench.run(PLAN)
    sent = [(call["method"], call["status"]) for call in sent_to(bench, "switch0 dpd", "PUT", "POST")]
    assert sent[0] == ("PUT", 404)
    assert ("PUT", 200) not in sent[: sent.index(("POST", 201))]
    assert report.exit_code == 0
    at_rest(bench, PLAN)


def test_d8_an_entry_that_cannot_be_deleted_is_written_once_more_by_healing(bench: Bench) -> None:
    """An update of an earlier run comes late, while the group beneath is forgotten, and leads the entry to nobody."""
    bench.run(PLAN)
    fewer = {"members": member_list("rear14")}
    to_dpd(bench, SWITCH0, "PUT", f"/multicast/underlay-groups/{U4}?tag={TAG4}", fewer)
    bench.fault("switch0 dpd", "entry_missing", times=1)
    (entry,) = [row for row in PLAN.switches[SWITCH0].external_groups if row.group_ip.text == G4]
    body, path = bodies.external_attributes(entry), f"/multicast/external-groups/{G4}?tag={TAG4}"
    late = {"target": "switch0 dpd", "method": "PUT", "path": path, "body": body}
    bench.fault("switch0 dpd", "another_call", method="GET", path=f"/multicast/groups/{U4}", call=late)
    bench.fault("switch0 mgd", "refuse", times=None)  # whether routes still ask for the group is unknown: it stays
    bench.forget_calls()
    assert owed_kinds(bench.run(PLAN)) == {("switch0 mgd", "everything")}
    assert [(call["method"], call["status"]) for call in sent_to(bench, "switch0 dpd", "POST", "PUT")] == [
        ("PUT", 404),
        ("PUT", 200),
        ("POST", 409),
        ("POST", 201),
        ("PUT", 200),
    ]
    bench.calm()
    at_rest(bench, PLAN)


def test_d9_a_source_filter_is_rewritten_where_nobody_sends(bench: Bench) -> None:
    """All rows go before the new ones come: sleds send by the other switch meanwhile, and lose no packet."""
    bench.run(PLAN)
    bench.enter(FILTERED)
    packet = {"group": G4, "source": S4, "from": {"instance": str(SPEAKER)}}
    bench.control("PUT", "/watch", [packet])
    report = bench.run(FILTER)
    seen = bench.control("GET", "/watch")
    bench.control("PUT", "/watch", [])
    assert report.exit_code == 0
    assert len([step for step in seen if "filter deleted" in step["after"]]) == 2
    assert [step for step in seen if step["heard"][0].get(str(propolis(PICKER))) != 1] == []
    assert bench.heard(G4, ANYBODY) == {}


def test_d10_any_source_and_no_source_are_not_mixed_up(bench: Bench) -> None:
    """What a switch spells otherwise is not written again, and a list in another order is no other list."""
    bench.run(PLAN)
    rows = [member(RACK.groups[0].id, READER, "10.20.0.9", "10.20.0.5"), *RACK.members[3:]]
    plan = planned(evolve(RACK, members=rows), PLAN)
    assert bench.run(plan).exit_code == 0
    for slot in (SWITCH0, SWITCH1):
        (seen,) = [row for row in plan.switches[slot].external_groups if row.group_ip.text == G4]
        body = bodies.external_attributes(seen)
        body["sources"] = body["sources"][::-1]
        to_dpd(bench, slot, "PUT", f"/multicast/external-groups/{G4}?tag={TAG4}", body)
    assert bench.run(plan).counts.get("writes", 0) == 0


def test_d11_ids_that_switches_give_are_nobodys_business(bench: Bench) -> None:
    """Two switches that number the same groups otherwise are both right."""
    strange = {"group_ip": "ff04::bad", "tag": "backup", "members": []}
    to_dpd(bench, SWITCH1, "POST", "/multicast/underlay-groups", strange)
    bench.run(PLAN)
    ids = [
        {
            row["group_ip"]: row["external_group_id"]
            for row in to_dpd(bench, slot, "GET", "/multicast/groups")["items"]
        }
        for slot in (SWITCH0, SWITCH1)
    ]
    assert ids[0][G4] != ids[1][G4]
    at_rest(bench, PLAN)


def test_d12_each_switch_is_compared_with_what_it_says_itself(bench: Bench) -> None:
    """One switch lost a group and the other did not: only the first one is written to."""
    bench.run(PLAN)
    for address in (G6, U6):
        to_dpd(bench, SWITCH1, "DELETE", f"/multicast/groups/{address}?tag={TAG6}")
    external(bench, SWITCH1, vlan_id=5)
    bench.forget_calls()
    assert bench.run(PLAN).exit_code == 0
    assert (sent_to(bench, "switch0 dpd"), len(sent_to(bench, "switch1 dpd"))) == ([], 3)
    at_rest(bench, PLAN)


DRIFTS: list[dict[str, Any]] = [{"vni": 78}, {"vlan_id": 5}, {"internal_ip": Address.parse(U6)}]


@pytest.mark.parametrize("changes", DRIFTS, ids=["network", "VLAN", "underlay group"])
def test_d13_what_drifted_on_both_switches_alike_is_found(bench: Bench, changes: dict[str, Any]) -> None:
    """Every field is compared with the blueprint, not one switch with the other, nor tags and sources alone."""
    bench.run(PLAN)
    for slot in (SWITCH0, SWITCH1):
        external(bench, slot, **changes)
    bench.forget_calls()
    assert bench.run(PLAN).exit_code == 0
    assert [len(sent_to(bench, f"{slot} dpd", "PUT")) for slot in (SWITCH0, SWITCH1)] == [1, 1]
    at_rest(bench, PLAN)


def test_d14_a_vlan_that_drifted_is_mended_on_one_switch_after_the_other(bench: Bench) -> None:
    """The translation is deleted and made anew: the second switch waits until the first is answered."""
    bench.run(PLAN)
    for slot in (SWITCH0, SWITCH1):
        external(bench, slot, vlan_id=5)
    bench.fault("switch0 dpd", "status", status=503, method="PUT", path="/multicast/external", times=2)
    bench.forget_calls()
    assert bench.run(PLAN).exit_code == 0
    calls = [call["target"] for call in bench.calls() if "external-groups" in call["path"]]
    assert calls == ["switch0 dpd"] * 3 + ["switch1 dpd"]
    at_rest(bench, PLAN)


def test_d15_what_does_not_fit_is_refused_before_anything_is_read(bench: Bench) -> None:
    """One row more than a table of a switch has: the numbers are told, and no daemon is asked anything."""
    fits, one_more = (test_capacity.SIZES["IPv4 routes"][1](number) for number in (1024, 1025))
    assert excesses(fits) == ()
    plan = evolve(PLAN, switches={**PLAN.switches, SWITCH1: one_more.switches[SWITCH0]})
    for dry_run in (True, False):
        report = bench.run(plan, dry_run=dry_run)
        assert (report.outcome, dict(report.counts)) == (Outcome.REFUSED, {})
        assert any("1025 of 1024" in refusal for refusal in report.refusals)


def test_d16_what_is_others_stays_byte_for_byte(bench: Bench) -> None:
    """Groups, routes, mappings and forwarding of others outlive a plan, its end, and a plan in their way."""
    strange = {"group_ip": "ff04::bad", "tag": "backup", "members": member_list("rear20")}
    to_dpd(bench, SWITCH0, "POST", "/multicast/underlay-groups", strange)
    route = {"key": {"V4": {"source": None, "group": "239.1.1.1", "vni": 77}}, "underlay_group": "ff04::bad"}
    to_mgd(bench, SWITCH0, "PUT", "/static/mroute", {"routes": [route]})
    to_sled(bench, SLEDS[0], "PUT", "/networking/mcast-m2p", {"group": "239.1.1.1", "underlay": "ff04::bad"})
    before = theirs(bench)
    assert len(before) == 3
    bench.run(PLAN)
    assert theirs(bench) == before
    bench.enter(ENDED)
    report = bench.run(END)
    assert (theirs(bench), len(report.foreign)) == (before, 3)


def theirs(bench: Bench) -> list[Any]:
    """Return what a rack holds that names the address of others."""
    state = bench.state()
    tables = [table for place in (*state["switches"].values(), *state["sleds"].values()) for table in place.values()]
    rows = [row for table in tables if isinstance(table, list) for row in table]
    return [row for row in rows if "ff04::bad" in str(row) and "nic" not in row]


def test_d17_objects_of_ours_without_a_row_are_not_swept_away_in_one_go(bench: Bench) -> None:
    """A plan that forgot every group, as after a lost database, stops before it takes all members away."""
    bench.run(PLAN)
    forgotten = planned(evolve(RACK, groups=(), members=(), underlay_groups=()))
    bench.forget_calls()
    report = bench.run(forgotten, safeguards=Safeguards())
    assert (report.outcome, bench.calls()) == (Outcome.CONSENT, [])
    assert bench.heard(G4, S4) == EVERYBODY
    assert bench.run(forgotten, safeguards=Safeguards(allow_mass_change=True)).exit_code == 0


@pytest.fixture
def swept(bench: Bench) -> Iterator[Bench]:
    """A rack whose ddmd writes the members, and whose time passes by the clock alone."""
    bench.control("PUT", "/time", {"held": True})
    bench.control("PUT", "/sweep", {"running": True})
    yield bench
    bench.control("PUT", "/sweep", {"running": False})
    bench.control("PUT", "/time", {"held": False})


def test_d18_members_that_ddmd_writes_are_left_to_it(swept: Bench) -> None:
    """With derived members no list is ever sent, however far ddmd's own work is."""
    plan = planned(small_rack(policy=Policy(member_ports=MemberPorts.DERIVED)))
    assert swept.run(plan).exit_code == 0
    assert {str(call["body"].get("members")) for call in swept.calls() if "underlay-groups" in call["path"]} == {"[]"}
    swept.control("POST", "/time", {"seconds": 10})
    swept.forget_calls()
    report = swept.run(plan)
    assert (report.exit_code, report.members_elsewhere, report.counts.get("writes", 0)) == (0, 0, 0)
    to_dpd(
        swept,
        SWITCH0,
        "PUT",
        f"/multicast/underlay-groups/{U4}?tag={TAG4}",
        {"members": member_list("rear3")},
    )
    report = swept.run(plan)
    assert (report.exit_code, report.members_elsewhere, report.counts.get("writes", 0)) == (0, 1, 0)


def test_d19_another_writer_is_told_and_not_fought_with(bench: Bench) -> None:
    """An object that was written by this run and comes back otherwise stops it before it takes anything away."""
    bench.run(PLAN)
    without_underlay(bench)
    path = f"/multicast/underlay-groups/{U4}?tag={TAG4}"
    revert = after_call(1, lambda: to_dpd(bench, SWITCH0, "PUT", path, {"members": member_list("rear20")}))
    report = bench.run(PLAN, limits=ONE_BY_ONE, progress=revert)
    assert report.outcome is Outcome.CONSENT
    assert any("not by this run" in owed.because for owed in report.owed)
    assert not [action for action in report.actions if action.call.form.tier.narrows]


# --- twins ----------------------------------------------------------------------------------------------------------

EMPTY = evolve(FORMS[Kind.UNDERLAY_CREATE], body=lambda row: bodies.underlay_body(evolve(row, members=())))


def tag_and_sources(wanted: Any, seen: Any) -> bool:
    """Compare what the rack's own control plane compares."""
    return bool(wanted.sources == seen.sources)


def first_switch(comparison: Any, slot: Any) -> SwitchView:
    """Take what the first switch says for what all of them say."""
    view = SWITCH_OF(comparison, slot)
    return evolve(view, seen=comparison.observation.switches[SWITCH0])


SWITCH_OF = _Comparison._switch


def not_derived(comparison: Any, slot: Any) -> SwitchView:
    """Take every list of members for ours to write."""
    return evolve(SWITCH_OF(comparison, slot), derived=False)


def very_same(wanted: Any, seen: Any) -> bool:
    """Compare lists by being the same list."""
    return wanted.sources is seen.sources


def ids_of_the_first(patch: pytest.MonkeyPatch) -> None:
    """Take the ids of the switch that was read first for those of all."""
    first: dict[Any, Any] = {}

    def differs(group: Any, ids: Any) -> bool:
        seen = ids.get(group.group_ip)
        return bool(first.setdefault(group.group_ip, seen) != seen)

    patch.setattr(dpd, "_astray", differs)


TWINS = {
    "D1": Twin(
        check=test_d1_a_dpd_that_restarted_empty_gets_groups_with_their_members,
        bug=altered(FORMS, Kind.UNDERLAY_CREATE, body=EMPTY.body),
    ),
    "D2": Twin(
        check=test_d2_a_dpd_that_never_answers_holds_up_nobody_but_itself,
        bug=method(Rack, "_tables", silence_is_emptiness),
    ),
    "D3": Twin(
        check=test_d3_a_chip_that_stopped_half_way_gets_its_group_anew,
        bug=entry(STEPS, (Endpoint.MEMBERS, Meaning.AMBIGUOUS), NextStep.EXPLAIN),
    ),
    "D4": Twin(
        check=test_d4_a_port_that_is_replaced_is_added_in_one_request_and_removed_in_another,
        bug=altered(FORMS, Kind.MEMBERS_REMOVE, gates=()),
    ),
    "D5": Twin(
        check=test_d5_a_port_that_the_switch_does_not_have_is_never_sent,
        bug=replaced(backplane_of, lambda *_: BACKPLANE),
    ),
    "D6": Twin(
        check=test_d6_an_external_group_is_never_written_over_a_missing_underlay_group,
        bug=altered(FORMS, Kind.EXTERNAL_UPDATE, gates=()),
    ),
    "D7": Twin(
        check=test_d7_an_underlay_group_goes_after_the_external_one_that_names_it,
        bug=altered(FORMS, Kind.UNDERLAY_DELETE, gates=()),
    ),
    "D8": Twin(
        check=test_d8_a_group_that_dpd_forgot_is_made_again_and_reached_again,
        bug=replaced(dpd._astray, lambda *_: False),
    ),
    "D9": Twin(
        check=test_d9_a_source_filter_is_rewritten_where_nobody_sends,
        bug=replaced(drained, lambda changes, *_, **__: list(changes)),
    ),
    "D10": Twin(
        check=test_d10_any_source_and_no_source_are_not_mixed_up,
        bug=replaced(same_external, very_same),
    ),
    "D11": Twin(check=test_d11_ids_that_switches_give_are_nobodys_business, bug=ids_of_the_first),
    "D12": Twin(
        check=test_d12_each_switch_is_compared_with_what_it_says_itself,
        bug=method(_Comparison, "_switch", first_switch),
    ),
    "D13": Twin(
        check=test_d13_what_drifted_on_both_switches_alike_is_found,
        arguments={"changes": {"vni": 78}},
        bug=replaced(same_external, tag_and_sources),
    ),
    "D14": Twin(
        check=test_d14_a_vlan_that_drifted_is_mended_on_one_switch_after_the_other,
        bug=replaced(order._one_switch_after_another, lambda *_: None),
    ),
    "D15": Twin(
        check=test_d15_what_does_not_fit_is_refused_before_anything_is_read,
        bug=replaced(excesses, lambda *_: ()),
    ),
    "D16": Twin(
        check=test_d16_what_is_others_stays_byte_for_byte,
        bug=method(Ownership, "owns_underlay", lambda *_: True),
    ),
    "D17": Twin(
        check=test_d17_objects_of_ours_without_a_row_are_not_swept_away_in_one_go,
        bug=method(Allowance, "permits", lambda *_: True),
    ),
    "D18": Twin(
        check=test_d18_members_that_ddmd_writes_are_left_to_it,
        bug=method(_Comparison, "_switch", not_derived),
    ),
    "D19": Twin(
        check=test_d19_another_writer_is_told_and_not_fought_with,
        bug=replaced(suspicious, lambda *_, **__: ()),
    ),
}


@pytest.mark.parametrize("row", TWINS)
def test_twin(row: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one decision made wrongly the row's own test fails."""
    must_fail(TWINS[row], request, monkeypatch)
