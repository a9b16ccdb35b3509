"""Seats: what each instance does, and on which sleds of the plan; the same for all of its memberships.

This file does not know groups, nor what members ask for.
"""

from collections.abc import Iterable, Mapping, Set

from msgspec import Struct

from blueprints.causes import Apart
from blueprints.snapshot import InstanceState, MemberState, VmmState
from blueprints.written import WrittenInstance, WrittenMember, WrittenVmm
from planner.life_cycle import BY_VMM, LIFE_CYCLE, ON_SLED, PARKS, Effective, Verdict, placed

Port = tuple[str, str]
"""A process that hears, and its sled."""


class Seat(Struct, frozen=True, gc=False):
    """What an instance does, and where. A struct, because there are very many."""

    instance: str
    verdict: Verdict
    """WAITS where it needs a process on a sled and none that takes part has one."""

    home: str | None = None
    """The sled that the rows of members who receive should name."""

    ports: tuple[Port, ...] = ()
    """The processes that hear, by id: one, or two while the instance migrates."""

    wanted: bool = False
    """Some process would hear, wherever it is."""

    plain: bool = True
    """Nothing is to be said of it, and what it has its members have, whatever their rows say."""

    keeps: bool = False
    """It is stopping: only who has something keeps it."""

    located: bool = True
    """False: a process is on a sled of which nothing is known."""

    found: tuple[tuple[str, str], ...] = ()
    """Codes and messages, to be told of each member."""

    out_of_reach: tuple[tuple[Apart, str], ...] = ()
    """The processes that would hear, but for where they are: what is the matter with their sleds."""

    def outdates(self, row: WrittenMember) -> bool:
        """Return whether *row*, of a member that sits here, does not say what will be true once the plan is."""
        if self.verdict is Verdict.RECEIVES:
            return row.state is not MemberState.JOINED or row.sled_id != self.home
        return row.state in PARKS[self.verdict]


WAITING = Seat("", Verdict.WAITS)
"""Of an instance that is stopping, for a member that never had anything."""

REFUSED = Seat("", Verdict.REFUSED)
"""Of an instance that would hear, for a member that asked for what cannot be granted."""


def gone(instance: str) -> Seat:
    """Return the seat of an instance without a row."""
    said = (("member_instance_unknown", f"there is no instance {instance}"),)
    return Seat(instance, LIFE_CYCLE[Effective.GONE], plain=False, found=said)


def seats_of(instances: Iterable[WrittenInstance], takes_part: Mapping[str, bool]) -> dict[str, Seat]:
    """Return the seat of each of *instances*, by its id.

    Args:
        instances: the snapshot's.
        takes_part: of each sled of which something is known, whether it does.
    """
    names = {sled: sled for sled, its in takes_part.items() if its}  # one text for all: what is hot is quick to read
    return {row.id: _seat(row, takes_part, names) for row in instances}


RUNS: Set[VmmState] = frozenset(
    state for state in VmmState if ON_SLED[state] and LIFE_CYCLE[BY_VMM[state]] is Verdict.RECEIVES
)
"""Where an active VMM in that state receives, for an instance that does not migrate: nearly all of a rack."""


_HAS_VMM = InstanceState.VMM  # once: asking an enumeration for a member takes Python code
_RECEIVES = Verdict.RECEIVES


def _seat(instance: WrittenInstance, takes_part: Mapping[str, bool], names: Mapping[str, str]) -> Seat:
    active = instance.active_vmm
    if active is not None and active.state in RUNS and not instance.migration_id and instance.state is _HAS_VMM:
        sled = names.get(active.sled_id)
        if sled is not None:  # as all that follows would find, in the case of nearly all
            return Seat(instance.id, _RECEIVES, sled, ((active.id, sled),), wanted=True)
    verdict, wanted = placed(instance)
    if not wanted:
        return Seat(instance.id, verdict)
    return _spread(instance, verdict, wanted, takes_part)


def _spread(
    instance: WrittenInstance,
    verdict: Verdict,
    wanted: tuple[WrittenVmm, ...],
    takes_part: Mapping[str, bool],
) -> Seat:
    """Return the seat of an instance with processes that would hear, wherever they are."""
    hears = [vmm for vmm in wanted if takes_part.get(vmm.sled_id, False)]
    found = tuple(_out_of_reach(wanted, takes_part))
    return Seat(
        instance.id,
        verdict if hears else Verdict.WAITS,
        home=hears[0].sled_id if hears and verdict is Verdict.RECEIVES else None,
        ports=tuple(sorted((vmm.id, vmm.sled_id) for vmm in hears)),
        wanted=True,
        plain=verdict is not Verdict.KEEPS and not found,
        keeps=verdict is Verdict.KEEPS,
        located=all(vmm.sled_id in takes_part for vmm in wanted),
        found=found,
        out_of_reach=tuple(
            (Apart.SLED_OUT_OF_SERVICE if vmm.sled_id in takes_part else Apart.SLED_UNKNOWN, vmm.sled_id)
            for vmm in wanted
            if vmm not in hears
        ),
    )


def _out_of_reach(wanted: Iterable[WrittenVmm], takes_part: Mapping[str, bool]) -> Iterable[tuple[str, str]]:
    for vmm in wanted:
        known = takes_part.get(vmm.sled_id)
        if not known:
            code = "member_sled_unknown" if known is None else "member_sled_out_of_service"
            yield code, f"its VMM {vmm.id} is on sled {vmm.sled_id}"
