"""The runs of one scenario: a rack, a journal, a target store, and what is told of every call.

This file does not know plans' succession, nor what is right at rest.
"""

import asyncio
import errno
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
from attrs import define, evolve, field

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from blueprints.run_report import Outcome
from executor import Report, durable, execute
from executor.changes import ADDRESS_MOVES, Kind
from executor.fence import TargetStore
from executor.journal import Intents, JournalFile
from executor.owed import Owed
from executor.safeguards import Safeguards
from simrack.inprocess import InProcessTransport
from simrack.rack import SimulatedRack
from tests.campaign.scenario import Attempt
from tests.campaign.wire import Traffic, Wire, watched
from tests.campaign.witness import Witness
from tests.executor.deaths import KilledError, KillingWriter

QUIET = Attempt()
"""A run during which nothing goes wrong."""

OVERTAKEN = "--- overtaken"
"""What a trace says when another plan becomes the target during a run."""

_MOVES = ADDRESS_MOVES | {Kind.MOVE_LEAVE}
_READ = JournalFile.read
"""The right one, whoever plays with another (`tests.campaign.twins`)."""

_UNDER_WAY = 16
"""Calls that a run may have under way at once."""


@define(kw_only=True, eq=False)
class Runs:
    """A rack, and all that outlives one run."""

    folder: Path
    runner: asyncio.Runner
    rack: SimulatedRack
    mounts: dict[str, httpx.AsyncBaseTransport]
    traffic: Traffic
    witness: Witness
    moves: set[Address] = field(factory=set)
    """Groups whose underlay address may move."""

    trace: list[str] = field(factory=list)
    """Every call and every run, in order."""

    _told: int = 0

    @property
    def journal(self) -> JournalFile:
        """The journal of all runs."""
        return JournalFile(path=self.folder / "journal.json")

    @property
    def store(self) -> TargetStore:
        """What says which plan is the target."""
        return TargetStore(path=self.folder / "target.json")

    def kept(self, blueprint: Blueprint) -> Intents:
        """Return what the journal holds."""
        return _READ(self.journal, blueprint.rack_id)

    def say(self, line: str) -> None:
        """Add *line* to the trace, after the calls until now."""
        self.trace += map(str, self.traffic.calls[self._told :])
        self._told = len(self.traffic.calls)
        self.trace.append(line.replace(str(self.folder), "…"))

    def restart_empty(self, target: str) -> None:
        """Let a daemon lose everything."""
        wires = (wire for wire in self.mounts.values() if isinstance(wire, Wire))
        next(wire.way.daemon for wire in wires if wire.way.daemon.target == target).restart(False)

    def run(
        self, blueprint: Blueprint, attempt: Attempt, overtake: Callable[[], None] = lambda: None, *, allow_loss: bool
    ) -> Report | None:
        """Return the report of one run, None if it was killed."""
        if allow_loss:
            self._announce(blueprint)
        self.witness.begin_run({(each.switch, each.group) for each in self.kept(blueprint).doubted})
        self.traffic.begin(attempt, overtake)
        since, sent = len(self.trace), len(self.traffic.calls)
        try:
            report = self.runner.run(self._executed(blueprint, attempt, allow_loss=allow_loss))
        except KilledError:
            self.say(f"--- killed: {attempt.death}")
            return None
        self.say(f"--- {report.outcome}, {dict(report.counts)}, owed {[_told(each) for each in report.owed]}")
        if report.outcome is not Outcome.FENCED:
            self.witness.end_run(self.traffic.calls[sent:])
        if OVERTAKEN in self.trace[since:]:
            self._check_fenced(report, self.trace[self.trace.index(OVERTAKEN, since) :])
        return report

    def _executed(
        self, blueprint: Blueprint, attempt: Attempt, *, allow_loss: bool, dry_run: bool = False
    ) -> Coroutine[Any, Any, Report]:
        guards = Safeguards(
            allow_mass_change=True,
            allow_loss=allow_loss,
            move_underlay=self.moves if allow_loss else (),
            target_store=self.store,
            journal=evolve(self.journal, write=_writer(attempt)),
        )
        return execute(blueprint, self.rack.endpoints, safeguards=guards, mounts=self.mounts, dry_run=dry_run)

    def _announce(self, blueprint: Blueprint) -> None:
        """Let a dry run say what will be lost, and accept that."""
        self.traffic.begin(QUIET, lambda: None)
        report = self.runner.run(self._executed(blueprint, QUIET, allow_loss=False, dry_run=True))
        self.witness.accepted = [each for each in report.owed if each.consent]
        self.moves = {group for each in self.witness.accepted if each.kind in _MOVES for group in each.groups}

    def _check_fenced(self, report: Report, trace: list[str]) -> None:
        """Once another plan is the target nothing more may be sent; what was under way then is."""
        calls = [line for line in trace if not line.startswith("---") and ": GET " not in line]
        if report.outcome is not Outcome.FENCED:
            self.witness.wrong.append(f"not fenced: {report.outcome}")
        if len(calls) > _UNDER_WAY:
            self.witness.wrong.append(f"{len(calls)} calls after another plan became the target, such as {calls[-1]}")


def _told(owed: Owed) -> str:
    return f"{owed.target} {owed.kind or 'everything'} {', '.join(map(str, owed.groups))}: {owed.because}"


def _writer(attempt: Attempt) -> durable.Write:
    death = attempt.death
    if attempt.full_disk:
        return _no_room
    if death is None or not death.moment.startswith("journal "):
        return durable.write
    return KillingWriter(death.write, death.moment.removeprefix("journal "))


def _no_room(path: Path, data: bytes) -> None:
    raise OSError(errno.ENOSPC, f"no space left for {len(data)} bytes of {path.name}")


def runs_on(rack: SimulatedRack, groups: tuple[Address, ...], folder: Path, runner: asyncio.Runner) -> Runs:
    """Return the runs on *rack*, with a witness who sends packets to *groups*."""
    witness = Witness(world=rack.world, addresses=groups)
    rack.world.stepped = witness.halfway
    traffic = Traffic(faults=rack.world.faults, watcher=witness)
    mounts = rack.mount()
    for url, way in mounts.items():
        if isinstance(way, InProcessTransport) and way.daemon.kind is not None:
            way.daemon = watched(way.daemon, traffic)
            mounts[url] = Wire(way, traffic)
    return Runs(folder=folder, runner=runner, rack=rack, mounts=mounts, traffic=traffic, witness=witness)
