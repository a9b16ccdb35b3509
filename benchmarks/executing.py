"""What executing costs beside the bare work under it: ``python -m benchmarks.executing [ROUNDS]``.

A simulated rack stands in a process of its own, with tables as large as they need to be. In each round every step
runs in turn beside the floor of the same round; the medians of the rounds' ratios are printed, because seconds of
one machine say little:

* applying some 5,000 calls to an empty rack, from the end of the first reading to the last answer, beside the same
  requests through the bare transport and through one shared `httpx.AsyncClient`;
* observing a full rack, beside the bare reads of the same paths;
* the differences of a rack of 2,048 groups and 65,536 members, at rest and with one row in a hundred gone, beside
  decoding what its daemons answer, each answer by itself;
* the memory of a process that does nothing but execute the blueprint of that rack on an empty one: what the kernel
  counts as resident at its peak, interpreter and libraries included.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from uuid import UUID

import httpx
from attrs import define, evolve, field, frozen

from benchmarks.workload import Size, rack
from blueprints import strict
from blueprints.blueprint import Blueprint
from blueprints.documents import endpoints_document, endpoints_from
from blueprints.endpoints import Endpoints
from blueprints.files import read_blueprint, read_snapshot, write_blueprint, write_snapshot
from blueprints.observation import Observation, SeenExternal, SeenUnderlay, SledObservation, SwitchObservation
from blueprints.ordering import in_order
from executor import decoding, preflight
from executor.calls import Call
from executor.differences import differences
from executor.execute import execute
from executor.limits import LANES, Limits
from executor.observe import observe, targets_in
from executor.progress import CallFinished, Event, Observed
from executor.safeguards import Safeguards
from executor.shelf import Shelf
from executor.targets import Target
from executor.transport import PlainTransport
from planner import plan
from rackcast.bulk import bulk
from simrack.dpd import chip
from simrack.nics import COUNTED
from simrack.rack import SimulatedRack

SEED = 1
APPLIED = Size(sleds=32, groups=70, members=500, instances=250)
"""Some 5,000 calls."""

FULL = Size()
LARGE = Size(sleds=32, groups=2048, members=65_536, instances=8192)
SERVE, ALONE = "serve", "alone"
"""What processes of their own are told."""

IN_FLIGHT = 16
DEPTH = Limits().answer_depth
_ROWS: dict[object, Callable[[Any], Any]] = {}
VERSIONS = {"dpd": "12.0.0", "mgd": "13.0.0", "sled_agent": "49.0.0"}
ROOM = 1 << 20
"""Rows of the simulated chips' tables, so that they hold what no switch does."""

Json = Any
Request = tuple[Target, str, str, bytes]
Send = Callable[[Request], Awaitable[None]]


def row(what: str, measured: str, goal: str) -> None:
    """Print one line of the table."""
    print(f"{what:68}{measured:>22}   {goal}", flush=True)


def demand(truth: bool, otherwise: object) -> None:
    """End the benchmark if it does not measure what it should."""
    if not truth:
        raise SystemExit(f"this is not what was to be measured: {otherwise}")


# --- a rack beside this process -------------------------------------------------------------------------------------


@frozen
class Rack:
    """A simulated rack in a process of its own."""

    endpoints: Endpoints
    control: str

    def empty(self) -> None:
        """Forget all tables and calls."""
        with httpx.Client(trust_env=False) as http:
            for target in targets_in(self.endpoints):
                http.post(f"{self.control}/restarts", json={"target": str(target), "keep_state": False})
            http.delete(f"{self.control}/calls")

    def reads(self) -> list[tuple[str, str]]:
        """Return target and path of every read since the tables were emptied or this was asked."""
        with httpx.Client(trust_env=False, timeout=60) as http:
            calls = http.get(f"{self.control}/calls").json()
            http.delete(f"{self.control}/calls")
        return [(call["target"], call["path"]) for call in calls if call["method"] == "GET"]

    def url(self, target: Target) -> str:
        """Return where *target* listens."""
        for slot, switch in self.endpoints.switches.items():
            if slot == target.place:
                return switch.dpd if target.daemon == "dpd" else switch.mgd
        return next(url for sled, url in self.endpoints.sleds.items() if str(sled) == target.place)


@contextmanager
def served(snapshot: Path) -> Iterator[Rack]:
    """Run the rack of *snapshot* beside this process."""
    command = [sys.executable, "-m", "benchmarks.executing", SERVE, str(snapshot)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = json.loads(process.stdout.readline() if process.stdout else "")
        try:
            yield Rack(endpoints_from(said["endpoints"], "rack"), said["control"])
        finally:
            process.terminate()


async def serve(snapshot: str) -> None:
    """Be the rack of *snapshot* until somebody ends this process."""
    chip.TABLE_ROWS = ROOM
    simulated = SimulatedRack(read_snapshot(snapshot), nics=COUNTED)
    await simulated.start()
    said = {"endpoints": endpoints_document(simulated.endpoints), "control": simulated.control_url}
    print(json.dumps(said), flush=True)
    await asyncio.Event().wait()


# --- applying -------------------------------------------------------------------------------------------------------


@define
class Stopwatch:
    """From the end of the first reading to the last answer."""

    begun: float = 0.0
    ended: float = 0.0
    calls: int = 0

    def __call__(self, event: Event) -> None:
        """Listen to a run."""
        if isinstance(event, Observed):
            self.begun = perf_counter()
        elif isinstance(event, CallFinished):
            self.ended, self.calls = perf_counter(), self.calls + 1

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / (self.ended - self.begun)


def applied(blueprint: Blueprint, endpoints: Endpoints) -> tuple[float, tuple[Call, ...]]:
    """Return how many calls a second a run makes, and the calls."""
    watch = Stopwatch()
    with bulk():
        report = asyncio.run(
            execute(blueprint, endpoints, safeguards=Safeguards(allow_mass_change=True), progress=watch)
        )
    demand(report.exit_code == 0, report.owed[:3])
    return watch.rate, tuple(sent.call for sent in report.actions)


def stages(calls: Iterable[Call]) -> list[list[Request]]:
    """Return the requests of *calls*, those apart that wait for each other."""
    return [
        [(call.target, call.method, call.path, call.content) for call in tier]
        for _, tier in groupby(calls, key=lambda call: (call.form.tier, call.target.place.startswith("switch1")))
    ]


async def replayed(requests: Sequence[Sequence[Request]], send: Send) -> float:
    """Return how many of *requests* a second *send* gets through, as many in flight as a run has."""
    gate = asyncio.Semaphore(IN_FLIGHT)
    begun = perf_counter()

    async def lane(waiting: Iterator[Request]) -> None:
        for request in waiting:
            async with gate:
                await send(request)

    for stage in requests:
        lanes = []
        for target, theirs in groupby(sorted(stage, key=lambda r: r[0].sort_key), key=lambda r: r[0]):
            waiting = iter(list(theirs))
            lanes += [lane(waiting) for _ in range(LANES[target.daemon])]
        await asyncio.gather(*lanes)
    return sum(map(len, requests)) / (perf_counter() - begun)


async def bare(requests: Sequence[Sequence[Request]], beside: Rack) -> float:
    """Return the rate of the transport alone."""
    ways: dict[Target, tuple[str, PlainTransport]] = {}

    async def send(request: Request) -> None:
        target, method, path, content = request
        if target not in ways:
            ways[target] = (beside.url(target), PlainTransport(answer_bytes=Limits().answer_bytes))
        base, way = ways[target]
        response = await way.handle_async_request(
            httpx.Request(method, base + path, headers=headers(target), content=content)
        )
        demand(response.is_success, (request, response.content))

    try:
        return await replayed(requests, send)
    finally:
        for _, way in ways.values():
            await way.aclose()


async def shared(requests: Sequence[Sequence[Request]], beside: Rack) -> float:
    """Return the rate of one client of the library for all daemons."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:

        async def send(request: Request) -> None:
            target, method, path, content = request
            response = await http.request(method, beside.url(target) + path, headers=headers(target), content=content)
            demand(response.is_success, (request, response.content))

        return await replayed(requests, send)


def headers(target: Target) -> dict[str, str]:
    """Return what every request says."""
    return {"api-version": VERSIONS[target.daemon.value], "content-type": "application/json"}


def applying(folder: Path, rounds: int) -> None:
    """Print how fast calls are applied."""
    snapshot = rack(SEED, APPLIED)
    file = folder / "applied.json"
    write_snapshot(str(file), snapshot)
    blueprint = plan(snapshot)
    ratios: dict[str, list[float]] = {"bare": [], "shared": []}
    rates: list[float] = []
    calls: tuple[Call, ...] = ()
    with served(file) as beside:
        for _ in range(rounds):
            beside.empty()
            rate, calls = applied(blueprint, beside.endpoints)
            rates.append(rate)
            requests = stages(calls)
            for name, way in (("bare", bare), ("shared", shared)):
                beside.empty()
                with bulk():
                    ratios[name].append(rate / asyncio.run(way(requests, beside)))
    told = f"{len(calls):,} calls applied"
    row(f"{told}, beside one shared httpx client", f"{median(ratios['shared']):.1f} x its rate", ">= 4 x")
    row(f"{told}, beside the transport alone", f"{median(ratios['bare']):.2f} x its rate", ">= 0.8 x")
    row(f"{told}", f"{median(rates):,.0f} calls/s", "")


# --- observing ------------------------------------------------------------------------------------------------------


async def bare_reads(reads: Sequence[tuple[str, str]], beside: Rack) -> None:
    """Read the same paths, and throw away what comes."""
    gate = asyncio.Semaphore(IN_FLIGHT)
    targets = {str(target): target for target in targets_in(beside.endpoints)}

    async def lane(target: Target, paths: Iterable[str]) -> None:
        way, base = PlainTransport(answer_bytes=Limits().answer_bytes), beside.url(target)
        for path in paths:
            async with gate:
                response = await way.handle_async_request(httpx.Request("GET", base + path, headers=headers(target)))
                await response.aread()
        await way.aclose()

    parts = [
        lane(targets[name], [path for _, path in paths])
        for name, paths in groupby(sorted(reads, key=lambda r: r[0]), key=lambda r: r[0])
    ]
    await asyncio.gather(*parts)


def timed(step: Callable[[], Any]) -> float:
    """Return how long *step* takes, without the collector of cycles."""
    with bulk():
        begun = perf_counter()
        step()
        return perf_counter() - begun


def observing(folder: Path, rounds: int) -> None:
    """Print what observing costs beside its reads."""
    snapshot = rack(SEED, FULL)
    file = folder / "full.json"
    write_snapshot(str(file), snapshot)
    ratios, seconds = [], []
    with served(file) as beside:
        applied(plan(snapshot), beside.endpoints)
        beside.reads()
        asyncio.run(observe(beside.endpoints))
        reads = beside.reads()
        for _ in range(rounds):
            floor = timed(lambda: asyncio.run(bare_reads(reads, beside)))
            seconds.append(timed(lambda: asyncio.run(observe(beside.endpoints))))
            ratios.append(seconds[-1] / floor)
    row(f"observing a full rack ({len(reads)} reads)", f"{median(ratios):.2f} x the bare reads", "<= 1.3 x")
    row("observing a full rack", f"{median(seconds) * 1000:.0f} ms", "")


# --- differences ----------------------------------------------------------------------------------------------------


def answers(blueprint: Blueprint) -> dict[str, dict[str, bytes]]:
    """Return what the daemons of a rack answer that holds *blueprint*: place to table to body."""
    found: dict[str, dict[str, bytes]] = {}
    for slot, tables in blueprint.switches.items():
        groups = [
            *({"kind": "underlay", "group_ip": r.group_ip.text, "tag": r.tag.text, "external_group_id": 1,
               "underlay_group_id": 2, "members": _members(r)} for r in tables.underlay_groups),
            *({"kind": "external", "group_ip": r.group_ip.text, "tag": r.tag.text, "external_group_id": 1,
               "internal_forwarding": {"nat_target": {
                   "internal_ip": r.internal_ip.text, "inner_mac": {"a": list(r.inner_mac.octets)}, "vni": r.vni}},
               "external_forwarding": {"vlan_id": r.vlan_id}, "sources": _sources(r)}
              for r in tables.external_groups if r.sources != ()),
        ]  # fmt: skip
        routes = [
            {"key": {f"V{r.group.family}": {"source": r.source and r.source.text, "group": r.group.text,
                     "vni": r.vni}}, "underlay_group": r.underlay_group.text} for r in tables.mrib_routes
        ]  # fmt: skip
        found[slot] = {"groups": json.dumps(groups).encode(), "routes": json.dumps(routes).encode()}
    for sled, its in blueprint.sleds.items():
        forwarding = [
            {"underlay": r.underlay.text, "next_hops": list(map(_hop, r.next_hops))} for r in its.forwarding
        ]
        mappings = [{"group": r.group.text, "underlay": r.underlay.text} for r in its.m2p]
        found[str(sled)] = {"m2p": json.dumps(mappings).encode(), "forwarding": json.dumps(forwarding).encode()}
    return found


def _members(entry: Any) -> Json:
    return [{"port_id": str(m.port_id), "link_id": m.link_id, "direction": m.direction.value} for m in entry.members]


def _sources(entry: Any) -> Json:
    return None if entry.sources is None else [{"Exact": source.text} for source in entry.sources]


def _hop(hop: Any) -> Json:
    filters = {"mode": hop.filter.mode.value, "sources": [source.text for source in hop.filter.sources]}
    return {"next_hop": hop.next_hop.text, "replication": hop.replication.value, "filter": filters}


def decoded(blueprint: Blueprint, said: dict[str, dict[str, bytes]], *, shared: bool) -> Observation:
    """Return the observation that the answers make, checked as a run checks them.

    A run reads answers that are equal once (*shared*); the floor reads each.
    """
    shelf = Shelf()

    def table(content: bytes, decode: Callable[[Json, str], Any]) -> Any:
        def rows(answer: Json) -> Any:
            return in_order(decode(entry, "row") for entry in answer)

        if not shared:
            return rows(_parsed(content))
        return shelf.decoded(shelf.parsed(content, depth=DEPTH), _ROWS.setdefault(decode, rows))

    switches, sleds = {}, {}
    for slot in blueprint.switches:
        groups = [decoding.group(entry, "group") for entry in _parsed(said[slot]["groups"])]
        switches[slot] = SwitchObservation(
            underlay_groups=[g for g in groups if isinstance(g, SeenUnderlay)],
            external_groups=[g for g in groups if isinstance(g, SeenExternal)],
            mrib_routes=table(said[slot]["routes"], decoding.route),
        )
    for sled in blueprint.sleds:
        its = said[str(sled)]
        sleds[sled] = SledObservation(
            m2p=table(its["m2p"], decoding.mapping), forwarding=table(its["forwarding"], decoding.forwarding)
        )
    return Observation(switches=switches, sleds=sleds, silent=())


def _parsed(content: bytes) -> Json:
    return strict.parse_json(content, depth=DEPTH)


def drifted(seen: Observation, *, alike: bool) -> Observation:
    """Return *seen* without one row in a hundred of each sled's tables: the same rows, or others on each sled."""
    sleds: dict[UUID, SledObservation] = {}
    for place, (sled, its) in enumerate(seen.sleds.items()):
        if alike and place:
            sleds[sled] = next(iter(sleds.values()))
            continue
        sleds[sled] = evolve(
            its,
            m2p=[each for number, each in enumerate(its.m2p or ()) if (number + place) % 100],
            forwarding=[each for number, each in enumerate(its.forwarding or ()) if (number + place) % 100 != 50],
        )
    return evolve(seen, sleds=sleds)


def comparing(blueprint: Blueprint, rounds: int) -> None:
    """Print what finding differences costs beside decoding what is compared."""
    said = answers(blueprint)
    seen = decoded(blueprint, said, shared=True)
    states = {
        "at rest": seen,
        "1 in 100 gone": drifted(seen, alike=True),
        "1 in 100 gone, no two sleds alike": drifted(seen, alike=False),
    }
    ratios: dict[str, list[float]] = {state: [] for state in states}
    for _ in range(rounds):
        floor = timed(lambda: decoded(blueprint, said, shared=False))
        for state, held in states.items():
            ratios[state].append(timed(partial(differences, blueprint, held)) / floor)
    rows = sum(len(its.m2p or ()) + len(its.forwarding or ()) for its in seen.sleds.values())
    for state, measured in ratios.items():
        row(f"differences of {rows:,} rows of sleds, {state}", f"{median(measured):.2f} x decoding", "<= 0.5 x")


# --- memory ---------------------------------------------------------------------------------------------------------


def resident() -> int:
    """Return the peak of resident memory so far, in octets."""
    [line] = [line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


@frozen
class _Peaks:
    """Peaks of memory on the way."""

    at: list[tuple[str, int]] = field(factory=list)

    def note(self, when: str) -> None:
        self.at.append((when, resident()))


def alone(name: str, endpoints: str) -> None:
    """Execute a blueprint that no switch has room for; print the peak of resident memory on the way."""
    setattr(preflight, "excesses", lambda _: ())  # noqa: B010  # the simulated chips have room
    peaks = _Peaks()
    peaks.note("imports")
    blueprint = read_blueprint(name)
    peaks.note("blueprint read")
    watch = Stopwatch()
    guards = Safeguards(allow_mass_change=True)
    where = endpoints_from(json.loads(Path(endpoints).read_text()), endpoints)
    report = asyncio.run(execute(blueprint, where, safeguards=guards, progress=watch))
    peaks.note("executed")
    demand(report.exit_code == 0, (report.refusals, report.owed[:3]))
    print(json.dumps({"peaks": peaks.at, "calls": watch.calls, "rate": watch.rate, "exit": report.exit_code}))


def memory(folder: Path, blueprint: Blueprint, snapshot: Path) -> None:
    """Print what a process of its own takes at its peak."""
    file, where = folder / "large.blueprint.json", folder / "endpoints.json"
    write_blueprint(str(file), blueprint)
    with served(snapshot) as beside:
        where.write_text(json.dumps(endpoints_document(beside.endpoints)))
        command = [sys.executable, "-m", "benchmarks.executing", ALONE, str(file), str(where)]
        said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    demand(said["exit"] == 0, said)
    size = file.stat().st_size
    told = f"peak memory, {said['calls']:,} calls, file of {size / 1e6:.1f} MB"
    for when, peak in said["peaks"]:
        goal = "<= 3 x" if when == "executed" else ""
        row(f"{told}: {when}", f"{peak / size:.1f} x the file", goal)
    row("... at", f"{said['rate']:,.0f} calls/s", "")


def main() -> None:
    """Measure, with the number of rounds that the command line names."""
    if sys.argv[1:2] == [SERVE]:
        asyncio.run(serve(sys.argv[2]))
        return
    if sys.argv[1:2] == [ALONE]:
        alone(*sys.argv[2:])
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    parts = sys.argv[2:] or ["applying", "observing", "comparing", "memory"]
    with TemporaryDirectory() as name:
        folder = Path(name)
        if "applying" in parts:
            applying(folder, rounds)
        if "observing" in parts:
            observing(folder, rounds)
        if "comparing" in parts or "memory" in parts:
            snapshot = rack(SEED, LARGE)
            with bulk():
                blueprint = plan(snapshot)
            if "comparing" in parts:
                comparing(blueprint, rounds)
            if "memory" in parts:
                write_snapshot(str(folder / "large.json"), snapshot)
                memory(folder, blueprint, folder / "large.json")


if __name__ == "__main__":
    main()
