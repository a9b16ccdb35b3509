"""Endpoints read quickly: None wherever `blueprints.documents` has to look, as for every mistake.

Proof that nothing was passed over: the canonical text of what was read is what was read, to the octet. This file
does not know files.
"""

from typing import get_type_hints

from attrs import evolve

from blueprints.endpoints import ENDPOINTS_FORMAT, Endpoints
from blueprints.lines import outlined
from blueprints.quick import REFUSALS, parts_of, quick
from blueprints.text import dumps


def quick_endpoints(data: bytes) -> Endpoints | None:
    """Return the endpoints in the canonical text *data*, or None."""
    parts = dict(parts_of(data) or {})
    hints = get_type_hints(Endpoints)
    if parts.pop("format", None) is None or parts.keys() != hints.keys():
        return None
    found = {name: quick(part, hints[name]) for name, part in parts.items()}
    if None in found.values():
        return None
    try:  # constructors refuse what decoding does not look at
        switches = {slot: evolve(switch) for slot, switch in found.pop("switches").items()}
        endpoints = Endpoints(switches=switches, api_versions=evolve(found.pop("api_versions")), **found)
    except REFUSALS:
        return None
    return endpoints if dumps({"format": ENDPOINTS_FORMAT, **outlined(endpoints)}).encode() == data else None
