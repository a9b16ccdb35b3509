"""What planning costs beside JSON itself: ``python -m benchmarks.planning [ROUNDS] [PART...]``.

The parts are ``startup``, ``memory``, ``process`` (`benchmarks.planning_processes`), ``lines``, ``speed`` and
``growth``; without one named, all are measured. ``growth`` is the longest: it takes the largest rack into ``speed``.

The floor is orjson: the snapshot decoded, and the blueprint encoded in its own layout. In each round every step runs
once; medians of the rounds' ratios are printed beside the goals, for racks of several sizes, with the exponent of
growth in members from the smallest to the largest (1 is linear). Seconds of one machine say little. Garbage
collection is off, as the command has it. Tables of switches are larger here than any switch has room for.
"""

import gc
import math
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from attrs import evolve

from benchmarks.planning_processes import measure_memory, measure_processes, measure_start_up
from benchmarks.timing import Seconds, demand, ratios, row, taken
from benchmarks.workload import Size, rack
from blueprints.blueprint import Blueprint
from blueprints.checks import check
from blueprints.compare import compare
from blueprints.documents import snapshot_pieces
from blueprints.files import read_blueprint, write_blueprint
from blueprints.quick_documents import quick_snapshot
from blueprints.sealing import blueprint_pieces, sealed
from blueprints.snapshot import Snapshot
from planner import plan

SIZES = {
    "S": Size(groups=256, members=4096, instances=1638),
    "L": Size(groups=2048, members=65_536, instances=26_214),
    "XL": Size(groups=8192, members=262_144, instances=104_856),
}
SEED = 1
Step = Callable[[], Any]

FLOOR = "floor: orjson decodes and encodes"
PLAN = "plan, its text and digest not asked for"
AGAIN = "plan again with parent, a member less"
GOALS = {"bytes to bytes": "<= 6 x", PLAN: "<= 2.5 x"}
"""Step to its goal, of those that have one beside the floor."""

GOALS_AT = "L"
"""The size that the goals are of: what is small is mostly what every plan costs."""

GROWTH_GOAL = "<= 1.1"


def _encoded(blueprint: Blueprint) -> bytes:
    return "".join(blueprint_pieces(blueprint)).encode()


def _read(data: bytes) -> Snapshot:
    snapshot = quick_snapshot(data)
    assert snapshot is not None  # noqa: S101  # what was written is without a mistake
    return snapshot


def one_member_less(snapshot: Snapshot) -> Snapshot:
    """Return *snapshot* without one of the members, who is in a group with many."""
    gone = snapshot.members[len(snapshot.members) // 2]
    return evolve(snapshot, members=[row for row in snapshot.members if row is not gone])


def steps(data: bytes, folder: Path) -> dict[str, Step]:
    """Return the steps of a plan's life from the snapshot in *data*, ready to be timed; the first is the floor."""
    snapshot = _read(data)
    parent = plan(snapshot)
    written = _encoded(parent)
    layout = orjson.loads(written)
    file = folder / "parent.json"
    write_blueprint(str(file), parent)
    later = _read("".join(snapshot_pieces(one_member_less(snapshot))).encode())
    return {
        FLOOR: lambda: (orjson.loads(data), orjson.dumps(layout)),
        "JSON to snapshot, digest included": lambda: _read(data),
        PLAN: lambda: plan(snapshot),
        "bytes to bytes": lambda: _encoded(plan(_read(data))),
        "text and digest of the blueprint": lambda: sealed(parent, None, 1, parent.snapshot_digest).digest,
        AGAIN: lambda: plan(later, parent),
        "file to blueprint": lambda: read_blueprint(str(file)),
        "check the structural rules": lambda: check(parent),
        "compare with the next plan": lambda: compare(parent, plan(later, parent)),
    }


def measure_speed(rounds: int, folder: Path, sizes: Mapping[str, Size]) -> None:
    """Print ratios to the floor for each of *sizes*, and the growth from the first to the last."""
    measured: dict[str, dict[str, list[Seconds]]] = {}
    for name, size in sizes.items():
        timed = steps("".join(snapshot_pieces(rack(SEED, size))).encode(), folder)
        seconds: dict[str, list[Seconds]] = {step: [] for step in timed}
        for _ in range(rounds):
            for step, work in timed.items():
                gc.collect()
                seconds[step].append(taken(work))
        _print_ratios(name, seconds)
        measured[name] = seconds
    for step in next(iter(measured.values())):
        _print_growth(step, {name: seconds[step] for name, seconds in measured.items()}, sizes)


def _print_ratios(name: str, seconds: Mapping[str, Sequence[Seconds]]) -> None:
    at_goal = name == GOALS_AT
    for step, each in seconds.items():
        if step != FLOOR:
            ratios(f"{name}: {step}, to the floor", _beside(each, seconds[FLOOR]), GOALS.get(step, "") * at_goal)
    ratios(f"{name}: {AGAIN}, to the first plan", _beside(seconds[AGAIN], seconds[PLAN]), "<= 1.2 x" * at_goal)


def _beside(each: Sequence[Seconds], floors: Sequence[Seconds]) -> list[Seconds]:
    return [one.beside(floor) for one, floor in zip(each, floors, strict=True)]


def _print_growth(step: str, seconds: Mapping[str, Sequence[Seconds]], sizes: Mapping[str, Size]) -> None:
    first, *_, last = sizes
    members = sizes[last].members / sizes[first].members
    before, after = (median(each.processor for each in seconds[name]) for name in (first, last))
    goal = GROWTH_GOAL if step != FLOOR and last == "XL" else ""
    row(f"growth {first} to {last}: {step}", f"exponent {math.log(after / before, members):.2f} (processor)", goal)


def count_lines() -> None:
    """Print how many lines of a blueprint's file differ after one member changed, head and all."""
    snapshot = rack(SEED, SIZES["S"])
    parent = plan(snapshot)
    child = plan(one_member_less(snapshot), parent)
    before, after = (Counter(_encoded(one).splitlines()) for one in (parent, child))
    gone, come = (before - after).total(), (after - before).total()
    row(
        "S: lines that differ after one member changed, the head's included",
        f"{gone} go, {come} come",
        "<= 10 and the head",
    )


PARTS = ("startup", "memory", "process", "lines", "speed", "growth")


def main() -> None:
    """Measure the parts that the command line names, with its number of rounds."""
    words = sys.argv[1:]
    rounds = int(words.pop(0)) if words and words[0].isdecimal() else 5
    parts = words or list(PARTS)
    demand(set(parts) <= set(PARTS), f"parts are {', '.join(PARTS)}")
    with TemporaryDirectory() as name:
        folder = Path(name)
        if "startup" in parts:
            measure_start_up(folder, 5 * rounds)
        if "memory" in parts:
            measure_memory(folder, rack(SEED, SIZES["L"]))
        if "process" in parts:
            measure_processes(folder, rounds)
        if "lines" in parts:
            count_lines()
        if {"speed", "growth"} & set(parts):
            measure_speed(rounds, folder, SIZES if "growth" in parts else {name: SIZES[name] for name in ("S", "L")})


if __name__ == "__main__":
    main()
