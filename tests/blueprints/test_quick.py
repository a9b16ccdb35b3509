"""Quick reading takes nothing that slow reading refuses or reads otherwise."""

import json
import re
from io import BytesIO
from random import Random
from uuid import uuid5

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.workload import Size, rack, tombstones
from blueprints import laid_out
from blueprints.blueprint import Blueprint, MemberPort
from blueprints.causes import NO_CAUSES
from blueprints.documents import blueprint_from, snapshot_digest, snapshot_document, snapshot_from, snapshot_pieces
from blueprints.errors import InputRejectedError
from blueprints.identifiers import PortId, SwitchSlot
from blueprints.notation import loads
from blueprints.quick_blueprint import quick_blueprint
from blueprints.quick_documents import quick_snapshot
from blueprints.sealing import blueprint_pieces, digest_of, sealed
from blueprints.snapshot import Snapshot
from planner import plan
from tests.strategies import snapshots

SMALL = tombstones(rack(5, Size(sleds=2, groups=6, members=12, instances=8)), 5, 3)
SHARING = Size(sleds=4, groups=20, members=120, instances=40)
TEXT = "".join(snapshot_pieces(SMALL))


def slowly(text: str) -> Snapshot | None:
    """Return what slow reading gives; None where it refuses."""
    try:
        return snapshot_from(loads(text, "s.json"), "s.json")
    except InputRejectedError:
        return None


@given(snapshots())
def test_canonical_text_is_read_quickly(snapshot: Snapshot) -> None:
    """The canonical text of any snapshot is taken, and its digest is known from then on."""
    text = "".join(snapshot_pieces(snapshot))
    read = quick_snapshot(text.encode())
    assert read == snapshot
    assert read.digest == snapshot_digest(slowly(text) or SMALL)


@given(st.randoms(use_true_random=False))
def test_rows_in_any_order_and_layout_are_read_quickly(random: Random) -> None:
    """Compact JSON with rows shuffled and sources shuffled is taken, and means the same."""
    document = snapshot_document(SMALL)
    for name in ("groups", "members", "instances", "sleds"):
        random.shuffle(document[name])
    for member in document["members"]:
        random.shuffle(member["source_ips"])
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=random.random() < 0.5)
    assert quick_snapshot(text.encode()) == slowly(text) == SMALL


SPOILED: dict[str, tuple[str, str]] = {
    "a key twice in a row": (r'"state": "joined"', '"state": "left", "state": "joined"'),
    "a key twice in a row within a row": (r'"active_vmm": \{"id"', '"active_vmm": {"state": "failed", "id"'),
    "a table twice": (r'"underlay_groups": \[', '"underlay_groups": [], "underlay_groups": ['),
    "an unknown key in a row": (r'"source_ips"', '"surprise": 1, "source_ips"'),
    "an unknown key within a row": (r'"active_vmm": \{"id"', '"active_vmm": {"surprise": null, "id"'),
    "an unknown table": (r'"members": \[', '"surprise": [], "members": ['),
    "a UUID without hyphens": (r'"group_id": "(\w{8})-(\w{4})-(\w{4})-(\w{4})-', r'"group_id": "\1\2\3\4'),
    "a time without a zone": (r'("time_created": "[^"]*)Z"', r'\1"'),
    "a time with a blank": (r'("time_created": "[^"]*)T', r"\1 "),
    "a time too fine": (r'("time_created": "[^"]*)Z"', r'\1.1234567Z"'),
    "a whole number with a point": (r'"vni": 77', '"vni": 77.0'),
    "a salt too large": (r'"underlay_salt": null', '"underlay_salt": 256'),
    "text for a number": (r'"vni": 77', '"vni": "77"'),
    "no address": (r'("multicast_ip": ")', r"\1x"),
    "an address with a zone": (r'(underlay_address": "[^"]*)"', r'\1%1"'),
    "an id that stands twice": (r'(?s)"members": \[\n (\{[^\n]*)\n', r'"members": [\n \1\n \1\n'),
    "a word that is none": (r'"state": "joined"', '"state": "JOINED"'),
    "a table missing": (r'(?s)"instances": \[.*?\n\],?\n', ""),
    "a field missing": (r'"group_id": "[^"]*", ', ""),
    "half a character": (r'"name": "', r'"name": "\\ud800'),
    "cut off": (r"(?s)\}\s*$", ""),
    "more after the end": (r"(?s)\Z", "x"),
    "another format": (r"rackcast.snapshot/1", "rackcast.snapshot/2"),
    "not a number": (r'"errors": 0', '"errors": NaN'),
}
"""What slow reading refuses: a pattern of the canonical text, and what stands there instead."""


@pytest.mark.parametrize("name", SPOILED)
@pytest.mark.parametrize("compact", [False, True])
def test_what_is_wrong_is_left_to_slow_reading(name: str, compact: bool) -> None:
    """Text that slow reading refuses is not taken, whatever its layout."""
    pattern, instead = SPOILED[name]
    text, count = re.subn(pattern, instead, TEXT, count=1)
    text = re.sub(r'(?<=[:,]) (?=["\[{\dn])', "", text) if compact else text
    assert count == 1
    assert slowly(text) is None
    assert quick_snapshot(text.encode()) is None


ODD: dict[str, tuple[str, str]] = {
    "upper case": (str(SMALL.groups[0].id), str(SMALL.groups[0].id).upper()),
    "another zone": (r'("time_created": "[^"]*)Z"', r'\1+00:00"'),
    "an address in other letters": (r"fd00:1122:3344:101::1", "FD00:1122:3344:0101::1"),
    "an escaped letter": (r'"name": "group', r'"name": "\\u0067roup'),
    "an escaped quotation mark": (r'"name": "group', r'"name": "\\"group'),
    "space before a colon": (r'"name":', '"name" :'),
    "an optional field missing": (r', "time_deleted": null', ""),
}
"""What slow reading takes, spelled as canonical text is not."""


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_read_alike_or_left(name: str) -> None:
    """Text that is right in another spelling is read as slow reading reads it, or left to it."""
    pattern, instead = ODD[name]
    text, count = re.subn(pattern, instead, TEXT, count=1)
    assert count == 1
    expected = slowly(text)
    assert expected is not None
    assert quick_snapshot(text.encode()) in (expected, None)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"format": "rackcast.snapshot/1"}', "format: x", "\ufeff{}"]
)
def test_what_is_no_snapshot_is_left(text: str) -> None:
    """Text that is no snapshot, or no JSON, is left to slow reading."""
    assert quick_snapshot(text.encode()) is None


@pytest.mark.parametrize("opening", ['{"a": ', '{"groups": [', '{"format": "rackcast.snapshot/1", "policy": {"b": '])
def test_what_is_nested_without_end_is_left(opening: str) -> None:
    """Text that no reader can follow to its end is left to slow reading, which says how deep is too deep."""
    assert quick_snapshot((opening * 100_000).encode()) is None


@given(snapshots())
def test_a_blueprint_s_file_is_read_quickly(snapshot: Snapshot) -> None:
    """The file of any plan is taken, and means what slow reading makes of it."""
    blueprint = plan(snapshot)
    text = "".join(blueprint_pieces(blueprint))
    read = quick_blueprint(BytesIO(text.encode()))
    assert read == blueprint_from(loads(text, "b.json"), "b.json") == blueprint


@given(snapshots(), st.integers(1, 2000))
def test_blocks_of_any_size_make_no_difference(snapshot: Snapshot, block: int) -> None:
    """A file is read the same however many octets of it are decoded at a time."""
    blueprint = plan(snapshot)
    text = "".join(blueprint_pieces(blueprint)).encode()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(laid_out, "BLOCK", block)
        assert quick_blueprint(BytesIO(text)) == blueprint


@given(snapshots())
def test_causes_may_be_left_out(snapshot: Snapshot) -> None:
    """Without its causes a blueprint is the same in all else, its digest included."""
    blueprint = plan(snapshot)
    text = "".join(blueprint_pieces(blueprint)).encode()
    assert quick_blueprint(BytesIO(text), causes=False) == evolve(blueprint, causes=NO_CAUSES)


def _resealed(blueprint: Blueprint, text: str) -> bytes:
    """Return a changed text of *blueprint* under the digest and the id that it would have."""
    digest = digest_of([re.sub(r'^"(id|digest|made)": .*\n', "", text, flags=re.MULTILINE).encode()])
    name = str(uuid5(blueprint.rack_id, digest))
    return text.replace(blueprint.digest, digest, 1).replace(str(blueprint.id), name, 1).encode()


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("", ""),
        (r'"rests_on_members": ', '"unknown": 1, "rests_on_members": '),
        (r'(\n "absent": \[\n \])', r"\1,\1"),
        (r'(\n"causes": \{)', r"\1 "),
    ],
    ids=["nothing", "a key that nobody knows", "a key twice", "another layout"],
)
def test_causes_that_are_left_out_are_read_all_the_same(was: str, now: str) -> None:
    """Causes that are not as a plan writes them are not taken, whatever the digest says."""
    blueprint = plan(SMALL)
    text = "".join(blueprint_pieces(blueprint))
    changed = re.sub(was, now, text)
    read = quick_blueprint(BytesIO(_resealed(blueprint, changed)), causes=False)
    assert (read is not None) is (was == "")
    assert (changed == text) is (was == "")


def test_equal_values_of_a_blueprint_are_one_object() -> None:
    """Instances, sources and lists of ports that stand in many rows are in memory once."""
    read = quick_blueprint(BytesIO("".join(blueprint_pieces(plan(rack(3, SHARING)))).encode()))
    assert read is not None
    subscriptions = [row for sled in read.sleds.values() for row in sled.subscriptions]
    entries = [row for switch in read.switches.values() for row in switch.underlay_groups]
    for values in (
        [row.instance_id for row in subscriptions],
        [row.propolis_id for row in subscriptions],
        [row.sources for row in subscriptions if row.sources],
        [row.members for row in entries if row.members],
        [port for row in entries for port in row.members],
    ):
        assert 1 < len({id(value) for value in values}) == len(set(values)) < len(values)


@given(snapshots(), st.randoms(use_true_random=False), st.booleans())
def test_no_changed_line_of_a_blueprint_is_taken(snapshot: Snapshot, random: Random, causes: bool) -> None:
    """A file with a line gone, doubled, moved or with a character changed is never taken."""
    text = "".join(blueprint_pieces(plan(snapshot)))
    lines = text.splitlines()
    place = random.randrange(len(lines))
    other = random.randrange(len(lines))
    changes = {
        "gone": lines[:place] + lines[place + 1 :],
        "doubled": lines[: place + 1] + lines[place:],
        "moved": [*lines[:place], lines[other], *lines[place + 1 :]],
        "changed": [*lines[:place], lines[place].replace("1", "2").replace("a", "b"), *lines[place + 1 :]],
    }
    changed = "\n".join(changes[random.choice(sorted(changes))]) + "\n"
    assert changed == text or quick_blueprint(BytesIO(changed.encode()), causes=causes) is None


def test_lists_that_are_not_sorted_are_left_with_whatever_digest() -> None:
    """A file whose digest covers a list out of order is left to slow reading, which refuses it."""
    blueprint = plan(SMALL)
    table = blueprint.switches[SwitchSlot.SWITCH0]
    ports = (MemberPort(port_id=PortId("rear", 1)), MemberPort(port_id=PortId("rear", 0)))
    entry = table.underlay_groups[0]
    object.__setattr__(entry, "members", ports)
    text = "".join(blueprint_pieces(sealed(blueprint, None, 1, blueprint.snapshot_digest)))
    assert text.index('"rear1"') < text.index('"rear0"')
    assert quick_blueprint(BytesIO(text.encode())) is None
    with pytest.raises(InputRejectedError):
        blueprint_from(loads(text, "b.json"), "b.json")
