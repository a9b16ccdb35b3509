"""The campaign can fail: each of these mistakes in the executor is found by a seed that is right without it."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest

from tests.campaign.play import play
from tests.campaign.scenario import scenario
from tests.campaign.twins import TWINS, seeded

FINDING: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "leaves after the mapping was cleared": (6, "sled "),
        "clears a next hop before it sets another": (2, "I1 "),
        "leaves the old next hop in use": (2, "I3 "),
        "deletes a group before sleds turn away from it": (5, "not converged "),
        "ignores the journal": (57, "the journal "),
        "believes calls instead of reading back": (0, "the journal "),
        "takes every external group for its own": (3, "I5 "),
        "takes every mapping for its own": (0, "I5 "),
        "looks at no fence": (7, "not fenced"),
        "joins only where it has just mapped": (1, "10.20.0.5 -> 224.1.2.3 from switch1 is heard by nobody"),
        "tells joins without their sources": (0, "I2 "),
        "rewrites filters where sleds send": (2, "I1 "),
        "asks nobody before it costs packets": (82, "I1 "),
        "does not wait for an address to be free": (82, "I2 "),
        "waits for nothing that failed": (18, "I1 "),
        "takes what it could not read for empty": (2, "I3 "),
    }
)
"""Twin to a seed that finds it, and to what it says."""


@pytest.mark.parametrize("twin", FINDING)
def test_a_mistake_is_found(twin: str) -> None:
    """The seed fails with the mistake, and says what was expected of it."""
    seed, sign = FINDING[twin]
    with seeded(twin):
        verdict = play(scenario(seed))
    assert any(line.startswith(sign) for line in verdict.wrong), verdict.wrong[:3]


def test_every_mistake_has_its_seed() -> None:
    """No twin is left out."""
    assert FINDING.keys() == TWINS.keys()


def test_without_a_mistake_nothing_is_found() -> None:
    """The same seeds are right as the executor is; and it is the right one again after each twin."""
    for seed in sorted({seed for seed, _ in FINDING.values()}):
        assert play(scenario(seed)).wrong == ()
