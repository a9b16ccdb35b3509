"""Reading mgd.

Source: mgd's API document, version 13: static multicast routes come as one list, other owners' among them.
This file does not know why a route is wanted.
"""

from blueprints import strict
from blueprints.observation import SeenRoute
from executor import decoding
from executor.http import Client


async def read_routes(client: Client) -> tuple[SeenRoute, ...]:
    """Return all static multicast routes of a switch.

    Raises:
        DeviceError: no complete list came, or one route stands in it twice.
    """
    answer = await client.read("/static/mroute")
    return tuple(strict.rows(answer, "routes", decoding.route, lambda row: (row.group, row.source, row.vni)))
