"""The rack's own clock: it stands still until somebody moves it, or runs with a clock from outside.

What is due is done in order, each at its own time. Nothing here waits: whoever lets the clock run calls `advance`
now and then. This file does not know what is due.
"""

import asyncio
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from itertools import count

from attrs import define, field

Action = Callable[[], Awaitable[None] | None]


@define
class Clock:
    """Seconds since the rack started, and what is to be done at which of them."""

    _shown: float = 0.0
    """The time when the clock was last set or moved."""

    _outside: Callable[[], float] | None = None
    """What it runs with; None: it stands."""

    _outside_then: float = 0.0
    _due: list[tuple[float, int, Action]] = field(factory=list)
    _numbers: "count[int]" = field(factory=count)
    _moving: asyncio.Lock = field(factory=asyncio.Lock)

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return self._shown if self._outside is None else self._shown + self._outside() - self._outside_then

    def run(self, outside: Callable[[], float]) -> None:
        """Run with the clock *outside* from now on, in seconds."""
        self._shown, self._outside, self._outside_then = self.now, outside, outside()

    def stand(self) -> None:
        """Stand still from now on."""
        self._shown, self._outside = self.now, None

    def at(self, when: float, action: Action) -> None:
        """Do *action* once the clock reaches *when*; of two at one time the older first."""
        heappush(self._due, (when, next(self._numbers), action))

    async def advance(self, seconds: float) -> None:
        """Let *seconds* pass: everything that is due by then is done at its own time, what it orders included."""
        async with self._moving:
            end = self.now + seconds
            while self._due and self._due[0][0] <= end:
                when, _, action = heappop(self._due)
                self._move_to(when)
                waiting = action()
                if waiting is not None:
                    await waiting
            self._move_to(end)

    def _move_to(self, when: float) -> None:
        self._shown += max(when - self.now, 0.0)
