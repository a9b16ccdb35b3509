"""Limits of a run: how much at once, how long, how large, and how much may go. None is about what is sent.

This file does not know who keeps to them.
"""

import re
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
    """Requests in flight over the whole rack. One that is silent for `slow_seconds` counts for its target alone, so
    that daemons which hang keep nobody else waiting."""

    slow_seconds: float = 1.0

    lanes: Mapping[Daemon, int] = field(factory=lambda: LANES)

    request_seconds: float = 15.0
    """From the first byte sent to the last received; not per read, so that a slow body cannot stretch it."""

    doubted_seconds: float = 1.5
    """The same for a daemon that let the request before run into its deadline: it costs whoever waits for it one
    deadline and little more, not one for each question."""

    tries: int = 3
    """Sendings of one request, the first included."""

    pause_seconds: float = 0.1
    """Before the second try, at least; doubled before each further one."""

    pause_most_seconds: float = 2.0
    """Before any try, at most."""

    pause_jitter_seconds: float = 0.1
    """Added to a pause by chance, up to so much: many calls of a daemon that was busy do not come back together.
    0 makes runs repeatable."""

    silences: int = 3
    """Tries in a row without an answer after which a target is left alone, see `executor.breaker`."""

    hangs: int = 2
    """The same for tries that ran into their deadline: each of them takes that long."""

    heals: int = 10
    """Groups of switches that are made anew in one run, see `executor.healing`: more in doubt at once are a sign of
    something else."""

    reading_seconds: float = 60.0
    """For all that one target is asked when it is read: a list can have many pages."""

    run_seconds: float = 600.0
    """From the first question to the last write. What was written is read back for `request_seconds` more."""

    answer_bytes: int = 16 * 1024 * 1024
    """Of one answer, decoded."""

    answer_depth: int = 32
    """Nesting of one answer."""

    pages: int = 10_000
    """Of one list."""

    page_size: int = 200
    """Asked of lists that come in pages. One page is in memory at a time, and a group of many members takes 20 KB."""

    rows: int = 100_000
    """Of one list, all pages together. A switch has ids for some 32,000 groups, and 1,024 rows to a table."""


@frozen(kw_only=True)
class Allowance:
    """How much of something one run may take away before somebody is asked."""

    number: int = 0
    percent: int = 0
    share_most: int | None = None
    """What a share comes to at most: a fifth of a large rack is more than anybody changes without a look."""

    half_from: int | None = None
    """Losing more than half of what there is is asked about where there is this many or more; None: it is not."""

    def permits(self, losing: int, of: int) -> bool:
        """Return whether *losing* so many *of* so many needs no consent: within the number or within the share."""
        if self.half_from is not None and of >= self.half_from and losing * 2 > of:
            return False
        within = losing * 100 <= of * self.percent and (self.share_most is None or losing <= self.share_most)
        return losing <= self.number or within

    @classmethod
    def parse(cls, text: str) -> "Allowance":
        """Return what ``12`` or ``20%`` allows: exactly that.

        Raises:
            ValueError: neither form, or more than 100 %.
        """
        found = re.fullmatch(r"([0-9]{1,9})(\s?%)?", text)
        if found is None or (found[2] and int(found[1]) > 100):
            raise ValueError(f"{text!r} is neither a number such as 12 nor a share such as 20%")
        return cls(percent=int(found[1])) if found[2] else cls(number=int(found[1]))

    def __str__(self) -> str:
        """Return what people are told, such as ``20 % up to 500 or 10, not more than half of 4 or more``."""
        up_to = "" if self.share_most is None else f" up to {self.share_most}"
        parts = [f"{self.percent} %{up_to}"] * bool(self.percent) + [str(self.number)] * bool(self.number)
        return (" or ".join(parts) or "none") + (
            "" if self.half_from is None else f", not more than half of {self.half_from} or more"
        )


@frozen(kw_only=True)
class Allowances:
    """What one run may take away. The shares are of what the rack was seen to hold, ours alone.

    The numbers let small racks change, but not by more than half; the shares keep an emptied table or a lost sled
    list from emptying a rack.
    """

    members: Allowance = Allowance(percent=20, share_most=500, number=10, half_from=4)
    """Ports of sleds that a switch gives copies of a group to, each counted once for each group."""

    groups: Allowance = Allowance(percent=20, share_most=50, number=5, half_from=2)
    """Groups that something of the rack is programmed for."""

    rows: Allowance = Allowance(percent=20, share_most=500, number=30, half_from=20)
    """Groups and routes in the tables of one switch."""
