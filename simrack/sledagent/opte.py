"""The packet engine of a sled (OPTE, kernel part xde): mappings, forwarding, ports' subscriptions.

Rules:
    O1  One underlay group per external group: setting another one overwrites.
    O2  Clearing a mapping goes by the external group, whatever underlay group is named.
    O3  Setting next hops adds: a hop of the same address is replaced, others stay. Clearing takes the whole entry.
    O4  A subscription is kept under the underlay group that the mapping gives at the moment of the call; a group
        that lies in ff04::/16 itself needs no mapping.
    O5  Leaving translates through the mapping of now; without one nothing happens, silently.
    O6  All of it is kernel state: it outlives sled-agent, not the sled.

Source: opte, xde/src/xde.rs and lib/oxide-vpc. This file does not know HTTP, NICs, instances or why it is called.
"""

from collections.abc import Callable
from uuid import UUID

from attrs import define, field, frozen

from blueprints.addresses import Address
from blueprints.blueprint import FilterMode, Replication
from simrack.addresses import dpd_source_refusal, is_admin_local, is_multicast
from simrack.web.answers import refused


@frozen
class Filter:
    """Whose packets pass."""

    mode: FilterMode
    sources: frozenset[Address]

    def admits(self, source: Address) -> bool:
        """Return whether packets from *source* pass."""
        return (source in self.sources) is (self.mode is FilterMode.INCLUDE)


def listening_to(sources: frozenset[Address]) -> Filter:
    """Return the filter of a subscription: an empty list is any source."""
    return Filter(FilterMode.INCLUDE if sources else FilterMode.EXCLUDE, sources)


@frozen
class Hop:
    """A switch that gets a copy."""

    next_hop: Address
    replication: Replication
    filter: Filter


@frozen
class Subscription:
    """What a port hears under one underlay group."""

    group: Address
    """The group that was named when it was made; the engine itself only knows the underlay group."""

    filter: Filter


def _never() -> bool:
    return False


@define
class Opte:
    """Packet engine of one sled."""

    m2p: dict[Address, Address] = field(factory=dict)
    forwarding: dict[Address, dict[Address, Hop]] = field(factory=dict)
    subscriptions: dict[UUID, dict[Address, Subscription]] = field(factory=dict)
    """Port (named by its propolis), then underlay group."""

    refuses_clear: Callable[[], bool] = _never

    def set_m2p(self, group: Address, underlay: Address) -> None:
        """Map *group* to *underlay* (rule O1).

        Raises:
            HttpError: 500, no multicast group or no underlay group.
        """
        if not is_multicast(group) or not is_admin_local(underlay):
            raise refused(500)
        self.m2p[group] = underlay

    def clear_m2p(self, group: Address) -> None:
        """Clear the mapping of *group* (rule O2).

        Raises:
            HttpError: 500, the engine refuses.
        """
        if group in self.m2p and self.refuses_clear():
            raise refused(500)
        self.m2p.pop(group, None)

    def set_forwarding(self, underlay: Address, hops: tuple[Hop, ...]) -> None:
        """Add or replace next hops (rule O3).

        Raises:
            HttpError: 500, no underlay group, a hop that is not one host's IPv6 address, or a filter that names a
                source that is no host's.
        """
        if not is_admin_local(underlay) or any(not _is_unicast_v6(hop.next_hop) for hop in hops):
            raise refused(500)
        if any(dpd_source_refusal(source) for hop in hops for source in hop.filter.sources):
            raise refused(500)
        self.forwarding.setdefault(underlay, {}).update({hop.next_hop: hop for hop in hops})

    def clear_forwarding(self, underlay: Address) -> None:
        """Clear the whole entry of *underlay*."""
        self.forwarding.pop(underlay, None)

    def subscribe(self, port: UUID, group: Address, sources: frozenset[Address]) -> None:
        """Let *port* hear *group* (rule O4); sources of an earlier call are replaced.

        Raises:
            HttpError: 500, *group* has no mapping.
        """
        underlay = self.underlay_of(group)
        if underlay is None:
            raise refused(500)
        self.subscriptions.setdefault(port, {})[underlay] = Subscription(group, listening_to(sources))

    def unsubscribe(self, port: UUID, group: Address) -> None:
        """Let *port* no longer hear *group* (rule O5)."""
        underlay = self.underlay_of(group)
        if underlay is not None:
            self.subscriptions.get(port, {}).pop(underlay, None)

    def underlay_of(self, group: Address) -> Address | None:
        """Return where *group* is mapped to now, None where nowhere."""
        return self.m2p.get(group) or (group if is_admin_local(group) else None)

    def drop_port(self, port: UUID) -> None:
        """Remove *port* with all that it heard."""
        self.subscriptions.pop(port, None)

    def reboot(self) -> None:
        """Lose everything (rule O6)."""
        self.m2p.clear()
        self.forwarding.clear()
        self.subscriptions.clear()


def _is_unicast_v6(address: Address) -> bool:
    return address.family == 6 and address.key[1] != 0 and not is_multicast(address)
