"""`rackcast diff`: two blueprints, or a blueprint and the rack."""

import asyncio
from typing import Any

import click

from blueprints.blueprint import Blueprint
from executor.compare import compare
from executor.progress import nobody
from rackcast.bulk import bulk
from rackcast.changes import changes_document, print_changes
from rackcast.commands.options import blueprint_argument, json_option, rack_options
from rackcast.commands.pace import Pace, pace_options
from rackcast.connect import Way
from rackcast.exits import Exit
from rackcast.output import print_json
from rackcast.reading import read_blueprint
from rackcast.reports import print_comparison
from rackcast.terminal import console


@click.command()
@blueprint_argument
@click.argument("other", metavar="[OTHER]", required=False)
@click.option("--rack", is_flag=True, help="Compare with what the rack holds now; nothing is written.")
@rack_options
@pace_options
@json_option
@click.pass_context
@bulk()
def diff(ctx: click.Context, /, blueprint: str, other: str | None, rack: bool, as_json: bool, **way: Any) -> None:
    """Show what OTHER changes after BLUEPRINT, or with --rack what would have to be written to the rack.

    Ends with 3 if anything differs.
    """
    if rack == (other is not None):
        raise click.UsageError("give a second blueprint, or --rack")
    idle = [f"--{name.replace('_', '-')}" for name, said in way.items() if said and not rack]
    if idle:
        raise click.UsageError(f"{', '.join(idle)} goes with --rack")
    before = read_blueprint(blueprint)
    if other is not None:
        ctx.exit(_with_blueprint(before, read_blueprint(other), as_json=as_json))
    pace = Pace.taken(way)
    ctx.exit(_with_rack(before, Way(**way), pace, as_json=as_json))


def _with_blueprint(before: Blueprint, after: Blueprint, *, as_json: bool) -> int:
    document = changes_document(before, after)
    if as_json:
        print_json(document)
    else:
        print_changes(console(), before, after)
    return Exit.DIFFERENCES if document["changes"] else Exit.DONE


def _with_rack(blueprint: Blueprint, way: Way, pace: Pace, *, as_json: bool) -> int:
    endpoints, _ = way.find(blueprint.sleds)
    with pace.logged("diff", blueprint) as log:
        comparison = asyncio.run(compare(blueprint, endpoints, limits=pace.limits, listener=log.heard(nobody)))
    if as_json:
        print_json(comparison.as_json())
    else:
        print_comparison(console(), comparison)
    return comparison.exit_code
