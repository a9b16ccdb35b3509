"""Strict reading: every mistake of a file is told at once, with its path, in the order of the file; no guessing."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints.blueprint import BLUEPRINT_FORMAT
from blueprints.documents import (
    blueprint_from,
    endpoints_document,
    endpoints_from,
    observation_document,
    observation_from,
    snapshot_digest,
    snapshot_document,
    snapshot_from,
)
from blueprints.endpoints import ENDPOINTS_FORMAT
from blueprints.errors import InputRejectedError
from blueprints.notation import loads
from blueprints.observation import OBSERVATION_FORMAT
from blueprints.snapshot import SNAPSHOT_FORMAT, Snapshot, VmmState
from blueprints.text import dumps
from tests.planner.case_files import CASES, read_snapshot
from tests.strategies import shuffled, snapshots

Plain = dict[str, Any]


def settled() -> Plain:
    """Return a snapshot with a group, two sleds and two switches, as plain data."""
    document: Plain = json.loads(json.dumps(snapshot_document(read_snapshot(CASES / "_settled.yaml"))))
    return document


def mistakes(document: Any, read: Callable[[Any, str], Any] = snapshot_from) -> list[str]:
    """Return what is wrong with *document*, a line each."""
    with pytest.raises(InputRejectedError) as caught:
        read(document, "case")
    return list(map(str, caught.value.mistakes))


# --- many mistakes at once ------------------------------------------------------------------------------------------


def test_five_mistakes_are_told_at_once_and_in_order() -> None:
    """A wrong id, address, enumeration, number and key give five lines, in the order of the file."""
    document = settled()
    document["rack_id"] = "5f0c9d3e"
    document["switches"]["switch0"]["peers"][1]["addr"] = "fe80::1%net0"
    document["sleds"][0]["policy"] = "retired"
    document["groups"][0]["vni"] = "77"
    document["members"][0]["sources"] = []
    assert mistakes(document) == [
        "rack_id: '5f0c9d3e' is not a UUID",
        "switches.switch0.peers[1].addr: 'fe80::1%net0' carries a zone; give the bare address",
        "sleds[0].policy: 'retired' is not one of in_service, no_provision, expunged",
        "groups[0].vni: expected a whole number, found text '77'",
        "members[0].sources: unknown key",
    ]


def test_twenty_mistakes_are_told_at_once_and_in_order() -> None:
    """Mistakes of all kinds, nested and side by side, none hides another."""
    document = settled()
    document["evaluated_at"] = "2026-08-01 12:00:00"
    document["policy"] = {"multicast_enabled": "yes", "orphan_grace_seconds": -1, "member_ports": None}
    document["switches"]["switch0"] |= {"backplane": ["rear1", "rear32", 3], "underlay_address": "fe80::1"}
    document["switches"]["switch2"] = {"underlay_address": "fd00::1"}
    document["sleds"][0] |= {"underlay_nics": "cxgbe0", "serial": 14}
    document["sleds"][1]["id"] = document["sleds"][0]["id"]
    document["inventory"]["service_processors"][0] |= {"slot": 1.5, "type": "Sled"}
    del document["inventory"]["service_processors"][1]["slot"]
    document["groups"][0] |= {
        "underlay_salt": 256,
        "time_deleted": "0001-01-01T00:00:00+14:00",
        "multicast_ip": "233.252.0",
    }
    document["members"][0] |= {"source_ips": ["10.0.0.1", None], "state": True}
    document["instances"][0]["active_vmm"]["state"] = "Running"
    document["comment"] = "by hand"
    assert mistakes(document) == [
        "evaluated_at: '2026-08-01 12:00:00' is not a time such as 2026-08-01T12:00:00Z",
        "policy.multicast_enabled: expected true or false, found text 'yes'",
        "policy.orphan_grace_seconds: -1 is negative",
        "policy.member_ports: None is not one of controller, derived",
        "switches.switch0.underlay_address: fe80::1 is link-local, so it names nobody across the rack",
        "switches.switch0.backplane[1]: 'rear32' is not a port; ports are rear0 to rear31, qsfp0 to qsfp31 and int0",
        "switches.switch0.backplane[2]: expected text, found a whole number 3; put it in quotes",
        "switches.switch2: 'switch2' is not one of switch0, switch1",
        "sleds[0].serial: expected text, found a whole number 14; put it in quotes",
        "sleds[0].underlay_nics: expected a list, found text 'cxgbe0'",
        "sleds[1].id: repeats sleds[0].id",
        "inventory.service_processors[0].type: 'Sled' is not one of sled, switch, power",
        "inventory.service_processors[0].slot: expected a whole number, found float 1.5",
        "inventory.service_processors[1].slot: required, and missing",
        "groups[0].multicast_ip: '233.252.0' is not an IP address",
        "groups[0].underlay_salt: 256 is not a salt; salts are 0 to 255",
        "groups[0].time_deleted: '0001-01-01T00:00:00+14:00' is before or after all years that can be kept",
        "members[0].state: True is not one of joining, joined, left",
        "members[0].source_ips[1]: expected text, found nothing (null)",
        f"instances[0].active_vmm.state: 'Running' is not one of {', '.join(VmmState)}",
        "comment: unknown key",
    ]


def test_mistakes_follow_the_file_and_not_the_format() -> None:
    """Whoever writes the keys in another order reads the mistakes in that order."""
    document = settled()
    document["groups"][0]["vni"] = "x"
    document["sleds"][0]["state"] = "x"
    document["rack_id"] = "x"
    turned = dict(reversed(document.items()))
    paths = [line.partition(":")[0] for line in mistakes(turned)]
    assert paths == ["groups[0].vni", "sleds[0].state", "rack_id"]


# --- one mistake at a time ------------------------------------------------------------------------------------------

WRONG_VALUES: list[tuple[str, Any, str]] = [
    ("rack_id", "{5f0c9d3e-8b1a-4a9e-9b4c-2d7b0d1c6a00}", "is not a UUID"),
    ("rack_id", "5f0c9d3e8b1a4a9e9b4c2d7b0d1c6a00", "is not a UUID"),
    ("rack_id", 5, "put it in quotes"),
    ("evaluated_at", "2026-08-01T12:00:00", "is not a time"),
    ("evaluated_at", "2026-08-01T12:00:00.1234567Z", "is not a time"),
    ("evaluated_at", "2026-02-30T12:00:00Z", "day is out of range"),
    ("evaluated_at", "9999-12-31T23:59:59-12:00", "before or after all years"),
    ("evaluated_at", None, "found nothing (null)"),
    ("switches", {}, "names no switch"),
    ("switches", [], "expected an object"),
    ("sleds", {}, "expected a list"),
    ("sleds", "abc", "expected a list"),
    ("sleds", None, "expected a list"),
    ("sleds", ["x"], "expected an object"),
    ("groups", [[]], "expected an object"),
    ("policy", None, "expected an object"),
    ("inventory", False, "expected an object"),
    ("source", {"datastore_schema": 296}, "put it in quotes"),
]


@pytest.mark.parametrize(("key", "value", "reason"), WRONG_VALUES)
def test_wrong_values_are_refused(key: str, value: Any, reason: str) -> None:
    """A value of another kind is refused and never turned into the right one."""
    found = mistakes(settled() | {key: value})
    assert len(found) == 1
    assert found[0].startswith(key)
    assert reason in found[0]


@pytest.mark.parametrize(
    "key", ["rack_id", "evaluated_at", "switches", "sleds", "groups", "underlay_groups", "members", "instances"]
)
def test_what_is_required_may_not_be_missing(key: str) -> None:
    """An empty list is knowledge, so leaving a table out is not the same."""
    document = settled()
    del document[key]
    assert mistakes(document) == [f"{key}: required, and missing"]


@pytest.mark.parametrize("key", ["source", "policy", "inventory"])
def test_what_may_be_missing_has_a_meaning(key: str) -> None:
    """Three parts of a snapshot may be left out: unknown, or as usual."""
    document = settled()
    document.pop(key, None)
    snapshot_from(document, "case")


@pytest.mark.parametrize("table", ["sleds", "groups", "underlay_groups", "members", "instances"])
def test_ids_are_given_once(table: str) -> None:
    """No two rows of one table have one id, in whatever letters it is written."""
    document = settled()
    row = document[table][0]
    document[table].append(row | {"id": row["id"].upper()})
    assert mistakes(document) == [f"{table}[{len(document[table]) - 1}].id: repeats {table}[0].id"]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "expected an object with format: rackcast.snapshot/1"),
        ([], "expected an object with format: rackcast.snapshot/1"),
        ("text", "expected an object with format: rackcast.snapshot/1"),
        ({}, "format: is missing; this reader takes rackcast.snapshot/1"),
        (
            {"format": "rackcast.snapshot/2"},
            "format: is 'rackcast.snapshot/2'; this reader takes rackcast.snapshot/1",
        ),
        ({"format": 1}, "format: is 1; this reader takes rackcast.snapshot/1"),
        (
            {"format": "rackcast.blueprint/1"},
            "format: is 'rackcast.blueprint/1'; this reader takes rackcast.snapshot/1",
        ),
    ],
)
def test_the_format_is_looked_at_first(document: Any, said: str) -> None:
    """A file of another format, or of none, is refused for that alone."""
    assert mistakes(document) == [said]


READERS: dict[str, Callable[[Any, str], Any]] = {
    SNAPSHOT_FORMAT: snapshot_from,
    BLUEPRINT_FORMAT: blueprint_from,
    OBSERVATION_FORMAT: observation_from,
    ENDPOINTS_FORMAT: endpoints_from,
}


def test_a_reader_refuses_the_formats_of_the_others() -> None:
    """Each format has its reader, and each reader takes one format."""
    for wanted, read in READERS.items():
        for other in READERS:
            if other != wanted:
                assert len(mistakes({"format": other}, read)) == 1


PATHS = ["sleds", "groups", "members", "instances", "underlay_groups"]
JUNK: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just([]) | st.just({}) | st.just([{}])
)


@settings(max_examples=150)
@given(st.data())
def test_any_junk_is_told_and_never_raised(data: st.DataObject) -> None:
    """Whatever stands in the place of whatever value, the answer is a snapshot or mistakes that name a path."""
    document = settled()
    spots = list(places(document))
    chosen = data.draw(st.lists(st.sampled_from(range(len(spots))), min_size=1, max_size=4, unique=True))
    for container, key in (spots[place] for place in chosen):
        container[key] = data.draw(JUNK)
    found = []
    try:
        snapshot_from(document, "case")
    except InputRejectedError as error:
        found = [str(mistake) for mistake in error.mistakes]
    assert all(found)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every container in *value* with every key or index of it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in items for place in [(value, key), *places(item)]]


# --- back again -----------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(snapshots())
def test_snapshots_come_back(snapshot: Snapshot) -> None:
    """What is written of a snapshot is that snapshot, as JSON and as YAML."""
    text = dumps(snapshot_document(snapshot))
    for name, written in (("x.json", text), ("x.yaml", "#\n" + text)):
        assert snapshot_from(loads(written, name), name) == snapshot


@settings(max_examples=50)
@given(st.data())
def test_the_digest_does_not_see_the_order_of_rows(data: st.DataObject) -> None:
    """Equal snapshots have equal digests, in whatever order their rows came."""
    snapshot = data.draw(snapshots())
    document = data.draw(shuffled(json.loads(json.dumps(snapshot_document(snapshot)))))
    assert snapshot_digest(snapshot_from(document, "case")) == snapshot_digest(snapshot)


def test_the_digest_sees_every_change() -> None:
    """Each value of a snapshot is in its digest."""
    seen = {snapshot_digest(read_snapshot(CASES / "_settled.yaml"))}
    for place in range(len(places(settled()))):
        document = settled()
        container, key = places(document)[place]
        if isinstance(container[key], str):
            container[key] = f"{container[key]}x"
        elif isinstance(container[key], bool):
            container[key] = not container[key]
        elif isinstance(container[key], int):
            container[key] += 1
        else:
            continue
        try:
            digest = snapshot_digest(snapshot_from(document, "case"))
        except InputRejectedError:
            continue
        assert digest not in seen, (key, container[key])
        seen.add(digest)
    assert len(seen) > 30


ENDPOINTS: dict[str, Any] = {
    "format": "rackcast.endpoints/1",
    "switches": {"switch0": {"dpd": "http://[::1]:12224", "mgd": "http://[::1]:4676", "ddmd": "http://[::1]:8000"}},
    "sleds": {"00000000-0000-4000-8000-000000000014": "http://[::1]:12345"},
    "api_versions": {"dpd": "12.0.0"},
    "subscriptions": "instance",
}


def test_endpoints_come_back() -> None:
    """What is written of endpoints are those endpoints, with what was left out filled in."""
    endpoints = endpoints_from(ENDPOINTS, "case")
    assert endpoints_from(endpoints_document(endpoints), "case") == endpoints
    switches = {"switch0": {**ENDPOINTS["switches"]["switch0"], "zone": None, "underlay_address": None}}
    filled_in = {
        "api_versions": {"dpd": "12.0.0", "mgd": None, "ddmd": None, "sled_agent": None},
        "switches": switches,
    }
    assert endpoints_document(endpoints) == ENDPOINTS | filled_in


def test_endpoints_keep_what_a_switch_zone_is_called_and_where_it_is() -> None:
    """Name and address of a switch zone are read and written; an address that no zone can have is refused."""
    document = json.loads(json.dumps(ENDPOINTS))
    switch = document["switches"]["switch0"]
    switch |= {"zone": "dendrite-1.host.example", "underlay_address": "fd00:1122:3344:101::2"}
    written = endpoints_document(endpoints_from(document, "case"))
    assert written["switches"] == document["switches"]
    switch["underlay_address"] = "ff04::1"
    with pytest.raises(InputRejectedError) as refused:
        endpoints_from(document, "case")
    assert [mistake.path for mistake in refused.value.mistakes] == ["switches.switch0.underlay_address"]


@pytest.mark.parametrize(
    "url",
    [
        "https://[::1]:1",
        "http://[::1]:1/path",
        "http://user@host:1",
        "file:///etc",
        "[::1]:1",
        "http://host:1?x",
        "http://a b",
        "http://switch0:1",
        "http://[fe80::1%eth0]:1",
        "http://[::1]:0",
        "http://[::1]:65536",
        "http://[1:2:3]:1",
        "http://10.0.0.256:1",
        "http://010.0.0.1:1",
    ],
)
def test_endpoints_are_plain_addresses(url: str) -> None:
    """An endpoint is an address and a port over HTTP and nothing that could lead elsewhere; both maps say so."""
    document = json.loads(json.dumps(ENDPOINTS))
    document["switches"]["switch0"]["dpd"] = url
    document["sleds"] = {"00000000-0000-4000-8000-000000000014": url}
    assert [line.partition(":")[0] for line in mistakes(document, endpoints_from)] == [
        "switches.switch0.dpd",
        "sleds.00000000-0000-4000-8000-000000000014",
    ]


def test_observations_come_back() -> None:
    """What is written of an observation is that observation, unknown tables and foreign objects included."""
    document = {
        "format": "rackcast.observation/1",
        "observed_at": "2026-08-01T12:00:00Z",
        "switches": {
            "switch0": {
                "underlay_groups": [
                    {
                        "group_ip": "ff04::e9fc:1",
                        "tag": "somebody's",
                        "members": [{"port_id": "rear14", "link_id": 0, "direction": "External"}],
                    }
                ],
                "external_groups": None,
                "mrib_routes": [
                    {"group": "233.252.0.1", "source": None, "vni": 77, "underlay_group": "ff04::e9fc:1"}
                ],
                "opaque": [],
            }
        },
        "sleds": {"00000000-0000-4000-8000-000000000014": {"m2p": None, "forwarding": [], "opaque": []}},
        "silent": [{"target": "switch1 dpd", "reason": "refused"}],
    }
    assert observation_document(observation_from(document, "case")) == document
