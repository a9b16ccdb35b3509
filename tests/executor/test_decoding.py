"""Answers that are not what an API document promises."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints import strict
from blueprints.errors import BadAnswerError
from executor import decoding

UNDERLAY = {
    "kind": "underlay",
    "group_ip": "ff04::e9fc:1",
    "external_group_id": 1,
    "underlay_group_id": 2,
    "tag": "t",
    "members": [{"port_id": "rear14", "link_id": 0, "direction": "Underlay"}],
}
EXTERNAL = {
    "kind": "external",
    "group_ip": "233.252.0.1",
    "external_group_id": 1,
    "tag": "t",
    "internal_forwarding": {
        "nat_target": {"internal_ip": "ff04::e9fc:1", "inner_mac": {"a": [51, 51, 233, 252, 0, 1]}, "vni": 77}
    },
    "external_forwarding": {"vlan_id": None},
    "sources": [{"Exact": "10.20.0.5"}],
}
ROUTE = {
    "key": {"V4": {"source": None, "group": "233.252.0.1", "vni": 77}},
    "underlay_group": "ff04::e9fc:1",
    "source": "Static",
}
FORWARDING = {
    "underlay": "ff04::e9fc:1",
    "next_hops": [
        {
            "next_hop": "fd00:1122:3344:101::2",
            "replication": "underlay",
            "filter": {"mode": "exclude", "sources": ["10.20.0.5"]},
        }
    ],
}
MAPPING = {"group": "233.252.0.1", "underlay": "ff04::e9fc:1"}

SAMPLES: list[tuple[str, Any, Callable[[Any, str], Any]]] = [
    ("underlay", UNDERLAY, decoding.group),
    ("external", EXTERNAL, decoding.group),
    ("route", ROUTE, decoding.route),
    ("forwarding", FORWARDING, decoding.forwarding),
    ("mapping", MAPPING, decoding.mapping),
]
NOT_OURS = {"external_group_id", "underlay_group_id", "source"}
"""Fields that mean nothing beyond one daemon: left out whatever they hold."""

MAY_BE_NULL = {"nat_target", "vlan_id", "sources"}
MAY_BE_MISSING = {"nat_target", "vlan_id", "sources"}
WRONG: tuple[Any, ...] = (None, "77", 3.5, -1, True, [], {}, [[]], "nonsense", 10**9)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every field and entry of *value*."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        if step not in NOT_OURS or (step == "source" and len(path) > 1):
            yield (*path, step)
            yield from paths(inner, (*path, step))


def changed(sample: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    """Return a copy of *sample* with the thing at *path* changed."""
    copy = deepcopy(sample)
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    change(inner, path[-1])
    return copy


@pytest.mark.parametrize(("name", "sample", "decode"), SAMPLES, ids=[name for name, _, _ in SAMPLES])
def test_no_field_of_ours_may_be_missing(name: str, sample: Any, decode: Callable[[Any, str], Any]) -> None:
    """An answer without one of the fields that are compared is refused, and never read as empty."""
    decode(sample, name)
    for path in paths(sample):
        if path[-1] in MAY_BE_MISSING or isinstance(path[-1], int) or path[-1] == "source":
            continue
        with pytest.raises(BadAnswerError):
            decode(changed(sample, path, lambda table, step: table.pop(step)), name)


@pytest.mark.parametrize(("name", "sample", "decode"), SAMPLES, ids=[name for name, _, _ in SAMPLES])
def test_no_field_of_ours_may_have_another_type(name: str, sample: Any, decode: Callable[[Any, str], Any]) -> None:
    """Nothing is coerced: text is no number, null is no list, and an unknown name is no enumeration."""
    for path in paths(sample):
        now = sample
        for step in path:
            now = now[step]
        for wrong in WRONG:
            if type(wrong) is type(now) and isinstance(now, (list, dict)) and path[-1] != "a":
                continue
            if wrong is None and path[-1] in MAY_BE_NULL | {"source"}:
                continue
            if path[-1] == "tag" and isinstance(wrong, str):
                continue

            def put(table: Any, step: Any, wrong: Any = wrong) -> None:
                table[step] = wrong

            with pytest.raises(BadAnswerError):
                decode(changed(sample, path, put), name)


@pytest.mark.parametrize(
    ("sources", "decoded"),
    [(None, None), ([], None), (["Any"], None), (["Any", {"Exact": "10.0.0.1"}], None), ([{"Exact": "10.0.0.1"}], 1)],
    ids=str,
)
def test_every_spelling_of_any_source_is_one(sources: Any, decoded: int | None) -> None:
    """Null, nothing and a list with Any mean the same to a switch."""
    seen = decoding.external({**EXTERNAL, "sources": sources}, "external")
    assert (seen.sources and len(seen.sources)) == decoded


def test_fields_that_are_not_known_are_left_out() -> None:
    """A newer daemon that says more is understood."""
    assert decoding.mapping({**MAPPING, "new": {"deep": []}}, "m") == decoding.mapping(MAPPING, "m")


@pytest.mark.parametrize(
    ("field", "wrong", "told"),
    [
        ("link_id", False, "link_id: expected a whole number, found False"),
        ("link_id", 0.0, "link_id: expected a whole number, found 0.0"),
        ("link_id", 256, "link_id: expected 0 to 255, found 256"),
        ("port_id", ["rear14"], "port_id: expected a port, found ['rear14']"),
        ("direction", "Sideways", "direction: 'Sideways' is not known as a direction"),
    ],
)
def test_a_member_that_was_read_before_excuses_no_other(field: str, wrong: Any, told: str) -> None:
    """A member that is wrong is refused with its place, however like one it is that was right."""
    right = UNDERLAY["members"][0]  # type: ignore[index]
    decoding.group(UNDERLAY, "g")
    with pytest.raises(BadAnswerError) as caught:
        decoding.group(UNDERLAY | {"members": [right, right | {field: wrong}]}, "g")
    assert str(caught.value) == f"g.members[1].{told}"


def test_families_of_a_route_must_agree() -> None:
    """A key of one family with addresses of the other is refused: it could become a route for every source."""
    with pytest.raises(BadAnswerError):
        decoding.route({**ROUTE, "key": {"V4": {"source": "fd00::1", "group": "233.252.0.1", "vni": 77}}}, "r")


def test_one_entry_twice_is_refused() -> None:
    """A list that names one object twice contradicts itself."""
    with pytest.raises(BadAnswerError, match="twice"):
        strict.rows([MAPPING, MAPPING], "mappings", decoding.mapping, lambda row: row.group)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b"\xef\xbb\xbf{}",
    ],
    ids=["empty", "cut", "NaN", "key twice", "not text", "deep", "too deep", "BOM"],
)
def test_what_is_not_json_is_refused(content: bytes) -> None:
    """Cut, doubled, endless and undecodable answers are bad answers, and nothing else happens."""
    with pytest.raises(BadAnswerError):
        strict.parse_json(content, depth=32)


KEYS = st.sampled_from(["group", "underlay", "key", "kind", "next_hops", "items"])
LEAVES = st.none() | st.booleans() | st.integers() | st.sampled_from(["V4", "underlay", "ff04::1", "10.0.0.1"])
ANYTHING = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=6)


@pytest.mark.parametrize("content", ["1", "[]", "[[[1]]]", '{"a": [{"b": {}}, 1]}', "[[], [[[]]]]"])
def test_answers_may_be_nested_as_deep_as_is_allowed(content: str) -> None:
    """What is in three lists or objects is taken where three are allowed, and refused where two are."""
    assert strict.parse_json(content.encode(), depth=3) == json.loads(content)


@pytest.mark.parametrize(("content", "depth"), [("[1]", 0), ("[[[1]]]", 2), ("[[[[1]]]]", 3), ('{"a": [[[{}]]]}', 3)])
def test_answers_that_are_nested_deeper_are_refused(content: str, depth: int) -> None:
    """One list or object more than is allowed is one too many, wherever it stands."""
    with pytest.raises(BadAnswerError, match="nested too deeply"):
        strict.parse_json(content.encode(), depth=depth)


@settings(max_examples=60)
@given(ANYTHING)
def test_any_json_is_decoded_or_refused(value: Any) -> None:
    """Whatever a daemon answers, a decoder returns or says that it is a bad answer."""
    parsed = strict.parse_json(json.dumps(value).encode(), depth=32)
    for name, _, decode in SAMPLES:
        try:
            decode(parsed, name)
        except BadAnswerError:
            continue
