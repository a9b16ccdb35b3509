"""Reading a sled-agent.

Source: the sled-agent's API document, version 49: mappings and forwarding come as whole lists; subscriptions and
NIC joins cannot be read at all.
This file does not know why an entry is wanted.
"""

from blueprints import strict
from blueprints.observation import SeenForwarding, SeenM2p
from executor import decoding
from executor.http import Client


async def read_mappings(client: Client) -> tuple[SeenM2p, ...]:
    """Return all mappings of a sled.

    Raises:
        DeviceError: no complete list came, or one mapping stands in it twice.
    """
    answer = await client.read("/networking/mcast-m2p")
    return tuple(strict.rows(answer, "mappings", decoding.mapping, lambda row: (row.group, row.underlay)))


async def read_forwarding(client: Client) -> tuple[SeenForwarding, ...]:
    """Return all forwarding entries of a sled.

    Raises:
        DeviceError: no complete list came, or one underlay group stands in it twice.
    """
    answer = await client.read("/networking/mcast-fwd")
    return tuple(strict.rows(answer, "forwarding", decoding.forwarding, lambda row: row.underlay))
