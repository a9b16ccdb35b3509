"""Results as a table for people, and as an exit code.

This file does not know how results came about.
"""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.conformance.runner import Result

SAME, DIFFERENT, NOTHING = 0, 1, 3


def exit_code(results: Sequence[Result]) -> int:
    """0: all that was compared is the same. 1: something differs. 3: nothing was compared, which proves nothing."""
    if any(result.differences for result in results):
        return DIFFERENT
    return SAME if any(result.skipped is None for result in results) else NOTHING


def show(console: Console, results: Sequence[Result]) -> None:
    """Print what differs and what was skipped, then the numbers."""
    different = [result for result in results if result.differences]
    if different:
        table = Table("case", "difference", "rule", title="Different", title_justify="left", show_lines=True)
        for result in different:
            table.add_row(Text(result.case.name), Text("\n".join(result.differences)), Text(result.case.shows))
        console.print(table)
    skipped = Counter((result.case.daemon, result.skipped) for result in results if result.skipped is not None)
    if skipped:
        table = Table("daemon", "cases", "why", title="Not compared", title_justify="left")
        for (daemon, reason), number in sorted(skipped.items(), key=str):
            table.add_row(daemon, str(number), Text(str(reason)))
        console.print(table)
    compared = [result for result in results if result.skipped is None]
    calls = sum(result.calls for result in compared)
    console.print(
        f"{len(compared)} cases with {calls} calls compared, {len(different)} different; "
        f"{len(results) - len(compared)} not compared",
        highlight=False,
    )
