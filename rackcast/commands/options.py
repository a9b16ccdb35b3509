"""Arguments and options that several commands share."""

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs instead of text for people."
)

blueprint_argument = click.argument("blueprint", metavar="BLUEPRINT")

_FORMS = click.Choice(["instance", "vmm"])


def rack_options(command: Command) -> Command:
    """Add the two ways to find the rack's daemons."""
    for option in (
        click.option("--subscriptions", type=_FORMS, help="With --dns: how sled-agents name a port. [default: vmm]"),
        click.option("--dns", metavar="ADDRESS[:PORT]", help="Ask this internal DNS server where the daemons are."),
        click.option("--endpoints", metavar="FILE", help="Read where the daemons listen from FILE."),
    ):
        command = option(command)
    return command
