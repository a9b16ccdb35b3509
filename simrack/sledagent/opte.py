"""The packet engine of a sled (OPTE, kernel part xde): mappings, forwarding, ports' subscriptions.

Rules:
    O1  One underlay group per external group: setting another one overwrites.
    O2  Clearing a mapping goes by the external group, whatever underlay group is named.
    O3  Setting next hops adds: a hop of the same address is replaced, others stay. Clearing takes the whole entry.
    O4  A subscription is kept under the underlay group that the mapping gives at the moment of the call; a group
        that lies in ff04::/16 itself needs no mapping.
    O5  Leaving translates through the mapping of now; without one nothing happens, silently.
    O6  All of it is kernel state: it outlives sled-agent, not the sled.
    O7  A flow keeps the underlay group that it was translated to, whatever becomes of the mapping, until nothing was
        sent for a minute. Next hops are looked up for each packet.
    O8  Every hop whose filter admits the source gets a copy. An engine that selects gives each flow to one of them,
        and takes at most four.

Source: opte, xde/src/xde.rs and lib/oxide-vpc. This file does not know HTTP, NICs, instances or why it is called.
"""

from collections.abc import Callable
from hashlib import sha256
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


@define
class Flow:
    """A sender's packets to one group."""

    underlay: Address
    used_at: float


FLOW_SECONDS = 60.0
"""How long a flow is remembered in which nothing is sent (opte's flow table)."""

MOST_HOPS = 4
"""Of an entry of an engine that selects (rule O8)."""


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
    selects: bool = False
    """Whether a flow goes to one hop alone (rule O8)."""

    flows: dict[tuple[UUID, Address, Address], Flow] = field(factory=dict)
    """By port, source and group (rule O7)."""

    def translate(self, port: UUID, source: Address, group: Address, now: float) -> Address | None:
        """Return where a steady sender's packet goes (rule O7), None where it goes nowhere."""
        flow = self.flows.get((port, source, group))
        pinned = flow is not None and now - flow.used_at < FLOW_SECONDS
        underlay = flow.underlay if flow is not None and pinned else self.underlay_of(group)
        if underlay is not None:
            self.flows[port, source, group] = Flow(underlay, now)
        return underlay

    def hops_for(self, underlay: Address, source: Address, group: Address) -> list[Hop]:
        """Return the hops that a packet is offered to, in order of their addresses (rule O8)."""
        hops = self.forwarding.get(underlay, {})
        offered = [hops[address] for address in sorted(hops)]
        if not self.selects:
            return offered
        admitting = [hop for hop in offered if hop.filter.admits(source)]
        return [max(admitting, key=lambda hop: _weight(source, group, hop))] if admitting else []

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
                source that is no host's, or more hops than an engine that selects takes.
        """
        if not is_admin_local(underlay) or any(not _is_unicast_v6(hop.next_hop) for hop in hops):
            raise refused(500)
        there = self.forwarding.get(underlay, {}).keys() | {hop.next_hop for hop in hops}
        if self.selects and len(there) > MOST_HOPS:
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
        """Remove *port* with all that it heard and sent."""
        self.subscriptions.pop(port, None)
        self.flows = {key: flow for key, flow in self.flows.items() if key[0] != port}

    def reboot(self) -> None:
        """Lose everything (rule O6)."""
        self.m2p.clear()
        self.forwarding.clear()
        self.subscriptions.clear()
        self.flows.clear()


def _weight(source: Address, group: Address, hop: Hop) -> str:
    """Spread flows over hops, each flow always to the same one."""
    return sha256(f"{source} {group} {hop.next_hop}".encode()).hexdigest()


def _is_unicast_v6(address: Address) -> bool:
    return address.family == 6 and address.key[1] != 0 and not is_multicast(address)
