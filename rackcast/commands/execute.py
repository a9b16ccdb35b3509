"""`rackcast execute`: carry a blueprint out."""

import asyncio
from pathlib import Path
from typing import Any

import click

from blueprints.blueprint import Blueprint
from blueprints.checks import check
from blueprints.disk import STANDARD, write_pieces
from blueprints.errors import InputRejectedError, Mistake
from executor.execute import execute as carry_out
from executor.report import Report, unfinished
from executor.safeguards import Safeguards
from rackcast.bulk import bulk
from rackcast.commands.guards import guard_options, safeguards
from rackcast.commands.options import blueprint_argument, json_option, rack_options
from rackcast.commands.pace import Pace, pace_options
from rackcast.connect import Way
from rackcast.exits import Exit
from rackcast.interrupts import terminable
from rackcast.output import print_pieces
from rackcast.progress import shown_progress
from rackcast.reading import read_blueprint
from rackcast.saying import say, say_rejected


@click.command()
@blueprint_argument
@rack_options
@click.option("--dry-run", is_flag=True, help="Print the exact calls, in order, and send none that writes.")
@guard_options
@click.option("--report", metavar="FILE", help="Write the report to FILE too, for `commit-transitions`.")
@pace_options
@json_option
@click.pass_context
@bulk()
def execute(
    ctx: click.Context,
    /,
    blueprint: str,
    dry_run: bool,
    report: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Carry BLUEPRINT out on the rack: compare, widen, read back, narrow, report.

    A daemon that does not answer is owed its part and the rest goes on (exit 4). Run it again at any time: what is in
    effect is not written again.
    """
    read = sound(read_blueprint(blueprint, causes=False), blueprint)
    guards, pace = safeguards(options, read), Pace.taken(options)
    if report is not None and _is_file(report):
        # Found out before the rack is touched; and no older report speaks for a run that was cut short.
        write_pieces(report, unfinished(read, dry_run=dry_run).pieces())
    with terminable():
        done = run(read, Way(**options), dry_run=dry_run, guards=guards, pace=pace, quiet=as_json)
    kept = report is None or _kept(report, done)  # before anybody can stop reading
    if as_json:
        print_pieces(done.pieces())
    else:
        _print_for_people(done, dry_run=dry_run)
    ctx.exit(done.exit_code if kept else done.exit_code or Exit.PARTIAL)


def _kept(report: str, done: Report) -> bool:
    """Write *done* to the file *report*, and return whether that was possible: what was sent is told in any case."""
    try:
        write_pieces(report, done.pieces())
    except InputRejectedError as error:
        say_rejected(error)
        return False
    return True


def _print_for_people(done: Report, *, dry_run: bool) -> None:
    from rackcast.reports import print_calls, print_report  # what draws tables, which `--json` does without
    from rackcast.terminal import console

    if dry_run:
        print_calls(done)
    print_report(console(error=dry_run), done)


def _is_file(name: str) -> bool:
    """Return whether *name* can be written twice: a pipe would carry both."""
    return name != STANDARD and (Path(name).is_file() or not Path(name).exists())


def sound(blueprint: Blueprint, name: str) -> Blueprint:
    """Return *blueprint* if it keeps every structural rule.

    Raises:
        InputRejectedError: it breaks some; all are told.
    """
    breaches = check(blueprint)
    if breaches:
        raise InputRejectedError(name, (Mistake(f"rule {b.rule}, {b.subject}", b.message) for b in breaches))
    return blueprint


def run(
    blueprint: Blueprint,
    way: Way,
    *,
    dry_run: bool,
    guards: Safeguards | None = None,
    pace: Pace | None = None,
    quiet: bool = False,
) -> Report:
    """Return what became of carrying *blueprint* out on the rack that *way* leads to.

    Raises:
        InputRejectedError: the endpoints file has mistakes.
        DeviceError: DNS knows no daemon.
        OSError: the log cannot be opened.
    """
    pace = pace or Pace()
    endpoints, unknown = way.find(blueprint.sleds)
    if not quiet:
        for silence in unknown:
            say(f"{silence.target}: {silence.reason}", error=True)
    try:
        with pace.logged("execute", blueprint) as log, shown_progress(quiet=quiet or pace.log == STANDARD) as shown:
            done = asyncio.run(
                carry_out(
                    blueprint,
                    endpoints,
                    dry_run=dry_run,
                    safeguards=guards,
                    progress=log.heard(shown),
                    limits=pace.limits,
                )
            )
            log.line("end", outcome=done.outcome.value, exit_code=done.exit_code)
            return done
    except KeyboardInterrupt:
        if not dry_run:
            say("stopped half way; run it again to go on", error=True)
        raise
