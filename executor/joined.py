"""Sequences that hold little of what they yield: made when somebody asks, or several as one without a copy.

This file does not know what stands in them.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Generic, TypeVar, overload

T = TypeVar("T")
S = TypeVar("S")


class Lazy(Sequence[T]):
    """What sequences of this file have in common: equal to any sequence of the same items, and read-only.

    A subclass says `__len__` and `items`.
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # equal to lists too

    def items(self, start: int, stop: int) -> Iterator[T]:
        """Yield the items from *start* to before *stop*, both within the sequence."""
        raise NotImplementedError

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[T, ...]: ...

    def __getitem__(self, place: int | slice) -> T | tuple[T, ...]:
        """Return one item, or some."""
        places = range(len(self))[place]
        if isinstance(places, int):
            return next(self.items(places, places + 1))
        if places.step == 1:
            return tuple(self.items(places.start, max(places.start, places.stop)))
        return tuple(self)[place]

    def __iter__(self) -> Iterator[T]:
        """Yield every item, made anew."""
        return self.items(0, len(self))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)}>"


def some(of: Sequence[T], start: int, stop: int) -> Iterable[T]:
    """Return what stands in *of* from *start* to before *stop*, made one by one if it has to be made."""
    return of.items(start, stop) if isinstance(of, Lazy) else of[start:stop]


class Made(Lazy[T], Generic[S, T]):
    """What a function makes of the items of another sequence, each time that somebody asks."""

    __slots__ = ("_make", "_of")

    def __init__(self, of: Sequence[S], make: Callable[[S], T]) -> None:
        """Keep *of*, which does not change."""
        self._of, self._make = of, make

    def __len__(self) -> int:
        return len(self._of)

    def items(self, start: int, stop: int) -> Iterator[T]:
        """Yield what is made of the items from *start* to before *stop*."""
        return map(self._make, some(self._of, start, stop))


class Joined(Lazy[T]):
    """Sequences one after the other, as one."""

    __slots__ = ("_ends", "parts")

    def __init__(self, parts: Iterable[Sequence[T]] = ()) -> None:
        """Keep *parts*, which do not change; those without an item are left out."""
        self.parts = tuple(part for part in parts if part)
        self._ends = tuple(accumulate(map(len, self.parts)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def items(self, start: int, stop: int) -> Iterator[T]:
        """Yield the items of the parts."""
        for place in range(bisect_right(self._ends, start), len(self.parts)):
            part, end = self.parts[place], self._ends[place]
            begin = end - len(part)
            if begin >= stop:
                return
            yield from some(part, max(start - begin, 0), min(stop, end) - begin)
