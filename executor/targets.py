"""Targets: the daemons of a rack that hold what a blueprint says, and which of them a blueprint names.

This file does not know what they hold, nor where they listen.
"""

from enum import StrEnum
from uuid import UUID

from attrs import field, frozen

from blueprints.blueprint import Content
from blueprints.identifiers import SwitchSlot


class Daemon(StrEnum):
    """The kinds of daemon that are written to."""

    DPD = "dpd"
    MGD = "mgd"
    SLED_AGENT = "sled_agent"


_RANKS = {daemon: rank for rank, daemon in enumerate(Daemon)}


@frozen(kw_only=True, repr=False)
class Target:
    """One daemon: its kind, and the switch slot or the sled that it serves."""

    daemon: Daemon
    place: str
    """``switch0``, ``switch1`` or a sled's UUID; the two daemons of a switch share their place."""

    sort_key: tuple[int, str] = field(init=False, eq=False)
    """Switches before sleds, dpd before mgd."""

    def __attrs_post_init__(self) -> None:
        """Fill in the key."""
        object.__setattr__(self, "sort_key", (_RANKS[self.daemon], self.place))

    @classmethod
    def dpd(cls, slot: SwitchSlot) -> "Target":
        """Return the target that programs the chip of the switch in *slot*."""
        return cls(daemon=Daemon.DPD, place=slot.value)

    @classmethod
    def mgd(cls, slot: SwitchSlot) -> "Target":
        """Return the target that keeps the multicast routes of the switch in *slot*."""
        return cls(daemon=Daemon.MGD, place=slot.value)

    @classmethod
    def sled(cls, sled: UUID) -> "Target":
        """Return the sled-agent of *sled*."""
        return cls(daemon=Daemon.SLED_AGENT, place=str(sled))

    def __str__(self) -> str:
        """Return the form that silences use, such as ``switch0 dpd`` or ``sled 5f0c…``."""
        return f"sled {self.place}" if self.daemon is Daemon.SLED_AGENT else f"{self.place} {self.daemon}"

    def __repr__(self) -> str:
        return f"Target({self})"


def targets_of(content: Content) -> tuple[Target, ...]:
    """Return every target that *content* names, in their order; a rack without multicast has none."""
    if not content.policy.multicast_enabled:
        return ()
    switches = [make(slot) for make in (Target.dpd, Target.mgd) for slot in content.switches]
    return tuple(sorted([*switches, *map(Target.sled, content.sleds)], key=lambda target: target.sort_key))
