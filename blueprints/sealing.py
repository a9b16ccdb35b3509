"""Sealing: a blueprint's canonical text, the digest over it, and the id that follows from the digest.

This file does not know how a blueprint is read, nor files.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

from attrs import evolve, fields, frozen

from blueprints.blueprint import BLUEPRINT_FORMAT, CONTENT_FIELDS, Blueprint, Content, Made, Named, ParentRef
from blueprints.file_form import to_file
from blueprints.lines import outlined
from blueprints.text import items

Plain = dict[str, Any]


@frozen(kw_only=True)
class Head:
    """What a blueprint is called and where it comes from."""

    id: UUID
    digest: str
    parent: ParentRef | None
    generation: int
    snapshot_digest: str
    made: Made | None = None


HEAD = tuple(attribute.name for attribute in fields(Head))


def parts_named(value: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return the fields of *value* that have these *names*."""
    return {name: getattr(value, name) for name in names}


def blueprint_pieces(blueprint: Blueprint) -> Iterator[str]:
    """Yield the blueprint's text bit by bit: the canonical text of its file form, made without it."""
    return with_body(written_head(blueprint), body_of(blueprint) if blueprint.body is None else blueprint.body)


def written_head(blueprint: Blueprint | Head) -> Plain:
    """Return what a file says before the content."""
    return {"format": BLUEPRINT_FORMAT, **outlined(parts_named(blueprint, HEAD))}


def body_of(content: Content) -> Iterator[str]:
    """Yield the canonical text of *content*, without the head that goes before it."""
    return items(outlined(to_file(content)))


def with_body(head: Plain, body: Iterable[str]) -> Iterator[str]:
    """Yield the text of a document that begins with *head* and goes on with *body*."""
    yield "{\n"
    yield from items(head)
    yield ",\n"
    yield from body
    yield "\n}\n"


def signed(blueprint: Blueprint, made: Made) -> Blueprint:
    """Return *blueprint* as *made* says it was; its text is not made again."""
    said = evolve(blueprint, made=made)
    if blueprint.body is not None:
        said.keep_body(blueprint.body)
    return said


def sealed(content: Content, parent: ParentRef | None, generation: int, snapshot: str) -> Blueprint:
    """Return *content* as a blueprint, whose id and digest are made when somebody asks for them.

    Args:
        content: all that the plan decides.
        parent: the blueprint it was planned after.
        generation: its own.
        snapshot: the digest of the snapshot it was planned from.
    """
    blueprint = Blueprint(
        id=content.rack_id,
        digest="",
        parent=parent,
        generation=generation,
        snapshot_digest=snapshot,
        **parts_named(content, CONTENT_FIELDS),
    )
    blueprint.name_later(_named)
    return blueprint


def _named(blueprint: Blueprint) -> Named:
    """Return what *blueprint* is called: digest over its canonical text, id from the digest."""
    body = tuple(body_of(blueprint))
    head = digested_head(blueprint.parent, blueprint.generation, blueprint.snapshot_digest)
    digest = digest_of(text.encode() for text in with_body(head, body))
    return uuid5(blueprint.rack_id, digest), digest, body


def digested_head(parent: ParentRef | None, generation: int, snapshot: str) -> Plain:
    """Return what the digest of a blueprint covers beside its content."""
    return {
        "format": BLUEPRINT_FORMAT,
        "parent": outlined(parent),
        "generation": generation,
        "snapshot_digest": snapshot,
    }


def digest_of(texts: Iterable[bytes]) -> str:
    """Return ``sha256:`` and the digest of *texts*, one after the other."""
    digest = sha256()
    for text in texts:
        digest.update(text)
    return "sha256:" + digest.hexdigest()
