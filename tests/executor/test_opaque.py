"""Objects that say what this version has no word for: listed, only read, and in the way of their group alone."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from attrs import evolve

from blueprints.addresses import Address
from blueprints.documents import observation_document, observation_from
from blueprints.errors import BadAnswerError
from blueprints.observation import Opaque
from executor import decoding
from executor.classes import Class, classified
from executor.differences import differences
from executor.rehearsal import rehearse
from executor.targets import targets_of
from tests.executor.builders import (
    SWITCH0,
    G,
    blueprint,
    group_id,
    group_ip,
    observation_of,
    sled_id,
    underlay_ip,
    with_sled,
    with_switch,
)
from tests.executor.test_decoding import EXTERNAL, FORWARDING, ROUTE, UNDERLAY

PLAN = blueprint(G(number=1, sleds=(0, 1)), G(number=2, sleds=(0, 1)))
EQUAL = observation_of(PLAN)
TAG = f"{group_id(1)}:{group_ip(1)}"


def newer(sample: Any, path: tuple[Any, ...], name: Any) -> Any:
    """Return *sample* with a name that a newer daemon may say."""
    copy = deepcopy(sample)
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = name
    return copy


GROUP = decoding.or_opaque(decoding.group, decoding.opaque_group)
FORWARD = decoding.or_opaque(decoding.forwarding, decoding.opaque_forwarding)
SAYS: list[tuple[str, Any, Callable[[Any, str], Any], str, str]] = [
    ("direction", newer(UNDERLAY, ("members", 0, "direction"), "Sideways"), GROUP, "underlay_groups", "ff04::e9fc:1"),
    ("kind", newer(EXTERNAL, ("kind",), "anycast"), GROUP, "external_groups", "233.252.0.1"),
    ("inner kind", newer(UNDERLAY, ("kind",), "shadow"), GROUP, "underlay_groups", "ff04::e9fc:1"),
    ("source", newer(EXTERNAL, ("sources", 0), {"Subnet": "10.0.0.0/8"}), GROUP, "external_groups", "233.252.0.1"),
    ("replication", newer(FORWARDING, ("next_hops", 0, "replication"), "all"), FORWARD, "forwarding", "ff04::e9fc:1"),
    ("mode", newer(FORWARDING, ("next_hops", 0, "filter", "mode"), "some"), FORWARD, "forwarding", "ff04::e9fc:1"),
    (
        "family",
        newer(ROUTE, ("key",), {"V7": ROUTE["key"]["V4"]}),  # type: ignore[index]  # the sample is an object
        decoding.or_opaque(decoding.route, decoding.opaque_route),
        "mrib_routes",
        "233.252.0.1",
    ),
]


@pytest.mark.parametrize(("name", "said", "decode", "table", "address"), SAYS, ids=[name for name, *_ in SAYS])
def test_a_name_that_is_not_known_makes_its_object_opaque(
    name: str, said: Any, decode: Callable[[Any, str], Any], table: str, address: str
) -> None:
    """The object is known by table and address, and why it cannot be read is told."""
    opaque = decode(said, "items[3]")
    assert isinstance(opaque, Opaque), name
    assert (opaque.table, str(opaque.address)) == (table, address)
    assert "is not known as" in opaque.because


def test_what_is_malformed_is_a_bad_answer_all_the_same() -> None:
    """Only names can be new: a number for a name, or an object that cannot be told, is refused with its target."""
    for sample in (newer(UNDERLAY, ("members", 0, "direction"), 7), newer(UNDERLAY, ("members", 0, "link_id"), "0")):
        with pytest.raises(BadAnswerError):
            GROUP(sample, "items[0]")
    nameless = newer(UNDERLAY, ("members", 0, "direction"), "Sideways")
    del nameless["group_ip"]
    with pytest.raises(BadAnswerError):
        GROUP(nameless, "items[0]")


def row(table: str, address: Any, tag: str | None = None) -> Opaque:
    """Return an object that cannot be read."""
    return Opaque(
        table=table, address=Address.parse(str(address)), tag=tag, because="'x' is not known as a direction"
    )


def test_a_group_of_ours_is_left_alone_on_that_switch_and_nowhere_else() -> None:
    """Nothing of the group is sent to that switch, all of it to the other one, and the other group is done there."""
    lacking = with_switch(
        EQUAL,
        SWITCH0,
        underlay_groups=[r for r in EQUAL.switches[SWITCH0].underlay_groups or () if r.group_ip != underlay_ip(1)],
        mrib_routes=(),
        opaque=[row("underlay_groups", underlay_ip(1), TAG)],
    )
    difference = differences(PLAN, lacking)
    assert [(str(c.target), c.group) for c in difference.conflicts] == [("switch0 dpd", group_ip(1))]
    assert {(change.target.place, change.groups) for change in difference.changes} == {("switch0", (group_ip(2),))}
    calls = rehearse(difference, targets_of(PLAN)).calls
    assert not [c for c in calls if c.target.place == "switch0" and group_ip(1) in c.groups]


def test_a_forwarding_entry_that_cannot_be_read_is_not_overwritten() -> None:
    """The sled keeps what it has of that group, and the other sled is served."""
    entries = [r for r in EQUAL.sleds[sled_id(0)].forwarding or () if r.underlay != underlay_ip(1)]
    seen = with_sled(EQUAL, 0, forwarding=entries, opaque=[row("forwarding", underlay_ip(1))])
    difference = differences(PLAN, seen)
    assert difference.changes == ()
    assert [(c.target.place, c.group) for c in difference.conflicts] == [(str(sled_id(0)), group_ip(1))]


def test_a_route_that_cannot_be_read_holds_its_group_at_that_switch() -> None:
    """Routes carry no tag: a group of the blueprint is ours, another one is somebody else's."""
    ours = with_switch(EQUAL, SWITCH0, opaque=[row("mrib_routes", group_ip(1))])
    theirs = with_switch(EQUAL, SWITCH0, opaque=[row("mrib_routes", "239.1.1.1")])
    assert [str(c.target) for c in differences(PLAN, ours).conflicts] == ["switch0 mgd"]
    assert differences(PLAN, theirs).conflicts == ()
    assert [each.target.daemon for each in differences(PLAN, theirs).foreign] == ["mgd"]


def test_somebody_else_s_object_is_in_nobody_s_way() -> None:
    """Another tag at another address is counted and listed."""
    seen = with_switch(EQUAL, SWITCH0, opaque=[row("external_groups", "239.1.1.1", "backup")])
    difference = differences(PLAN, seen)
    assert (tuple(difference.changes), difference.conflicts, len(difference.foreign)) == ((), (), 1)
    found = classified(PLAN, seen)
    assert found.total(Class.UNREADABLE) == 1
    assert sum(found.total(which) for which in Class) == found.observed


def test_an_observation_keeps_what_could_not_be_read() -> None:
    """It is written and read back; observations that were written before are read as well."""
    seen = with_switch(EQUAL, SWITCH0, opaque=[row("external_groups", "239.1.1.1", "backup")])
    document = observation_document(seen)
    assert observation_from(document, "seen") == seen
    for table in (*document["switches"].values(), *document["sleds"].values()):
        del table["opaque"]
    assert observation_from(document, "seen") == evolve(EQUAL)
