"""NIC filters: underlay groups joined on every underlay NIC of a sled.

Rules:
    N1  All NICs or none: a join that fails ends those made before it.
    N2  One membership per underlay group, whichever groups map to it; ending it ends it for all of them.
    N3  A NIC lets frames in by Ethernet address, of which an underlay group gives only the last four octets.

This file does not know mappings, when a filter is wanted, nor what a join is made of (`simrack.nics`).
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from attrs import define, field

from blueprints.addresses import Address


class Membership(Protocol):
    """What holds one underlay group joined; before the first join it holds nothing."""

    def join(self, nic: str, /) -> None:
        """Join on *nic*.

        Raises:
            OSError: the system does not let the NIC join.
        """

    def leave(self) -> None:
        """Leave wherever it is joined."""


@lru_cache(maxsize=1 << 16)
def mac_of(underlay: Address) -> str:
    """Return the Ethernet address that frames of *underlay* carry (RFC 2464 section 7)."""
    return "33:33:" + underlay.ip.packed[-4:].hex(":")


def _never(_: str) -> bool:
    return False


@define
class NicFilters:
    """Which underlay groups the NICs of one sled let in."""

    nics: tuple[str, ...]
    """Sorted: the first is wired to switch0, the second to switch1."""

    membership: Callable[[Address], Membership]
    refuses_join: Callable[[str], bool] = _never
    joined: dict[Address, tuple[str, ...]] = field(factory=dict)
    """Underlay group to the NICs that have joined it."""

    _memberships: dict[Address, Membership] = field(factory=dict)

    def open(self, underlay: Address) -> bool:
        """Join *underlay* on every NIC (rule N1); return whether it is joined everywhere."""
        if self.joined.get(underlay) == self.nics:
            return True
        self.close(underlay)
        membership = self.membership(underlay)
        try:
            for nic in self.nics:
                if self.refuses_join(nic):
                    raise OSError(f"{nic} refuses to join {underlay}")
                membership.join(nic)
        except OSError:
            membership.leave()
            return False
        self.joined[underlay], self._memberships[underlay] = self.nics, membership
        return True

    def close(self, underlay: Address) -> None:
        """Leave *underlay* on every NIC (rule N2)."""
        if self.joined.pop(underlay, None) is not None:
            self._memberships.pop(underlay).leave()

    def close_all(self) -> None:
        """Leave everything, as a process does that ends."""
        for underlay in tuple(self.joined):
            self.close(underlay)

    def admits(self, nic: str, underlay: Address) -> bool:
        """Return whether *nic* lets frames of *underlay* in (rule N3)."""
        if nic in self.joined.get(underlay, ()):
            return True
        mac = mac_of(underlay)
        return any(nic in nics and mac_of(group) == mac for group, nics in self.joined.items())
