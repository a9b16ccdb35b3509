"""Reads the datastore, all of it in one cut: groups, members, instances, sleds, inventory and address pools.

This file does not know what the rows mean, nor what a snapshot is made of besides.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from typing import Any, TypeVar
from uuid import UUID

from attrs import define, field

from blueprints.errors import InputRejectedError, Mistake
from blueprints.findings import Finding, sorted_findings
from blueprints.snapshot import Instance, Inventory, Member
from collector import rows, statements
from collector.rows import Build, Table
from collector.schema import DATASTORE, Feature
from collector.session import LIMITS, Answer, Cut, Limits, Row, reading
from collector.statements import PAGE, ParentKind, Statement
from collector.stored import SledBoard, Stored

T = TypeVar("T")

Progress = Callable[[str, int], None]
"""Told after each page: the table, and how many rows the page has."""


def _silent(_table: str, _count: int) -> None:
    return


def read(dsn: str, *, page: Progress = _silent, limits: Limits = LIMITS) -> Stored:
    """Return everything that the datastore at *dsn* knows of multicast, as of one moment.

    Args:
        dsn: a connection string, as libpq takes it.
        page: is told after each page.
        limits: how long this may take.

    Raises:
        InputRejectedError: no connection string, an unknown schema, or values that are not understood: all of them.
        DeviceError: the database cannot be reached, keeps silent or refuses; see `collector.session`.
    """
    with reading(dsn, limits) as cut:
        return read_cut(cut, page)


def read_cut(cut: Cut, page: Progress = _silent) -> Stored:
    """Return everything that *cut* knows of multicast; see `read`."""
    return _Reader(cut=cut, page=page).stored()


@define(eq=False, kw_only=True)
class _Reader:
    """One read: the cut, and what was found so far."""

    cut: Cut
    page: Progress
    mistakes: list[Mistake] = field(factory=list)
    findings: list[Finding] = field(factory=list)
    parents: dict[int, UUID] = field(factory=dict)
    """Instances that members are of, by number: hashing that costs a tenth of hashing a UUID."""

    def stored(self) -> Stored:
        """Return all of it, or raise with every value that cannot be taken."""
        schema = self.cut.schema
        has_groups = schema.has(Feature.GROUPS)
        groups = self._all(statements.groups(schema), rows.groups) if has_groups else []
        underlay_groups = self._all(statements.underlay_groups(), rows.underlay_groups) if has_groups else []
        live = self._members(statements.live_members(schema)) if has_groups else []
        gone = self._members(statements.tombstones(schema)) if has_groups else []
        instances = self._instances()
        sleds = self._all(statements.sleds(), rows.sleds)
        inventory, boards = self._inventory()
        pools = self._all(statements.pool_ranges(), rows.pool_ranges)
        if self.mistakes:
            raise InputRejectedError(DATASTORE, self.mistakes)
        return Stored(
            schema=schema.version,
            vendor=self.cut.vendor,
            transaction=self.cut.transaction,
            taken_at=self.cut.taken_at,
            sleds=tuple(sleds),
            inventory=inventory,
            boards=tuple(boards),
            groups=tuple(groups),
            underlay_groups=tuple(underlay_groups),
            members=(*live, *gone),
            instances=tuple(instances),
            pools=tuple(pools),
            findings=sorted_findings(self.findings),
        )

    def _all(self, statement: Statement, build: Build[T], *parameters: Any) -> list[T]:
        """Return the records of all pages that *statement* gives."""
        return self._records(statement, build, self._pages(statement, parameters))

    def _members(self, statement: Statement) -> list[Member]:
        """Return the members that *statement* gives, and note which instances they are of."""
        return self._records(statement, rows.members, self._noted(statement, self._pages(statement, ())))

    def _noted(self, statement: Statement, pages: Iterator[list[Row]]) -> Iterator[list[Row]]:
        names = [column.name for column in statement.columns]
        parent = names.index("parent_id")
        for page in pages:
            asked = page
            if "parent_kind" in names:
                kind = names.index("parent_kind")
                asked = [row for row in page if row[kind] == ParentKind.INSTANCE]
            self.parents |= {row[parent].int: row[parent] for row in asked}
            yield page

    def _instances(self) -> list[Instance]:
        """Return the instances that members are of, in order of their ids."""
        ids = [name for _, name in sorted(self.parents.items())]
        return self._records(statements.instances(), rows.instances, self._chunks(statements.instances(), ids))

    def _records(self, statement: Statement, build: Build[T], pages: Iterator[list[Row]]) -> list[T]:
        table = Table(statement, build, self.mistakes, self.findings)
        for page in pages:
            table.add(page)
            self.page(statement.table, len(page))
        return table.records

    # In both, the next page is asked for before one is handed on: the database and we work at the same time.

    def _pages(self, statement: Statement, parameters: Sequence[Any]) -> Iterator[list[Row]]:
        """Yield pages in the order of the key."""
        page = self.cut.ask(statement.text, (*parameters, *statement.first())).rows()
        while len(page) == PAGE:
            answer = self.cut.ask(statement.text, (*parameters, *statement.after(page[-1])))
            yield page
            page = answer.rows()
        yield page

    def _chunks(self, statement: Statement, ids: Sequence[UUID]) -> Iterator[list[Row]]:
        """Yield the rows of *ids*, a page for as many of them."""
        answer: Answer | None = None
        for start in range(0, len(ids), PAGE):
            page = None if answer is None else answer.rows()
            answer = self.cut.ask(statement.text, (ids[start : start + PAGE],))
            if page is not None:
                yield page
        if answer is not None:
            yield answer.rows()

    def _inventory(self) -> tuple[Inventory | None, list[SledBoard]]:
        """Return the latest collection, and what sleds say of themselves in it."""
        collections = self.cut.ask(statements.LATEST_COLLECTION).rows()
        self.page("inv_collection", len(collections))
        if not collections:
            return None, []
        [(name, completed_at, errors)] = collections
        boards = self._all(statements.sled_boards(), rows.sled_boards, name)
        inventory = Inventory(
            collection_id=name,
            completed_at=completed_at.astimezone(UTC),
            errors=errors,
            service_processors=self._all(statements.service_processors(), rows.service_processors, name),
        )
        return inventory, boards
