"""Canonical text: one text for equal data, alike as JSON and as YAML; nothing is read that could mean two things."""

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints.errors import InputRejectedError
from blueprints.notation import loads
from blueprints.text import MAX_DEPTH, dumps

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
"""All of Unicode but halves of characters."""

INTEGERS = st.integers(-(10**18), 10**18)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
DOCUMENTS = st.dictionaries(TEXTS, VALUES, max_size=5)


@settings(max_examples=50)
@given(DOCUMENTS)
def test_what_is_written_is_read_back(document: dict[str, Any]) -> None:
    """The canonical text of any document holds that document, keys in their order."""
    read = loads(dumps(document), "x.json")
    assert read == document
    assert json.dumps(read) == json.dumps(document)


@settings(max_examples=50)
@given(DOCUMENTS)
def test_json_and_yaml_readers_agree(document: dict[str, Any]) -> None:
    """The canonical text means the same to a reader of JSON, to our reader of YAML, and to anybody's."""
    text = dumps(document)
    assert json.loads(text) == document
    # A blank comment first keeps our reader from taking the JSON way.
    assert loads("#\n" + text, "x.yaml") == document
    assert yaml.load(text, Loader=yaml.CSafeLoader) == document


@settings(max_examples=50)
@given(DOCUMENTS)
def test_the_text_is_plain_lines(document: dict[str, Any]) -> None:
    """Only line feeds break lines, no line ends in a space, and no character hides or turns the line around."""
    text = dumps(document)
    assert text.endswith("}\n")
    assert text.splitlines() == text.split("\n")[:-1]
    hidden = "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u061c\ufeff"
    assert re.search(f"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029{hidden}]", text) is None


def test_a_name_cannot_lie_about_its_line() -> None:
    """Characters that turn the direction of writing are escaped, so that a reviewer sees what a reader reads."""
    name = "ab\u202ecd\u2066ef\u200bgh"
    text = dumps({"name": name})
    assert text == '{\n"name": "ab\\u202ecd\\u2066ef\\u200bgh"\n}\n'
    assert loads(text, "x.json") == loads("#\n" + text, "x.yaml") == {"name": name}


@given(TEXTS)
def test_any_text_of_a_person_is_read_or_refused(text: str) -> None:
    """No text whatever leads to anything but data or a refusal that names a place."""
    for name in ("x.json", "x.yaml"):
        places = []
        try:
            loads(text, name)
        except InputRejectedError as error:
            places = [mistake.path for mistake in error.mistakes]
        assert all(place.startswith("line ") for place in places)


def test_rows_stand_on_lines_of_their_own() -> None:
    """Lists of rows are spread out, one a line; short lists and inner objects stay on theirs."""
    document = {"a": 1, "rows": [{"x": [1, 2]}, {"x": []}], "tables": {"p": {"q": 1}, "r": [{"s": {"t": 1}}]}}
    assert dumps(document) == (
        '{\n"a": 1,\n"rows": [\n {"x": [1, 2]},\n {"x": []}\n],\n'
        '"tables": {\n "p": {"q": 1},\n "r": [\n  {"s": {"t": 1}}\n ]\n}\n}\n'
    )


WORDS = ["yes", "no", "on", "off", "Yes", "NO", "y", "n"]
NUMBERS = ["010", "0x10", "0o7", "0b1", "1_000", "12:30:45", "1.5", "1e3", ".5", ".inf", ".nan", "1" * 20]
DATES = ["2026-08-01", "2026-08-01T12:00:00Z", "2026-08-01 12:00:00"]


@pytest.mark.parametrize("text", [*WORDS, *NUMBERS, *DATES, "<<", "=", "1.2.3.4", "ff04::1", "a#b", "rear0"])
def test_plain_yaml_words_stay_text(text: str) -> None:
    """What readers of YAML disagree about is text here, as it stands."""
    assert loads(f"key: {text}\n", "x.yaml") == {"key": text}
    assert loads(f"- {text}\n", "x.yaml") == [text]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[
            ("", None),
            ("~", None),
            ("null", None),
            ("true", True),
            ("false", False),
            ("0", 0),
            ("-7", -7),
            ("77", 77),
        ],
        *[("'77'", "77"), ('"null"', "null"), ("''", ""), ("|\n  a\n  b", "a\nb\n"), (">-\n  a\n  b", "a b")],
    ],
)
def test_yaml_that_means_one_thing_is_read(text: str, value: Any) -> None:
    """Nothing, truth values and decimal numbers are read as such unless they are quoted."""
    assert loads(f"key: {text}\n", "x.yaml") == {"key": value}


def test_aliases_are_read_as_if_written_out() -> None:
    """What a program writes that shares one list between two places is read."""
    text = "a: &one [1, {b: &two x}]\nc: *one\nd: *two\n"
    assert loads(text, "x.yaml") == {"a": [1, {"b": "x"}], "c": [1, {"b": "x"}], "d": "x"}


@pytest.mark.parametrize("word", ["True", "TRUE", "true"])
def test_words_are_read_in_the_spellings_of_the_core_schema(word: str) -> None:
    """True and false, and nothing, in their three spellings."""
    assert loads(f"[{word}, {word.replace('rue', 'RUE').lower()}]", "x.yaml") == [True, True]
    assert loads("[False, FALSE, Null, NULL, ~]", "x.yaml") == [False, False, None, None, None]


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("a: 1\nb: *x", "line 2, column 4", "stands for nothing"),
        ("a: &x [*x]", "line 1, column 8", "whole yet"),
        ("\n".join(["a: &a0 [1]", *(f"b{n}: &a{n} [*a{n - 1}]" for n in range(1, 70))]), "line 64, column", "deeper"),
        (
            "\n".join(["a: &a0 [1]", *(f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 50)}]" for n in range(1, 9))]),
            "line 6, column",
            "more than 20000000 values",
        ),
        ("a: !!str 1", "line 1, column 4", "tags"),
        ("a: !!binary aGk=", "line 1, column 4", "tags"),
        ("a: !mine [1]", "line 1, column 4", "tags"),
        ("a: !!python/object/apply:os.getcwd []", "line 1, column 4", "tags"),
        ("a: 1\na: 2", "line 2, column 1", "given twice"),
        ("{a: 1, 'a': 2}", "line 1, column 8", "given twice"),
        ("a: 1\n---\nb: 2", "line 2, column 1", "one document"),
        ("1: a", "line 1, column 1", "cannot be a key"),
        ("true: a", "line 1, column 1", "cannot be a key"),
        ("? [a]\n: b", "line 1, column 3", "cannot be a key"),
        ("? {a: b}\n: c", "line 1, column 3", "cannot be a key"),
        ("a: [1, 2", "line 2, column 1", "expected"),
        ("a:\n\t- b", "line 2, column 1", "cannot start any token"),
        ("a: \x00", "line 1, column 1", "control characters"),
        ('a: "\\ud800"', "line 1, column 7", "escape"),
        ("a: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH, f"line 1, column {MAX_DEPTH + 3}", "deeper"),
    ],
)
def test_other_yaml_is_refused_with_its_place(text: str, place: str, reason: str) -> None:
    """What we do not read of YAML is refused, and the message says where and why."""
    with pytest.raises(InputRejectedError, match=reason) as caught:
        loads(text, "x.yaml")
    assert caught.value.mistakes[0].path.startswith(place)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 2}', "'a' is given twice"),
        ('{"b": {"a": 1, "a": 1}}', "'a' is given twice"),
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": -Infinity}', "-Infinity is not a number"),
        ('{"a": ' + "1" * 5000 + "}", "4300 digits"),
        ('{"a": "\\ud83d"}', "ud83d is half a character"),
        ('{"a": "\\udc00\\ud83d"}', "udc00 is half a character"),
        ('{"\\ud83d": 1}', "half a character"),
        ("[" * 65 + "]" * 65, "deeper than 64"),
        ('{"a": ' * 65 + "1" + "}" * 65, "deeper than 64"),
        ("[" * 100_000 + "]" * 100_000, "deeper than 64"),
        ("[" * 100_000, "deeper than 64"),
        ('{"a": 1', "Expecting"),
        ("{'a': 1}", "Expecting"),
        ('{"a": 1} x', "Extra data"),
        ("a: 1", "Expecting"),
        ("", "Expecting"),
    ],
    ids=lambda value: value[:20],
)
def test_json_that_is_not_read(text: str, reason: str) -> None:
    """A file that is called JSON is read as nothing else, and what could mean two things is refused."""
    for name in ("x.json", "x.json.gz"):
        with pytest.raises(InputRejectedError, match=reason):
            loads(text, name)


def test_json_that_is_just_deep_enough_is_read() -> None:
    """The limit of depth is the same for both ways of writing, and it is inclusive."""
    text = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert loads(text, "x.json") == loads("#\n" + text, "x.yaml")


def test_pairs_of_halves_are_one_character() -> None:
    """JSON may write a character beyond the first 65,536 as two escapes."""
    assert loads('{"a": "\\ud83d\\ude00"}', "x.json") == {"a": "\U0001f600"}


def test_flow_style_without_quotes_is_yaml() -> None:
    """Text that starts like JSON and is not may still be YAML, unless it is called JSON."""
    assert loads("{a: 1, b: [x, y]}", "x.yaml") == {"a": 1, "b": ["x", "y"]}
    with pytest.raises(InputRejectedError):
        loads("{a: 1}", "x.json")


@settings(max_examples=50)
@given(DOCUMENTS, DOCUMENTS)
def test_different_documents_have_different_texts(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Texts are equal exactly when documents are, order of keys included."""
    assert (dumps(one) == dumps(other)) is (json.dumps(one) == json.dumps(other))
