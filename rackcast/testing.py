"""Snapshot tests of planner output: a syrupy extension that stores a blueprint as one readable ``.yaml`` file.

In a ``conftest.py``: ``pytest_plugins = ["rackcast.testing"]``; in a test::

    def test_my_rack(blueprint_snapshot):
        assert plan(read_snapshot("my_rack.yaml")) == blueprint_snapshot

``pytest --snapshot-update`` writes the files. They hold the blueprint's canonical text, so they can be read, compared
and even executed; only ``made`` is left out, which says who planned it and when. Needs the extra
``test``; ``pytest -vv`` shows all of a difference.
This file does not know how a plan is made.
"""

from typing import Any

import pytest
from attrs import evolve
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from blueprints.blueprint import Blueprint
from blueprints.documents import file_form
from blueprints.text import dumps


class BlueprintExtension(SingleFileSnapshotExtension):
    """Stores one blueprint in one file, named after the test."""

    file_extension = "yaml"
    _write_mode = WriteMode.TEXT

    def serialize(self, data: Any, **_: Any) -> str:
        """Return the canonical text of the blueprint *data*.

        Raises:
            TypeError: *data* is not a blueprint.
        """
        if not isinstance(data, Blueprint):
            raise TypeError(f"blueprint_snapshot compares blueprints, not {type(data).__name__}")
        return dumps(file_form(evolve(data, made=None)))


@pytest.fixture
def blueprint_snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Return an assertion that equals the blueprint stored for this test."""
    return snapshot.use_extension(BlueprintExtension)
