"""DDM peers made up of what the datastore and inventory say: which sleds are in service, and which cubby each is in.

So a rack whose snapshot tells no peers, or wrong ones, takes the way that a rack with a working ddmd takes. They are
made once for a set of sleds in service, and made again when that set is another one; a collection of inventory that
comes meanwhile changes nothing, as with a cache that knows of sleds alone. This file does not know HTTP.
"""

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address
from uuid import UUID

from attrs import define

from blueprints.addresses import Address
from blueprints.identifiers import PortId
from blueprints.snapshot import Peer, Sled, SledPolicy, SledState, Snapshot, SpType
from simrack.wiring import LINK

CUBBIES = range(32)


def link_local(number: int) -> IPv6Address:
    """Return a made-up address of the machine that is told by *number*."""
    return IPv6Address(f"fe80::aa40:25ff:fe00:{number + 1:x}")


def peer_of(sled: Sled, port: PortId) -> Peer:
    """Return *sled* as ddmd tells it that hears it behind *port*."""
    addr = Address(link_local(port.number))
    return Peer(if_name=f"tfport{port}_{LINK}", addr=addr, host=sled.serial, kind=0, status="Exchange")


def is_in_service(sled: Sled) -> bool:
    """Return whether *sled* is one that the rack counts on (omicron's SledFilter::InService)."""
    return sled.policy is not SledPolicy.EXPUNGED and sled.state is SledState.ACTIVE


@define
class PopulatedPeers:
    """The peers of every switch, made up."""

    builds: int = 0
    """How often they were made."""

    sleds: frozenset[UUID] | None = None
    """The sleds in service that they were made of; None: not yet."""

    _peers: tuple[Peer, ...] = ()

    def of(self, snapshot: Snapshot, in_service: frozenset[UUID]) -> tuple[Peer, ...]:
        """Return the peers, made again only where other sleds are *in_service* than last time."""
        if in_service != self.sleds:
            self.sleds, self.builds = in_service, self.builds + 1
            self._peers = tuple(sorted(_made(snapshot, in_service), key=lambda peer: peer.sort_key))
        return self._peers


def _made(snapshot: Snapshot, in_service: frozenset[UUID]) -> Iterator[Peer]:
    """Yield a peer for each sled in service whose board inventory has found; of two in one cubby the first by id."""
    cubbies = _cubbies(snapshot)
    taken = set()
    for sled in snapshot.sleds:
        cubby = cubbies.get((sled.serial, sled.part))
        if sled.id in in_service and cubby is not None and cubby not in taken:
            taken.add(cubby)
            yield peer_of(sled, PortId("rear", cubby))


def _cubbies(snapshot: Snapshot) -> Mapping[tuple[str, str], int]:
    """Return the cubby of each board of a sled, by serial and part."""
    if snapshot.inventory is None:
        return {}
    boards = snapshot.inventory.service_processors
    return {(row.serial, row.part): row.slot for row in boards if row.type is SpType.SLED and row.slot in CUBBIES}
