"""A process that does what ``rackcast execute --report`` does and nothing else, and says how much memory that took.

For `benchmarks.executing`, whose own imports would be most of what is measured. This file does not know the rack.
"""

import json
import sys
import time
from pathlib import Path

from attrs import evolve, field, frozen

from blueprints.disk import write_pieces
from executor import preflight, room
from executor.safeguards import Safeguards
from rackcast.bulk import bulk
from rackcast.commands.execute import run, sound
from rackcast.connect import Way
from rackcast.reading import read_blueprint

ROOM = 1 << 20
"""Rows of the simulated chips' tables."""


@frozen
class Peaks:
    """What the kernel counted as resident at its peak, interpreter and libraries included, so far on the way."""

    at: list[tuple[str, int]] = field(factory=list)

    def note(self, when: str) -> None:
        """Look now."""
        status = Path("/proc/self/status").read_text("ascii").splitlines()
        [peak] = [line for line in status if line.startswith("VmHWM")]
        self.at.append((when, int(peak.split()[1]) * 1024))


def alone(name: str, endpoints: str, report: str) -> None:
    """Execute a blueprint that no switch has room for, and print what it took."""
    # The simulated chips have room: it is counted all the same, as in every run.
    setattr(preflight, "excesses", lambda _: ())  # noqa: B010
    setattr(room, "TABLES", tuple(evolve(table, most=ROOM) for table in room.TABLES))  # noqa: B010
    peaks = Peaks()
    peaks.note("idle")
    with bulk():
        blueprint = sound(read_blueprint(name, causes=False), name)
        peaks.note("blueprint read")
        way, guards = Way(endpoints=endpoints, dns=None, subscriptions=None), Safeguards(allow_mass_change=True)
        begun = time.perf_counter()
        done = run(blueprint, way, dry_run=False, guards=guards, quiet=True)
        seconds = time.perf_counter() - begun
        peaks.note("executed")
        write_pieces(report, done.pieces())
        peaks.note("reported")
    calls = len(done.actions)
    print(json.dumps({"peaks": peaks.at, "calls": calls, "rate": calls / seconds, "exit": done.exit_code}))


if __name__ == "__main__":
    alone(*sys.argv[1:])
