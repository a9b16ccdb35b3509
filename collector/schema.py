"""The schema gate: which versions of the datastore's tables are understood, and what each has.

The schema moves with the product; what a table means may move with it. A version that is not in the table is
therefore refused, and so is a database that is being migrated: its columns are those of neither version.

This file does not know SQL or connections.
"""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any

from attrs import frozen

from blueprints.errors import InputRejectedError, Mistake

DATASTORE = "datastore"
"""What an `InputRejectedError` calls rows that cannot be taken."""

OLDEST, NEWEST = 199, 297
"""The versions that are understood, both included. 199 brought the type of an address pool."""


class Feature(Enum):
    """What some versions have and others do not."""

    GROUPS = "tables of groups, underlay groups and members; before, nobody is a member of anything"
    MEMBER_ADDRESSES = "a member's own copy of the group address, and its sources; before, the group had the sources"
    SALTS = "the salt of an underlay address"
    VLANS = "a VLAN of a group"
    DELETED_STATE = "a group's state `deleted`, which means what `deleting` means"
    MEMBER_ORIGINS = "who asked for a membership; all are planned alike, once each is known"
    PARENT_KINDS = "members that are probes, not instances"


FEATURES: Mapping[Feature, tuple[int, int]] = MappingProxyType(
    {
        Feature.GROUPS: (209, NEWEST),
        Feature.MEMBER_ADDRESSES: (220, NEWEST),
        Feature.SALTS: (220, NEWEST),
        Feature.VLANS: (209, 239),
        Feature.DELETED_STATE: (209, 294),
        Feature.MEMBER_ORIGINS: (296, NEWEST),
        Feature.PARENT_KINDS: (297, NEWEST),
    }
)
"""First and last version with each feature."""


@frozen(order=True)
class Schema:
    """A version that is understood."""

    version: int

    def has(self, feature: Feature) -> bool:
        """Return whether tables of this version have the *feature*."""
        first, last = FEATURES[feature]
        return first <= self.version <= last

    def __str__(self) -> str:
        """Return the number, as `db_metadata` has it without its zeros."""
        return str(self.version)


_VERSION = re.compile(r"([1-9][0-9]{0,8})(\.0\.0)?", re.ASCII)


def gate(rows: Sequence[Sequence[Any]]) -> Schema:
    """Return the schema that *rows* of ``db_metadata`` name: version and target version of one row.

    Raises:
        InputRejectedError: no such row, a version that is not understood, or a migration under way.

    >>> gate([("296.0.0", None)])
    Schema(version=296)
    """
    if len(rows) != 1:
        raise InputRejectedError(DATASTORE, [Mistake("db_metadata", f"expected one row, found {len(rows)}")])
    version, target = rows[0]
    mistakes = [*_mistakes_of(version), *_migration_to(target)]
    if mistakes:
        raise InputRejectedError(DATASTORE, mistakes)
    return Schema(_number(version))


def _number(text: object) -> int:
    """Return the version written as ``296`` or ``296.0.0``, or 0."""
    match = _VERSION.fullmatch(text) if isinstance(text, str) else None
    return 0 if match is None else int(match[1])


def _mistakes_of(version: object) -> list[Mistake]:
    path, number = "db_metadata.version", _number(version)
    if not number:
        return [Mistake(path, f"{version!r:.60} is not a schema version such as 296 or 296.0.0")]
    if not OLDEST <= number <= NEWEST:
        return [Mistake(path, f"schema {number} is not understood; versions {OLDEST} to {NEWEST} are")]
    return []


def _migration_to(target: object) -> list[Mistake]:
    if target is None:
        return []
    return [Mistake("db_metadata.target_version", f"a migration to {target!r:.60} is under way; wait for its end")]
