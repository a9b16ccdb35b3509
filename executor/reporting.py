"""What a run is reported as: asked about, rehearsed, withheld, carried out.

This file does not know how calls are sent, nor in which order.
"""

from collections.abc import Iterable, Sequence

from attrs import evolve

from blueprints.run_report import CarriedOut, Outcome
from executor.calls import Call
from executor.changeset import Difference
from executor.classes import classified
from executor.debts import debts, lossy, moving
from executor.endings import planned
from executor.interruptions import ALLOW_LOSS
from executor.others import told
from executor.owed import Owed, in_order, owed_by, owed_change
from executor.rehearsal import rehearse
from executor.report import Report, tallied
from executor.room import Room
from executor.run import Run
from executor.standings import standings
from executor.targets import Target


def unaccepted(run: Run) -> list[Owed]:
    """What goes beyond the allowances and nobody has accepted."""
    if run.guards.allow_mass_change:
        return []
    beyond = [loss for loss in run.losses if loss.beyond]
    return [Owed(target=loss.place, because=f"{loss}; {_MASS_CHANGE}", consent=True) for loss in beyond]


def asked(run: Run, difference: Difference) -> Report:
    """Return the report of a run that sends nothing until somebody accepts how much goes."""
    run.announce(difference)
    return _report(run, Outcome.CONSENT, difference, unaccepted(run))


def rehearsed(run: Run, difference: Difference) -> Report:
    """Return the report of a dry run."""
    run.memory.look(difference, run.seen)
    run.announce(difference)
    rehearsal = rehearse(
        difference,
        run.targets,
        subscriptions=run.subscriptions,
        **run.consent,
        occupied=run.memory.occupied(difference),
        room=Room.of(run.seen, run.memory.new),
    )
    owed = [owed_change(held.change, held.because) for held in rehearsal.held]
    moved = moving(rehearsal.waiting)
    owed += [owed_change(change, lossy(change, moved), consent=True) for change in rehearsal.waiting]
    doubts = _doubts(run, difference)
    owed += owed_by(difference) + unaccepted(run) + doubts
    differs = bool(difference.changes or difference.conflicts)
    if rehearsal.waiting or unaccepted(run) or any(each.consent for each in doubts):
        outcome = Outcome.CONSENT
    elif differs:
        outcome = Outcome.DIFFERENCES
    else:
        outcome = Outcome.PARTIAL if owed else Outcome.CONVERGED
    return _report(run, outcome, difference, owed, rehearsal.calls, dry_run=True)


def _doubts(run: Run, difference: Difference) -> list[Owed]:
    """Return what is owed to chips that may not be as their daemons say."""
    doubted = run.doubted(difference)
    lossy = run.unhealed(doubted)
    return [
        Owed(
            target=str(Target.dpd(slot)),
            groups=(group,),
            because=f"{_DOUBTED}; {ALLOW_LOSS} accepts what that costs" if (slot, group) in lossy else _DOUBTED,
            consent=(slot, group) in lossy,
        )
        for slot, group in doubted
    ]


def withheld(run: Run, difference: Difference, *, dry_run: bool) -> Report:
    """Return the report of a run that sends nothing, because the rack may not be the one that was meant."""
    owed = [owed_change(change, _NOBODY) for change in difference.changes] + owed_by(difference)
    return _report(run, Outcome.PARTIAL, difference, owed, dry_run=dry_run)


async def carried_out(run: Run, difference: Difference) -> Report:
    """Let *run* send what *difference* asks for, and return its report."""
    because = run.memory.begin(difference, run.seen)
    run.announce(difference)
    if because is not None:
        owed = [Owed(target="rack", because=because), *owed_by(difference)]
        owed += [owed_change(change, because) for change in difference.changes]
        return _report(run, Outcome.PARTIAL, difference, owed)
    left = await run.carried_out(difference)
    owed = debts(left.difference, run.failures, left.waiting) + _doubts(run, left.difference)
    because = run.memory.end(run.seen)
    if because is not None:
        owed.append(Owed(target="rack", because=because))
    halted = run.halted
    if halted:
        owed.append(Owed(target="rack", because=halted))
        return _report(run, Outcome.FENCED, left.difference, owed)
    owed += [
        Owed(target=str(thing[0]), because=f"{told(thing)}; {_OTHER_WRITER}", consent=True)
        for thing in (run.intruded if run.disturbed else ())
    ]
    outcome = Outcome.CONSENT if run.waited or run.disturbed else Outcome.PARTIAL if owed else Outcome.CONVERGED
    return _report(run, outcome, left.difference, owed)


def _report(
    run: Run,
    outcome: Outcome,
    difference: Difference,
    owed: Iterable[Owed],
    rehearsed: Sequence[Call] = (),
    *,
    dry_run: bool = False,
) -> Report:
    actions = planned(rehearsed) if dry_run else run.log.sent()
    unsupported = {str(target) for target in run.rack.unsupported}
    debts_in_order = in_order(evolve(each, wedged=True) if each.target in unsupported else each for each in owed)
    return Report(
        blueprint=CarriedOut.naming(run.blueprint),
        outcome=outcome,
        dry_run=dry_run,
        actions=actions,
        tally=tallied(actions) if dry_run else run.log.endings.tally,
        owed=debts_in_order,
        targets=standings(
            run.targets,
            (each.debt for each in debts_in_order),
            difference.changes.targets,
            waits=outcome is Outcome.CONSENT and bool(unaccepted(run)),
        ),
        counts=dict(run.rack.calls),
        foreign=difference.foreign,
        held=difference.held,
        conflicts=difference.conflicts,
        members_elsewhere=len(difference.members_elsewhere),
        losses=run.losses,
        interruptions=run.interruptions,
        journal=run.memory.kept,
        classes=classified(run.blueprint, run.seen),
    )


_DOUBTED = "its chip may hold other members than its daemon lists: it is to be deleted there and made anew"
_MASS_CHANGE = "--allow-mass-change accepts it"
_OTHER_WRITER = "stop the other writer, or --allow-other-writer goes on"
_NOBODY = "no sled of the blueprint answers: this may be another rack"
