"""`rackcast check`: rules and findings of a blueprint."""

import click
from rich.text import Text

from blueprints import checks
from blueprints.converter import unstructure
from blueprints.findings import Severity, heaviest_first
from rackcast.bulk import bulk
from rackcast.commands.options import blueprint_argument, json_option
from rackcast.exits import Exit
from rackcast.output import print_json
from rackcast.reading import read_blueprint
from rackcast.terminal import console, findings_table, table


@click.command()
@blueprint_argument
@json_option
@click.pass_context
@bulk()
def check(ctx: click.Context, /, blueprint: str, as_json: bool) -> None:
    """Check BLUEPRINT against the structural rules, and show what its planner found.

    Ends with 7 if a rule is broken or a finding is an error.
    """
    read = read_blueprint(blueprint)
    breaches = checks.check(read)
    broken = {breach.rule for breach in breaches}
    errors = [finding for finding in read.findings if finding.severity is Severity.ERROR]
    if as_json:
        rules = [{"rule": rule, "says": says, "holds": rule not in broken} for rule, says, _ in checks.RULES]
        found = {"breaches": unstructure(breaches), "findings": unstructure(read.findings)}
        print_json({"blueprint": str(read.id), "rules": rules, **found})
    else:
        out = console()
        rows = [
            (rule, says, Text("broken", style="bold red") if rule in broken else Text("holds", style="green"))
            for rule, says, _ in checks.RULES
        ]
        out.print(table(f"Blueprint {read.id}", ("rule", "says", ""), rows))
        if breaches:
            out.print(
                table("Breaches", ("rule", "subject", "what"), ((b.rule, b.subject, b.message) for b in breaches))
            )
        if read.findings:
            out.print(findings_table(heaviest_first(read.findings)))
    ctx.exit(Exit.REFUSED if breaches or errors else Exit.DONE)
