"""Flows: what a sled's packet engine remembers of a steady sender, and which hop a flow goes to."""

from collections.abc import Mapping

import pytest

from tests.simrack.program import hop, ok, program
from tests.simrack.rows import G4, LISTENER, OTHER4, S4, SLEDS, SPEAKER, SWITCH0, SWITCH1, U4, propolis
from tests.simrack.talk import Talk

INSIDE: Mapping[str, object] = {"instance": SPEAKER}
HERE = SLEDS[2]
FIRST = str(propolis(LISTENER))
M2P, FORWARDING = "/networking/mcast-m2p", "/networking/mcast-fwd"


@pytest.fixture
def programmed(talk: Talk) -> Talk:
    program(talk)
    ok(talk.control("PUT", "/time", {"held": True}))
    return talk


def remap(talk: Talk, underlay: str = "ff04::77") -> None:
    ok(talk.sled(HERE, "PUT", M2P, {"group": G4, "underlay": underlay}))


class TestSteadySenders:
    """A flow keeps its translation."""

    def test_a_mapping_that_changes_does_not_reach_it(self, programmed: Talk) -> None:
        """A new sender goes the new way, the steady one the old."""
        assert FIRST in programmed.heard(INSIDE, steady=True)
        remap(programmed)
        assert FIRST not in programmed.heard(INSIDE)
        assert FIRST in programmed.heard(INSIDE, steady=True)

    def test_a_mapping_that_is_cleared_does_not_stop_it(self, programmed: Talk) -> None:
        """Clearing the forwarding entry does, for hops are looked up for each packet."""
        programmed.heard(INSIDE, steady=True)
        ok(programmed.sled(HERE, "DELETE", M2P, {"group": G4, "underlay": U4}))
        assert programmed.heard(INSIDE) == {}
        assert FIRST in programmed.heard(INSIDE, steady=True)
        ok(programmed.sled(HERE, "DELETE", FORWARDING, {"underlay": U4}))
        assert FIRST not in programmed.heard(INSIDE, steady=True)

    def test_a_busy_flow_is_never_forgotten_and_an_idle_one_after_a_minute(self, programmed: Talk) -> None:
        """Each packet starts the minute anew."""
        programmed.heard(INSIDE, steady=True)
        remap(programmed)
        for _ in range(5):
            programmed.advance(59)
            assert FIRST in programmed.heard(INSIDE, steady=True)
        programmed.advance(60)
        assert FIRST not in programmed.heard(INSIDE, steady=True)

    def test_flows_are_told_apart_by_source(self, programmed: Talk) -> None:
        """Another source is another flow, which is translated as of now."""
        programmed.heard(INSIDE, G4, S4, steady=True)
        remap(programmed)
        assert FIRST not in programmed.heard(INSIDE, G4, OTHER4, steady=True)
        assert FIRST in programmed.heard(INSIDE, G4, S4, steady=True)

    def test_a_reboot_ends_all_flows(self, programmed: Talk) -> None:
        """They are kernel state."""
        programmed.heard(INSIDE, steady=True)
        programmed.restart(f"sled {HERE}", keep_state=False)
        assert programmed.heard(INSIDE, steady=True) == {}


class TestHops:
    """Copies to every hop, or one hop for each flow."""

    def both(self, talk: Talk, *modes: str) -> None:
        hops = [hop(slot, mode) for slot, mode in zip((SWITCH0, SWITCH1), modes, strict=True)]
        ok(talk.sled(HERE, "PUT", FORWARDING, {"underlay": U4, "next_hops": hops}))

    def test_every_hop_gets_a_copy(self, programmed: Talk) -> None:
        """Two admitting hops are two copies for everybody beyond."""
        self.both(programmed, "exclude", "exclude")
        assert programmed.heard(INSIDE)[FIRST] == 2

    def test_an_engine_that_selects_gives_a_flow_to_one(self, programmed: Talk) -> None:
        """One copy, the same way each time, and different flows go different ways."""
        ok(programmed.control("PUT", "/packet-engines", {"selects": True}))
        self.both(programmed, "exclude", "exclude")
        ways = set()
        for number in range(1, 17):
            told = [programmed.packet(INSIDE, G4, f"10.20.1.{number}") for _ in range(2)]
            assert told[0] == told[1]
            ways |= {line.split()[3] for line in told[0]["path"] if f"sled {HERE}: to switch" in line}
            copies = {row["propolis_id"]: row["copies"] for row in told[0]["delivered"]}
            assert copies[FIRST] == 1
        assert ways == {"switch0", "switch1"}

    @pytest.mark.parametrize("selects", [False, True])
    def test_one_request_swaps_hops_without_a_gap(self, programmed: Talk, selects: bool) -> None:
        """The new one admits everybody and the old one nobody from the same moment on, in either engine."""
        ok(programmed.control("PUT", "/packet-engines", {"selects": selects}))
        assert programmed.heard(INSIDE)[FIRST] == 1
        self.both(programmed, "exclude", "include")
        assert programmed.heard(INSIDE)[FIRST] == 1
        assert any("to switch0" in line for line in programmed.packet(INSIDE)["path"])

    def test_an_engine_that_selects_takes_four_hops(self, programmed: Talk) -> None:
        """The fifth is refused with those that came along, and nothing changes; the other engine takes any number."""
        five = [hop(SWITCH0) | {"next_hop": f"fd00:1122:3344:20{n}::2"} for n in range(5)]
        body = {"underlay": "ff04::5", "next_hops": five}
        assert programmed.sled(HERE, "PUT", FORWARDING, body).status_code == 204
        ok(programmed.control("PUT", "/packet-engines", {"selects": True}))
        for hops, status in ((five[:4], 204), (five[3:], 500), (five[:1], 204)):
            answer = programmed.sled(HERE, "PUT", FORWARDING, {"underlay": "ff04::4", "next_hops": hops})
            assert answer.status_code == status
        (entry,) = [
            row for row in programmed.state()["sleds"][str(HERE)]["forwarding"] if row["underlay"] == "ff04::4"
        ]
        assert len(entry["next_hops"]) == 4
