"""The story that the demo tells: one rack, planned, carried out, changed, and carried out again.

Every step is timed and told in a line or two. This file does not know how anything is done.
"""

import asyncio
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
from attrs import define, field
from rich.console import Console
from rich.text import Text

from blueprints.blueprint import Blueprint
from blueprints.compare import hearings
from blueprints.documents import snapshot_document
from blueprints.files import write_blueprint
from blueprints.run_report import Outcome
from blueprints.snapshot import Snapshot
from executor.execute import execute
from executor.report import Report
from planner import plan
from rackcast.packets import probes, send
from rackcast.progress import shown_progress
from rackcast.round_trip import collected_again
from rackcast.saying import plural
from rackcast.simulated import RunningRack, simulated_rack
from rackcast.snapshots import read_snapshot

SHOWN = 5
"""How many wrong packets are told in words."""


@define(kw_only=True)
class Story:
    """Two snapshots of one rack, and where the story is told."""

    out: Console | None
    """None: nobody watches, the steps are told at the end."""

    before: Path
    after: Path
    datastore: bool = True
    """Whether snapshots take the way through a database."""

    good: bool = field(default=True, init=False)
    started: float = field(factory=perf_counter, init=False)
    mark: float = field(factory=perf_counter, init=False)
    steps: list[dict[str, Any]] = field(factory=list, init=False)
    """What happened: step, seconds, what was told, and whether it was right (null: nothing to judge)."""

    def tell(self, scratch: Path) -> bool:
        """Play it, with files in *scratch*, and return whether everything went right."""
        before, after = read_snapshot(str(self.before)), read_snapshot(str(self.after))
        self._say("snapshot", _rack(before))
        with (
            simulated_rack(str(self.before), scratch, datastore=self.datastore) as rack,
            httpx.Client(base_url=rack.control, timeout=60, trust_env=False) as control,
        ):
            self._say("rack", f"simulated: {_daemons(rack)} listen on loopback, every table empty")
            first = self._plan(self._collect(rack, before), None, scratch / "1.json")
            self._execute(first, rack)
            self._packets(control, before)
            control.put("/snapshot", json=snapshot_document(after)).raise_for_status()
            self._say("ten minutes", _changes(before, after))
            second = self._plan(self._collect(rack, after), first, scratch / "2.json")
            self._felt(first, second)
            self._execute(second, rack)
            self._packets(control, after)
            self._execute(second, rack, last=True)
        self._end()
        return self.good

    def _say(self, what: str, text: str, *, good: bool | None = None) -> None:
        now = perf_counter()
        style = {None: "", True: "green", False: "bold red"}[good]
        self.steps.append({"step": what, "seconds": round(now - self.mark, 1), "told": text, "good": good})
        if self.out is not None:
            self.out.print(Text(f"{now - self.mark:6.1f} s  {what:<12} ").append(text, style=style))
        self.mark = now
        self.good = self.good and good is not False

    def _collect(self, rack: RunningRack, loaded: Snapshot) -> Snapshot:
        """Return the snapshot of *rack* out of its database and its switches, where it has a database."""
        if rack.dsn is None:
            self._say("collect", "left out: a database needs pip install 'rackcast[datastore,postgres]'")
            return loaded
        snapshot, different = collected_again(rack, rack.dsn, loaded)
        rows = len(snapshot.groups) + len(snapshot.members) + len(snapshot.instances) + len(snapshot.sleds)
        text = f"{rows:,} rows of a PostgreSQL, {len(snapshot.switches)} switches asked: "
        told = f"not as loaded: {', '.join(different)}" if different else "the snapshot that the rows were made of"
        self._say("collect", text + told, good=not different)
        return snapshot

    def _plan(self, snapshot: Snapshot, parent: Blueprint | None, file: Path) -> Blueprint:
        blueprint = plan(snapshot, parent)
        write_blueprint(str(file), blueprint)
        rows = sum(
            len(t.underlay_groups) + len(t.external_groups) + len(t.mrib_routes) for t in blueprint.switches.values()
        )
        rows += sum(len(t.m2p) + len(t.forwarding) + len(t.nic_filters) for t in blueprint.sleds.values())
        heard = sum(len(tables.subscriptions) for tables in blueprint.sleds.values())
        text = (
            f"generation {blueprint.generation}: {plural(len(blueprint.groups), 'group')}, {rows:,} table entries, "
        )
        self._say("plan", text + f"{plural(heard, 'subscription')}, {plural(len(blueprint.findings), 'finding')}")
        return blueprint

    def _felt(self, first: Blueprint, second: Blueprint) -> None:
        kinds = Counter(hearing.kind for hearing in hearings(first, second))
        said = ", ".join(
            f"{kinds[kind]} {verb}" for kind, verb in (("starts", "start"), ("stops", "stop"), ("moves", "move"))
        )
        self._say("diff", f"of what instances hear, {said}")

    def _execute(self, blueprint: Blueprint, rack: RunningRack, *, last: bool = False) -> None:
        with shown_progress(quiet=self.out is None) as progress:
            report = asyncio.run(execute(blueprint, rack.endpoints, progress=progress))
        good = report.outcome is Outcome.CONVERGED and (not last or report.counts.get("writes", 0) == 0)
        self._say("execute", _told(report), good=good)
        for owed in report.owed[:SHOWN]:
            self._say("", f"owed to {owed.target}: {owed.kind or 'everything'}, {owed.because}", good=False)

    def _packets(self, control: httpx.Client, snapshot: Snapshot) -> None:
        outcome = send(control, snapshot, probes(snapshot))
        right = outcome.sent - len(outcome.wrong)
        text = f"{right:,} of {outcome.sent:,} right: {outcome.delivered:,} copies, each to its receiver, once"
        self._say("packets", text, good=not outcome.wrong)
        for line in outcome.wrong[:SHOWN]:
            self._say("", line, good=False)

    def _end(self) -> None:
        self.mark = self.started
        self._say("all of it", "as planned" if self.good else "something went wrong", good=self.good)


def _rack(snapshot: Snapshot) -> str:
    live = sum(row.time_deleted is None for row in snapshot.members)
    switches = f"{len(snapshot.switches)} switches"
    return (
        f"{plural(len(snapshot.sleds), 'sled')}, {switches}, {plural(len(snapshot.groups), 'group')}, "
        f"{plural(live, 'member')} on {plural(len(snapshot.instances), 'instance')}"
    )


def _daemons(rack: RunningRack) -> str:
    return f"{3 * len(rack.endpoints.switches) + len(rack.endpoints.sleds)} daemons"


def _changes(before: Snapshot, after: Snapshot) -> str:
    where = {instance.id: instance.active_vmm and instance.active_vmm.sled_id for instance in before.instances}
    moved = sum(i.active_vmm is not None and where[i.id] not in (None, i.active_vmm.sled_id) for i in after.instances)
    alive = {row.id for row in before.members if row.time_deleted is None}
    left = sum(row.id in alive and row.time_deleted is not None for row in after.members)
    return f"later: {plural(moved, 'instance')} moved to other sleds, {plural(left, 'member')} left"


def _told(report: Report) -> str:
    counts = report.counts
    return (
        f"{report.outcome}: {plural(counts.get('writes', 0), 'write')}, "
        f"{plural(counts.get('reasserts', 0), 're-assert')}, {plural(counts.get('reads', 0), 'read')}"
    )
