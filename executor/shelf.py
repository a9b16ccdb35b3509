"""Answers that several daemons give alike: parsed once, decoded once, and one object from then on.

The sleds of a rack hold the same mappings and the same forwarding. What is equal byte for byte need not be read
again; and tables that are one object are told to be equal at a glance (`executor.differences`).

This file does not know what answers say.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from attrs import field, frozen

from blueprints import strict

Json = Any
T = TypeVar("T")


@frozen
class Shelf:
    """What was read while one observation is made."""

    _parsed: dict[bytes, Json] = field(factory=dict, init=False)
    _decoded: dict[tuple[int, object], tuple[Json, Any]] = field(factory=dict, init=False)
    """By identity of the parsed answer and by decoder; the answer is kept, so that its identity stays its own."""

    def parsed(self, content: bytes, *, depth: int) -> Json:
        """Return the JSON value in *content*, the same object for the same bytes; nobody may change it.

        Raises:
            BadAnswerError: see `blueprints.strict.parse_json`.
        """
        if content not in self._parsed:
            self._parsed[content] = strict.parse_json(content, depth=depth)
        return self._parsed[content]

    def decoded(self, answer: Json, decode: Callable[[Json], T]) -> T:
        """Return what *decode* makes of *answer*, the same object for the same answer."""
        key = (id(answer), decode)
        if key not in self._decoded:
            self._decoded[key] = (answer, decode(answer))
        found: T = self._decoded[key][1]
        return found

    def clear(self) -> None:
        """Forget everything: what daemons say next is read anew."""
        self._parsed.clear()
        self._decoded.clear()
