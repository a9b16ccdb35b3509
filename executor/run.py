"""One run: stages of calls, each target on its own lane, read back between widening and narrowing.

This file does not know whether a run may begin, nor what is right for a rack.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from attrs import define, evolve, field

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from blueprints.endpoints import SubscriptionForm
from blueprints.observation import Observation
from blueprints.run_report import CarriedOut, Outcome
from blueprints.snapshot import MemberPorts
from executor.actions import FORMS, Effect
from executor.calls import Call
from executor.changes import Change, Difference, Kind
from executor.classes import classified
from executor.debts import Failure, debts, lossy, moving
from executor.differences import differences
from executor.drains import zones_in
from executor.extent import Loss
from executor.gates import Ledger, split_by_consent
from executor.healing import AWAY, BACK, Suspect, chosen, concerned, detour, suspects_of, tried_in_vain
from executor.holds import Holds
from executor.interruptions import Consent, Interruption, interruptions
from executor.memory import Memory
from executor.observe import Rack, merged, zones_of
from executor.order import Stage
from executor.others import Thing, suspicious, told
from executor.progress import Counter, Progress, StageStarted
from executor.rehearsal import Held, Work, open_calls, rehearse, second_round, work_for
from executor.report import Owed, Report, in_order, owed_by, owed_change, planned
from executor.safeguards import Safeguards
from executor.sending import CallOutcome, Sent, send
from executor.standings import standings
from executor.statuses import NextStep
from executor.targets import Target

T = TypeVar("T")


@define(kw_only=True, eq=False)
class Run:
    """What one run knows so far."""

    blueprint: Blueprint
    rack: Rack
    targets: Sequence[Target]
    subscriptions: SubscriptionForm
    guards: Safeguards
    progress: Progress
    begin: Observation
    """What the rack held before anything was sent."""

    seen: Observation
    """What the rack holds as far as it was read last."""

    memory: Memory
    """What must not be forgotten, whatever becomes of this run."""

    losses: tuple[Loss, ...]
    """What the blueprint takes away from what the rack held in the beginning."""

    ledger: Ledger = field(factory=Ledger)
    sent: list[Sent] = field(factory=list)
    failures: list[Failure] = field(factory=list)
    unread: set[Target] = field(factory=set)
    """Targets that were written to since they were read."""

    read_at: int = 0
    """How many calls had an outcome when the rack was read last."""

    intruded: set[Thing] = field(factory=set)
    """Objects that somebody else wrote."""

    interruptions: tuple[Interruption, ...] = ()
    """Whom the run interrupts, in any order of calls."""

    waited: bool = False
    """Something needed consent."""

    holds: Holds = field(factory=Holds)
    """What is not sent any more in this run."""

    suspects: set[Suspect] = field(factory=set)
    """Groups of switches whose chips are not as their daemons say."""

    course: Blueprint | None = None
    """What the rack is led to at the moment, where that is not the blueprint itself."""

    def compared(self) -> Difference:
        """Return what sets the rack apart from the blueprint, as far as it was read last."""
        earlier = None if self.seen is self.begin else self.begin
        course = self.course or self.blueprint
        return differences(course, self.seen, earlier=earlier, zones=zones_of(self.rack.endpoints))

    @property
    def _consent(self) -> Consent:
        """What was accepted beforehand."""
        return {"allow_loss": self.guards.allow_loss, "moves": self.guards.move_underlay}

    def _announce(self, difference: Difference) -> None:
        """Note whom *difference* interrupts."""
        changes = (*difference.changes, *difference.asserts)
        self.interruptions = interruptions(self.blueprint, self.begin, changes, **self._consent)

    @property
    def unaccepted(self) -> list[Owed]:
        """What goes beyond the allowances and nobody has accepted."""
        if self.guards.allow_mass_change:
            return []
        beyond = [loss for loss in self.losses if loss.beyond]
        return [Owed(target=loss.place, because=f"{loss}; {_MASS_CHANGE}", consent=True) for loss in beyond]

    def asked(self, difference: Difference) -> Report:
        """Return the report of a run that sends nothing until somebody accepts how much goes."""
        self._announce(difference)
        return self._report(Outcome.CONSENT, difference, self.unaccepted, ())

    def rehearsed(self, difference: Difference) -> Report:
        """Return the report of a dry run."""
        self._announce(difference)
        self.memory.look(difference, self.seen)
        rehearsal = rehearse(
            difference,
            self.targets,
            subscriptions=self.subscriptions,
            **self._consent,
            occupied=self.memory.occupied(difference),
        )
        owed = [owed_change(held.change, held.because) for held in rehearsal.held]
        moved = moving(rehearsal.waiting)
        owed += [owed_change(change, lossy(change, moved), consent=True) for change in rehearsal.waiting]
        owed += owed_by(difference) + self.unaccepted
        differs = bool(difference.changes or difference.conflicts)
        if rehearsal.waiting or self.unaccepted:
            outcome = Outcome.CONSENT
        elif differs:
            outcome = Outcome.DIFFERENCES
        else:
            outcome = Outcome.PARTIAL if owed else Outcome.CONVERGED
        return self._report(outcome, difference, owed, planned(rehearsal.calls), dry_run=True)

    def withheld(self, difference: Difference, *, dry_run: bool) -> Report:
        """Return the report of a run that sends nothing, because the rack may not be the one that was meant."""
        owed = [owed_change(change, _NOBODY) for change in difference.changes] + owed_by(difference)
        return self._report(Outcome.PARTIAL, difference, owed, (), dry_run=dry_run)

    async def carried_out(self, difference: Difference) -> Report:
        """Send what *difference* asks for, and return the report."""
        self._announce(difference)
        because = self.memory.begin(difference, self.seen)
        if because is not None:
            owed = [Owed(target="rack", because=because), *owed_by(difference)]
            owed += [owed_change(change, because) for change in difference.changes]
            return self._report(Outcome.PARTIAL, difference, owed, ())
        self.ledger = Ledger(occupied=self.memory.occupied(difference))
        difference = await self._round(difference, self._sendable)
        freed = self.memory.freed(difference, self.seen, self.ledger.occupied)
        if freed and not self._disturbed:
            self._forget_held(freed)
            difference = await self._round(difference, lambda each: second_round(self._sendable(each), freed))
        difference, lossy_healing = await self._healed(difference)
        _, waiting = split_by_consent(difference, **self._consent)
        waiting = (*waiting, *lossy_healing)
        owed = debts(difference, self.failures, waiting)
        because = self.memory.end(self.seen)
        if because is not None:
            owed.append(Owed(target="rack", because=because))
        if self._halted:
            owed.append(Owed(target="rack", because=self._halted))
            return self._report(Outcome.FENCED, difference, owed, tuple(self.sent))
        owed += [
            Owed(target=str(thing[0]), because=f"{told(thing)}; {_OTHER_WRITER}", consent=True)
            for thing in (self.intruded if self._disturbed else ())
        ]
        outcome = (
            Outcome.CONSENT if self.waited or self._disturbed else Outcome.PARTIAL if owed else Outcome.CONVERGED
        )
        return self._report(outcome, difference, owed, tuple(self.sent))

    async def _round(self, difference: Difference, wanted: Callable[[Difference], Sequence[Change]]) -> Difference:
        """Widen, read back, narrow and read back; return what differs then."""
        widening = [change for change in wanted(difference) if not FORMS[change.kind].tier.narrows]
        work = work_for(widening, self.targets)
        for stage in work.stages.widening:
            await self._stage(work, stage)
        difference = await self._read_back(difference, narrowed=False)
        if self._disturbed:
            return difference
        # What is still to be widened did not come into effect: nothing that rests on it may be narrowed.
        self.ledger.trouble(change for change in difference.changes if not FORMS[change.kind].tier.narrows)
        narrowing = [change for change in wanted(difference) if FORMS[change.kind].tier.narrows]
        work = work_for(narrowing, self.targets)
        for stage in work.stages.narrowing:
            await self._stage(work, stage)
        return await self._read_back(difference, narrowed=True)

    async def _healed(self, difference: Difference) -> tuple[Difference, tuple[Change, ...]]:
        """Make anew what is in doubt, once; return what differs then, and what of it waits for consent."""
        suspects = chosen(self.suspects, self.rack.limits.heals)
        if not suspects or self._disturbed or self._halted:
            return difference, ()
        zones = zones_in(self.blueprint, zones_of(self.rack.endpoints))
        way = detour(self.blueprint, suspects, zones, allow_loss=self.guards.allow_loss)
        doubted = [failure for failure in self.failures if suspects_of(failure.change) & suspects]
        self.failures = [failure for failure in self.failures if failure not in doubted]
        self.course = way.blueprint
        await self._healing_round(suspects, AWAY)
        self.course = None
        difference = await self._healing_round(suspects, BACK)
        self.failures = [tried_in_vain(failure, suspects) for failure in self.failures]
        differing = {(change.kind, change.target, change.subject) for change in difference.changes}
        self.failures += [f for f in doubted if (f.change.kind, f.change.target, f.change.subject) in differing]
        waiting = tuple(change for change in difference.changes if suspects_of(change) & way.lossy)
        self.waited = self.waited or bool(waiting)
        return difference, waiting

    async def _healing_round(self, suspects: Collection[Suspect], kinds: Collection[Kind]) -> Difference:
        self.ledger = Ledger(occupied=self.ledger.occupied)
        self.ledger.trouble(failure.change for failure in self.failures)
        return await self._round(self.compared(), lambda each: concerned(self._sendable(each), suspects, kinds))

    def _forget_held(self, freed: Collection[Address]) -> None:
        """Begin a second round: what was held back for *freed* groups is not held any more."""
        self.failures = [f for f in self.failures if not f.held or not any(g in freed for g in f.change.groups)]
        self.ledger = Ledger(occupied={g: wait for g, wait in self.ledger.occupied.items() if g not in freed})
        self.ledger.trouble(failure.change for failure in self.failures)

    @property
    def _halted(self) -> str | None:
        """Why nothing may be written any more, or None."""
        return self.rack.forbidden()

    @property
    def _disturbed(self) -> bool:
        """Whether somebody else writes what is ours, and nobody has accepted that."""
        return bool(self.intruded) and not self.guards.allow_other_writer

    def _sendable(self, difference: Difference) -> tuple[Change, ...]:
        self.ledger.take(difference)
        sendable, waiting = split_by_consent(difference, **self._consent)
        self.ledger.trouble(waiting)
        self.waited = self.waited or bool(waiting)
        return sendable

    async def _stage(self, work: Work, stage: Stage) -> None:
        """Send the calls of *stage*, each target on its own lane."""
        lanes: list[tuple[Target, tuple[Call, ...]]] = []
        for node in stage:
            calls, held = open_calls(work.of(node), self.ledger, self.subscriptions)
            self._hold(held)
            lanes.append((node[1], calls))
        total = sum(len(calls) for _, calls in lanes)
        self.progress(StageStarted(tiers=tuple(sorted({tier.name.lower() for tier, _ in stage})), calls=total))
        counter = Counter(total=total, progress=self.progress)
        for results in await _together(self._lane(target, calls, counter) for target, calls in lanes):
            for sent in results:
                self._note(sent)

    async def _lane(self, target: Target, calls: Sequence[Call], counter: Counter) -> list[Sent]:
        """Send *calls* to one target, as many at once as it takes, and return the results in their order."""
        client = self.rack.client(target)
        results: dict[int, Sequence[Sent]] = {}
        waiting = iter(enumerate(calls))

        async def work() -> None:
            for place, call in waiting:
                held = self.holds.held(call)
                results[place] = [held] if held else await send(client, call, self.subscriptions)
                for sent in results[place]:
                    self.holds.note(sent)
                counter.finished(well=all(sent.done for sent in results[place]))

        await _together(work() for _ in range(self.rack.limits.lanes[target.daemon]))
        return [sent for _, parts in sorted(results.items()) for sent in parts]

    def _note(self, sent: Sent) -> None:
        self.sent.append(sent)
        if sent.done:
            self.memory.acknowledge(sent.call.changes)
        if sent.call.form.effect is Effect.WRITE:
            self.unread.add(sent.call.target)
        if sent.done or sent.outcome is CallOutcome.SPLIT:
            return
        self.ledger.trouble(sent.call.changes)
        proven = sent.outcome is CallOutcome.REFUSED and not sent.call.form.reading_proves
        if sent.step is NextStep.SUSPECT:
            self.suspects.update(*map(suspects_of, sent.call.changes))
        self.failures += [
            Failure(change=c, because=sent.note, proven=proven, wedged=sent.wedged) for c in sent.call.changes
        ]

    def _hold(self, held: Iterable[Held]) -> None:
        self.failures += [Failure(change=each.change, because=each.because, held=True) for each in held]

    async def _read_back(self, difference: Difference, *, narrowed: bool) -> Difference:
        """Return what differs now; only targets that were written to are read again."""
        if not self.unread:
            return difference
        targets = sorted(self.unread, key=lambda target: target.sort_key)
        self.unread.clear()
        before, self.seen = self.seen, merged(self.seen, await self.rack.observe(targets), targets)
        sent, self.read_at = self.sent[self.read_at :], len(self.sent)
        difference = self.compared()
        derived = self.blueprint.policy.member_ports is MemberPorts.DERIVED
        self.intruded |= set(
            suspicious(difference.changes, sent, before, self.seen, narrowed=narrowed, derived=derived)
        )
        return difference

    def _report(
        self,
        outcome: Outcome,
        difference: Difference,
        owed: Iterable[Owed],
        actions: tuple[Sent, ...],
        *,
        dry_run: bool = False,
    ) -> Report:
        unsupported = {str(target) for target in self.rack.unsupported}
        debts_in_order = in_order(evolve(each, wedged=True) if each.target in unsupported else each for each in owed)
        return Report(
            blueprint=CarriedOut.naming(self.blueprint),
            outcome=outcome,
            dry_run=dry_run,
            actions=actions,
            owed=debts_in_order,
            targets=standings(
                self.targets,
                (each.debt for each in debts_in_order),
                {change.target for change in difference.changes},
                waits=outcome is Outcome.CONSENT and bool(self.unaccepted),
            ),
            counts=dict(self.rack.calls),
            foreign=difference.foreign,
            held=difference.held,
            conflicts=difference.conflicts,
            members_elsewhere=len(difference.members_elsewhere),
            losses=self.losses,
            interruptions=self.interruptions,
            journal=self.memory.kept,
            classes=classified(self.blueprint, self.seen),
        )


async def _together(parts: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what *parts* come to, side by side; if one fails, the others are stopped before that is told."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


_MASS_CHANGE = "--allow-mass-change accepts it"
_OTHER_WRITER = "stop the other writer, or --allow-other-writer goes on"
_NOBODY = "no sled of the blueprint answers: this may be another rack"
