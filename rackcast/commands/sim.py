"""`rackcast sim`: a simulated rack in the foreground."""

import json

import click

from blueprints.files import read_snapshot, write_endpoints
from simrack.rack import SimulatedRack
from simrack.serve import run


@click.command()
@click.argument("snapshot", metavar="SNAPSHOT")
@click.option("--endpoints-out", metavar="FILE", help="Write where the daemons listen to FILE.")
@click.option("--json", is_flag=True, expose_value=False, help="The first line is JSON in any case.")
@click.option("--control-port", type=click.IntRange(1, 65535), metavar="N", help="Port of the control interface.")
def sim(snapshot: str, endpoints_out: str | None, control_port: int | None) -> None:
    """Run the daemons of SNAPSHOT's rack on loopback, with empty tables, until told to stop.

    The first line printed is one JSON object: {"ready": true, "control": URL, "dns": ADDRESS}. The control interface
    answers GET /state, POST /packets, POST /faults, GET and DELETE /calls, PUT /snapshot.
    """

    def ready(rack: SimulatedRack) -> None:
        if endpoints_out:
            write_endpoints(endpoints_out, rack.endpoints)
        click.echo(json.dumps({"ready": True, "control": rack.control_url, "dns": rack.dns}))

    try:
        run(read_snapshot(snapshot), control_port=control_port, ready=ready)
    except OSError as error:
        raise click.ClickException(f"cannot listen on loopback: {error.strerror or error}") from None
