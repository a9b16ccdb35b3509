"""What collecting costs beside its own statements: ``python -m benchmarks.collecting [ROUNDS]``.

A stress rack stands in a real PostgreSQL. In each round the same statements run bare, in a transaction of the same
kind, every page fetched and thrown away; then they are read into records; then they are read, checked and written to
a file. The medians of the rounds' ratios are printed; seconds of one machine say little. Garbage collection is off,
as the command has it.

Memory is that of a process which does nothing but collect: what the kernel counts as resident at its peak, with the
interpreter and its libraries, and without.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import psycopg
from attrs import evolve, frozen

from benchmarks.workload import Size, rack, tombstones
from blueprints.files import write_snapshot
from blueprints.snapshot import Snapshot
from collector.checks import check
from collector.datastore import read, read_cut
from collector.session import Answer, Cut, reading
from rackcast.bulk import bulk
from simrack.datastore.load import load
from simrack.datastore.server import running

SIZE = Size(sleds=32, groups=1000, members=64_000, instances=8000)
TOMBSTONES = 4000
SEED = 1
ALONE = "alone"
"""What the process that does nothing but collect is told."""

Question = tuple[bytes, Sequence[Any]]


def workload() -> Snapshot:
    """Return the stress rack."""
    return tombstones(rack(SEED, SIZE), SEED, TOMBSTONES)


@frozen
class _Noting:
    """A cut that notes what it is asked."""

    cut: Cut
    asked: list[Question]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cut, name)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self.asked.append((statement.encode(), parameters))
        return self.cut.rows(statement, parameters)

    def ask(self, statement: str, parameters: Sequence[Any] = ()) -> Answer:
        self.asked.append((statement.encode(), parameters))
        return self.cut.ask(statement, parameters)


def questions(dsn: str) -> list[Question]:
    """Return every statement that reading takes, with its parameters."""
    asked: list[Question] = []
    with reading(dsn) as cut:
        read_cut(_Noting(cut, asked))  # type: ignore[arg-type]  # all that is used of a cut is there
    return asked


def bare(dsn: str, asked: list[Question], *, binary: bool) -> None:
    """Run the statements that were *asked*, and throw away what they give.

    *binary* lets the server send values in its own form, as the collector does; the driver's default is text.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for statement, parameters in asked:
            connection.execute(statement, parameters or None, binary=binary).fetchall()


def collect(dsn: str, rest: Snapshot, name: str) -> None:
    """Read, check, and write a snapshot with what no datastore tells from *rest*."""
    stored = read(dsn)
    check(stored)
    snapshot = evolve(
        rest,
        evaluated_at=stored.taken_at,
        sleds=[row.sled for row in stored.sleds],
        inventory=stored.inventory,
        groups=stored.groups,
        underlay_groups=stored.underlay_groups,
        members=stored.members,
        instances=stored.instances,
    )
    write_snapshot(name, snapshot)


def _time(step: Callable[[], Any]) -> float:
    with bulk():
        start = perf_counter()
        step()
        return perf_counter() - start


def measure(dsn: str, name: str, rounds: int) -> None:
    """Print ratios to the bare statements."""
    asked, rest = questions(dsn), _rest()
    steps: dict[str, Callable[[], Any]] = {
        "the same statements, bare": lambda: bare(dsn, asked, binary=True),
        "bare, answers as text": lambda: bare(dsn, asked, binary=False),
        "read": lambda: read(dsn),
        "read, check, write": lambda: collect(dsn, rest, name),
    }
    seconds: dict[str, list[float]] = {step: [] for step in steps}
    for _ in range(rounds):
        for step, run in steps.items():
            seconds[step].append(_time(run))
    floor, *_ = seconds.values()
    for step, times in seconds.items():
        ratio = median(time / least for time, least in zip(times, floor, strict=True))
        print(f"{step:28}{ratio:>7.2f}x   {median(times):.3f} s, at best {min(times):.3f} s")


def _rest() -> Snapshot:
    """Return what of a snapshot no datastore tells, with no rows."""
    small = rack(SEED, Size(sleds=1, groups=1, members=1, instances=1))
    return evolve(small, sleds=(), inventory=None, groups=(), underlay_groups=(), members=(), instances=())


def _resident() -> int:
    """Return the peak of resident memory so far, in octets; getrusage would count the parent's too."""
    [line] = [line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def collect_alone(dsn: str, name: str) -> None:
    """Collect once; print the peak of resident memory before and after."""
    rest, before = _rest(), _resident()
    with bulk():
        collect(dsn, rest, name)
    print(before, _resident())


def memory(dsn: str, file: Path) -> None:
    """Print what a process of its own took at its peak, beside the size of the file that it wrote."""
    command = [sys.executable, "-m", "benchmarks.collecting", ALONE, dsn, str(file)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    before, peak = map(int, said.split())
    size = file.stat().st_size
    print(
        f"peak memory: {peak / size:.2f} x the file's {size / 1e6:.1f} MB; "
        f"{(peak - before) / size:.2f} x beyond an idle interpreter"
    )


def main() -> None:
    """Measure, with the number of rounds that the command line names."""
    if sys.argv[1:2] == [ALONE]:
        collect_alone(*sys.argv[2:])
        return
    with TemporaryDirectory() as folder, running(Path(folder)) as dsn:
        file = Path(folder) / "snapshot.json"
        load(dsn, workload())
        measure(dsn, str(file), int(sys.argv[1]) if len(sys.argv) > 1 else 7)
        memory(dsn, file)


if __name__ == "__main__":
    main()
