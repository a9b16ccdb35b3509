"""What planning costs, as ratios: ``python -m benchmarks.ratios [ROUNDS]``.

Every step is timed in turn within one round, beside the floor of the same round: decoding the snapshot's JSON with
the standard library and encoding it again. The median of the rounds' ratios is printed, for two sizes, with the
growth exponent in members between them (1 is linear). Seconds of one machine say little; ratios travel.
"""

import gc
import json
import math
import sys
import tracemalloc
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.workload import Size, a_while_later, rack
from blueprints.checks import check
from blueprints.compare import compare
from blueprints.documents import blueprint_from, file_form, snapshot_document, snapshot_from
from blueprints.snapshot import Snapshot
from blueprints.text import dumps, loads
from planner import plan

SIZES = {
    "full rack": Size(),
    "4 x members": Size(members=8000, instances=3200),
}
Step = tuple[str, Callable[[], Any]]


def _floor(text: str) -> None:
    json.dumps(json.loads(text))


def steps(snapshot: Snapshot) -> list[Step]:
    """Return the steps of a plan's life, each ready to be timed; the first is the floor."""
    text = dumps(snapshot_document(snapshot))
    parent = plan(snapshot)
    written = dumps(file_form(parent))
    later = a_while_later(snapshot, 1)
    after = plan(later, parent)
    return [
        ("floor: decode and encode the snapshot's JSON", lambda: _floor(text)),
        ("read the snapshot, every value checked", lambda: snapshot_from(loads(text, "s.json"), "s.json")),
        ("plan", lambda: plan(snapshot)),
        ("plan a tenth of the instances moved, with parent", lambda: plan(later, parent)),
        ("write the blueprint", lambda: dumps(file_form(parent))),
        ("read the blueprint, digest verified", lambda: blueprint_from(loads(written, "b.json"), "b.json")),
        ("check the structural rules", lambda: check(parent)),
        ("compare with the plan after", lambda: compare(parent, after)),
    ]


def _time(step: Callable[[], Any]) -> float:
    gc.collect()
    start = perf_counter()
    step()
    return perf_counter() - start


def measure(rounds: int) -> None:
    """Print a table of ratios to the floor, and the growth between the sizes."""
    seconds: dict[str, dict[str, list[float]]] = {}
    for size, numbers in SIZES.items():
        timed = steps(rack(1, numbers))
        for _ in range(rounds):
            for name, step in timed:
                seconds.setdefault(name, {}).setdefault(size, []).append(_time(step))
    floors = seconds[next(iter(seconds))]
    small, large = SIZES
    members = SIZES[large].members / SIZES[small].members
    print(f"{'step':52}{small:>14}{large:>14}{'growth':>9}")
    for name, by_size in seconds.items():
        ratios = [median(t / f for t, f in zip(by_size[s], floors[s], strict=True)) for s in SIZES]
        growth = math.log(median(by_size[large]) / median(by_size[small]), members)
        print(f"{name:52}{ratios[0]:>13.1f}x{ratios[1]:>13.1f}x{growth:>9.2f}")


def memory() -> None:
    """Print the peak of Python's own memory while planning, as a ratio to the snapshot's decoded JSON."""
    snapshot = rack(1)
    text = dumps(snapshot_document(snapshot))
    tracemalloc.start()
    json.loads(text)
    floor = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    plan(snapshot)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    print(f"peak memory of planning the full rack: {peak / floor:.1f} x the peak of decoding its JSON")


def main() -> None:
    """Measure, with the number of rounds that the command line names."""
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
    memory()


if __name__ == "__main__":
    main()
