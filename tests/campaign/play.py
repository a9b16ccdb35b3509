"""Plays a scenario: plans each chapter, carries it out as often as it says, and then leaves the rack alone.

In the end, with no faults any more, at most `PASSES` runs may pass until one converges, and the next writes nothing.
A run that asks for consent gets it in the next one; asking is an answer, and does not count. Where something of
somebody else's stands in a group's place, that group alone may be owed. So may be a group whose address a switch may
still lead elsewhere that the plan misses, the turn of sleds to a switch on which nobody knows a port of the group,
and the end of its entries on the other.

This file does not know what is drawn from a seed, how calls are made, nor what is right.
"""

import asyncio
import tempfile
from functools import partial
from pathlib import Path
from uuid import UUID, uuid5

from attrs import define, evolve, field, frozen

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from blueprints.run_report import Outcome
from blueprints.snapshot import Snapshot, UnderlayRow
from executor import Report
from executor.changes import Kind
from planner import plan
from simrack.leaping import LeapingLoop
from simrack.rack import SimulatedRack
from simrack.web.faults import Fault
from simrack.world import World
from tests.campaign.ending import awaiting_in, delivery_wrong, left_behind, unplaced_in
from tests.campaign.epoch import epoch_of
from tests.campaign.planted import STRANGER, blocked_by, plant
from tests.campaign.rows import ADDRESSES
from tests.campaign.runs import OVERTAKEN, QUIET, Runs, runs_on
from tests.campaign.scenario import Chapter, Scenario
from tests.campaign.witness import Witness

PASSES = 3
"""Runs after the last fault until the rack is as planned."""

CALM_SECONDS = 600.0
"""After which whatever takes effect late has done so; on the clock of the loop, which leaps."""

_GROUPS = (*(Address.parse(text) for text in ADDRESSES), STRANGER)

_TURNS = (Kind.HOP_CHANGE, Kind.EXTERNAL_DELETE, Kind.UNDERLAY_DELETE)
"""What takes a group from one switch to the other, or ends what sleds may still send to."""

_MEMORY = Path("/dev/shm")
"""Where there is one, a journal is flushed at once."""


@frozen(kw_only=True)
class Verdict:
    """What became of one scenario."""

    seed: int
    wrong: tuple[str, ...]
    passes: int
    """Runs after the last fault until one converged; 0 where none did."""

    trace: tuple[str, ...]
    """Every call and every run, in order."""

    calls: int
    steps: int
    """How often packets were sent and judged."""


@define(kw_only=True, eq=False)
class Play:
    """A scenario under way."""

    scenario: Scenario
    runs: Runs
    blueprint: Blueprint
    early: Blueprint | None = None
    """The plan of the next chapter, where it became the target before this one was done."""

    rows: dict[UUID, UnderlayRow] = field(factory=dict)
    """Group to the underlay row that the datastore has for it."""

    @property
    def _world(self) -> World:
        return self.runs.rack.world

    @property
    def _witness(self) -> Witness:
        return self.runs.witness

    def play(self) -> Verdict:
        """Return what became of it."""
        plant(self._world, self.scenario.planted)
        chapters = self.scenario.chapters
        parent = None
        for chapter, following in zip(chapters, (*chapters[1:], None), strict=True):
            self._chapter(chapter, following, parent)
            parent = self.blueprint
        self._calm()
        passes = self._left_alone()
        return Verdict(
            seed=self.scenario.seed,
            wrong=tuple(self._witness.wrong),
            passes=passes,
            trace=tuple(self.runs.trace),
            calls=len(self.runs.traffic.calls),
            steps=self._witness.steps,
        )

    # --- chapters

    def _chapter(self, chapter: Chapter, following: Chapter | None, parent: Blueprint | None) -> None:
        self.runs.runner.run(self.runs.rack.enter(self._known(chapter.world)))
        for target in chapter.reboots:
            self.runs.restart_empty(target)
        for target in chapter.down:
            self._world.faults.add(Fault(target=target, kind="refuse", times=None))
        self._next_plan(self._known(chapter.seen), parent)
        self.runs.say(f"--- {self.blueprint.id}, silent: {chapter.down}, lost everything: {chapter.reboots}")
        asked = False
        for attempt in chapter.attempts:
            report = self.runs.run(self.blueprint, attempt, partial(self._overtake, following), allow_loss=asked)
            asked = asked or (report is not None and report.outcome is Outcome.CONSENT)
            if report is not None and report.outcome is Outcome.CONVERGED:
                self._commit()
        self._end_silences()

    def _next_plan(self, seen: Snapshot, parent: Blueprint | None) -> None:
        self.blueprint, self.early = self.early or plan(seen, parent), None
        refused = self.runs.store.advance(self.blueprint)
        if refused:
            self._witness.wrong.append(f"the plan does not become the target: {refused}")
        self._witness.enter(epoch_of(seen, self.blueprint), self._leaving())

    def _end_silences(self) -> None:
        left = [fault for fault in self._world.faults.orders if fault.times is not None]
        self._world.faults.clear()
        for fault in left:
            self._world.faults.add(fault)

    def _overtake(self, following: Chapter | None) -> None:
        """Let the plan of the next chapter become the target, if it is another one."""
        early = None if following is None else plan(self._known(following.seen), self.blueprint)
        if early is not None and self.early is None and early != self.blueprint:
            self.early = early
            self.runs.store.advance(early)
            self.runs.say(OVERTAKEN)

    def _known(self, snapshot: Snapshot) -> Snapshot:
        """Return *snapshot* with the underlay rows that the datastore was told of."""
        rows = {group.id: self.rows[group.id] for group in snapshot.groups if group.id in self.rows}
        groups = [
            evolve(group, underlay_group_id=rows[group.id].id) if group.id in rows else group
            for group in snapshot.groups
        ]
        return evolve(snapshot, groups=groups, underlay_groups=rows.values())

    def _commit(self) -> None:
        for group in self.blueprint.groups:
            made = UnderlayRow(id=uuid5(group.id, "row"), multicast_ip=group.underlay_ip, tag=group.tag.text)
            self.rows.setdefault(group.id, made)

    def _leaving(self) -> frozenset[tuple[UUID, Address]]:
        owed: set[tuple[UUID, Address]] = {
            (row.propolis_id, row.group_ip) for row in self.runs.kept(self.blueprint).leaves
        }
        for tables in self.blueprint.sleds.values():
            owed |= {(row.propolis_id, row.group_ip) for row in tables.departures}
        return frozenset(owed)

    # --- the end

    def _calm(self) -> None:
        """Let all that goes wrong be over: from here on nothing does."""
        self._world.faults.clear()
        self.runs.runner.run(asyncio.sleep(CALM_SECONDS))
        # Processes that died with their ports run again.
        self.runs.runner.run(self.runs.rack.enter(self._world.snapshot))
        self._witness.rebase()
        self.runs.say("--- no faults from here on")

    def _left_alone(self) -> int:
        """Run until one run converges, and look at what then holds; return how many it took, 0 for none."""
        blocked, asked = blocked_by(self._world), 0
        for number in range(1, PASSES + 2):
            report = self.runs.run(self.blueprint, QUIET, allow_loss=bool(asked))
            if report is None:
                break
            if report.outcome is Outcome.CONSENT and not asked:
                asked = 1
            elif _is_done(report, blocked | self._awaiting(), unplaced_in(self.blueprint)) and (
                _is_quiet(report) or number - asked == PASSES
            ):
                self._look(blocked | self._awaiting(), allow_loss=bool(asked))
                return number - asked
            elif number - asked == PASSES:
                break
        self._witness.wrong.append(f"not converged within {PASSES} runs: {self.runs.trace[-1]}")
        return 0

    def _awaiting(self) -> frozenset[Address]:
        return awaiting_in(self.blueprint, self.runs.kept(self.blueprint), blocked_by(self._world))

    def _look(self, blocked: frozenset[Address], *, allow_loss: bool) -> None:
        """Judge what holds at rest."""
        again = self.runs.run(self.blueprint, QUIET, allow_loss=allow_loss)
        witness = self._witness
        if again is None or again.counts.get("writes", 0):
            witness.wrong.append(f"not quiet: {self.runs.trace[-1]}")
        witness.rebase()
        groups = [group for group in _GROUPS if group not in blocked]
        witness.wrong += delivery_wrong(self._world, witness.plan, self.blueprint, witness.picture, groups)
        witness.wrong += left_behind(self._world, self.blueprint, blocked, self.runs.kept(self.blueprint))


def _is_quiet(report: Report) -> bool:
    """Return whether the next run has nothing to go on with, though some groups are owed."""
    return report.outcome is Outcome.CONVERGED or not report.counts.get("writes", 0)


def _is_done(report: Report, blocked: frozenset[Address], unplaced: frozenset[Address]) -> bool:
    if report.outcome is Outcome.CONVERGED:
        return True
    if not blocked | unplaced:
        return False
    return all(
        each.groups and (blocked | (unplaced if each.kind in _TURNS else frozenset())).issuperset(each.groups)
        for each in report.owed
    )


def play(scenario: Scenario) -> Verdict:
    """Return what became of *scenario*, on a rack of its own."""
    first = scenario.chapters[0]
    memory = str(_MEMORY) if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder, asyncio.Runner(loop_factory=LeapingLoop) as runner:
        runs = runs_on(SimulatedRack(first.world), _GROUPS, Path(folder), runner)
        return Play(scenario=scenario, runs=runs, blueprint=plan(first.seen)).play()
