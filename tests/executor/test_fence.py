"""The target store, and runs that end because another blueprint is the target."""

import asyncio
import json
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from attrs import evolve

from blueprints.blueprint import Blueprint
from blueprints.errors import InputRejectedError
from blueprints.run_report import Outcome
from executor import durable, execute
from executor.fence import TargetStore
from executor.progress import CallFinished, Event
from executor.report import Report
from executor.safeguards import Safeguards
from tests.executor.bench import QUICK, Bench, planned
from tests.executor.test_faults import END, ENDED
from tests.simrack.rows import G4, G6, LISTENER, MOVER, PICKER, READER, S4, S6, small_rack

FIRST = planned(small_rack())
SECOND = planned(ENDED, FIRST)
SIBLING = planned(evolve(small_rack(), members=small_rack().members[1:]), FIRST)
THIRD = planned(small_rack(), SECOND)


@pytest.fixture
def store(tmp_path: Path) -> TargetStore:
    """A store that is empty, in a folder of its own."""
    (tmp_path / "store").mkdir()
    return TargetStore.at(str(tmp_path / "store" / "target.json"))


def guarded(store: TargetStore) -> Safeguards:
    """Return the safeguards of a fenced run."""
    return Safeguards(allow_mass_change=True, target_store=store)


# --- the store ------------------------------------------------------------------------------------------------------


def test_a_line_of_plans_becomes_the_target_one_after_the_other(store: TargetStore) -> None:
    """The first needs no parent, each one after it is the child of the target, and the target may be set again."""
    assert store.read() is None
    for plan in (FIRST, FIRST, SECOND, THIRD, THIRD):
        assert store.advance(plan) is None
        current = store.read()
        assert current is not None
        assert (current.names(plan), current.blueprint.generation) == (True, plan.generation)


@pytest.mark.parametrize(
    ("target", "other", "reason"),
    [
        (SECOND, SIBLING, "planned after"),
        (SECOND, FIRST, "planned after no blueprint"),
        (FIRST, THIRD, "planned after"),
        (FIRST, evolve(SECOND, generation=1), "generation is 1"),
        (FIRST, evolve(FIRST, digest="sha256:0"), "planned after no blueprint"),
    ],
    ids=["two children", "back", "a plan left out", "no new generation", "another of the same id"],
)
def test_others_are_refused_and_the_target_stays(
    store: TargetStore, target: Blueprint, other: Blueprint, reason: str
) -> None:
    """Whoever was not planned after the target does not take its place, whatever its generation."""
    assert store.advance(target) is None
    before = store.path.read_bytes()
    assert reason in str(store.advance(other))
    assert store.path.read_bytes() == before


def test_a_store_is_of_one_rack(store: TargetStore) -> None:
    """A blueprint of another rack is a mistake, not a race."""
    assert store.advance(FIRST) is None
    with pytest.raises(InputRejectedError, match="rack_id"):
        store.advance(evolve(SECOND, rack_id=UUID(int=1)))


def test_of_many_children_at_once_one_becomes_the_target(store: TargetStore) -> None:
    """Compare and set are one step, however many try."""
    assert store.advance(FIRST) is None
    children = [evolve(SECOND, id=UUID(int=number)) for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        refused = list(pool.map(store.advance, children))
    assert refused.count(None) == 1
    current = store.read()
    assert current is not None
    assert current.names(children[refused.index(None)])


def test_whoever_sets_a_target_waits_for_who_does_so(store: TargetStore) -> None:
    """Nobody reads the target while somebody else is about to replace it."""
    with ThreadPoolExecutor(1) as pool:
        with durable.locked(store.path, wait=True):
            setting = pool.submit(store.advance, FIRST)
            with pytest.raises(TimeoutError):
                setting.result(timeout=0.2)
            assert store.read() is None
        assert setting.result(timeout=20) is None


SPOILT: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("empty", lambda _: b""),
    ("cut off", lambda text: text[: len(text) // 2]),
    ("no UTF-8", lambda _: b"\xff\xfe"),
    ("another format", lambda text: text.replace(b"rackcast.target/1", b"rackcast.target/2")),
    ("no object", lambda _: b"[]"),
    ("a key too many", lambda text: text.replace(b'"rack_id"', b'"owner": 1, "rack_id"')),
    ("a key too few", lambda text: text.replace(b'"rack_id"', b'"rack"')),
    ("no number", lambda text: text.replace(b'"generation": 1', b'"generation": "1"')),
]


@pytest.mark.parametrize(("name", "spoil"), SPOILT, ids=[name for name, _ in SPOILT])
def test_a_spoilt_store_says_nothing(
    bench: Bench, store: TargetStore, name: str, spoil: Callable[[bytes], bytes]
) -> None:
    """It is refused before anything is read or sent, and is not written over."""
    store.advance(FIRST)
    data = spoil(store.path.read_bytes())
    assert data != b"" or name == "empty"
    store.path.write_bytes(data)
    with pytest.raises(InputRejectedError):
        store.read()
    with pytest.raises(InputRejectedError):
        store.advance(FIRST)
    report = bench.run(FIRST, safeguards=guarded(store))
    assert (report.exit_code, dict(report.counts), bench.calls(), bool(report.refusals)) == (7, {}, [], True)
    assert store.path.read_bytes() == data


# --- files that outlive a crash -------------------------------------------------------------------------------------


def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever step fails, what is there is one of the two, and the next writing succeeds."""
    path = tmp_path / "file"
    durable.write(path, b"old")
    for name in ("fsync", "replace", "open"):
        with monkeypatch.context() as patch:
            patch.setattr(Path if name == "replace" else os, name, _failing)
            with pytest.raises(OSError, match="no space"):
                durable.write(path, b"new")
        assert path.read_bytes() == b"old"
    durable.write(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_file_is_on_disk_before_its_name_and_its_name_before_anybody_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The content is flushed before the file is renamed, and the folder that holds the name after that."""
    path, flushed = tmp_path / "file", []
    flush = os.fsync

    def recorded(handle: int) -> None:
        flushed.append((stat.S_ISDIR(os.fstat(handle).st_mode), path.exists()))
        flush(handle)

    monkeypatch.setattr(os, "fsync", recorded)
    durable.write(path, b"new")
    assert flushed == [(False, False), (True, True)]


def _failing(*_: object, **__: object) -> None:
    raise OSError(28, "no space")


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A folder, a pipe and a huge file are refused at once; where nothing is there is nothing."""
    assert durable.read(tmp_path / "none") is None
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(durable.MAX_BYTES + 1)
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "huge"):
        with pytest.raises(InputRejectedError):
            durable.read(path)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A link that waits where the new file is prepared is not followed."""
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / ".file.new").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        durable.write(tmp_path / "file", b"new")
    assert (tmp_path / "victim").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["a\0b", "loop"])
def test_impossible_names_are_refused(tmp_path: Path, name: str) -> None:
    """A NUL or a loop of links is an input to mend, not a crash."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputRejectedError):
        TargetStore.at(str(tmp_path / name)).read()


# --- runs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dry_run", [False, True], ids=["run", "dry run"])
def test_only_the_target_is_carried_out(bench: Bench, store: TargetStore, dry_run: bool) -> None:
    """Neither without a target nor beside another one is anything read or sent; the target itself is carried out."""
    report = bench.run(FIRST, dry_run=dry_run, safeguards=guarded(store))
    assert (report.outcome, report.exit_code, dict(report.counts)) == (Outcome.FENCED, 6, {})
    store.advance(FIRST)
    store.advance(SECOND)
    stale = bench.run(FIRST, dry_run=dry_run, safeguards=guarded(store))
    assert (stale.exit_code, "a newer blueprint" in stale.owed[0].because) == (6, True)
    newer = bench.run(THIRD, dry_run=dry_run, safeguards=guarded(store))
    assert (newer.exit_code, "another blueprint" in newer.owed[0].because) == (6, True)
    assert bench.calls() == []
    assert bench.run(SECOND, dry_run=dry_run, safeguards=guarded(store)).exit_code == (3 if dry_run else 0)


def after(call: int, act: Callable[[], object]) -> Callable[[Event], None]:
    """Return a listener that acts once that many calls have ended."""
    ended = 0

    def listen(event: Event) -> None:
        nonlocal ended
        if isinstance(event, CallFinished):
            ended += 1
            if ended == call:
                act()

    return listen


ONE_BY_ONE = evolve(QUICK, in_flight=1)


@pytest.mark.parametrize("call", [1, 2, 5, 12, 20])
def test_a_newer_target_ends_a_run_before_its_next_write(bench: Bench, store: TargetStore, call: int) -> None:
    """After the newer one is the target not one write is sent; the report says what was done and what is owed."""
    store.advance(FIRST)
    listen = after(call, lambda: store.advance(SECOND))
    report = bench.run(FIRST, limits=ONE_BY_ONE, progress=listen, safeguards=guarded(store))
    assert (report.outcome, report.exit_code) == (Outcome.FENCED, 6)
    assert len(bench.calls()) == call == sum(action.done for action in report.actions)
    assert {action.outcome.value for action in report.actions} <= {"done", "owed"}
    assert any(owed.target == "rack" and "a newer blueprint" in owed.because for owed in report.owed)
    bench.enter(ENDED)
    done = bench.run(SECOND, safeguards=guarded(store))
    assert (done.exit_code, bench.heard(G4, S4), bench.heard(G6, S6)) == (
        0,
        {LISTENER: 1, PICKER: 1, MOVER: 1},
        {},
    )


def test_a_newer_target_at_the_very_end_is_told(bench: Bench, store: TargetStore) -> None:
    """A run whose last call was sent in time is still not the run of the target."""
    store.advance(FIRST)
    calls = len(bench.run(FIRST, dry_run=True).actions)
    report = bench.run(FIRST, progress=after(calls, lambda: store.advance(SECOND)), safeguards=guarded(store))
    assert (report.exit_code, [owed.target for owed in report.owed]) == (6, ["rack"])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_bytes(b"{"), "cannot be read"),
        (lambda path: path.unlink(), "no blueprint"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
        (
            lambda path: path.parent.rename(path.parent.with_name("old")).with_name("store").touch(),
            "cannot be read",
        ),
    ],
    ids=["spoilt", "gone", "a folder", "below a file"],
)
def test_a_store_that_stops_to_answer_ends_a_run(
    bench: Bench, store: TargetStore, spoil: Callable[[Path], object], reason: str
) -> None:
    """Who cannot find out whether he may write does not write, and says why."""
    store.advance(FIRST)
    listen = after(3, lambda: spoil(store.path))
    report = bench.run(FIRST, limits=ONE_BY_ONE, progress=listen, safeguards=guarded(store))
    assert (report.exit_code, len(bench.calls())) == (6, 3)
    assert any(reason in owed.because for owed in report.owed if owed.target == "rack")


def test_a_run_that_may_not_write_does_not_wait_to_try_again(bench: Bench, store: TargetStore) -> None:
    """What is forbidden is not a daemon that is slow: the run ends without a pause for each of its calls."""
    store.advance(FIRST)
    slow = evolve(QUICK, in_flight=1, pause_seconds=5.0, pause_most_seconds=5.0)

    async def timed() -> Report:
        async with asyncio.timeout(10):
            listen = after(2, lambda: store.advance(SECOND))
            rack = bench.rack.endpoints
            return await execute(FIRST, rack, limits=slow, progress=listen, safeguards=guarded(store))

    assert asyncio.run(timed()).exit_code == 6


def test_a_second_try_is_a_write_too(bench: Bench, store: TargetStore) -> None:
    """A call that waits to be sent again is not sent once another blueprint is the target."""
    store.advance(FIRST)
    bench.fault("switch0 dpd", "status", status=503, method="POST", times=None)
    waiting = evolve(QUICK, in_flight=1, pause_seconds=1.5)

    async def race() -> Report:
        async def overtake() -> None:
            await asyncio.sleep(0.7)
            store.advance(SECOND)

        report, _ = await asyncio.gather(
            execute(FIRST, bench.rack.endpoints, limits=waiting, safeguards=guarded(store)), overtake()
        )
        return report

    assert asyncio.run(race()).exit_code == 6
    assert len([call for call in bench.calls() if call["target"] == "switch0 dpd"]) == 1


@pytest.mark.parametrize("call", [1, 4, 9, 15, 21])
def test_the_newest_of_two_that_run_side_by_side_is_what_stays(bench: Bench, store: TargetStore, call: int) -> None:
    """An older run that is overtaken leaves at most what was under way; the newer one and one run more end right."""
    store.advance(FIRST)
    bench.enter(ENDED)
    overtaken = asyncio.Event()

    def overtake() -> None:
        store.advance(SECOND)
        overtaken.set()

    async def newer() -> Report:
        await overtaken.wait()
        return await execute(SECOND, bench.rack.endpoints, limits=QUICK, safeguards=guarded(store))

    async def race() -> tuple[Report, Report]:
        older = execute(
            FIRST, bench.rack.endpoints, limits=QUICK, progress=after(call, overtake), safeguards=guarded(store)
        )
        first, second = await asyncio.gather(older, newer())
        return first, second

    first, second = asyncio.run(race())
    assert (first.exit_code, second.exit_code in (0, 4, 5)) == (6, True)
    assert bench.run(SECOND, safeguards=guarded(store)).exit_code == 0
    assert bench.run(SECOND, safeguards=guarded(store)).counts.get("writes", 0) == 0
    assert bench.heard(G6, S6) == {}
    assert READER not in bench.heard(G4, S4)


def test_the_file_says_what_people_and_programs_need(store: TargetStore) -> None:
    """Format, rack, blueprint and time; nothing else."""
    store.advance(END)
    document = json.loads(store.path.read_bytes())
    assert document["format"] == "rackcast.target/1"
    assert document["blueprint"] == {"id": str(END.id), "digest": END.digest, "generation": END.generation}
    assert set(document) == {"format", "rack_id", "blueprint", "set_at"}
