"""Faults on order: which call of which daemon goes wrong, when, and how often.

This file does not know connections (`exchange` plays the faults of calls) nor what daemons do.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

from attrs import Factory, asdict, define, evolve, fields, frozen

from simrack.web.calls import OtherCall
from simrack.web.fault_kinds import DNS, FAULT_KINDS, Strikes


@frozen(kw_only=True)
class Fault:
    """An order for something to go wrong: first which calls it strikes, then how."""

    target: str
    """A daemon, or a pattern such as ``sled *``."""

    kind: str

    times: int | None = 1
    """How often still; None: every time."""

    skip: int = 0
    """How many calls that fit are let pass first."""

    method: str | None = None
    """For questions: the type of records."""

    path: str | None = None
    """Only calls whose path begins so; for questions: the name."""

    since: float = 0.0
    """Seconds on the rack's clock before which it does not strike."""

    until: float | None = None
    """Seconds on the rack's clock from which on it strikes no more."""

    chance: float = 1.0
    """How probably it strikes a call that fits."""

    seed: int = 0
    """What chance is drawn from, see `_drawn`."""

    status: int = 503
    """For ``status``, ``redirect`` and ``unknown_vmm``: what to answer."""

    error_code: str | None = None
    """For ``status``: what to put into the body."""

    nic: str | None = None
    """For ``nic_join``: which NIC; None: whichever comes first."""

    interval: float = 1.0
    """In seconds: for ``slow_body`` between two octets, for ``late_effect`` from giving up to the effect, for
    ``slow_engine`` from the look-up to the packet engine."""

    location: str | None = None
    """For ``redirect``."""

    content_type: str = "text/plain"
    body: str | None = None
    field: str | None = None
    """For ``set_field`` and ``drop_field``: such as ``items.*.members``; ``*`` is every entry."""

    value: Any = None
    keep: int = 0
    """For ``partial_list``: how many entries."""

    depth: int = 100_000
    size: int = 0
    """In octets, for ``huge_body`` and ``gzip_bomb``: of the blanks, unpacked."""

    call: OtherCall | None = None
    records: tuple[str, ...] = ()
    """For ``records``: such as ``0 0 4676 dendrite-….host.….`` for SRV."""

    def fits(self, strikes: Strikes, target: str, now: float) -> bool:
        """Return whether it can strike *target* now in one of the ways of *strikes*."""
        return (
            bool(FAULT_KINDS[self.kind].strikes & strikes)
            and (self.target == target or fnmatchcase(target, self.target))
            and self.since <= now
        )

    def names(self, method: str, path: str) -> bool:
        """Return whether it is meant for such a call."""
        return (self.method is None or self.method == method) and (self.path is None or path.startswith(self.path))

    def to_json(self) -> dict[str, Any]:
        """Return the fault as the control interface shows it: what every kind knows, and what its own kind takes."""
        known = [row.name for row in fields(Fault) if row.name not in SPECIAL - FAULT_KINDS[self.kind].takes]
        return {FILE_NAMES.get(name, name): _plain(getattr(self, name)) for name in known}


def _plain(value: Any) -> Any:
    if isinstance(value, OtherCall):
        return asdict(value)
    return list(value) if isinstance(value, tuple) else value


FILE_NAMES: Mapping[str, str] = {"since": "from"}
"""What fields of a fault are called in files, where Python does not allow that name."""

SPECIAL = frozenset().union(*(kind.takes for kind in FAULT_KINDS.values()))
"""Options that only some kinds take."""


@define(eq=False)
class _Order:
    """A fault, and what it has met."""

    fault: Fault
    met: "Counter[str]" = Factory(Counter)

    def strikes(self, call: str) -> bool:
        """Return whether the fault, which fits, strikes *call*; count it."""
        self.met[call] += 1
        if self.fault.chance < 1.0 and _drawn(self.fault.seed, call, self.met[call]) >= self.fault.chance:
            return False
        if self.fault.skip:
            self.fault = evolve(self.fault, skip=self.fault.skip - 1)
            return False
        if self.fault.times is not None:
            self.fault = evolve(self.fault, times=self.fault.times - 1)
        return True


def _drawn(seed: int, call: str, occurrence: int) -> float:
    """Return a number from 0 up to 1 that follows from the seed, the call and how often there was such a one.

    So which calls are struck does not depend on the order in which calls of several clients come in.
    """
    digest = sha256(f"{seed} {occurrence} {call}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / (1 << 64)


def _start() -> float:
    return 0.0


def _nobody(_target: str, _kind: str | None) -> None:
    """Nobody minds."""


@define
class Faults:
    """All faults on order; the oldest that fits strikes first."""

    now: Callable[[], float] = _start
    """The rack's clock, in seconds."""

    reached: Callable[[str, str | None], None] = _nobody
    """Told of each target that goes down, and how, or comes back (None)."""

    _orders: tuple[_Order, ...] = Factory(tuple)
    _down: Mapping[str, str] = Factory(dict)

    @property
    def quiet(self) -> bool:
        """Whether nothing is on order and everything is up."""
        return not self._orders and not self._down

    def take_down(self, down: Mapping[str, str]) -> None:
        """Let these targets, and no others, be down: every call of one meets the kind of fault that is given."""
        before, self._down = self._down, dict(down)
        for target in sorted(before.keys() | down.keys()):
            if before.get(target) != down.get(target):
                self.reached(target, down.get(target))

    @property
    def orders(self) -> tuple[Fault, ...]:
        """What is still to come, the oldest first."""
        return tuple(order.fault for order in self._orders)

    @orders.setter
    def orders(self, faults: Iterable[Fault]) -> None:
        """Order *faults* instead of all others."""
        self._orders = tuple(map(_Order, faults))

    def add(self, fault: Fault) -> None:
        """Order *fault*."""
        self._orders = (*self._orders, _Order(fault))

    def clear(self) -> None:
        """Withdraw all orders."""
        self._orders = ()

    def take(self, target: str, method: str, path: str) -> Fault | None:
        """Return the fault that spoils this call, or question, and count it, or None."""
        if target in self._down:
            return Fault(target=target, kind=self._down[target], times=None)
        strikes = Strikes.QUESTION if target == DNS else Strikes.CALL
        return self._first(strikes, target, f"{target} {method} {path}", lambda fault: fault.names(method, path))

    def strikes(self, target: str, kind: str, nic: str | None = None) -> bool:
        """Return whether *kind* strikes within *target* now, and count it; joins say for which *nic*."""
        return self._within(target, kind, nic) is not None

    def status(self, target: str, kind: str, usual: int) -> int:
        """Return the status that *kind* has ordered for *target* now, and count it; *usual* where none has."""
        fault = self._within(target, kind, None)
        return usual if fault is None else fault.status

    def seconds(self, target: str, kind: str) -> float:
        """Return how long *kind* delays *target* now, in seconds, and count it; 0 where nothing is ordered."""
        fault = self._within(target, kind, None)
        return 0.0 if fault is None else fault.interval

    def _within(self, target: str, kind: str, nic: str | None) -> Fault | None:
        def meant(fault: Fault) -> bool:
            return fault.kind == kind and fault.nic in (None, nic)

        return self._first(Strikes.WITHIN, target, f"{target} {kind} {nic}", meant)

    def _first(self, strikes: Strikes, target: str, call: str, meant: Callable[[Fault], bool]) -> Fault | None:
        """Return the oldest fault that fits and strikes; those that are over are forgotten."""
        if not self._orders:
            return None
        now = self.now()
        found = None
        for order in self._orders:
            fault = order.fault
            over = fault.until is not None and now >= fault.until
            if not over and fault.fits(strikes, target, now) and meant(fault) and order.strikes(call):
                found = fault
                break
        self._orders = tuple(order for order in self._orders if not _is_over(order.fault, now))
        return found


def _is_over(fault: Fault, now: float) -> bool:
    return fault.times == 0 or (fault.until is not None and now >= fault.until)
