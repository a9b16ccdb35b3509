"""Commands that a supervisor ends: one sentence, exit code 130, and nothing half written."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from select import select

import httpx
import pytest

from benchmarks.workload import Size
from benchmarks.workload import rack as workload
from blueprints.files import read_snapshot, write_blueprint, write_endpoints, write_snapshot
from planner import plan
from simrack.background import running
from simrack.rack import SimulatedRack

ONE_GROUP = Path(__file__).parents[2] / "examples" / "01_one_group" / "snapshot.yaml"
ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
PATIENCE = 20.0


@pytest.fixture
def rack() -> Iterator[SimulatedRack]:
    """Run the hand-sized rack."""
    with running(read_snapshot(str(ONE_GROUP))) as running_rack:
        yield running_rack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a blueprint, and files that hold what was written before."""
    write_blueprint(str(tmp_path / "blueprint.json"), plan(read_snapshot(str(ONE_GROUP))))
    for name in ("observation.json", "planned.json"):
        (tmp_path / name).write_text("old")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def ended(words: tuple[object, ...], ends: signal.Signals, reached: Callable[[], bool]) -> tuple[int, str, str]:
    """Return how a command ends that gets a signal once *reached* says so: exit code and both outputs."""
    command = [sys.executable, "-m", "rackcast", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + PATIENCE
        try:
            while not reached() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.2)  # what waits for the system is interrupted, and not what is just about to
            process.send_signal(ends)
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    return process.returncode, out, err.strip()


def contents(folder: Path) -> dict[str, bytes]:
    """Return what the plain files in *folder* hold."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("words", [("observe", "-o", "observation.json"), ("diff", "blueprint.json", "--rack")])
def test_what_asks_a_rack_ends_amid_its_questions(
    rack: SimulatedRack, folder: Path, words: tuple[str, ...], ends: signal.Signals
) -> None:
    """While a daemon does not answer, a signal ends it; what was there before is still there."""
    write_endpoints(str(folder / "endpoints.json"), rack.endpoints)
    hang = {"target": "switch0 dpd", "kind": "timeout_before", "method": "GET", "times": None}
    httpx.post(f"{rack.control_url}/faults", json=hang).raise_for_status()
    httpx.delete(f"{rack.control_url}/calls").raise_for_status()
    before = contents(folder)
    placed = [folder / word if word.endswith(".json") else word for word in words]
    said = ended((*placed, "--endpoints", folder / "endpoints.json"), ends, lambda: _asked(rack, "switch0 dpd"))
    assert said == (130, "", "interrupted")
    assert contents(folder) == before


def _asked(rack: SimulatedRack, target: str) -> bool:
    """Return whether *target* was called."""
    calls = httpx.get(f"{rack.control_url}/calls").json()
    return any(call["target"] == target for call in calls)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("command", ["plan", "show"])
def test_what_reads_ends_while_it_waits(folder: Path, command: str, ends: signal.Signals) -> None:
    """While whoever writes its input has not finished, a signal ends it; what was there before is still there."""
    before = contents(folder)
    words = (command, folder / "pipe", *(("-o", folder / "planned.json") if command == "plan" else ()))
    with ExitStack() as held:
        assert ended(words, ends, lambda: _joined(held, folder / "pipe")) == (130, "", "interrupted")
    assert contents(folder) == before


def _joined(held: ExitStack, pipe: Path) -> bool:
    """Write to *pipe* for as long as *held* is open, if somebody reads it."""
    try:
        held.callback(os.close, os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("ends", ENDS)
def test_a_plan_ends_while_it_writes(folder: Path, ends: signal.Signals) -> None:
    """While whoever reads its blueprint does not go on, a signal ends it, and no error hides that."""
    snapshot = folder / "snapshot.json"
    write_snapshot(str(snapshot), workload(1, Size(sleds=8, groups=400, members=800, instances=200)))
    reading = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        words = ("plan", snapshot, "--waive-limits", "-o", folder / "pipe")
        assert ended(words, ends, lambda: bool(select([reading], [], [], 0)[0])) == (130, "", "interrupted")
    finally:
        os.close(reading)
