"""How tables are described, and the SQL that makes them: what PostgreSQL and CockroachDB both take.

Everything carries the schema versions in which it stands, so that one description serves all of them. This file does
not know which tables there are.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from attrs import frozen

OLDEST = 199
"""The first schema version described: pools have got a type."""


@frozen(kw_only=True)
class Dated:
    """Something that stands in some schema versions."""

    since: int = OLDEST
    until: int | None = None
    """The first version without it."""

    def stands_in(self, schema: int) -> bool:
        """Return whether *schema* has it."""
        return self.since <= schema and (self.until is None or schema < self.until)


@frozen
class EnumType(Dated):
    """A type with named values, in their order."""

    name: str
    values: tuple[str, ...]


@frozen
class Sequence(Dated):
    """Where a column's default takes its numbers from."""

    name: str


@frozen
class Column(Dated):
    """A column; NOT NULL unless *null*."""

    name: str
    type: str
    null: bool = False
    default: str | None = None

    @property
    def sql(self) -> str:
        """Its line in CREATE TABLE."""
        default = "" if self.default is None else f" DEFAULT {self.default}"
        return f"{self.name} {self.type}{'' if self.null else ' NOT NULL'}{default}"


@frozen
class Check(Dated):
    """A condition that every row meets."""

    name: str
    condition: str


@frozen
class Index(Dated):
    """An index over some columns and, with *where*, over some rows."""

    name: str
    columns: str
    where: str | None = None
    unique: bool = False


@frozen
class Table(Dated):
    """A table with all that it has in any version."""

    name: str
    columns: tuple[Column, ...]
    key: str = "id"
    checks: tuple[Check, ...] = ()
    indexes: tuple[Index, ...] = ()


@frozen
class Definition:
    """One statement and what it makes."""

    kind: str
    """``TABLE``, ``TYPE``, ``SEQUENCE`` or ``INDEX``: what DROP calls it."""

    name: str
    sql: str


D = TypeVar("D", bound=Dated)


def standing(things: Iterable[D], schema: int) -> Iterator[D]:
    """Yield those *things* that *schema* has."""
    return (thing for thing in things if thing.stands_in(schema))


def statements(things: Iterable[Dated], schema: int) -> Iterator[Definition]:
    """Yield what makes those *things* that *schema* has, in their order; tables bring their indexes."""
    for thing in standing(things, schema):
        match thing:
            case EnumType(name, values):
                listed = ", ".join(f"'{value}'" for value in values)
                yield Definition("TYPE", name, f"CREATE TYPE {name} AS ENUM ({listed})")
            case Sequence(name):
                yield Definition("SEQUENCE", name, f"CREATE SEQUENCE {name}")
            case Table():
                yield _table(thing, schema)
                yield from (_index(thing, index) for index in standing(thing.indexes, schema))


def _table(table: Table, schema: int) -> Definition:
    lines = [column.sql for column in standing(table.columns, schema)]
    lines += [f"CONSTRAINT {check.name} CHECK ({check.condition})" for check in standing(table.checks, schema)]
    lines.append(f"PRIMARY KEY ({table.key})")
    return Definition("TABLE", table.name, f"CREATE TABLE {table.name} (\n    " + ",\n    ".join(lines) + "\n)")


def _index(table: Table, index: Index) -> Definition:
    unique = "UNIQUE " if index.unique else ""
    where = "" if index.where is None else f" WHERE {index.where}"
    sql = f"CREATE {unique}INDEX {index.name} ON {table.name} ({index.columns}){where}"
    return Definition("INDEX", index.name, sql)
