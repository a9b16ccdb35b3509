"""`rackcast sim`: a simulated rack in the foreground."""

import json
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from typing import Any

import click

from blueprints.files import read_document, write_endpoints
from blueprints.snapshot import Snapshot
from rackcast.snapshots import read_snapshot
from simrack.nics import COUNTED, SOCKETS, Nics, nics_that_fit
from simrack.plot import Plot, faults_from, story_from
from simrack.rack import Datastore, SimulatedRack
from simrack.serve import WITHOUT_DATASTORE, run


@click.command()
@click.argument("snapshot", metavar="SNAPSHOT")
@click.option("--endpoints-out", metavar="FILE", help="Write where the daemons listen to FILE.")
@click.option("--json", is_flag=True, expose_value=False, help="The first line is JSON in any case.")
@click.option("--control-port", type=click.IntRange(1, 65535), metavar="N", help="Port of the control interface.")
@click.option("--datastore", is_flag=True, help="Run a PostgreSQL beside it, with the rows of SNAPSHOT.")
@click.option(
    "--filters",
    type=click.Choice(["sockets", "counted", "auto"]),
    help="NIC filters: UDP sockets on loopback (what is usual), or joins counted in a table; auto counts them where "
    "the limit of open files is too low for sockets.",
)
@click.option("--faults", metavar="FILE", help="Order the faults in FILE (rackcast.faults/1) before anybody calls.")
@click.option("--story", metavar="FILE", help="Play the events in FILE (rackcast.story/1), each at its time.")
@click.option("--populate-peers", is_flag=True, help="Make up DDM peers of the sleds in service and inventory.")
@click.option("--netns", is_flag=True, help="NIC filters: UDP sockets in a network namespace for each sled.")
def sim(
    snapshot: str,
    endpoints_out: str | None,
    control_port: int | None,
    datastore: bool,
    filters: str | None,
    netns: bool,
    **what_happens: Any,
) -> None:
    """Run the daemons of SNAPSHOT's rack on loopback, with empty tables, until told to stop.

    The first line printed is one JSON object: {"ready": true, "control": URL, "dns": ADDRESS}; with --datastore it
    also has "dsn", with --netns "netns", the namespaces by sled. The control interface answers GET /state,
    POST /packets, POST /faults, POST /events, GET and DELETE /calls, PUT /snapshot. The rack's clock runs unless
    somebody holds it; --faults and --story are read, and a story rehearsed, before anything starts.
    """
    if netns and filters:
        raise click.UsageError("--netns says what NIC filters are held by, and so does --filters; give one of them")
    beside = _own_postgres() if datastore else WITHOUT_DATASTORE

    def ready(rack: SimulatedRack) -> None:
        if endpoints_out:
            write_endpoints(endpoints_out, rack.endpoints)
        first = {"ready": True, "control": rack.control_url, "dns": rack.dns}
        first |= {} if rack.dsn is None else {"dsn": rack.dsn}
        first |= {"netns": {str(sled): name for sled, name in rack.namespaces.items()}} if netns else {}
        click.echo(json.dumps(first))

    rows = read_snapshot(snapshot)
    plot = _plot(rows, **what_happens)
    on = _namespaces(rows) if netns else nullcontext(_nics(filters, rows))
    try:
        run(rows, control_port=control_port, ready=ready, beside=beside, on=on, plot=plot)
    except OSError as error:
        raise click.ClickException(f"cannot listen on loopback: {error.strerror or error}") from None


def _plot(rows: Snapshot, *, faults: str | None, story: str | None, populate_peers: bool) -> Plot:
    """Return what is to happen."""
    return Plot(
        faults=faults_from(read_document(faults), faults, rows) if faults else (),
        events=story_from(read_document(story), story, rows) if story else (),
        populate_peers=populate_peers,
        clock=monotonic,
    )


def _nics(filters: str | None, rows: Snapshot) -> Nics:
    if filters == "auto":
        return nics_that_fit(rows)
    return COUNTED if filters == "counted" else SOCKETS


def _namespaces(rows: Snapshot) -> AbstractContextManager[Nics]:
    try:
        from simrack.namespaces import namespaces
    except ImportError as error:
        raise click.UsageError(f"--netns needs Linux and an extra: pip install 'rackcast[netns]' ({error})") from None
    return namespaces(rows)


def _own_postgres() -> AbstractContextManager[Datastore]:
    try:
        from simrack.datastore.beside import own_postgres
    except ImportError as error:
        raise click.UsageError(
            f"--datastore needs two extras: pip install 'rackcast[datastore,postgres]' ({error})"
        ) from None
    return own_postgres()
