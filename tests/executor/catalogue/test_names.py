"""Row by row: what a name server says of a rack, as far as it decides where a run writes (``N``)."""

from ipaddress import IPv6Address
from typing import Any

import pytest
from attrs import evolve

from blueprints.endpoints import Endpoints
from blueprints.errors import BadAnswerError, SilentError
from executor import identity
from executor.discovery import SERVICES, Discovery, _refuse_shared_slots, _SwitchZone, discover
from executor.reach import Reach
from executor.targets import targets_of
from tests.executor import test_discovery
from tests.executor.bench import Bench
from tests.executor.catalogue.scenes import END, ENDED, EVERYBODY, PLAN, at_rest, owed_kinds, sent_to
from tests.executor.catalogue.twins import Twin, method, must_fail, replaced
from tests.executor.test_discovery import found
from tests.simrack.rows import G4, S4, SWITCH0, SWITCH1


@pytest.fixture
def bench(over_loopback: Bench) -> Bench:
    """The small rack over loopback, with its own name server."""
    return over_loopback


def test_n2_switch_zones_that_share_an_address_are_two(bench: Bench) -> None:
    """Zones are known by the name that their records point to: both switches are found, and both are written."""
    endpoints = found(bench).endpoints
    assert {switch.dpd for switch in endpoints.switches.values()} == {
        switch.dpd for switch in bench.rack.endpoints.switches.values()
    }
    assert (
        bench.run(PLAN, endpoints=evolve(endpoints, subscriptions=bench.rack.endpoints.subscriptions)).exit_code == 0
    )
    assert {len(sent_to(bench, f"{slot} dpd", "POST")) for slot in (SWITCH0, SWITCH1)} == {4}


def test_n3_two_zones_of_one_slot_are_refused(bench: Bench) -> None:
    """Where two switches say the same slot, nobody decides which of them is right."""
    bench.fault(
        "switch1 dpd", "set_field", method="GET", path="/switch/identifiers", field="slot", value=0, times=None
    )
    with pytest.raises(BadAnswerError):
        found(bench)


def test_n4_a_switch_that_was_not_found_is_owed_its_work(bench: Bench) -> None:
    """The blueprint says which switches there are: one without an address is a debt, and nothing is called done."""
    bench.run(PLAN)
    bench.enter(ENDED)
    alone = {SWITCH1: bench.rack.endpoints.switches[SWITCH1]}
    report = bench.run(END, endpoints=evolve(bench.rack.endpoints, switches=alone))
    assert {("switch0 dpd", "everything"), ("switch0 mgd", "everything")} <= owed_kinds(report)
    assert report.exit_code == 4
    assert bench.heard(G4, S4) == EVERYBODY
    assert bench.run(END).exit_code == 0
    at_rest(bench, END)


@pytest.mark.parametrize("kind", ["refuse", "timeout_before", "status"])
def test_n5_a_rack_without_names_is_no_rack_without_work(
    bench: Bench, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that is silent or knows nothing is an error, and nothing vacuous succeeds."""
    monkeypatch.setattr("executor.names._LOOK_UP_SECONDS", 0.3)
    bench.fault("dns", kind, times=None)
    with pytest.raises(SilentError):
        found(bench)


def test_n6_an_address_that_another_switch_has_now_is_not_written_to(bench: Bench) -> None:
    """Names may be stale: each switch is asked for its slot before it is believed, and strangers are owed."""
    mine = bench.rack.endpoints.switches
    swapped = evolve(bench.rack.endpoints, switches={SWITCH0: mine[SWITCH1], SWITCH1: mine[SWITCH0]})
    report = bench.run(PLAN, endpoints=swapped)
    assert {target for target, kind in owed_kinds(report) if kind == "everything"} == {
        f"{slot} {daemon}" for slot in (SWITCH0, SWITCH1) for daemon in ("dpd", "mgd")
    }
    assert [call for call in bench.calls() if call["target"].startswith("switch")] == []


def test_n7_a_name_that_leads_out_of_the_rack_is_not_followed(bench: Bench) -> None:
    """Records that point to an address which no rack has are a bad answer, and nobody there is asked anything."""
    bench.fault("dns", "records", method="AAAA", records=["::ffff:127.0.0.1"], times=None)
    with pytest.raises(SilentError, match="outside the rack"):
        found(bench)


# --- twins ----------------------------------------------------------------------------------------------------------


TARGETS_OF = targets_of


def found_ones(content: Any) -> Any:
    """Take the switches that were found for all there are."""
    return tuple(target for target in TARGETS_OF(content) if target.place != SWITCH0.value)


async def believing(*_: Any) -> None:
    """Ask nobody who he is."""


DISCOVER = discover


async def vacuous(*arguments: Any, **options: Any) -> Discovery:
    """Take a rack without names for one without daemons."""
    try:
        return await DISCOVER(*arguments, **options)
    except SilentError:
        return Discovery(endpoints=Endpoints(switches={}, sleds={}), silent=())


def asking_vacuously(patch: pytest.MonkeyPatch) -> None:
    """Let whoever looks for daemons be content with none."""
    patch.setattr(test_discovery, "discover", vacuous)


TWINS = {
    "N2": Twin(
        check=test_n2_switch_zones_that_share_an_address_are_two,
        bug=method(_SwitchZone, "port", lambda _, service: SERVICES[service]),
    ),
    "N3": Twin(check=test_n3_two_zones_of_one_slot_are_refused, bug=replaced(_refuse_shared_slots, lambda *_: None)),
    "N4": Twin(check=test_n4_a_switch_that_was_not_found_is_owed_its_work, bug=replaced(targets_of, found_ones)),
    "N5": Twin(
        check=test_n5_a_rack_without_names_is_no_rack_without_work,
        arguments={"kind": "refuse"},
        bug=asking_vacuously,
    ),
    "N6": Twin(
        check=test_n6_an_address_that_another_switch_has_now_is_not_written_to,
        bug=replaced(identity.identify, believing),
    ),
    "N7": Twin(
        check=test_n7_a_name_that_leads_out_of_the_rack_is_not_followed,
        bug=method(Reach, "address", lambda _, __, text: IPv6Address(text)),
    ),
}


@pytest.mark.parametrize("row", TWINS)
def test_twin(row: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one decision made wrongly the row's own test fails."""
    must_fail(TWINS[row], request, monkeypatch)
