"""Selection: the part of a blueprint that a reader asked for.

This file does not know how it is shown.
"""

from typing import Any
from uuid import UUID

import click
from attrs import frozen

from blueprints.blueprint import Blueprint, PlannedGroup
from blueprints.identifiers import SwitchSlot
from rackcast.naming import the_one


@frozen(kw_only=True)
class Selection:
    """The groups, sleds and switches asked for; three times nothing is everything."""

    groups: tuple[PlannedGroup, ...]
    sleds: tuple[UUID, ...]
    switches: tuple[SwitchSlot, ...]

    @property
    def everything(self) -> bool:
        """Whether nobody asked for a part."""
        return not (self.groups or self.sleds or self.switches)


def select(
    blueprint: Blueprint, groups: tuple[str, ...], sleds: tuple[str, ...], switches: tuple[str, ...]
) -> Selection:
    """Return what the words name: groups by name, address or id, sleds by id; a unique beginning of an id will do.

    Raises:
        click.BadParameter: a word names nothing, or several things.
    """
    return Selection(
        groups=tuple(_group(blueprint, word) for word in groups),
        sleds=tuple(the_one(word, blueprint.sleds, "sled") for word in sleds),
        switches=tuple(_switch(blueprint, word) for word in switches),
    )


def _group(blueprint: Blueprint, word: str) -> PlannedGroup:
    named = [g for g in blueprint.groups if word in (g.name, g.multicast_ip.text, g.underlay_ip.text)]
    if len(named) > 1:
        raise click.BadParameter(f"{len(named)} groups are called {word!r}", param_hint="--group")
    by_id = {g.id: g for g in blueprint.groups}
    return named[0] if named else by_id[the_one(word, by_id, "group")]


def _switch(blueprint: Blueprint, word: str) -> SwitchSlot:
    found = [slot for slot in blueprint.switches if word in (slot.value, str(slot.number))]
    if not found:
        raise click.BadParameter(f"no switch is called {word!r}", param_hint="--switch")
    return found[0]


_ADDRESSES = ("group", "group_ip", "underlay", "underlay_group", "multicast_ip", "internal_ip", "underlay_ip")
"""Fields by which a row belongs to a group."""


def selected_document(blueprint: Blueprint, selection: Selection) -> dict[str, Any]:
    """Return the expanded JSON: all of it, or what is left of it when the parts not asked for are taken out.

    Switches and sleds that were not named are left out unless none was; so are the rows of groups not named.
    """
    from blueprints.documents import expanded

    document = expanded(blueprint)
    if selection.everything:
        return document
    sleds = {str(sled) for sled in selection.sleds}
    places = bool(selection.sleds or selection.switches)
    document["switches"] = {
        s: its for s, its in document["switches"].items() if not places or s in selection.switches
    }
    for part in ("sleds", "ports"):
        document[part] = {sled: its for sled, its in document[part].items() if not places or sled in sleds}
    if selection.groups:
        wanted = {text for g in selection.groups for text in (g.multicast_ip.text, g.underlay_ip.text)}
        for tables in (*document["switches"].values(), *document["sleds"].values(), document):
            _keep(tables, wanted)
    return document


def _keep(tables: dict[str, Any], wanted: set[str]) -> None:
    """Take the rows of other groups out of *tables*; tables whose rows name no group stay as they are."""
    for name, rows in tables.items():
        if isinstance(rows, list):
            tables[name] = [row for row in rows if wanted.intersection(_named(row)) or not _named(row)]


def _named(row: dict[str, Any]) -> list[str]:
    return [row[name] for name in _ADDRESSES if name in row]
