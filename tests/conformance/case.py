"""A case: calls to one daemon with the answers that are due. Reads the files and refuses those that make no sense.

    shows: …                  the rule of the API, one sentence
    source: …                 where the rule is from
    needs: [ports, vmm]       what of a rack has to be known, see `targets`
    risk: …                   what it may leave behind; such cases run only on request
    each: [{name: value}, …]  the steps are taken once for each row, its values standing for $name
    steps:                    calls, in order; the first that differs ends the case
      - PUT: /path?query      the method, and path with query
        send: …               the JSON to send
        raw: text             or the very text to send
        headers: {…}          further headers; null takes one away
        version: 12.0.0       another api-version than the run's, as text
        status: 204           or a list of statuses
        answer: …             the whole JSON that is due
        has: …                or what is due of it
        lacks: …              what no item of it may be
        keep: {name: a.0.b}   what of it stands for $name from then on
    cleanup: [{DELETE: …}]    calls that follow whatever happened, whatever their answers

This file does not know HTTP, nor how answers are compared.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from attrs import frozen

Json = Any

FOLDER = Path(__file__).parent / "cases"
COMMON = "common.yaml"
"""In a daemon's folder: the clean-up of all its cases."""

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH")
MISSING = object()

_CASE = frozenset({"shows", "source", "needs", "risk", "each", "steps", "cleanup"})
_STEP = frozenset({"send", "raw", "headers", "version", "status", "answer", "has", "lacks", "keep", *METHODS})


@frozen(kw_only=True)
class Step:
    """One call and what is due."""

    method: str
    path: str
    send: Json = MISSING
    raw: str | None = None
    headers: Mapping[str, str | None]
    version: str | None = None
    statuses: tuple[int, ...]
    """Empty: any."""

    answer: Json = MISSING
    has: Json = MISSING
    lacks: Json = MISSING
    keep: Mapping[str, str]


@frozen(kw_only=True)
class Case:
    """Steps that show one rule."""

    name: str
    """Folder, file, and the row of ``each``."""

    daemon: str
    shows: str
    source: str
    needs: tuple[str, ...]
    risk: str | None
    values: Mapping[str, Json]
    """Of the row of ``each``."""

    steps: tuple[Step, ...]
    cleanup: tuple[Step, ...]


def all_cases(folder: Path = FOLDER) -> tuple[Case, ...]:
    """Return every case of every daemon, by name.

    Raises:
        ValueError: a file is none.
    """
    files = sorted(path for path in folder.glob("*/*.yaml") if path.name != COMMON)
    return tuple(case for path in files for case in cases_of(path))


def cases_of(path: Path) -> Iterator[Case]:
    """Yield the cases of one file: one, or one for each row of ``each``."""
    table = _mapping(yaml.safe_load(path.read_text()), _CASE, path)
    common = path.with_name(COMMON)
    after = yaml.safe_load(common.read_text())["cleanup"] if common.is_file() else []
    name = f"{path.parent.name}/{path.stem}"
    for place, row in enumerate(table.get("each", [{}])):
        yield Case(
            name=name if "each" not in table else f"{name}[{place}]",
            daemon=path.parent.name,
            shows=table["shows"],
            source=table["source"],
            needs=tuple(table.get("needs", ())),
            risk=table.get("risk"),
            values=row,
            steps=tuple(_step(step, path) for step in table["steps"]),
            cleanup=tuple(_step({"status": []} | step, path) for step in (*table.get("cleanup", ()), *after)),
        )


def _mapping(value: Json, known: frozenset[str], path: Path) -> dict[str, Json]:
    if not isinstance(value, dict) or not value.keys() <= known:
        raise ValueError(f"{path}: expected fields of {', '.join(sorted(known))}, found {value!r}")
    return value


def _step(value: Json, path: Path) -> Step:
    table = _mapping(value, _STEP, path)
    named = [method for method in METHODS if method in table]
    if len(named) != 1 or "status" not in table:
        raise ValueError(f"{path}: a step has one method and a status: {value!r}")
    status = table["status"]
    return Step(
        method=named[0],
        path=table[named[0]],
        send=table.get("send", MISSING),
        raw=table.get("raw"),
        headers=table.get("headers", {}),
        version=table.get("version"),
        statuses=tuple(status) if isinstance(status, list) else (status,),
        answer=table.get("answer", MISSING),
        has=table.get("has", MISSING),
        lacks=table.get("lacks", MISSING),
        keep=table.get("keep", {}),
    )
