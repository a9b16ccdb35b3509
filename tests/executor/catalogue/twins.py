"""Twins: one decision of ours, made wrongly, under which the test of a row must fail.

A twin changes a row of a table, a function or a method while its check runs; everything else is as it is.
This file does not know the rows.
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from attrs import evolve, field, frozen

OURS = ("executor", "planner", "collector", "blueprints")

Bug = Callable[[pytest.MonkeyPatch], None]


@frozen(kw_only=True)
class Twin:
    """A check and the bug that it must find."""

    check: Callable[..., None]
    """A test; what it needs besides `arguments` are fixtures."""

    bug: Bug
    arguments: Mapping[str, Any] = field(factory=dict)
    """For parameters of the test."""


def must_fail(twin: Twin, request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """Run the check of *twin* under its bug; an error that is no failed assertion is one of ours."""
    names = [name for name in inspect.signature(twin.check).parameters if name not in twin.arguments]
    fixtures = {name: request.getfixturevalue(name) for name in names}
    twin.bug(patch)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        twin.check(**fixtures, **twin.arguments)


def replaced(old: Any, new: Any) -> Bug:
    """Put *new* wherever a module of ours has *old*."""

    def sow(patch: pytest.MonkeyPatch) -> None:
        places = [
            (module, name)
            for key, module in tuple(sys.modules.items())
            if key.partition(".")[0] in OURS
            for name, value in vars(module).items()
            if value is old
        ]
        assert places, f"nobody has {old!r}"
        for module, name in places:
            patch.setattr(module, name, new)

    return sow


def entry(table: Mapping[Any, Any], key: Any, value: Any) -> Bug:
    """Let *table* say *value* of *key*."""
    return replaced(table, MappingProxyType({**table, key: value}))


def altered(table: Mapping[Any, Any], key: Any, **changes: Any) -> Bug:
    """Let the row *key* of *table* be another one."""
    return entry(table, key, evolve(table[key], **changes))


def method(owner: type, name: str, new: Callable[..., Any]) -> Bug:
    """Let a method of *owner* be another one."""

    def sow(patch: pytest.MonkeyPatch) -> None:
        assert hasattr(owner, name)
        patch.setattr(owner, name, new)

    return sow


def dropping(source: Callable[..., Any], *kinds: Any) -> Bug:
    """Let *source*, which yields changes, forget those of some *kinds*."""

    def forgetful(*arguments: Any) -> Any:
        return (item for item in source(*arguments) if getattr(item, "kind", None) not in kinds)

    return replaced(source, forgetful)
