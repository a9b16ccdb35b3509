"""One simulated rack for all tests of the executor; every test gets it empty."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from executor.journal import JournalFile
from simrack.background import running
from simrack.rack import SimulatedRack
from tests.executor.bench import Bench, inside
from tests.simrack.rows import small_rack


@pytest.fixture(scope="session")
def small_simrack() -> Iterator[SimulatedRack]:
    with running(small_rack()) as rack:
        yield rack


@pytest.fixture(scope="session")
def control_http() -> Iterator[httpx.Client]:
    with httpx.Client(verify=False, trust_env=False, timeout=5) as client:  # noqa: S501  # plain HTTP on loopback
        yield client


@pytest.fixture
def bench(small_simrack: SimulatedRack, control_http: httpx.Client) -> Bench:
    """The small rack with empty tables, no faults and no calls on record."""
    bench = Bench(small_simrack, control_http)
    bench.reset(small_rack())
    return bench


@pytest.fixture
def journal(tmp_path: Path) -> JournalFile:
    """A journal that holds nothing."""
    return JournalFile.at(str(tmp_path / "journal.json"))


@pytest.fixture
def bench_inside() -> Iterator[Bench]:
    """The small rack without sockets, and with a clock that leaps over whatever is waited for."""
    with inside(small_rack()) as bench:
        yield bench
