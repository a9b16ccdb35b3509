"""What planning costs beside JSON itself: ``python -m benchmarks.planning [ROUNDS]``.

The floor is orjson: the snapshot decoded, and the blueprint encoded in its own layout. In each round every step runs
once; medians of the rounds' ratios are printed, for racks of three sizes, with the exponent of growth in members from
the smallest to the largest (1 is linear). Seconds of one machine say little. What is timed is the process's own time,
with garbage collection off, as the command has it. Tables of switches are larger here than any switch has room for.

Memory is that of a process which does nothing but plan: what the kernel counts as resident at its peak, interpreter
and libraries included, beside the size of the snapshot's file. Start-up is beside the import of attrs, cattrs, yaml.
"""

import gc
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from subprocess import run
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import orjson
from attrs import evolve

from benchmarks.workload import Size, rack
from blueprints.blueprint import Blueprint
from blueprints.checks import check
from blueprints.compare import compare
from blueprints.documents import snapshot_pieces
from blueprints.files import read_blueprint, write_blueprint, write_snapshot
from blueprints.quick_documents import quick_snapshot
from blueprints.sealing import blueprint_pieces
from blueprints.snapshot import Snapshot
from planner import plan
from rackcast.bulk import bulk

SIZES = {
    "S": Size(groups=256, members=4096, instances=1638),
    "L": Size(groups=2048, members=65_536, instances=26_214),
    "XL": Size(groups=8192, members=262_144, instances=104_856),
}
SEED = 1
Step = Callable[[], Any]


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
        "floor: orjson decodes and encodes": lambda: (orjson.loads(data), orjson.dumps(layout)),
        "JSON to snapshot, digest included": lambda: _read(data),
        "plan, digest of the blueprint included": lambda: plan(snapshot),
        "bytes to bytes": lambda: _encoded(plan(_read(data))),
        "plan again with parent, a member less": lambda: plan(later, parent),
        "file to blueprint": lambda: read_blueprint(str(file)),
        "check the structural rules": lambda: check(parent),
        "compare with the next plan": lambda: compare(parent, plan(later, parent)),
    }


def _time(step: Step) -> float:
    gc.collect()
    with bulk():
        start = process_time()
        step()
        return process_time() - start


def measure(rounds: int, folder: Path) -> None:
    """Print a table of ratios to the floor, and the growth."""
    seconds: dict[str, dict[str, list[float]]] = {}
    for size, numbers in SIZES.items():
        snapshot = rack(SEED, numbers)
        timed = steps("".join(snapshot_pieces(snapshot)).encode(), folder)
        for _ in range(rounds):
            for name, step in timed.items():
                seconds.setdefault(name, {}).setdefault(size, []).append(_time(step))
    floors = seconds[next(iter(seconds))]
    print(f"{'':42}" + "".join(f"{size:>9}" for size in SIZES) + f"{'growth':>9}")
    for name, by_size in seconds.items():
        ratios = [_ratio(by_size[size], floors[size]) for size in SIZES]
        print(f"{name:42}" + "".join(f"{ratio:>8.2f}x" for ratio in ratios) + f"{_growth(by_size):>9.2f}")


def _ratio(times: list[float], floors: list[float]) -> float:
    return median(time / floor for time, floor in zip(times, floors, strict=True))


def _growth(by_size: Mapping[str, list[float]]) -> float:
    first, *_, last = SIZES
    members = SIZES[last].members / SIZES[first].members
    return math.log(median(by_size[last]) / median(by_size[first]), members)


def changed_lines() -> None:
    """Print how many lines of a blueprint's file differ after one member changed, head and all."""
    snapshot = rack(SEED, SIZES["S"])
    parent = plan(snapshot)
    before, after = (set(_encoded(one).splitlines()) for one in (parent, plan(one_member_less(snapshot), parent)))
    print(f"a member less: {len(before - after)} lines go, {len(after - before)} come, those of the head included")


def memory(folder: Path) -> None:
    """Print what a process that plans takes at its peak, beside the size of the snapshot's file."""
    file = folder / "snapshot.json"
    write_snapshot(str(file), rack(SEED, SIZES["L"]))
    command = [
        sys.executable,
        "-c",
        _WATCHED,
        "plan",
        str(file),
        "--waive-limits",
        "-o",
        str(folder / "blueprint.json"),
    ]
    said = run(command, check=True, capture_output=True, text=True).stdout
    peak = int(said.split()[-1]) * 1024
    size = file.stat().st_size
    print(f"peak memory of rackcast plan at L: {peak / size:.2f} x the file's {size / 1e6:.1f} MB")


_WATCHED = """
import re, sys
from pathlib import Path
from rackcast.main import main
try:
    main(sys.argv[1:])
finally:
    print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def start_up(folder: Path, rounds: int) -> None:
    """Print how long commands take to start, beside an interpreter that imports what records and YAML need."""
    small = folder / "small.json"
    write_blueprint(str(small), plan(rack(SEED, Size(sleds=2, groups=2, members=4, instances=3))))
    commands = {
        "imports": [sys.executable, "-c", "import attrs, cattrs, yaml"],
        "rackcast --help": [sys.executable, "-m", "rackcast", "--help"],
        "rackcast show": [sys.executable, "-m", "rackcast", "show", str(small)],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            start = perf_counter()
            run(command, check=True, capture_output=True)
            times[name].append(perf_counter() - start)
    for name in commands:
        print(f"start-up, {name:30}{_ratio(times[name], times['imports']):>8.2f}x")


def main() -> None:
    """Measure, with the number of rounds that the command line names."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with TemporaryDirectory() as name:
        folder = Path(name)
        start_up(folder, 2 * rounds + 1)
        memory(folder)
        changed_lines()
        measure(rounds, folder)


if __name__ == "__main__":
    main()
