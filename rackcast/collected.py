"""The report of a collection for people.

This file does not know how a rack is read.
"""

from rich.console import Console
from rich.text import Text

from blueprints.findings import heaviest_first
from blueprints.scalars import format_time
from collector.report import Collection
from rackcast.saying import plural, safe
from rackcast.terminal import findings_table, table

SHOWN = 40
"""How many findings are printed before the rest is counted."""

_COUNTED = {
    "sleds": "sled",
    "groups": "group",
    "members": "member",
    "instances": "instance",
    "service_processors": "service processor",
}
"""Tables whose size is told, with the name of one of their rows."""


def print_collection(out: Console, report: Collection) -> None:
    """Print what was read, what is unknown, and what is odd about it."""
    if report.unknown:
        out.print(Text("Some of the rack is unknown; what stands below, and null in the snapshot.", "bold yellow"))
    else:
        out.print(Text("The whole rack was read.", "bold green"))
    cut = f"rack {report.rack_id}, {report.vendor} with schema {report.schema}, at {format_time(report.taken_at)}"
    out.print(Text(f"  {safe(cut)}"))
    out.print("  " + ", ".join(plural(report.rows[name], noun) for name, noun in _COUNTED.items()))
    if report.inventory is not None:
        age = f"{report.inventory.age_seconds:,.0f} s old, {plural(report.inventory.errors, 'error')}"
        out.print(f"  inventory {report.inventory.collection_id}: {age}")
    out.print("  " + ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in report.seconds.items()))
    if report.unknown:
        rows = ((part.part, part.reason) for part in report.unknown)
        out.print(table("Unknown", ("part", "why"), rows))
    if report.findings:
        out.print(findings_table(heaviest_first(report.findings)[:SHOWN]))
    if len(report.findings) > SHOWN:
        out.print(f"  … and {len(report.findings) - SHOWN:,} more; --json and --report have all")
