"""`rackcast observe`: what the rack holds now."""

import asyncio
from datetime import UTC, datetime

import click
from attrs import evolve

from blueprints.documents import observation_document
from blueprints.files import STANDARD, read_blueprint, write_observation
from blueprints.observation import Observation, Silence
from executor.observe import observe as ask
from rackcast.commands.options import json_option, rack_options
from rackcast.connect import Way
from rackcast.exits import Exit
from rackcast.terminal import console, print_json, table


@click.command()
@click.option("-o", "--output", metavar="OBSERVATION", help="Write the observation to this file.")
@click.option(
    "--sleds-of", metavar="BLUEPRINT", help="With --dns, which does not list sleds: those of this blueprint."
)
@rack_options
@json_option
@click.pass_context
def observe(
    ctx: click.Context, /, output: str | None, sleds_of: str | None, as_json: bool, **way: str | None
) -> None:
    """Ask every daemon of the rack what it holds.

    Ends with 4 if some did not answer; what they hold is then null in the observation, and why is under "silent".
    """
    endpoints, unknown = Way(**way).find(read_blueprint(sleds_of).sleds if sleds_of else ())
    if not endpoints.sleds and sleds_of is None:
        unknown = (*unknown, Silence(target="sleds", reason="DNS does not list them: name a blueprint by --sleds-of"))
    seen = asyncio.run(ask(endpoints))
    now = datetime.now(UTC).replace(microsecond=0)
    seen = evolve(seen, observed_at=now, silent=[*seen.silent, *unknown])
    if output:
        write_observation(output, seen)
    if as_json and output != STANDARD:
        print_json(observation_document(seen))
    elif output != STANDARD:
        _print(seen)
    ctx.exit(Exit.PARTIAL if seen.silent else Exit.DONE)


def _print(seen: Observation) -> None:
    out = console()
    switches = (
        (slot, _count(its.underlay_groups), _count(its.external_groups), _count(its.mrib_routes))
        for slot, its in seen.switches.items()
    )
    out.print(table("Switches", ("switch", "underlay groups", "external groups", "routes"), switches))
    sleds = ((sled, _count(its.m2p), _count(its.forwarding)) for sled, its in seen.sleds.items())
    out.print(table("Sleds", ("sled", "mappings", "forwarding entries"), sleds))
    if seen.silent:
        rows = ((silence.target, silence.reason) for silence in seen.silent)
        out.print(table("No answer to trust", ("target", "why"), rows))


def _count(rows: tuple[object, ...] | None) -> str:
    return "unknown" if rows is None else f"{len(rows):,}"
