"""What the database's error states (SQLSTATE) mean to whoever runs the command.

Source:
    PostgreSQL, appendix A, Error Codes; CockroachDB takes the same codes and adds those that begin with XXC.

This file does not know connections.
"""

from collections.abc import Mapping
from types import MappingProxyType

from blueprints.errors import DeviceError

STATES: Mapping[str, str] = MappingProxyType(
    {
        "08": "the connection was lost",
        "22": "a value that the database cannot take",
        "23": "a rule of the table forbids it",
        "25006": "the transaction is read-only",
        "25P03": "the transaction stood idle for too long and was ended",
        "28": "not let in",
        "3D000": "no such database",
        "40": "in conflict with another transaction, or with recovery",
        "42501": "the database user may not do that",
        "42703": "no such column: the tables are not those of the schema version",
        "42P01": "no such table: not the control plane's database, or not its schema",
        "53": "the database is out of a resource",
        "57014": "took longer than a statement may, or was cancelled",
        "57P": "the database is starting or stopping",
        "XX": "an internal failure of the database",
        "XXC": "not licensed",
    }
)
"""Beginning of a state -> meaning; the longest beginning that fits counts."""

SILENT_STATES = frozenset({"08", "25P03", "57014", "57P01", "57P02", "57P03", "57P05"})
"""States, and classes of states, after which nobody knows what became of a statement."""

UNDEFINED_TABLE = "42P01"

UNLICENSED_STATES = frozenset({"XXC01", "XXC02"})
"""CockroachDB: a feature that needs another build, or a licence."""


def meaning(state: str) -> str:
    """Return what *state* means, with the state itself.

    >>> meaning("28P01")
    'not let in (SQLSTATE 28P01)'
    """
    fitting = [STATES[state[:length]] for length in range(5, 1, -1) if state[:length] in STATES]
    return f"{fitting[0] if fitting else 'refused'} (SQLSTATE {state})"


class DatastoreRefusedError(DeviceError):
    """The database answered with an error: what was asked had no effect."""

    def __init__(self, sqlstate: str | None, message: str) -> None:
        """Keep the *sqlstate*; None where the database refused before a session stood."""
        self.sqlstate = sqlstate
        super().__init__(message)
