"""Ids as people read and write them: shortened as far as they stay apart, and found by their beginning.

This file does not know what the ids are of.
"""

from collections.abc import Callable, Iterable
from uuid import UUID

import click

SHORTEST = 8
"""Characters: the first block of a UUID."""

_NAMED = 4
"""How many of those that a beginning could mean are named."""


def apart(ids: Iterable[UUID]) -> Callable[[object], str]:
    """Return what shortens an id to its first eight characters, or to as many more as tell all *ids* apart."""
    texts = {str(each) for each in ids}
    longest = max(map(len, texts), default=SHORTEST)
    lengths = range(SHORTEST, longest + 1)
    length = next(length for length in lengths if len({text[:length] for text in texts}) == len(texts))
    return lambda identifier: str(identifier)[:length]


def the_one(word: str, ids: Iterable[UUID], kind: str) -> UUID:
    """Return the one of *ids* that *word* is, or begins.

    Args:
        word: what somebody calls it.
        ids: those there are.
        kind: what they are of, which is the name of the option too.

    Raises:
        click.BadParameter: *word* begins none of them, or several.
    """
    found = sorted({each for each in ids if str(each).startswith(word.lower())})
    if len(found) == 1:
        return found[0]
    said = f"no {kind} is called {word!r}"
    if found:
        named = ", ".join(map(str, found[:_NAMED])) + (", …" if len(found) > _NAMED else "")
        said = f"{len(found)} {kind}s begin with {word!r}: {named}"
    raise click.BadParameter(said, param_hint=f"--{kind}")
