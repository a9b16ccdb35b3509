"""A blueprint's id, digest and text are made when somebody asks for one of them."""

import copy
from hashlib import sha256

import pytest
from attrs import evolve

from benchmarks.workload import rack
from blueprints.blueprint import LATER, Blueprint, Made
from blueprints.sealing import blueprint_pieces, signed
from planner import plan

SMALL = rack(1)
NAMED = plan(SMALL)


def is_named(blueprint: Blueprint) -> bool:
    """Return whether *blueprint* has its id, digest and text."""
    try:
        return all(object.__getattribute__(blueprint, name) for name in LATER)
    except AttributeError:
        return False


def test_a_plan_is_named_when_somebody_asks() -> None:
    """Planning and looking at what was decided makes no text; asking for any of the three makes all."""
    for name in LATER:
        blueprint = plan(SMALL)
        assert blueprint.groups
        assert not is_named(blueprint)
        assert getattr(blueprint, name) == getattr(NAMED, name)
        assert is_named(blueprint)


def test_the_name_is_that_of_the_text() -> None:
    """The digest is made of the text without id, digest and maker, as anybody can."""
    lines = "".join(blueprint_pieces(NAMED)).splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(('"id": ', '"digest": ', '"made": '))]
    assert NAMED.digest == "sha256:" + sha256("".join(kept).encode()).hexdigest()


def test_planning_again_names_nothing() -> None:
    """A parent that already says all is the plan, and nobody had to know what it is called."""
    parent = plan(SMALL)
    assert plan(SMALL, parent) is parent
    assert not is_named(parent)


def test_unnamed_blueprints_are_blueprints() -> None:
    """They are compared, changed, signed and copied as others are."""
    assert plan(SMALL) == NAMED
    assert evolve(plan(SMALL), generation=7).digest == NAMED.digest
    assert signed(plan(SMALL), Made(by="who")).body == NAMED.body
    assert copy.copy(plan(SMALL)) == NAMED


def test_nothing_else_is_made_up() -> None:
    """What a blueprint does not have, it does not have, named or not."""
    for blueprint in (plan(SMALL), NAMED):
        with pytest.raises(AttributeError, match="Blueprint has no colour"):
            _ = blueprint.colour  # type: ignore[attr-defined]
