"""Where the rack's daemons listen (`format: rackcast.endpoints/1`).

This file does not know how a daemon is spoken to.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from attrs import field, frozen

from blueprints.addresses import Address, UnderlayUnicast
from blueprints.identifiers import SwitchSlot
from blueprints.ordering import by_slot, by_uuid

ENDPOINTS_FORMAT = "rackcast.endpoints/1"


class SubscriptionForm(StrEnum):
    """How sled-agents name the port of a subscription: by instance, or by propolis."""

    INSTANCE = "instance"
    VMM = "vmm"


_URL = re.compile(r"http://(?:\[([0-9A-Fa-f:.]+)\]|([0-9]{1,3}(?:\.[0-9]{1,3}){3}))(?::([0-9]{1,5}))?/?")
"""An address, no name: what a name leads to is nobody's word but DNS's. No zone id either."""

_HTTP_PORT = "80"
"""Where HTTP is without a port."""


URL = Annotated[str, "the base address of a daemon"]
"""Text of the form ``http://ADDRESS:PORT``."""


def check_url(url: str) -> str:
    """Return *url* if it is the base address of a daemon.

    Raises:
        ValueError: another form.
    """
    found = _URL.fullmatch(url)
    if found is None or not _callable(found[1] or found[2], found[3] or _HTTP_PORT):
        raise ValueError(f"{url!r} is not http://ADDRESS:PORT")
    return url


def _callable(address: str, port: str) -> bool:
    """Return whether there can be such an address and port: who connects finds out in the middle of a run."""
    try:
        Address.parse(address)
    except ValueError:
        return False
    return 0 < int(port) < 1 << 16


def _plain_url(_: Any, __: Any, url: str) -> None:
    check_url(url)


@frozen(kw_only=True)
class SwitchEndpoints:
    """Base addresses of one switch's daemons, such as ``http://[::1]:12224``."""

    dpd: str = field(validator=_plain_url)
    mgd: str = field(validator=_plain_url)
    ddmd: str = field(validator=_plain_url)

    zone: str | None = None
    """The name in DNS that these daemons share; it tells zones apart that share an address."""

    underlay_address: UnderlayUnicast | None = None
    """Where the switch zone is reached inside the rack; None where nobody said it."""


_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")


def _versions(_: Any, __: Any, version: str | None) -> None:
    if version is not None and not _VERSION.fullmatch(version):
        raise ValueError(f"{version!r} is not a version such as 12.0.0")


@frozen(kw_only=True)
class ApiVersions:
    """The ``api-version`` to speak to each kind of daemon; None: the newest known, stepping down."""

    dpd: str | None = field(default=None, validator=_versions)
    mgd: str | None = field(default=None, validator=_versions)
    ddmd: str | None = field(default=None, validator=_versions)
    sled_agent: str | None = field(default=None, validator=_versions)


@frozen(kw_only=True)
class Endpoints:
    """All daemons of a rack."""

    switches: Mapping[SwitchSlot, SwitchEndpoints] = field(converter=by_slot)
    sleds: Mapping[UUID, URL] = field(converter=by_uuid)
    api_versions: ApiVersions = field(factory=ApiVersions)
    subscriptions: SubscriptionForm = SubscriptionForm.VMM

    @sleds.validator
    def _sled_urls(self, _: object, urls: Mapping[UUID, str]) -> None:
        for url in urls.values():
            _plain_url(None, None, url)
