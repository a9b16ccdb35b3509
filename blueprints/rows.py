"""Rows that stay as they are written until somebody looks at them.

Most of a large rack's rows are only passed on: from a file to a plan, from a plan to a file. This file does not know
which rows there are, nor what they mean.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from blueprints.ordering import AsWritten, InOrder
from blueprints.written import records_of, written_rows


class Rows(Sequence[Any], AsWritten):
    """Records in the order in which they stand, equal to a tuple of them; made when the first is asked for."""

    __slots__ = ("_records", "kind", "written")

    def __init__(self, kind: type[Any], written: Sequence[Any]) -> None:
        """Keep *written*, the rows of *kind* as they are written, canonical and in order; nobody changes them."""
        self.kind = kind
        self.written = written if isinstance(written, list) else list(written)
        self._records: tuple[Any, ...] | None = None

    @property
    def records(self) -> tuple[Any, ...]:
        """The rows as records."""
        if self._records is None:
            self._records = InOrder(records_of(self.kind, self.written))
        return self._records

    def __len__(self) -> int:
        return len(self.written)

    def __getitem__(self, place: Any) -> Any:
        return self.records[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.records)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, tuple | Rows):
            return NotImplemented
        if len(other) != len(self.written) or not self.written:
            return len(other) == len(self.written)
        kind = other.kind if isinstance(other, Rows) else other[0].__class__
        return kind is self.kind and self.written == written(other)

    def __add__(self, other: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*self.records, *other)

    def __mul__(self, times: int) -> tuple[Any, ...]:
        return self.records * times

    def __hash__(self) -> int:
        return hash(self.records)

    def __repr__(self) -> str:
        return repr(self.records)


def unread(kind: type[Any], rows: Sequence[Any]) -> Any:
    """Return `Rows` of *kind*, written as *rows* say, for where a tuple of them is declared."""
    return Rows(kind, rows)


def written(rows: Sequence[Any]) -> Sequence[Any]:
    """Return records or UUIDs as they are written; for `Rows` nothing is done."""
    if isinstance(rows, Rows):
        return rows.written
    return written_rows(rows[0].__class__, rows) if rows else ()
