"""Bars in a terminal that show how far a run is. Loaded only where there is a terminal.

This file does not know what a call does.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from executor.progress import CallFinished, Event, Observed, StageStarted
from executor.progress import Progress as Listener
from rackcast.saying import plural
from rackcast.terminal import console

_COLUMNS = (
    TextColumn("{task.description:>24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    TextColumn("{task.fields[failed]}"),
)  # fmt: skip


class _Bars:
    """Draws one bar for each stage."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.task: TaskID | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case Observed():
                silent = f", {event.silent} silent" if event.silent else ""
                self.bars.console.print(f"read {plural(event.targets, 'daemon')}{silent}")
            case StageStarted():
                self.task = self.bars.add_task(", ".join(event.tiers), total=event.calls, failed="")
            case CallFinished() if self.task is not None:
                failed = f"[red]{event.failed} failed[/]" if event.failed else ""
                self.bars.update(self.task, completed=event.done, failed=failed)


@contextmanager
def drawn() -> Iterator[Listener]:
    """Yield a listener that draws on standard error."""
    with Progress(*_COLUMNS, console=console(error=True)) as bars:
        yield _Bars(bars)
