"""What an answer means and what is done next, by kind of endpoint and status: one table that the sender runs from.

One code says different things in different places, and some only after a look at what stands there.

Sources: the daemons' API documents and the conditions under which they choose a code. dpd answers 400 for what is
invalid, for another tag and for a chip that disagrees; 404 for what is absent, for a port that is not there and for
what its chip lost; 503 when busy or out of ids; 507 or 501 when repeating is pointless.
This file does not know requests, nor how a step is done.
"""

import re
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from attrs import frozen

from executor.changes import Kind


class Meaning(Enum):
    """What an answer says."""

    DONE = "in effect"
    EXISTS = "something stands there already"
    ABSENT = "what should be changed is not there"
    REFUSED = "refused"
    AMBIGUOUS = "refused: invalid, another owner's, or not as the chip has it"
    RETRY = "not now"
    FULL = "no room left: a table, or the ids of groups"
    UNSUPPORTED = "this daemon has no multicast"
    UNKNOWN = "no whole answer: it may have been done or not"
    PROTOCOL = "an answer that this API does not give, a redirect among them; never followed"


class NextStep(Enum):
    """What is done next."""

    NOTHING = "nothing"
    AGAIN = "send it again a few times, with pauses; then it is owed"
    READ_BACK = "read back before anything rests on it; a repetition does no harm"
    COMPARE = "read what stands there: the same is done, ours is updated, another owner's is a conflict"
    EXPLAIN = "read whose it is: another owner's is a conflict, ours is refused and reported"
    DISAMBIGUATE = "read whether it is there: gone, or refused for one of its ports"
    SUSPECT = "read whose it is; if ours, its chip disagrees with its daemon: drain, delete, create anew, once"
    LEFT_BEHIND = "the mapping may be gone that it went through: the forwarding stays, which tells the next run"
    HOLD_LIKE = "permanent for this run: what is like it is held back on this target"
    HOLD_TARGET = "permanent for this run: everything is held back on this target"
    REPORT = "owed, with what the daemon said"


class Endpoint(Enum):
    """Kinds of endpoint that read one code alike."""

    READ = "read"
    CREATE = "create a group of a switch"
    UPDATE = "replace an external group of a switch"
    MEMBERS = "replace the members of an underlay group of a switch"
    DELETE = "delete a group of a switch"
    ROUTES = "put or withdraw routes"
    SLED = "set or clear a table entry of a sled"
    JOIN = "join"
    LEAVE = "leave"


_M, _E, _S = Meaning, Endpoint, NextStep

LOST = None
"""In place of a status: no whole answer came."""

_EVERYWHERE: Mapping[int | None, Meaning] = MappingProxyType(
    {
        LOST: _M.UNKNOWN,
        400: _M.REFUSED,
        404: _M.REFUSED,
        409: _M.REFUSED,
        410: _M.REFUSED,
        418: _M.REFUSED,
        429: _M.RETRY,
        500: _M.REFUSED,
        501: _M.UNSUPPORTED,
        502: _M.RETRY,
        503: _M.RETRY,
        504: _M.RETRY,
        507: _M.FULL,
    }
)
"""Unless an endpoint says otherwise."""

MEANINGS: Mapping[tuple[Endpoint, int | None], Meaning] = MappingProxyType(
    {(endpoint, status): found for endpoint in Endpoint for status, found in _EVERYWHERE.items()}
    | {
        (_E.READ, 200): _M.DONE,
        (_E.READ, 404): _M.ABSENT,
        (_E.CREATE, 201): _M.DONE,
        (_E.CREATE, 400): _M.AMBIGUOUS,
        (_E.CREATE, 409): _M.EXISTS,
        (_E.UPDATE, 200): _M.DONE,
        (_E.UPDATE, 201): _M.DONE,
        (_E.UPDATE, 400): _M.AMBIGUOUS,
        (_E.UPDATE, 404): _M.ABSENT,
        (_E.MEMBERS, 200): _M.DONE,
        (_E.MEMBERS, 201): _M.DONE,
        (_E.MEMBERS, 400): _M.AMBIGUOUS,
        (_E.MEMBERS, 404): _M.ABSENT,
        (_E.DELETE, 204): _M.DONE,
        (_E.DELETE, 400): _M.AMBIGUOUS,
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

_USUALLY: Mapping[Meaning, NextStep] = MappingProxyType(
    {
        _M.DONE: _S.NOTHING,
        _M.EXISTS: _S.COMPARE,
        _M.ABSENT: _S.REPORT,
        _M.REFUSED: _S.REPORT,
        _M.AMBIGUOUS: _S.EXPLAIN,
        _M.RETRY: _S.AGAIN,
        _M.FULL: _S.HOLD_LIKE,
        _M.UNSUPPORTED: _S.HOLD_TARGET,
        _M.UNKNOWN: _S.READ_BACK,
        _M.PROTOCOL: _S.REPORT,
    }
)

STEPS: Mapping[tuple[Endpoint, Meaning], NextStep] = MappingProxyType(
    {(endpoint, found): step for endpoint in Endpoint for found, step in _USUALLY.items()}
    | {
        (_E.READ, _M.ABSENT): _S.NOTHING,
        (_E.READ, _M.UNKNOWN): _S.REPORT,
        (_E.CREATE, _M.UNKNOWN): _S.COMPARE,
        (_E.MEMBERS, _M.AMBIGUOUS): _S.SUSPECT,
        (_E.MEMBERS, _M.ABSENT): _S.DISAMBIGUATE,
        (_E.LEAVE, _M.UNKNOWN): _S.LEFT_BEHIND,
    }
)
"""What is done next."""

OUTLASTED: Mapping[Endpoint, NextStep] = MappingProxyType({_E.CREATE: _S.HOLD_LIKE})
"""What follows `NextStep.AGAIN` once the tries are over, if not `NextStep.REPORT`: a switch without ids says 503
too, mostly without words, and says it to every creation."""

NO_SUCH_PORT = "NO_SUCH_INSTANCE"
"""The error code with which a sled-agent says that a port is gone; without it, a 404 may mean that the path is."""


@frozen(kw_only=True)
class Nuance:
    """Where the words beside a status change what it means."""

    endpoints: frozenset[Endpoint]
    statuses: frozenset[int]
    says: re.Pattern[str]
    found: bool
    """Whether the words are there, or missing."""

    meaning: Meaning

    def applies(self, endpoint: Endpoint, status: int | None, message: str) -> bool:
        """Return whether it overrules the table for this answer."""
        here = status in self.statuses and endpoint in self.endpoints
        return here and bool(self.says.search(message)) is self.found


_SPENT = re.compile(r"exhaust|out of (\w+ )?ids|no (free|available|more) ", re.IGNORECASE)
"""How a daemon says that it has run out of ids, if it says so."""

_MALFORMED = re.compile(r"unable to parse|exceeded maximum size|bad parameter|api-version", re.IGNORECASE)
"""How the daemons' framework says that a request did not even reach them."""

NUANCES: tuple[Nuance, ...] = (
    Nuance(endpoints=frozenset({_E.CREATE}), statuses=frozenset({503}), says=_SPENT, found=True, meaning=_M.FULL),
    Nuance(
        endpoints=frozenset({_E.MEMBERS, _E.CREATE, _E.UPDATE, _E.DELETE}),
        statuses=frozenset({400}),
        says=_MALFORMED,
        found=True,
        meaning=_M.REFUSED,
    ),
    Nuance(
        endpoints=frozenset({_E.LEAVE}),
        statuses=frozenset({404, 410}),
        says=re.compile(NO_SUCH_PORT),
        found=False,
        meaning=_M.REFUSED,
    ),
)
"""Asked before the table."""

_K = Kind

ENDPOINTS: Mapping[Kind, Endpoint] = MappingProxyType(
    {
        _K.REBUILD_EXTERNAL: _E.DELETE,
        _K.REBUILD_UNDERLAY: _E.DELETE,
        _K.UNDERLAY_CREATE: _E.CREATE,
        _K.MEMBERS_ADD: _E.MEMBERS,
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
        _K.MEMBERS_REMOVE: _E.MEMBERS,
        _K.UNDERLAY_DELETE: _E.DELETE,
    }
)
"""Which kind of endpoint each kind of change is sent to."""


def meaning(endpoint: Endpoint, status: int | None, message: str = "") -> Meaning:
    """Return what *status* says at *endpoint*; *message* is what the daemon says beside it."""
    for nuance in NUANCES:
        if nuance.applies(endpoint, status, message):
            return nuance.meaning
    return MEANINGS.get((endpoint, status), Meaning.PROTOCOL)


def says_spent(message: str) -> bool:
    """Return whether a daemon says that it has run out of something, so that waiting is of no use."""
    return _SPENT.search(message) is not None
