"""Limits of a run: how much at once, how long, how large. Nothing here is about what is sent.

This file does not know who keeps to them.
"""

from collections.abc import Mapping
from types import MappingProxyType

from attrs import field, frozen

from executor.targets import Daemon

LANES: Mapping[Daemon, int] = MappingProxyType({Daemon.DPD: 1, Daemon.MGD: 1, Daemon.SLED_AGENT: 6})
"""Requests in flight per target. dpd serves one at a time behind a lock, and full-list writes must not overtake
each other; a sled-agent serves its ports side by side."""


@frozen(kw_only=True)
class Limits:
    """What a run keeps to."""

    in_flight: int = 16
    """Requests in flight over the whole rack."""

    lanes: Mapping[Daemon, int] = field(factory=lambda: LANES)

    request_seconds: float = 15.0
    """From the first byte sent to the last received; not per read, so that a slow body cannot stretch it."""

    tries: int = 3
    """Sendings of one request, the first included."""

    pauses_seconds: tuple[float, ...] = (0.1, 0.5)
    """Before the second and the third try. No jitter: one executor runs at a time."""

    silences: int = 3
    """Tries in a row without an answer after which a target is left alone for the rest of the run."""

    answer_bytes: int = 16 * 1024 * 1024
    """Of one answer, decoded."""

    answer_depth: int = 32
    """Nesting of one answer."""

    pages: int = 10_000
    """Of one list."""

    page_size: int = 1000
    """Asked of lists that come in pages."""
