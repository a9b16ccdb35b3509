"""Writes ``examples/full_rack``: ``python -m benchmarks.full_rack FOLDER``.

`before` is a rack of 32 sleds, 2 switches, 200 groups and 2,000 members; `after` is the same rack ten minutes
later, once the datastore was told that the plan of `before` is in effect.
"""

import sys
from pathlib import Path

from benchmarks.workload import a_while_later, rack, settled
from blueprints.files import write_snapshot
from blueprints.snapshot import Snapshot
from planner import plan

SEED = 1


def snapshots() -> dict[str, Snapshot]:
    """Return the two snapshots by file name."""
    before = rack(SEED)
    after = a_while_later(settled(before, plan(before)), SEED)
    return {"before.json.gz": before, "after.json.gz": after}


def main() -> None:
    """Write both files into the folder that the command line names."""
    folder = Path(sys.argv[1])
    for name, snapshot in snapshots().items():
        write_snapshot(str(folder / name), snapshot)


if __name__ == "__main__":
    main()
