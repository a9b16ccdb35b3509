"""The one way from text to a terminal: names are chosen by tenants, daemons say what they like, a terminal obeys.

Whatever is printed passes `safe`: here line by line, in tables cell by cell (`rackcast.terminal`). JSON is escaped
where it is made (`blueprints.text`). This file does not know what is said.
"""

from contextlib import nullcontext, suppress
from traceback import format_exception
from types import TracebackType
from unicodedata import category

import click

from blueprints.errors import InputRejectedError

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a terminal may act on instead of showing."""


def safe(value: object) -> str:
    """Return *value* as text in which nothing can steer a terminal: such characters are shown as escapes."""
    text = str(value)
    if text.isprintable():  # which is stricter: it is false for any blank but the usual one as well
        return text
    return "".join(char.encode("unicode_escape").decode() if category(char) in HIDDEN else char for char in text)


def say(line: object, *, error: bool = False) -> None:
    """Print one line on standard output (or error); nothing in it can begin another line.

    An error that nobody can read any more is left unsaid: the exit code tells it.
    """
    with suppress(OSError) if error else nullcontext():
        click.echo(safe(line), err=error)


def say_rejected(error: InputRejectedError) -> None:
    """Print on standard error what was rejected: one mistake of the whole in one line, others a line each."""
    if len(error.mistakes) == 1 and not error.mistakes[0].path:
        say(f"{error.source}: {error.mistakes[0].message}", error=True)
        return
    say(f"{error.source}: {plural(len(error.mistakes), 'mistake')}", error=True)
    for mistake in error.mistakes:
        say(f"  {mistake}", error=True)


def say_unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error that nobody expected, and the way to it: its words can be from outside."""
    for part in format_exception(kind, error, trace):
        for line in part.splitlines():
            say(line, error=True)


def plural(count: int, noun: str) -> str:
    """Return ``1 group`` or ``2 groups``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
