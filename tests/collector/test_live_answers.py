"""Answers of dpd and ddmd to typed rows: whole, or not at all."""

import asyncio
from typing import Any

import pytest

from blueprints.errors import BadAnswerError
from blueprints.identifiers import PortId
from blueprints.snapshot import Peer
from collector.live import SwitchReaders, backplane_of, peers_of, read_switches
from tests.simrack.rows import SWITCH0

LINK = {"tofino_connector": 1, "sidecar_connector": 1, "sidecar_leg": "A", "cubby": 14, "backplane_leg": "A"}

PEER: dict[str, Any] = {
    "status": {"type": "Exchange", "duration": {"secs": 5123, "nanos": 0}},
    "addr": "fe80::aa40:25ff:fe05:701",
    "host": "BRM42220014",
    "kind": 0,
    "if_name": "tfportrear14_0",
}


def test_a_peer_is_kept_as_it_is() -> None:
    """Interface, address, host, kind and status are kept; for how long it has been so is not."""
    (peer,) = peers_of({"7": PEER})
    assert peer == Peer(if_name="tfportrear14_0", addr=peer.addr, host="BRM42220014", kind=0, status="Exchange")
    assert peer.addr.text == "fe80::aa40:25ff:fe05:701"


def test_peers_that_talk_to_nobody_yet_are_peers() -> None:
    """Other switches, states before the exchange and interfaces without a name are for the planner to judge."""
    others = {
        "1": PEER | {"kind": 1},
        "2": PEER | {"if_name": None},
        "3": PEER | {"status": {"type": "Init"}},
    }
    assert [(peer.kind, peer.if_name, peer.status) for peer in peers_of(others)] == [
        (1, "tfportrear14_0", "Exchange"),
        (0, None, "Exchange"),
        (0, "tfportrear14_0", "Init"),
    ]


def test_no_peer_at_all_is_an_answer() -> None:
    """A ddmd that has just started knows nobody, and that is known."""
    assert peers_of({}) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "Active"}, "status: expected an object"),
        ({"status": {}}, "type is missing"),
        ({"status": {"type": "Exchanging"}}, "expected one of Exchange, Expired, Init, Solicit"),
        ({"addr": "10.0.0.1"}, "an IPv6 address"),
        ({"addr": "fe80::1%3"}, "an address"),
        ({"addr": None}, "an address"),
        ({"host": 7}, "host: expected text"),
        ({"kind": 2}, "0 to 1"),
        ({"kind": True}, "a whole number"),
        ({"if_name": 3}, "if_name: expected text"),
    ],
    ids=str,
)
def test_one_peer_that_cannot_be_read_makes_all_unknown(change: dict[str, Any], said: str) -> None:
    """A list that left it out would say that it is gone."""
    with pytest.raises(BadAnswerError, match=said):
        peers_of({"1": PEER, "2": PEER | change})


@pytest.mark.parametrize("key", sorted(PEER))
def test_every_field_of_a_peer_is_needed(key: str) -> None:
    """No field has a default: without an interface name, an older ddmd would look like one whose peers have none."""
    with pytest.raises(BadAnswerError, match=f"{key} is missing"):
        peers_of({"1": {name: value for name, value in PEER.items() if name != key}})


def test_rear_ports_are_the_backplane() -> None:
    """Ports of other kinds lead to no cubby; the case of a port does not matter."""
    assert backplane_of({"rear14": LINK, "qsfp3": LINK, "REAR2": LINK | {"cubby": 2}}) == (
        PortId("rear", 14),
        PortId("rear", 2),
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([], "expected an object"),
        ({}, "names no rear port"),
        ({"qsfp0": LINK}, "names no rear port"),
        ({"rear32": LINK}, "a port"),
        ({"rear14": None}, "an object"),
        ({"rear14": {}}, "cubby is missing"),
        ({"rear14": LINK | {"cubby": "14"}}, "a whole number"),
        ({"rear14": LINK, "rear15": LINK}, "expected cubby 15"),
    ],
    ids=str,
)
def test_a_backplane_that_no_switch_has_is_not_believed(answer: Any, said: str) -> None:
    """A switch without rear ports, or wired to other cubbies, would make every port of a plan wrong."""
    with pytest.raises(BadAnswerError, match=said):
        backplane_of(answer)


class Saying:
    """A daemon that gives one answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def read(self, _: str) -> Any:
        return self.answer


def test_what_cannot_be_read_says_whose_answer_it_was() -> None:
    """The silence names the part, and its reason the daemon and the place in the answer."""
    readers = SwitchReaders(dpd=Saying({}), ddmd=Saying({"7": PEER | {"kind": 9}}))
    live = asyncio.run(read_switches({SWITCH0: readers}))
    assert [(silence.target, silence.reason) for silence in live.silent] == [
        ("switch0 backplane", "dpd: the backplane map names no rear port, and every switch has them"),
        ("switch0 peers", "ddmd: peers.7.kind: expected 0 to 1, found 9"),
    ]
    assert live.reason(SWITCH0, "peers") == live.silent[1].reason
    assert live.reason(SWITCH0, "slot") is None
