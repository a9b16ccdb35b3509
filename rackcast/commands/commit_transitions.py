"""`rackcast commit-transitions`: tell the datastore what is in effect.

The connection string may hold a password: it comes from the option or the environment, and is never shown.
"""

import click

from blueprints.blueprint import Blueprint
from blueprints.files import read_document
from collector.in_effect import require_in_effect
from collector.told import Account, Telling
from rackcast.commands.execute import sound
from rackcast.commands.options import blueprint_argument, dsn_option, json_option
from rackcast.exits import Exit
from rackcast.output import print_json
from rackcast.reading import read_blueprint
from rackcast.terminal import console
from rackcast.told import print_account


@click.command("commit-transitions")
@blueprint_argument
@dsn_option
@click.option("--report", metavar="FILE", help="What `execute --report` wrote; needed, but for a dry run.")
@click.option("--dry-run", is_flag=True, help="Look at every row, change nothing, and say what would be told.")
@json_option
@click.pass_context
def commit_transitions(
    ctx: click.Context, /, blueprint: str, dsn: str, report: str | None, *, dry_run: bool, as_json: bool
) -> None:
    """Tell the datastore the transitions of BLUEPRINT, once its report says that it is in effect.

    Every statement checks again what its transition rests on: where somebody else was first nothing is changed, and
    what stands there is told. Run it again at any time: nothing is told twice.
    """
    if report is None and not dry_run:
        raise click.UsageError("--report is needed: only what is in effect is told (or look first, with --dry-run)")
    read = sound(read_blueprint(blueprint), blueprint)
    if report is not None:
        require_in_effect(read, read_document(report), report)
    account = _told(read, dsn, dry_run=dry_run)
    if as_json:
        print_json(account.as_json())
    else:
        print_account(console(), account)
    ctx.exit(_exit(account))


def _told(blueprint: Blueprint, dsn: str, *, dry_run: bool) -> Account:
    try:
        from collector.commit import commit
    except ImportError as error:
        raise click.ClickException(
            f"telling the datastore needs an extra: pip install 'rackcast[datastore]' ({error})"
        ) from None
    return commit(blueprint, dsn, dry_run=dry_run)


def _exit(account: Account) -> Exit:
    """Return 4 if something could not be told, 3 if a dry run found something to tell; overtaken is no error."""
    if account.counts[Telling.FAILED]:
        return Exit.PARTIAL
    return Exit.DIFFERENCES if account.counts[Telling.PLANNED] else Exit.DONE
