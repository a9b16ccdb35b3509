"""Faults on order: which call of which daemon goes wrong, and how.

Two families, one table (`FAULT_KINDS`): faults of a call spoil one exchange over HTTP; faults within strike inside a
daemon, where its machine asks `Faults.strikes`. This file does not know connections (`exchange` plays the first
family) nor what daemons do.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from attrs import define, evolve, frozen

FAULT_KINDS: Mapping[str, tuple[bool, str]] = MappingProxyType(
    {
        "refuse": (True, "the connection is closed without an answer and without the effect"),
        "timeout_before": (True, "no effect, and no answer until the client gives up"),
        "timeout_after": (True, "the effect takes place, and no answer comes"),
        "late_effect": (True, "no answer; the effect takes place some time after the client gave up"),
        "status": (True, "the given status instead of the effect"),
        "slow_body": (True, "the effect takes place; the body comes one octet at a time"),
        "truncated_body": (True, "the effect takes place; the connection is closed halfway through the body"),
        "restart_empty": (True, "the daemon dies instead of answering and comes back with nothing"),
        "restart_with_state": (True, "the daemon dies instead of answering and comes back with what outlives it"),
        "nic_join": (False, "a sled's NIC refuses to join an underlay group"),
        "m2p_clear": (False, "a sled's packet engine refuses to clear a mapping"),
        "slow_engine": (
            False,
            "a join or leave, its VMM looked up, takes a while to reach a sled's packet engine",
        ),
        "unknown_vmm": (False, "a sled-agent answers calls about VMMs that it does not know with the given status"),
        "no_multicast": (False, "a dpd was built without multicast"),
        "entry_missing": (
            False,
            "a chip lacks an entry that a change or deletion needs: dpd forgets the group",
        ),
        "ports_die": (
            False,
            "a sled-agent that restarts takes all ports of its packet engine along",
        ),
        "port_add": (False, "a switch's chip refuses to add a port to a group"),
    }
)
"""Kind to: strikes a call (else strikes within), and what happens."""


@frozen(kw_only=True)
class Fault:
    """An order for something to go wrong."""

    target: str
    kind: str
    times: int | None = 1
    """How often still; None: every time."""

    method: str | None = None
    path: str | None = None
    """Only calls whose path begins so."""

    status: int = 503
    """For ``status`` and ``unknown_vmm``: what to answer."""

    error_code: str | None = None
    """For ``status``: what to put into the body."""

    nic: str | None = None
    """For ``nic_join``: which NIC; None: whichever comes first."""

    interval: float = 1.0
    """In seconds: for ``slow_body`` between two octets, for ``late_effect`` from giving up to the effect, for
    ``slow_engine`` from the look-up to the packet engine."""

    def matches(self, target: str, method: str, path: str) -> bool:
        """Return whether the fault spoils this call."""
        return (
            FAULT_KINDS[self.kind][0]
            and self.target == target
            and (self.method is None or self.method == method)
            and (self.path is None or path.startswith(self.path))
        )

    def to_json(self) -> dict[str, Any]:
        """Return the fault as the control interface shows it."""
        return {
            "target": self.target,
            "kind": self.kind,
            "times": self.times,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "error_code": self.error_code,
            "interval": self.interval,
            "nic": self.nic,
        }


@define
class Faults:
    """All faults on order; the oldest that fits strikes first."""

    orders: tuple[Fault, ...] = ()

    def add(self, fault: Fault) -> None:
        """Order *fault*."""
        self.orders = (*self.orders, fault)

    def clear(self) -> None:
        """Withdraw all orders."""
        self.orders = ()

    def take(self, target: str, method: str, path: str) -> Fault | None:
        """Return the fault that spoils this call and count it, or None."""
        for fault in self.orders:
            if fault.matches(target, method, path):
                self._spend(fault)
                return fault
        return None

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
        for fault in self.orders:
            if fault.kind == kind and fault.target == target and fault.nic in (None, nic):
                self._spend(fault)
                return fault
        return None

    def _spend(self, spent: Fault) -> None:
        if spent.times is None:
            return
        left = evolve(spent, times=spent.times - 1)
        self.orders = tuple(
            left if fault is spent else fault for fault in self.orders if fault is not spent or left.times
        )
