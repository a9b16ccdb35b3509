"""Reading mgd.

Source: mgd's API document, version 13: static multicast routes come as one list, other owners' among them.
This file does not know why a route is wanted.
"""

from typing import Any

from blueprints import strict
from blueprints.observation import Opaque, SeenRoute
from blueprints.ordering import in_order
from executor import decoding
from executor.http import Client

Json = Any

_route = decoding.or_opaque(decoding.route, decoding.opaque_route)


async def read_routes(client: Client) -> tuple[tuple[SeenRoute, ...], tuple[Opaque, ...]]:
    """Return all static multicast routes of a switch, and those that are only read.

    Raises:
        DeviceError: no complete list came, or one route stands in it twice.
    """
    return await client.decoded("/static/mroute", _routes)


def _routes(answer: Json) -> tuple[tuple[SeenRoute, ...], tuple[Opaque, ...]]:
    routes, opaque = decoding.apart(strict.rows(answer, "routes", _route, _key))
    return in_order(routes), opaque


def _key(row: SeenRoute | Opaque) -> object:
    return row if isinstance(row, Opaque) else (row.group, row.source, row.vni)
