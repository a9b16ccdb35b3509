"""What people see: tables and lines in a terminal.

Every text that came from outside passes `rackcast.saying.safe`. This file does not know commands.
"""

import errno
import os
import re
import sys
from collections.abc import Iterable
from io import StringIO
from typing import NoReturn, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from blueprints.findings import Finding, Severity
from rackcast.saying import safe

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}

WHOLE = frozenset({"address", "underlay", "through", "switch", "group", "inner MAC"})
"""Columns that are never broken, however narrow the terminal."""

_NUMBER = re.compile(r"[0-9,]*")


class _Trimmed(StringIO):
    """Passes whole lines on without the blanks that pad tables: a file of them compares well."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream

    def write(self, text: str) -> int:
        super().write(text)
        *lines, rest = self.getvalue().split("\n")
        self.stream.write("".join(f"{line.rstrip()}\n" for line in lines))
        self.seek(0)
        self.truncate()
        super().write(rest)
        return len(text)


class _Console(Console):
    """A console that leaves it to the command line what becomes of it when nobody reads any more."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise what was caught, instead of ending the process with another exit code.

        Raises:
            BrokenPipeError: always.
        """
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console(*, error: bool = False) -> Console:
    """Return a console on standard output (or error), as wide as the terminal, 118 columns where there is none."""
    stream = sys.stderr if error else sys.stdout
    if stream.isatty():
        return _Console(file=stream, highlight=False, emoji=False)
    return _Console(file=_Trimmed(stream), highlight=False, emoji=False, width=118)


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """Return a table with a *title*; cells are made safe, `Text` cells keep their style."""
    made = Table(title=Text(safe(title), style="bold"), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    cells = [[cell if isinstance(cell, Text) else Text(safe(cell)) for cell in row] for row in rows]
    for place, column in enumerate(columns):
        numbers = bool(cells) and all(_NUMBER.fullmatch(row[place].plain) for row in cells)
        made.add_column(column, overflow="fold", justify="right" if numbers else "left", no_wrap=column in WHOLE)
    for row in cells:
        made.add_row(*row)
    return made


def findings_table(findings: Iterable[Finding]) -> Table:
    """Return *findings*, heaviest first, with their severities in colour."""
    rows = [(Text(f.severity.value, style=STYLES[f.severity]), f.code, f.subject, f.message) for f in findings]
    return table("Findings", ("severity", "code", "subject", "what"), rows)


def short(identifier: object) -> str:
    """Return the first block of a UUID: enough to recognise it by."""
    return str(identifier).split("-", maxsplit=1)[0]
