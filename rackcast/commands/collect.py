"""`rackcast collect`: datastore and switches to a snapshot.

The connection string may hold a password: it comes from the option or the environment, and is never shown.
"""

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from blueprints.addresses import UnderlayUnicast
from blueprints.converter import structure
from blueprints.disk import STANDARD, write_together
from blueprints.documents import snapshot_pieces
from blueprints.files import read_document, read_endpoints
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Policy, Snapshot
from blueprints.text import dumps
from collector.assemble import Stated
from collector.report import Collection
from collector.scrub import scrubbed
from rackcast.bulk import bulk
from rackcast.collected import print_collection
from rackcast.collecting import Sources, collected
from rackcast.commands.options import dsn_option, json_option, prefix_option
from rackcast.exits import Exit
from rackcast.output import print_json
from rackcast.terminal import console

_KEY_BYTES = 32

_NIC = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")


def _switches(_: click.Context, __: click.Parameter, values: Iterable[str]) -> Mapping[SwitchSlot, UnderlayUnicast]:
    """Return what each ``SLOT=ADDRESS`` says."""
    switches: dict[SwitchSlot, UnderlayUnicast] = {}
    for value in values:
        name, equals, address = value.partition("=")
        if not equals or name not in list(SwitchSlot) or name in switches:
            raise click.BadParameter(f"{value!r}: expected switch0=ADDRESS or switch1=ADDRESS, each once")
        try:
            switches[SwitchSlot(name)] = UnderlayUnicast.parse(address)
        except ValueError as error:
            raise click.BadParameter(f"{value!r}: {error}") from None
    return switches


def _nics(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Return the names that *value* lists."""
    if value is None:
        return None
    names = tuple(name.strip() for name in value.split(","))
    if len(set(names)) < len(names) or not all(map(_NIC.fullmatch, names)):
        raise click.BadParameter(f"{value!r}: expected names such as cxgbe0,cxgbe1, each once")
    return names


_SOURCES = (
    dsn_option,
    click.option("--dns", metavar="ADDRESS[:PORT]", help="Ask this internal DNS server where the switches are."),
    click.option("--endpoints", metavar="FILE", help="Read where the switches are from FILE."),
    prefix_option,
)

_STATED = (
    click.option(
        "--switch",
        "switches",
        metavar="SLOT=ADDRESS",
        multiple=True,
        callback=_switches,
        help="Where a switch zone is inside the rack: switch0=fd00:1122:3344:101::2. Repeat it for the other.",
    ),
    click.option("--rack-id", type=click.UUID, help="Which rack, if the datastore knows several or none."),
    click.option("--policy", metavar="FILE", help="Read the policy, which no table holds, from FILE."),
    click.option(
        "--underlay-nics",
        metavar="NAMES",
        callback=_nics,
        help="NICs that every sled has, such as cxgbe0,cxgbe1; nothing can be asked for them.",
    ),
)


def _with(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what adds *options* in this order."""

    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.command()
@_with(*_SOURCES, *_STATED)
@click.option("-o", "--output", metavar="SNAPSHOT", required=True, help="Where to write the snapshot.")
@click.option("--report", metavar="FILE", help="Write what was read, and what was not, to FILE.")
@click.option(
    "--scrub", is_flag=True, help="Exchange all that tells whose rack it is: ids, addresses, serials, names."
)
@json_option
@click.pass_context
def collect(
    ctx: click.Context, /, output: str, report: str | None, *, scrub: bool, as_json: bool, **options: Any
) -> None:
    """Read datastore and switches, and write the snapshot that a plan is made from.

    Ends with 4 if a part is unknown: it is null in the snapshot, and why is told. Without --dns and --endpoints no
    switch is asked, and --switch has to name each. Nothing is written unless all of it can be.
    """
    if report is not None and Path(report).resolve() == Path(output).resolve():
        raise click.UsageError("--report and --output name the same file")
    sources, stated = _sources(**options), _stated(**options)
    with bulk():
        snapshot, told = _collected(sources, stated)
        shared = told
        if scrub:
            snapshot = scrubbed(snapshot, secrets.token_bytes(_KEY_BYTES))
            shared = told.withheld(snapshot)
        beside = {} if report is None else {report: [dumps(shared.as_json())]}
        write_together({**beside, output: snapshot_pieces(snapshot)})
    if as_json:
        print_json(shared.as_json(), error=STANDARD in (output, report))
    else:
        print_collection(console(error=True), told)
    ctx.exit(Exit.PARTIAL if told.unknown else Exit.DONE)


def _sources(
    *, dsn: str, dns: str | None, endpoints: str | None, allow_prefix: tuple[IPv6Network, ...], **stated: Any
) -> Sources:
    """Return where the rack is read.

    Raises:
        click.UsageError: two ways to the switches, or none and no switch named, or prefixes without DNS.
        InputRejectedError: the endpoints file has mistakes.
    """
    if dns is not None and endpoints is not None:
        raise click.UsageError("say once where the switches are: --dns or --endpoints")
    if dns is None and endpoints is None and not stated["switches"]:
        raise click.UsageError("say where the switches are: --dns, --endpoints, or --switch for each")
    if allow_prefix and dns is None:
        raise click.UsageError("--allow-prefix goes with --dns")
    known = None if endpoints is None else read_endpoints(endpoints)
    return Sources(dsn=dsn, dns=dns, endpoints=known, prefixes=allow_prefix)


def _stated(
    *,
    switches: Mapping[SwitchSlot, UnderlayUnicast],
    rack_id: UUID | None,
    policy: str | None,
    underlay_nics: tuple[str, ...] | None,
    **_: Any,
) -> Stated:
    """Return what the user states.

    Raises:
        InputRejectedError: the policy file has mistakes.
    """
    read = Policy() if policy is None else structure(read_document(policy), Policy, policy)
    return Stated(rack_id=rack_id, policy=read, underlay_nics=underlay_nics, switches=switches)


def _collected(sources: Sources, stated: Stated) -> tuple[Snapshot, Collection]:
    try:
        return collected(sources, stated)
    except ImportError as error:
        raise click.ClickException(
            f"reading the datastore needs an extra: pip install 'rackcast[datastore]' ({error})"
        ) from None
