"""The command: real daemons, or simulated ones, held against the cases.

This file does not know how cases are taken.
"""

import sys
from collections.abc import Iterator, Mapping

import click
import httpx
from rich.console import Console

from tests.conformance.case import Case, all_cases
from tests.conformance.report import exit_code, show
from tests.conformance.runner import run
from tests.conformance.targets import PROBES, Target, UnreachableError, target_of

WIDTH = 160
"""Columns of the report where nobody's terminal says how many there are."""


def _versions(_: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    versions = dict(value.replace("-", "_", 1).split("=", 1) for value in values if "=" in value)
    if len(versions) != len(values) or not versions.keys() <= PROBES.keys():
        raise click.BadParameter(f"expected DAEMON=X.Y.Z, daemons are {', '.join(PROBES)}", param=option)
    return versions


@click.command()
@click.option("--dpd", metavar="URL", help="dpd of a switch, such as http://[::1]:12224")
@click.option("--mgd", metavar="URL", help="mgd of a switch")
@click.option("--ddmd", metavar="URL", help="ddmd of a switch")
@click.option("--sled-agent", metavar="URL", help="sled-agent of a sled")
@click.option("--mgs", metavar="URL", help="management gateway")
@click.option("--api-version", "versions", multiple=True, callback=_versions, metavar="DAEMON=X",
              help="version to speak; the newest known otherwise")  # fmt: skip
@click.option("--vmm", metavar="ID", help="propolis id of a VMM on that sled, which is made to join and to leave")
@click.option("--instance", metavar="ID", help="instance of a VMM on that sled, likewise")
@click.option("--only", default="", metavar="TEXT", help="only cases with this text in their names")
@click.option("--risky", is_flag=True, help="cases too that may leave something behind")
@click.option("--timeout", default=5.0, show_default=True, help="seconds to wait for an answer")
def main(  # one option each
    versions: dict[str, str],
    vmm: str | None,
    instance: str | None,
    only: str,
    risky: bool,
    timeout: float,
    **urls: str | None,
) -> None:
    """Hold daemons against the cases; those that are not named or do not answer are skipped.

    Cases keep to tags that start with rackcast-conformance and to addresses for documentation.
    Exits 0 if nothing differs, 1 if something does, 3 if nothing was compared.
    """
    if not any(urls.values()):
        raise click.UsageError("name at least one daemon")
    names = {key: value for key, value in (("vmm", vmm), ("instance", instance)) if value is not None}
    cases = [case for case in all_cases() if only in case.name]
    with httpx.Client(timeout=timeout, trust_env=False) as client:
        targets = dict(_targets(client, urls, versions, names))
        results = [run(client, case, targets[case.daemon], risky=risky) for case in _in_turn(cases)]
    show(Console(width=None if sys.stdout.isatty() else WIDTH), results)
    sys.exit(exit_code(results))


def _in_turn(cases: list[Case]) -> list[Case]:
    """Return *cases* in the order in which people name the daemons."""
    return sorted(cases, key=lambda case: (list(PROBES).index(case.daemon), case.name))


def _targets(
    client: httpx.Client, urls: Mapping[str, str | None], versions: Mapping[str, str], names: Mapping[str, str]
) -> Iterator[tuple[str, Target | str]]:
    for daemon in PROBES:
        url = urls[daemon]
        if url is None:
            yield daemon, "not asked for"
            continue
        try:
            yield daemon, target_of(client, daemon, url.rstrip("/"), versions.get(daemon), names)
        except UnreachableError as error:
            yield daemon, f"unreachable: {error}"


if __name__ == "__main__":
    main()
