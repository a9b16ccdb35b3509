"""A collection from the first question to the snapshot, phase by phase.

This file does not know options, files or how a snapshot is shown.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Network
from time import perf_counter

from attrs import field, frozen

from blueprints.endpoints import Endpoints
from blueprints.snapshot import Snapshot
from collector.assemble import Stated, assemble
from collector.checks import check
from collector.report import Collection, collection
from collector.stored import Stored
from rackcast import __version__
from rackcast.switches import SwitchesRead, read_found, read_known, read_nobody


@frozen(kw_only=True)
class Sources:
    """Where a rack is read."""

    dsn: str = field(repr=False)
    dns: str | None
    endpoints: Endpoints | None
    """At most one of the two; without both, no switch is asked."""

    prefixes: tuple[IPv6Network, ...] = ()
    """Where DNS may lead; empty: where racks usually are."""


def collected(sources: Sources, stated: Stated) -> tuple[Snapshot, Collection]:
    """Return the snapshot of a rack, and the report on it.

    Args:
        sources: the datastore, and the way to the switches.
        stated: what the user says.

    Raises:
        ImportError: what speaks to databases is not installed.
        InputRejectedError: a source is none, holds what is not understood, or does not say which rack is meant or
            where its switches are.
        DeviceError: the datastore did not answer, or DNS knows no switch and the user names none.
    """
    seconds: dict[str, float] = {}
    with _timed("datastore", seconds):
        stored = _stored(sources.dsn)
    with _timed("switches", seconds):
        read = asyncio.run(_switches(sources, stated))
    with _timed("assembly", seconds):
        assembled = assemble(
            stored,
            read.live,
            stated=stated,
            endpoints=read.endpoints.switches,
            collected_by=f"rackcast {__version__}",
        )
    with _timed("checks", seconds):
        findings = check(stored)
    return assembled.snapshot, collection(stored, read.live, assembled, findings=findings, seconds=seconds)


def _stored(dsn: str) -> Stored:
    from collector.datastore import read

    return read(dsn)


async def _switches(sources: Sources, stated: Stated) -> SwitchesRead:
    if sources.dns is not None:
        return await read_found(sources.dns, stated.switches, prefixes=sources.prefixes)
    if sources.endpoints is not None:
        return await read_known(sources.endpoints, stated.switches)
    return await read_nobody(stated.switches)


@contextmanager
def _timed(phase: str, seconds: dict[str, float]) -> Iterator[None]:
    """Note how long *phase* takes, to the millisecond."""
    begun = perf_counter()
    yield
    seconds[phase] = round(perf_counter() - begun, 3)
