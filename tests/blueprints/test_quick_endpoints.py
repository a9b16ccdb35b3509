"""Endpoints that are read quickly are those that are read slowly, and whatever is odd is left to slow reading."""

import json
from uuid import UUID

import pytest

from blueprints.documents import endpoints_document, endpoints_from
from blueprints.endpoints import ApiVersions, Endpoints, SubscriptionForm, SwitchEndpoints
from blueprints.identifiers import SwitchSlot
from blueprints.quick_endpoints import quick_endpoints
from blueprints.text import dumps

SWITCH = SwitchEndpoints(
    dpd="http://[::1]:12224", mgd="http://[::1]:4676", ddmd="http://[::1]:8000", zone="gc01.local"
)
RACK = Endpoints(
    switches={SwitchSlot.SWITCH1: SWITCH, SwitchSlot.SWITCH0: SWITCH},
    sleds={UUID(int=number): f"http://[::1]:{number}" for number in (2000, 1999)},
    api_versions=ApiVersions(dpd="12.0.0"),
    subscriptions=SubscriptionForm.INSTANCE,
)
TEXT = dumps(endpoints_document(RACK))


@pytest.mark.parametrize("endpoints", [RACK, Endpoints(switches={}, sleds={})], ids=["rack", "empty"])
def test_canonical_endpoints_are_read_quickly(endpoints: Endpoints) -> None:
    """What `rackcast sim` writes is taken, and means what slow reading makes of it."""
    text = dumps(endpoints_document(endpoints))
    assert quick_endpoints(text.encode()) == endpoints_from(json.loads(text), "e.json") == endpoints


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("endpoints/1", "endpoints/2"),
        ('"format"', '"former"'),
        ("http://[::1]:4676", "https://[::1]:4676"),
        ("http://[::1]:1999", "http://[::1]:99999"),
        ('"12.0.0"', '"12"'),
        ('"switch0"', '"switch7"'),
        ('"instance"', '"both"'),
        ('"zone": "gc01.local"', '"zone": "gc01.local", "more": 1'),
        ('"zone": "gc01.local"', '"zone": "gc01.local", "zone": "gc01.local"'),
        ('"zone": "gc01.local"', '"zone":"gc01.local"'),
        ("\n}\n", "\n}\n\n"),
        ("\n}\n", ""),
        (TEXT, "[]"),
    ],
)
def test_what_is_odd_is_left_to_slow_reading(old: str, new: str) -> None:
    """Mistakes, keys that nobody knows or that stand twice, another layout: others tell of them."""
    assert old in TEXT
    assert quick_endpoints(TEXT.replace(old, new, 1).encode()) is None
