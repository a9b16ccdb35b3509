"""Whom a run interrupts, which option accepts it, and that a move is never a side effect."""

from collections.abc import Coroutine
from typing import Any

import click
import pytest
from attrs import evolve

from blueprints.blueprint import Blueprint
from blueprints.run_report import Outcome
from blueprints.snapshot import Snapshot
from executor import Report, execute
from executor.interruptions import BEHIND
from executor.safeguards import Safeguards
from rackcast.commands.guards import named_groups
from tests.executor.bench import IMPATIENT, QUICK, UNASKED, Bench, planned
from tests.executor.catalogue.scenes import to_sled
from tests.executor.test_runs import moved_underlay
from tests.simrack.rows import G4, GROUP4, LISTENER, MOVER, PICKER, SLEDS, SWITCH0, SWITCH1, U4, small_rack

PLAN = planned(small_rack())
MOVED: Snapshot = moved_underlay()


def test_a_move_names_who_loses_what_and_the_option_that_asks_for_it(bench: Bench) -> None:
    """Every member of the group with its sled, in the report of the dry run and of the run that waits."""
    bench.run(PLAN)
    target = planned(MOVED)
    for dry_run in (True, False):
        report = bench.run(target, dry_run=dry_run)
        assert (report.outcome, report.exit_code) == (Outcome.CONSENT, 5)
        (told,) = report.as_json()["interruptions"]
        assert (told["group"], told["option"], told["accepted"]) == (G4, f"--move-underlay {G4}", False)
        named = {(row["instance_id"], row["sled_id"]) for row in told["members"]}
        assert named == {(str(LISTENER), str(SLEDS[0])), (str(PICKER), str(SLEDS[1]))} | {
            (str(MOVER), str(SLEDS[place])) for place in (1, 2)
        }
        waits = [owed.because for owed in report.owed if owed.consent]
        # The calls beside the move wait for it too: no other option would send them.
        assert waits
        assert [because for because in waits if f": --move-underlay {G4} accepts it" not in because] == []


def test_who_hears_nothing_yet_loses_nothing(bench: Bench) -> None:
    """A sled that does not map the group gives its members nothing that a move could take."""
    bench.run(PLAN)
    mapping = {"group": G4, "underlay": U4}
    to_sled(bench, SLEDS[0], "DELETE", "/networking/mcast-m2p", mapping)
    (told,) = bench.run(planned(MOVED)).interruptions
    assert LISTENER not in {member.instance_id for member in told.members}


def test_allowing_loss_moves_nothing_and_naming_the_group_does(bench: Bench) -> None:
    """Only the group that is named moves; naming it is all the consent that its move needs."""
    bench.run(PLAN)
    target = planned(MOVED)
    lossy = Safeguards(allow_loss=True, allow_mass_change=True)
    bench.forget_calls()
    unnamed = bench.wait(_run(bench, target, lossy))
    assert unnamed.exit_code == 5
    assert [call for call in bench.calls() if "ff04::e9fc:8" in str(call)] == []
    named = Safeguards(allow_mass_change=True, move_underlay=[target.groups[0].multicast_ip])
    done = bench.run(target, safeguards=named)
    assert (done.outcome, done.owed) == (Outcome.CONVERGED, ())
    assert [each.accepted for each in done.interruptions] == [True]


def _run(bench: Bench, target: Blueprint, guards: Safeguards) -> Coroutine[Any, Any, Report]:
    return execute(target, bench.rack.endpoints, limits=QUICK, safeguards=guards, mounts=bench.mounts)


def test_a_change_that_loses_nothing_interrupts_nobody(bench: Bench) -> None:
    """Filling an empty rack takes nothing from anybody."""
    assert bench.run(PLAN, safeguards=UNASKED).interruptions == ()


@pytest.mark.parametrize("name", [G4, str(GROUP4), "group-4"])
def test_a_group_goes_by_its_id_its_name_and_its_address(name: str) -> None:
    """Each of them names it; what names none is a wrong usage."""
    assert {str(group) for group in named_groups(PLAN, [name])} == {G4}
    with pytest.raises(click.UsageError):
        named_groups(PLAN, ["another"])
    with pytest.raises(click.UsageError, match=r"^--move-underlay '\\x1b\[2J': no group"):
        named_groups(PLAN, ["\x1b[2J"])


def test_a_sled_that_a_move_left_behind_is_brought_after_and_its_own_ports_are_told(bench: Bench) -> None:
    """Nobody but its own instances reaches them any more: what these send is missed for a moment."""
    bench.run(PLAN)
    target = planned(MOVED)
    bench.fault(f"sled {SLEDS[0]}", "refuse", times=None)
    named = Safeguards(allow_mass_change=True, move_underlay=[target.groups[0].multicast_ip])
    assert bench.run(target, limits=IMPATIENT, safeguards=named).exit_code == 4
    bench.calm()
    done = bench.run(target)
    assert (done.outcome, done.owed) == (Outcome.CONVERGED, ())
    (told,) = done.interruptions
    assert (str(told.group), told.option, told.what) == (G4, None, BEHIND)
    assert {member.sled_id for member in told.members} == {SLEDS[0]}
    assert LISTENER in {member.instance_id for member in told.members}


def test_a_missing_switch_may_still_reach_a_sled_that_a_move_left_behind(bench: Bench) -> None:
    """What a switch has that the plan misses is not known: the sled moves with consent."""
    bench.run(PLAN)
    bare = evolve(MOVED, switches={SWITCH1: MOVED.switches[SWITCH1]})
    moved = planned(MOVED)
    bench.fault(f"sled {SLEDS[0]}", "refuse", times=None)
    named = Safeguards(allow_mass_change=True, move_underlay=[moved.groups[0].multicast_ip])
    assert bench.run(moved, limits=IMPATIENT, safeguards=named).exit_code == 4
    bench.calm()
    without = planned(bare, moved)
    assert without.missing_switches == (SWITCH0,)
    assert bench.run(without).exit_code == 5
    assert bench.run(moved).exit_code == 0
