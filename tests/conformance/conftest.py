"""A simulated rack to hold against the cases."""

from collections.abc import Iterator, Mapping

import httpx
import pytest

from simrack.background import running
from simrack.rack import SimulatedRack
from tests.conformance.targets import PROBES, Target, target_of
from tests.simrack.rows import LISTENER, SLEDS, propolis, small_rack

PLACES = {
    "dpd": "switch0 dpd",
    "mgd": "switch0 mgd",
    "ddmd": "switch0 ddmd",
    "sled_agent": f"sled {SLEDS[0]}",
    "mgs": "switch0 mgs",
}
"""Daemon to its target in the simulated rack."""

KNOWN = {"vmm": str(propolis(LISTENER)), "instance": str(LISTENER)}


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=5) as client:
        yield client


@pytest.fixture(scope="session")
def rack() -> Iterator[SimulatedRack]:
    with running(small_rack()) as rack:
        yield rack


@pytest.fixture(scope="session")
def targets(rack: SimulatedRack, http: httpx.Client) -> Mapping[str, Target]:
    return {daemon: target_of(http, daemon, rack.url(PLACES[daemon]), None, KNOWN) for daemon in PROBES}
