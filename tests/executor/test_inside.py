"""Runs against a rack without sockets: what they do is what they do over loopback, call by call and every time."""

from executor.limits import Limits
from tests.executor.bench import IMPATIENT, Bench, Json, inside, planned, summary
from tests.simrack.rows import SLEDS, small_rack

PLAN = planned(small_rack())
FAULTS: tuple[tuple[str, str, Json], ...] = (
    ("switch0 dpd", "timeout_after", {"method": "POST"}),
    (f"sled {SLEDS[1]}", "refuse", {"times": 9}),
    ("switch1 mgd", "late_effect", {"method": "PUT", "interval": 0.1}),
)


def spoilt_run(bench: Bench, limits: Limits = IMPATIENT) -> tuple[Json, Json]:
    """What is owed after a run with faults, and the rack's state once another had none."""
    for target, kind, options in FAULTS:
        bench.fault(target, kind, **options)
    owed = summary(bench.run(PLAN, limits=limits))
    bench.calm()
    assert bench.run(PLAN).exit_code == 0
    state = bench.state()
    return owed, (state["switches"], state["sleds"])


def test_a_run_without_sockets_is_the_run_over_loopback(bench: Bench, bench_inside: Bench) -> None:
    """The same faults leave the same debts, and another run the same rack."""
    owed, state = spoilt_run(bench_inside)
    assert owed
    assert spoilt_run(bench) == (owed, state)


def test_the_same_run_is_the_same_calls_in_the_same_order() -> None:
    """Nothing of a rack without sockets depends on how fast anybody is."""
    records = []
    for _ in range(2):
        with inside(small_rack()) as bench:
            spoilt_run(bench)
            records.append(bench.control("GET", "/calls"))
    assert len(records[0]) > 50
    assert records[0] == records[1]


def test_observing_goes_by_the_mounts(bench_inside: Bench) -> None:
    """An observation of the rack without sockets has every table and no silence."""
    assert bench_inside.run(PLAN).exit_code == 0
    seen = bench_inside.observe()
    assert seen.silent == ()
    assert all(tables.m2p for tables in seen.sleds.values())
