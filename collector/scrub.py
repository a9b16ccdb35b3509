"""The scrubber: what a rack knows, with everything exchanged that tells whose rack it is.

A scrubbed snapshot can be given away: it leads to the same plan under other names. The law, for every snapshot and
every parent:

    plan(scrubbed snapshot, scrubbed parent) is the scrubbed plan(snapshot, parent), to the byte

What is exchanged, what is kept and what can still be learnt: docs/decisions/0024-scrubbing.md. This file does not
know how an address, a name or a record is exchanged.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TypeVar
from uuid import UUID

from attrs import Factory, define, evolve

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint, Content, ParentRef
from blueprints.capacity import excesses
from blueprints.documents import snapshot_digest
from blueprints.errors import InvariantError
from blueprints.findings import Finding, finding
from blueprints.identifiers import MulticastMac
from blueprints.sealing import sealed
from blueprints.snapshot import Snapshot
from collector.scrub_addresses import AddressMap
from collector.scrub_draws import Draws
from collector.scrub_findings import rewritten
from collector.scrub_names import TagMap, named_by, other_ids
from collector.scrub_records import Leaves, Rewriter

K = TypeVar("K")
V = TypeVar("V")

CAPACITY_EXCEEDED = "capacity_exceeded"


@define
class _Occurring:
    """Everything in some documents that identifies something."""

    ids: set[UUID] = Factory(set)
    groups: set[UUID] = Factory(set)
    addresses: set[Address] = Factory(set)
    serials: set[str] = Factory(set)
    names: set[str] = Factory(set)
    tags: set[str] = Factory(set)

    def note(self, documents: Iterable[Snapshot | Blueprint]) -> None:
        """Add what occurs in *documents*."""
        rewriter = Rewriter(self._leaves())
        for document in documents:
            rewriter.values(document, _decided_by(document))
            if isinstance(document, Blueprint) and document.parent is not None:
                self.ids.add(document.parent.id)
        named = [named for named in map(named_by, self.tags) if named is not None]
        self.ids |= self.groups | {group for group, _, _ in named}
        self.addresses |= {address for _, address, _ in named}

    def _leaves(self) -> Leaves:
        """Return leaves that stay as they are, and are noted."""
        leaves = Leaves(
            id=partial(_noted, self.ids),
            group_id=partial(_noted, self.groups),
            address=partial(_noted, self.addresses),
            serial=partial(_noted, self.serials),
            name=partial(_noted, self.names),
            tag=partial(_noted, self.tags),
            stray_mac=lambda mac: mac,
            finding=lambda found: rewritten(found, leaves),
        )
        return leaves


def _decided_by(document: Snapshot | Blueprint) -> type:
    """Return the fields that are exchanged one by one: all of a snapshot, what a blueprint decides."""
    return Content if isinstance(document, Blueprint) else Snapshot


def _noted(noted: set[V], value: V) -> V:
    noted.add(value)
    return value


def _known(table: Mapping[K, V], value: K) -> V:
    try:
        return table[value]
    except KeyError:
        raise InvariantError("scrub", f"{value} is of no document that the scrubber was made for") from None


class Scrubber:
    """Exchanges what identifies a rack, in the same way for all documents it was made for."""

    def __init__(self, draws: Draws, documents: Iterable[Snapshot | Blueprint]) -> None:
        """Draw an image for everything in *documents*; see `of`."""
        documents = tuple(documents)
        found = _Occurring()
        found.note(documents)
        self._draws = draws
        self._ids = other_ids(draws, found.ids, found.groups)
        self._serials = draws.titles("serial-", found.serials)
        self._names = draws.titles("group-", found.names)
        self._addresses = AddressMap(draws, found.addresses)
        self._tags = TagMap(draws, found.tags, self._ids, self._addresses)
        self._leaves = self._exchanging()
        self._rewriter = Rewriter(self._leaves)
        self._snapshots = [document for document in documents if isinstance(document, Snapshot)]
        self._blueprints = {document.digest: document for document in documents if isinstance(document, Blueprint)}
        self._digests: dict[str, str] = {}
        self._sealed: dict[str, Blueprint] = {}
        """By digest, the blueprints that were scrubbed."""

    @classmethod
    def of(cls, key: bytes, *documents: Snapshot | Blueprint) -> "Scrubber":
        """Return the scrubber for *documents*: the same for the same key and documents, in whatever order.

        What shall fit together has to be given together: snapshots and blueprints of one scrubber know each other's
        ids, addresses and digests; those of another scrubber have other ones, under the same key too.

        Args:
            key: 16 bytes or more, kept by the owner; without it nothing can be undone or tried.
            documents: snapshots and blueprints of one rack. Plans made from them are covered.

        Raises:
            InputRejectedError: the key is too short.
        """
        return cls(Draws(key), documents)

    def snapshot(self, snapshot: Snapshot) -> Snapshot:
        """Return *snapshot* scrubbed.

        Raises:
            InvariantError: it holds something that no document held which the scrubber was made for.
        """
        return self._rewriter.record(snapshot)

    def blueprint(self, blueprint: Blueprint) -> Blueprint:
        """Return *blueprint* scrubbed and sealed again, without the words of who made it.

        Its snapshot and its parent are named by what they became if the scrubber was made for them, or scrubbed the
        parent before; else by names that stand for nothing.

        Raises:
            InvariantError: it holds something that no document held which the scrubber was made for.
        """
        self._blueprints.setdefault(blueprint.digest, blueprint)
        if blueprint.digest not in self._sealed:
            self._sealed[blueprint.digest] = sealed(
                self._content(blueprint),
                self._parent(blueprint.parent),
                blueprint.generation,
                self._digest_of_snapshot(blueprint.snapshot_digest),
            )
        made = blueprint.made and evolve(blueprint.made, by=None, comment=None)
        return evolve(self._sealed[blueprint.digest], made=made)

    def mapping(self) -> dict[str, dict[str, str]]:
        """Return what became of everything, table by table: with it the owner can read an answer.

        Digests of blueprints are there once they were scrubbed, and addresses and tags that only a plan made.
        """
        return {
            "ids": {str(name): str(other) for name, other in self._ids.items()},
            "addresses": self._addresses.table(),
            "serials": dict(sorted(self._serials.items())),
            "names": dict(sorted(self._names.items())),
            "tags": dict(sorted(self._tags.made.items())),
            "digests": dict(sorted((self._digests | {was: its.digest for was, its in self._sealed.items()}).items())),
        }

    def _exchanging(self) -> Leaves:
        leaves = Leaves(
            id=partial(_known, self._ids),
            group_id=partial(_known, self._ids),
            address=self._addresses,
            serial=partial(_known, self._serials),
            name=partial(_known, self._names),
            tag=self._tags,
            stray_mac=self._stray_mac,
            finding=lambda found: rewritten(found, leaves),
        )
        return leaves

    def _stray_mac(self, mac: MulticastMac) -> MulticastMac:
        drawn = self._draws.number("mac", mac.text) % (1 << 32)
        return MulticastMac("33:33:" + drawn.to_bytes(4).hex(":"))

    def _content(self, blueprint: Blueprint) -> Content:
        """Return what *blueprint* decides, scrubbed.

        How many bytes a request takes depends on how long addresses are, and the groups that are told first on their
        order: room on switches is counted again.
        """
        content = Content(**self._rewriter.values(blueprint, Content))
        told = {found for found in blueprint.findings if found.code == CAPACITY_EXCEEDED}
        if told != set(_crowded(blueprint)):
            return content  # nobody counted, or otherwise: what was told stands
        others = [found for found in content.findings if found.code != CAPACITY_EXCEEDED]
        return evolve(content, findings=(*others, *_crowded(content)))

    def _parent(self, parent: ParentRef | None) -> ParentRef | None:
        if parent is None:
            return None
        if parent.digest in self._blueprints:
            scrubbed = self.blueprint(self._blueprints[parent.digest])
            return ParentRef(id=scrubbed.id, digest=scrubbed.digest)
        return ParentRef(id=_known(self._ids, parent.id), digest=self._other_digest(parent.digest))

    def _digest_of_snapshot(self, digest: str) -> str:
        if not self._digests:
            self._digests = {snapshot_digest(each): snapshot_digest(self.snapshot(each)) for each in self._snapshots}
        return self._digests.get(digest) or self._other_digest(digest)

    def _other_digest(self, digest: str) -> str:
        return f"sha256:{self._draws.number('digest', digest):064x}"


def _crowded(content: Content) -> list[Finding]:
    return [finding(CAPACITY_EXCEEDED, excess.subject, excess.message) for excess in excesses(content)]


def scrubbed(snapshot: Snapshot, key: bytes) -> Snapshot:
    """Return *snapshot* scrubbed under *key*.

    Raises:
        InputRejectedError: the key is too short.
    """
    return Scrubber.of(key, snapshot).snapshot(snapshot)
