"""Finding a rack's daemons through its internal DNS.

Rules:
    D1  a switch zone is known by the name that its SRV records point to, not by its address: zones may share an
        address and differ by port. The name is kept beside the sockets.
    D2  which slot a zone serves is said by the switch itself (dpd), else by its management gateway; only 0 and 1
        are slots, and two zones that claim one are an error. Nothing is guessed.
    D3  what is not found is a silence with its reason; a rack without a single daemon is an error.
    D4  addresses and ports outside the rack's own range are not called, see `executor.reach`.
    D5  a daemon without a record is looked for on its well-known port, if the zone's address is its own.

Source: the zone that the rack's control plane publishes; services of a switch zone share their SRV target, sleds
have an AAAA record and the agent's well-known port. An SRV record of a sled, where there is one, goes first.
This file does not know what the daemons are asked later.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping
from ipaddress import IPv6Address, IPv6Network
from types import MappingProxyType
from typing import TypeVar, cast
from uuid import UUID

from attrs import field, frozen

from blueprints import strict
from blueprints.addresses import UNIQUE_LOCAL, UnderlayUnicast
from blueprints.endpoints import ApiVersions, Endpoints, SubscriptionForm, SwitchEndpoints
from blueprints.errors import BadAnswerError, DeviceError, SilentError
from blueprints.identifiers import SwitchSlot
from blueprints.observation import Silence
from blueprints.ordering import in_order
from executor.apis import Api
from executor.http import Client
from executor.limits import Limits
from executor.names import Names, parse_server
from executor.reach import Reach

T = TypeVar("T")

ZONE = "control-plane.oxide.internal"
SERVICES: Mapping[str, int] = MappingProxyType({"dendrite": 12224, "mgd": 4676, "ddm": 8000, "mgs": 12225})
"""SRV labels of a switch zone, with the ports where these daemons listen on a real rack."""

SLED_AGENT_PORT = 12345


@frozen(kw_only=True)
class Discovery:
    """What was found, and what was not."""

    endpoints: Endpoints
    silent: tuple[Silence, ...] = field(converter=in_order)


async def discover(
    server: str,
    sleds: Iterable[UUID],
    *,
    subscriptions: SubscriptionForm = SubscriptionForm.VMM,
    api_versions: ApiVersions | None = None,
    limits: Limits | None = None,
    prefixes: Iterable[IPv6Network] = (),
) -> Discovery:
    """Return where the daemons of the rack listen whose internal DNS is *server*.

    Args:
        server: the name server, see `executor.names.parse_server`.
        sleds: the sleds to look for; DNS does not list them.
        subscriptions: the form that the sled-agents offer, which DNS does not say.
        api_versions: versions to speak, if not the newest that are taken.
        limits: time-outs of the questions to switches.
        prefixes: where daemons may be, if not where racks usually are.

    Raises:
        InputRejectedError: *server* is no address.
        DeviceError: no daemon was found, or the switches contradict each other.
    """
    address, port = parse_server(server)
    names = Names(address, port, Reach.of(address, prefixes))
    switches, silent = await _switches(names, limits or Limits())
    sled_urls: dict[UUID, str] = {}
    wanted = sorted(set(sleds))
    for sled, found in zip(wanted, await asyncio.gather(*(_sled(names, sled) for sled in wanted)), strict=True):
        if isinstance(found, Silence):
            silent.append(found)
        else:
            sled_urls[sled] = found
    if not switches and not sled_urls:
        reasons = "; ".join(f"{silence.target}: {silence.reason}" for silence in in_order(silent))
        raise SilentError(f"{server} knows no daemon of a rack: {reasons or 'no records'}")
    return Discovery(
        endpoints=Endpoints(
            switches=switches,
            sleds=sled_urls,
            api_versions=api_versions or ApiVersions(),
            subscriptions=subscriptions,
        ),
        silent=silent,
    )


@frozen(kw_only=True)
class _SwitchZone:
    """A switch zone as DNS shows it."""

    name: str
    address: IPv6Address
    ports: Mapping[str, int]
    """Service to port, without those that have no record."""

    alone: bool
    """Whether no other zone has this address."""

    def port(self, service: str) -> int | None:
        """Return where *service* listens: as its record says, else on its well-known port (rule D5)."""
        return self.ports.get(service, SERVICES[service] if self.alone else None)


async def _zones(names: Names) -> tuple[list[_SwitchZone], list[Silence]]:
    """Return the switch zones that have an address, and those that have none."""
    labels = list(SERVICES)
    tables = await _answers(names.services(f"_{label}._tcp.{ZONE}") for label in labels)
    services = dict(zip(labels, tables, strict=True))
    wanted = sorted({name for table in tables for name in table})
    silent: list[Silence] = []
    found: dict[str, IPv6Address] = {}
    for name in wanted:
        try:
            address = await names.address_of(name)
        except BadAnswerError as error:
            silent.append(Silence(target=name, reason=str(error)))
            continue
        if address is None:
            silent.append(Silence(target=name, reason="the name has no address"))
        else:
            found[name] = address
    holders = Counter(found.values())
    zones = [
        _SwitchZone(
            name=name,
            address=address,
            ports={label: table[name] for label, table in services.items() if name in table},
            alone=holders[address] == 1,
        )
        for name, address in found.items()
    ]
    return zones, silent


async def _answers(questions: Iterable[Awaitable[T]]) -> list[T]:
    """Return all answers to *questions*, asked at once; the first that fails is raised after all have ended.

    One that is still asked when the loop ends is reported by it, beside the error.
    """
    answers = await asyncio.gather(*questions, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return cast(list[T], answers)


async def _switches(names: Names, limits: Limits) -> tuple[dict[SwitchSlot, SwitchEndpoints], list[Silence]]:
    zones, silent = await _zones(names)
    answers = await asyncio.gather(*(_slot(zone, limits) for zone in zones))
    _refuse_shared_slots(zones, answers)
    switches: dict[SwitchSlot, SwitchEndpoints] = {}
    for zone, answer in zip(zones, answers, strict=True):
        missing = [label for label in SERVICES if zone.port(label) is None and label != "mgs"]
        if isinstance(answer, Silence):
            silent.append(answer)
        elif missing:
            reason = f"no record of _{missing[0]}._tcp, and its address is not its own"
            silent.append(Silence(target=zone.name, reason=reason))
        else:
            switches[answer] = _endpoints(zone)
    return switches, silent


def _refuse_shared_slots(zones: Iterable[_SwitchZone], answers: Iterable[SwitchSlot | Silence]) -> None:
    claims: dict[SwitchSlot, str] = {}
    for zone, answer in zip(zones, answers, strict=True):
        if isinstance(answer, SwitchSlot) and claims.setdefault(answer, zone.name) != zone.name:
            raise BadAnswerError(f"{claims[answer]} and {zone.name} both claim {answer}")


def _endpoints(zone: _SwitchZone) -> SwitchEndpoints:
    """Return the addresses of a zone's daemons, and what the zone is called (rule D1)."""
    dpd, mgd, ddmd = (f"http://[{zone.address}]:{zone.port(label)}" for label in ("dendrite", "mgd", "ddm"))
    inside = zone.address in UNIQUE_LOCAL
    return SwitchEndpoints(
        dpd=dpd,
        mgd=mgd,
        ddmd=ddmd,
        zone=zone.name.rstrip("."),
        underlay_address=UnderlayUnicast.parse(str(zone.address)) if inside else None,
    )


async def _slot(zone: _SwitchZone, limits: Limits) -> SwitchSlot | Silence:
    """Return the slot that a zone serves, or why nobody said it (rule D2)."""
    reasons: list[str] = []
    for label, api, path in (
        ("dendrite", Api.DPD, "/switch/identifiers"),
        ("mgs", Api.MGS, "/local/switch-id"),
    ):
        port = zone.port(label)
        if port is None:
            continue
        url = f"http://[{zone.address}]:{port}"
        try:
            number = strict.integer(
                strict.obj(await _read(url, api, path, limits), label), "slot", label, limit=0xFFFF
            )
        except DeviceError as error:
            reasons.append(f"{label}: {error}")
            continue
        if number > 1:
            raise BadAnswerError(f"{zone.name} says that it serves slot {number}; slots are 0 and 1")
        return SwitchSlot(f"switch{number}")
    return Silence(target=zone.name, reason="; ".join(reasons) or "no daemon that knows its slot")


async def _read(url: str, api: Api, path: str, limits: Limits) -> object:
    client = Client(name=url, api=api, base=url, limits=limits, in_flight=asyncio.Semaphore(1), calls=Counter())
    try:
        return await client.read(path)
    finally:
        await client.aclose()


async def _sled(names: Names, sled: UUID) -> str | Silence:
    name = f"{sled}.sled.{ZONE}"
    try:
        services = await names.services(f"_sledagent._tcp.{name}")
        target, port = next(iter(services.items()), (name, SLED_AGENT_PORT))
        address = await names.address_of(target)
    except DeviceError as error:
        return Silence(target=f"sled {sled}", reason=str(error))
    if address is None:
        return Silence(target=f"sled {sled}", reason=f"{target} has no address")
    return f"http://[{address}]:{port}"
