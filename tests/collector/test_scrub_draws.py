"""Draws under a key: the same again, different from each other, and never stuck where there is room."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blueprints.errors import InvariantError
from collector.scrub_draws import Draws

DRAWS = Draws(b"the owner's key, never given away")


def within(size: int) -> Callable[[int, int], int]:
    """Return a way to choose among so many numbers, whatever the value."""
    return lambda _, draw: draw % size


@given(st.sets(st.integers(0, 999), max_size=400))
@example(set(range(500)))
def test_images_avoid_the_originals_where_there_is_room(values: set[int]) -> None:
    """Every value gets a number of its own, which is none of the values."""
    images = DRAWS.images("test", values, within(2000))
    assert images.keys() == values
    assert len(set(images.values())) == len(values)
    assert not set(images.values()) & values


@pytest.mark.parametrize("size", [1, 2, 50])
def test_a_range_without_room_changes_places(size: int) -> None:
    """Where every number is an original they are dealt out anew, all of them."""
    assert set(DRAWS.images("test", range(size), within(size)).values()) == set(range(size))


def test_a_range_that_is_too_small_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """More values than numbers is a mistake of ours, and ends."""
    monkeypatch.setattr("collector.scrub_draws.MOST_DRAWS", 1000)
    with pytest.raises(InvariantError, match="no test is left"):
        DRAWS.images("test", range(3), within(2))


def test_draws_depend_on_everything_that_is_said() -> None:
    """Another key, purpose, value or attempt is another number; the same is the same."""
    other = Draws(b"another key of the same owner's")
    asked: list[tuple[Draws, str, int, int]] = [
        (DRAWS, "id", 1, 0),
        (DRAWS, "id", 2, 0),
        (DRAWS, "id", 1, 1),
        (DRAWS, "ip", 1, 0),
        (other, "id", 1, 0),
    ]
    once, again = ([draws.number(what, value, attempt) for draws, what, value, attempt in asked] for _ in range(2))
    assert once == again
    assert len(set(once)) == len(asked)


def test_titles_are_numbers_in_no_order_of_the_texts() -> None:
    """Equal texts get one title, the empty text none, and the numbers do not follow the alphabet."""
    texts = [f"text {number:02}" for number in range(50)]
    titles = DRAWS.titles("t-", [*texts, *texts, ""])
    assert titles.pop("") == ""
    assert set(titles.values()) == {f"t-{number:02}" for number in range(1, 51)}
    assert [titles[text] for text in texts] != sorted(titles.values())


def test_titles_are_never_originals() -> None:
    """A text that looks like a title is nobody else's title."""
    titles = DRAWS.titles("t-", ["t-1", "t-2", "name"])
    assert sorted(titles.values()) == ["t-3", "t-4", "t-5"]


def test_a_key_is_not_shown() -> None:
    """Whoever prints the draws, in a traceback for one, does not give the key away."""
    assert "owner" not in repr(DRAWS)
