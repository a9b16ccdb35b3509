"""What became of a collection, told beside its snapshot (`format: rackcast.collection/1`).

A snapshot says what is known; its report says of every part whether it was read, or why it is unknown. This file does
not know how anything was read, nor files.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from attrs import evolve, field, frozen

from blueprints.converter import unstructure
from blueprints.documents import snapshot_digest
from blueprints.findings import Finding, sorted_findings
from blueprints.snapshot import Snapshot
from collector.assemble import Assembled
from collector.live import BACKPLANE, PEERS, SLOT, Live, part_name
from collector.scrub_findings import WITHHELD
from collector.stored import Stored

COLLECTION_FORMAT = "rackcast.collection/1"

DATASTORE, INVENTORY = "datastore", "inventory"

_PART_NAME = re.compile(r"datastore|inventory|switch[01] [a-z]+")


@frozen(kw_only=True)
class Part:
    """A part of the snapshot."""

    part: str
    """``datastore``, ``inventory``, or slot and part of a switch, such as ``switch0 peers``; a switch zone whose slot
    nobody said, by its name in DNS."""

    known: bool
    reason: str | None
    """Why it is unknown."""


@frozen(kw_only=True)
class InventoryRead:
    """The collection that ports can be taken from."""

    collection_id: UUID
    age_seconds: float
    """How old it was when the datastore was read."""

    errors: int


@frozen(kw_only=True)
class Collection:
    """The report."""

    snapshot_digest: str
    rack_id: UUID
    schema: int
    vendor: str
    transaction: str
    taken_at: datetime
    rows: Mapping[str, int]
    """Of each table, how many are in the cut."""

    inventory: InventoryRead | None
    parts: tuple[Part, ...]
    findings: tuple[Finding, ...] = field(converter=sorted_findings)
    seconds: Mapping[str, float]
    """How long each phase took."""

    @property
    def unknown(self) -> tuple[Part, ...]:
        """The parts that are not known."""
        return tuple(part for part in self.parts if not part.known)

    def withheld(self, scrubbed: Snapshot) -> "Collection":
        """Return the report as it may go with *scrubbed*, the same snapshot with its names exchanged.

        What is told in words, and what names a rack, a database or a zone, is withheld; findings are counted.
        """
        counts = Counter((found.code, found.severity) for found in self.findings)
        inventory = self.inventory
        if inventory is not None and scrubbed.inventory is not None:
            inventory = evolve(inventory, collection_id=scrubbed.inventory.collection_id)
        return evolve(
            self,
            snapshot_digest=snapshot_digest(scrubbed),
            rack_id=scrubbed.rack_id,
            transaction=WITHHELD,
            inventory=inventory,
            parts=tuple(_without_words(part) for part in self.parts),
            findings=[
                Finding(code=code, severity=severity, subject=WITHHELD, message=f"{count} found")
                for (code, severity), count in counts.items()
            ],
        )

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {"format": COLLECTION_FORMAT, **unstructure(self)}


def collection(
    stored: Stored, live: Live, assembled: Assembled, *, findings: Iterable[Finding], seconds: Mapping[str, float]
) -> Collection:
    """Return the report on a snapshot.

    Args:
        stored: what was read of the datastore.
        live: what was read of the switches.
        assembled: the snapshot that was made of both.
        findings: what the reader and the checks say of the rows.
        seconds: how long each phase took.
    """
    inventory = stored.inventory
    return Collection(
        snapshot_digest=snapshot_digest(assembled.snapshot),
        rack_id=assembled.snapshot.rack_id,
        schema=stored.schema,
        vendor=stored.vendor,
        transaction=stored.transaction,
        taken_at=stored.taken_at,
        rows={name: len(rows) for name, rows in _tables(stored)},
        inventory=None
        if inventory is None
        else InventoryRead(
            collection_id=inventory.collection_id,
            age_seconds=(stored.taken_at - inventory.completed_at).total_seconds(),
            errors=inventory.errors,
        ),
        parts=tuple(_parts(stored, live, assembled.snapshot)),
        findings=(*assembled.findings, *findings),
        seconds=seconds,
    )


def _tables(stored: Stored) -> Iterator[tuple[str, tuple[Any, ...]]]:
    yield "sleds", stored.sleds
    yield "groups", stored.groups
    yield "underlay_groups", stored.underlay_groups
    yield "members", stored.members
    yield "instances", stored.instances
    yield "service_processors", () if stored.inventory is None else stored.inventory.service_processors
    yield "boards", stored.boards
    yield "pools", stored.pools


def _parts(stored: Stored, live: Live, snapshot: Snapshot) -> Iterator[Part]:
    yield _part(DATASTORE, None)
    yield _part(INVENTORY, "the datastore holds no collection" if stored.inventory is None else None)
    names = [part_name(slot, part) for slot in snapshot.switches for part in (SLOT, PEERS, BACKPLANE)]
    reasons = {silence.target: silence.reason for silence in live.silent}
    for name in names:
        yield _part(name, reasons.get(name))
    for silence in live.silent:
        if silence.target not in names:
            yield _part(silence.target, silence.reason)


def _without_words(part: Part) -> Part:
    name = part.part if _PART_NAME.fullmatch(part.part) else WITHHELD
    return evolve(part, part=name, reason=part.reason and WITHHELD)


def _part(name: str, reason: str | None) -> Part:
    return Part(part=name, known=reason is None, reason=reason)
