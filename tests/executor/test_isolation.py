"""Who fails keeps nobody else waiting: deadlines, breakers, places in flight, on a full rack whose daemons hang."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from attrs import evolve, frozen

from benchmarks.workload import Size
from benchmarks.workload import rack as full_rack
from blueprints.run_report import TargetState
from executor.answers import ForbiddenError, UnreachedError
from executor.apis import Api
from executor.breaker import Breaker
from executor.exchanges import Ending, Exchange
from executor.http import OVER, Client
from executor.limits import Limits
from executor.progress import Event, Observed
from executor.report import Report
from executor.slots import Deadlines, Patience, Slot
from simrack.background import running
from tests.executor.bench import QUICK, Bench, planned
from tests.simrack.rows import SLEDS, small_rack

RACK = full_rack(11, Size(groups=6, members=120, instances=60))
PLAN = planned(RACK)
DEAD_SLEDS = sorted(PLAN.sleds, key=str)[: len(PLAN.sleds) // 5]
DEAD = frozenset({"switch0 dpd", "switch0 mgd", *(f"sled {sled}" for sled in DEAD_SLEDS)})
PATIENT = Limits(request_seconds=6.0, slow_seconds=0.1, pause_seconds=0.01, pause_jitter_seconds=0.0)


@pytest.fixture(scope="module")
def full() -> Iterator[Bench]:
    """A rack of 2 switches and 32 sleds."""
    with running(RACK) as rack, httpx.Client(trust_env=False, timeout=30) as control:
        yield Bench(rack, control)


@frozen
class Heard:
    """One sending, with when it began and ended."""

    exchange: Exchange
    ended: float

    @property
    def began(self) -> float:
        """Seconds of the monotonic clock."""
        return self.ended - self.exchange.seconds

    @property
    def dead(self) -> bool:
        """Whether it went to one of those that hang."""
        return self.exchange.target in DEAD

    @property
    def hung(self) -> bool:
        """Whether nobody answered it."""
        return self.exchange.ending is Ending.SILENT


def states(report: Report) -> dict[TargetState, int]:
    """Return how many targets stand where."""
    return Counter(each.state for each in report.targets)


def test_what_hangs_from_the_beginning_costs_the_rest_one_deadline(full: Bench) -> None:
    """A dead switch and a fifth of the sleds dead: each is asked once, all at the same time, and the rest is done."""
    assert (len(PLAN.sleds), len(DEAD_SLEDS)) == (32, 6)
    full.reset(RACK)
    for target in sorted(DEAD):
        full.fault(target, "timeout_before", times=None)
    heard: list[Heard] = []

    def listen(event: Event) -> None:
        if isinstance(event, Exchange):
            heard.append(Heard(event, time.monotonic()))

    report = full.run(PLAN, limits=PATIENT, progress=listen)
    hung = [each for each in heard if each.hung]
    assert Counter(each.exchange.target for each in hung) == dict.fromkeys(DEAD, 1)
    first_deadline = min(each.ended for each in hung)
    assert max(each.began for each in hung) < first_deadline
    reads = [each for each in heard if not each.dead and each.exchange.purpose == "reads"]
    read_first = {each.exchange.target: each.ended for each in reversed(reads)}
    assert len(read_first) == 36 - len(DEAD)
    assert max(read_first.values()) < first_deadline
    assert {str(each.target) for each in report.targets if each.state is not TargetState.APPLIED} == DEAD
    full.calm()
    assert full.run(PLAN).exit_code == 0


def test_what_hangs_half_way_does_not_hold_up_the_calls_beside_it(full: Bench) -> None:
    """Daemons that stop to answer once they were read: no call to another sled waits for their deadlines."""
    full.reset(RACK)
    heard: list[Heard] = []

    def listen(event: Event) -> None:
        if isinstance(event, Observed):
            for target in sorted(DEAD):
                full.fault(target, "timeout_before", times=None)
        elif isinstance(event, Exchange):
            heard.append(Heard(event, time.monotonic()))

    report = full.run(PLAN, limits=PATIENT, progress=listen)
    hung = [each for each in heard if each.hung and each.exchange.target.startswith("sled")]
    beside = [
        each
        for each in heard
        if not each.dead and each.exchange.path == "/networking/mcast-fwd" and each.exchange.method == "PUT"
    ]
    # More calls hang than may be in flight at once, and still nobody beside them waits for a deadline.
    assert len(hung) > PATIENT.in_flight
    assert len({each.exchange.target for each in beside}) == 32 - len(DEAD_SLEDS)
    assert max(each.ended for each in beside) < min(each.ended for each in hung)
    for target in DEAD:
        tries = [each for each in heard if each.exchange.target == target and each.hung]
        last_start = max((each.began for each in tries), default=0.0)
        assert len([each for each in tries if each.ended <= last_start]) < PATIENT.hangs
    assert states(report)[TargetState.APPLIED] >= 32 - len(DEAD_SLEDS)
    assert {owed.target for owed in report.owed} <= {*DEAD, "switch1 dpd", "switch1 mgd"}
    full.calm()
    assert full.run(PLAN).exit_code == 0


@pytest.mark.parametrize("dead", ["switch0 dpd", f"sled {SLEDS[0]}"])
def test_what_hangs_half_way_costs_the_rest_one_deadline_and_little_more(bench_inside: Bench, dead: str) -> None:
    """However many questions it leaves unanswered: after the first it is asked only shortly, and once."""
    bench, limits = bench_inside, Limits(pause_jitter_seconds=0.0)
    moments: list[float] = []

    def listen(event: Event) -> None:
        moments.append(asyncio.get_running_loop().time())
        if isinstance(event, Observed):
            bench.fault(dead, "timeout_before", times=None)

    assert bench.run(planned(small_rack()), limits=limits, progress=listen).exit_code == 4
    assert limits.request_seconds <= moments[-1] - moments[0] <= 1.2 * limits.request_seconds


# --- the time of a run ----------------------------------------------------------------------------------------------


def test_a_run_ends_with_its_deadline_and_owes_the_rest(bench: Bench) -> None:
    """A daemon that would be waited for much longer is cut short, nothing is written any more, and both are said."""
    plan = planned(small_rack())
    bench.fault(f"sled {SLEDS[0]}", "timeout_before", method="PUT", times=None)
    begun = time.monotonic()
    report = bench.run(plan, limits=evolve(QUICK, request_seconds=60.0, run_seconds=3.0))
    assert time.monotonic() - begun < 60
    assert report.exit_code == 4
    assert any(OVER in owed.because for owed in report.owed)
    assert [call for call in bench.calls() if call["path"] == "/static/mroute"] == []
    bench.calm()
    assert bench.run(plan).exit_code == 0


def test_what_was_written_in_time_is_read_back_after_the_deadline() -> None:
    """Reads may take one deadline of a request longer than writes; a run that only reads ends with its own."""
    limits = Limits(run_seconds=10, request_seconds=2)
    both = Deadlines.from_now(limits, 100.0)
    assert (both.left(111, writing=True), both.left(111, writing=False)) == (-1, 1)
    assert Deadlines.from_now(limits, 100.0, reading=True).left(111, writing=False) == -1


def client(handle: Any, **changes: Any) -> Client:
    """Return a client of a sled-agent that *handle* answers for."""
    options: dict[str, Any] = {
        "name": "sled",
        "api": Api.SLED_AGENT,
        "base": "http://[::1]:1",
        "limits": QUICK,
        "in_flight": asyncio.Semaphore(4),
        "calls": Counter(),
        "version": "49.0.0",
        "transport": httpx.MockTransport(handle),
    }
    return Client(**options | changes)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_nothing_is_sent_when_the_time_is_over(method: str) -> None:
    """Not even once, and without a pause."""
    of = client(lambda _: httpx.Response(204), deadlines=Deadlines(writes=0.0, reads=0.0))
    with pytest.raises(ForbiddenError, match=OVER):
        asyncio.run(of.call(method, "/networking/mcast-m2p", {}))
    assert of.calls.total() == 0


# --- breakers -------------------------------------------------------------------------------------------------------


def test_a_daemon_that_drops_connections_is_still_read_and_closes_its_breaker_so() -> None:
    """Writes are held back after some tries; a read that is answered lets them through again."""
    breaker = Breaker(Limits(silences=3))
    for _ in range(3):
        assert breaker.closed_to(writing=True) is None
        breaker.silent(hung=False)
    assert breaker.closed_to(writing=True) == "left alone after 3 tries without an answer"
    assert breaker.closed_to(writing=False) is None
    breaker.answered()
    assert (breaker.closed_to(writing=True), breaker.open) == (None, False)


def test_a_daemon_that_hangs_is_not_even_read_any_more() -> None:
    """Each further question would cost a deadline; an answer in between begins the count anew."""
    breaker = Breaker(Limits(hangs=2))
    breaker.silent(hung=True)
    breaker.answered()
    breaker.silent(hung=True)
    assert breaker.closed_to(writing=True) is None
    breaker.silent(hung=True)
    assert breaker.closed_to(writing=False) == "left alone after 2 deadlines without an answer"


def test_a_daemon_that_hung_is_asked_shortly_until_it_answers() -> None:
    """Never longer than any other, however short a deadline is."""
    for deadline, shortly in ((15.0, 1.5), (0.5, 0.5)):
        breaker = Breaker(Limits(request_seconds=deadline))
        assert breaker.patience == deadline
        breaker.silent(hung=True)
        assert breaker.patience == shortly
        breaker.answered()
        assert breaker.patience == deadline


def test_a_daemon_that_comes_back_amid_a_run_is_found_by_the_read_back(bench: Bench) -> None:
    """It drops the calls of one stage; what it lacks is known after the run, and it takes what comes later."""
    plan = planned(small_rack())
    bench.fault(f"sled {SLEDS[2]}", "refuse", method="PUT", path="/networking/mcast-fwd", times=20)
    report = bench.run(plan)
    owed = {owed.kind for owed in report.owed if owed.target == f"sled {SLEDS[2]}"}
    assert None not in owed
    assert "forwarding_set" in owed


# --- how much at once -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("places", [1, 3])
def test_no_more_requests_are_in_flight_than_allowed(places: int) -> None:
    """Over all clients that share the places, as long as they are answered in time."""
    active, most = 0, 0

    async def handle(_: httpx.Request) -> httpx.Response:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await asyncio.sleep(0.005)
        active -= 1
        return httpx.Response(204)

    async def many() -> None:
        shared = asyncio.Semaphore(places)
        clients = [client(handle, in_flight=shared) for _ in range(5)]
        await asyncio.gather(*(of.call("PUT", "/networking/mcast-m2p", {}) for of in clients for _ in range(4)))

    asyncio.run(many())
    assert most == places


def test_a_slow_request_gives_its_place_up_and_takes_it_but_once() -> None:
    """While it is still waited for the next one begins; in the end there are as many places as before."""

    async def run() -> list[str]:
        places = asyncio.Semaphore(1)
        told: list[str] = []
        begun = asyncio.Event()

        async def slow() -> None:
            async with Slot(places, Patience(0.01)):
                await begun.wait()
                told.append("first")

        async def second() -> None:
            async with Slot(places, Patience(10.0)):
                told.append("second")
                begun.set()

        async with asyncio.timeout(20):
            await asyncio.gather(slow(), second())
        await places.acquire()
        told.append("locked" if places.locked() else "two places")
        return told

    assert asyncio.run(run()) == ["second", "first", "locked"]


def test_each_slow_request_of_a_target_gives_its_place_up_in_its_turn() -> None:
    """Of two requests that hang, one a little later, both make way for those of another target that hangs too."""

    async def run() -> int:
        places, begun, over = asyncio.Semaphore(2), asyncio.Semaphore(0), asyncio.Event()
        one, other = Patience(0.05), Patience(60.0)

        async def hanging(patience: Patience, after: float = 0.0) -> None:
            await asyncio.sleep(after)
            async with Slot(places, patience):
                begun.release()
                await over.wait()

        async def all_begun() -> None:
            for _ in range(4):
                await begun.acquire()
            over.set()

        async with asyncio.timeout(5):
            parts = [hanging(one), hanging(one, 0.01), hanging(other, 0.02), hanging(other, 0.02)]
            await asyncio.gather(all_begun(), *parts)
        await places.acquire()
        await places.acquire()
        return 2 if places.locked() else 3

    assert asyncio.run(run()) == 2


# --- pauses ---------------------------------------------------------------------------------------------------------


def gaps(limits: Limits, calls: int = 1) -> list[float]:
    """Return the seconds between the tries of calls that are always told to come again."""
    tried: list[float] = []

    def busy(_: httpx.Request) -> httpx.Response:
        tried.append(time.monotonic())
        return httpx.Response(503)

    async def run() -> list[float]:
        found: list[float] = []
        for _ in range(calls):
            tried.clear()
            await client(busy, limits=limits).call("PUT", "/networking/mcast-m2p", {})
            found += [later - earlier for earlier, later in pairwise(tried)]
        return found

    return asyncio.run(run())


def test_pauses_grow_up_to_a_limit() -> None:
    """Each is at least twice the one before, until the longest that is allowed."""
    limits = evolve(QUICK, tries=4, pause_seconds=0.05, pause_most_seconds=0.1)
    first, second, third = gaps(limits)
    assert first >= 0.05
    assert second >= 0.1
    assert third >= 0.1


def test_pauses_differ_by_chance() -> None:
    """Calls that were told to come again do not come back at one moment."""
    found = gaps(evolve(QUICK, tries=2, pause_seconds=0.0, pause_jitter_seconds=0.2), calls=12)
    assert max(found) - min(found) > 0.02


def test_what_is_retried_says_nothing_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """The library that paces tries would print each one."""
    gaps(evolve(QUICK, tries=2))
    assert capsys.readouterr() == ("", "")


def test_a_target_that_is_left_alone_says_so() -> None:
    """Without sending, and with the reason."""

    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    of = client(refuse)
    with pytest.raises(UnreachedError, match="cannot connect"):
        asyncio.run(of.call("PUT", "/networking/mcast-m2p", {}))
    with pytest.raises(UnreachedError, match="left alone after 3 tries without an answer"):
        asyncio.run(of.call("PUT", "/networking/mcast-m2p", {}))
    assert of.calls["reads"] == 3
