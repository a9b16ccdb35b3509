"""What is sent to daemons, held against their own API documents, where a copy of them lies beside the project."""

import asyncio

import pytest
from attrs import evolve

from blueprints.endpoints import SubscriptionForm
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import GroupState
from rackcast.switches import read_found
from simrack.web.versions import NEWEST, DaemonKind, show_version
from tests.executor.bench import QUICK, Bench, Json, planned
from tests.simrack.contract import FOLDER, document, documented_path, kind_of
from tests.simrack.rows import (
    G4,
    G6,
    GROUP4,
    GROUP6,
    LISTENER,
    PICKER,
    READER,
    S4,
    S6,
    SWITCH0,
    TAG4,
    group,
    instance,
    member,
    small_rack,
)

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="no copies of the daemons' API documents beside the project"
)

WRITES = {
    ("dpd", "POST", "underlay-groups"),
    ("dpd", "PUT", "underlay-groups"),
    ("dpd", "POST", "external-groups"),
    ("dpd", "PUT", "external-groups"),
    ("dpd", "DELETE", "groups"),
    ("mgd", "PUT", "mroute"),
    ("mgd", "DELETE", "mroute"),
    ("sled", "PUT", "mcast-m2p"),
    ("sled", "DELETE", "mcast-m2p"),
    ("sled", "PUT", "mcast-fwd"),
    ("sled", "DELETE", "mcast-fwd"),
    ("sled", "PUT", "multicast-group"),
    ("sled", "DELETE", "multicast-group"),
}
"""Every kind of call that changes something: daemon, method, and the word that tells the path."""


def problems(call: Json) -> list[str]:
    """What of a recorded call is not as documented."""
    kind = kind_of(call["target"])
    api = document(kind, show_version(NEWEST[kind]))
    assert api is not None
    return api.request_problems(call["method"], documented_path(call["path"]), call["body"])


def kind_of_write(call: Json) -> tuple[str, str, str]:
    words = call["path"].partition("?")[0].strip("/").split("/")
    word = next(word for word in words if any(word == write[2] for write in WRITES))
    return kind_of(call["target"]).value, call["method"], word


@pytest.mark.parametrize("form", SubscriptionForm)
def test_every_request_of_the_executor_is_as_documented(bench: Bench, form: SubscriptionForm) -> None:
    """From an empty rack to a changed one to none, every kind of call: path, query and body are as documented."""
    endpoints = evolve(bench.rack.endpoints, subscriptions=form)
    first = planned(small_rack())
    bench.run(first, endpoints=endpoints)
    moved = {PICKER: instance(PICKER, 2)}
    later = small_rack(
        instances=tuple(moved.get(row.id, row) for row in small_rack().instances),
        members=(member(GROUP4, LISTENER, S4), member(GROUP4, PICKER, S4), member(GROUP6, READER, S6)),
    )
    bench.enter(later)
    second = planned(later, first)
    bench.run(second, endpoints=endpoints)
    gone = small_rack(
        groups=tuple(group(name, at, state=GroupState.DELETING) for name, at in ((GROUP4, G4), (GROUP6, G6))),
        members=(),
    )
    bench.enter(gone)
    bench.run(planned(gone, second), endpoints=endpoints)
    calls = bench.control("GET", "/calls")
    assert {kind_of_write(call) for call in calls if call["method"] != "GET"} == WRITES
    assert [(call["method"], call["path"], found) for call in calls if (found := problems(call))] == []


def test_every_request_of_the_collector_is_as_documented(bench: Bench) -> None:
    """Slots, backplanes and peers, and the gateway where a switch does not say its slot: all calls are documented."""
    bench.fault(f"{SWITCH0} dpd", "status", status=503, path="/switch/identifiers", times=None)
    asyncio.run(read_found(bench.rack.dns, tuple(SwitchSlot), limits=QUICK))
    calls = bench.control("GET", "/calls")
    paths = {call["path"] for call in calls}
    assert paths >= {"/switch/identifiers", "/local/switch-id", "/backplane-map", "/peers"}
    assert [(call["method"], call["path"], found) for call in calls if (found := problems(call))] == []


BAD: tuple[tuple[str, str, Json], ...] = (
    ("GET", "/multicast/nothing", None),
    ("DELETE", f"/multicast/groups/{G4}", None),
    ("DELETE", f"/multicast/groups/{G4}?tag={TAG4}&colour=green", None),
    ("DELETE", f"/multicast/groups/{G4}?tag={'x' * 81}", None),
    ("DELETE", "/multicast/groups/nowhere?tag=x", None),
    ("GET", "/multicast/groups?limit=many", None),
    ("GET", "/multicast/groups", {}),
    ("POST", "/multicast/underlay-groups", None),
    ("POST", "/multicast/underlay-groups", {"group_ip": "ff04::1"}),
    ("POST", "/multicast/underlay-groups", {"group_ip": "ff04::1", "members": [], "colour": "green"}),
)


@pytest.mark.parametrize(("method", "path", "body"), BAD)
def test_a_request_that_is_not_as_documented_would_be_noticed(method: str, path: str, body: Json) -> None:
    """The check itself finds unknown paths, missing and unknown parameters, and bodies of another shape."""
    assert problems({"target": "switch0 dpd", "method": method, "path": path, "body": body}) != []


def test_the_newest_versions_spoken_are_those_of_the_documents() -> None:
    """Every daemon has one, for the version that its simulation serves at the most."""
    assert [kind for kind in DaemonKind if document(kind, show_version(NEWEST[kind])) is None] == []
