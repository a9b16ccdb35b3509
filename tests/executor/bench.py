"""A simulated rack as the tests of the executor use it: plan, run, spoil, look behind."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

import httpx
from attrs import define, evolve, field

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from blueprints.documents import snapshot_document
from blueprints.endpoints import Endpoints
from blueprints.identifiers import SwitchSlot
from blueprints.observation import Observation
from blueprints.snapshot import Snapshot
from executor import Report, execute, observe
from executor.limits import Limits
from executor.observe import Mounts
from executor.safeguards import Safeguards
from planner import plan
from simrack.leaping import LeapingLoop
from simrack.rack import SimulatedRack

Json = Any

QUICK = Limits(request_seconds=5.0, pause_seconds=0.01, pause_jitter_seconds=0.0)
"""Limits for racks whose daemons answer."""

UNASKED = Safeguards(allow_mass_change=True)
"""Safeguards for racks so small that most changes are large ones."""

LOSSY = Safeguards(allow_loss=True, allow_mass_change=True)
"""Safeguards that accept every loss; `Bench.run` names all groups of the blueprint that may move."""

IMPATIENT = Limits(request_seconds=0.5, pause_seconds=0.01, pause_jitter_seconds=0.0)
"""Limits that make a silent daemon cheap."""


@define
class Bench:
    """One rack and the ways to it: over loopback, or without sockets (see `inside`)."""

    rack: SimulatedRack
    http: httpx.Client
    mounts: Mounts = field(factory=dict)
    wait: Callable[[Coroutine[Any, Any, Any]], Any] = asyncio.run

    def control(self, method: str, path: str, body: Json = None) -> Json:
        """Ask the control interface."""
        response = self.http.request(method, self.rack.control_url + path, json=body)
        assert response.is_success, response.text
        return response.json() if response.content else None

    def reset(self, snapshot: Snapshot) -> None:
        """Empty every table and forget faults and calls."""
        self.control("DELETE", "/faults")
        self.enter(snapshot)
        state = self.control("GET", "/state")
        targets = [f"{slot} {daemon}" for slot in state["switches"] for daemon in ("dpd", "mgd")]
        for target in [*targets, *(f"sled {sled}" for sled in state["sleds"])]:
            self.control("POST", "/restarts", {"target": target, "keep_state": False})
        self.forget_calls()

    def enter(self, snapshot: Snapshot) -> None:
        """Let the world move on to *snapshot*."""
        self.control("PUT", "/snapshot", snapshot_document(snapshot))

    def fault(self, target: str, kind: str, **options: Json) -> None:
        """Order a fault."""
        self.control("POST", "/faults", {"target": target, "kind": kind, **options})

    def calm(self) -> None:
        """Withdraw all faults."""
        self.control("DELETE", "/faults")

    def forget_calls(self) -> None:
        """Empty the record of calls."""
        self.control("DELETE", "/calls")

    def calls(self) -> list[Json]:
        """Return the calls on record that are not reads."""
        return [call for call in self.control("GET", "/calls") if call["method"] != "GET"]

    def state(self) -> Json:
        """Return the true state of the rack."""
        return self.control("GET", "/state")

    def run(self, blueprint: Blueprint, *, endpoints: Endpoints | None = None, **options: Any) -> Report:
        """Carry *blueprint* out, on this rack unless other endpoints are given."""
        options = {"limits": QUICK, "safeguards": UNASKED, **options}
        if options["safeguards"].allow_loss:
            options["safeguards"] = evolve(options["safeguards"], move_underlay=everything(blueprint))
        options["mounts"] = self.mounts
        return cast("Report", self.wait(execute(blueprint, endpoints or self.rack.endpoints, **options)))

    def observe(self) -> Observation:
        """Read the rack."""
        return cast("Observation", self.wait(observe(self.rack.endpoints, limits=QUICK, mounts=self.mounts)))

    def heard(self, group: str, source: str, slot: SwitchSlot = SwitchSlot.SWITCH0) -> dict[UUID, int]:
        """Return who hears a packet from outside, and how many copies."""
        body = {"group": group, "source": source, "from": {"switch": slot.value}}
        delivered = self.control("POST", "/packets", body)["delivered"]
        return {UUID(row["instance_id"]): row["copies"] for row in delivered}


def everything(blueprint: Blueprint) -> frozenset[Address]:
    """Return all groups of *blueprint*."""
    return frozenset(group.multicast_ip for group in blueprint.groups)


@define
class _Inside(httpx.BaseTransport):
    """The way to a daemon in a loop of this thread, for clients that do not wait themselves."""

    runner: asyncio.Runner
    ways: Mounts

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        asked = self.ways[f"{url.scheme}://{url.netloc.decode()}"].handle_async_request(request)
        return _at_once(asked) if _amid_a_run() else self.runner.run(asked)


def _amid_a_run() -> bool:
    """Return whether the loop is running: then a listener of a run is asking."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _at_once(asked: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
    """Return what *asked* comes to, which takes its turns and waits for nothing."""
    while True:
        try:
            waits_for = asked.send(None)
        except StopIteration as ended:
            return cast("httpx.Response", ended.value)
        assert waits_for is None, "what takes time cannot be asked for amid a run"


@contextmanager
def inside(snapshot: Snapshot) -> Iterator[Bench]:
    """Yield a bench without sockets: all of it takes place in one loop of this thread, whose clock leaps."""
    rack = SimulatedRack(snapshot)
    mounts = rack.mount()
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        way = _Inside(runner, mounts)
        with httpx.Client(transport=way, verify=False, trust_env=False) as http:  # noqa: S501  # plain HTTP
            yield Bench(rack, http, mounts, runner.run)


def planned(snapshot: Snapshot, parent: Blueprint | None = None) -> Blueprint:
    """Return the plan for *snapshot*."""
    return plan(snapshot, parent)


def summary(report: Report) -> list[tuple[str, str, str]]:
    """Return what is owed, without the reasons."""
    return [(owed.target, owed.kind or "everything", ", ".join(map(str, owed.groups))) for owed in report.owed]
