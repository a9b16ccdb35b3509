"""Putting a snapshot together: whose rack it is, where its switches are, what is stated, and what the report says."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from blueprints.addresses import UnderlayUnicast
from blueprints.blueprint import Blueprint
from blueprints.documents import snapshot_digest
from blueprints.endpoints import SwitchEndpoints
from blueprints.errors import InputRejectedError
from blueprints.findings import finding
from blueprints.identifiers import PortId, SwitchSlot
from blueprints.notation import loads
from blueprints.observation import Silence
from blueprints.snapshot import MemberPorts, Policy, Snapshot, Source
from blueprints.text import dumps
from collector.assemble import Assembled, Stated, assemble
from collector.live import Live, SwitchFacts
from collector.report import collection
from collector.stored import SledRow, Stored
from planner import plan
from tests.simrack.rows import NOON, RACK, SLEDS, SWITCH0, SWITCH1, ZONES, sled, small_rack, uid

OTHER_RACK = uid(1, 9)
BACKPLANE = tuple(PortId("rear", number) for number in range(32))
LIVE = Live(switches={slot: SwitchFacts(backplane=BACKPLANE, peers=()) for slot in SwitchSlot})


def row(number: int, rack_id: UUID = RACK) -> SledRow:
    """Return the row of a sled as the datastore has it: without NICs."""
    return SledRow(rack_id=rack_id, is_scrimlet=number < 2, sled=sled(number, underlay_nics=None))


def stored(**changes: Any) -> Stored:
    """Return what the datastore of the small rack holds."""
    rack = small_rack()
    fields: dict[str, Any] = {
        "schema": 296,
        "vendor": "PostgreSQL",
        "transaction": "7:7:",
        "taken_at": NOON,
        "sleds": tuple(row(number) for number in range(3)),
        "inventory": rack.inventory,
        "boards": (),
        "groups": rack.groups,
        "underlay_groups": rack.underlay_groups,
        "members": rack.members,
        "instances": rack.instances,
        "pools": (),
    }
    return Stored(**(fields | changes))


def endpoints(slot: SwitchSlot, **changes: Any) -> SwitchEndpoints:
    """Return where the daemons of a switch listen, on loopback and named after the scrimlet of its slot."""
    urls = {daemon: f"http://[::1]:{port}" for port, daemon in enumerate(("dpd", "mgd", "ddmd"), start=1)}
    zone = f"dendrite-{SLEDS[slot.number]}.host.control-plane.oxide.internal"
    return SwitchEndpoints(**{**urls, "zone": zone, **changes})


FOUND = {slot: endpoints(slot) for slot in SwitchSlot}


def put_together(
    of: Stored | None = None, live: Live = LIVE, stated: Stated | None = None, **changes: Any
) -> Assembled:
    """Return what becomes of the small rack."""
    options = {"endpoints": FOUND, "collected_by": "rackcast 0"} | changes
    return assemble(of or stored(), live, stated=stated or Stated(), **options)


def codes(assembled: Assembled) -> list[str]:
    return [found.code for found in assembled.findings]


def address(text: str) -> UnderlayUnicast:
    return UnderlayUnicast.parse(text)


# --- the snapshot ---------------------------------------------------------------------------------------------------


def test_the_small_rack_is_put_together_as_it_was() -> None:
    """Rows, live facts and what is stated make the snapshot that they were taken from, to the source."""
    assembled = put_together(stated=Stated(underlay_nics=("cxgbe0", "cxgbe1")))
    rack = small_rack()
    switches = {slot: evolve(switch, peers=()) for slot, switch in rack.switches.items()}
    source = Source(datastore_schema="296", transaction="7:7:", collected_by="rackcast 0")
    assert assembled.snapshot == evolve(rack, switches=switches, source=source)
    assert assembled.findings == ()


def test_the_snapshot_has_the_time_of_the_cut() -> None:
    """The database's clock, microseconds and all, is the only clock of the plan; it survives the file."""
    time = NOON + timedelta(microseconds=123456)
    assert put_together(stored(taken_at=time)).snapshot.evaluated_at == time


def test_what_is_stated_of_the_policy_is_the_policy() -> None:
    """The datastore does not hold it: without a word it is the default, with one exactly that."""
    derived = Policy(member_ports=MemberPorts.DERIVED, orphan_grace_seconds=5)
    assert put_together().snapshot.policy == Policy()
    assert put_together(stated=Stated(policy=derived)).snapshot.policy == derived


def test_nics_that_nobody_stated_are_unknown() -> None:
    """Without a word the NICs of every sled are None, which a finding says once; the plan adds no filter."""
    assembled = put_together()
    assert [sled.underlay_nics for sled in assembled.snapshot.sleds] == [None] * 3
    assert codes(assembled) == ["sled_nics_unstated"]
    blueprint: Blueprint = plan(assembled.snapshot)
    assert not any(tables.nic_filters for tables in blueprint.sleds.values())


def test_a_switch_that_said_nothing_is_unknown() -> None:
    """What was not read is None in the snapshot."""
    silent = Live(switches={SWITCH0: SwitchFacts(peers=()), SWITCH1: SwitchFacts(backplane=BACKPLANE)})
    switches = put_together(live=silent).snapshot.switches
    assert [(its.backplane, its.peers) for its in switches.values()] == [(None, ()), (BACKPLANE, None)]


def test_one_switch_alone_is_noted() -> None:
    """A rack has two; a snapshot that knows one says so."""
    alone = Live(switches={SWITCH1: LIVE.switches[SWITCH1]})
    assembled = put_together(live=alone)
    assert list(assembled.snapshot.switches) == [SWITCH1]
    assert ("switch_missing", "only switch1 is known") in [(f.code, f.message) for f in assembled.findings]


# --- which rack -----------------------------------------------------------------------------------------------------


def test_sleds_of_other_racks_are_left_out() -> None:
    """Of several racks the stated one is taken, and how many sleds of the others there are is noted."""
    several = stored(sleds=(row(0), row(1, OTHER_RACK), row(2, OTHER_RACK)))
    assembled = put_together(several, stated=Stated(rack_id=RACK, switches={SWITCH1: address("fd00::2")}))
    assert assembled.snapshot.rack_id == RACK
    assert [sled.id for sled in assembled.snapshot.sleds] == [SLEDS[0]]
    (note,) = [found for found in assembled.findings if found.code == "sled_of_other_rack"]
    assert (note.subject, note.message) == (f"rack {OTHER_RACK}", "2 of its sleds left out")


@pytest.mark.parametrize(
    ("sleds", "stated", "said"),
    [
        ((row(0), row(1, OTHER_RACK)), None, f"one of {RACK}, {OTHER_RACK}"),
        ((), None, "knows no sled"),
        ((row(0),), OTHER_RACK, f"no sled of the datastore is in rack {OTHER_RACK}; it knows sleds of {RACK}"),
    ],
)
def test_a_rack_that_nobody_named_is_refused(sleds: tuple[SledRow, ...], stated: UUID | None, said: str) -> None:
    """No rack, several, or only others than the stated one: which is meant is not guessed."""
    with pytest.raises(InputRejectedError, match=said):
        put_together(stored(sleds=sleds), stated=Stated(rack_id=stated))


def test_a_rack_without_sleds_is_the_stated_one() -> None:
    """A rack whose sleds are not in the datastore yet can be collected under its name."""
    stated = Stated(rack_id=OTHER_RACK, switches={slot: address(text) for slot, text in ZONES.items()})
    snapshot = put_together(stored(sleds=()), stated=stated).snapshot
    assert (snapshot.rack_id, snapshot.sleds) == (OTHER_RACK, ())


# --- where the switches are -----------------------------------------------------------------------------------------

WITNESSES: list[tuple[str, dict[str, Any]]] = [
    ("fd00::b", {"underlay_address": address("fd00::b")}),
    ("fd00::c", {"dpd": "http://[fd00::c]:12224"}),
    ("fd00::d", {"mgd": "http://[fd00::d]"}),
    ("fd00::e", {"ddmd": "http://[fd00:0::e]:8000/"}),
    (ZONES[SWITCH0], {}),
]
"""Address and what says it, the most trusted first; the last is the name of the zone."""


@pytest.mark.parametrize("first", range(len(WITNESSES)))
def test_the_most_trusted_witness_is_believed(first: int) -> None:
    """Of all that say where a switch is the first in order is believed, and each that differs is a finding."""
    said: dict[str, Any] = {}
    for _, change in WITNESSES[first:]:
        said |= change
    assembled = put_together(endpoints=FOUND | {SWITCH0: endpoints(SWITCH0, **said)})
    assert str(assembled.snapshot.switches[SWITCH0].underlay_address) == WITNESSES[first][0]
    assert codes(assembled).count("switch_address_contradicted") == len(WITNESSES) - 1 - first


def test_the_user_is_believed_before_all_others() -> None:
    """What is passed overrules what was found, and the contradiction is told."""
    stated = Stated(switches={SWITCH0: address("fd00::a")})
    assembled = put_together(stated=stated)
    assert str(assembled.snapshot.switches[SWITCH0].underlay_address) == "fd00::a"
    (contradiction,) = [f for f in assembled.findings if f.code == "switch_address_contradicted"]
    scrimlet = f"sled {SLEDS[0]}, after which it is named, says {ZONES[SWITCH0]}"
    assert contradiction.message == f"the user says fd00::a, {scrimlet}: the first is believed"


@pytest.mark.parametrize(
    "zone", [None, "", "switch0", f"dendrite-{uid(2, 77)}.host.x", f"mgs-{SLEDS[0]}.host.x", f"dendrite-{SLEDS[0]}"]
)
def test_switches_that_nobody_locates_are_all_told(zone: str | None) -> None:
    """Loopback and names that lead to no sled are no witnesses; every such switch is named, with what to pass."""
    nowhere = {slot: endpoints(slot, zone=zone) for slot in SwitchSlot}
    with pytest.raises(InputRejectedError) as refused:
        put_together(endpoints=nowhere)
    assert [mistake.path for mistake in refused.value.mistakes] == list(SwitchSlot)
    assert "pass --switch switch1=ADDRESS" in str(refused.value)


def test_where_a_stranger_was_found_says_nothing() -> None:
    """The address of who answers in a switch's place would send every sled's packets to another switch."""
    switches = {SWITCH0: SwitchFacts(), SWITCH1: LIVE.switches[SWITCH1]}
    strange = Live(switches=switches, silent=[Silence(target="switch0 slot", reason="its slot is 1")])
    with pytest.raises(InputRejectedError, match=r"unknown \(its slot is 1\); pass --switch switch0=ADDRESS"):
        put_together(live=strange)
    stated = Stated(switches={SWITCH0: address("fd00::a")})
    assert str(put_together(live=strange, stated=stated).snapshot.switches[SWITCH0].underlay_address) == "fd00::a"


def test_the_scrimlet_has_to_be_of_the_same_rack() -> None:
    """A zone that is named after a sled of another rack is located by nobody."""
    several = stored(sleds=(row(0, OTHER_RACK), row(1), row(2)))
    with pytest.raises(InputRejectedError, match="switch0: "):
        put_together(several, stated=Stated(rack_id=RACK))


# --- the report -----------------------------------------------------------------------------------------------------


def reported(of: Stored, live: Live, **seconds: float) -> dict[str, Any]:
    """Return the report on the small rack, as it is read from a file."""
    assembled = put_together(of, live)
    note = finding("group_without_members", "group 1", "none")
    report = collection(of, live, assembled, findings=[note], seconds=seconds)
    document: dict[str, Any] = loads(dumps(report.as_json()), "report.json")
    return document


def test_the_report_says_what_was_read() -> None:
    """It names the snapshot, the cut, the rows of each table, and how old the inventory was."""
    old = evolve(stored().inventory, completed_at=NOON - timedelta(seconds=90), errors=2)  # type: ignore[misc]
    document = reported(stored(inventory=old), LIVE, datastore=0.25)
    snapshot: Snapshot = put_together(stored(inventory=old)).snapshot
    assert document["format"] == "rackcast.collection/1"
    assert document["snapshot_digest"] == snapshot_digest(snapshot)
    assert (document["schema"], document["vendor"], document["transaction"]) == (296, "PostgreSQL", "7:7:")
    assert (document["rack_id"], document["taken_at"]) == (str(RACK), "2026-08-01T12:00:00Z")
    assert document["rows"] == {
        "sleds": 3,
        "groups": 2,
        "underlay_groups": 2,
        "members": 4,
        "instances": 5,
        "service_processors": 5,
        "boards": 0,
        "pools": 0,
    }
    assert document["inventory"] == {"collection_id": str(uid(8, 0)), "age_seconds": 90.0, "errors": 2}
    assert document["seconds"] == {"datastore": 0.25}
    assert [row["code"] for row in document["findings"]] == ["group_without_members", "sled_nics_unstated"]


def test_every_part_of_the_report_is_known_or_says_why_not() -> None:
    """Silences become unknown parts with their reasons, a missing inventory too; the rest is known."""
    silent = [
        Silence(target="switch0 peers", reason="ddmd: nobody there"),
        Silence(target="dendrite-1.host", reason="no daemon that knows its slot"),
    ]
    document = reported(stored(inventory=None), evolve(LIVE, silent=silent))
    assert document["inventory"] is None
    assert [(part["part"], part["known"], part["reason"]) for part in document["parts"]] == [
        ("datastore", True, None),
        ("inventory", False, "the datastore holds no collection"),
        ("switch0 slot", True, None),
        ("switch0 peers", False, "ddmd: nobody there"),
        ("switch0 backplane", True, None),
        ("switch1 slot", True, None),
        ("switch1 peers", True, None),
        ("switch1 backplane", True, None),
        ("dendrite-1.host", False, "no daemon that knows its slot"),
    ]
