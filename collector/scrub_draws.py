"""Draws: choices that look like chance to everybody but the owner of the key, and are the same every time.

Every choice follows from HMAC-SHA256 (RFC 2104) under the key, so that nobody without it can find out by trying which
value stands behind another. This file does not know what is drawn.
"""

from collections.abc import Callable, Iterable
from hmac import digest
from itertools import count
from typing import TypeVar

from attrs import field, frozen

from blueprints.errors import InputRejectedError, InvariantError, Mistake

V = TypeVar("V", int, str)

KEY_BYTES = 16
"""The least that a key may have: 128 bits are out of reach of trying."""

PATIENCE = 16
"""After so many draws one of the values themselves will do: some ranges hold nothing else."""

MOST_DRAWS = 1_000_000


@frozen
class Draws:
    """What one key draws."""

    key: bytes = field(repr=False)

    @key.validator
    def _long_enough(self, _: object, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise InputRejectedError("key", [Mistake("", f"has {len(key)} bytes; the least is {KEY_BYTES}")])

    def number(self, purpose: str, value: int | str, attempt: int = 0) -> int:
        """Return a number of 256 bits that belongs to *value*; another for each purpose and each attempt."""
        return int.from_bytes(digest(self.key, f"{purpose}/{attempt}/{value}".encode(), "sha256"))

    def images(
        self, purpose: str, values: Iterable[int], candidate: Callable[[int, int], int | None]
    ) -> dict[int, int]:
        """Return another number for each of *values*, no two the same.

        None of them is one of *values* if that can be avoided, so that no value shows up as somebody else's.

        Args:
            purpose: keeps draws of different kinds apart.
            values: any order; they are taken in that of their numbers.
            candidate: of a value and a draw, the number that it could become; None where the draw does not suit. It
                must be able to give as many numbers as there are values.

        Raises:
            InvariantError: *candidate* cannot.
        """
        originals = set(values)
        found: dict[int, int] = {}
        taken: set[int] = set()
        for value in sorted(originals):
            for attempt in range(MOST_DRAWS):
                image = candidate(value, self.number(purpose, value, attempt))
                if image is not None and image not in taken and (attempt >= PATIENCE or image not in originals):
                    break
            else:
                raise InvariantError("draws", f"no {purpose} is left for {value}")
            found[value] = image
            taken.add(image)
        return found

    def shuffled(self, purpose: str, values: Iterable[V]) -> list[V]:
        """Return *values*, each once, in an order that says nothing."""
        return sorted(set(values), key=lambda value: self.number(purpose, value))

    def titles(self, title: str, texts: Iterable[str]) -> dict[str, str]:
        """Return ``<title><number>`` for each of *texts*, none of which is such a text itself; empty stays empty."""
        originals = set(texts)
        width = len(str(len(originals)))
        fresh = (text for text in (f"{title}{number:0{width}}" for number in count(1)) if text not in originals)
        return {text: next(fresh) if text else "" for text in self.shuffled(title, originals)}
