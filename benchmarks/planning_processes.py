"""What whole processes cost that plan or only start: ratios to processes that do the least there is.

Both clocks are told: the time that somebody waits, and the processor's of the process alone. Of many runs the least
counts, in which others were least in the way. This file does not know what a plan is made of.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter

from benchmarks.timing import Seconds, row
from benchmarks.workload import Size, rack
from blueprints.files import write_blueprint, write_snapshot
from blueprints.snapshot import Snapshot
from planner import plan

OVN = Size(groups=2048, members=36_000, instances=14_400)
"""As many groups and memberships as northd was given."""

NORTHD = 1.7
"""Seconds on the wall: OVN's northd 23.03, from its start until what it compiled was acknowledged."""

_IMPORTS = "import attrs, cattrs, yaml"

Command = Sequence[str]

_AS_INSTALLED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""With the modules compiled, after the first run, as those of libraries are."""


def _rackcast(*words: object) -> Command:
    """Return the command as it is installed, or as the module where it is not."""
    installed = Path(sys.executable).with_name("rackcast")
    return [*([str(installed)] if installed.exists() else [sys.executable, "-m", "rackcast"]), *map(str, words)]


def _taken(command: Command) -> Seconds:
    before = _children()
    begun = perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=_AS_INSTALLED)
    return Seconds(perf_counter() - begun, _children() - before)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _least(commands: Mapping[str, Command], rounds: int) -> dict[str, Seconds]:
    """Return the least that each of *commands* took, by turns."""
    taken: dict[str, list[Seconds]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            taken[name].append(_taken(command))
    return {
        name: Seconds(min(each.wall for each in several), min(each.processor for each in several))
        for name, several in taken.items()
    }


def measure_start_up(folder: Path, rounds: int) -> None:
    """Print how long commands take to start, beside an interpreter that imports what records and YAML need."""
    small = folder / "small.json"
    write_blueprint(str(small), plan(rack(1, Size(sleds=2, groups=2, members=4, instances=3))))
    commands = {
        _IMPORTS: [sys.executable, "-c", _IMPORTS],
        "rackcast --help": _rackcast("--help"),
        "rackcast show": _rackcast("show", small),
        "rackcast show --json": _rackcast("show", small, "--json"),
        "rackcast check": _rackcast("check", small),
    }
    least = _least(commands, rounds)
    for name in list(commands)[1:]:
        ratio = least[name].beside(least[_IMPORTS])
        goal = "<= 2 x" if name in ("rackcast --help", "rackcast show") else ""
        measured = f"{ratio.processor:.2f} x (processor), {ratio.wall:.2f} x (wall)"
        row(f"start-up: {name}, small blueprint, to '{_IMPORTS}'", measured, goal)


def measure_processes(folder: Path, rounds: int) -> None:
    """Print how long a plan takes from file to file, as a process of its own."""
    snapshot = folder / "ovn.json"
    write_snapshot(str(snapshot), rack(1, OVN))
    command = _rackcast("plan", snapshot, "--waive-limits", "-o", folder / "ovn-blueprint.json")
    least = _least({"plan": command}, rounds)["plan"]
    row(
        f"O: rackcast plan FILE -o OUT, {OVN.groups:,} groups, {OVN.members:,} members, {OVN.sleds} sleds",
        f"{least.wall:.2f} s (wall), {least.processor:.2f} s (processor)",
        f"< {NORTHD} s (wall): what OVN's northd, in C, needs cold for as many groups and memberships; published, "
        "measured elsewhere and not in this run, and for another output",
    )


_PEAK = r'print(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])'
_PLANNING = f"""
import re, sys
from pathlib import Path
from rackcast.main import main
try:
    main(sys.argv[1:])
finally:
    {_PEAK}
"""
_FLOOR = f"""
import gc, orjson, re, sys
from pathlib import Path
gc.disable()
Path(sys.argv[2]).write_bytes(orjson.dumps(orjson.loads(Path(sys.argv[1]).read_bytes())))
{_PEAK}
"""


def measure_memory(folder: Path, snapshot: Snapshot) -> None:
    """Print what a process that plans *snapshot* has resident at its peak, interpreter and libraries included."""
    file, out = folder / "snapshot.json", folder / "out.json"
    write_snapshot(str(file), snapshot)
    floor = _peak("-c", _FLOOR, file, out)
    peak = _peak("-c", _PLANNING, "plan", file, "--waive-limits", "-o", out)
    size = file.stat().st_size
    row(
        "L: peak memory of rackcast plan, to the snapshot's file",
        f"{peak / size:.2f} x {size / 1e6:.1f} MB",
        "<= 6 x",
    )
    row(
        "L: peak memory of rackcast plan, to orjson decoding and encoding the file", f"{peak / floor:.2f} x", "<= 2 x"
    )


def _peak(*words: object) -> int:
    """Return the octets that an interpreter with *words* had resident at its peak; it prints them last, in KiB."""
    command = [sys.executable, *map(str, words)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(said.split()[-1]) * 1024
