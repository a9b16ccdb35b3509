"""Reading a sled-agent.

Source: the sled-agent's API document, version 49: mappings and forwarding come as whole lists; subscriptions and
NIC joins cannot be read at all.
This file does not know why an entry is wanted.
"""

from typing import Any

from blueprints import strict
from blueprints.observation import Opaque, SeenForwarding, SeenM2p
from blueprints.ordering import in_order
from executor import decoding
from executor.http import Client

Json = Any


async def read_mappings(client: Client) -> tuple[SeenM2p, ...]:
    """Return all mappings of a sled.

    Raises:
        DeviceError: no complete list came, or one mapping stands in it twice.
    """
    return await client.decoded("/networking/mcast-m2p", _mappings)


def _mappings(answer: Json) -> tuple[SeenM2p, ...]:
    return in_order(strict.rows(answer, "mappings", decoding.mapping, lambda row: (row.group, row.underlay)))


_entry = decoding.or_opaque(decoding.forwarding, decoding.opaque_forwarding)


async def read_forwarding(client: Client) -> tuple[tuple[SeenForwarding, ...], tuple[Opaque, ...]]:
    """Return all forwarding entries of a sled, and those that are only read.

    Raises:
        DeviceError: no complete list came, or one underlay group stands in it twice.
    """
    return await client.decoded("/networking/mcast-fwd", _forwarding)


def _forwarding(answer: Json) -> tuple[tuple[SeenForwarding, ...], tuple[Opaque, ...]]:
    entries, opaque = decoding.apart(strict.rows(answer, "forwarding", _entry, _underlay))
    return in_order(entries), opaque


def _underlay(row: SeenForwarding | Opaque) -> object:
    return row.address if isinstance(row, Opaque) else row.underlay
