"""The executor: compares a blueprint with a rack and carries the difference out, in an order that loses nothing.

It decides nothing: every address, port, tag and next hop is the blueprint's. All that speaks to devices is a
coroutine; `asyncio.run` belongs to the caller.
"""

from executor.execute import execute
from executor.observe import observe
from executor.report import Report

__all__ = ["Report", "execute", "observe"]
