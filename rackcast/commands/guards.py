"""Options that keep a run from doing harm, and what they add up to.

This file does not know how a run keeps to them.
"""

from collections.abc import Callable, Iterable
from typing import Any

import click
from attrs import evolve, fields

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from executor.fence import TargetStore
from executor.journal import JournalFile
from executor.limits import Allowance, Allowances
from executor.safeguards import Safeguards

Command = Callable[..., Any]


class _AllowanceType(click.ParamType[Allowance]):
    """A number such as ``12``, or a share such as ``20%``."""

    name = "N|N%"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Allowance:
        try:
            return Allowance.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


_ALLOWED = {
    "members": ("--max-members-losing", "How many members of groups may stop hearing them unasked."),
    "groups": ("--max-groups-removed", "How many groups may go unasked."),
    "rows": ("--max-rows-removed", "How many rows of one switch may go unasked."),
}
"""Field of `Allowances` to its option."""


def guard_options(command: Command) -> Command:
    """Add the options that `safeguards` takes."""
    command = click.option("--target-store", metavar="PATH", help="Carry out the target named there, and no other.")(
        command
    )
    journal = "Keep there what a run that is cut short must not forget; give it always."
    command = click.option("--journal", metavar="PATH", help=journal)(command)
    others = "Go on where objects change that the run did not write."
    command = click.option("--allow-other-writer", is_flag=True, help=others)(command)
    taking = "Take away more than that."
    command = click.option("--allow-mass-change", is_flag=True, help=taking)(command)
    for name, (option, told) in reversed(_ALLOWED.items()):
        default = getattr(Allowances(), name)
        command = click.option(option, name, type=_AllowanceType(), help=f"{told} [default: {default}]")(command)
    moving = "Let the underlay address of GROUP move, whatever that costs: an id, a name or an address; repeatable."
    command = click.option("--move-underlay", metavar="GROUP", multiple=True, help=moving)(command)
    lossy = "Send changes too that cost packets in any order, moves of underlay addresses apart."
    return click.option("--allow-loss", is_flag=True, help=lossy)(command)


def named_groups(blueprint: Blueprint, names: Iterable[str]) -> frozenset[Address]:
    """Return the groups of *blueprint* that go by *names*: their ids, names or addresses.

    Raises:
        UsageError: no group goes by a name, or several do.
    """
    found = set()
    for name in names:
        by_name = {g.multicast_ip for g in blueprint.groups if name in (str(g.id), g.name, g.multicast_ip.text)}
        if len(by_name) != 1:
            several = "several groups of the blueprint go" if by_name else "no group of the blueprint goes"
            raise click.UsageError(f"--move-underlay {name!r}: {several} by that name")
        found |= by_name
    return frozenset(found)


def safeguards(options: dict[str, Any], blueprint: Blueprint) -> Safeguards:
    """Return what the options of `guard_options` ask for with *blueprint*, and take them out of *options*."""
    said = {attribute.name: options.pop(attribute.name) for attribute in fields(Allowances)}
    given = {name: allowance for name, allowance in said.items() if allowance is not None}
    accepted = {name: options.pop(name) for name in ("allow_loss", "allow_mass_change", "allow_other_writer")}
    store, journal = options.pop("target_store"), options.pop("journal")
    return Safeguards(
        target_store=None if store is None else TargetStore.at(store),
        journal=None if journal is None else JournalFile.at(journal),
        move_underlay=named_groups(blueprint, options.pop("move_underlay")),
        allowances=evolve(Allowances(), **given),
        **accepted,
    )
