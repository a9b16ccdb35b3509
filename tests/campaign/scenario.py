"""A seed becomes a scenario: what the rack holds at first, what becomes of it, and all that goes wrong on the way.

`scenario` is a pure function: whatever is random is drawn here. What somebody else must have answered first (which
underlay address a group was given, which run came to an end) is left to whoever plays it.

This file does not know the executor, nor how a scenario is played.
"""

from collections.abc import Mapping
from random import Random
from types import MappingProxyType
from typing import Any

from attrs import evolve, frozen

from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Snapshot
from tests.campaign.changes import CHANGES
from tests.campaign.rows import Rows, first_rows

Options = Mapping[str, Any]


@frozen(kw_only=True)
class FaultOrder:
    """Something that goes wrong once a number of calls were made."""

    after: int
    """How many calls of this attempt come first."""

    target: str
    kind: str
    options: Options = MappingProxyType({})


@frozen(kw_only=True)
class Death:
    """Where an attempt is killed."""

    write: int
    """During which call that is no read, 1 being the first; or during which writing of the journal."""

    moment: str
    """``before`` or ``after`` a call has its effect; ``journal before``, ``journal half``, ``journal after``."""


@frozen(kw_only=True)
class Attempt:
    """One run of the executor, and what happens to it."""

    faults: tuple[FaultOrder, ...] = ()
    death: Death | None = None
    full_disk: bool = False
    """The journal cannot be written."""

    overtaken: int | None = None
    """After so many calls that are no reads another blueprint becomes the target."""

    pace: int = 0
    """What the times of calls are drawn from."""


@frozen(kw_only=True)
class Chapter:
    """What the rack has become, what is seen of it, and how often that is carried out."""

    world: Snapshot
    seen: Snapshot
    down: tuple[str, ...] = ()
    """Targets that answer nothing in this chapter."""

    reboots: tuple[str, ...] = ()
    """Targets that lose everything before it begins."""

    attempts: tuple[Attempt, ...]


@frozen(kw_only=True)
class Planted:
    """What stands in the rack before the first run."""

    foreign: tuple[str, ...]
    """What of somebody else's; see `tests.campaign.planted`."""

    leftovers: tuple[str, ...]
    """What earlier runs left behind."""

    pace: int
    """What their addresses and places are drawn from."""


@frozen(kw_only=True)
class Scenario:
    """A whole history."""

    seed: int
    planted: Planted
    chapters: tuple[Chapter, ...]


FOREIGN = ("group", "route", "mapping", "group in our place", "forwarding")
LEFTOVERS = ("group", "mapping", "forwarding", "route")

LOST = ("refuse", "timeout_before", "timeout_after", "late_effect", "half_open", "status")
"""No answer, or another one instead of the effect."""

SPOILT = (
    *("slow_body", "truncated_body", "stalled_head", "not_http"),
    *("content_type", "byte_order_mark", "empty_body", "not_a_number", "duplicate_key", "deep_nesting"),
)
"""The effect, but for the one that is no HTTP, and an answer that proves nothing."""

RESTARTS = ("restart_empty", "restart_with_state")
WITHIN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "dpd": ("entry_missing", "port_add", "no_multicast"),
        "mgd": (),
        "sled": ("nic_join", "m2p_clear", "ports_die", "slow_engine", "unknown_vmm"),
    }
)
"""Faults that strike inside a daemon, by its kind."""

STATUSES = (400, 404, 409, 410, 418, 429, 500, 501, 502, 503, 504, 507)


def scenario(seed: int) -> Scenario:
    """Return the history that *seed* stands for."""
    random = Random(seed)
    rows = first_rows(random)
    planted = Planted(
        foreign=_some(random, FOREIGN, 25), leftovers=_some(random, LEFTOVERS, 25), pace=random.getrandbits(32)
    )
    chapters = []
    lost: frozenset[SwitchSlot] = frozenset()
    for number in range(random.randint(2, 4)):
        for _ in range(random.randint(1, 4) if number else 0):
            random.choice(CHANGES)(rows)
        lost = frozenset() if lost or random.random() > 0.15 else frozenset([random.choice(tuple(SwitchSlot))])
        chapters.append(_chapter(rows, lost))
    return Scenario(seed=seed, planted=planted, chapters=tuple(chapters))


def _some(random: Random, things: tuple[str, ...], percent: int) -> tuple[str, ...]:
    return tuple(thing for thing in things if random.random() * 100 < percent)


def _chapter(rows: Rows, lost: frozenset[SwitchSlot]) -> Chapter:
    world, random = rows.snapshot, rows.random
    targets = targets_of(world)
    sleds = [target for target in targets if target.startswith("sled")]
    return Chapter(
        world=world,
        seen=_seen(rows, world, lost),
        down=tuple(random.sample(targets, 1)) if random.random() < 0.15 else (),
        reboots=tuple(random.sample(sleds if random.random() < 0.5 else targets, 1)) if random.random() < 0.2 else (),
        attempts=tuple(_attempt(random, targets) for _ in range(random.choice((1, 1, 1, 2)))),
    )


def _seen(rows: Rows, world: Snapshot, lost: frozenset[SwitchSlot]) -> Snapshot:
    """Return what a collection learns of *world*: a switch may be missing, and all that says where sleds are."""
    seen = evolve(world, switches={slot: row for slot, row in world.switches.items() if slot not in lost})
    return evolve(seen, inventory=None) if rows.chance(10) else seen


def targets_of(world: Snapshot) -> list[str]:
    """Return the daemons that are written to, as faults name them."""
    switches = [f"{slot.value} {daemon}" for slot in world.switches for daemon in ("dpd", "mgd")]
    return [*switches, *(f"sled {sled.id}" for sled in world.sleds)]


def _attempt(random: Random, targets: list[str]) -> Attempt:
    faults = tuple(_fault(random, targets) for _ in range(random.choice((0, 1, 2, 3, 5, 8))))
    return Attempt(
        faults=tuple(sorted(faults, key=lambda fault: fault.after)),
        death=_death(random) if random.random() < 0.45 else None,
        full_disk=random.random() < 0.06,
        overtaken=random.randint(1, 15) if random.random() < 0.1 else None,
        pace=random.getrandbits(32),
    )


def _fault(random: Random, targets: list[str]) -> FaultOrder:
    target = random.choice(targets)
    within = WITHIN[target.partition(" ")[0] if target.startswith("sled") else target.rpartition(" ")[2]]
    kind = random.choice((*LOST, *LOST, *LOST, *SPOILT, *RESTARTS, *RESTARTS, *within, *within))
    options: dict[str, Any] = {"times": random.choice((1, 1, 2, 3, 5))}
    if kind not in within:
        options["method"] = random.choice((None, None, "GET", "POST", "PUT", "PUT", "DELETE"))
    if kind == "status":
        options["status"] = random.choice(STATUSES)
    elif kind == "unknown_vmm":
        options["status"] = random.choice((204, 404, 500))
    return FaultOrder(after=random.randint(0, 80), target=target, kind=kind, options=options)


def _death(random: Random) -> Death:
    moments = ("before", "after", "after", "journal before", "journal half", "journal after")
    moment = random.choice(moments)
    return Death(write=random.randint(1, 2 if moment.startswith("journal") else 40), moment=moment)
