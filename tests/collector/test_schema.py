"""Which versions of the datastore's tables are understood."""

from typing import Any

import pytest

from blueprints.errors import InputRejectedError
from collector.schema import NEWEST, OLDEST, Feature, Schema, gate

_GROUPS = {Feature.GROUPS, Feature.VLANS, Feature.DELETED_STATE}
_OWN = {Feature.MEMBER_ADDRESSES, Feature.SALTS}

FEATURES_BY_VERSION = [
    (199, set()),
    (208, set()),
    (209, _GROUPS),
    (219, _GROUPS),
    (220, _GROUPS | _OWN),
    (239, _GROUPS | _OWN),
    (240, {Feature.GROUPS, Feature.DELETED_STATE} | _OWN),
    (294, {Feature.GROUPS, Feature.DELETED_STATE} | _OWN),
    (295, {Feature.GROUPS} | _OWN),
    (296, {Feature.GROUPS, Feature.MEMBER_ORIGINS} | _OWN),
    (297, {Feature.GROUPS, Feature.MEMBER_ORIGINS, Feature.PARENT_KINDS} | _OWN),
]


@pytest.mark.parametrize(("version", "features"), FEATURES_BY_VERSION)
def test_each_version_has_its_features(version: int, features: set[Feature]) -> None:
    """A schema has what came with it or before, and nothing that was dropped before it."""
    assert {feature for feature in Feature if Schema(version).has(feature)} == features


@pytest.mark.parametrize("text", ["296", "296.0.0"])
def test_a_version_is_read_in_both_spellings(text: str) -> None:
    """The number alone and with its zeros are one version."""
    assert gate([(text, None)]) == Schema(296)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_outermost_versions_pass(version: int) -> None:
    """Both ends of the range are inside."""
    assert gate([(f"{version}.0.0", None)]).version == version


@pytest.mark.parametrize(
    "version",
    [
        *(str(OLDEST - 1), str(NEWEST + 1), f"{NEWEST + 1}.0.0"),
        *("", "296.0", "296.0.1", "296.1.0", "v296", " 296", "296\n", "0296", "-296", "2.96e2", "²96", "1" * 40),
        *(None, 296),
    ],
)
def test_another_version_is_refused(version: Any) -> None:
    """A version outside the range, or no whole number, is refused with its path."""
    with pytest.raises(InputRejectedError) as caught:
        gate([(version, None)])
    assert caught.value.source == "datastore"
    assert [mistake.path for mistake in caught.value.mistakes] == ["db_metadata.version"]


def test_a_migration_under_way_is_refused() -> None:
    """A target version means that the columns are those of neither version."""
    with pytest.raises(InputRejectedError) as caught:
        gate([("296.0.0", "297.0.0")])
    assert [mistake.path for mistake in caught.value.mistakes] == ["db_metadata.target_version"]


def test_both_mistakes_are_told_at_once() -> None:
    """An unknown version that is being migrated is refused for both."""
    with pytest.raises(InputRejectedError) as caught:
        gate([("12.0.0", "13.0.0")])
    assert [mistake.path for mistake in caught.value.mistakes] == [
        "db_metadata.version",
        "db_metadata.target_version",
    ]


@pytest.mark.parametrize("rows", [[], [("296", None), ("296", None)]])
def test_metadata_is_one_row(rows: list[tuple[str, None]]) -> None:
    """Without exactly one row nobody knows the version."""
    with pytest.raises(InputRejectedError, match="db_metadata: expected one row"):
        gate(rows)
