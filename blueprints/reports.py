"""Reports that a plan repeats among its causes: who says where a sled is, and what rows say of sleds and groups.

They stand apart from the other rows of a snapshot, so that a blueprint is read without those. This file does not know
who is believed.
"""

from attrs import frozen

from blueprints.addresses import Address
from blueprints.ordering import Key
from blueprints.words import Word


class SledPolicy(Word):
    """What operators want of a sled."""

    IN_SERVICE = "in_service"
    NO_PROVISION = "no_provision"
    EXPUNGED = "expunged"


class SledState(Word):
    """What has become of a sled."""

    ACTIVE = "active"
    DECOMMISSIONED = "decommissioned"


class SpType(Word):
    """What a service processor sits in."""

    SLED = "sled"
    SWITCH = "switch"
    POWER = "power"


class GroupState(Word):
    """Life cycle of a group's row."""

    CREATING = "creating"
    ACTIVE = "active"
    DELETING = "deleting"


@frozen(kw_only=True)
class Peer:
    """A DDM peer of a switch, as ddmd reports it. Names a sled by host (its serial) or by its underlay address."""

    if_name: str | None = None
    addr: Address
    host: str
    kind: int
    """0 is a sled, 1 a switch."""

    status: str
    """``Exchange`` (``Active`` in older spelling) when the peer talks to us."""

    @property
    def sort_key(self) -> Key:
        """By interface, then by who answers there."""
        return (self.if_name or "", self.host, self.addr.key, self.kind, self.status)


@frozen(kw_only=True)
class ServiceProcessor:
    """Which board sits in which slot. A sled's slot is its cubby, 0 to 31."""

    type: SpType
    slot: int
    serial: str
    part: str

    @property
    def sort_key(self) -> Key:
        """By kind and slot."""
        return (self.type, self.slot, self.serial, self.part)
