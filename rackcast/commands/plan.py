"""`rackcast plan`: snapshot to blueprint.

Unless somebody signs it, a blueprint does not say when it was made: the same snapshot gives the same file.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import click

from blueprints.blueprint import Blueprint, Made
from blueprints.disk import STANDARD
from blueprints.files import write_blueprint
from blueprints.findings import Finding
from blueprints.sealing import signed
from planner import plan as make_plan
from rackcast import __version__
from rackcast.bulk import bulk
from rackcast.commands.options import json_option
from rackcast.exits import Exit
from rackcast.output import print_json
from rackcast.reading import read_blueprint
from rackcast.saying import say
from rackcast.snapshots import read_snapshot
from rackcast.terminal import console
from rackcast.views import headline, summary


@click.command()
@click.argument("snapshot", metavar="SNAPSHOT")
@click.option("--parent", metavar="BLUEPRINT", help="Plan as the successor of this blueprint.")
@click.option("-o", "--output", metavar="BLUEPRINT", default=STANDARD, show_default=True, help="Where to write it.")
@click.option("--by", metavar="WHO", help="Sign the blueprint: who planned it. Also notes the time.")
@click.option("--comment", metavar="TEXT", help="Why it was planned. Also notes the time.")
@click.option("--waive-limits", is_flag=True, help="Write the blueprint even if a switch has no room for it.")
@json_option
@click.pass_context
def plan(
    ctx: click.Context,
    /,
    snapshot: str,
    parent: str | None,
    output: str,
    *,
    waive_limits: bool,
    as_json: bool,
    **said: str | None,
) -> None:
    """Plan SNAPSHOT and write the blueprint.

    The same snapshot and parent give the same bytes. With a parent that already says all there is to say, the
    parent itself is written. A plan that a switch has no room for is not written: that ends with 7.
    """
    with bulk():
        before = read_blueprint(parent) if parent else None
        blueprint = make_plan(read_snapshot(snapshot), before)
    too_much = [found for found in blueprint.findings if found.code == "capacity_exceeded"]
    if too_much and not waive_limits:
        _refuse(too_much)
        ctx.exit(Exit.REFUSED)
    with bulk():  # the text is made here
        if blueprint is not before:
            blueprint = signed(blueprint, _made(**said))
        write_blueprint(output, blueprint)
    unchanged = blueprint is before
    if as_json:
        print_json({**summary(blueprint), "unchanged": unchanged}, error=output == STANDARD)
    else:
        _tell(blueprint, unchanged=unchanged)


def _refuse(too_much: Iterable[Finding]) -> None:
    """Say what there is no room for, all of it."""
    for found in too_much:
        say(f"{found.subject}: {found.message}", error=True)
    say("nothing is written: the plan does not fit (--waive-limits writes it all the same, to look at)", error=True)


def _made(by: str | None, comment: str | None) -> Made:
    signed = datetime.now(UTC).replace(microsecond=0) if by or comment else None
    return Made(at=signed, by=by, comment=comment, planner=f"rackcast {__version__}")


def _tell(blueprint: Blueprint, *, unchanged: bool) -> None:
    out = console(error=True)
    if unchanged:
        out.print("Nothing changes: the blueprint is its parent.")
    headline(out, blueprint)
