"""Where the rack is: an endpoints file, or its internal DNS.

This file does not know what the daemons are asked.
"""

import asyncio
from collections.abc import Iterable
from ipaddress import IPv6Network
from uuid import UUID

import click
from attrs import frozen

from blueprints.endpoints import Endpoints, SubscriptionForm
from blueprints.observation import Silence
from rackcast.reading import read_endpoints


@frozen(kw_only=True)
class Way:
    """How the user said the rack is found."""

    endpoints: str | None
    dns: str | None
    subscriptions: str | None
    allow_prefix: tuple[IPv6Network, ...] = ()
    """Where DNS may lead; empty: where racks usually are."""

    def __attrs_post_init__(self) -> None:
        """Take exactly one of the two.

        Raises:
            click.UsageError: none or both were given, or a form that the endpoints file states itself.
        """
        if (self.endpoints is None) == (self.dns is None):
            raise click.UsageError("say where the rack is: --endpoints FILE or --dns ADDRESS")
        if self.endpoints is not None and self.subscriptions is not None:
            raise click.UsageError("--subscriptions goes with --dns; an endpoints file says it itself")
        if self.endpoints is not None and self.allow_prefix:
            raise click.UsageError("--allow-prefix goes with --dns; an endpoints file is taken at its word")

    def find(self, sleds: Iterable[UUID]) -> tuple[Endpoints, tuple[Silence, ...]]:
        """Return where the daemons listen, and what DNS did not know.

        Args:
            sleds: the sleds to ask DNS for, which does not list them.

        Raises:
            InputRejectedError: the endpoints file has mistakes.
            DeviceError: DNS knows no daemon, or contradicts itself.
        """
        if self.endpoints is not None:
            return read_endpoints(self.endpoints), ()
        from executor.discovery import discover

        form = SubscriptionForm(self.subscriptions or SubscriptionForm.VMM)
        found = asyncio.run(discover(self.dns or "", sleds, subscriptions=form, prefixes=self.allow_prefix))
        return found.endpoints, found.silent
