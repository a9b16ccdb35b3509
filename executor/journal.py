"""The journal: what must not be forgotten, because nobody can read it back (`format: rackcast.journal/1`).

It holds leaves that no sled-agent has acknowledged, underlay addresses that a group of before may still use
somewhere, and groups whose chip may not be as its daemon says. Everything else is found by looking at the rack. The
first two are written before the calls that they are about, and shrink as these are acknowledged; the last is
written after a refusal. All are empty once a run has left nothing behind.

This file does not know when something is owed, nor what is done about it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from attrs import field, frozen

from blueprints.addresses import Address, ExternalGroup
from blueprints.blueprint import Departure, MemberPort
from blueprints.errors import InputRejectedError, Mistake
from blueprints.identifiers import SwitchSlot
from blueprints.ordering import Key, in_order
from blueprints.text import dumps
from executor import durable

JOURNAL_FORMAT = "rackcast.journal/1"


def _sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


@frozen(kw_only=True)
class OwedLeave:
    """A port that must leave a group, as far as anybody knows."""

    sled_id: UUID
    instance_id: UUID
    propolis_id: UUID
    group_ip: ExternalGroup

    @property
    def sort_key(self) -> Key:
        """By sled, then by group and port."""
        return (self.sled_id, self.group_ip.key, self.instance_id, self.propolis_id)

    @property
    def departure(self) -> Departure:
        """The row that a sled is told by."""
        return Departure(instance_id=self.instance_id, propolis_id=self.propolis_id, group_ip=self.group_ip)


@frozen(kw_only=True)
class Retired:
    """An underlay address that a group had, and where it may still lead there."""

    underlay: Address
    group: Address
    places: tuple[str, ...] = field(converter=_sorted_names)
    """Targets by name, such as ``sled 5f0c…``, that still hold it or did not say."""

    @property
    def sort_key(self) -> Key:
        """By address, then by group."""
        return (self.underlay.key, self.group.key)


@frozen(kw_only=True)
class Doubted:
    """An underlay group whose chip may hold other members than its daemon lists: a change of them was refused."""

    switch: SwitchSlot
    underlay: Address
    group: Address
    ports: tuple[MemberPort, ...] = field(converter=in_order)
    """Those that the change would have added or removed. One that is added or removed since agrees: the chip refuses
    to add what it has, and to remove what it has not."""

    @property
    def sort_key(self) -> Key:
        """By switch, then by address."""
        return (self.switch.number, self.underlay.key, self.group.key)


@frozen(kw_only=True)
class Intents:
    """What a journal holds."""

    leaves: tuple[OwedLeave, ...] = field(default=(), converter=in_order)
    retired: tuple[Retired, ...] = field(default=(), converter=in_order)
    doubted: tuple[Doubted, ...] = field(default=(), converter=in_order)


@frozen(kw_only=True)
class JournalFile:
    """Where a journal is kept."""

    path: Path
    write: durable.Write = durable.write
    """The one way in which it is written."""

    @classmethod
    def at(cls, name: str) -> "JournalFile":
        """Return the journal in the file *name*; see `durable.place`."""
        return cls(path=durable.place(name))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs from this journal while the context lasts; see `durable.locked`."""
        with durable.locked(self.path, wait=False):
            yield

    def read(self, rack_id: UUID) -> Intents:
        """Return what the journal of the rack *rack_id* holds; a file that is not there holds nothing.

        Raises:
            InputRejectedError: it cannot be read, is none, or is another rack's.
        """
        document = durable.read_document(self.path, JOURNAL_FORMAT)
        if document is None:
            return Intents()
        if document.pop("rack_id", None) != str(rack_id):
            raise InputRejectedError(str(self.path), [Mistake("rack_id", f"not the journal of rack {rack_id}")])
        from blueprints.converter import structure

        return structure(document, Intents, str(self.path))

    def record(self, rack_id: UUID, intents: Intents) -> None:
        """Replace what the journal holds.

        Raises:
            OSError: it is not known to be on disk.
        """
        from blueprints.converter import unstructure

        document = {"format": JOURNAL_FORMAT, "rack_id": str(rack_id), **unstructure(intents)}
        self.write(self.path, dumps(document).encode())
