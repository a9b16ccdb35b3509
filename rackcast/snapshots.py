"""Snapshots that a command is given. Apart from `rackcast.reading`: most commands start without what knows them.

This file does not know what commands do with them.
"""

from functools import partial

from blueprints import files
from blueprints.snapshot import Snapshot
from rackcast.reading import announce


def read_snapshot(name: str) -> Snapshot:
    """Return the snapshot in the file *name*.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    return files.read_snapshot(name, before_yaml=partial(announce, name))
