"""What may be asked of each kind of daemon, and in which versions: the allow-list of every client.

What is not in `PERMITTED` cannot be sent. The calls that wipe all groups, all settings, a whole tag or untagged
groups are not in it, and a group can be deleted by its own tag alone.

Sources: the API documents of dpd 8 to 13, mgd 13, ddmd 3, the sled-agents that carry multicast, and MGS.
This file does not know how anything is sent.
"""

import re
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class Api(Enum):
    """The APIs that are spoken; each has versions of its own."""

    DPD = "dpd"
    MGD = "mgd"
    DDMD = "ddmd"
    SLED_AGENT = "sled_agent"
    MGS = "mgs"


def _majors(*majors: int) -> tuple[str, ...]:
    return tuple(f"{major}.0.0" for major in majors)


KNOWN_VERSIONS: Mapping[Api, tuple[str, ...]] = MappingProxyType(
    {
        Api.DPD: _majors(13, 12, 11, 10, 9, 8),
        Api.MGD: _majors(13),
        # Older ones do not say on which interface a peer is.
        Api.DDMD: _majors(3),
        # Versions 33 to 50 carried the same multicast calls while their number was being settled.
        Api.SLED_AGENT: _majors(50, 49, 48, 47, 45, 44, 43, 42, 41, 39, 38, 36, 33),
        Api.MGS: _majors(3, 2, 1),
    }
)
"""Versions with the calls that are permitted here, newest first."""

_IP = r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7})"
_TAG = r"\?tag=[A-Za-z0-9_.%-]+"
_ID = r"[0-9a-f-]{36}"
_PERMITTED: Mapping[Api, tuple[tuple[str, str], ...]] = {
    Api.DPD: (
        ("GET", r"/switch/identifiers"),
        ("GET", r"/backplane-map"),
        ("GET", r"/multicast/groups\?limit=[0-9]+(&page_token=[A-Za-z0-9_.%~-]+)?"),
        ("GET", rf"/multicast/groups/{_IP}"),
        ("POST", r"/multicast/(underlay|external)-groups"),
        ("PUT", rf"/multicast/(underlay|external)-groups/{_IP}{_TAG}"),
        ("DELETE", rf"/multicast/groups/{_IP}{_TAG}"),
    ),
    Api.MGD: (
        ("GET", r"/switch/identifiers"),
        ("GET", r"/static/mroute"),
        ("PUT", r"/static/mroute"),
        ("DELETE", r"/static/mroute"),
    ),
    Api.DDMD: (("GET", r"/peers"),),
    Api.SLED_AGENT: (
        ("GET", r"/sled-identifiers"),
        ("GET", r"/networking/mcast-(m2p|fwd)"),
        ("PUT", r"/networking/mcast-(m2p|fwd)"),
        ("DELETE", r"/networking/mcast-(m2p|fwd)"),
        ("PUT", rf"/(instances|vmms)/{_ID}/multicast-group"),
        ("DELETE", rf"/(instances|vmms)/{_ID}/multicast-group"),
    ),
    Api.MGS: (("GET", r"/local/switch-id"),),
}
PERMITTED: Mapping[tuple[Api, str], re.Pattern[str]] = MappingProxyType(
    {
        (api, method): re.compile("|".join(path for allowed, path in rows if allowed == method))
        for api, rows in _PERMITTED.items()
        for method in {method for method, _ in rows}
    }
)
"""Every path that may be asked for, by API and method."""


def permits(api: Api, method: str, path: str) -> bool:
    """Return whether *path*, with its query, is in the table."""
    pattern = PERMITTED.get((api, method))
    return pattern is not None and pattern.fullmatch(path) is not None
