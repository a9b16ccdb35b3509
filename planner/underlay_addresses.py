"""Pass 5: the underlay address of each group.

Needs      ``draft.groups``; underlay rows; the parent's groups.
Adds       ``draft.underlay``, with what led to each address; may hold groups.
Promises   U1  an address once given stays: the parent's, else the row's.
           U2  a new address is nobody's: of no underlay row, orphans and groups being deleted included, and of no
               group of the parent.
           U3  no two planned groups share one.
"""

from collections import Counter
from collections.abc import Mapping, Set
from uuid import UUID

from attrs import evolve, frozen

from blueprints.addresses import Address, UnderlayGroup, salt_between, underlay_address
from blueprints.findings import Finding, finding
from blueprints.ordering import BY_NUMBER
from blueprints.snapshot import UnderlayRow
from planner.draft import Draft, Home, LiveGroup

SALTS = range(256)


def allocate_underlay(draft: Draft) -> Draft:
    """Return *draft* with an underlay address and a salt for each group; new groups in order of their id."""
    rows = {row.id.int: row for row in draft.snapshot.underlay_groups}
    found = list(_orphans(draft))
    held: dict[UUID, tuple[Address, str, str]] = {}
    given: dict[UUID, UnderlayGroup] = {}
    for group, live in draft.groups.items():
        try:
            address = _standing(draft, live, rows, found)
        except ValueError as error:
            held[group] = (live.address, "underlay_address_refused", str(error))
        else:
            if address is not None:
                given[group] = address
    held |= _shared(draft, given)
    taken = _taken(draft, given)
    new = sorted([group for group in draft.groups if group not in given and group not in held], key=BY_NUMBER)
    for group in new:
        live = draft.groups[group]
        address = _first_free(live, taken)
        if address is None:
            held[group] = (
                live.address,
                "underlay_exhausted",
                f"every salt from {live.row.underlay_salt or 0} is taken",
            )
        else:
            given[group] = address
            taken.add(address)
    passed = {group: _passed(draft.groups[group], given.get(group)) for group in new}
    homes = _Homes(draft, rows, taken, given, passed)
    underlay = {group: homes.of(group, given[group]) for group in sorted(given, key=BY_NUMBER) if group not in held}
    return evolve(draft, underlay=underlay).noting(found).holding(held)


def _orphans(draft: Draft) -> list[Finding]:
    named = {row.underlay_group_id.int for row in draft.snapshot.groups if row.underlay_group_id is not None}
    return [
        finding("underlay_row_orphaned", f"underlay {row.id}", f"{row.multicast_ip}")
        for row in draft.snapshot.underlay_groups
        if row.id.int not in named
    ]


def _standing(
    draft: Draft, live: LiveGroup, rows: dict[int, UnderlayRow], found: list[Finding]
) -> UnderlayGroup | None:
    """Return the address that the group has (U1), or None for a new group.

    Raises:
        ValueError: the row's address is not an underlay group.
    """
    subject = f"group {live.row.id}"
    row = rows.get(live.row.underlay_group_id.int) if live.row.underlay_group_id else None
    if live.row.underlay_group_id is not None and row is None:
        found.append(finding("underlay_row_missing", subject, f"there is no underlay {live.row.underlay_group_id}"))
    stored = UnderlayGroup.of(row.multicast_ip) if row else None
    if stored is not None and salt_between(live.address, stored) != (live.row.underlay_salt or 0):
        message = f"salt {live.row.underlay_salt or 0} leads elsewhere than {stored}"
        found.append(finding("underlay_salt_differs", subject, message))
    planned = draft.before.get(live.row.id)
    before = planned.underlay_ip if planned else None
    if before is not None and stored is not None and before != stored:
        found.append(finding("underlay_row_differs", subject, f"row {stored}, parent {before}"))
    return before if before is not None else stored


def _shared(draft: Draft, given: dict[UUID, UnderlayGroup]) -> dict[UUID, tuple[Address, str, str]]:
    holders = Counter(given.values())
    return {
        group: (draft.groups[group].address, "group_underlay_shared", f"{address} is another group's too")
        for group, address in given.items()
        if holders[address] > 1
    }


def _taken(draft: Draft, given: dict[UUID, UnderlayGroup]) -> set[Address]:
    rows = {row.multicast_ip for row in draft.snapshot.underlay_groups}
    before = {group.underlay_ip for group in draft.before.values()}
    return rows | before | set(given.values())


def _first_free(live: LiveGroup, taken: set[Address]) -> UnderlayGroup | None:
    salts = SALTS[live.row.underlay_salt or 0 :]
    candidates = (underlay_address(live.address, salt) for salt in salts)
    return next((address for address in candidates if address not in taken), None)


def _passed(live: LiveGroup, found: UnderlayGroup | None) -> frozenset[UnderlayGroup]:
    """Return the addresses that the search for a new group passed by before the one that it *found*, if any."""
    first, last = live.row.underlay_salt or 0, None if found is None else salt_between(live.address, found)
    return frozenset(underlay_address(live.address, salt) for salt in SALTS[first:last])


@frozen
class _Homes:
    """What can be asked of an address once every group has one."""

    draft: Draft
    rows: Mapping[int, UnderlayRow]
    taken: Set[Address]
    given: Mapping[UUID, UnderlayGroup]
    passed: Mapping[UUID, frozenset[UnderlayGroup]]
    """By new group, in their order, the addresses that the search for it passed by."""

    def of(self, group: UUID, address: UnderlayGroup) -> Home:
        """Return the home of *group*: where it lives, under which salt, and what led there.

        The salt is the one that leads to the address; the stored one where none does.
        """
        live, before = self.draft.groups[group], self.draft.before.get(group)
        row = self.rows.get(live.row.underlay_group_id.int) if live.row.underlay_group_id else None
        salt = salt_between(live.address, address)
        home = Home(
            address=address,
            salt=salt if salt is not None else live.row.underlay_salt or 0,
            row=row.id if row is not None and row.multicast_ip == address else None,
            parent=before is not None and before.underlay_ip == address,
            search=salt is not None and self._is_first_free(live, salt),
        )
        first = live.row.underlay_salt or 0
        return home if home.row or home.parent or home.salt == first else self._after_others(home, live)

    def _is_first_free(self, live: LiveGroup, salt: int) -> bool:
        first = live.row.underlay_salt or 0
        return first <= salt and all(
            underlay_address(live.address, other) in self.taken for other in range(first, salt)
        )

    def _after_others(self, home: Home, live: LiveGroup) -> Home:
        """Return the *home* of a new group with those who have the addresses of the salts before its own.

        A group whose turn was earlier and that passed one of them by as well would have it if it were free.
        """
        me = live.row.id
        before = self.passed[me]
        rows = sorted(row.id for row in self.rows.values() if row.multicast_ip in before)
        groups = {group for group, address in self.given.items() if address in before}
        groups |= {group for group, its in self.passed.items() if group < me and not before.isdisjoint(its)}
        past = sorted(group for group, planned in self.draft.before.items() if planned.underlay_ip in before)
        return evolve(home, taken_rows=tuple(rows), taken_groups=tuple(sorted(groups)), taken_before=tuple(past))
