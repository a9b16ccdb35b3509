"""What is going to happen to a rack from its start on: faults, events, and how its clock runs.

This file does not know how any of it is played.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from attrs import frozen

from blueprints.snapshot import Snapshot
from simrack.daemons import targets_of
from simrack.fault_orders import FaultReader
from simrack.life.events import Event, EventReader
from simrack.life.state import Life
from simrack.web.faults import Fault
from simrack.world import World

TICK_SECONDS = 0.05
"""How late something may happen on a clock that runs."""


@frozen(kw_only=True)
class Plot:
    """Everything that was ordered before the start."""

    faults: tuple[Fault, ...] = ()
    events: tuple[Event, ...] = ()
    populate_peers: bool = False
    clock: Callable[[], float] | None = None
    """What the rack's clock runs with, in seconds; None: it stands until somebody moves it."""


def faults_from(document: Any, source: str, snapshot: Snapshot) -> tuple[Fault, ...]:
    """Return the faults that *document* orders for the rack of *snapshot*.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    return FaultReader(targets_of(snapshot)).document(document, source)


def story_from(document: Any, source: str, snapshot: Snapshot) -> tuple[Event, ...]:
    """Return the events of the story in *document* for the rack of *snapshot*, rehearsed.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    reader = EventReader(FaultReader(targets_of(snapshot)))
    return reader.story(document, source, Life(snapshot=snapshot))


async def keep_time(world: World) -> None:
    """Let what is due happen while the clock of *world* runs, until this is cancelled."""
    while True:
        await asyncio.sleep(TICK_SECONDS)
        if not world.held:
            await world.clock.advance(0)
