"""Documents: what each format's plain data look like, between text and typed objects.

A blueprint has two forms with one meaning. The *file form* stores tables that sleds share once, so that a change of
one entry changes a few lines. The *expanded form* spells every sled out; it is what `rackcast show --json` prints.
Readers take both.

Reader's way: look at ``format`` first, then build objects with unknown keys forbidden. A second version of a
format will add its upgrade step to the plain data here. This file does not know files, planning or devices.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from attrs import evolve

from blueprints.blueprint import BLUEPRINT_FORMAT, CONTENT_FIELDS, Blueprint, Content
from blueprints.converter import structure, unstructure
from blueprints.endpoints import ENDPOINTS_FORMAT, Endpoints
from blueprints.errors import InputRejectedError, Mistake
from blueprints.file_form import SHARED, FileContent, from_file, to_file
from blueprints.lines import outlined
from blueprints.observation import OBSERVATION_FORMAT, Observation
from blueprints.sealing import HEAD, Head, digest_of, parts_named, sealed, written_head
from blueprints.snapshot import SNAPSHOT_FORMAT, Group, Instance, Member, Sled, Snapshot, UnderlayRow
from blueprints.text import pieces

T = TypeVar("T")
Plain = dict[str, Any]


def _body(document: Any, wanted: str, source: str) -> Plain:
    """Return *document* without its ``format``, once that is the *wanted* one."""
    if not isinstance(document, dict):
        raise InputRejectedError(source, [Mistake("", f"expected an object with format: {wanted}")])
    found = document.get("format")
    if found != wanted:
        said = "is missing" if found is None else f"is {found!r}"
        raise InputRejectedError(source, [Mistake("format", f"{said}; this reader takes {wanted}")])
    return {key: value for key, value in document.items() if key != "format"}


def _structured(document: Any, wanted: str, kind: type[T], source: str) -> T:
    body = _body(document, wanted, source)
    try:
        return structure(body, kind, source)
    except InputRejectedError as error:
        raise InputRejectedError(source, _in_order(body, error.mistakes)) from None


def _in_order(body: Plain, mistakes: Iterable[Mistake]) -> list[Mistake]:
    """Return *mistakes* in the order of the file; what is missing comes first in the object that lacks it."""
    places = {path.removeprefix("."): place for place, path in enumerate(_paths(body, ""))}
    return sorted(mistakes, key=lambda mistake: places[_closest(mistake.path, places)])


def _paths(value: Any, path: str) -> Iterable[str]:
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _paths(item, f"{path}[{index}]")


def _closest(path: str, places: Mapping[str, int]) -> str:
    """Return *path*, or the object that should hold it."""
    while path not in places:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return path


# --- snapshot -------------------------------------------------------------------------------------------------------

ROWS: Mapping[str, type[Any]] = MappingProxyType(
    {"sleds": Sled, "groups": Group, "underlay_groups": UnderlayRow, "members": Member, "instances": Instance}
)
"""The tables of rows with ids."""


def _repeated_ids(body: Plain) -> list[Mistake]:
    mistakes = []
    for table in ROWS:
        first: dict[str, int] = {}
        rows = body.get(table)
        for index, row in enumerate(rows if isinstance(rows, list) else ()):
            name = row.get("id") if isinstance(row, dict) else None
            if isinstance(name, str) and first.setdefault(name.lower(), index) != index:
                mistakes.append(Mistake(f"{table}[{index}].id", f"repeats {table}[{first[name.lower()]}].id"))
    return mistakes


def snapshot_from(document: Any, source: str) -> Snapshot:
    """Return the snapshot that *document* holds.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    body = _body(document, SNAPSHOT_FORMAT, source)
    mistakes = _repeated_ids(body)
    try:
        snapshot = structure(body, Snapshot, source)
    except InputRejectedError as error:
        raise InputRejectedError(source, _in_order(body, (*error.mistakes, *mistakes))) from None
    if mistakes:
        raise InputRejectedError(source, _in_order(body, mistakes))
    return snapshot


def snapshot_document(snapshot: Snapshot) -> Plain:
    """Return *snapshot* as plain data in canonical order."""
    return {"format": SNAPSHOT_FORMAT, **unstructure(snapshot)}


def snapshot_pieces(snapshot: Snapshot) -> Iterator[str]:
    """Yield the canonical text of *snapshot* bit by bit: that of its document, made without one."""
    return pieces({"format": SNAPSHOT_FORMAT, **outlined(snapshot)})


def snapshot_digest(snapshot: Snapshot) -> str:
    """Return ``sha256:`` and the digest of the snapshot's canonical text, which is made once."""
    if snapshot.digest is None:
        snapshot.keep_digest(digest_of(text.encode() for text in snapshot_pieces(snapshot)))
    return str(snapshot.digest)


# --- blueprint ------------------------------------------------------------------------------------------------------


def expanded(blueprint: Blueprint) -> Plain:
    """Return the expanded form: every table of every switch and sled spelled out."""
    plain = unstructure(blueprint)
    return {"format": BLUEPRINT_FORMAT} | {name: plain[name] for name in (*HEAD, *CONTENT_FIELDS)}


def file_form(blueprint: Blueprint) -> Plain:
    """Return the form that is written to files, as plain data."""
    return {**written_head(blueprint), **unstructure(to_file(blueprint))}


def _structure_halves(body: Plain, content_kind: type[T], source: str) -> tuple[Head, T]:
    """Return head and content; mistakes of both are told at once."""
    halves: list[Any] = []
    mistakes: list[Mistake] = []
    head = {name: body[name] for name in HEAD if name in body}
    rest = {name: value for name, value in body.items() if name not in HEAD}
    for half, kind in ((head, Head), (rest, content_kind)):
        try:
            halves.append(structure(half, kind, source))
        except InputRejectedError as error:
            mistakes += error.mistakes
    if mistakes:
        raise InputRejectedError(source, _in_order(body, mistakes))
    return halves[0], halves[1]


def _shared(content: Content) -> Content:
    """Return *content* with equal tables of sleds being one object (rule B2)."""
    seen: dict[Any, Any] = {}
    sleds = {}
    for sled, tables in content.sleds.items():
        once = {kind: seen.setdefault(table, table) for kind, table in parts_named(tables, SHARED).items()}
        sleds[sled] = evolve(tables, **once)
    return Content(**{**parts_named(content, CONTENT_FIELDS), "sleds": sleds})


def blueprint_from(document: Any, source: str) -> Blueprint:
    """Return the blueprint that *document* holds, in either form, with its digest verified.

    Raises:
        InputRejectedError: all mistakes, each with its path; or the content is not what the digest says.
    """
    body = _body(document, BLUEPRINT_FORMAT, source)
    if "shared_tables" in body:
        head, stored = _structure_halves(body, FileContent, source)
        content = from_file(stored)
    else:
        head, content = _structure_halves(body, Content, source)
        content = _shared(content)
    blueprint = sealed(content, head.parent, head.generation, head.snapshot_digest)
    mistakes = [
        Mistake(name, f"says {getattr(head, name)}, the content is {getattr(blueprint, name)}: changed since planned")
        for name in ("digest", "id")
        if getattr(head, name) != getattr(blueprint, name)
    ]
    if mistakes:
        raise InputRejectedError(source, mistakes)
    return evolve(blueprint, made=head.made)


# --- the smaller formats --------------------------------------------------------------------------------------------


def observation_from(document: Any, source: str) -> Observation:
    """Return the observation that *document* holds.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    return _structured(document, OBSERVATION_FORMAT, Observation, source)


def observation_document(observation: Observation) -> Plain:
    """Return *observation* as plain data in canonical order."""
    return {"format": OBSERVATION_FORMAT, **unstructure(observation)}


def endpoints_from(document: Any, source: str) -> Endpoints:
    """Return the endpoints that *document* holds.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    return _structured(document, ENDPOINTS_FORMAT, Endpoints, source)


def endpoints_document(endpoints: Endpoints) -> Plain:
    """Return *endpoints* as plain data in canonical order."""
    return {"format": ENDPOINTS_FORMAT, **unstructure(endpoints)}
