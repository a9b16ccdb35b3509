"""Arguments and options that several commands share."""

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs instead of text for people."
)

blueprint_argument = click.argument("blueprint", metavar="BLUEPRINT")


def rack_options(command: Command) -> Command:
    """Add the two ways to find the rack's daemons."""
    command = click.option("--dns", metavar="ADDRESS[:PORT]", help="Ask this internal DNS server.")(command)
    return click.option("--endpoints", metavar="FILE", help="Read where the daemons listen from FILE.")(command)
