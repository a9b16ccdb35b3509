"""`rackcast observe`: what the rack holds now."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import click
from attrs import evolve

from blueprints.blueprint import Blueprint
from blueprints.disk import STANDARD
from blueprints.documents import observation_document
from blueprints.endpoints import Endpoints
from blueprints.files import write_observation
from blueprints.observation import Observation, Silence
from executor.classes import classified
from executor.observe import observe as ask
from executor.observe import targets_in
from executor.progress import nobody
from executor.targets import Target, targets_of
from rackcast.bulk import bulk
from rackcast.commands.options import json_option, rack_options
from rackcast.commands.pace import Pace, pace_options
from rackcast.connect import Way
from rackcast.exits import Exit
from rackcast.output import print_json
from rackcast.reading import read_blueprint
from rackcast.reports import print_classes
from rackcast.terminal import console, table


@click.command()
@click.option("-o", "--output", metavar="OBSERVATION", help="Write the observation to this file.")
@click.option(
    "--sleds-of", metavar="BLUEPRINT", help="With --dns, which does not list sleds: those of this blueprint."
)
@click.option("--against", metavar="BLUEPRINT", help="Say what the objects are to this blueprint; --sleds-of it too.")
@rack_options
@pace_options
@json_option
@click.pass_context
@bulk()
def observe(
    ctx: click.Context,
    /,
    output: str | None,
    sleds_of: str | None,
    against: str | None,
    as_json: bool,
    **way: Any,
) -> None:
    """Ask every daemon of the rack what it holds.

    Ends with 4 if some did not answer; what they hold is then null in the observation, and why is under "silent".
    """
    pace = Pace.taken(way)
    blueprint = read_blueprint(against) if against else None
    named = read_blueprint(sleds_of) if sleds_of else blueprint
    endpoints, unknown = Way(**way).find(named.sleds if named else ())
    if not endpoints.sleds and named is None:
        unknown = (*unknown, Silence(target="sleds", reason="DNS does not list them: name a blueprint by --sleds-of"))
    with pace.logged("observe", blueprint) as log:
        asked = _targets(endpoints, named, blueprint)
        seen = asyncio.run(ask(endpoints, asked, limits=pace.limits, listener=log.heard(nobody)))
    now = datetime.now(UTC).replace(microsecond=0)
    known = {silence.target for silence in unknown}  # DNS has said why already
    silent = [*(silence for silence in seen.silent if silence.target not in known), *unknown]
    seen = evolve(seen, observed_at=now, silent=silent)
    if output:
        write_observation(output, seen)
    if as_json and output != STANDARD:
        document = observation_document(seen)
        print_json(document if blueprint is None else {**document, "objects": classified(blueprint, seen).as_json()})
    elif output != STANDARD:
        _print(seen)
        if blueprint is not None:
            print_classes(console(), classified(blueprint, seen))
    ctx.exit(Exit.PARTIAL if seen.silent else Exit.DONE)


def _targets(endpoints: Endpoints, *named: Blueprint | None) -> tuple[Target, ...]:
    """Return whoever has an address, and whoever a blueprint names: without an address he is silent, not empty."""
    of_blueprints = {target for each in named if each is not None for target in targets_of(each)}
    return tuple(sorted(of_blueprints | set(targets_in(endpoints)), key=lambda target: target.sort_key))


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
