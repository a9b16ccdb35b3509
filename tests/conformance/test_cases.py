"""The simulated rack held against every case, and every case against the promise to touch only its own."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import httpx
import pytest

from simrack.rack import SimulatedRack
from tests.conformance.case import MISSING, Case, Step, all_cases
from tests.conformance.matching import filled, filled_path
from tests.conformance.runner import NAMES, run
from tests.conformance.targets import PROBES, Target

Json = Any

CASES = all_cases()
TAG = "rackcast-conformance:"

OURS: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(network)
    for network in (
        "233.252.0.0/24",
        "232.252.0.0/24",
        "198.51.100.0/24",
        "2001:db8::/32",
        "ff04::db8:0/112",
        "ff04::e9fc:0/112",
        "ff05::db8:0/112",
        "ff08::db8:0/112",
        "ff0e::db8:0/112",
        "ff3e::80db:0/112",
    )
)

TOLERATED = {"dpd/external_addresses_on_which_revisions_differ"}
"""Where it is the very question whether an address is taken."""

WIPING = ("/multicast/groups", "/all-settings", "/sync", "/peers")


def state(rack: SimulatedRack, http: httpx.Client) -> Json:
    return http.get(f"{rack.control_url}/state").json()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_simulated_rack_answers_as_due(
    case: Case, rack: SimulatedRack, http: httpx.Client, targets: Mapping[str, Target]
) -> None:
    """Every step of the case, and afterwards the rack is as it was, hidden parts included."""
    before = state(rack, http)
    result = run(http, case, targets[case.daemon], risky=True)
    assert (result.differences, result.skipped) == ((), None)
    assert result.calls == len(case.steps)
    assert state(rack, http) == before


def test_there_are_enough_of_them() -> None:
    """At least 150 calls, some of them for each daemon, and every case with a rule and where it is from."""
    assert sum(len(case.steps) for case in CASES) >= 150
    assert {case.daemon for case in CASES} == PROBES.keys()
    assert [case.name for case in CASES if not (case.shows.endswith(".") and case.source)] == []


def written(case: Case) -> Iterator[tuple[Step, str, Json]]:
    """The calls that may change something: path and body with values in place of names, as far as they are known."""
    known = {**NAMES, **case.values}
    kept = {name: f"${name}" for step in case.steps for name in step.keep}
    names = {"port": "$port", "other_port": "$other_port", "vmm": "$vmm", "instance": "$instance"} | kept | known
    for step in (*case.steps, *case.cleanup):
        taken = not step.statuses or any(status < 400 for status in step.statuses)
        if step.method != "GET" and taken:
            yield step, filled_path(step.path, names), filled(None if step.send is MISSING else step.send, names)


def texts(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_touches_only_its_own(case: Case) -> None:
    """What may be taken names addresses for documentation and tags with our prefix, and wipes nothing."""
    for step, path, body in written(case):
        where = path.partition("?")[0]
        named = {text for text in (*texts(body), *where.split("/")) if address(text)}
        strange = {text for text in named if not any(ip_address(text) in network for network in OURS)}
        assert not strange or case.name.partition("[")[0] in TOLERATED
        tags = [body["tag"]] if isinstance(body, dict) and body.get("tag") is not None else []
        tags += [path.partition("tag=")[2]] if "tag=" in path else []
        tags += [where.rpartition("/")[2]] if where.startswith("/multicast/tags/") else []
        assert [tag for tag in tags if not tag.startswith((TAG, "$", "%24"))] == [] or case.risk or not step.statuses
        assert where not in WIPING


def test_a_case_that_makes_something_cleans_up() -> None:
    """Every case of a daemon with tables has calls that follow whatever happened."""
    assert [case.name for case in CASES if not case.cleanup and any(written(case))] == []
