"""The rack's own clock: it stands still until somebody moves it, and what is due then is done in order.

Nothing here waits: a test that needs a minute to pass says so. This file does not know what is due.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from attrs import define, field


@define
class Clock:
    """Seconds since the rack started, and what is to be done at which of them."""

    now: float = 0.0
    _due: list[tuple[float, int, Callable[[], None]]] = field(factory=list)
    _numbers: "count[int]" = field(factory=count)

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Do *action* once the clock reaches *when*; of two at one time the older first."""
        heappush(self._due, (when, next(self._numbers), action))

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass: everything that is due by then is done at its own time, what it orders included."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            when, _, action = heappop(self._due)
            self.now = max(self.now, when)
            action()
        self.now = end
