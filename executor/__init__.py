"""The executor: compares a blueprint with a rack and carries the difference out, in an order that loses nothing.

It decides nothing: every address, port, tag and next hop is the blueprint's. All that speaks to devices is a
coroutine; `asyncio.run` belongs to the caller. Asking DNS where a rack is stands apart, in `executor.discovery`: who
has an endpoints file need not load what that takes.
"""

from blueprints.run_report import Outcome
from executor import lean as _lean  # noqa: F401  # before anybody loads httpx
from executor.compare import Comparison, compare
from executor.execute import execute
from executor.fence import TargetStore
from executor.journal import JournalFile
from executor.limits import Allowances, Limits
from executor.observe import observe
from executor.report import Report
from executor.safeguards import Safeguards

__all__ = [
    "Allowances",
    "Comparison",
    "JournalFile",
    "Limits",
    "Outcome",
    "Report",
    "Safeguards",
    "TargetStore",
    "compare",
    "execute",
    "observe",
]
