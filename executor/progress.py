"""What a run tells while it is under way, as small typed events for whoever listens.

This file does not know how events are shown.
"""

from collections.abc import Callable

from attrs import define, frozen

from executor.exchanges import Exchange


@frozen(kw_only=True)
class Observed:
    """The rack was read."""

    targets: int
    silent: int


@frozen(kw_only=True)
class StageStarted:
    """Calls of these tiers are being sent."""

    tiers: tuple[str, ...]
    calls: int


@frozen(kw_only=True)
class CallFinished:
    """One more call has an outcome. Numbers are those of the stage."""

    done: int
    total: int
    failed: int


Event = Observed | StageStarted | CallFinished | Exchange
Progress = Callable[[Event], None]
"""Who listens; called from the event loop, so it must return at once."""


def nobody(event: Event) -> None:
    """Listen to nothing."""
    del event


@define(kw_only=True)
class Counter:
    """Calls of one stage that have an outcome."""

    total: int
    progress: Progress
    done: int = 0
    failed: int = 0

    def finished(self, *, well: bool) -> None:
        """Count one call and tell."""
        self.done += 1
        self.failed += not well
        self.progress(CallFinished(done=self.done, total=self.total, failed=self.failed))
