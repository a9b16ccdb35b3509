"""Programs the small rack by hand as its rows ask, call by call."""

from uuid import UUID

import httpx

from blueprints.addresses import UnderlayGroup
from blueprints.identifiers import MulticastMac, SwitchSlot
from tests.simrack.rows import (
    G4,
    G6,
    LISTENER,
    MOVER,
    PICKER,
    READER,
    S4,
    S6,
    SLEDS,
    TAG4,
    TAG6,
    U4,
    U6,
    ZONES,
    propolis,
)
from tests.simrack.talk import Json, Talk


def port(number: int, direction: str = "Underlay") -> Json:
    return {"port_id": f"rear{number}", "link_id": 0, "direction": direction}


def attributes(underlay: str, *sources: str) -> Json:
    mac = MulticastMac.of_group(UnderlayGroup.parse(underlay))
    target = {"internal_ip": underlay, "inner_mac": {"a": list(mac.octets)}, "vni": 77}
    return {
        "internal_forwarding": {"nat_target": target},
        "external_forwarding": {"vlan_id": None},
        "sources": [{"Exact": source} for source in sources],
    }


def hop(slot: SwitchSlot, mode: str = "exclude", *sources: str) -> Json:
    return {
        "next_hop": ZONES[slot],
        "replication": "underlay",
        "filter": {"mode": mode, "sources": list(sources)},
    }


def ok(response: httpx.Response) -> httpx.Response:
    assert response.is_success, f"{response.request.method} {response.request.url}: {response.text}"
    return response


def switch_group(talk: Talk, slot: SwitchSlot, group: str, underlay: str, tag: str, *sources: str) -> None:
    """Create both entries of a group with all three sleds as members."""
    members = [port(14), port(15), port(16)]
    ok(talk.dpd("POST", "/multicast/underlay-groups", {"group_ip": underlay, "members": members, "tag": tag}, slot))
    body = {"group_ip": group, "tag": tag, **attributes(underlay, *sources)}
    ok(talk.dpd("POST", "/multicast/external-groups", body, slot))


def sled_group(talk: Talk, sled: UUID, group: str, underlay: str, slot: SwitchSlot) -> None:
    ok(talk.sled(sled, "PUT", "/networking/mcast-fwd", {"underlay": underlay, "next_hops": [hop(slot)]}))
    ok(talk.sled(sled, "PUT", "/networking/mcast-m2p", {"group": group, "underlay": underlay}))


def join(talk: Talk, sled: int, instance: UUID, group: str, *sources: str, generation: int = 0) -> httpx.Response:
    path = f"/vmms/{propolis(instance, generation)}/multicast-group"
    return talk.sled(SLEDS[sled], "PUT", path, {"group_ip": group, "sources": list(sources)})


def leave(talk: Talk, sled: int, instance: UUID, group: str, generation: int = 0) -> httpx.Response:
    path = f"/vmms/{propolis(instance, generation)}/multicast-group"
    return talk.sled(SLEDS[sled], "DELETE", path, {"group_ip": group, "sources": []})


def program(talk: Talk) -> None:
    """Both groups on both switches and all sleds; senders go through switch1."""
    for slot in SwitchSlot:
        switch_group(talk, slot, G4, U4, TAG4)
        switch_group(talk, slot, G6, U6, TAG6, S6)
    for sled in SLEDS:
        sled_group(talk, sled, G4, U4, SwitchSlot.SWITCH1)
        sled_group(talk, sled, G6, U6, SwitchSlot.SWITCH1)
    ok(join(talk, 0, LISTENER, G4))
    ok(join(talk, 1, PICKER, G4, S4))
    ok(join(talk, 1, MOVER, G4))
    ok(join(talk, 2, MOVER, G4, generation=1))
    ok(join(talk, 0, READER, G6, S6))
