"""Sequences that hold little of what they yield: made when somebody asks, or several as one without a copy.

This file does not know what stands in them.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Generic, TypeVar, overload

T = TypeVar("T")
S = TypeVar("S")


class Lazy(Sequence[T]):
    """What sequences of this file have in common: equal to any sequence of the same items, and read-only.

    A subclass says `__len__` and `item`.
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # equal to lists too

    def item(self, place: int) -> T:
        """Return what stands at *place*, which is there."""
        raise NotImplementedError

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[T, ...]: ...

    def __getitem__(self, place: int | slice) -> T | tuple[T, ...]:
        """Return one item, or some."""
        places = range(len(self))[place]
        return self.item(places) if isinstance(places, int) else tuple(map(self.item, places))

    def __iter__(self) -> Iterator[T]:
        """Yield every item, made anew."""
        return map(self.item, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)}>"


class Made(Lazy[T], Generic[S, T]):
    """What a function makes of the items of another sequence, each time that somebody asks."""

    __slots__ = ("_make", "_of")

    def __init__(self, of: Sequence[S], make: Callable[[S], T]) -> None:
        """Keep *of*, which does not change."""
        self._of, self._make = of, make

    def __len__(self) -> int:
        return len(self._of)

    def item(self, place: int) -> T:
        """Return what is made of the item at *place*."""
        return self._make(self._of[place])

    def __iter__(self) -> Iterator[T]:
        """Yield every item, made anew."""
        return map(self._make, self._of)


class Joined(Lazy[T]):
    """Sequences one after the other, as one."""

    __slots__ = ("_ends", "parts")

    def __init__(self, parts: Iterable[Sequence[T]] = ()) -> None:
        """Keep *parts*, which do not change; those without an item are left out."""
        self.parts = tuple(part for part in parts if part)
        self._ends = tuple(accumulate(map(len, self.parts)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def item(self, place: int) -> T:
        """Return what stands at *place*."""
        part = bisect_right(self._ends, place)
        return self.parts[part][place - (self._ends[part - 1] if part else 0)]

    def __iter__(self) -> Iterator[T]:
        """Yield the items of all parts."""
        return chain.from_iterable(self.parts)
