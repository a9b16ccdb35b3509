"""Plays events: at once, or when the rack's clock has come so far; and keeps a record of them.

This file does not know HTTP, nor what becomes of rows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from attrs import define, field

from blueprints.errors import FieldError, InputRejectedError, Mistake, SilentError
from blueprints.snapshot import Snapshot
from simrack.life.events import Event
from simrack.life.state import Fields, How, Life, machine_of, machines, the_sled
from simrack.web.faults import Faults
from simrack.web.versions import DaemonKind
from simrack.world import World

_AS_FAULTS: Mapping[How, str] = MappingProxyType({How.SILENT: "timeout_before", How.REFUSED: "refuse"})
"""How a call ends that reaches a daemon which is down."""


@define
class Entry:
    """An event on record."""

    event: Event
    played_at: float | None = None
    """Seconds on the rack's clock; None: it is to come."""

    refused: str | None = None
    """Why it could not be, if so."""

    def to_json(self) -> dict[str, Any]:
        """Return the event for the control interface."""
        return {"event": dict(self.event.told), "played_at": self.played_at, "refused": self.refused}


@define(eq=False)
class Player:
    """Whoever lets things happen to a rack."""

    world: World
    faults: Faults
    restart: Callable[[str, bool], None]
    """Restarts a target at once; True keeps what outlives it."""

    enter: Callable[[Snapshot], Awaitable[None]]
    """Lets the world move on."""

    refuse: Callable[[Entry], None]
    """Told of each event of a story that could not be."""

    log: list[Entry] = field(factory=list)
    _made: int = 0
    _one_by_one: asyncio.Lock = field(factory=asyncio.Lock)

    @property
    def life(self) -> Life:
        """Where the rack stands."""
        return Life(snapshot=self.world.snapshot, down=self.world.down, made=self._made)

    async def play(self, event: Event) -> None:
        """Let *event* happen now.

        Raises:
            InputRejectedError: it cannot be, or the datastore cannot hold it; nothing has happened.
            SilentError: the datastore does not answer; nothing has happened.
        """
        entry = Entry(event)
        self.log.append(entry)
        try:
            await self._play(entry)
        except (InputRejectedError, SilentError):
            self.log.remove(entry)
            raise

    def schedule(self, event: Event) -> None:
        """Let *event* happen when the clock reaches its time; refusals are kept in the record."""
        entry = Entry(event)
        self.log.append(entry)
        self.world.clock.at(event.at or 0.0, partial(self._due, entry))

    def withdraw(self) -> None:
        """Let nothing happen that is still to come, and forget what did."""
        self.log = []

    async def _due(self, entry: Entry) -> None:
        if not any(listed is entry for listed in self.log):
            return
        try:
            await self._play(entry)
        except (InputRejectedError, SilentError) as error:
            entry.played_at, entry.refused = self.world.clock.now, str(error)
            self.refuse(entry)

    async def _play(self, entry: Entry) -> None:
        event = entry.event
        async with self._one_by_one:
            before = self.life
            try:
                after = event.change(before)
            except FieldError as error:
                raise InputRejectedError("event", [Mistake(error.field, str(error))]) from None
            if after.snapshot != before.snapshot:
                cables = dict(self.world.moved)
                await self.enter(after.snapshot)
                self.world.move(cables)
            self._made, entry.played_at = after.made, self.world.clock.now
            self._take_down(after)
            act = _ACTS.get(event.kind)
            if act is not None:
                act(self, after, event.fields)

    def _take_down(self, life: Life) -> None:
        """Let the daemons of all machines that are down, and no others, be out of reach."""
        every = machines(life.snapshot)
        self.world.down = dict(life.down)
        self.faults.take_down(
            {target: _AS_FAULTS[How(how)] for name, how in life.down.items() for target in every[name]}
        )


def _come_back(player: Player, life: Life, fields: Fields) -> None:
    """Without power only mgd's store on disk is kept."""
    if fields.get("rebooted", True):
        machine = machine_of(life.snapshot, fields["machine"])
        for target in machines(life.snapshot)[machine]:
            player.restart(target, target.endswith(f" {DaemonKind.MGD}"))


def _restart(player: Player, life: Life, fields: Fields) -> None:
    player.restart(machine_of(life.snapshot, fields["target"], "target"), fields["keep_state"])


def _plug(player: Player, life: Life, fields: Fields) -> None:
    player.world.move({the_sled(life, fields, "sled").id: fields["cubby"]})


def _order(player: Player, _: Life, fields: Fields) -> None:
    player.faults.add(fields["fault"])


def _calm(player: Player, _: Life, __: Fields) -> None:
    player.faults.clear()


_ACTS: Mapping[str, Callable[[Player, Life, Fields], None]] = MappingProxyType(
    {"return": _come_back, "restart": _restart, "plug": _plug, "fault": _order, "calm": _calm}
)
"""What events do to machines, besides what they do to rows."""
