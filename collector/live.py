"""What the switches themselves say: the ports of their backplane (dpd) and their DDM peers (ddmd).

Rules:
    L1  Every part of every switch is read on its own and at the same time: one that fails costs no other.
    L2  What was not read is None, with a silence that says why. It is never an empty tuple.
    L3  A part is whole or unknown: a peer that was left out would pass for a peer that is gone.
    L4  Of a stranger, who answers in a switch's place, nothing is believed, its slot least of all.

The backplane is one cabling for both switches. A switch that did not tell its own has None here; whoever plans takes
the other's.

Source: the API documents of dpd 13 (``/backplane-map``) and ddmd 3 (``/peers``).
This file does not know HTTP, nor how a stranger is found out.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from attrs import field, frozen

from blueprints.addresses import Address
from blueprints.errors import BadAnswerError, DeviceError
from blueprints.identifiers import PortId, SwitchSlot
from blueprints.observation import Silence
from blueprints.ordering import by_slot, in_order
from blueprints.snapshot import Peer
from blueprints.strict import Json, bad, integer, obj, parsed, required, text

SLOT, BACKPLANE, PEERS = "slot", "backplane", "peers"
"""The parts of a switch. `Live` names what is silent by slot and part, such as ``switch0 peers``."""

REAR = "rear"
"""The kind of the ports that lead to cubbies."""

_STATUSES = frozenset({"Init", "Solicit", "Exchange", "Expired"})


class Reader(Protocol):
    """The way to one daemon."""

    async def read(self, path: str) -> Json:
        """Return the JSON that a GET of *path* answers with.

        Raises:
            DeviceError: no such answer came.
        """
        ...


@frozen(kw_only=True)
class SwitchReaders:
    """The ways to the daemons of a switch that is the one it should be."""

    dpd: Reader
    ddmd: Reader


@frozen(kw_only=True)
class Unread:
    """A switch that is not asked."""

    reason: str
    stranger: bool = False
    """Whether somebody else answers in its place (rule L4)."""


@frozen(kw_only=True)
class SwitchFacts:
    """What one switch said; None where it said nothing to trust."""

    backplane: tuple[PortId, ...] | None = None
    peers: tuple[Peer, ...] | None = None


@frozen(kw_only=True)
class Live:
    """What was read, and what was not."""

    switches: Mapping[SwitchSlot, SwitchFacts] = field(converter=by_slot)
    silent: tuple[Silence, ...] = field(converter=in_order, default=())
    """Parts by name, and switch zones whose slot nobody said, by their name in DNS."""

    def reason(self, slot: SwitchSlot, part: str) -> str | None:
        """Return why *part* of the switch in *slot* is unknown, None if it is known."""
        name = part_name(slot, part)
        return next((silence.reason for silence in self.silent if silence.target == name), None)


def part_name(slot: SwitchSlot, part: str) -> str:
    """Return what *part* of the switch in *slot* is called."""
    return f"{slot} {part}"


async def read_switches(ways: Mapping[SwitchSlot, SwitchReaders | Unread]) -> Live:
    """Return what the switches say that *ways* lead to; whatever they do not say is a silence."""
    jobs = [
        (slot, part, _read(readers, daemon, path, decode))
        for slot, readers in ways.items()
        if isinstance(readers, SwitchReaders)
        for part, (daemon, path, decode) in _PARTS.items()
    ]
    answers = await asyncio.gather(*(reading for _, _, reading in jobs))
    facts: dict[SwitchSlot, dict[str, Any]] = {slot: {} for slot in ways}
    silent = list(_silences_of_unread(ways))
    for (slot, part, _), answer in zip(jobs, answers, strict=True):
        if isinstance(answer, str):
            silent.append(Silence(target=part_name(slot, part), reason=answer))
        else:
            facts[slot][part] = answer
    return Live(switches={slot: SwitchFacts(**said) for slot, said in facts.items()}, silent=silent)


def _silences_of_unread(ways: Mapping[SwitchSlot, SwitchReaders | Unread]) -> Iterator[Silence]:
    for slot, way in ways.items():
        if isinstance(way, Unread):
            for part in (SLOT, *_PARTS) if way.stranger else _PARTS:
                yield Silence(target=part_name(slot, part), reason=way.reason)


async def _read(
    readers: SwitchReaders, daemon: str, path: str, decode: Callable[[Json], tuple[Any, ...]]
) -> tuple[Any, ...] | str:
    """Return one part, or why it is unknown."""
    try:
        return decode(await getattr(readers, daemon).read(path))
    except DeviceError as error:
        return f"{daemon}: {error}"


# --- dpd ------------------------------------------------------------------------------------------------------------


def backplane_of(answer: Json) -> tuple[PortId, ...]:
    """Return the rear ports of a backplane map.

    Raises:
        BadAnswerError: not such a map; no rear port at all, which no switch of a rack can mean; or a rear port that
            leads to a cubby of another number, so that nobody's slot would say its port.
    """
    found = []
    for key, link in obj(answer, BACKPLANE).items():
        where = f"{BACKPLANE}.{key}"
        port = parsed(key, where, PortId.parse, "a port")
        cubby = integer(obj(link, where), "cubby", where, limit=255)
        if port.kind != REAR:
            continue
        if cubby != port.number:
            bad(f"{where}.cubby", f"cubby {port.number}", cubby)
        found.append(port)
    if not found:
        raise BadAnswerError("the backplane map names no rear port, and every switch has them")
    return tuple(found)


# --- ddmd -----------------------------------------------------------------------------------------------------------


def peers_of(answer: Json) -> tuple[Peer, ...]:
    """Return every peer, in whatever state. Their keys are interface indices, which mean nothing elsewhere.

    Raises:
        BadAnswerError: not peers as version 3 shows them; one is enough (rule L3).
    """
    return tuple(_peer(peer, f"{PEERS}.{index}") for index, peer in obj(answer, PEERS).items())


def _peer(value: Json, where: str) -> Peer:
    table = obj(value, where)
    status = text(obj(required(table, "status", where), f"{where}.status"), "type", f"{where}.status")
    if status not in _STATUSES:
        bad(f"{where}.status.type", "one of " + ", ".join(sorted(_STATUSES)), status)
    addr = parsed(required(table, "addr", where), f"{where}.addr", Address.parse, "an address")
    if addr.family != 6:
        bad(f"{where}.addr", "an IPv6 address", addr.text)
    return Peer(
        if_name=None if required(table, "if_name", where) is None else text(table, "if_name", where),
        addr=addr,
        host=text(table, "host", where),
        kind=integer(table, "kind", where, limit=1),
        status=status,
    )


_PARTS: Mapping[str, tuple[str, str, Callable[[Json], tuple[Any, ...]]]] = MappingProxyType(
    {BACKPLANE: ("dpd", "/backplane-map", backplane_of), PEERS: ("ddmd", "/peers", peers_of)}
)
"""Part to: the daemon that says it, the path, and what becomes of the answer."""
