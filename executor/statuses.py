"""What a status means, by kind of endpoint: one table, because one code says different things in different places.

Sources: the daemons' API documents and the conditions under which they choose a code. dpd answers 400 for what is
invalid, for another tag and for a chip that disagrees; 404 for what is absent and for what its chip lost; 503 when
busy and 507 or 501 when repeating is pointless.
This file does not know requests, nor what is done about a meaning.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from executor.changes import Kind


class Meaning(Enum):
    """What to make of an answer."""

    DONE = "in effect"
    EXISTS = "something stands there: read it"
    ABSENT = "what should be changed is not there"
    REFUSED = "refused; read what stands there, repeating is pointless"
    RETRY = "not now; try again"
    PROTOCOL = "an answer that this API does not give"


class Endpoint(Enum):
    """Kinds of endpoint that read one code alike."""

    READ = "read"
    CREATE = "create a group of a switch"
    UPDATE = "replace a group of a switch"
    DELETE = "delete a group of a switch"
    ROUTES = "put or withdraw routes"
    SLED = "set or clear a table entry of a sled"
    JOIN = "join"
    LEAVE = "leave"


_M, _E = Meaning, Endpoint

_EVERYWHERE: Mapping[int, Meaning] = MappingProxyType(
    {
        400: _M.REFUSED,
        404: _M.REFUSED,
        409: _M.REFUSED,
        410: _M.REFUSED,
        418: _M.REFUSED,
        429: _M.RETRY,
        500: _M.REFUSED,
        501: _M.REFUSED,
        502: _M.RETRY,
        503: _M.RETRY,
        504: _M.RETRY,
        507: _M.REFUSED,
    }
)
"""Unless an endpoint says otherwise."""

MEANINGS: Mapping[tuple[Endpoint, int], Meaning] = MappingProxyType(
    {(endpoint, status): meaning for endpoint in Endpoint for status, meaning in _EVERYWHERE.items()}
    | {
        (_E.READ, 200): _M.DONE,
        (_E.READ, 404): _M.ABSENT,
        (_E.CREATE, 201): _M.DONE,
        (_E.CREATE, 409): _M.EXISTS,
        (_E.UPDATE, 200): _M.DONE,
        (_E.UPDATE, 201): _M.DONE,
        (_E.UPDATE, 404): _M.ABSENT,
        (_E.DELETE, 204): _M.DONE,
        (_E.DELETE, 404): _M.DONE,
        (_E.ROUTES, 204): _M.DONE,
        (_E.SLED, 204): _M.DONE,
        (_E.JOIN, 204): _M.DONE,
        (_E.LEAVE, 204): _M.DONE,
        (_E.LEAVE, 404): _M.DONE,
        (_E.LEAVE, 410): _M.DONE,
    }
)
"""Everything that is not here is `Meaning.PROTOCOL`, redirects among it."""

_K = Kind

ENDPOINTS: Mapping[Kind, Endpoint] = MappingProxyType(
    {
        _K.REBUILD_EXTERNAL: _E.DELETE,
        _K.REBUILD_UNDERLAY: _E.DELETE,
        _K.UNDERLAY_CREATE: _E.CREATE,
        _K.MEMBERS_ADD: _E.UPDATE,
        _K.EXTERNAL_CREATE: _E.CREATE,
        _K.EXTERNAL_UPDATE: _E.UPDATE,
        _K.EXTERNAL_RETARGET: _E.UPDATE,
        _K.REFILTER_LIVE: _E.UPDATE,
        _K.DRAIN: _E.SLED,
        _K.REFILTER_DRAINED: _E.UPDATE,
        _K.FORWARDING_SET: _E.SLED,
        _K.HOP_CHANGE: _E.SLED,
        _K.MOVE_LEAVE: _E.LEAVE,
        _K.M2P_SET: _E.SLED,
        _K.M2P_MOVE: _E.SLED,
        _K.M2P_ASSERT: _E.SLED,
        _K.JOIN: _E.JOIN,
        _K.ROUTE_PUT: _E.ROUTES,
        _K.ROUTE_WITHDRAW: _E.ROUTES,
        _K.LEAVE: _E.LEAVE,
        _K.FORWARDING_CLEAR: _E.SLED,
        _K.M2P_CLEAR: _E.SLED,
        _K.EXTERNAL_DELETE: _E.DELETE,
        _K.MEMBERS_REMOVE: _E.UPDATE,
        _K.UNDERLAY_DELETE: _E.DELETE,
    }
)
"""Which kind of endpoint each kind of change is sent to."""


NO_SUCH_PORT = "NO_SUCH_INSTANCE"
"""The error code with which a sled-agent says that a port is gone; without it, a 404 may mean that the path is."""


def meaning(endpoint: Endpoint, status: int, message: str = "") -> Meaning:
    """Return what *status* means at *endpoint*; *message* is what the daemon says beside it."""
    found = MEANINGS.get((endpoint, status), Meaning.PROTOCOL)
    unproven = endpoint is Endpoint.LEAVE and status in (404, 410) and NO_SUCH_PORT not in message
    return Meaning.REFUSED if unproven else found
