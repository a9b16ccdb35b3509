"""The rack without sockets: the same answers and the same faults as over loopback, in the caller's own loop."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from attrs import define

from simrack.leaping import LeapingLoop
from simrack.rack import SimulatedRack
from tests.simrack.rows import G4, LISTENER, SLEDS, SWITCH0, TAG4, U4, small_rack
from tests.simrack.talk import Talk

Json = Any

SLED = f"sled {SLEDS[0]}"
DPD = f"{SWITCH0} dpd"
M2P = "/networking/mcast-m2p"
ROW = {"group": G4, "underlay": U4}
PATIENCE = 5.0


@define
class Inside:
    """A rack without sockets, and the loop that all of it takes place in."""

    rack: SimulatedRack
    mounts: Mapping[str, httpx.AsyncBaseTransport]
    runner: asyncio.Runner

    async def ask(self, target: str, method: str, path: str, body: Json = None) -> httpx.Response:
        """As a client asks that has patience for so long."""
        url = self.rack.url(target)
        versions = {"api-version": "13.0.0" if target == DPD else "49.0.0"}
        request = httpx.Request(method, url + path, json=body, headers={} if target == "control" else versions)
        async with asyncio.timeout(PATIENCE):
            response = await self.mounts[url].handle_async_request(request)
            await response.aread()
            return response

    def call(self, target: str, method: str, path: str, body: Json = None) -> httpx.Response:
        return self.runner.run(self.ask(target, method, path, body))

    def fault(self, target: str, kind: str, **options: Json) -> None:
        body = {"target": target, "kind": kind, **options}
        assert self.call("control", "POST", "/faults", body).status_code == 201

    def mappings(self) -> Json:
        return self.call(SLED, "GET", M2P).json()


@pytest.fixture
def inside() -> Iterator[Inside]:
    rack = SimulatedRack(small_rack())
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        yield Inside(rack, rack.mount(), runner)


CALLS: list[tuple[str, str, str, Json]] = [
    (SLED, "GET", "/sled-identifiers", None),
    (SLED, "PUT", M2P, ROW),
    (SLED, "GET", M2P, None),
    (SLED, "PUT", M2P, {"group": G4}),
    (DPD, "POST", "/multicast/underlay-groups", {"group_ip": U4, "members": [], "tag": TAG4}),
    (DPD, "POST", "/multicast/underlay-groups", {"group_ip": U4, "members": [], "tag": TAG4}),
    (DPD, "GET", "/multicast/groups?limit=1", None),
    (DPD, "DELETE", f"/multicast/groups/{U4}?tag=other", None),
    (DPD, "DELETE", f"/multicast/groups/{U4}?tag={TAG4.replace(':', '%3A')}", None),
    (DPD, "GET", "/nothing/here", None),
]


def told(response: httpx.Response) -> tuple[int, str | None, Json]:
    body = response.json() if response.content else None
    if isinstance(body, dict):
        body.pop("request_id", None)
    return response.status_code, response.headers.get("content-type"), body


def test_every_answer_is_the_one_that_loopback_gives(inside: Inside, talk: Talk) -> None:
    """Status, content type and body of successes and errors are the same, and so is the record of calls."""
    answers = [told(inside.call(*call)) for call in CALLS]
    assert answers == [told(talk.call(*call)) for call in CALLS]
    assert len({status for status, _, _ in answers}) >= 5
    assert inside.call("control", "GET", "/calls").json() == talk.calls()


@pytest.mark.parametrize(
    ("kind", "options", "error", "effect"),
    [
        ("refuse", {}, httpx.ReadError, False),
        ("timeout_before", {}, TimeoutError, False),
        ("timeout_after", {}, TimeoutError, True),
        ("restart_with_state", {}, httpx.ReadError, False),
        ("truncated_body", {}, httpx.ReadError, True),
    ],
)
def test_a_fault_ends_a_call_as_on_a_connection(
    inside: Inside, kind: str, options: Json, error: type[Exception], effect: bool
) -> None:
    """What the client meets, and whether the daemon has acted."""
    inside.fault(SLED, kind, method="PUT", **options)
    with pytest.raises(error):
        inside.call(SLED, "PUT", M2P, ROW)
    assert inside.mappings() == ([ROW] if effect else [])
    [spoiled] = [call for call in inside.call("control", "GET", "/calls").json() if call["fault"]]
    assert (spoiled["fault"], spoiled["status"]) == (kind, None)


def test_a_body_that_comes_slowly_runs_into_the_deadline_of_the_client(inside: Inside) -> None:
    """One octet a second is too slow for a whole list, and fast enough at a hundred octets a second."""
    inside.call(SLED, "PUT", M2P, ROW)
    inside.fault(SLED, "slow_body", interval=1.0)
    with pytest.raises(TimeoutError):
        inside.call(SLED, "GET", M2P)
    inside.fault(SLED, "slow_body", interval=0.01)
    assert inside.mappings() == [ROW]


def test_half_a_body_is_no_answer(inside: Inside) -> None:
    """A list that is cut in the middle ends as a connection that was closed."""
    inside.fault(SLED, "truncated_body")
    with pytest.raises(httpx.ReadError, match="before the answer was whole"):
        inside.call(SLED, "GET", M2P)


def test_an_effect_comes_after_the_client_has_gone_away(inside: Inside) -> None:
    """It takes place while later calls are made, without anybody waiting for it in real time."""
    inside.fault(SLED, "late_effect", interval=30.0)
    with pytest.raises(TimeoutError):
        inside.call(SLED, "PUT", M2P, ROW)
    inside.runner.run(asyncio.sleep(29))
    assert inside.mappings() == []
    inside.runner.run(asyncio.sleep(2))
    assert inside.mappings() == [ROW]


def test_silence_takes_no_real_time(inside: Inside) -> None:
    """The loop's clock leaps over what everybody waits for; the clock outside does not notice."""
    inside.fault(SLED, "timeout_before", times=None)
    loop = inside.runner.get_loop()
    before = loop.time()
    for _ in range(200):
        with pytest.raises(TimeoutError):
            inside.call(SLED, "GET", M2P)
    assert loop.time() - before == pytest.approx(200 * PATIENCE)


def test_calls_of_several_tasks_take_turns(inside: Inside) -> None:
    """A task's second call comes after the first ones of the others, in the same order every time."""

    async def three_calls(target: str) -> None:
        for _ in range(3):
            await inside.ask(target, "GET", "/sled-identifiers")

    async def all_of_them() -> None:
        await asyncio.gather(*(three_calls(f"sled {sled}") for sled in SLEDS))

    inside.runner.run(all_of_them())
    targets = [call["target"] for call in inside.call("control", "GET", "/calls").json()]
    assert targets == [f"sled {sled}" for sled in SLEDS] * 3


def test_a_task_is_cancelled_before_the_effect_or_after_it(inside: Inside) -> None:
    """Both deaths of a client can be had: one whose call was never seen, and one that never learns of its effect."""

    async def cancelled_after(turns: int) -> None:
        task = asyncio.ensure_future(inside.ask(SLED, "PUT", M2P, ROW))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    inside.runner.run(cancelled_after(1))
    assert inside.mappings() == []
    inside.runner.run(cancelled_after(2))
    assert inside.mappings() == [ROW]


def test_what_a_daemon_has_begun_it_ends(inside: Inside) -> None:
    """A join that waits for its turn longer than its client has patience takes place all the same."""
    inside.call(SLED, "PUT", M2P, ROW)
    path = f"/instances/{LISTENER}/multicast-group"

    async def impatient() -> None:
        async with inside.rack.world.agents[SLEDS[0]].instances.lock(LISTENER):
            with pytest.raises(TimeoutError):
                await inside.ask(SLED, "PUT", path, {"group_ip": G4, "sources": []})
        await asyncio.sleep(1)

    inside.runner.run(impatient())
    subscriptions = inside.call("control", "GET", "/state").json()["sleds"][str(SLEDS[0])]["subscriptions"]
    assert [row["instance_id"] for row in subscriptions] == [str(LISTENER)]


def test_a_daemon_that_is_down_refuses_connections_or_is_silent(inside: Inside) -> None:
    """What life does to a machine is met without sockets too, and so is its return."""
    sled = {"machine": f"sled {SLEDS[0]}"}
    for how, error in (("refused", httpx.ConnectError), ("silent", TimeoutError)):
        assert inside.call("control", "POST", "/events", {"event": "fail", **sled, "how": how}).is_success
        with pytest.raises(error):
            inside.mappings()
        assert inside.call("control", "POST", "/events", {"event": "return", **sled}).is_success
        assert inside.mappings() == []


def test_httpx_itself_goes_by_the_mounts(inside: Inside) -> None:
    """The ways are mounts as httpx has them: a client of its own speaks to every daemon, and to nobody else."""

    async def asked() -> list[int]:
        headers = {"api-version": "1.0.0"}
        async with httpx.AsyncClient(mounts=inside.mounts, trust_env=False, headers=headers) as client:
            urls = [inside.rack.url(f"{SWITCH0} {kind}") for kind in ("dpd", "mgd", "mgs")]
            return [(await client.get(f"{url}/nowhere")).status_code for url in urls]

    assert inside.runner.run(asked()) == [404, 404, 404]
