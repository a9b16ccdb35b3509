"""A rack that runs for the whole session; every test gets it empty."""

from collections.abc import Iterator, Mapping

import httpx
import pytest

from blueprints.documents import snapshot_document
from blueprints.identifiers import SwitchSlot
from simrack.background import running
from simrack.rack import SimulatedRack
from tests.simrack.program import ok
from tests.simrack.rows import small_rack
from tests.simrack.talk import Json, Talk

SMALL_RACK = snapshot_document(small_rack())

AS_AT_FIRST: Mapping[str, Json] = {
    "/time": {"held": False},
    "/sweep": {"running": False},
    "/packet-engines": {"selects": False},
    "/dpds": {"backend": "tofino_stub", "revision": "e2e"},
    "/watch": [],
    "/peers": {"populated": False},
    "/names": {"services": ["_dendrite._tcp", "_mgs._tcp", "_mgd._tcp", "_ddm._tcp"]},
}
"""What of the control interface is put back, and to what."""


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(verify=False, trust_env=False, timeout=5) as client:  # noqa: S501  # plain HTTP
        yield client


@pytest.fixture(scope="session")
def rack() -> Iterator[SimulatedRack]:
    with running(small_rack()) as rack:
        yield rack


@pytest.fixture(scope="session")
def line(rack: SimulatedRack, client: httpx.Client) -> Talk:
    return Talk(rack, client)


@pytest.fixture
def talk(line: Talk) -> Talk:
    """The rack of `small_rack`, with empty tables, no faults and no calls on record.

    Only what the test before has touched is put in order again.
    """
    ok(line.control("DELETE", "/faults"))
    if line.moved_on:
        ok(line.control("PUT", "/snapshot", SMALL_RACK))
        for slot in SwitchSlot:
            ok(line.control("PUT", "/unreachable-sources", {"switch": slot, "sources": []}))
        for path, body in AS_AT_FIRST.items():
            ok(line.control("PUT", path, body))
        line.moved_on = False
    for target in sorted({call["target"] for call in line.calls()}):
        line.restart(target, keep_state=False)
    ok(line.control("DELETE", "/calls"))
    return line
