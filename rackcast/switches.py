"""The switches as a collector reads them: found, made sure of, and asked.

This file does not know what their answers mean.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from ipaddress import IPv6Network

from attrs import evolve, frozen

from blueprints.endpoints import Endpoints
from blueprints.errors import DeviceError
from blueprints.identifiers import SwitchSlot
from blueprints.ordering import in_order
from collector.live import Live, SwitchReaders, Unread, read_switches
from executor.answers import Json
from executor.apis import Api
from executor.discovery import discover
from executor.http import Client
from executor.identity import StrangerError, identify
from executor.limits import Limits
from executor.targets import Target

NOBODY_ASKED = "nobody was asked: --dns or --endpoints says where its daemons are"
NO_ENDPOINT = "no address is known for its daemons"


@frozen(kw_only=True)
class SwitchesRead:
    """Where the switches' daemons are, and what they said."""

    endpoints: Endpoints
    live: Live


@frozen
class _Failed:
    """A daemon whose first answer was none to trust: it is not asked again."""

    error: DeviceError

    async def read(self, _: str) -> Json:
        raise self.error


async def read_found(
    server: str,
    slots: Collection[SwitchSlot],
    limits: Limits | None = None,
    *,
    prefixes: Collection[IPv6Network] = (),
) -> SwitchesRead:
    """Return what the switches say whose rack has the internal DNS server *server*.

    Args:
        server: see `executor.discovery.discover`.
        slots: switches that are known to be there, whether they are found or not.
        limits: of the questions.
        prefixes: where daemons may be, if not where racks usually are.

    Raises:
        InputRejectedError: *server* is no address.
        DeviceError: DNS leads to no switch, and no slot was given.
    """
    try:
        found = await discover(server, (), limits=limits, prefixes=prefixes)
    except DeviceError as error:
        if not slots:
            raise
        ways = {slot: Unread(reason=f"internal DNS: {error}") for slot in slots}
        return SwitchesRead(endpoints=Endpoints(switches={}, sleds={}), live=await read_switches(ways))
    read = await read_known(found.endpoints, slots, limits)
    return evolve(read, live=evolve(read.live, silent=in_order([*read.live.silent, *found.silent])))


async def read_known(
    endpoints: Endpoints, slots: Collection[SwitchSlot], limits: Limits | None = None
) -> SwitchesRead:
    """Return what the switches in *endpoints* say; a slot of *slots* that is not in there is silent."""
    limits = limits or Limits()
    clients = {slot: _clients(endpoints, slot, limits) for slot in endpoints.switches}
    try:
        ways = dict(zip(clients, await asyncio.gather(*(_made_sure(*item) for item in clients.items())), strict=True))
        absent = {slot: Unread(reason=NO_ENDPOINT) for slot in slots if slot not in ways}
        return SwitchesRead(endpoints=endpoints, live=await read_switches(ways | absent))
    finally:
        every = (client for its in clients.values() for client in its.values())
        await asyncio.gather(*(client.aclose() for client in every))


async def read_nobody(slots: Collection[SwitchSlot]) -> SwitchesRead:
    """Return that nothing is known of the switches in *slots*."""
    live = await read_switches({slot: Unread(reason=NOBODY_ASKED) for slot in slots})
    return SwitchesRead(endpoints=Endpoints(switches={}, sleds={}), live=live)


def _clients(endpoints: Endpoints, slot: SwitchSlot, limits: Limits) -> dict[Api, Client]:
    switch, versions = endpoints.switches[slot], endpoints.api_versions
    in_flight, calls = asyncio.Semaphore(limits.in_flight), Counter[str]()
    return {
        api: Client(
            name=f"{slot} {api.value}",
            api=api,
            base=url,
            limits=limits,
            in_flight=in_flight,
            calls=calls,
            version=version,
        )
        for api, url, version in (
            (Api.DPD, switch.dpd, versions.dpd),
            (Api.MGD, switch.mgd, versions.mgd),
            (Api.DDMD, switch.ddmd, versions.ddmd),
        )
    }


async def _made_sure(slot: SwitchSlot, clients: Mapping[Api, Client]) -> SwitchReaders | Unread:
    """Return the ways to the switch in *slot*; ddmd cannot say who it is, so dpd answers for it, or else mgd."""
    dpd: Client | _Failed = clients[Api.DPD]
    for api, target in ((Api.DPD, Target.dpd(slot)), (Api.MGD, Target.mgd(slot))):
        try:
            await identify(clients[api], target, None)
            break
        except StrangerError as error:
            return Unread(reason=f"{api.value}: {error}", stranger=True)
        except DeviceError as error:
            if api is Api.DPD:
                dpd = _Failed(error)
    return SwitchReaders(dpd=dpd, ddmd=clients[Api.DDMD])
