"""Time by two clocks, and the lines that tell of it.

Processor time of this process does not depend on who else is at work on the machine; time on the wall is what people
wait. Ratios of both are taken within one round. This file does not know what is measured.
"""

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter, process_time
from typing import Any, Self

from attrs import frozen

from rackcast.bulk import bulk


@frozen
class Seconds:
    """How long something took, or at which time it was."""

    wall: float
    processor: float

    @classmethod
    def now(cls) -> Self:
        """Return the time of both clocks."""
        return cls(perf_counter(), process_time())

    def since(self, begun: "Seconds") -> "Seconds":
        """Return what has passed since *begun*."""
        return Seconds(self.wall - begun.wall, self.processor - begun.processor)

    def beside(self, floor: "Seconds") -> "Seconds":
        """Return the ratios to *floor*."""
        return Seconds(self.wall / floor.wall, self.processor / floor.processor)


def taken(step: Callable[[], Any]) -> Seconds:
    """Return how long *step* takes, without the collector of cycles, as commands do bulk work."""
    with bulk():
        begun = Seconds.now()
        step()
        return Seconds.now().since(begun)


def row(what: str, measured: str, goal: str = "") -> None:
    """Print one line of the table."""
    print(f"{what:72}{measured:>44}   {goal}", flush=True)


def ratios(what: str, rounds: Sequence[Seconds], goal: str = "") -> None:
    """Print the medians of the rounds' ratios by both clocks."""
    processor, wall = median(each.processor for each in rounds), median(each.wall for each in rounds)
    row(what, f"{processor:.2f} x (processor), {wall:.2f} x (wall)", goal)


def demand(truth: bool, otherwise: object) -> None:
    """End the benchmark if it does not measure what it should."""
    if not truth:
        raise SystemExit(f"this is not what was to be measured: {otherwise}")
