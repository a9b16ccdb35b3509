"""Selection: the part of a blueprint that a reader asked for.

This file does not know how it is shown.
"""

from typing import Any
from uuid import UUID

import click
from attrs import frozen

from blueprints.blueprint import Blueprint, PlannedGroup
from blueprints.documents import expanded
from blueprints.identifiers import SwitchSlot


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
        sleds=tuple(_sled(blueprint, word) for word in sleds),
        switches=tuple(_switch(blueprint, word) for word in switches),
    )


def _group(blueprint: Blueprint, word: str) -> PlannedGroup:
    named = [g for g in blueprint.groups if word in (g.name, g.multicast_ip.text, g.underlay_ip.text)]
    found = named or [g for g in blueprint.groups if str(g.id).startswith(word.lower())]
    return found[_only(len(found), "group", word)]


def _sled(blueprint: Blueprint, word: str) -> UUID:
    found = [sled for sled in blueprint.sleds if str(sled).startswith(word.lower())]
    return found[_only(len(found), "sled", word)]


def _switch(blueprint: Blueprint, word: str) -> SwitchSlot:
    found = [slot for slot in blueprint.switches if word in (slot.value, str(slot.number))]
    return found[_only(len(found), "switch", word)]


def _only(count: int, kind: str, word: str) -> int:
    if count != 1:
        said = f"no {kind} is called" if count == 0 else f"{count} {kind}s are called"
        raise click.BadParameter(f"{said} {word!r}", param_hint=f"--{kind}")
    return 0


def selected_document(blueprint: Blueprint, selection: Selection) -> dict[str, Any]:
    """Return the expanded JSON: all of it, or the head with the parts asked for."""
    document = expanded(blueprint)
    if selection.everything:
        return document
    head = ("format", "id", "digest", "parent", "generation", "snapshot_digest", "made", "rack_id", "policy")
    groups = {str(group.id) for group in selection.groups}
    sleds = {str(sled) for sled in selection.sleds}
    return {name: document[name] for name in head} | {
        "groups": [row for row in document["groups"] if row["id"] in groups],
        "switches": {slot: document["switches"][slot] for slot in selection.switches},
        "sleds": {sled: its for sled, its in document["sleds"].items() if sled in sleds},
        "ports": {sled: row for sled, row in document["ports"].items() if sled in sleds},
    }
