"""Two racks for the tests of the catalogue: without sockets, and over loopback where sockets matter."""

import httpx
import pytest

from simrack.rack import SimulatedRack
from tests.executor.bench import Bench
from tests.simrack.rows import small_rack


@pytest.fixture
def bench(bench_inside: Bench) -> Bench:
    """The small rack without sockets: deadlines pass at once, however busy the machine is."""
    return bench_inside


@pytest.fixture
def over_loopback(small_simrack: SimulatedRack, control_http: httpx.Client) -> Bench:
    """The small rack with empty tables, no faults and no calls on record."""
    bench = Bench(small_simrack, control_http)
    bench.reset(small_rack())
    return bench
