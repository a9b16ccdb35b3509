"""Seats: what each instance does, and on which sleds of the plan; the same for all of its memberships.

This file does not know groups or members.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from msgspec import Struct

from blueprints.causes import Apart
from blueprints.snapshot import Instance, Vmm
from planner.life_cycle import LIFE_CYCLE, Effective, Verdict, placed


class Seat(Struct, frozen=True, gc=False):
    """What an instance does, and where. A struct, because there are very many."""

    verdict: Verdict
    """WAITS where it needs a process on a sled and none that takes part has one."""

    wanted: tuple[Vmm, ...] = ()
    """The processes that would hear, wherever they are."""

    hears: tuple[Vmm, ...] = ()
    """Those of them whose sled takes part."""

    sleds: tuple[int, ...] = ()
    """The sleds of these, by number."""

    keeps: bool = False
    """It is stopping: only who has something keeps it."""

    located: bool = True
    """False: a process is on a sled of which nothing is known."""

    found: tuple[tuple[str, str], ...] = ()
    """Codes and messages, to be told of each member."""

    out_of_reach: tuple[tuple[Apart, UUID], ...] = ()
    """The processes that would hear, but for where they are: what is the matter with their sleds."""


GONE = Seat(LIFE_CYCLE[Effective.GONE])
"""Of an instance without a row."""

WAITING = Seat(Verdict.WAITS)
"""Of an instance that is stopping, for a member that never had anything."""


def seats_of(instances: Iterable[Instance], takes_part: Mapping[int, bool]) -> dict[int, Seat]:
    """Return the seat of each of *instances*, by the number of its id.

    Args:
        instances: the snapshot's.
        takes_part: of each sled of which something is known, by number, whether it does.
    """
    return {row.id.int: _seat(row, takes_part) for row in instances}


def _seat(instance: Instance, takes_part: Mapping[int, bool]) -> Seat:
    verdict, wanted = placed(instance)
    sleds = tuple([vmm.sled_id.int for vmm in wanted])
    for sled in sleds:
        if not takes_part.get(sled, False):
            return _astray(verdict, wanted, takes_part)
    return Seat(verdict, wanted, wanted, sleds, verdict is Verdict.KEEPS)


def _astray(verdict: Verdict, wanted: tuple[Vmm, ...], takes_part: Mapping[int, bool]) -> Seat:
    """Return the seat of an instance of which a process is where nobody hears."""
    hears = tuple(vmm for vmm in wanted if takes_part.get(vmm.sled_id.int, False))
    return Seat(
        verdict=verdict if hears else Verdict.WAITS,
        wanted=wanted,
        hears=hears,
        sleds=tuple(vmm.sled_id.int for vmm in hears),
        keeps=verdict is Verdict.KEEPS,
        located=all(vmm.sled_id.int in takes_part for vmm in wanted),
        found=tuple(_out_of_reach(wanted, takes_part)),
        out_of_reach=tuple(
            (Apart.SLED_OUT_OF_SERVICE if vmm.sled_id.int in takes_part else Apart.SLED_UNKNOWN, vmm.sled_id)
            for vmm in wanted
            if vmm not in hears
        ),
    )


def _out_of_reach(wanted: Iterable[Vmm], takes_part: Mapping[int, bool]) -> Iterable[tuple[str, str]]:
    for vmm in wanted:
        known = takes_part.get(vmm.sled_id.int)
        if not known:
            code = "member_sled_unknown" if known is None else "member_sled_out_of_service"
            yield code, f"its VMM {vmm.id} is on sled {vmm.sled_id}"
