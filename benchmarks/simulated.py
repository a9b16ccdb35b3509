"""What a simulated rack costs: ``python -m benchmarks.simulated [ROUNDS]``.

The rack is ``examples/full_rack``: 32 sleds, 2 switches, all their daemons in one process of ``rackcast sim``.

Ready and memory: from the start of the process to its first line, and what the kernel counts as resident at its peak,
empty and once a whole blueprint was carried out on it.

Calls: in each round every call is made in turn beside a bare ASGI application that the same server answers with a
constant, in a process of its own; one connection to each. The medians of the rounds' ratios are printed, by the
clock and by the processor time that the server's process took, which says the same on a machine with other work.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from signal import SIGTERM
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import httptools
import httpx
from attrs import define, field, frozen

from blueprints.blueprint import Blueprint
from blueprints.endpoints import Endpoints
from blueprints.files import read_endpoints, read_snapshot
from blueprints.identifiers import SwitchSlot
from executor import execute
from executor.safeguards import Safeguards
from planner import plan
from simrack.web.listeners import Listeners, listening_socket, port_of, url_of

SNAPSHOT = Path(__file__).parents[1] / "examples" / "full_rack" / "before.json.gz"
BARE = "bare"
"""What the process with the bare application is told."""

CALLS = 2000
"""Of one kind in a round."""

IN_FLIGHT = 8
SLED_AGENT, DPD, MGD = "49.0.0", "13.0.0", "13.0.0"

# --- processes ------------------------------------------------------------------------------------------------------


@frozen
class Process:
    """A server in a process of its own."""

    pid: int
    first_line: dict[str, Any]
    seconds_to_ready: float

    def cpu_seconds(self) -> float:
        """Return the processor time that it took so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_megabytes(self) -> float:
        """Return the most that was resident so far."""
        [line] = [row for row in Path(f"/proc/{self.pid}/status").read_text("ascii").splitlines() if "VmHWM" in row]
        return int(line.split()[1]) * 1024 / 1e6


@contextmanager
def started(*command: str) -> Iterator[Process]:
    """Yield a process of this interpreter once it has printed its first line, and end it."""
    begin = perf_counter()
    with subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True) as process:
        try:
            line = json.loads(process.stdout.readline() if process.stdout else "")
            yield Process(process.pid, line, perf_counter() - begin)
        finally:
            process.send_signal(SIGTERM)


async def _bare(_: Any, receive: Any, send: Any) -> None:
    await receive()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})


async def _serve_bare() -> None:
    sock = listening_socket()
    listeners = Listeners(_bare, [sock])
    await listeners.start()
    print(json.dumps({"url": url_of(port_of(sock))}), flush=True)
    await asyncio.Event().wait()


# --- calls over loopback --------------------------------------------------------------------------------------------


@define(eq=False)
class _Caller(asyncio.Protocol):
    """Sends one request again and again over one connection, as fast as it is answered."""

    request: bytes
    left: int
    done: "asyncio.Future[None]" = field(factory=lambda: asyncio.get_running_loop().create_future())
    statuses: "Counter[int]" = field(factory=Counter)
    _transport: Any = None
    _parser: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.statuses[self._parser.get_status_code()] += 1
        self.left -= 1
        if self.left:
            self._next()
        else:
            self._transport.close()
            self.done.set_result(None)

    def _next(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(self.request)


@frozen
class Call:
    """A small call."""

    name: str
    method: str
    url: str
    version: str
    body: Any = None

    def wire(self) -> bytes:
        """Return it as it is sent."""
        url = httpx.URL(self.url)
        body = b"" if self.body is None else json.dumps(self.body, separators=(",", ":")).encode()
        head = [
            b"%s %s HTTP/1.1" % (self.method.encode(), url.raw_path),
            b"host: " + url.netloc,
            b"api-version: " + self.version.encode(),
            b"content-type: application/json",
            b"content-length: %d" % len(body),
        ]
        return b"\r\n".join([*head, b"", body])


def _itself(caller: _Caller) -> _Caller:
    return caller


async def _called(call: Call, times: int) -> None:
    """Make *call* so often, over a few connections; whatever is not a success ends the benchmark."""
    url, loop = httpx.URL(call.url), asyncio.get_running_loop()
    callers = [_Caller(call.wire(), times // IN_FLIGHT) for _ in range(IN_FLIGHT)]
    for caller in callers:
        await loop.create_connection(partial(_itself, caller), url.host, url.port or 80)
    await asyncio.gather(*(caller.done for caller in callers))
    found = sum((caller.statuses for caller in callers), Counter[int]())
    if any(status >= 300 for status in found):
        raise SystemExit(f"{call.name}: {dict(found)}")


def _small_calls(endpoints: Endpoints, blueprint: Blueprint) -> list[Call]:
    sled = next(iter(endpoints.sleds.values()))
    switch = endpoints.switches[SwitchSlot.SWITCH0]
    row, route = _mapping(blueprint), blueprint.switches[SwitchSlot.SWITCH0].mrib_routes[0]
    source = "" if route.source is None else f"&source={route.source}"
    imported = f"{switch.mgd}/mrib/status/imported?group={route.group}{source}"
    return [
        Call("sled-agent: who it is", "GET", f"{sled}/sled-identifiers", SLED_AGENT),
        Call("sled-agent: PUT of a mapping", "PUT", f"{sled}/networking/mcast-m2p", SLED_AGENT, row),
        Call("dpd: one group", "GET", f"{switch.dpd}/multicast/groups/{row['underlay']}", DPD),
        Call("mgd: one route", "GET", imported, MGD),
        Call("mgd: which switch", "GET", f"{switch.mgd}/switch/identifiers", MGD),
    ]


def _mapping(blueprint: Blueprint) -> dict[str, str]:
    row = next(iter(blueprint.sleds.values())).m2p[0]
    return {"group": row.group.text, "underlay": row.underlay.text}


def measure_calls(rack: Process, bare: Process, calls: list[Call], rounds: int) -> None:
    """Print how the rate of each call compares with that of the bare application."""
    ratios: dict[str, list[tuple[float, float, float]]] = {}
    for _ in range(rounds):
        floor = _cost(bare, Call("bare", "GET", bare.first_line["url"] + "/", SLED_AGENT))
        for call in calls:
            cost = _cost(rack, call)
            ratios.setdefault(call.name, []).append((floor[0] / cost[0], floor[1] / cost[1], CALLS / cost[0]))
    print(f"{'rate beside a bare ASGI answer':36}{'clock':>8}{'processor':>11}{'calls/s':>10}")
    for name, rows in ratios.items():
        clock, processor, rate = (median(column) for column in zip(*rows, strict=True))
        print(f"{name:36}{clock:>8.2f}{processor:>11.2f}{rate:>10.0f}")


def _cost(server: Process, call: Call) -> tuple[float, float]:
    """Return the seconds that the calls took, and the processor time of the server."""
    begin, cpu = perf_counter(), server.cpu_seconds()
    asyncio.run(_called(call, CALLS))
    return perf_counter() - begin, server.cpu_seconds() - cpu


# --- all of it ------------------------------------------------------------------------------------------------------


def main() -> None:
    """Measure, with the number of rounds that the command line names."""
    if sys.argv[1:2] == [BARE]:
        asyncio.run(_serve_bare())
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    snapshot = read_snapshot(str(SNAPSHOT))
    blueprint = plan(snapshot)
    with TemporaryDirectory() as folder:
        file = str(Path(folder) / "endpoints.json")
        with started("rackcast", "sim", str(SNAPSHOT), "--endpoints-out", file) as rack:
            cpu, peak = rack.cpu_seconds(), rack.peak_megabytes()
            print(f"ready after {rack.seconds_to_ready:.2f} s, {cpu:.2f} s of processor time; at most {peak:.0f} MB")
            endpoints = read_endpoints(file)
            guards = Safeguards(allow_mass_change=True)
            begin = perf_counter()
            report = asyncio.run(execute(blueprint, endpoints, safeguards=guards))
            if report.exit_code != 0:
                raise SystemExit(f"the blueprint was not carried out: {report.outcome}")
            calls, seconds = sum(report.counts.values()), perf_counter() - begin
            print(f"{calls} calls of the executor in {seconds:.1f} s, then {rack.peak_megabytes():.0f} MB")
            with started("benchmarks.simulated", BARE) as bare:
                measure_calls(rack, bare, _small_calls(endpoints, blueprint), rounds)


if __name__ == "__main__":
    main()
