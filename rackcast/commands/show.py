"""`rackcast show`: read a blueprint."""

import click

from rackcast.bulk import bulk
from rackcast.commands.options import blueprint_argument, json_option
from rackcast.output import print_json
from rackcast.reading import read_blueprint
from rackcast.selection import select, selected_document
from rackcast.terminal import console
from rackcast.views import overview, show_group, show_sled, show_switch


@click.command()
@blueprint_argument
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="One group, by name, address or id.")
@click.option("--sled", "sleds", multiple=True, metavar="SLED", help="One sled, by id or its beginning.")
@click.option("--switch", "switches", multiple=True, metavar="SLOT", help="One switch: switch0 or switch1.")
@json_option
@bulk()
def show(
    blueprint: str, groups: tuple[str, ...], sleds: tuple[str, ...], switches: tuple[str, ...], as_json: bool
) -> None:
    """Show BLUEPRINT: all of it, or the groups, sleds and switches asked for.

    --json prints the expanded JSON, in which every table of every switch and sled is spelled out.
    """
    read = read_blueprint(blueprint)
    selection = select(read, groups, sleds, switches)
    if as_json:
        print_json(selected_document(read, selection))
        return
    out = console()
    if selection.everything:
        overview(out, read)
    for group in selection.groups:
        show_group(out, read, group)
    for slot in selection.switches:
        show_switch(out, slot, read.switches[slot])
    for sled in selection.sleds:
        show_sled(out, read, sled, read.sleds[sled])
