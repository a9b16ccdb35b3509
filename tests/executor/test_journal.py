"""Runs that are killed: what the next one finds, sends again and leaves behind."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from attrs import define, evolve, field

from blueprints.addresses import Address
from blueprints.errors import InputRejectedError
from blueprints.identifiers import SwitchSlot
from blueprints.run_report import Outcome
from executor import durable
from executor.journal import Doubted, Intents, JournalFile, OwedLeave, Retired
from executor.progress import Event
from tests.executor.bench import IMPATIENT, QUICK, Bench, planned
from tests.executor.builders import port
from tests.executor.deaths import KillingWriter, keeping, killed, killed_after, orphans
from tests.executor.test_faults import END, ENDED
from tests.executor.test_transients import watched
from tests.simrack.rows import (
    G4,
    G6,
    LISTENER,
    MOVER,
    PICKER,
    RACK,
    READER,
    S4,
    S6,
    SLEDS,
    U4,
    U6,
    propolis,
    small_rack,
)

FIRST = planned(small_rack())


@pytest.fixture
def bench(bench_inside: Bench) -> Bench:
    """The small rack without sockets: deadlines pass at once, and a machine that is busy misses none."""
    return bench_inside


FORGETFUL = evolve(END, sleds={sled: evolve(tables, departures=()) for sled, tables in END.sleds.items()})
"""The plan in which a group ends, but which no longer says that somebody has to leave it."""


# --- killed runs ----------------------------------------------------------------------------------------------------

CALLS = 22
"""More calls than the run that ends a group makes."""


def end_group(bench: Bench) -> None:
    """Bring the rack to its first plan, and let the world move on."""
    bench.run(FIRST)
    bench.enter(ENDED)


@pytest.mark.parametrize("one_by_one", [True, False], ids=["one by one", "side by side"])
def test_a_run_that_is_killed_after_any_call_leaves_no_orphan(
    bench: Bench, journal: JournalFile, one_by_one: bool
) -> None:
    """Wherever it ends, a run of a plan that has forgotten the departure converges and nobody stays subscribed."""
    limits = evolve(QUICK, in_flight=1) if one_by_one else QUICK
    deaths = 0
    calls = range(1, CALLS + 1, 1 if one_by_one else 3)
    for call in calls:
        bench.reset(small_rack())
        end_group(bench)
        deaths += killed(bench, END, limits=limits, progress=killed_after(call), safeguards=keeping(journal))
        report = bench.run(FORGETFUL, safeguards=keeping(journal))
        assert (call, report.exit_code, orphans(bench, END)) == (call, 0, [])
        assert (bench.heard(G4, S4), bench.heard(G6, S6)) == ({LISTENER: 1, PICKER: 1, MOVER: 1}, {})
        assert journal.read(RACK) == Intents()
    assert len(calls) / 2 < deaths < len(calls)


def test_without_a_journal_the_forgotten_departure_stays(bench: Bench) -> None:
    """What the journal is for: the same history without one leaves a port subscribed under an address to come."""
    end_group(bench)
    assert killed(bench, END, progress=killed_after(1))
    assert bench.run(FORGETFUL).exit_code == 0
    assert orphans(bench, END) == [(str(SLEDS[0]), str(READER), U6)]


@pytest.mark.parametrize("moment", ["before", "half", "after"])
@pytest.mark.parametrize("fatal", [1, 2])
def test_a_run_that_is_killed_while_it_writes_leaves_no_orphan(
    bench: Bench, journal: JournalFile, fatal: int, moment: str
) -> None:
    """The journal is the old or the new one, the calls that it protects come after it, and the next run converges."""
    end_group(bench)
    bench.forget_calls()
    dying = evolve(journal, write=KillingWriter(fatal, moment))
    assert killed(bench, END, safeguards=keeping(dying))
    assert bool(bench.calls()) is (fatal == 2)
    plan = END if (fatal, moment) in ((1, "before"), (1, "half")) else FORGETFUL
    assert bench.run(plan, safeguards=keeping(journal)).exit_code == 0
    assert orphans(bench, END) == []
    assert journal.read(RACK) == Intents()


@pytest.mark.parametrize("call", [1, 4, 8, 12])
def test_who_stays_hears_every_packet_through_death_and_return(bench: Bench, journal: JournalFile, call: int) -> None:
    """A packet after every call of the killed run and of the next: nobody who stays misses one or hears it twice."""
    end_group(bench)
    listen, wrong = watched(bench, {G4: {LISTENER, PICKER, MOVER}})
    kill = killed_after(call)

    def both(event: Event) -> None:
        listen(event)
        kill(event)

    assert killed(bench, END, progress=both, safeguards=keeping(journal))
    assert bench.run(FORGETFUL, progress=listen, safeguards=keeping(journal)).exit_code == 0
    assert wrong == []


@pytest.mark.parametrize("seed", range(3))
def test_a_first_run_that_is_killed_is_made_good(bench: Bench, journal: JournalFile, seed: int) -> None:
    """KilledError three times while the rack is filled, the fourth run converges and the fifth has nothing to do."""
    for call in (3 + seed, 7 + seed, 11 + seed):
        assert killed(bench, FIRST, progress=killed_after(call), safeguards=keeping(journal))
    assert bench.run(FIRST, safeguards=keeping(journal)).exit_code == 0
    assert bench.run(FIRST, safeguards=keeping(journal)).counts.get("writes", 0) == 0
    assert orphans(bench, FIRST) == []


# --- leaves that nobody acknowledged --------------------------------------------------------------------------------


def test_a_leave_that_failed_is_sent_again_before_its_mapping_goes(bench: Bench, journal: JournalFile) -> None:
    """A plan that no longer lists the departure sends it all the same, and in that order."""
    end_group(bench)
    bench.fault(f"sled {SLEDS[0]}", "status", status=500, method="DELETE", path="/instances", times=None)
    assert bench.run(END, safeguards=keeping(journal)).exit_code == 4
    assert [leave.instance_id for leave in journal.read(RACK).leaves] == [READER]
    still = bench.run(FORGETFUL, safeguards=keeping(journal))
    assert (still.exit_code, still.as_json()["journal"]["leaves"]) == (4, 1)
    assert U6 in str(bench.observe().sleds[SLEDS[0]].m2p)
    bench.calm()
    bench.forget_calls()
    assert bench.run(FORGETFUL, safeguards=keeping(journal)).exit_code == 0
    there = [call["path"].rsplit("/", 1)[1] for call in bench.calls() if call["method"] == "DELETE"]
    assert there == ["multicast-group", "mcast-m2p"]
    assert (orphans(bench, END), journal.read(RACK)) == ([], Intents())


def test_a_sled_that_was_silent_is_told_when_it_is_back(bench: Bench, journal: JournalFile) -> None:
    """The leave of a sled that could not even be read is remembered."""
    end_group(bench)
    bench.fault(f"sled {SLEDS[0]}", "refuse", times=None)
    assert bench.run(END, limits=IMPATIENT, safeguards=keeping(journal)).exit_code == 4
    bench.calm()
    assert bench.run(FORGETFUL, safeguards=keeping(journal)).exit_code == 0
    assert (orphans(bench, END), journal.read(RACK)) == ([], Intents())


def test_whoever_is_wanted_again_is_not_told_to_leave(bench: Bench, journal: JournalFile) -> None:
    """A leave of before that a new plan contradicts is dropped."""
    bench.run(FIRST)
    journal.record(RACK, Intents(leaves=[leave_of(READER, G6)]))
    bench.forget_calls()
    assert bench.run(FIRST, safeguards=keeping(journal)).exit_code == 0
    assert [call for call in bench.calls() if call["method"] == "DELETE"] == []
    assert (journal.read(RACK), bench.heard(G6, S6)) == (Intents(), {READER: 1})


def leave_of(instance: UUID, address: str, sled: UUID = SLEDS[0]) -> OwedLeave:
    """Return the leave of one instance."""
    return OwedLeave(sled_id=sled, instance_id=instance, propolis_id=propolis(instance), group_ip=_external(address))


def _external(address: str) -> Any:
    return next(row.multicast_ip for row in FIRST.groups if row.multicast_ip.text == address)


def test_a_sled_without_a_place_in_the_plan_is_kept_and_owes_nothing(bench: Bench, journal: JournalFile) -> None:
    """Its leaves stay in the journal, hold nothing up and are not sent."""
    parked = Intents(leaves=[leave_of(READER, G6, UUID(int=7))])
    journal.record(RACK, parked)
    report = bench.run(FIRST, safeguards=keeping(journal))
    assert (report.exit_code, journal.read(RACK)) == (0, parked)


def test_a_rack_whose_multicast_is_off_forgets_nothing(bench: Bench, journal: JournalFile) -> None:
    """A plan without targets neither sends nor drops what is owed."""
    end_group(bench)
    assert killed(bench, END, progress=killed_after(1), safeguards=keeping(journal))
    before = journal.read(RACK)
    off = evolve(END, policy=evolve(END.policy, multicast_enabled=False))
    assert bench.run(off, safeguards=keeping(journal)).exit_code == 0
    assert (journal.read(RACK), bool(before.leaves)) == (before, True)


def test_a_dry_run_shows_what_the_journal_adds_and_leaves_it_alone(bench: Bench, journal: JournalFile) -> None:
    """The calls of a dry run are those of the run that follows, and its journal is as it was."""
    end_group(bench)
    assert killed(bench, END, progress=killed_after(1), safeguards=keeping(journal))
    before = journal.path.read_bytes()
    dry = bench.run(FORGETFUL, dry_run=True, safeguards=keeping(journal))
    assert journal.path.read_bytes() == before
    wet = bench.run(FORGETFUL, safeguards=keeping(journal))
    assert [(str(a.call.target), a.call.kind) for a in dry.actions] == [
        (str(a.call.target), a.call.kind) for a in wet.actions
    ]


# --- the file -------------------------------------------------------------------------------------------------------


@define
class FullDisk:
    """Writes a journal until there is no room."""

    fatal: int
    written: int = field(default=0, init=False)

    def __call__(self, path: Path, data: bytes) -> None:
        self.written += 1
        if self.written >= self.fatal:
            raise OSError(28, "No space left on device")
        durable.write(path, data)


def test_a_full_disk_stops_a_run_before_the_calls_that_the_journal_protects(
    bench: Bench, journal: JournalFile
) -> None:
    """Nothing is sent, everything is owed, and the reason is told."""
    end_group(bench)
    bench.forget_calls()
    report = bench.run(END, safeguards=keeping(evolve(journal, write=FullDisk(1))))
    assert (report.outcome, report.exit_code, bench.calls()) == (Outcome.PARTIAL, 4, [])
    assert all("No space left on device" in owed.because for owed in report.owed)
    assert {owed.kind for owed in report.owed} >= {None, "m2p_clear"}
    assert bench.run(END, safeguards=keeping(journal)).exit_code == 0


def test_a_disk_that_fills_up_later_is_told_and_costs_nothing(bench: Bench, journal: JournalFile) -> None:
    """What was acknowledged stays in the journal and is sent once more by the next run."""
    end_group(bench)
    report = bench.run(END, safeguards=keeping(evolve(journal, write=FullDisk(2))))
    assert (report.exit_code, [owed.target for owed in report.owed]) == (4, ["rack"])
    assert [leave.instance_id for leave in journal.read(RACK).leaves] == [READER]
    again = bench.run(FORGETFUL, safeguards=keeping(journal))
    assert (again.exit_code, journal.read(RACK)) == (0, Intents())


SPOILT = [
    (b"", "is no JSON"),
    (b'{"format": "rackcast.journal/1"', "is no JSON"),
    (b'{"format": "rackcast.journal/2"}', "is not rackcast.journal/1"),
    (b'{"format": "rackcast.journal/1", "rack_id": "00000000-0000-0000-0000-000000000001"}', "not the journal"),
    (f'{{"format": "rackcast.journal/1", "rack_id": "{RACK}", "leaves": [{{}}]}}'.encode(), "missing"),
    (f'{{"format": "rackcast.journal/1", "rack_id": "{RACK}", "owner": 1}}'.encode(), "unknown key"),
]


@pytest.mark.parametrize("dry_run", [False, True], ids=["run", "dry run"])
@pytest.mark.parametrize(("data", "reason"), SPOILT, ids=["empty", "cut off", "newer", "other rack", "row", "key"])
def test_a_journal_that_cannot_be_read_is_refused(
    bench: Bench, journal: JournalFile, data: bytes, reason: str, dry_run: bool
) -> None:
    """Who does not know what is owed sends nothing, and leaves the file as it is."""
    journal.path.write_bytes(data)
    report = bench.run(FIRST, dry_run=dry_run, safeguards=keeping(journal))
    assert (report.exit_code, dict(report.counts), bench.calls()) == (7, {}, [])
    assert reason in report.refusals[0]
    assert journal.path.read_bytes() == data


def test_a_journal_is_of_one_run_at_a_time(bench: Bench, journal: JournalFile) -> None:
    """A second run beside the first is refused; a dry run may look."""
    with journal.locked():
        assert bench.run(FIRST, safeguards=keeping(journal)).exit_code == 7
        assert bench.run(FIRST, dry_run=True, safeguards=keeping(journal)).exit_code == 3
    assert bench.run(FIRST, safeguards=keeping(journal)).exit_code == 0


def test_a_journal_without_a_folder_is_refused(bench: Bench, tmp_path: Path) -> None:
    """A place that cannot be is an input to mend."""
    nowhere = JournalFile.at(str(tmp_path / "nowhere" / "journal.json"))
    report = bench.run(FIRST, safeguards=keeping(nowhere))
    assert (report.exit_code, bench.calls()) == (7, [])


def test_a_journal_reads_as_it_was_written(journal: JournalFile) -> None:
    """Leaves and addresses come back as they were, sorted and once."""
    kept = Intents(
        leaves=[leave_of(READER, G6), leave_of(LISTENER, G4)],
        retired=[Retired(underlay=Address.parse(U6), group=Address.parse(G6), places=("switch0 dpd", "sled 1"))],
        doubted=[
            Doubted(switch=slot, underlay=Address.parse(U4), group=Address.parse(G4), ports=[port(2), port(1)])
            for slot in SwitchSlot
        ],
    )
    journal.record(RACK, kept)
    assert journal.read(RACK) == kept
    assert [leave.group_ip.text for leave in kept.leaves] == [G4, G6]
    assert [(each.switch, each.ports) for each in kept.doubted] == [(slot, (port(1), port(2))) for slot in SwitchSlot]
    assert kept.retired[0].places == ("sled 1", "switch0 dpd")
    with pytest.raises(InputRejectedError):
        journal.read(UUID(int=1))


def test_a_failure_of_our_own_stops_every_lane(bench: Bench, journal: JournalFile) -> None:
    """When one call ends a run unexpectedly, the others are stopped before that is told: nothing goes on unseen."""
    bench.fault("switch1 dpd", "status", status=503, method="POST", times=None)
    assert killed(bench, FIRST, progress=killed_after(1), safeguards=keeping(journal))
    after = len(bench.calls())
    bench.wait(asyncio.sleep(60))
    assert len(bench.calls()) == after
