"""Every answer against the daemons' own API documents, where a copy of them lies beside the project."""

import json
import re
from typing import Any

import pytest
from attrs import evolve, frozen

from blueprints.identifiers import SwitchSlot
from simrack.daemons import daemons_of
from simrack.dpd.tables import TABLES
from simrack.web.faults import Faults
from simrack.web.versions import DaemonKind
from simrack.world import world_of
from tests.simrack.contract import FILES, FOLDER, UNDOCUMENTED, Document, document, kind_of
from tests.simrack.program import attributes, hop, ok, port, program
from tests.simrack.rows import (
    G4,
    G6,
    LISTENER,
    OTHER4,
    S4,
    S6,
    SLEDS,
    SPEAKER,
    SWITCH0,
    TAG4,
    U4,
    U6,
    propolis,
    small_rack,
)
from tests.simrack.talk import Json, Talk

DPD, MGD, DDMD, MGS, SLED = "switch0 dpd", "switch0 mgd", "switch0 ddmd", "switch0 mgs", f"sled {SLEDS[0]}"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="no copies of the daemons' API documents beside the project"
)


@frozen
class Case:
    """A call, and the status that is due."""

    target: str
    method: str
    template: str
    status: int
    body: Any = None
    query: str = ""
    parts: tuple[str, ...] = ()
    """What stands for the open segments of the template, in order."""

    readable: bool = True
    """Whether the body itself is as documented."""

    fault: str = ""
    """What is to go wrong within the daemon."""

    @property
    def path(self) -> str:
        segments, parts = self.template.split("/"), iter(self.parts)
        path = "/".join(next(parts) if segment.startswith("{") else segment for segment in segments)
        return f"{path}?{self.query}" if self.query else path

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"


OURS, WRONG = f"tag={TAG4}", "tag=wrong"
UNDERLAYS, UNDERLAY = "/multicast/underlay-groups", "/multicast/underlay-groups/{group_ip}"
EXTERNALS, EXTERNAL = "/multicast/external-groups", "/multicast/external-groups/{group_ip}"
GROUPS, GROUP, TAG = "/multicast/groups", "/multicast/groups/{group_ip}", "/multicast/tags/{tag}"
DUMP = "/table/{table}/dump"
NEW = {"group_ip": "ff04::1", "members": [port(14)], "tag": TAG4}
NEW_EXTERNAL = {"group_ip": "239.1.1.1", "tag": TAG4, **attributes(U4, S4)}

DPD_CASES = (
    Case(DPD, "POST", UNDERLAYS, 201, NEW),
    Case(DPD, "POST", UNDERLAYS, 201, {"group_ip": "ff04::2", "members": []}),
    Case(DPD, "POST", UNDERLAYS, 409, NEW | {"group_ip": U4}),
    Case(DPD, "POST", UNDERLAYS, 404, NEW | {"members": [port(14) | {"link_id": 9}]}),
    Case(DPD, "POST", UNDERLAYS, 500, NEW | {"members": [port(14), port(14)]}),
    Case(DPD, "POST", UNDERLAYS, 400, {"group_ip": U4}, readable=False),
    Case(DPD, "GET", UNDERLAY, 200, parts=(U4,)),
    Case(DPD, "GET", UNDERLAY, 404, parts=("ff04::9",)),
    Case(DPD, "GET", UNDERLAY, 400, parts=("ff05::9",)),
    Case(DPD, "PUT", UNDERLAY, 200, {"members": [port(15), port(16)]}, OURS, (U4,)),
    Case(DPD, "PUT", UNDERLAY, 400, {"members": []}, WRONG, (U4,)),
    Case(DPD, "PUT", UNDERLAY, 404, {"members": []}, OURS, ("ff04::9",)),
    Case(DPD, "POST", EXTERNALS, 201, NEW_EXTERNAL),
    Case(DPD, "POST", EXTERNALS, 409, NEW_EXTERNAL | {"group_ip": G4}),
    Case(DPD, "POST", EXTERNALS, 400, NEW_EXTERNAL | {"group_ip": "224.0.0.1"}),
    Case(DPD, "PUT", EXTERNAL, 200, attributes(U4, OTHER4, S4), OURS, (G4,)),
    Case(DPD, "PUT", EXTERNAL, 200, attributes(U4) | {"sources": ["Any"]}, OURS, (G4,)),
    Case(DPD, "PUT", EXTERNAL, 400, attributes(U4), WRONG, (G4,)),
    Case(DPD, "PUT", EXTERNAL, 404, attributes(U4), OURS, ("239.9.9.9",)),
    Case(DPD, "GET", GROUPS, 200),
    Case(DPD, "GET", GROUPS, 200, query="limit=1"),
    Case(DPD, "GET", GROUPS, 400, query="limit=0", readable=False),
    Case(DPD, "DELETE", GROUPS, 204),
    Case(DPD, "GET", GROUP, 200, parts=(G4,)),
    Case(DPD, "GET", GROUP, 200, parts=(U6,)),
    Case(DPD, "GET", GROUP, 404, parts=("239.9.9.9",)),
    Case(DPD, "DELETE", GROUP, 204, query=OURS, parts=(G4,)),
    Case(DPD, "DELETE", GROUP, 400, query=OURS, parts=(U4,)),
    Case(DPD, "DELETE", GROUP, 404, query=OURS, parts=("239.9.9.9",)),
    Case(DPD, "GET", TAG, 200, parts=(TAG4,)),
    Case(DPD, "GET", TAG, 400, parts=("x" * 81,), readable=False),
    Case(DPD, "DELETE", TAG, 204, parts=(TAG4,)),
    Case(DPD, "DELETE", "/multicast/untagged", 410),
    Case(DPD, "DELETE", "/all-settings", 204),
    Case(DPD, "DELETE", "/all-settings/{tag}", 204, parts=(TAG4,)),
    Case(DPD, "GET", "/switch/identifiers", 200),
    Case(DPD, "GET", "/backplane-map", 200),
    Case(DPD, "GET", "/backplane-map/{port_id}", 200, parts=("rear14",)),
    Case(DPD, "GET", "/backplane-map/{port_id}", 404, parts=("int0",)),
    Case(DPD, "GET", "/ports", 200),
    Case(DPD, "GET", "/links", 200),
    Case(DPD, "GET", "/links", 200, query="filter=rear14"),
    Case(DPD, "GET", "/links/tfport_data", 200),
    Case(DPD, "GET", "/table", 200),
    *(Case(DPD, "GET", DUMP, 200, query="from_hardware=true", parts=(name,)) for name in TABLES),
    Case(DPD, "GET", DUMP, 404, query="from_hardware=true", parts=("nothing",)),
    Case(DPD, "GET", DUMP, 400, parts=(next(iter(TABLES)),), readable=False),
    Case(DPD, "GET", "/dpd-version", 200),
    Case(DPD, "GET", "/dpd-uptime", 200),
    Case(DPD, "GET", "/build-info", 200),
)

MROUTE, IMPORTED, SELECTED = "/static/mroute", "/mrib/status/imported", "/mrib/status/selected"
ROUTES = [
    {"key": {"V4": {"source": None, "group": G4, "vni": 77}}, "underlay_group": U4},
    {"key": {"V4": {"group": G4, "source": S4}}, "underlay_group": U4},
    {"key": {"V6": {"source": S6, "group": G6, "vni": 77}}, "underlay_group": U6},
]
BAD_ROUTE = {"key": {"V4": {"group": "10.0.0.1"}}, "underlay_group": U4}

ORIGIN = {"overlay_group": G6, "underlay_group": U6, "vni": 77, "metric": 0, "source": S6}

MGD_CASES = (
    Case(MGD, "PUT", MROUTE, 204, {"routes": ROUTES}),
    Case(MGD, "PUT", MROUTE, 400, {"routes": [BAD_ROUTE]}),
    Case(MGD, "DELETE", MROUTE, 204, {"keys": [ROUTES[0]["key"]]}),
    Case(MGD, "DELETE", MROUTE, 400, {"keys": [BAD_ROUTE["key"]]}),
    Case(MGD, "GET", MROUTE, 200),
    Case(MGD, "GET", IMPORTED, 200),
    Case(MGD, "GET", SELECTED, 200, query="address_family=Ipv6"),
    Case(MGD, "GET", SELECTED, 200, query=f"group={G4}&source={S4}&vni=77"),
    Case(MGD, "GET", SELECTED, 404, query="group=239.9.9.9"),
    Case(MGD, "GET", IMPORTED, 400, query="group=10.0.0.1"),
    Case(MGD, "GET", "/switch/identifiers", 200),
    Case(DDMD, "GET", "/peers", 200),
    Case(DDMD, "GET", "/originated_multicast_groups", 200),
    Case(DDMD, "GET", "/multicast_groups", 200),
    Case(DDMD, "PUT", "/multicast_group", 204, [ORIGIN, {"overlay_group": G4, "underlay_group": U4}]),
    Case(DDMD, "PUT", "/multicast_group", 400, [ORIGIN | {"underlay_group": "ff05::1"}]),
    Case(DDMD, "DELETE", "/multicast_group", 204, [ORIGIN]),
    Case(DDMD, "DELETE", "/multicast_group", 400, [ORIGIN | {"overlay_group": "10.0.0.1"}]),
    Case(DDMD, "PUT", "/sync", 204),
    Case(DDMD, "DELETE", "/peers/{addr}", 204, parts=("fe80::1",)),
    Case(DDMD, "DELETE", "/peers/{addr}", 400, parts=("10.0.0.1",), readable=False),
    Case(MGS, "GET", "/local/switch-id", 200),
    Case(MGS, "GET", "/local/all-sp-ids", 200),
    Case(MGS, "GET", "/sp/{type}/{slot}", 200, parts=("sled", "14")),
    Case(MGS, "GET", "/sp/{type}/{slot}", 404, parts=("sled", "3")),
    Case(MGS, "GET", "/sp/{type}/{slot}", 400, parts=("sled", "fourteen"), readable=False),
    # openapi-core reads numbers as Python does, and lets this one pass.
    Case(MGS, "GET", "/sp/{type}/{slot}", 400, parts=("sled", "1_4")),
)

M2P, FORWARDING, VMM = "/networking/mcast-m2p", "/networking/mcast-fwd", "/vmms/{propolis_id}/multicast-group"
PORT, STRANGER = (str(propolis(LISTENER)),), (str(propolis(SPEAKER)),)
MEMBERSHIP = {"group_ip": G4, "sources": [S4]}

SLED_CASES = (
    Case(SLED, "GET", M2P, 200),
    Case(SLED, "PUT", M2P, 204, {"group": "239.1.1.1", "underlay": "ff04::1"}),
    Case(SLED, "PUT", M2P, 500, {"group": "239.1.1.1", "underlay": "ff05::1"}),
    Case(SLED, "PUT", M2P, 400, {"group": "239.1.1.1"}, readable=False),
    Case(SLED, "DELETE", M2P, 204, {"group": G4, "underlay": U4}),
    Case(SLED, "GET", FORWARDING, 200),
    Case(SLED, "PUT", FORWARDING, 204, {"underlay": U4, "next_hops": [hop(SWITCH0, "include", S4)]}),
    Case(SLED, "PUT", FORWARDING, 500, {"underlay": "ff05::1", "next_hops": []}),
    Case(SLED, "DELETE", FORWARDING, 204, {"underlay": U4}),
    Case(SLED, "PUT", VMM, 204, MEMBERSHIP, parts=PORT),
    Case(SLED, "PUT", VMM, 404, MEMBERSHIP, parts=STRANGER),
    Case(SLED, "PUT", VMM, 500, MEMBERSHIP | {"group_ip": "239.9.9.9"}, parts=PORT),
    Case(SLED, "DELETE", VMM, 204, MEMBERSHIP, parts=PORT),
    Case(SLED, "DELETE", VMM, 204, MEMBERSHIP, parts=STRANGER),
    Case(SLED, "GET", "/vmms/{propolis_id}/state", 200, parts=PORT),
    Case(SLED, "GET", "/vmms/{propolis_id}/state", 404, parts=STRANGER),
    Case(SLED, "GET", "/sled-identifiers", 200),
    Case(SLED, "GET", "/inventory", 200),
)

WITHOUT_MULTICAST = tuple(
    evolve(next(case for case in DPD_CASES if (case.method, case.template) == call), status=501, fault="no_multicast")
    for call in dict.fromkeys((case.method, case.template) for case in DPD_CASES)
    if call[1].startswith("/multicast") and call[1] != "/multicast/untagged"
)
"""Each multicast call to a dpd that was built without multicast."""

CASES = (*DPD_CASES, *WITHOUT_MULTICAST, *MGD_CASES, *SLED_CASES)
VERSIONED = [(case, version) for case in CASES for kind, version in FILES if kind is kind_of(case.target)]


def api_of(target: str, version: str) -> Document:
    api = document(kind_of(target), version)
    assert api is not None
    return api


@pytest.mark.parametrize(("case", "version"), VERSIONED, ids=[f"{v} {case}" for case, v in VERSIONED])
def test_an_answer_is_as_documented(talk: Talk, case: Case, version: str) -> None:
    """Status and body are the document's, for good calls and bad ones, and so is what we ask."""
    program(talk)
    for slot in SwitchSlot:
        ok(talk.mgd("PUT", MROUTE, {"routes": ROUTES}, slot))
    problems = api_of(case.target, version).request_problems(case.method, case.path, case.body)
    assert (problems == []) is case.readable, problems
    if case.fault:
        talk.fault(case.target, case.fault)
    answer = talk.call(case.target, case.method, case.path, case.body, version=version)
    assert answer.status_code == case.status, answer.text


def test_lists_in_these_tests_are_not_empty(talk: Talk) -> None:
    """An empty list is as documented whatever its items would be, so there have to be some."""
    program(talk)
    for slot in SwitchSlot:
        ok(talk.mgd("PUT", MROUTE, {"routes": ROUTES}, slot))
    for case in CASES:
        if case.method == "GET" and case.status == 200 and not case.fault:
            value = talk.call(case.target, "GET", case.path).json()
            lists = [value[name] for name in ("items", "entries") if isinstance(value, dict) and name in value]
            assert all(lists) if lists else value or value == 0


@pytest.mark.parametrize(("kind", "version"), FILES)
def test_every_call_that_is_served_is_documented_and_tested(kind: DaemonKind, version: str) -> None:
    """No daemon has calls of our own invention, but for the form that is newer than the documents."""
    target = next(target for target in (DPD, MGD, DDMD, MGS, SLED) if kind_of(target) is kind)
    daemon = daemons_of(world_of(small_rack(), Faults()))[target]
    tested = {(case.method, case.template) for case in CASES if case.target == target}
    served = {row for row in daemon.router.patterns() if row[1] != UNDOCUMENTED}
    assert served == tested
    paths = api_of(target, version).content["paths"]
    assert all(method.lower() in paths[template] for method, template in served)


@pytest.mark.parametrize(("kind", "version"), FILES)
def test_every_multicast_call_that_is_documented_is_served(kind: DaemonKind, version: str) -> None:
    """Whatever a document has under a path of multicast, the simulated daemon has too."""
    target = next(target for target in (DPD, MGD, DDMD, MGS, SLED) if kind_of(target) is kind)
    served = set(daemons_of(world_of(small_rack(), Faults()))[target].router.patterns())
    documented = {
        (method.upper(), path)
        for path, operations in api_of(target, version).content["paths"].items()
        for method in operations
        if re.search("multicast|mcast|mroute|mrib", path)
    }
    assert documented <= served
    assert bool(documented) is (kind is not DaemonKind.MGS)


BROKEN: tuple[tuple[Case, tuple[str | int, ...], Json], ...] = (
    (Case(DPD, "GET", GROUP, 200, parts=(G4,)), ("kind",), "both"),
    (Case(DPD, "GET", GROUP, 200, parts=(G4,)), ("external_group_id",), 1 << 16),
    (Case(DPD, "GET", GROUP, 200, parts=(G4,)), ("group_ip",), "10.0.0"),
    (Case(DPD, "GET", GROUPS, 200), ("items", 0, "tag"), None),
    (Case(DPD, "GET", UNDERLAY, 200, parts=(U4,)), ("kind",), "underlay"),
    (Case(DPD, "GET", UNDERLAY, 200, parts=(U4,)), ("members", 0, "port_id"), "rear40"),
    (Case(MGD, "GET", SELECTED, 200), (0, "key", "V4"), {}),
    (Case(MGD, "GET", SELECTED, 200), (0, "created"), "noon"),
    (Case(DDMD, "GET", "/peers", 200), ("2", "status"), "Exchange"),
    (Case(SLED, "GET", FORWARDING, 200), (0, "next_hops", 0, "replication"), "all"),
    (Case(SLED, "GET", "/sled-identifiers", 200), ("sled_id",), "sled"),
    (Case(MGS, "GET", "/local/switch-id", 200), ("slot",), -1),
)


def answered(case: Case, version: str, value: Json) -> list[str]:
    """What would be wrong with *value* as the answer."""
    body = json.dumps(value).encode()
    return api_of(case.target, version).answer_problems("GET", case.path, case.status, "application/json", body)


@pytest.mark.parametrize(("case", "place", "value"), BROKEN)
def test_a_broken_answer_would_be_noticed(talk: Talk, case: Case, place: tuple[str | int, ...], value: Json) -> None:
    """The check itself finds wrong types, words, ranges, formats and fields that should not be there."""
    program(talk)
    ok(talk.mgd("PUT", MROUTE, {"routes": ROUTES}))
    version = next(version for kind, version in FILES if kind is kind_of(case.target))
    whole = talk.call(case.target, case.method, case.path).json()
    assert answered(case, version, whole) == []
    part = whole
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    assert answered(case, version, whole) != []
