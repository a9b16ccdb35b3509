"""What is gained by calling a simulated rack without sockets: ``python -m benchmarks.without_sockets [ROUNDS]``.

The same calls go over loopback to a rack in a thread and, in the same round, through `simrack.inprocess`: through the
transports alone, with the executor's client, and with httpx's own client, which goes by mounts. The medians of the
rounds' ratios are printed, by the clock and by the processor time of the process, server included.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import httpx

from blueprints.files import read_snapshot
from executor.apis import Api
from executor.http import Client
from executor.limits import Limits
from executor.transport import PlainTransport
from simrack.background import running
from simrack.rack import SimulatedRack

SNAPSHOT = Path(__file__).parents[1] / "examples" / "full_rack" / "before.json.gz"

CALLS = 2000
"""Of one kind in a round."""

IN_FLIGHT = 8
SLED_AGENT = "49.0.0"
BODY = {"group": "233.252.0.1", "underlay": "ff04::e9fc:1"}

Way = tuple[str, httpx.AsyncBaseTransport]
PATH = "/networking/mcast-m2p"


async def _by_client(way: Way) -> None:
    client = Client(
        name="sled",
        api=Api.SLED_AGENT,
        base=way[0],
        limits=Limits(),
        in_flight=asyncio.Semaphore(IN_FLIGHT),
        calls=Counter(),
        version=SLED_AGENT,
        transport=way[1],
    )
    await _at_once(lambda: client.call("PUT", PATH, BODY, purpose="writes"))
    await client.aclose()


async def _by_transport(way: Way) -> None:
    request = httpx.Request("PUT", way[0] + PATH, headers={"api-version": SLED_AGENT}, json=BODY)
    await _at_once(lambda: way[1].handle_async_request(request))
    await way[1].aclose()


async def _by_httpx(way: Way) -> None:
    mounts = {} if isinstance(way[1], PlainTransport) else {way[0]: way[1]}
    headers = {"api-version": SLED_AGENT}
    async with httpx.AsyncClient(mounts=mounts, trust_env=False, headers=headers) as client:
        await _at_once(lambda: client.put(way[0] + PATH, json=BODY))


async def _at_once(call: Callable[[], Awaitable[Any]]) -> None:
    async def some() -> None:
        for _ in range(CALLS // IN_FLIGHT):
            await call()

    await asyncio.gather(*(some() for _ in range(IN_FLIGHT)))


MANNERS: dict[str, Callable[[Way], Any]] = {
    "the transports alone": _by_transport,
    "the executor's client": _by_client,
    "httpx.AsyncClient, by mounts": _by_httpx,
}


def measure(rounds: int) -> None:
    """Print how many times the rate over loopback is had without sockets."""
    snapshot = read_snapshot(str(SNAPSHOT))
    mounted = SimulatedRack(snapshot)
    mounts = mounted.mount()
    inside = next(iter(mounted.endpoints.sleds.values()))
    print(f"{'without sockets beside loopback':36}{'clock':>8}{'processor':>11}{'calls/s':>10}")
    with running(snapshot) as rack:
        loopback = next(iter(rack.endpoints.sleds.values()))
        for name, manner in MANNERS.items():
            rows = []
            for _ in range(rounds):
                over = _taken(manner, (loopback, PlainTransport(answer_bytes=1 << 24)))
                without = _taken(manner, (inside, mounts[inside]))
                rows.append((over[0] / without[0], over[1] / without[1], CALLS / without[0]))
            clock, processor, rate = (median(column) for column in zip(*rows, strict=True))
            print(f"{name:36}{clock:>7.1f}x{processor:>10.1f}x{rate:>10.0f}")


def _taken(manner: Callable[[Way], Any], way: Way) -> tuple[float, float]:
    begin, cpu = perf_counter(), process_time()
    asyncio.run(manner(way))
    return perf_counter() - begin, process_time() - cpu


def main() -> None:
    """Measure, with the number of rounds that the command line names."""
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5)


if __name__ == "__main__":
    main()
