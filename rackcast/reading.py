"""Blueprints and endpoints that a command is given, and a word before one of them takes long.

What is without a mistake is read without what finds mistakes and what reads YAML: neither is loaded then.
This file does not know what commands do with them.
"""

import math
from functools import partial

from blueprints.blueprint import Blueprint
from blueprints.disk import read_bytes, rereadable
from blueprints.endpoints import Endpoints
from blueprints.quick_blueprint import quick_blueprint
from blueprints.quick_endpoints import quick_endpoints
from rackcast.saying import say

LONG = 5_000_000
"""YAML that is longer, in characters, is announced."""

CHARACTERS_A_SECOND = 2_000_000
"""About how fast YAML is read and checked, libyaml being there, on a machine of today."""


def read_blueprint(name: str, *, causes: bool = True) -> Blueprint:
    """Return the blueprint in the file *name*, its digest verified.

    Args:
        name: the file.
        causes: see `blueprints.files.read_blueprint`.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    with rereadable(name) as file:
        quickly = quick_blueprint(file, causes=causes)
        if quickly is not None:
            return quickly
        file.seek(0)
        data = file.read()
    from blueprints.files import blueprint_in

    return blueprint_in(data, name, causes=causes, before_yaml=partial(announce, name))


def read_endpoints(name: str) -> Endpoints:
    """Return the endpoints in the file *name*.

    Raises:
        InputRejectedError: all mistakes, each with its path.
    """
    data = read_bytes(name)
    quickly = quick_endpoints(data)
    if quickly is not None:
        return quickly
    from blueprints.files import endpoints_in

    return endpoints_in(data, name)


def announce(name: str, length: int) -> None:
    """Say how long reading will take, if that is long: YAML takes many times as long as JSON."""
    if length > LONG:
        size, seconds = f"{length / 1e6:.1f} MB", math.ceil(length / CHARACTERS_A_SECOND)
        say(f"{name}: reading {size} of YAML takes about {seconds} s; JSON would take a fraction", error=True)
