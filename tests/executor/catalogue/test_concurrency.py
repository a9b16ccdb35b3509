"""Row by row: several runs, crashes, full disks and blueprints that change amid a run (``C``)."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from blueprints.run_report import Outcome
from executor import durable, execute, fence, together
from executor.fence import Fence, TargetStore
from executor.journal import JournalFile
from executor.memory import Memory
from executor.observe import Rack
from executor.safeguards import Safeguards
from executor.sending import CallOutcome
from executor.statuses import MEANINGS, Endpoint, Meaning
from tests.executor import test_journal
from tests.executor.bench import Bench, planned
from tests.executor.catalogue.scenes import (
    END,
    ENDED,
    MOVE,
    MOVED,
    ONE_BY_ONE,
    PLAN,
    RACK,
    after_call,
    at_rest,
    when_read,
)
from tests.executor.catalogue.twins import Twin, entry, method, must_fail, replaced
from tests.executor.deaths import keeping, killed, killed_after, orphans
from tests.executor.test_transients import watched
from tests.simrack.rows import G4, G6, LISTENER, MOVER, PICKER, READER, S6

BACK = planned(RACK, END)
"""The first plan again, after the second."""


@pytest.fixture
def store(tmp_path: Path) -> TargetStore:
    """A store that is empty."""
    return TargetStore.at(str(tmp_path / "target.json"))


def guarded(store: TargetStore) -> Safeguards:
    """Return the safeguards of a fenced run."""
    return Safeguards(allow_mass_change=True, target_store=store)


@pytest.mark.parametrize("call", [1, 7])
def test_c1_an_older_run_stops_before_its_next_write(bench: Bench, store: TargetStore, call: int) -> None:
    """Once a newer blueprint is the target not one write of the older one is sent; the newer one is carried out."""
    store.advance(PLAN)
    overtake = after_call(call, lambda: store.advance(END))
    report = bench.run(PLAN, limits=ONE_BY_ONE, progress=overtake, safeguards=guarded(store))
    assert (report.outcome, len(bench.calls())) == (Outcome.FENCED, call)
    bench.enter(ENDED)
    assert bench.run(END, safeguards=guarded(store)).exit_code == 0
    at_rest(bench, END)


def test_c2_a_run_that_slept_asks_again_before_it_writes(bench: Bench, store: TargetStore) -> None:
    """A call that waited for its second try is a write too: overtaken in between, it is not sent."""
    store.advance(PLAN)
    bench.fault("switch0 dpd", "status", status=503, method="POST", times=1)
    asked = 0
    closed = Fence.closed

    def sleeping(asked_of: Fence) -> str | None:
        nonlocal asked
        asked += 1
        if asked == 3:  # the run itself, the first try, the second one
            store.advance(END)
        return closed(asked_of)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fence, "closed", sleeping)
        report = bench.run(PLAN, limits=ONE_BY_ONE, safeguards=guarded(store))
    assert report.outcome is Outcome.FENCED
    assert [call["status"] for call in bench.calls()] == [503]


def test_c3_two_runs_of_one_blueprint_do_no_harm(over_loopback: Bench) -> None:
    """One does everything after the other has read the rack: each call is sent twice and is done both times."""
    bench = over_loopback
    with ThreadPoolExecutor(1) as other:
        report = bench.run(PLAN, progress=when_read(lambda: other.submit(bench.run, PLAN).result()))
    assert (report.exit_code, {action.outcome for action in report.actions}) == (0, {CallOutcome.DONE})
    at_rest(bench, PLAN)


@pytest.mark.parametrize("call", range(1, 24, 4))
def test_c4_a_run_that_dies_between_two_calls_is_taken_up(bench: Bench, journal: JournalFile, call: int) -> None:
    """The next run looks for itself, knows from the journal who has still to leave, and ends what was begun."""
    bench.run(PLAN)
    bench.enter(ENDED)
    killed(bench, END, limits=ONE_BY_ONE, progress=killed_after(call), safeguards=keeping(journal))
    forgetful = evolve(END, sleds={sled: evolve(its, departures=()) for sled, its in END.sleds.items()})
    assert bench.run(forgetful, safeguards=keeping(journal)).exit_code == 0
    assert orphans(bench, END) == []
    at_rest(bench, END)


def test_c5_a_crash_amid_a_write_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """What was written is beside its place until it is whole: cut off at any octet, the old file is there."""
    path = tmp_path / "target.json"
    old, new = b"old " * 100, b"new " * 100
    for cut in (0, 1, 200, 399):
        durable.write(path, old)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", cut_off(path, cut))
            with pytest.raises(OSError, match="the machine stopped"):
                durable.write(path, new)
        assert path.read_bytes() == old
    durable.write(path, new)
    assert path.read_bytes() == new


def cut_off(path: Path, length: int) -> Any:
    """Return what a machine does that stops while data are on their way to the disk."""

    def stop(handle: int) -> None:
        os.truncate(handle, length)
        raise OSError(f"the machine stopped, {path}")

    return stop


def test_c6_a_full_disk_stops_a_run_before_the_calls_that_need_the_journal(
    bench: Bench, journal: JournalFile
) -> None:
    """Who cannot note that somebody has to leave sends nothing, and says why."""
    bench.run(PLAN)
    bench.enter(ENDED)
    bench.forget_calls()
    full = evolve(journal, write=test_journal.FullDisk(1))
    report = bench.run(END, safeguards=keeping(full))
    assert (report.outcome, bench.calls()) == (Outcome.PARTIAL, [])
    assert all("No space left on device" in owed.because for owed in report.owed)


def test_c7_a_run_that_is_interrupted_starts_nothing_more(over_loopback: Bench, journal: JournalFile) -> None:
    """Cancelled amid a wave, it waits for no call, sends no other, and the next run ends what was begun."""
    bench = over_loopback

    async def interrupted() -> None:
        task: asyncio.Task[Any] = asyncio.ensure_future(
            execute(
                PLAN,
                bench.rack.endpoints,
                limits=ONE_BY_ONE,
                safeguards=keeping(journal),
                progress=after_call(5, lambda: task.cancel()),  # noqa: PLW0108  # it is made of this
            )
        )
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(interrupted())
    assert len(bench.calls()) <= 6
    assert bench.run(PLAN, safeguards=keeping(journal)).exit_code == 0
    at_rest(bench, PLAN)


def test_c8_no_clock_says_which_blueprint_is_newer(bench: Bench, store: TargetStore) -> None:
    """A target that was set in the future is followed by the next one all the same: generations decide."""
    store.advance(PLAN, at=RACK.evaluated_at.replace(year=2999))
    assert store.advance(END, at=RACK.evaluated_at.replace(year=1970)) is None
    assert bench.run(PLAN, safeguards=guarded(store)).outcome is Outcome.FENCED
    assert bench.run(END, dry_run=True, safeguards=guarded(store)).outcome is Outcome.DIFFERENCES


@pytest.mark.parametrize("call", [2, 5, 9, 13, 17])
def test_c9_a_blueprint_that_arrives_amid_a_run_starts_from_what_is_there(bench: Bench, call: int) -> None:
    """A run from one plan to a second dies anywhere, a third is carried out: whoever stays hears each packet once."""
    bench.run(PLAN)
    bench.enter(MOVED)
    listen, wrong = watched(bench, {G4: {LISTENER, PICKER, MOVER}})
    killed(bench, MOVE, limits=ONE_BY_ONE, progress=killed_after(call))
    bench.enter(ENDED)
    third = planned(ENDED, MOVE)
    assert bench.run(third, progress=listen).exit_code == 0
    assert wrong == []
    at_rest(bench, third)


def test_c10_going_back_is_a_change_like_any_other(bench: Bench, store: TargetStore) -> None:
    """The plan after the second that equals the first has a generation of its own, and loses nobody on its way."""
    for plan, world in ((PLAN, RACK), (END, ENDED), (BACK, RACK)):
        assert store.advance(plan) is None
        bench.enter(world)
        listen, wrong = watched(bench, {G4: {LISTENER, PICKER, MOVER}} if plan is not PLAN else {})
        assert bench.run(plan, progress=listen, safeguards=guarded(store)).exit_code == 0
        assert wrong == []
    assert BACK.generation > END.generation > PLAN.generation
    assert bench.heard(G6, S6) == {READER: 1}


# --- twins ----------------------------------------------------------------------------------------------------------


def careless(path: Path, data: bytes) -> None:
    """Write a file in its place."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


OBSERVE = Rack.observe


def as_it_was(patch: pytest.MonkeyPatch) -> None:
    """Take what was read first for what is there ever after."""
    first: list[Any] = []

    async def remembered(rack: Rack, targets: Any) -> Any:
        first.append(await OBSERVE(rack, targets))
        return first[0]

    patch.setattr(Rack, "observe", remembered)


async def undisturbed(parts: Any) -> Any:
    """Go on whatever anybody asks."""
    everything = asyncio.gather(*parts)
    while not everything.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(everything)
    return everything.result()


TWINS = {
    "C1": Twin(
        check=test_c1_an_older_run_stops_before_its_next_write,
        arguments={"call": 7},
        bug=method(Fence, "closed", lambda _: None),
    ),
    "C2": Twin(
        check=test_c2_a_run_that_slept_asks_again_before_it_writes,
        bug=method(Fence, "_judged", lambda _: None),
    ),
    "C3": Twin(
        check=test_c3_two_runs_of_one_blueprint_do_no_harm,
        bug=entry(MEANINGS, (Endpoint.CREATE, 409), Meaning.REFUSED),
    ),
    "C4": Twin(
        check=test_c4_a_run_that_dies_between_two_calls_is_taken_up,
        arguments={"call": 1},
        bug=method(JournalFile, "record", lambda *_: None),
    ),
    "C5": Twin(
        check=test_c5_a_crash_amid_a_write_leaves_the_old_file_or_the_new_one, bug=replaced(durable.write, careless)
    ),
    "C6": Twin(
        check=test_c6_a_full_disk_stops_a_run_before_the_calls_that_need_the_journal,
        bug=method(Memory, "_kept", lambda _: None),
    ),
    "C7": Twin(
        check=test_c7_a_run_that_is_interrupted_starts_nothing_more, bug=replaced(together.together, undisturbed)
    ),
    "C8": Twin(check=test_c8_no_clock_says_which_blueprint_is_newer, bug=method(Fence, "closed", lambda _: None)),
    "C9": Twin(
        check=test_c9_a_blueprint_that_arrives_amid_a_run_starts_from_what_is_there,
        arguments={"call": 9},
        bug=as_it_was,
    ),
    "C10": Twin(
        check=test_c10_going_back_is_a_change_like_any_other,
        bug=replaced(fence._no_succession, lambda *_: "there is no way back"),
    ),
}


@pytest.mark.parametrize("row", TWINS)
def test_twin(row: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one decision made wrongly the row's own test fails."""
    must_fail(TWINS[row], request, monkeypatch)
