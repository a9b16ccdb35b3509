"""One call at a time: what becomes of it when something else stands there already."""

import asyncio
from typing import Any

import pytest
from attrs import evolve

from blueprints.blueprint import ExternalEntryRow, UnderlayEntry
from blueprints.endpoints import SubscriptionForm
from blueprints.identifiers import Tag
from executor.calls import call_for
from executor.changes import Change, Kind
from executor.dpd import read_groups
from executor.observe import Rack
from executor.sending import CallOutcome, Sent, send
from executor.targets import Target
from tests.executor.bench import QUICK, Bench, planned
from tests.simrack.rows import G4, SWITCH0, TAG4, U4, small_rack

PLAN = planned(small_rack())
DPD = Target.dpd(SWITCH0)
UNDERLAY: UnderlayEntry = next(r for r in PLAN.switches[SWITCH0].underlay_groups if str(r.group_ip) == U4)
EXTERNAL: ExternalEntryRow = next(r for r in PLAN.switches[SWITCH0].external_groups if str(r.group_ip) == G4)


def change(kind: Kind, row: Any) -> Change:
    """Return a change of one group of switch0."""
    return Change(kind=kind, target=DPD, groups=[EXTERNAL.group_ip], subject=row.group_ip, row=row)


def sent(bench: Bench, *changes: Change) -> list[Sent]:
    """Send these changes one after the other and return the outcomes."""

    async def run() -> list[Sent]:
        async with Rack(endpoints=bench.rack.endpoints, limits=QUICK) as rack:
            results: list[Sent] = []
            for each in changes:
                results += await send(rack.client(DPD), call_for([each], SubscriptionForm.VMM), SubscriptionForm.VMM)
            return results

    return asyncio.run(run())


CREATE = change(Kind.UNDERLAY_CREATE, UNDERLAY)
CREATE_EXTERNAL = change(Kind.EXTERNAL_CREATE, EXTERNAL)


def test_what_exists_and_is_the_same_is_done(bench: Bench) -> None:
    """A creation that finds its own work is done, and says so."""
    first, again = sent(bench, CREATE, CREATE)
    assert (first.outcome, again.outcome, again.note) == (
        CallOutcome.DONE,
        CallOutcome.DONE,
        "it was there already",
    )


def test_what_exists_and_is_ours_but_different_is_updated(bench: Bench) -> None:
    """Members are added to those that are there, and attributes replaced."""
    fewer = change(Kind.UNDERLAY_CREATE, evolve(UNDERLAY, members=UNDERLAY.members[:1]))
    filtered = change(Kind.EXTERNAL_CREATE, evolve(EXTERNAL, vlan_id=5))
    results = sent(bench, fewer, CREATE, filtered, CREATE_EXTERNAL)
    assert [result.outcome for result in results] == [CallOutcome.DONE] * 4
    assert [result.call.method for result in results] == ["POST", "PUT", "POST", "PUT"]
    seen = bench.observe().switches[SWITCH0]
    assert [len(row.members) for row in seen.underlay_groups or ()] == [len(UNDERLAY.members)]
    assert [row.vlan_id for row in seen.external_groups or ()] == [None]


def test_what_exists_and_is_somebody_elses_is_a_conflict(bench: Bench) -> None:
    """It is named, and stays as it is."""
    theirs = change(Kind.UNDERLAY_CREATE, evolve(UNDERLAY, tag=Tag("backup"), members=()))
    _, ours, update, removal = sent(
        bench, theirs, CREATE, change(Kind.MEMBERS_ADD, UNDERLAY), change(Kind.UNDERLAY_DELETE, UNDERLAY)
    )
    assert {ours.outcome, update.outcome, removal.outcome} == {CallOutcome.CONFLICT}
    assert "backup" in ours.note
    assert [row.tag for row in bench.observe().switches[SWITCH0].underlay_groups or ()] == ["backup"]


def test_removing_what_is_gone_is_done_and_changing_it_is_owed(bench: Bench) -> None:
    """Absence is what a removal wants, and what an update cannot use."""
    removal, update = sent(bench, change(Kind.UNDERLAY_DELETE, UNDERLAY), change(Kind.MEMBERS_ADD, UNDERLAY))
    assert (removal.outcome, update.outcome) == (CallOutcome.DONE, CallOutcome.OWED)


def test_a_group_that_exists_and_cannot_be_read_is_tried_a_few_times(bench: Bench) -> None:
    """A creation that is refused as existing while nothing is there ends as owed, bounded."""
    bench.fault("switch0 dpd", "status", status=409, method="POST", times=None)
    (result,) = sent(bench, CREATE)
    assert result.outcome is CallOutcome.OWED
    assert len([call for call in bench.calls() if call["method"] == "POST"]) <= 4


def test_a_leftover_that_clears_up_lets_the_creation_through(bench: Bench) -> None:
    """One refusal of that kind is waited out."""
    bench.fault("switch0 dpd", "status", status=409, method="POST", times=1)
    (result,) = sent(bench, CREATE)
    assert result.outcome is CallOutcome.DONE


@pytest.mark.parametrize("status", [501, 507])
def test_what_repeating_cannot_mend_is_not_repeated(bench: Bench, status: int) -> None:
    """A full table and a missing feature are refusals, said once."""
    bench.fault("switch0 dpd", "status", status=status, method="POST", times=None)
    (result,) = sent(bench, CREATE)
    assert (result.outcome, len(bench.calls())) == (CallOutcome.REFUSED, 1)


def test_lists_come_in_pages(bench: Bench) -> None:
    """However small the pages are, every group is listed once."""
    bench.run(PLAN)

    async def pages() -> Any:
        async with Rack(endpoints=bench.rack.endpoints, limits=evolve(QUICK, page_size=1)) as rack:
            return await read_groups(rack.client(DPD))

    underlays, externals, opaque = asyncio.run(pages())
    assert (len(underlays), len(externals), opaque) == (2, 2, ())
    assert {row.tag for row in underlays} == {row.tag for row in externals} >= {TAG4}
