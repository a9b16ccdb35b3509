"""A rack that runs for the whole session; every test gets it empty."""

from collections.abc import Iterator

import httpx
import pytest

from blueprints.documents import snapshot_document
from simrack.background import running
from simrack.rack import SimulatedRack
from tests.simrack.program import ok
from tests.simrack.rows import small_rack
from tests.simrack.talk import Talk


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(verify=False, trust_env=False, timeout=5) as client:  # noqa: S501  # plain HTTP
        yield client


@pytest.fixture(scope="session")
def rack() -> Iterator[SimulatedRack]:
    with running(small_rack()) as rack:
        yield rack


@pytest.fixture
def talk(rack: SimulatedRack, client: httpx.Client) -> Talk:
    """The rack of `small_rack`, with empty tables, no faults and no calls on record."""
    talk = Talk(rack, client)
    ok(talk.control("DELETE", "/faults"))
    ok(talk.control("PUT", "/snapshot", snapshot_document(small_rack())))
    state = talk.state()
    for slot in state["switches"]:
        talk.restart(f"{slot} dpd", keep_state=False)
        talk.restart(f"{slot} mgd", keep_state=False)
        ok(talk.control("PUT", "/unreachable-sources", {"switch": slot, "sources": []}))
    for sled in state["sleds"]:
        talk.restart(f"sled {sled}", keep_state=False)
    ok(talk.control("DELETE", "/calls"))
    return talk
