"""One run: stages of calls, each target on its own lane, read back between widening and narrowing.

This file does not know whether a run may begin, what is right for a rack, nor what is reported.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from attrs import define, field, frozen

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint, UnderlayEntry
from blueprints.endpoints import SubscriptionForm
from blueprints.identifiers import SwitchSlot
from blueprints.observation import Observation
from blueprints.snapshot import MemberPorts
from executor.actions import NARROWING, WIDENING, Effect
from executor.changes import Change, Kind
from executor.changeset import Changes, Difference
from executor.debts import Failure, told_anew
from executor.differences import differences
from executor.doubts import MEMBERS
from executor.drains import zones_in
from executor.endings import Lane, Log
from executor.extent import Loss
from executor.gates import CREATIONS, Ledger, split_by_consent
from executor.healing import (
    AWAY,
    BACK,
    Detour,
    Suspect,
    chosen,
    concerned,
    detour,
    suspects_of,
    to_some_end,
    tried_in_vain,
)
from executor.holds import Holds
from executor.interruptions import INTERRUPTING, Consent, Interruption, interruptions
from executor.memory import Memory
from executor.observe import Rack, merged, zones_of
from executor.order import Stage
from executor.others import Thing, suspicious
from executor.progress import Counter, Progress, StageStarted
from executor.rehearsal import Held, Work, held_back, open_calls, second_round, work_for
from executor.room import Room, Shortage
from executor.safeguards import Safeguards
from executor.sending import CallOutcome, Sent, send
from executor.statuses import NextStep
from executor.targets import Target
from executor.together import together


@frozen(kw_only=True)
class Left:
    """What a run leaves to do."""

    difference: Difference
    waiting: tuple[Change, ...]
    """What somebody has to accept first."""


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
    log: Log = field(factory=Log)
    """What was sent, and what became of it."""

    failures: list[Failure] = field(factory=list)
    unread: set[Target] = field(factory=set)
    """Targets that were written to since they were read."""

    read_at: int = 0
    """How many lanes the log had when the rack was read last."""

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
    def consent(self) -> Consent:
        """What was accepted beforehand."""
        return {"allow_loss": self.guards.allow_loss, "moves": self.guards.move_underlay}

    def announce(self, difference: Difference) -> None:
        """Note whom *difference* interrupts."""
        changes = difference.everything.of(INTERRUPTING)
        doubted = self.doubted(difference)
        anew = doubted - self.unhealed(doubted)
        self.interruptions = interruptions(self.blueprint, self.begin, changes, anew=anew, **self.consent)

    async def carried_out(self, difference: Difference) -> Left:
        """Send what *difference* asks for, and return what is left to do."""
        occupied = self.memory.occupied(difference)
        sendable, _ = split_by_consent(difference, **self.consent)
        short = self._short(sendable, occupied)
        self.ledger = Ledger(occupied={**short.whole, **occupied}, short=short.places)
        difference = await self._round(difference, self._sendable)
        waiting = self.ledger.occupied
        still = self.memory.still_occupied(difference, self.seen) if waiting else {}
        freed = waiting.keys() - still.keys()
        self.failures = [told_anew(failure, waiting, still) for failure in self.failures]
        if (freed or short.known) and not self.disturbed:
            difference = await self._again(difference, freed, short.known)
        difference, lossy_healing = await self._healed(difference)
        _, unasked = split_by_consent(difference, **self.consent)
        return Left(difference=difference, waiting=(*unasked, *lossy_healing))

    async def _again(
        self, difference: Difference, freed: Collection[Address], known: Collection[Address]
    ) -> Difference:
        """Send what waited for the first round: all of *freed* groups, and what was held back of *known* ones."""
        held = held_back((failure.change for failure in self.failures if failure.held), known)
        sendable, _ = split_by_consent(difference, **self.consent)
        short = self._short(second_round(sendable, freed, held))
        self._forget_held({*freed, *known}, short)
        return await self._round(difference, lambda each: second_round(self._sendable(each), freed, held))

    def _short(self, changes: Changes, waiting: Collection[Address] = ()) -> Shortage:
        """Return what of *changes* has no room on the switches as they were read last."""
        if not changes.of(CREATIONS):
            return Shortage()
        return Room.of(self.seen, self.memory.new).shortage(changes, waiting)

    async def _round(self, difference: Difference, wanted: Callable[[Difference], Sequence[Change]]) -> Difference:
        """Widen, read back, narrow and read back; return what differs then."""
        widening = Changes.made(wanted(difference)).of(WIDENING)
        work = work_for(widening, self.targets)
        for stage in work.stages.widening:
            await self._stage(work, stage)
        difference = await self._read_back(difference, narrowed=False)
        if self.disturbed:
            return difference
        # What is still to be widened did not come into effect: nothing that rests on it may be narrowed.
        self.ledger.trouble(difference.changes.of(WIDENING))
        narrowing = Changes.made(wanted(difference)).of(NARROWING)
        work = work_for(narrowing, self.targets)
        for stage in work.stages.narrowing:
            await self._stage(work, stage)
        return await self._read_back(difference, narrowed=True)

    async def _healed(self, difference: Difference) -> tuple[Difference, tuple[Change, ...]]:
        """Make anew what is in doubt, once; return what differs then, and what of it waits for consent."""
        silent = {silence.target for silence in difference.unknown}
        silent_slots = {slot for slot in self.blueprint.switches if str(Target.dpd(slot)) in silent}
        # A doubt can wait for the switch that has to take over; it would be led around in vain, in every run.
        doubted = frozenset() if silent_slots else self.doubted(difference)
        readable = {(slot, group) for slot, group in self.suspects | doubted if slot not in silent_slots}
        suspects = chosen(readable, self.rack.limits.heals)
        if not suspects or self.disturbed or self.halted:
            return difference, ()
        way = self._detour(suspects)
        former = [failure for failure in self.failures if suspects_of(failure.change) & suspects]
        self.failures = [failure for failure in self.failures if failure not in former]
        self.course = way.blueprint
        await self._healing_round(suspects, AWAY, way.stand_ins)
        self.course = None
        difference = await self._healing_round(suspects, BACK, way.stand_ins)
        self.failures = [tried_in_vain(failure, suspects) for failure in self.failures]
        differing = {(change.kind, change.target, change.subject) for change in difference.changes}
        self.failures += [f for f in former if (f.change.kind, f.change.target, f.change.subject) in differing]
        waiting = tuple(change for change in difference.changes if suspects_of(change) & way.lossy)
        self.waited = self.waited or bool(waiting) or bool(self.unhealed(self.doubted(difference)))
        return difference, waiting

    def doubted(self, difference: Difference) -> frozenset[Suspect]:
        """Return the groups whose list is as the blueprint has it while their chip may not be: nobody can read that.

        Where the list differs the next change of it shows whether the chip agrees.
        """
        if not self.memory.intents.doubted:
            return frozenset()  # so it is nearly always
        known = {slot for slot, seen in self.seen.switches.items() if seen.underlay_groups is not None}
        wanted = {(slot, row.group_ip) for slot in known for row in self._tables(slot)}
        differing = {each for change in difference.changes.of(MEMBERS) for each in suspects_of(change)}
        doubts = [each for each in self.memory.intents.doubted if (each.switch, each.underlay) in wanted]
        return frozenset((each.switch, each.group) for each in doubts) - differing

    def unhealed(self, suspects: Collection[Suspect]) -> frozenset[Suspect]:
        """Return those of *suspects* that nobody can lead around, if their loss is not accepted."""
        return self._detour(suspects).lossy if suspects and not self.guards.allow_loss else frozenset()

    def _detour(self, suspects: Collection[Suspect]) -> Detour:
        zones = zones_in(self.blueprint, zones_of(self.rack.endpoints))
        return detour(self.blueprint, suspects, zones, allow_loss=self.guards.allow_loss)

    def _tables(self, slot: SwitchSlot) -> Sequence[UnderlayEntry]:
        tables = self.blueprint.switches.get(slot)
        return () if tables is None else tables.underlay_groups

    async def _healing_round(
        self, suspects: Collection[Suspect], kinds: Collection[Kind], stand_ins: Collection[Suspect]
    ) -> Difference:
        self.ledger = Ledger(occupied=self.ledger.occupied, short=self.ledger.short)
        self.ledger.trouble(failure.change for failure in self.failures)

        def wanted(difference: Difference) -> list[Change]:
            changes = concerned(self._sendable(difference), suspects, kinds, stand_ins)
            return to_some_end(changes, lambda change: self.ledger.closed(change) is not None)

        return await self._round(self.compared(), wanted)

    def _forget_held(self, freed: Collection[Address], short: Shortage) -> None:
        """Begin a second round: of what was held back for *freed* groups only what is *short* stays so."""
        self.failures = [f for f in self.failures if not f.held or not any(g in freed for g in f.change.groups)]
        occupied = {g: wait for g, wait in self.ledger.occupied.items() if g not in freed}
        self.ledger = Ledger(occupied=occupied, short=short.places)
        self.ledger.trouble(failure.change for failure in self.failures)

    @property
    def halted(self) -> str | None:
        """Why nothing may be written any more, or None."""
        return self.rack.forbidden()

    @property
    def disturbed(self) -> bool:
        """Whether somebody else writes what is ours, and nobody has accepted that."""
        return bool(self.intruded) and not self.guards.allow_other_writer

    def _sendable(self, difference: Difference) -> Changes:
        self.ledger.take(difference)
        sendable, waiting = split_by_consent(difference, **self.consent)
        self.ledger.trouble(waiting)
        self.waited = self.waited or bool(waiting)
        return sendable

    async def _stage(self, work: Work, stage: Stage) -> None:
        """Send the calls of *stage*, each target on its own lane."""
        lanes: list[tuple[Target, Lane]] = []
        for node in stage:
            calls, held = open_calls(work.of(node), self.ledger, self.subscriptions)
            self._hold(held)
            lanes.append((node[1], self.log.lane(calls)))
        total = sum(len(lane.calls) for _, lane in lanes)
        self.progress(StageStarted(tiers=tuple(sorted({tier.name.lower() for tier, _ in stage})), calls=total))
        counter = Counter(total=total, progress=self.progress)
        await together(self._sent(target, lane, counter) for target, lane in lanes)
        self.log.lanes.extend(lane for _, lane in lanes)
        for _, lane in lanes:
            for sent in lane.undone():
                self._note(sent)

    async def _sent(self, target: Target, lane: Lane, counter: Counter) -> None:
        """Send the calls of *lane* to one target, as many at once as it takes."""
        client = self.rack.client(target)
        waiting = iter(enumerate(lane.calls))

        async def work() -> None:
            for place, call in waiting:
                held = self.holds.held(call)
                results = [held] if held else await send(client, call, self.subscriptions)
                lane.note(place, call, results)
                for sent in results:
                    self._look_at(sent)
                counter.finished(well=all(sent.done for sent in results))

        await together(work() for _ in range(self.rack.limits.lanes[target.daemon]))

    def _look_at(self, sent: Sent) -> None:
        """Learn from one outcome what the order of outcomes has no part in."""
        self.holds.note(sent)
        if sent.done:
            self.memory.acknowledge(sent.call.changes)
        if sent.call.form.effect is Effect.WRITE:
            self.unread.add(sent.call.target)

    def _note(self, sent: Sent) -> None:
        """Keep what became of a call that did not come to a good end, once its stage is over."""
        if sent.outcome is CallOutcome.SPLIT:
            return
        self.ledger.trouble(sent.call.changes)
        proven = sent.outcome is CallOutcome.REFUSED and not sent.call.form.reading_proves
        if sent.step is NextStep.SUSPECT:
            self.suspects.update(*map(suspects_of, sent.call.changes))
        if sent.step is NextStep.LEFT_BEHIND:
            self.ledger.left_behind(sent.call.changes)
        if sent.outcome is CallOutcome.REFUSED and sent.call.kind in MEMBERS:
            self.memory.doubt(sent.call.changes)
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
        sent, self.read_at = self.log.sent(since=self.read_at), len(self.log.lanes)
        difference = self.compared()
        derived = self.blueprint.policy.member_ports is MemberPorts.DERIVED
        self.intruded |= set(
            suspicious(difference.changes, sent, before, self.seen, narrowed=narrowed, derived=derived)
        )
        return difference
