"""An event loop whose clock leaps: where every task waits for some time to pass, that time has passed at once.

Only for what takes place in one thread without sockets: work that goes on elsewhere is not waited for before the
clock leaps. This file does not know what is waited for.
"""

import asyncio
import selectors


class _Leaping(selectors.DefaultSelector):
    """Waits for nothing but what is there already; what would have been waited is added up."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; with nothing to come by itself, wait for what others send."""
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.now += timeout
        return ready


class LeapingLoop(asyncio.SelectorEventLoop):
    """For ``asyncio.Runner(loop_factory=LeapingLoop)``: hours of waiting take no time."""

    def __init__(self) -> None:
        """Start at zero."""
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        """Return the seconds since the start that were waited for."""
        return self._leaping.now
