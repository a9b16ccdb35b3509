"""Observing: what every daemon of a rack says it holds, all of them asked at the same time.

This file does not know what they should hold.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from types import TracebackType
from typing import Self
from uuid import UUID

import httpx
from attrs import define, evolve, field

from blueprints.addresses import Address
from blueprints.endpoints import Endpoints
from blueprints.errors import DeviceError, RefusedError
from blueprints.identifiers import SwitchSlot
from blueprints.observation import Observation, Silence, SledObservation, SwitchObservation
from executor import dpd, mgd, sled_agent
from executor.apis import Api
from executor.exchanges import Listener
from executor.http import Client, never
from executor.identity import identify
from executor.limits import Limits
from executor.shelf import Shelf
from executor.slots import Deadlines
from executor.targets import Daemon, Target
from executor.transport import PlainTransport

NO_ENDPOINT = "no address is known for it"

UNSUPPORTED = 501
"""What a switch without multicast answers to every question about it."""

Mounts = Mapping[str, httpx.AsyncBaseTransport]
"""By base address, as httpx has them."""


def targets_in(endpoints: Endpoints) -> tuple[Target, ...]:
    """Return every target that has an address."""
    switches = [make(slot) for make in (Target.dpd, Target.mgd) for slot in endpoints.switches]
    return tuple(sorted([*switches, *map(Target.sled, endpoints.sleds)], key=lambda target: target.sort_key))


def zones_of(endpoints: Endpoints) -> dict[SwitchSlot, Address]:
    """Return where sleds reach the switches, as far as *endpoints* say."""
    said = {slot: switch.underlay_address for slot, switch in endpoints.switches.items()}
    return {slot: address for slot, address in said.items() if address is not None}


@define(kw_only=True, eq=False)
class Rack:
    """Clients for the daemons of a rack, for the length of one run."""

    endpoints: Endpoints
    rack_id: UUID | None = None
    """The rack that its sleds must be of; None where any will do."""

    limits: Limits = field(factory=Limits)
    calls: Counter[str] = field(factory=Counter)
    """Requests sent, by what they were for: reads, writes, reasserts."""

    forbidden: Callable[[], str | None] = never
    """Asked right before each write: why it may not be sent, or None."""

    mounts: Mounts = field(factory=dict)
    """Ways to daemons by base address, where they are not reached by plain connections."""

    listener: Listener | None = None
    """Told of each sending."""

    reading: bool = False
    """Nothing may be written, and there is nothing to be read back."""

    unsupported: set[Target] = field(factory=set, init=False)
    """Switches that said they have no multicast."""

    _shelf: Shelf = field(factory=Shelf, init=False)
    _clients: dict[Target, Client] = field(factory=dict, init=False)
    _identified: set[Target] = field(factory=set, init=False)
    _in_flight: asyncio.Semaphore = field(init=False)
    _deadlines: Deadlines = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make a client for each address, and let the time of the run begin."""
        now = asyncio.get_running_loop().time()
        self._deadlines = Deadlines.from_now(self.limits, now, reading=self.reading)
        self._in_flight = asyncio.Semaphore(self.limits.in_flight)
        versions = self.endpoints.api_versions
        for slot, switch in self.endpoints.switches.items():
            self._add(Target.dpd(slot), Api.DPD, switch.dpd, versions.dpd)
            self._add(Target.mgd(slot), Api.MGD, switch.mgd, versions.mgd)
        for sled, url in self.endpoints.sleds.items():
            self._add(Target.sled(sled), Api.SLED_AGENT, url, versions.sled_agent)

    def _add(self, target: Target, api: Api, url: str, version: str | None) -> None:
        self._clients[target] = Client(
            name=str(target),
            api=api,
            base=url,
            limits=self.limits,
            in_flight=self._in_flight,
            calls=self.calls,
            forbidden=_reading if self.reading else self.forbidden,
            version=version,
            deadlines=self._deadlines,
            listener=self.listener,
            shelf=self._shelf,
            transport=self.mounts.get(url) or PlainTransport(answer_bytes=self.limits.answer_bytes),
        )

    async def __aenter__(self) -> Self:
        """Return itself: connections are made when they are needed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))

    def client(self, target: Target) -> Client:
        """Return the way to *target*, which must have an address."""
        return self._clients[target]

    async def observe(self, targets: Collection[Target]) -> Observation:
        """Return what *targets* hold, and a silence for each that gave no answer to trust."""
        known = [target for target in targets if target in self._clients]
        answers = dict(zip(known, await asyncio.gather(*map(self._tables, known)), strict=True))
        self._shelf.clear()
        reasons = {target: answer for target, answer in answers.items() if isinstance(answer, str)}
        reasons |= {target: NO_ENDPOINT for target in targets if target not in self._clients}
        return Observation(
            switches={slot: _switch(slot, answers) for slot in _slots(targets)},
            sleds={UUID(t.place): _sled(answers.get(t)) for t in targets if t.daemon is Daemon.SLED_AGENT},
            silent=[Silence(target=str(target), reason=reason) for target, reason in reasons.items()],
        )

    async def _tables(self, target: Target) -> tuple[tuple[object, ...], ...] | str:
        """Return the tables of one target, or why there are none."""
        try:
            async with asyncio.timeout(self.limits.reading_seconds):
                return await self._read(target)
        except TimeoutError:
            return f"not read within {self.limits.reading_seconds:g} s"
        except RefusedError as error:
            if error.status == UNSUPPORTED:
                self.unsupported.add(target)
            return str(error)
        except DeviceError as error:
            return str(error)

    async def _read(self, target: Target) -> tuple[tuple[object, ...], ...]:
        client = self._clients[target]
        if target not in self._identified:
            await identify(client, target, self.rack_id)
            self._identified.add(target)
        if target.daemon is Daemon.DPD:
            return await dpd.read_groups(client)
        if target.daemon is Daemon.MGD:
            return await mgd.read_routes(client)
        return (await sled_agent.read_mappings(client), *await sled_agent.read_forwarding(client))


def _reading() -> str:
    """Forbid every write."""
    return "this run only reads"


_Answers = Mapping[Target, tuple[tuple[object, ...], ...] | str]


def _slots(targets: Iterable[Target]) -> list[SwitchSlot]:
    return sorted({SwitchSlot(target.place) for target in targets if target.daemon is not Daemon.SLED_AGENT})


def _switch(slot: SwitchSlot, answers: _Answers) -> SwitchObservation:
    groups, routes = answers.get(Target.dpd(slot)), answers.get(Target.mgd(slot))
    underlays, externals, opaque = groups if isinstance(groups, tuple) else (None, None, ())
    listed, unread = routes if isinstance(routes, tuple) else (None, ())
    return SwitchObservation(
        underlay_groups=underlays,
        external_groups=externals,
        mrib_routes=listed,
        opaque=(*opaque, *unread),
    )


def _sled(answer: tuple[tuple[object, ...], ...] | str | None) -> SledObservation:
    m2p, forwarding, opaque = answer if isinstance(answer, tuple) else (None, None, ())
    return SledObservation(m2p=m2p, forwarding=forwarding, opaque=opaque)


_TABLES = {Daemon.DPD: ("underlay_groups", "external_groups"), Daemon.MGD: ("mrib_routes",)}
"""Which daemon of a switch lists which tables."""


def merged(before: Observation, after: Observation, targets: Collection[Target]) -> Observation:
    """Return *before* with what *targets* said since; what they did not say is unknown now."""
    names = {str(target) for target in targets}
    switches = dict(before.switches)
    for target in targets:
        if target.daemon is Daemon.SLED_AGENT:
            continue
        slot = SwitchSlot(target.place)
        names_read = _TABLES[target.daemon]
        was, now = switches[slot], after.switches[slot]
        opaque = [row for row in was.opaque if row.table not in names_read]
        opaque += [row for row in now.opaque if row.table in names_read]
        switches[slot] = evolve(was, **{name: getattr(now, name) for name in names_read}, opaque=opaque)
    return Observation(
        observed_at=before.observed_at,
        switches=switches,
        sleds={**before.sleds, **after.sleds},
        silent=[*(silence for silence in before.silent if silence.target not in names), *after.silent],
    )


async def observe(
    endpoints: Endpoints,
    targets: Collection[Target] | None = None,
    *,
    limits: Limits | None = None,
    mounts: Mounts | None = None,
    listener: Listener | None = None,
) -> Observation:
    """Return what *targets* hold; without *targets*, everything that has an address. Nothing can be written."""
    rack = Rack(endpoints=endpoints, limits=limits or Limits(), mounts=mounts or {}, listener=listener, reading=True)
    async with rack:
        return await rack.observe(targets_in(endpoints) if targets is None else targets)
