"""A simulated rack as a process of its own, started and ended by whoever needs one.

This file does not know what the rack does.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from blueprints.endpoints import Endpoints
from blueprints.errors import SilentError
from blueprints.files import read_endpoints

PATIENCE = 20.0
"""Seconds that a rack gets to end on its own after it was told to."""


@frozen(kw_only=True)
class RunningRack:
    """A rack that listens."""

    endpoints: Endpoints
    control: str
    dns: str
    dsn: str | None
    """The database with the rows of the rack's snapshot; None where none was asked for."""


@contextmanager
def simulated_rack(snapshot: str, folder: Path, *, datastore: bool = False) -> Iterator[RunningRack]:
    """Run the rack of the snapshot file *snapshot* while the context lasts; *folder* takes its endpoints file.

    With *datastore*, a PostgreSQL with the snapshot's rows runs beside it. NIC filters are sockets where the system
    allows so many.

    Raises:
        SilentError: the rack ended before it was ready; its own words are on standard error.
    """
    endpoints = folder / "endpoints.json"
    command = [sys.executable, "-m", "rackcast", "sim", snapshot, "--endpoints-out", str(endpoints)]
    command += ["--filters", "auto", *(["--datastore"] if datastore else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 (our own command)
        try:
            first = process.stdout.readline() if process.stdout else ""
            if not first:
                raise SilentError(f"the simulated rack ended with {process.wait()} before it was ready")
            ready = json.loads(first)
            yield RunningRack(
                endpoints=read_endpoints(str(endpoints)),
                control=ready["control"],
                dns=ready["dns"],
                dsn=ready.get("dsn"),
            )
        finally:
            _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
