"""The exact requests, as the daemons' API documents have them."""

from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from blueprints.addresses import ExternalGroup, UnderlayGroup, UnicastSource
from blueprints.blueprint import Departure, FilterMode, M2pEntry, MribRoute, Subscription, UnderlayEntry
from blueprints.endpoints import SubscriptionForm
from blueprints.errors import InvariantError
from blueprints.observation import SeenForwarding, SeenHop, SeenUnderlay
from executor.calls import apart, call_for, calls_for
from executor.changes import Change, ForwardingPut, Kind
from executor.targets import Target
from tests.executor.builders import SWITCH0, G, external, group_ip, hop_address, port, sled_id, underlay_ip

DPD, MGD, SLED = Target.dpd(SWITCH0), Target.mgd(SWITCH0), Target.sled(sled_id(0))
TAG = "00000000-0000-0000-0000-000000060001:233.252.0.1"
ESCAPED = TAG.replace(":", "%3A")
INSTANCE, PROPOLIS = UUID(int=0x1), UUID(int=0x2)
UNDERLAY = UnderlayEntry(group_ip=underlay_ip(1), tag=G(number=1).tag_, members=[port(14)], complete=True)
MEMBER = {"port_id": "rear14", "link_id": 0, "direction": "Underlay"}
ATTRIBUTES = {
    "internal_forwarding": {
        "nat_target": {"internal_ip": "ff04::e9fc:1", "inner_mac": {"a": [51, 51, 233, 252, 0, 1]}, "vni": 77}
    },
    "external_forwarding": {"vlan_id": None},
}
LIVE = SeenHop(next_hop=hop_address(SWITCH0), replication="underlay", mode=FilterMode.EXCLUDE, sources=())
SUBSCRIPTION = Subscription(
    instance_id=INSTANCE, propolis_id=PROPOLIS, group_ip=group_ip(1), sources=[UnicastSource.parse("10.20.0.5")]
)
DEPARTURE = Departure(instance_id=INSTANCE, propolis_id=PROPOLIS, group_ip=group_ip(1))
SEEN = SeenUnderlay(group_ip=underlay_ip(1), tag=TAG, members=())
MAPPING = M2pEntry(group=group_ip(1), underlay=underlay_ip(1))
PAIR = {"group": "233.252.0.1", "underlay": "ff04::e9fc:1"}

CALLS: list[tuple[Kind, Target, Any, str, str, Any]] = [
    (
        Kind.UNDERLAY_CREATE,
        DPD,
        UNDERLAY,
        "POST",
        "/multicast/underlay-groups",
        {"group_ip": "ff04::e9fc:1", "members": [MEMBER], "tag": TAG},
    ),
    (
        Kind.MEMBERS_ADD,
        DPD,
        UNDERLAY,
        "PUT",
        f"/multicast/underlay-groups/ff04::e9fc:1?tag={ESCAPED}",
        {"members": [MEMBER]},
    ),
    (
        Kind.EXTERNAL_CREATE,
        DPD,
        external(G(number=1, sources=(5,))),
        "POST",
        "/multicast/external-groups",
        {"group_ip": "233.252.0.1", "tag": TAG, **ATTRIBUTES, "sources": [{"Exact": "10.20.0.5"}]},
    ),
    (
        Kind.EXTERNAL_UPDATE,
        DPD,
        external(G(number=1)),
        "PUT",
        f"/multicast/external-groups/233.252.0.1?tag={ESCAPED}",
        {**ATTRIBUTES, "sources": ["Any"]},
    ),
    (Kind.UNDERLAY_DELETE, DPD, SEEN, "DELETE", f"/multicast/groups/ff04::e9fc:1?tag={ESCAPED}", None),
    (
        Kind.FORWARDING_SET,
        SLED,
        ForwardingPut(underlay=underlay_ip(1), next_hops=[LIVE]),
        "PUT",
        "/networking/mcast-fwd",
        {
            "underlay": "ff04::e9fc:1",
            "next_hops": [
                {
                    "next_hop": "fd00:1122:3344:101::2",
                    "replication": "underlay",
                    "filter": {"mode": "exclude", "sources": []},
                }
            ],
        },
    ),
    (
        Kind.FORWARDING_CLEAR,
        SLED,
        SeenForwarding(underlay=underlay_ip(1), next_hops=()),
        "DELETE",
        "/networking/mcast-fwd",
        {"underlay": "ff04::e9fc:1"},
    ),
    (Kind.M2P_SET, SLED, MAPPING, "PUT", "/networking/mcast-m2p", PAIR),
    (Kind.M2P_CLEAR, SLED, MAPPING, "DELETE", "/networking/mcast-m2p", PAIR),
    (
        Kind.JOIN,
        SLED,
        SUBSCRIPTION,
        "PUT",
        f"/instances/{INSTANCE}/multicast-group",
        {"group_ip": "233.252.0.1", "sources": ["10.20.0.5"]},
    ),
    (
        Kind.LEAVE,
        SLED,
        DEPARTURE,
        "DELETE",
        f"/instances/{INSTANCE}/multicast-group",
        {"group_ip": "233.252.0.1", "sources": []},
    ),
]


def change(kind: Kind, target: Target, row: Any, number: int = 1) -> Change:
    """Return a change of a group."""
    return Change(kind=kind, target=target, groups=[group_ip(number)], subject=group_ip(number), row=row)


@pytest.mark.parametrize(
    ("kind", "target", "row", "method", "path", "body"), CALLS, ids=[str(kind) for kind, *_ in CALLS]
)
def test_requests_are_what_the_documents_say(
    kind: Kind, target: Target, row: Any, method: str, path: str, body: Any
) -> None:
    """Method, path and body of each kind, to the letter."""
    call = call_for([change(kind, target, row)], SubscriptionForm.INSTANCE)
    assert (call.method, call.path, call.body) == (method, path, body)


def test_a_port_can_be_named_by_its_propolis() -> None:
    """The other form differs in the path alone."""
    call = call_for([change(Kind.JOIN, SLED, SUBSCRIPTION)], SubscriptionForm.VMM)
    assert call.path == f"/vmms/{PROPOLIS}/multicast-group"


ROUTES = [
    MribRoute(group=group_ip(1), source=None, underlay_group=underlay_ip(1)),
    MribRoute(
        group=ExternalGroup.parse("ff3e::8000:1"),
        source=UnicastSource.parse("fd00:99::5"),
        underlay_group=UnderlayGroup.parse("ff04::ff3e:0:8000:1"),
    ),
]


def test_routes_of_a_switch_go_in_one_request_and_can_be_taken_apart() -> None:
    """Keys are tagged by family, (*,G) has a null source, and each group can be sent alone."""
    puts = [evolve(change(Kind.ROUTE_PUT, MGD, row), groups=[row.group], subject=row.group) for row in ROUTES]
    (call,) = calls_for(puts, SubscriptionForm.VMM)
    v4 = {"V4": {"source": None, "group": "233.252.0.1", "vni": 77}}
    v6 = {"V6": {"source": "fd00:99::5", "group": "ff3e::8000:1", "vni": 77}}
    assert (call.method, call.path) == ("PUT", "/static/mroute")
    assert call.body == {
        "routes": [
            {"key": v4, "underlay_group": "ff04::e9fc:1"},
            {"key": v6, "underlay_group": "ff04::ff3e:0:8000:1"},
        ]
    }
    assert [len(part.body["routes"]) for part in apart(call, SubscriptionForm.VMM)] == [1, 1]
    gone = [evolve(put, kind=Kind.ROUTE_WITHDRAW) for put in puts]
    (removal,) = calls_for(gone, SubscriptionForm.VMM)
    assert (removal.method, removal.body) == ("DELETE", {"keys": [v4, v6]})


def test_nobody_is_never_spelled_as_anybody() -> None:
    """A filter that lets nobody in cannot be sent: switches would take it for one that lets everybody in."""
    with pytest.raises(InvariantError):
        _ = call_for(
            [change(Kind.EXTERNAL_CREATE, DPD, external(G(number=1, sources=())))], SubscriptionForm.VMM
        ).body
