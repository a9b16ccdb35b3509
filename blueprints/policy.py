"""Policy: what operators have settled for the whole rack. A snapshot has it, and the blueprint repeats it.

This file does not know what follows from it.
"""

from attrs import field, frozen

from blueprints.words import Word


class MemberPorts(Word):
    """Who writes the members of underlay groups on the switches."""

    CONTROLLER = "controller"
    DERIVED = "derived"


class ExternalEntry(Word):
    """On which switches the entry of an external group stands."""

    EVERY_SWITCH = "every_switch"
    ELECTED = "elected"


@frozen(kw_only=True)
class Policy:
    """What operators have settled for the whole rack."""

    multicast_enabled: bool = True
    """False: the plan is empty and removes nothing."""

    member_ports: MemberPorts = MemberPorts.CONTROLLER
    external_entry: ExternalEntry = ExternalEntry.EVERY_SWITCH

    orphan_grace_seconds: int = field(default=60)
    """How long a group may stand without live members, in seconds from its creation."""

    @orphan_grace_seconds.validator
    def _not_negative(self, _: object, seconds: int) -> None:
        if seconds < 0:
            raise ValueError(f"{seconds} is negative")
