"""The ``api-version`` header: what each daemon speaks, and since which version it can do what.

This file does not know the daemons' routes; routes name a version from here.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from simrack.web.answers import bad_request

Version = tuple[int, int, int]


class DaemonKind(StrEnum):
    """The daemons of a rack, as targets name them."""

    DPD = "dpd"
    MGD = "mgd"
    DDMD = "ddmd"
    MGS = "mgs"
    SLED_AGENT = "sled"


NEWEST: Mapping[DaemonKind, Version] = MappingProxyType(
    {
        DaemonKind.DPD: (13, 0, 0),
        DaemonKind.MGD: (13, 0, 0),
        DaemonKind.DDMD: (3, 0, 0),
        DaemonKind.MGS: (3, 0, 0),
        DaemonKind.SLED_AGENT: (49, 0, 0),
    }
)
"""The newest version that each daemon serves."""

FIRST: Version = (1, 0, 0)

FEATURES: Mapping[str, Version] = MappingProxyType(
    {
        "dpd strict underlay": (8, 0, 0),
        "dpd table snapshots": (9, 0, 0),
        "mgd multicast": (13, 0, 0),
        "ddmd peer durations": (2, 0, 0),
        "ddmd multicast": (3, 0, 0),
        "sled-agent multicast membership": (7, 0, 0),
        "sled-agent m2p and forwarding": (49, 0, 0),
    }
)
"""Since which version a daemon has what. Source: the version lists of the daemons' API crates."""

_VERSION = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")


def parse_version(text: str) -> Version:
    """Return the three numbers of *text*.

    Raises:
        ValueError: no full semantic version, such as a plain ``12``.
    """
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a version such as 12.0.0")
    return int(match[1]), int(match[2]), int(match[3])


def show_version(version: Version) -> str:
    """Return *version* as the header has it."""
    return ".".join(map(str, version))


@lru_cache(maxsize=256)
def asked_version(header: bytes | None, newest: Version) -> Version:
    """Return the version that a request asks for.

    Raises:
        HttpError: 400, no header, an unreadable one, or a version above *newest*.

    Source:
        dropshot's client-specified versioning without a fallback version.
    """
    if header is None:
        raise bad_request('missing expected header "api-version"')
    text = header.decode("latin-1")
    try:
        version = parse_version(text)
    except ValueError:
        raise bad_request(f'bad value for header "api-version": {text}') from None
    if version > newest:
        raise bad_request(f"server does not support this API version: {text}")
    return version
