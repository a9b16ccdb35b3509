"""Options that say how long a run may take and where it is logged.

This file does not know what a run does.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from typing import Any, Protocol

import click
from attrs import evolve, frozen

from blueprints.blueprint import Blueprint
from executor.limits import Limits
from executor.progress import Progress as Listener
from rackcast.logs import opened

Command = Callable[..., Any]


def _finite(_: click.Context, __: click.Parameter, seconds: float | None) -> float | None:
    if seconds is not None and not isfinite(seconds):
        raise click.BadParameter(f"{seconds} is no time that passes")
    return seconds


def pace_options(command: Command) -> Command:
    """Add the options that `Pace.taken` takes."""
    command = click.option(
        "--log", metavar="FILE", help="Append a line of JSON for each request to FILE; - is standard error."
    )(command)
    return click.option(
        "--deadline",
        type=click.FloatRange(min=0, min_open=True),
        callback=_finite,
        metavar="SECONDS",
        help="Begin no write after so long, and wait no longer for what is only read; the rest is owed. "
        f"[default: {Limits().run_seconds:g}]",
    )(command)


class Lines(Protocol):
    """What a log is to a command."""

    def line(self, event: str, **said: Any) -> None:
        """Write one line."""

    def heard(self, shown: Listener) -> Listener:
        """Return a listener that logs requests, and hands everything else on to *shown*."""


class NoLog:
    """A log that nobody asked for."""

    def line(self, event: str, **said: Any) -> None:
        """Write nothing."""

    def heard(self, shown: Listener) -> Listener:
        """Return *shown* itself."""
        return shown


@frozen(kw_only=True)
class Pace:
    """How long a run may take, and where it is logged."""

    deadline: float | None = None
    log: str | None = None

    @classmethod
    def taken(cls, options: dict[str, Any]) -> "Pace":
        """Return what the options ask for, and take them out of *options*."""
        return cls(deadline=options.pop("deadline"), log=options.pop("log"))

    @property
    def limits(self) -> Limits:
        """What the run keeps to."""
        return Limits() if self.deadline is None else evolve(Limits(), run_seconds=self.deadline)

    @contextmanager
    def logged(self, command: str, blueprint: Blueprint | None) -> Iterator[Lines]:
        """Yield the log of a *command*; one that hears nothing if none is asked for.

        Raises:
            OSError: it cannot be opened.
        """
        if self.log is None:
            yield NoLog()
            return
        named = {} if blueprint is None else {"blueprint": blueprint.id, "generation": blueprint.generation}
        with opened(self.log, command=command, **named) as log:
            log.line("begin", deadline=self.limits.run_seconds)
            yield log
