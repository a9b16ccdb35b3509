"""`rackcast target`: which blueprint a rack shall hold now."""

from datetime import UTC, datetime

import click

from blueprints.converter import unstructure
from executor.fence import TARGET_FORMAT, CurrentTarget, TargetStore
from rackcast.commands.execute import sound
from rackcast.commands.options import blueprint_argument, json_option
from rackcast.exits import Exit
from rackcast.output import print_json
from rackcast.reading import read_blueprint
from rackcast.saying import say

store_option = click.option("--store", metavar="PATH", required=True, help="The file that says what the target is.")


@click.group()
def target() -> None:
    """See or say which blueprint is the target: `execute --target-store` carries out no other."""


@target.command()
@store_option
@json_option
def show(store: str, as_json: bool) -> None:
    """Show which blueprint is the target."""
    current = TargetStore.at(store).read()
    if as_json:
        print_json({"format": TARGET_FORMAT, "target": None if current is None else unstructure(current)})
    else:
        say("no blueprint is the target" if current is None else _told(current))


@target.command("set")
@blueprint_argument
@store_option
@click.pass_context
def set_(ctx: click.Context, /, blueprint: str, store: str) -> None:
    """Make BLUEPRINT the target, if it was planned after the one that is (exit 6 otherwise).

    The first blueprint of a store needs no parent, and the target may be set again.
    """
    read = sound(read_blueprint(blueprint), blueprint)
    keeper = TargetStore.at(store)
    refused = keeper.advance(read, at=datetime.now(UTC).replace(microsecond=0))
    if refused is not None:
        say(f"{blueprint} may not become the target: {refused}", error=True)
        ctx.exit(Exit.FENCED)
    current = keeper.read()
    if current is not None:
        say(_told(current))


def _told(current: CurrentTarget) -> str:
    about = current.blueprint
    since = "" if current.set_at is None else f", since {current.set_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"generation {about.generation}, blueprint {about.id}, {about.digest}, rack {current.rack_id}{since}"
