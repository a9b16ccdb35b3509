"""`rackcast sim`: a simulated rack in the foreground."""

import json
from contextlib import AbstractContextManager

import click

from blueprints.files import read_snapshot, write_endpoints
from simrack.rack import Datastore, SimulatedRack
from simrack.serve import WITHOUT_DATASTORE, run


@click.command()
@click.argument("snapshot", metavar="SNAPSHOT")
@click.option("--endpoints-out", metavar="FILE", help="Write where the daemons listen to FILE.")
@click.option("--json", is_flag=True, expose_value=False, help="The first line is JSON in any case.")
@click.option("--control-port", type=click.IntRange(1, 65535), metavar="N", help="Port of the control interface.")
@click.option("--datastore", is_flag=True, help="Run a PostgreSQL beside it, with the rows of SNAPSHOT.")
def sim(snapshot: str, endpoints_out: str | None, control_port: int | None, datastore: bool) -> None:
    """Run the daemons of SNAPSHOT's rack on loopback, with empty tables, until told to stop.

    The first line printed is one JSON object: {"ready": true, "control": URL, "dns": ADDRESS}; with --datastore it
    also has "dsn". The control interface answers GET /state, POST /packets, POST /faults, GET and DELETE /calls,
    PUT /snapshot.
    """
    beside = _own_postgres() if datastore else WITHOUT_DATASTORE

    def ready(rack: SimulatedRack) -> None:
        if endpoints_out:
            write_endpoints(endpoints_out, rack.endpoints)
        first = {"ready": True, "control": rack.control_url, "dns": rack.dns}
        click.echo(json.dumps(first | ({} if rack.dsn is None else {"dsn": rack.dsn})))

    try:
        run(read_snapshot(snapshot), control_port=control_port, ready=ready, beside=beside)
    except OSError as error:
        raise click.ClickException(f"cannot listen on loopback: {error.strerror or error}") from None


def _own_postgres() -> AbstractContextManager[Datastore]:
    try:
        from simrack.datastore.beside import own_postgres
    except ImportError as error:
        raise click.UsageError(
            f"--datastore needs two extras: pip install 'rackcast[datastore,postgres]' ({error})"
        ) from None
    return own_postgres()
