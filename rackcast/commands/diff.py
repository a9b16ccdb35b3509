"""`rackcast diff`: two blueprints, or a blueprint and the rack."""

import click

from blueprints.files import read_blueprint
from rackcast.changes import changes_document, print_changes
from rackcast.commands.options import blueprint_argument, json_option, rack_options
from rackcast.exits import Exit
from rackcast.terminal import console, print_json


@click.command()
@blueprint_argument
@click.argument("other", metavar="[OTHER]", required=False)
@click.option("--rack", is_flag=True, help="Compare with what the rack holds now.")
@rack_options
@json_option
@click.pass_context
def diff(
    ctx: click.Context,
    blueprint: str,
    other: str | None,
    rack: bool,
    endpoints: str | None,
    dns: str | None,
    as_json: bool,
) -> None:
    """Show what OTHER changes after BLUEPRINT, or with --rack what the rack lacks of it.

    Ends with 3 if anything differs.
    """
    if rack == (other is not None):
        raise click.UsageError("give a second blueprint, or --rack")
    before = read_blueprint(blueprint)
    if other is not None:
        after = read_blueprint(other)
        document = changes_document(before, after)
        if as_json:
            print_json(document)
        else:
            print_changes(console(), before, after)
        ctx.exit(Exit.DIFFERENCES if document["changes"] else Exit.DONE)
