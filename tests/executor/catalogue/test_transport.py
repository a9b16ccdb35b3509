"""Row by row: answers that are lost, late, wrong, endless or not what they say (``T``)."""

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve

from blueprints import strict
from blueprints.blueprint import Blueprint
from blueprints.run_report import Outcome
from blueprints.snapshot import Snapshot
from executor import decoding, dpd, sending
from executor.changes import Kind
from executor.http import RETRIED, Client
from executor.observe import Rack
from executor.ownership import Ownership
from executor.sending import CallOutcome
from executor.statuses import MEANINGS, STEPS, Endpoint, Meaning, NextStep
from executor.switch_differences import dpd_differences
from tests.executor.bench import LOSSY, QUICK, Bench, planned
from tests.executor.catalogue.bugs import silence_is_emptiness
from tests.executor.catalogue.scenes import (
    ANEW,
    END,
    ENDED,
    EVERYBODY,
    FILTER,
    FILTERED,
    MOVE,
    MOVED,
    NARROW,
    NARROW_FILTERED,
    PLAN,
    RACK,
    RETAGGED,
    SLED0,
    SLED1,
    SLED2,
    at_rest,
    member_list,
    owed_kinds,
    ports_of,
    restart,
    sent_to,
    to_dpd,
    when_read,
)
from tests.executor.catalogue.twins import Twin, dropping, entry, method, must_fail, replaced
from tests.executor.test_transients import other_hops
from tests.simrack.rows import G4, G6, S4, SWITCH0, SWITCH1, TAG4, TAG6, U4, U6

TURNED = other_hops(PLAN)
OTHER_TAG = planned(RETAGGED)

SCENES: Mapping[Kind, tuple[Blueprint | None, Blueprint, Snapshot]] = {
    **dict.fromkeys(
        (
            Kind.UNDERLAY_CREATE,
            Kind.EXTERNAL_CREATE,
            Kind.FORWARDING_SET,
            Kind.M2P_SET,
            Kind.JOIN,
            Kind.ROUTE_PUT,
        ),
        (None, PLAN, RACK),
    ),
    **dict.fromkeys((Kind.M2P_ASSERT, Kind.MEMBERS_ADD, Kind.MEMBERS_REMOVE), (PLAN, MOVE, MOVED)),
    **dict.fromkeys((Kind.EXTERNAL_UPDATE, Kind.DRAIN, Kind.REFILTER_DRAINED), (PLAN, FILTER, FILTERED)),
    Kind.REFILTER_LIVE: (planned(NARROW), planned(NARROW_FILTERED, planned(NARROW)), NARROW_FILTERED),
    **dict.fromkeys(
        (
            Kind.LEAVE,
            Kind.ROUTE_WITHDRAW,
            Kind.FORWARDING_CLEAR,
            Kind.M2P_CLEAR,
            Kind.EXTERNAL_DELETE,
            Kind.UNDERLAY_DELETE,
        ),
        (PLAN, END, ENDED),
    ),
    **dict.fromkeys((Kind.MOVE_LEAVE, Kind.M2P_MOVE, Kind.EXTERNAL_RETARGET), (PLAN, ANEW, RACK)),
    **dict.fromkeys((Kind.REBUILD_EXTERNAL, Kind.REBUILD_UNDERLAY), (PLAN, OTHER_TAG, RACK)),
    Kind.HOP_CHANGE: (PLAN, TURNED, RACK),
}
"""Every kind of call, two plans between which it is sent, and the world of the second."""


def lose_one(bench: Bench, kind: Kind, fault: str) -> None:
    """Carry a plan out that sends calls of *kind*; the first of them is lost on its way or on its way back."""
    before, after, world = SCENES[kind]
    if before is not None:
        bench.run(before)
    bench.enter(world)
    calls = [action.call for action in bench.run(after, dry_run=True, safeguards=LOSSY).actions]
    lost = next(call for call in calls if call.kind is kind)
    bench.fault(str(lost.target), fault, method=lost.method, path=lost.path.partition("?")[0])
    report = bench.run(after, safeguards=LOSSY)
    assert bench.control("GET", "/faults") == []
    assert (report.outcome, report.owed) == (Outcome.CONVERGED, ())
    at_rest(bench, after)


@pytest.mark.parametrize("kind", Kind)
def test_t1_a_commit_whose_answer_is_lost_is_found_out_about(bench: Bench, kind: Kind) -> None:
    """The daemon acts and its answer is lost: the run asks again or reads, ends well, and nothing is there twice."""
    lose_one(bench, kind, "truncated_body")


@pytest.mark.parametrize("kind", Kind)
def test_t2_a_request_that_is_lost_before_it_is_acted_on_goes_the_same_way(bench: Bench, kind: Kind) -> None:
    """The daemon never acts and nobody says so: the run ends as if nothing had happened."""
    lose_one(bench, kind, "refuse")


def test_t3_a_write_that_arrives_late_is_found_by_the_next_run(bench: Bench) -> None:
    """A list that was given up arrives after the newer one: dpd takes it, and the next run takes it back."""
    bench.run(PLAN)
    bench.enter(MOVED)
    report = bench.run(MOVE)
    late = next(action.call for action in report.actions if action.call.kind is Kind.MEMBERS_ADD)
    to_dpd(bench, SWITCH0, late.method, late.path, late.body)
    assert ports_of(bench, U6) == {"rear14", "rear15"}
    bench.forget_calls()
    assert bench.run(MOVE).exit_code == 0
    assert [call["target"] for call in bench.calls() if call["path"].startswith("/multicast")] == ["switch0 dpd"]
    assert ports_of(bench, U6) == {"rear15"}


UNDERLAY_GROUPS = "/multicast/underlay-groups"


def make(bench: Bench, tag: str, *ports: str) -> None:
    """Make the underlay group of the first group on the first switch."""
    body = {"group_ip": U4, "tag": tag, "members": member_list(*ports)}
    to_dpd(bench, SWITCH0, "POST", UNDERLAY_GROUPS, body)


def test_t4_a_creation_that_finds_its_own_work_is_done(bench: Bench) -> None:
    """The same group appears after the rack was read: refused as existing, it is read and found to be right."""
    report = bench.run(PLAN, progress=when_read(lambda: make(bench, TAG4, "rear14", "rear15", "rear16")))
    assert "it was there already" in {action.note for action in report.actions}
    assert (report.exit_code, report.owed) == (0, ())
    at_rest(bench, PLAN)


def test_t5_a_creation_that_finds_less_of_ours_updates_it(bench: Bench) -> None:
    """A group of ours with fewer members appears after the rack was read: it is brought up to date in that run."""
    report = bench.run(PLAN, progress=when_read(lambda: make(bench, TAG4, "rear14")))
    assert (report.exit_code, report.owed) == (0, ())
    at_rest(bench, PLAN)


def test_t6_a_creation_that_finds_somebody_elses_group_leaves_it_alone(bench: Bench) -> None:
    """A foreign group appears after the rack was read: it stays, its group waits on that switch, others go on."""
    report = bench.run(PLAN, progress=when_read(lambda: make(bench, "backup", "rear20")))
    assert {(str(each.target), each.group.text) for each in report.conflicts} == {("switch0 dpd", G4)}
    assert report.exit_code == 4
    assert ports_of(bench, U4) == {"rear20"}
    assert {row["group_ip"] for row in bench.state()["switches"]["switch0"]["external_groups"]} == {G6}
    assert bench.heard(G4, S4) == {}
    assert bench.run(PLAN).conflicts == report.conflicts


def test_t7_rows_that_nobody_remembers_are_swept_by_trying_again(bench: Bench) -> None:
    """A creation that failed half way left rows behind: 409, nothing to be read, and the second try succeeds."""
    url = bench.rack.endpoints.switches[SWITCH0].dpd + UNDERLAY_GROUPS
    body = {"group_ip": U4, "tag": "no tag!", "members": []}
    assert bench.http.post(url, json=body, headers={"api-version": "12.0.0"}).status_code == 400
    bench.forget_calls()
    assert bench.run(PLAN).exit_code == 0
    tries = [call["status"] for call in sent_to(bench, "switch0 dpd", "POST") if U4 in str(call["body"])]
    assert tries[:2] == [409, 201]
    at_rest(bench, PLAN)


def test_t8_a_group_that_is_gone_when_it_is_updated_is_made_again(bench: Bench) -> None:
    """A dpd loses everything after it was read: the update finds nothing, nothing is narrowed, the next run mends."""
    bench.run(PLAN)
    bench.enter(MOVED)
    report = bench.run(MOVE, progress=when_read(lambda: restart(bench, "switch0 dpd", keep=False)))
    assert report.exit_code == 4
    assert "gone since it was read" in " ".join(action.note for action in report.actions)
    assert [call["method"] for call in sent_to(bench, "switch0 dpd", "DELETE")] == []
    assert bench.run(MOVE).exit_code == 0
    at_rest(bench, MOVE)


def test_t9_deleting_what_is_gone_is_done(bench: Bench) -> None:
    """Somebody else deletes the group between reading and deleting: that is what was wanted, and the run goes on."""
    bench.run(PLAN)
    bench.enter(ENDED)

    def delete() -> None:
        for address in (G6, U6):
            to_dpd(bench, SWITCH0, "DELETE", f"/multicast/groups/{address}?tag={TAG6}")

    report = bench.run(END, progress=when_read(delete))
    assert [action.status for action in report.actions if action.call.kind is Kind.EXTERNAL_DELETE] == [404, 204]
    assert {action.outcome for action in report.actions} == {CallOutcome.DONE}
    assert (report.exit_code, report.owed) == (0, ())


def test_t10_a_bad_request_is_explained_by_reading(bench: Bench) -> None:
    """400 for an update: with another tag there it is a conflict, with ours a refusal that holds its group alone."""
    bench.run(PLAN)
    bench.enter(MOVED)

    def take_over() -> None:
        for address in (G6, U6):
            to_dpd(bench, SWITCH0, "DELETE", f"/multicast/groups/{address}?tag={TAG6}")
        body = {"group_ip": U6, "tag": "backup", "members": member_list("rear20")}
        to_dpd(bench, SWITCH0, "POST", UNDERLAY_GROUPS, body)

    bench.fault("switch1 dpd", "status", status=400, method="PUT", path=UNDERLAY_GROUPS)
    report = bench.run(MOVE, progress=when_read(take_over))
    found = {str(a.call.target): a.outcome for a in report.actions if a.call.kind is Kind.MEMBERS_ADD}
    assert found == {"switch0 dpd": CallOutcome.CONFLICT, "switch1 dpd": CallOutcome.REFUSED}
    assert {owed.groups for owed in report.owed} == {(group6(),)}
    assert ports_of(bench, U6) == {"rear20"}
    assert bench.heard(G4, S4) == EVERYBODY


def group6() -> Any:
    """Return the address of the second group as reports have it."""
    return next(row.multicast_ip for row in PLAN.groups if row.multicast_ip.text == G6)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_t11_a_server_that_fails_for_a_while_holds_nobody_else_up(bench: Bench, status: int) -> None:
    """Busy daemons are asked again, a few times only; the others go on, and what is owed is named."""
    bench.fault(SLED2, "status", status=status, method="PUT", path="/networking", times=2)
    report = bench.run(PLAN)
    assert report.exit_code == (4 if status == 500 else 0)
    bench.calm()
    bench.reset(RACK)
    bench.fault(SLED2, "status", status=status, method="PUT", path="/networking/mcast-fwd", times=None)
    report = bench.run(PLAN)
    tries = [call for call in sent_to(bench, SLED2, "PUT") if call["path"].endswith("fwd")]
    entries = 2
    assert len(tries) <= entries * QUICK.tries
    assert owed_kinds(report) == {(SLED2, "forwarding_set")}
    assert bench.heard(G4, S4) == EVERYBODY


@pytest.mark.parametrize("status", [507, 501])
def test_t12_a_full_table_is_no_reason_to_try_again(bench: Bench, status: int) -> None:
    """One creation is enough to find out: the like of it is not sent, and the other switch gets everything."""
    bench.fault("switch0 dpd", "status", status=status, method="POST", times=None)
    report = bench.run(PLAN)
    assert report.exit_code == 4
    assert len(sent_to(bench, "switch0 dpd", "POST")) == 1
    assert {owed.target for owed in report.owed} == {"switch0 dpd", "switch0 mgd"}
    bench.calm()
    assert bench.run(PLAN).exit_code == 0
    at_rest(bench, PLAN)


def test_t12_a_pool_that_is_empty_is_asked_a_few_times_and_told(bench: Bench) -> None:
    """503 may mean busy or out of ids: a few tries for each creation, none of them without an end."""
    bench.fault("switch0 dpd", "status", status=503, method="POST", times=None)
    report = bench.run(PLAN)
    assert len(sent_to(bench, "switch0 dpd", "POST")) <= 2 * QUICK.tries
    assert ("switch0 dpd", "underlay_create") in owed_kinds(report)


def test_t13_a_switch_without_multicast_is_told_before_anything_is_sent(bench: Bench) -> None:
    """A dpd that was built without multicast is owed everything, in the dry run already; the others converge."""
    bench.fault("switch0 dpd", "no_multicast", times=None)
    for dry_run in (True, False):
        report = bench.run(PLAN, dry_run=dry_run)
        owed = [(owed.kind, "501" in owed.because) for owed in report.owed if owed.target == "switch0 dpd"]
        assert owed == [(None, True)]
    assert sent_to(bench, "switch0 dpd") == []
    assert bench.run(PLAN).exit_code == 4
    assert bench.heard(G4, S4, SWITCH1) == EVERYBODY


@pytest.mark.parametrize("status", [202, 206, 302, 307, 429, 451, 599])
def test_t14_a_status_that_nobody_documents_is_no_success(bench: Bench, status: int) -> None:
    """Joins, which cannot be read back, are owed after a redirect and all that is not their own success."""
    bench.fault(SLED0, "status", status=status, method="PUT", path="/instances", times=None)
    report = bench.run(PLAN)
    assert owed_kinds(report) == {(SLED0, "join")}
    assert {call["target"] for call in bench.calls()} == {*map(str, PLAN_TARGETS)}


PLAN_TARGETS = ("switch0 dpd", "switch1 dpd", "switch0 mgd", "switch1 mgd", SLED0, SLED1, SLED2)


@pytest.mark.parametrize("kind", ["slow_body", "stalled_head", "half_open", "timeout_before"])
def test_t15_an_answer_that_never_ends_costs_one_deadline(bench: Bench, kind: str) -> None:
    """However little is still coming, the whole answer has to be there in time; the others are carried out."""
    bench.fault(SLED2, kind, method="GET", path="/networking/mcast-fwd", times=None, interval=10.0)
    report = bench.run(PLAN)
    assert [(owed.target, owed.kind) for owed in report.owed] == [(SLED2, None)]
    assert "no whole answer within 5 s" in report.owed[0].because
    assert bench.heard(G4, S4) == EVERYBODY


SPOILT = [
    ("truncated_body", {}),
    ("slow_body", {"interval": 10.0}),
    ("content_type", {"content_type": "text/html"}),
    ("byte_order_mark", {}),
    ("not_a_number", {}),
    ("duplicate_key", {}),
    ("deep_nesting", {}),
    ("empty_body", {}),
    ("not_http", {}),
]


@pytest.mark.parametrize(("kind", "options"), SPOILT, ids=[kind for kind, _ in SPOILT])
def test_t16_an_answer_that_is_not_whole_json_is_thrown_away(bench: Bench, kind: str, options: Any) -> None:
    """A listing that is cut off or garbled makes its target owed; nothing is added or removed on its strength."""
    bench.run(PLAN)
    bench.enter(ENDED)
    bench.fault("switch0 dpd", kind, method="GET", path="/multicast", times=None, **options)
    bench.forget_calls()
    report = bench.run(END)
    assert ("switch0 dpd", None) in {(owed.target, owed.kind) for owed in report.owed}
    assert sent_to(bench, "switch0 dpd") == []
    bench.calm()
    assert bench.run(END).exit_code == 0


MISTYPED: list[tuple[str, str, Any]] = [
    ("switch0 dpd", "items.*.members", None),
    ("switch0 dpd", "items.*.tag", 77),
    ("switch0 dpd", "items.*.internal_forwarding.nat_target.vni", "77"),
    ("switch0 mgd", "*.underlay_group", 4),
    (SLED0, "*.underlay", True),
    (SLED0, "*.next_hops", {}),
]


@pytest.mark.parametrize(("target", "name", "value"), MISTYPED, ids=[name for _, name, _ in MISTYPED])
@pytest.mark.parametrize("missing", [True, False], ids=["missing", "of another type"])
def test_t17_a_field_that_is_missing_or_mistyped_spoils_its_whole_list(
    bench: Bench, target: str, name: str, value: Any, missing: bool
) -> None:
    """A list of members that is left out is no empty list: nothing is derived, and nothing is sent to that target."""
    bench.run(PLAN)
    how = {"kind": "drop_field"} if missing else {"kind": "set_field", "value": value}
    path = {"switch0 dpd": "/multicast", "switch0 mgd": "/static"}.get(target, "/networking")
    bench.fault(target, method="GET", path=path, field=name, times=None, **how)
    bench.forget_calls()
    report = bench.run(END)
    assert (target, None) in {(owed.target, owed.kind) for owed in report.owed}
    assert sent_to(bench, target) == []


ENDLESS = [
    ("huge_body", {"size": 17 << 20}),
    ("endless_chunks", {}),
    ("gzip_bomb", {"size": 17 << 20}),
    ("repeated_page", {}),
    ("endless_pages", {}),
]


@pytest.mark.parametrize(("kind", "options"), ENDLESS, ids=[kind for kind, _ in ENDLESS])
def test_t18_a_list_without_end_is_refused_as_a_whole(bench: Bench, kind: str, options: Any) -> None:
    """Bodies and pages that go on for ever make their target owed, at a bounded cost; others are carried out."""
    bench.run(PLAN)
    bench.fault("switch0 dpd", kind, method="GET", path="/multicast", times=None, **options)
    bench.forget_calls()
    report = bench.run(END, limits=evolve(QUICK, page_size=1, pages=20))
    assert ("switch0 dpd", None) in {(owed.target, owed.kind) for owed in report.owed}
    assert sent_to(bench, "switch0 dpd") == []
    assert len(bench.control("GET", "/calls")) < 120


def test_t19_a_list_that_changes_while_it_is_read_in_pages_removes_nothing(bench: Bench) -> None:
    """A group goes between two pages: what else is listed is believed, nothing is sent for it, the next run mends."""
    bench.run(PLAN)
    other = {"target": "switch0 dpd", "method": "DELETE", "path": f"/multicast/groups/{G4}?tag={TAG4}"}
    bench.fault("switch0 dpd", "another_call", method="GET", path="/multicast/groups", call=other)
    bench.forget_calls()
    bench.run(PLAN, limits=evolve(QUICK, page_size=1))
    own, *others = sent_to(bench, "switch0 dpd")
    assert own["method"] == "DELETE"
    assert {(call["method"], call["body"]["group_ip"]) for call in others} <= {("POST", G4)}
    assert bench.run(PLAN).exit_code == 0
    at_rest(bench, PLAN)


def test_t20_a_word_that_nobody_knows_makes_its_object_read_only(bench: Bench) -> None:
    """A newer daemon has fields more, which are left out, and a direction more: what has it is only read."""
    bench.run(PLAN)
    new = {"method": "GET", "path": "/multicast/groups", "times": None}
    bench.fault("switch0 dpd", "set_field", field="items.*.age", value=7, **new)
    assert bench.run(PLAN).owed == ()
    bench.calm()
    bench.fault("switch0 dpd", "set_field", field="items.*.members.*.direction", value="Sideways", **new)
    bench.forget_calls()
    report = bench.run(END)
    assert ("switch0 dpd", None) in {(owed.target, owed.kind) for owed in report.owed}
    assert sent_to(bench, "switch0 dpd") == []


def test_t21_a_list_of_a_daemon_that_just_came_back_adds_and_never_removes(bench: Bench) -> None:
    """Some of its groups are not listed yet: they are found to be there when they are made, and nothing goes."""
    bench.run(PLAN)
    bench.fault("switch0 dpd", "partial_list", keep=1, method="GET", path="/multicast/groups")
    bench.forget_calls()
    assert bench.run(PLAN).exit_code == 0
    assert {call["method"] for call in bench.calls()} <= {"PUT", "POST"}
    assert [call["status"] for call in sent_to(bench, "switch0 dpd", "POST")] == [409] * 3
    at_rest(bench, PLAN)


def test_t21_a_daemon_that_came_back_empty_is_filled_and_nobody_else_is_emptied(bench: Bench) -> None:
    """An empty list with a success is believed for what is missing there, and takes nothing away anywhere."""
    bench.run(PLAN)
    restart(bench, "switch0 dpd", keep=False)
    bench.forget_calls()
    assert bench.run(PLAN).exit_code == 0
    assert {call["method"] for call in bench.calls()} == {"PUT", "POST"}
    assert {call["method"] for call in sent_to(bench, "switch1 dpd")} == set()
    at_rest(bench, PLAN)


# --- twins ----------------------------------------------------------------------------------------------------------


async def trusting(_client: Any, call: Any) -> Any:
    """Take a creation without an answer for done."""
    return sending.Sent(call=call, outcome=CallOutcome.DONE)


async def unsettled(_client: Any, call: Any) -> Any:
    """Take a creation that exists for refused."""
    return sending.Sent(call=call, outcome=CallOutcome.OWED, note="exists")


ASKED = Client._sent


async def patient(client: Any, request: Any, version: str) -> Any:
    """Wait for an answer as long as it takes."""
    client.breaker.limits = evolve(client.limits, request_seconds=600.0, doubted_seconds=600.0)
    return await ASKED(client, request, version)


LIST_OF = strict.list_of


def lenient_list(table: Any, key: str, where: str, decode: Any) -> Any:
    """Take a list that is missing for an empty one."""
    return LIST_OF({key: [], **table}, key, where, decode)


def nobody_s(*_: Any) -> tuple[()]:
    """Take what cannot be understood for something that is in nobody's way."""
    return ()


async def first_page(client: Any) -> Any:
    """Take the first page for the whole list."""
    page = await client.read(f"/multicast/groups?limit={client.limits.page_size}")
    return (*dpd._apart([decoding.group(item, "group") for item in page["items"]], {}), ())


TWINS = {
    "T1": Twin(
        check=test_t1_a_commit_whose_answer_is_lost_is_found_out_about,
        arguments={"kind": Kind.UNDERLAY_CREATE},
        bug=replaced(sending._settled, unsettled),
    ),
    "T2": Twin(
        check=test_t2_a_request_that_is_lost_before_it_is_acted_on_goes_the_same_way,
        arguments={"kind": Kind.UNDERLAY_CREATE},
        bug=replaced(sending._settled, trusting),
    ),
    "T3": Twin(
        check=test_t3_a_write_that_arrives_late_is_found_by_the_next_run,
        bug=dropping(dpd_differences, Kind.MEMBERS_REMOVE),
    ),
    "T4": Twin(
        check=test_t4_a_creation_that_finds_its_own_work_is_done,
        bug=entry(MEANINGS, (Endpoint.CREATE, 409), Meaning.REFUSED),
    ),
    "T5": Twin(
        check=test_t5_a_creation_that_finds_less_of_ours_updates_it,
        bug=replaced(dpd.mended, lambda _change, _seen: None),
    ),
    "T6": Twin(
        check=test_t6_a_creation_that_finds_somebody_elses_group_leaves_it_alone,
        bug=replaced(dpd.holds, lambda _change, _seen: True),
    ),
    "T7": Twin(
        check=test_t7_rows_that_nobody_remembers_are_swept_by_trying_again, bug=replaced(sending._settled, unsettled)
    ),
    "T8": Twin(
        check=test_t8_a_group_that_is_gone_when_it_is_updated_is_made_again,
        bug=dropping(dpd_differences, Kind.UNDERLAY_CREATE),
    ),
    "T9": Twin(
        check=test_t9_deleting_what_is_gone_is_done,
        bug=entry(MEANINGS, (Endpoint.DELETE, 404), Meaning.REFUSED),
    ),
    "T10": Twin(
        check=test_t10_a_bad_request_is_explained_by_reading,
        bug=entry(STEPS, (Endpoint.MEMBERS, Meaning.AMBIGUOUS), NextStep.REPORT),
    ),
    "T11": Twin(
        check=test_t11_a_server_that_fails_for_a_while_holds_nobody_else_up,
        arguments={"status": 503},
        bug=replaced(RETRIED, frozenset()),
    ),
    "T12": Twin(
        check=test_t12_a_full_table_is_no_reason_to_try_again,
        arguments={"status": 507},
        bug=replaced(RETRIED, RETRIED | {507}),
    ),
    "T13": Twin(
        check=test_t13_a_switch_without_multicast_is_told_before_anything_is_sent,
        bug=method(Rack, "_tables", silence_is_emptiness),
    ),
    "T14": Twin(
        check=test_t14_a_status_that_nobody_documents_is_no_success,
        arguments={"status": 302},
        bug=entry(MEANINGS, (Endpoint.JOIN, 302), Meaning.DONE),
    ),
    "T15": Twin(
        check=test_t15_an_answer_that_never_ends_costs_one_deadline,
        arguments={"kind": "slow_body"},
        bug=method(Client, "_sent", patient),
    ),
    "T16": Twin(
        check=test_t16_an_answer_that_is_not_whole_json_is_thrown_away,
        arguments={"kind": "truncated_body", "options": {}},
        bug=method(Rack, "_tables", silence_is_emptiness),
    ),
    "T17": Twin(
        check=test_t17_a_field_that_is_missing_or_mistyped_spoils_its_whole_list,
        arguments={"target": "switch0 dpd", "name": "items.*.members", "value": None, "missing": True},
        bug=replaced(strict.list_of, lenient_list),
    ),
    "T18": Twin(
        check=test_t18_a_list_without_end_is_refused_as_a_whole,
        arguments={"kind": "endless_pages", "options": {}},
        bug=method(Rack, "_tables", silence_is_emptiness),
    ),
    "T19": Twin(
        check=test_t19_a_list_that_changes_while_it_is_read_in_pages_removes_nothing,
        bug=replaced(dpd.read_groups, first_page),
    ),
    "T20": Twin(
        check=test_t20_a_word_that_nobody_knows_makes_its_object_read_only,
        bug=method(Ownership, "opaque_groups", nobody_s),
    ),
    "T21": Twin(
        check=test_t21_a_daemon_that_came_back_empty_is_filled_and_nobody_else_is_emptied,
        bug=dropping(dpd_differences, Kind.UNDERLAY_CREATE),
    ),
}


@pytest.mark.parametrize("row", TWINS)
def test_twin(row: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one decision made wrongly the row's own test fails."""
    must_fail(TWINS[row], request, monkeypatch)
