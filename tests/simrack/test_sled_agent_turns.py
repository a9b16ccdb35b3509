"""A join or leave and a migration that commits meanwhile: who comes first, and which VMM is meant.

The joins here are stopped on their way from the look-up of the VMM to the packet engine, and go on when the test says
so; so whatever can come between does.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from time import monotonic, sleep
from typing import Any
from uuid import UUID

import pytest
from attrs import define, field

from blueprints.addresses import Address
from blueprints.documents import snapshot_document
from simrack.daemons import daemons_of
from simrack.nics import COUNTED
from simrack.sledagent.agent import SledAgent
from simrack.sledagent.instances import LocalInstances, LocalVmm
from simrack.web.daemon import Daemon
from simrack.web.faults import Faults
from simrack.web.requests import Request
from simrack.world import world_of
from tests.simrack.program import ok
from tests.simrack.rows import G4, MOVER, SLEDS, U4, instance, propolis, small_rack, vmm
from tests.simrack.talk import Json, Talk

OLD, NEW = propolis(MOVER), propolis(MOVER, 1)
FORMS = {
    "by instance": ("49.0.0", "/instances/{instance}/multicast-group"),
    "by VMM": ("49.0.0", "/vmms/{vmm}/multicast-group"),
    "by VMM, of old": ("7.0.0", "/vmms/{vmm}/multicast-group"),
}
VERBS = {"join": "PUT", "leave": "DELETE"}


@define
class Gate:
    """The way into the packet engine: whoever comes waits until it is opened."""

    waiting: asyncio.Event = field(factory=asyncio.Event)
    open: asyncio.Event = field(factory=asyncio.Event)

    async def __call__(self) -> None:
        self.waiting.set()
        await self.open.wait()


@define
class Sled:
    """One sled-agent without sockets, and the migration of an instance on it."""

    form: str
    daemon: Daemon
    agent: SledAgent
    gate: Gate = field(factory=Gate)

    async def call(self, verb: str, vmm: UUID = OLD) -> int:
        """Join or leave, and return the status."""
        version, path = FORMS[self.form]
        body: Any = {"group_ip": G4, "sources": []}
        if version == "7.0.0":
            body = {verb: body}
        path = path.format(instance=MOVER, vmm=vmm)
        request = Request(VERBS[verb], path, b"", json.dumps(body).encode(), path.encode())
        headers = [(b"api-version", version.encode()), (b"content-type", b"application/json")]
        return (await self.daemon.answer(request, headers, "")).status

    async def meets(self, verb: str, commit: Coroutine[Any, Any, None]) -> asyncio.Future[tuple[int, None]]:
        """Stop a call in front of the engine, and let *commit* come as far as it can."""
        calling = asyncio.create_task(self.call(verb))
        await asyncio.wait_for(self.gate.waiting.wait(), 5)
        committing = asyncio.create_task(commit)
        await turns()
        return asyncio.gather(calling, committing)

    def heard(self) -> set[UUID]:
        return {port for port, heard in self.agent.opte.subscriptions.items() if heard}


async def turns() -> None:
    """Let everybody else go on until nobody can."""
    for _ in range(20):
        await asyncio.sleep(0)


def a_sled(form: str) -> Sled:
    """The mover runs here, and is about to go on in another VMM on this very sled."""
    rows = [row for row in small_rack().instances if row.id != MOVER]
    world = world_of(small_rack(instances=(*rows, instance(MOVER, 1, 1))), Faults(), COUNTED)
    agent = world.agents[SLEDS[1]]
    agent.opte.set_m2p(Address.parse(G4), Address.parse(U4))
    sled = Sled(form, daemons_of(world)[f"sled {SLEDS[1]}"], agent)
    agent.reach_engine = sled.gate
    return sled


STAYS = {NEW: LocalVmm(NEW, MOVER, active=True)}
"""After a migration on this sled."""

WENT: dict[UUID, LocalVmm] = {}
"""After a migration to another one."""

Race = Callable[[Sled], Coroutine[Any, Any, None]]


async def a_join_before_the_commit(sled: Sled) -> None:
    """The commit waits for the join; then the old VMM goes, and takes along what it was told."""
    both = await sled.meets("join", sled.agent.host(WENT))
    sled.gate.open.set()
    assert list(await both) == [204, None]
    assert (sled.heard(), dict(sled.agent.vmms)) == (set(), {})


async def a_leave_before_the_commit(sled: Sled) -> None:
    """A leave keeps the old VMM in place too."""
    both = await sled.meets("leave", sled.agent.host(STAYS))
    assert OLD in sled.agent.vmms
    sled.gate.open.set()
    assert list(await both) == [204, None]
    assert (sled.heard(), set(sled.agent.vmms)) == (set(), {NEW})


async def a_join_behind_the_commit(sled: Sled) -> None:
    """Of two joins with a commit between them, the second one waits, and is for the new VMM."""
    first = await sled.meets("join", sled.agent.host(STAYS))
    second = asyncio.create_task(sled.call("join"))
    await turns()
    sled.gate.open.set()
    assert [*await first, await second] == [204, None, 204]
    assert sled.heard() == {NEW}


async def a_join_behind_the_departure(sled: Sled) -> None:
    """Where the instance went to another sled, the second join finds nobody any more."""
    first = await sled.meets("join", sled.agent.host(WENT))
    second = asyncio.create_task(sled.call("join"))
    await turns()
    sled.gate.open.set()
    assert [*await first, await second] == [204, None, 404]
    assert sled.heard() == set()


RACES: tuple[Race, ...] = (
    a_join_before_the_commit,
    a_leave_before_the_commit,
    a_join_behind_the_commit,
    a_join_behind_the_departure,
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("race", RACES)
def test_a_commit_never_comes_between_look_up_and_call(form: str, race: Race) -> None:
    """Whichever form a call has, a migration commits before its look-up or after its effect."""
    asyncio.run(race(a_sled(form)))


def no_lock(*_: Any) -> Any:
    return nullcontext()


@asynccontextmanager
async def look_up_first(agent: SledAgent, instance_id: UUID) -> AsyncIterator[UUID | None]:
    """A VMM that is looked up before it is one's turn."""
    propolis_id = agent.instances.vmm_of(instance_id)
    async with agent.instances.lock(instance_id):
        await agent.reach_engine()
        yield propolis_id


KIND: Mapping[str, tuple[Any, str, Any, tuple[Race, ...]]] = {
    "no lock": (LocalInstances, "lock", no_lock, RACES),
    "a look-up before the lock": (
        SledAgent,
        "_vmm_in_hand",
        look_up_first,
        (a_join_behind_the_commit, a_join_behind_the_departure),
    ),
}
"""Sled-agents that one might have written instead, and the races that they lose."""


@pytest.mark.parametrize(("name", "race"), [(name, race) for name, (*_, races) in KIND.items() for race in races])
def test_without_the_lock_the_race_is_lost(name: str, race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above fails for a sled-agent that takes no lock, or takes it too late."""
    place, attribute, version, _ = KIND[name]
    monkeypatch.setattr(place, attribute, version)
    with pytest.raises(AssertionError):
        asyncio.run(race(a_sled("by instance")))


def test_a_call_that_names_a_migrations_target_is_for_the_active_vmm() -> None:
    """The old form looks the instance up; which of its VMMs was named does not count."""

    async def named() -> None:
        sled = a_sled("by VMM")
        sled.gate.open.set()
        assert await sled.call("join", vmm=NEW) == 204
        assert sled.heard() == {OLD}
        assert await sled.call("leave", vmm=NEW) == 204
        assert sled.heard() == set()

    asyncio.run(named())


def test_instances_do_not_wait_for_each_other() -> None:
    """A lock is one instance's: while a join of one is under way another one's migration commits."""

    async def apart() -> None:
        sled = a_sled("by instance")
        other = next(vmm for vmm in sled.agent.vmms.values() if vmm.instance_id != MOVER)
        others = {name: vmm for name, vmm in sled.agent.vmms.items() if vmm != other}
        both = await sled.meets("join", sled.agent.host(others))
        assert other.propolis_id not in sled.agent.vmms
        sled.gate.open.set()
        assert list(await both) == [204, None]
        assert sled.heard() == {OLD}

    asyncio.run(apart())


@pytest.mark.parametrize("loses_ports", [False, True])
def test_a_call_under_way_ends_with_its_process(loses_ports: bool) -> None:
    """A sled-agent that restarts meanwhile has no effect any more, and nothing stays locked."""

    async def ended() -> None:
        sled = a_sled("by instance")
        sled.agent.loses_ports = lambda: loses_ports
        joining = asyncio.create_task(sled.call("join"))
        await asyncio.wait_for(sled.gate.waiting.wait(), 5)
        sled.agent.restart()
        sled.gate.open.set()
        assert await joining == 500
        assert sled.heard() == set()
        assert await sled.call("join") == (404 if loses_ports else 204)

    asyncio.run(ended())


def test_a_join_that_fails_leaves_the_lock() -> None:
    """The next one gets its turn."""

    async def failing() -> None:
        sled = a_sled("by instance")
        sled.gate.open.set()
        sled.agent.opte.m2p.clear()
        assert [await asyncio.wait_for(sled.call("join"), 5) for _ in range(2)] == [500, 500]

    asyncio.run(failing())


def moved() -> Json:
    """The document of the rack after the mover's migration, in which nobody else has moved."""
    rows = [row for row in small_rack().instances if row.id != MOVER]
    there = instance(MOVER, 2, active_vmm=vmm(MOVER, 2, generation=1))
    return snapshot_document(small_rack(instances=(*rows, there)))


@pytest.mark.parametrize("form", FORMS)
def test_over_http_a_snapshot_waits_for_a_join_on_its_way(talk: Talk, form: str) -> None:
    """While the packet engine is slow the world moves on; the join is not lost, and not left behind either."""
    version, path = FORMS[form]
    body: Json = {"group_ip": G4, "sources": []}
    here, there = (f"sled {SLEDS[number]}" for number in (1, 2))
    ok(talk.sled(SLEDS[1], "PUT", "/networking/mcast-m2p", {"group": G4, "underlay": U4}))
    talk.fault(here, "slow_engine", interval=0.3)
    path, body = path.format(instance=MOVER, vmm=OLD), {"join": body} if version == "7.0.0" else body
    with ThreadPoolExecutor(1) as beside:
        joining = beside.submit(talk.call, here, "PUT", path, body, version=version)
        deadline = monotonic() + 5
        while talk.control("GET", "/faults").json() and monotonic() < deadline:
            sleep(0.005)
        ok(talk.control("PUT", "/snapshot", moved()))
        assert joining.result(5).status_code == 204
    after = talk.state()["sleds"]
    assert (after[str(SLEDS[1])]["subscriptions"], after[str(SLEDS[2])]["subscriptions"]) == ([], [])
    assert talk.call(here, "PUT", path, body, version=version).status_code == 404
    assert talk.call(there, "PUT", path, body, version=version).status_code == (500 if form == "by instance" else 404)
