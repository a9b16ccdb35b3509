"""Long lists are parsed row by row, and as strictly as everything else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprints.errors import BadAnswerError
from blueprints.strict import LONG, LongList, items, obj, parse_json, rows

ROWS = st.lists(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=5,
)


def long(text: str) -> bytes:
    """Return the JSON list *text* with so much space in it that it is a long one."""
    return f"[{' ' * LONG}{text[1:]}".encode()


@given(ROWS)
def test_a_long_list_has_the_rows_of_a_short_one(values: list[object]) -> None:
    """However a list is parsed, its rows are the same, and as many."""
    text = json.dumps(values)
    found = items(parse_json(long(text), depth=8), "rows")
    assert isinstance(found, LongList)
    assert list(found) == items(parse_json(text.encode(), depth=8), "rows") == values
    assert len(found) == len(values)


@pytest.mark.parametrize(
    "row", ['{"a": 1, "a": 2}', "NaN", "[[[[1]]]]", '{"a": {"b": 1, "b": 1}}', '"\\ud800x', "01"], ids=str
)
def test_a_row_that_is_wrong_is_refused_in_either(row: str) -> None:
    """A key twice, no number, too deep, no JSON: told when somebody comes to the row at the latest."""
    text = f'[1, {row}, "x"]'
    with pytest.raises(BadAnswerError):
        parse_json(text.encode(), depth=4)
    with pytest.raises(BadAnswerError):
        rows(parse_json(long(text), depth=4), "rows", lambda value, _: value, str)


@pytest.mark.parametrize("text", ["[1", "[1]]", "[1, 2,]", "[\x01]"])
def test_a_long_text_that_is_no_list_is_refused_at_once(text: str) -> None:
    """What cannot be taken apart is refused before anybody comes to a row."""
    with pytest.raises(BadAnswerError, match="not JSON"):
        parse_json(long(text), depth=4)


def test_a_long_list_is_no_object() -> None:
    """Where an object is expected a long list is as wrong as a short one."""
    with pytest.raises(BadAnswerError, match="expected an object"):
        obj(parse_json(long("[1]"), depth=4), "answer")
