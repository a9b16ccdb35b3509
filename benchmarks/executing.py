"""What executing costs beside the bare work under it: ``python -m benchmarks.executing [ROUNDS]``.

A simulated rack stands in a process of its own, with tables as large as they need to be. In each round every step
runs in turn beside the floor of the same round; the medians of the rounds' ratios are printed, by processor time of
this process and by time on the wall, because seconds of one machine say little:

* applying some 5,000 calls to an empty rack, from the end of the first reading to the last answer, beside the same
  requests through the bare transport, each made in the ordinary way of httpx, and through one shared
  `httpx.AsyncClient`;
* observing a full rack, beside two floors: the bare reads of the same paths over the same transport, as many in
  flight, bodies thrown away; and those with each body decoded by orjson, unchecked. Strict decoding is what
  observing is for, and is in neither floor. The first is the goal's, by the wall: how much longer somebody waits;
* the memory of a process that does nothing but execute the blueprint of that rack on an empty one and write the
  report: what the kernel counts as resident at its peak, interpreter and libraries included, and how much more that
  is than a process takes that has loaded them and does nothing (`benchmarks.executing_alone`).
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx
import orjson
from attrs import define, field, frozen

from benchmarks.comparing import LARGE, SEED
from benchmarks.timing import Seconds, demand, ratios, row, taken
from benchmarks.workload import Size, rack
from blueprints.blueprint import Blueprint
from blueprints.documents import endpoints_document, endpoints_from
from blueprints.endpoints import Endpoints
from blueprints.files import read_snapshot, write_blueprint, write_endpoints, write_snapshot
from executor.calls import Call
from executor.execute import execute
from executor.limits import LANES, Limits
from executor.observe import observe, targets_in
from executor.progress import CallFinished, Event, Observed
from executor.safeguards import Safeguards
from executor.targets import Target
from executor.transport import PlainTransport
from planner import plan
from rackcast.bulk import bulk
from simrack.dpd import chip
from simrack.nics import COUNTED
from simrack.rack import SimulatedRack

APPLIED = Size(sleds=32, groups=70, members=500, instances=250)
"""Some 5,000 calls."""

FULL = Size()
SERVE = "serve"
"""What a process of its own is told."""

IN_FLIGHT = 16
VERSIONS = {"dpd": "12.0.0", "mgd": "13.0.0", "sled_agent": "49.0.0"}
ROOM = 1 << 20
"""Rows of the simulated chips' tables, so that they hold what no switch does."""

Request = tuple[Target, str, str, bytes]
Send = Callable[[Request], Awaitable[None]]


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

    begun: Seconds = field(factory=Seconds.now)
    ended: Seconds = field(factory=Seconds.now)
    calls: int = 0

    def __call__(self, event: Event) -> None:
        """Listen to a run."""
        if isinstance(event, Observed):
            self.begun = Seconds.now()
        elif isinstance(event, CallFinished):
            self.ended, self.calls = Seconds.now(), self.calls + 1

    @property
    def spent(self) -> Seconds:
        """What all calls took."""
        return self.ended.since(self.begun)


def applied(blueprint: Blueprint, endpoints: Endpoints) -> tuple[Seconds, tuple[Call, ...]]:
    """Return what the calls of a run take, and the calls."""
    watch = Stopwatch()
    with bulk():
        report = asyncio.run(
            execute(blueprint, endpoints, safeguards=Safeguards(allow_mass_change=True), progress=watch)
        )
    demand(report.exit_code == 0, report.owed[:3])
    return watch.spent, tuple(sent.call for sent in report.actions)


def stages(calls: Iterable[Call]) -> list[list[Request]]:
    """Return the requests of *calls*, those apart that wait for each other."""
    return [
        [(call.target, call.method, call.path, call.content) for call in tier]
        for _, tier in groupby(calls, key=lambda call: (call.form.tier, call.target.place.startswith("switch1")))
    ]


async def replayed(requests: Sequence[Sequence[Request]], send: Send) -> Seconds:
    """Return what *send* takes for *requests*, as many in flight as a run has."""
    gate = asyncio.Semaphore(IN_FLIGHT)
    begun = Seconds.now()

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
    return Seconds.now().since(begun)


async def bare(requests: Sequence[Sequence[Request]], beside: Rack) -> Seconds:
    """Return the time of the transport alone."""
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


async def shared(requests: Sequence[Sequence[Request]], beside: Rack) -> Seconds:
    """Return the time of one client of the library for all daemons."""
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
    rates: dict[str, list[Seconds]] = {"bare": [], "shared": []}
    seconds: list[float] = []
    calls: tuple[Call, ...] = ()
    with served(file) as beside:
        for _ in range(rounds):
            beside.empty()
            spent, calls = applied(blueprint, beside.endpoints)
            seconds.append(spent.wall)
            requests = stages(calls)
            for name, way in (("bare", bare), ("shared", shared)):
                beside.empty()
                with bulk():
                    rates[name].append(asyncio.run(way(requests, beside)).beside(spent))
    told = f"{len(calls):,} calls applied"
    ratios(f"{told}, rate to one shared httpx client's", rates["shared"], ">= 4 x")
    ratios(f"{told}, rate to the transport's alone", rates["bare"], ">= 0.8 x")
    row(told, f"{len(calls) / median(seconds):,.0f} calls/s")


# --- observing ------------------------------------------------------------------------------------------------------


async def bare_reads(
    reads: Sequence[tuple[str, str]], beside: Rack, look: Callable[[bytes], object] | None = None
) -> None:
    """Read the same paths, *look* at each body that comes, and throw it away."""
    gate = asyncio.Semaphore(IN_FLIGHT)
    targets = {str(target): target for target in targets_in(beside.endpoints)}

    async def lane(target: Target, paths: Iterable[str]) -> None:
        way, base = PlainTransport(answer_bytes=Limits().answer_bytes), beside.url(target)
        for path in paths:
            async with gate:
                response = await way.handle_async_request(httpx.Request("GET", base + path, headers=headers(target)))
                content = await response.aread()
                if look is not None:
                    look(content)
        await way.aclose()

    parts = [
        lane(targets[name], [path for _, path in paths])
        for name, paths in groupby(sorted(reads, key=lambda r: r[0]), key=lambda r: r[0])
    ]
    await asyncio.gather(*parts)


def observing(folder: Path, rounds: int) -> None:
    """Print what observing costs beside its reads."""
    snapshot = rack(SEED, FULL)
    file = folder / "full.json"
    write_snapshot(str(file), snapshot)
    bare_ones, decoded_ones, seconds = [], [], []
    with served(file) as beside:
        applied(plan(snapshot), beside.endpoints)
        beside.reads()
        asyncio.run(observe(beside.endpoints))
        reads = beside.reads()
        for _ in range(rounds):
            floor = taken(lambda: asyncio.run(bare_reads(reads, beside)))
            spent = taken(lambda: asyncio.run(observe(beside.endpoints)))
            decoding = taken(lambda: asyncio.run(bare_reads(reads, beside, orjson.loads)))
            bare_ones.append(spent.beside(floor))
            decoded_ones.append(spent.beside(decoding))
            seconds.append(spent.wall)
    ratios(f"observing a full rack ({len(reads)} reads), to the bare reads", bare_ones, "<= 1.3 x")
    ratios("... to the bare reads, decoded unchecked", decoded_ones)
    row("observing a full rack", f"{median(seconds) * 1000:.0f} ms")


# --- memory ---------------------------------------------------------------------------------------------------------


def memory(folder: Path, blueprint: Blueprint, snapshot: Path) -> None:
    """Print what a process of its own takes at its peak, and what that is more than an idle one takes."""
    file, where = folder / "large.blueprint.json", folder / "endpoints.json"
    write_blueprint(str(file), blueprint)
    with served(snapshot) as beside:
        write_endpoints(str(where), beside.endpoints)
        command = [sys.executable, "-m", "benchmarks.executing_alone", str(file), str(where), str(folder / "report")]
        said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    demand(said["exit"] == 0, said)
    size = file.stat().st_size
    told = f"peak memory, {said['calls']:,} calls, file of {size / 1e6:.1f} MB"
    peaks = dict(said["peaks"])
    last = peaks["reported"]
    for when, peak in peaks.items():
        row(f"{told}: {when}", f"{peak / size:.2f} x the file", "<= 3 x" if when == "reported" else "")
    row(f"{told}: more than an idle process", f"{(last - peaks['idle']) / size:.2f} x the file", "<= 3 x")
    row("... at", f"{said['rate']:,.0f} calls/s")


def main() -> None:
    """Measure, with the number of rounds that the command line names."""
    if sys.argv[1:2] == [SERVE]:
        asyncio.run(serve(sys.argv[2]))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    parts = sys.argv[2:] or ["applying", "observing", "memory"]
    with TemporaryDirectory() as name:
        folder = Path(name)
        if "applying" in parts:
            applying(folder, rounds)
        if "observing" in parts:
            observing(folder, rounds)
        if "memory" in parts:
            snapshot = rack(SEED, LARGE)
            write_snapshot(str(folder / "large.json"), snapshot)
            with bulk():
                blueprint = plan(snapshot)
            memory(folder, blueprint, folder / "large.json")


if __name__ == "__main__":
    main()
