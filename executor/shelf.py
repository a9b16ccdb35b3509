"""Answers that several daemons give alike: parsed once, decoded once, and one object from then on.

The sleds of a rack hold the same mappings and the same forwarding. What is equal byte for byte need not be read
again; and tables that are one object are told to be equal at a glance (`executor.differences`). Only the tables are
kept: the JSON that they were made of takes many times as much.

This file does not know what answers say.
"""

import sys
from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

from attrs import field, frozen

from blueprints import strict
from blueprints.errors import BadAnswerError

Json = Any
T = TypeVar("T")


@frozen(kw_only=True)
class Said:
    """The body of an answer that is JSON."""

    content: bytes = field(repr=False)
    depth: int
    """How deep it may be nested."""

    digest: bytes
    json: Json = field(repr=False)
    """What it says; None where the same was parsed before."""


@frozen
class Shelf:
    """What was read while one observation is made."""

    _sound: set[bytes] = field(factory=set, init=False)
    """Digests of what was parsed."""

    _decoded: dict[tuple[bytes, object], Any] = field(factory=dict, init=False)
    """By digest and by decoder."""

    def parsed(self, content: bytes, *, depth: int) -> Said:
        """Return what *content* says, for `decoded`; the same bytes are parsed once.

        Raises:
            BadAnswerError: see `blueprints.strict.parse_json`.
        """
        digest = sha256(content).digest()
        json = None if digest in self._sound else strict.parse_json(content, depth=depth)
        self._sound.add(digest)
        return Said(content=content, depth=depth, digest=digest, json=json)

    def decoded(self, said: Said, decode: Callable[[Json], T], *, rows: int = sys.maxsize) -> T:
        """Return what *decode* makes of an answer, the same object for the same bytes.

        Raises:
            BadAnswerError: *decode* refuses it, or it is a list of more than *rows*.
        """
        key = (said.digest, decode)
        if key not in self._decoded:
            json = strict.parse_json(said.content, depth=said.depth) if said.json is None else said.json
            if isinstance(json, list) and len(json) > rows:
                raise BadAnswerError(f"more than {rows} rows")
            self._decoded[key] = decode(json)
        found: T = self._decoded[key]
        return found

    def clear(self) -> None:
        """Forget everything: what daemons say next is read anew."""
        self._sound.clear()
        self._decoded.clear()
