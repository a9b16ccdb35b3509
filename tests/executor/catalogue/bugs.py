"""Bugs that the twins of several tables share.

This file does not know which rows they are for.
"""

from typing import Any

from executor.observe import Rack

TABLES_OF = Rack._tables


async def silence_is_emptiness(rack: Any, target: Any) -> Any:
    """Take what did not arrive for empty lists."""
    tables = await TABLES_OF(rack, target)
    empty = {"dpd": 3, "mgd": 2, "sled_agent": 3}[target.daemon.value]
    return ((),) * empty if isinstance(tables, str) else tables
