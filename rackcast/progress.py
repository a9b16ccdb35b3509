"""Progress of a run in a terminal: which stage, how many calls, how many failed.

This file does not know what a call does.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from executor.progress import CallFinished, Event, Observed, StageStarted, nobody
from executor.progress import Progress as Listener
from rackcast.saying import plural
from rackcast.terminal import console


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
def shown_progress(*, quiet: bool) -> Iterator[Listener]:
    """Yield a listener that draws on standard error if that is a terminal, else one that hears nothing."""
    out = console(error=True)
    if quiet or not out.is_terminal:
        yield nobody
        return
    columns = (
        TextColumn("{task.description:>24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[failed]}"),
    )  # fmt: skip
    with Progress(*columns, console=out) as bars:
        yield _Bars(bars)
