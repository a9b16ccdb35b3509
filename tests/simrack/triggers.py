"""How a simulated rack plays each trigger of the failure catalogue: transport, names, switches, mgd and DDM, sleds.

Each row is what somebody orders over the control interface to bring the trigger about; where daemons do it by
themselves, as real ones do, it is the test that shows it. This file does not know what an executor makes of it.
"""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from blueprints.documents import snapshot_document
from tests.simrack.program import attributes, hop, port
from tests.simrack.rows import (
    G4,
    LISTENER,
    PICKER,
    S4,
    S6,
    SLEDS,
    SWITCH0,
    SWITCH1,
    TAG4,
    U4,
    sled,
    small_rack,
    switch,
)

Json = Any


@frozen
class Call:
    """A call of the control interface."""

    method: str
    path: str
    body: Json


@frozen
class Itself:
    """What daemons do by themselves: shown by a test, ``file::name`` below this folder."""

    test: str


Way = Call | Itself

DPD, MGD, DDMD = "switch0 dpd", "switch0 mgd", "switch0 ddmd"
SLED = f"sled {SLEDS[0]}"
SERIALS = tuple(sled(number).serial for number in range(3))
UNDERLAYS, EXTERNALS, GROUPS = (f"/multicast/{name}" for name in ("underlay-groups", "external-groups", "groups"))
FOREIGN = {"group_ip": "ff04::f00", "members": [port(14)], "tag": "somebody:else"}


def fault(target: str, kind: str, **options: Json) -> Call:
    return Call("POST", "/faults", {"target": target, "kind": kind, **options})


def event(kind: str, **fields: Json) -> Call:
    return Call("POST", "/events", {"event": kind, **fields})


def another(verb: str, where: str, body: Json = None, *, target: str = DPD, **options: Json) -> Call:
    """Somebody else calls while the executor reads."""
    call = {"target": target, "method": verb, "path": where, "body": body}
    return fault(target, "another_call", method="GET", call=call, **options)


def restart(target: str, *, keep: bool) -> Call:
    return Call("POST", "/restarts", {"target": target, "keep_state": keep})


def enter(**changes: Json) -> Call:
    return Call("PUT", "/snapshot", snapshot_document(small_rack(**changes)))


def records(kind: str, *data: str, **options: Json) -> Call:
    return fault("dns", "records", method=kind, records=list(data), **options)


HELD = Call("PUT", "/time", {"held": True})
SWEPT = Call("PUT", "/sweep", {"running": True})
SAME = {"group_ip": U4, "members": [port(14), port(15), port(16)], "tag": TAG4}
OTHER_NAT = attributes("ff04::bad")
OTHER_VLAN = attributes(U4) | {"external_forwarding": {"vlan_id": 7}}
M2P, FORWARDING = "/networking/mcast-m2p", "/networking/mcast-fwd"

TRANSPORT: Mapping[str, tuple[Way, ...]] = {
    "T1": (
        fault("*", "timeout_after", method="PUT"),
        fault("*", "timeout_after", method="DELETE", chance=0.5, seed=7),
    ),
    "T2": (fault("*", "timeout_before", method="POST"), fault("*", "refuse")),
    "T3": (fault(DPD, "late_effect", method="PUT", interval=2.5),),
    "T4": (another("POST", UNDERLAYS, SAME),),
    "T5": (another("POST", UNDERLAYS, SAME | {"members": []}),),
    "T6": (another("POST", UNDERLAYS, SAME | {"tag": "somebody:else"}),),
    "T7": (fault(DPD, "status", status=409, method="POST", times=3),),
    "T8": (another("DELETE", f"{GROUPS}/{G4}?tag={TAG4}"), fault(DPD, "status", status=404, method="PUT")),
    "T9": (another("DELETE", f"{GROUPS}/{G4}?tag={TAG4}"), fault(DPD, "status", status=404, method="DELETE")),
    "T10": (fault(DPD, "status", status=400, method="PUT"),),
    "T11": tuple(fault("*", "status", status=status, times=2) for status in (500, 502, 503, 504)),
    "T12": (
        fault(DPD, "status", status=503, times=None),
        fault(DPD, "status", status=507, method="POST", times=None),
    ),
    "T13": (fault(DPD, "no_multicast", times=None),),
    "T14": (
        *(fault(DPD, "status", status=status) for status in (103, 429, 599)),
        *(fault(DPD, "redirect", status=status, location="http://[::1]:1/") for status in (301, 307)),
    ),
    "T15": (fault(DPD, "slow_body", interval=1), fault(DPD, "stalled_head"), fault(DPD, "half_open")),
    "T16": tuple(
        fault(DPD, kind, method="GET")
        for kind in (
            "truncated_body",
            "content_type",
            "byte_order_mark",
            "not_a_number",
            "duplicate_key",
            "deep_nesting",
            "empty_body",
            "not_http",
        )
    ),
    "T17": (
        fault(DPD, "set_field", path=GROUPS, field="items.*.tag", value=77),
        fault(DPD, "drop_field", path=GROUPS, field="items.*.members"),
        fault(SLED, "body", path=M2P, body="null", content_type="application/json"),
    ),
    "T18": tuple(
        fault(DPD, kind, method="GET")
        for kind in ("huge_body", "gzip_bomb", "endless_chunks", "repeated_page", "endless_pages")
    ),
    "T19": (
        another("DELETE", f"{GROUPS}/{G4}?tag={TAG4}", path=GROUPS),
        another("POST", UNDERLAYS, FOREIGN, path=GROUPS),
    ),
    "T20": (
        fault(DPD, "set_field", path=GROUPS, field="items.0.kind", value="unheard of"),
        fault(DPD, "set_field", path=GROUPS, field="items.0.colour", value="red"),
        fault(DPD, "status", status=400, error_code="server does not support this API version"),
    ),
    "T21": (fault("*", "partial_list", method="GET"), fault(SLED, "partial_list", path=FORWARDING, keep=1)),
}

_ZONE = f"dendrite-{SLEDS[0]}.host.control-plane.oxide.internal."

NAMES: Mapping[str, tuple[Way, ...]] = {
    "N1": (records("SRV", f"0 0 1 {_ZONE}", f"0 0 1 {_ZONE}"),),
    "N2": (Itself("test_names.py::test_zones_that_share_an_address_stay_apart"),),
    "N3": tuple(
        fault(target, "set_field", field="slot", value=value, times=None)
        for target, value in (("switch1 dpd", 0), ("switch1 mgs", 0), (DPD, 7))
    ),
    "N4": (records("SRV", f"0 0 1 {_ZONE}", path="_dendrite"), event("fail", machine="switch1")),
    "N5": (
        *(fault("dns", "status", status=code) for code in (0, 2, 3)),
        fault("dns", "timeout_before", times=None),
        fault("dns", "refuse"),
    ),
    "N6": (
        records("AAAA", "fd00:dead::1", chance=0.5, seed=7, times=None),
        fault(DPD, "set_field", field="serial", value="BRM99999999"),
    ),
    "N7": (records("SRV", "0 0 80 example.com."), records("AAAA", "2001:db8::1")),
}

SWITCHES: Mapping[str, tuple[Way, ...]] = {
    "D1": (restart(DPD, keep=False), fault(DPD, "restart_empty", method="PUT", skip=2)),
    "D2": (event("fail", machine=DPD, how="refused"), event("return", machine=DPD)),
    "D3": (fault(DPD, "port_add"),),
    "D4": (fault(DPD, "port_add"), Itself("test_steps.py::test_a_swap_of_ports_has_a_gap_and_stayers_have_none")),
    "D5": (enter(switches={SWITCH0: switch(SWITCH0, backplane=()), SWITCH1: switch(SWITCH1)}),),
    "D6": (Itself("test_packets.py::test_a_translation_into_an_absent_group_is_a_black_hole"),),
    "D7": (Itself("test_dpd.py::test_an_underlay_group_in_use_cannot_be_deleted"),),
    "D8": (fault(DPD, "entry_missing"),),
    "D9": (Call("PUT", "/watch", [{"group": G4, "source": S4, "from": {"switch": "switch0"}}]),),
    "D10": (Itself("test_leftovers.py::test_none_or_any_in_so_many_words_are_told"),),
    "D11": (Itself("test_dpd.py::test_a_freed_id_is_given_out_next"),),
    "D12": (another("POST", UNDERLAYS, SAME, target="switch1 dpd"), restart("switch1 dpd", keep=False)),
    "D13": tuple(
        another("PUT", f"{EXTERNALS}/{G4}?tag={TAG4}", OTHER_NAT, target=target) for target in (DPD, "switch1 dpd")
    ),
    "D14": (another("PUT", f"{EXTERNALS}/{G4}?tag={TAG4}", OTHER_VLAN),),
    "D15": (Itself("test_dpd.py::test_the_source_filter_fills_up"), fault(DPD, "status", status=507, method="POST")),
    "D16": (another("POST", UNDERLAYS, FOREIGN),),
    "D17": (enter(groups=(), underlay_groups=(), members=()),),
    "D18": (HELD, SWEPT),
    "D19": (another("PUT", f"{UNDERLAYS}/{U4}?tag={TAG4}", {"members": []}, times=None),),
}

ROUTING: Mapping[str, tuple[Way, ...]] = {
    "MD1": (restart(MGD, keep=True),),
    "MD2": (restart(MGD, keep=False), fault(MGD, "restart_empty")),
    "MD3": (Call("PUT", "/unreachable-sources", {"switch": "switch0", "sources": [S4, S6]}),),
    "MD4": (Itself("test_mgd.py::test_an_exact_query_finds_one_or_answers_404"),),
    "MD5": (HELD, Itself("test_delays.py::test_a_new_route_is_passed_on_at_once_and_a_deleted_one_withdrawn")),
    "MD6": (HELD, Itself("test_delays.py::test_the_old_origin_of_a_changed_route_stays_until_a_second_is_quiet")),
    "MD7": (Itself("test_mgd.py::test_refused_routes"),),
    "MD8": (event("fail", machine="switch1 ddmd"), event("return", machine="switch1 ddmd")),
    "MD9": (fault("* ddmd", "set_field", field="*.status.type", value="Solicit", chance=0.5, seed=7, times=None),),
    "MD10": (Call("PUT", "/wiring", {str(SLEDS[0]): 20}), event("plug", sled=SERIALS[0], cubby=21)),
    "MD11": (fault(DDMD, "set_field", field="*.addr", value="fe80::1", times=None),),
    "MD12": (HELD, restart(DDMD, keep=True), fault(DDMD, "partial_list", path="/peers")),
}

SLED_AGENTS: Mapping[str, tuple[Way, ...]] = {
    "S1": (restart(SLED, keep=True),),
    "S2": (fault(SLED, "nic_join"), fault(SLED, "m2p_clear"), restart(SLED, keep=True)),
    "S3": (fault(SLED, "nic_join", nic="cxgbe1", times=None),),
    "S4": (fault(SLED, "nic_join"),),
    "S5": (another("PUT", M2P, {"group": G4, "underlay": "ff04::bad"}, target=SLED),),
    "S6": (another("PUT", FORWARDING, {"underlay": U4, "next_hops": [hop(SWITCH1)]}, target=SLED),),
    "S7": (Itself("test_flows.py::test_an_engine_that_selects_takes_four_hops"),),
    "S8": (another("PUT", FORWARDING, {"underlay": U4, "next_hops": [hop(SWITCH1, "include")]}, target=SLED),),
    "S9": (fault(SLED, "drop_field", path=FORWARDING, field="*.next_hops.0"),),
    "S10": (Itself("test_sled_agent.py::test_a_leave_goes_through_the_mapping_of_now"),),
    "S11": (enter(groups=(), underlay_groups=(), members=()), event("fail", machine=SERIALS[2])),
    "S12": (Itself("test_sled_agent.py::test_an_identical_repeat_does_not_reach_the_packet_engine"),),
    "S13": tuple(fault(SLED, "unknown_vmm", status=status, times=None) for status in (404, 410, 500)),
    "S14": (event("stop", instance=str(LISTENER)),),
    "S15": (event("migrate", instance=str(PICKER), to=SERIALS[2]), event("commit", instance=str(PICKER))),
    "S16": (
        event("migrate", instance=str(PICKER), to=SERIALS[2]),
        event("commit", instance=str(PICKER), at=3),
        fault(SLED, "slow_engine", interval=0.3),
    ),
    "S17": (event("stopping", instance=str(LISTENER)),),
    "S18": (event("fail", machine=SERIALS[2]), event("expunge", sled=SERIALS[2])),
    "S19": (restart(SLED, keep=False),),
    "S20": (Itself("test_flows.py::test_a_mapping_that_changes_does_not_reach_it"),),
}

TRIGGERS: Mapping[str, tuple[Way, ...]] = {**TRANSPORT, **NAMES, **SWITCHES, **ROUTING, **SLED_AGENTS}
"""Trigger to how it is brought about."""
