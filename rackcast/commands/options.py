"""Arguments and options that several commands share."""

from collections.abc import Callable
from ipaddress import IPv6Network
from typing import Any

import click

Command = Callable[..., Any]

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs instead of text for people."
)

dsn_option = click.option(
    "--dsn",
    metavar="DSN",
    envvar="RACKCAST_DSN",
    show_envvar=True,
    required=True,
    help="The datastore, such as postgresql://USER@HOST:PORT/DATABASE. Keep a password out of the command line: "
    "other users of the machine can see that, but not the environment.",
)

blueprint_argument = click.argument("blueprint", metavar="BLUEPRINT")

_FORMS = click.Choice(["instance", "vmm"])


class PrefixType(click.ParamType[IPv6Network]):
    """An IPv6 prefix such as ``fd00:1122:3344:100::/56``."""

    name = "prefix"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IPv6Network:
        """Return the prefix that *value* names."""
        try:
            return IPv6Network(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


prefix_option = click.option(
    "--allow-prefix",
    type=PrefixType(),
    metavar="PREFIX",
    multiple=True,
    help="With --dns: call only addresses in PREFIX, such as the rack's own /56; repeat it for several. "
    "[default: fd00::/8, and loopback if the server is there]",
)


def rack_options(command: Command) -> Command:
    """Add the two ways to find the rack's daemons, and what goes with them; `rackcast.connect.Way` takes them."""
    for option in (
        prefix_option,
        click.option("--subscriptions", type=_FORMS, help="With --dns: how sled-agents name a port. [default: vmm]"),
        click.option("--dns", metavar="ADDRESS[:PORT]", help="Ask this internal DNS server where the daemons are."),
        click.option("--endpoints", metavar="FILE", help="Read where the daemons listen from FILE."),
    ):
        command = option(command)
    return command
