"""Files: documents by name.

Reads ``.json``, ``.yaml``, either with ``.gz``, or standard input as ``-``; writes canonical text, whole or not at
all (`blueprints.disk`). This file does not know what documents hold.
"""

from typing import Any

from attrs import evolve

from blueprints.blueprint import Blueprint
from blueprints.causes import NO_CAUSES
from blueprints.disk import read_bytes, read_text, rereadable, text_of, write_pieces, write_text
from blueprints.documents import (
    blueprint_from,
    endpoints_document,
    endpoints_from,
    observation_document,
    observation_from,
    snapshot_from,
    snapshot_pieces,
)
from blueprints.endpoints import Endpoints
from blueprints.notation import BeforeYaml, loads
from blueprints.observation import Observation
from blueprints.quick_blueprint import quick_blueprint
from blueprints.quick_documents import quick_snapshot
from blueprints.sealing import blueprint_pieces
from blueprints.snapshot import Snapshot
from blueprints.text import dumps


def read_document(name: str) -> Any:
    """Return the plain data of the file *name*.

    Raises:
        InputRejectedError: see `read_text` and `blueprints.notation.loads`.
    """
    return loads(read_text(name), name)


def read_snapshot(name: str, *, before_yaml: BeforeYaml | None = None) -> Snapshot:
    """Return the snapshot in the file *name*.

    Args:
        name: the file.
        before_yaml: see `blueprints.notation.loads`.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    data = read_bytes(name)
    quickly = quick_snapshot(data)
    if quickly is not None:
        return quickly
    return snapshot_from(loads(text_of(data, name), name, before_yaml=before_yaml), name)


def read_blueprint(name: str, *, causes: bool = True) -> Blueprint:
    """Return the blueprint in the file *name*, its digest verified.

    Args:
        name: the file.
        causes: whether to keep what says why its entries are there. Without it a large blueprint takes a third less
            memory; it is not what its digest is made of, so it is not to be written.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    with rereadable(name) as file:
        quickly = quick_blueprint(file, causes=causes)
        if quickly is not None:
            return quickly
        file.seek(0)
        data = file.read()
    return blueprint_in(data, name, causes=causes)


def blueprint_in(data: bytes, name: str, *, causes: bool = True, before_yaml: BeforeYaml | None = None) -> Blueprint:
    """Return the blueprint in *data*, its digest verified, where `quick_blueprint` did not.

    Args:
        data: what the file *name* holds.
        name: of the file.
        causes: see `read_blueprint`.
        before_yaml: see `blueprints.notation.loads`.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    read = blueprint_from(loads(text_of(data, name), name, before_yaml=before_yaml), name)
    return read if causes else evolve(read, causes=NO_CAUSES)


def read_observation(name: str) -> Observation:
    """Return the observation in the file *name*.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    return observation_from(read_document(name), name)


def read_endpoints(name: str) -> Endpoints:
    """Return the endpoints in the file *name*.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    return endpoints_in(read_bytes(name), name)


def endpoints_in(data: bytes, name: str) -> Endpoints:
    """Return the endpoints in *data*, which is what the file *name* holds.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    return endpoints_from(loads(text_of(data, name), name), name)


def write_snapshot(name: str, snapshot: Snapshot) -> None:
    """Write the canonical text of *snapshot* to the file *name*; see `write_text`."""
    write_pieces(name, snapshot_pieces(snapshot))


def write_blueprint(name: str, blueprint: Blueprint) -> None:
    """Write the canonical text of *blueprint* to the file *name*; see `write_text`."""
    write_pieces(name, blueprint_pieces(blueprint))


def write_observation(name: str, observation: Observation) -> None:
    """Write the canonical text of *observation* to the file *name*; see `write_text`."""
    write_text(name, dumps(observation_document(observation)))


def write_endpoints(name: str, endpoints: Endpoints) -> None:
    """Write the canonical text of *endpoints* to the file *name*; see `write_text`."""
    write_text(name, dumps(endpoints_document(endpoints)))
