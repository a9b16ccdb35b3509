"""Scrubbed documents: they lead to the same plans, and nothing of the originals is left in them."""

import re
from collections.abc import Iterable
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from attrs import evolve, fields
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint, Content, Made, ParentRef
from blueprints.checks import check
from blueprints.documents import blueprint_from, file_form, snapshot_document
from blueprints.errors import InputRejectedError, InvariantError
from blueprints.files import read_snapshot
from blueprints.findings import finding
from blueprints.identifiers import MulticastMac, SwitchSlot
from blueprints.scalars import is_model
from blueprints.snapshot import Snapshot, Source
from blueprints.text import dumps
from collector.scrub import Scrubber, scrubbed
from collector.scrub_names import named_by
from collector.scrub_records import TEXTS
from planner.plan import plan
from tests.collector.odd_snapshots import odd_lineages, odd_snapshots
from tests.planner.big_rack import big_rack
from tests.planner.case_files import CASES, read_case
from tests.planner.test_full_switches import crowded
from tests.planner.test_laws import lineages
from tests.strategies import snapshots

KEY = b"the owner's key, never given away"
OTHER_KEY = b"another key of the same owner's"
EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = sorted(path for path in CASES.iterdir() if path.is_dir())

MANY = settings(max_examples=30)
SOME = settings(max_examples=15)


def bytes_of(blueprint: Blueprint) -> str:
    """Return what a file of *blueprint* holds."""
    return dumps(file_form(blueprint))


# --- the law --------------------------------------------------------------------------------------------------------


@MANY
@given(odd_snapshots())
def test_a_scrubbed_snapshot_leads_to_the_scrubbed_plan(snapshot: Snapshot) -> None:
    """Scrubbing before planning gives the same bytes as scrubbing after, however odd the rows."""
    scrubber = Scrubber.of(KEY, snapshot)
    assert bytes_of(plan(scrubber.snapshot(snapshot))) == bytes_of(scrubber.blueprint(plan(snapshot)))


@MANY
@given(odd_lineages(), st.booleans(), st.booleans())
def test_a_scrubbed_parent_leads_to_the_scrubbed_child(
    lineage: tuple[Snapshot, Blueprint, Snapshot, Blueprint | None], has_earlier: bool, has_grandparent: bool
) -> None:
    """The same holds of a plan that follows a parent, whether or not its own ancestors are at hand."""
    snapshot, parent, earlier, grandparent = lineage
    others: list[Snapshot | Blueprint] = [earlier] if has_earlier else []
    others += [grandparent] if has_grandparent and grandparent else []
    scrubber = Scrubber.of(KEY, snapshot, parent, *others)
    child = plan(scrubber.snapshot(snapshot), scrubber.blueprint(parent))
    assert bytes_of(child) == bytes_of(scrubber.blueprint(plan(snapshot, parent)))


@SOME
@given(lineages())
def test_a_whole_lineage_is_scrubbed_alike(lineage: tuple[Snapshot, Blueprint]) -> None:
    """A parent planned from the scrubbed snapshot is the scrubbed parent, if one scrubber knows them all."""
    snapshot, parent = lineage
    child = plan(snapshot, parent)
    scrubber = Scrubber.of(KEY, child, parent, snapshot)
    assert scrubber.blueprint(child) == plan(scrubber.snapshot(snapshot), scrubber.blueprint(parent))
    assert scrubber.blueprint(child).parent in (
        parent.parent,
        ParentRef(id=scrubber.blueprint(parent).id, digest=scrubber.blueprint(parent).digest),
    )


@SOME
@given(odd_snapshots())
def test_a_scrubbed_snapshot_can_be_scrubbed_again(snapshot: Snapshot) -> None:
    """The law holds of what was scrubbed already."""
    first = Scrubber.of(KEY, snapshot)
    once, planned = first.snapshot(snapshot), first.blueprint(plan(snapshot))
    second = Scrubber.of(OTHER_KEY, once)
    assert bytes_of(plan(second.snapshot(once))) == bytes_of(second.blueprint(planned))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_law_holds_of_every_case(folder: Path) -> None:
    """Whatever a planner's case is about is still there when the case is scrubbed."""
    case = read_case(folder)
    parents = [case.parent] if case.parent else []
    scrubber = Scrubber.of(KEY, case.snapshot, *parents)
    snapshot, expected = scrubber.snapshot(case.snapshot), scrubber.blueprint(case.blueprint)
    assert bytes_of(plan(snapshot, *map(scrubber.blueprint, parents))) == bytes_of(expected)
    assert [found.code for found in expected.findings] == [found.code for found in case.blueprint.findings]
    assert rows_in(snapshot_document(snapshot)) == rows_in(snapshot_document(case.snapshot))
    assert rows_in(file_form(expected)) == rows_in(file_form(case.blueprint))


def rows_in(value: Any) -> Any:
    """Return how many rows there are of which shape, whatever their order."""
    if isinstance(value, dict | list):
        return sorted(str(rows_in(item)) for item in (value.values() if isinstance(value, dict) else value))
    return 0


def test_the_law_holds_of_plans_that_no_switch_has_room_for() -> None:
    """The groups that take the most room are told under the names and in the order of the scrubbed plan."""
    snapshot = crowded(1025)
    scrubber = Scrubber.of(KEY, snapshot)
    expected = plan(scrubber.snapshot(snapshot))
    assert bytes_of(scrubber.blueprint(plan(snapshot))) == bytes_of(expected)
    assert "capacity_exceeded" in {found.code for found in expected.findings}


def test_what_was_told_of_room_stands_where_nobody_counted() -> None:
    """A blueprint that does not tell what a count would tell stays one that does not."""
    snapshot = crowded(1025)
    blueprint = plan(snapshot)
    silent = evolve(blueprint, findings=[], digest="sha256:1")
    scrubber = Scrubber.of(KEY, silent)
    assert scrubber.blueprint(silent).findings == ()
    other = evolve(blueprint, findings=[finding("capacity_exceeded", "rack", "full")], digest="sha256:2")
    assert scrubber.blueprint(other).findings == other.findings


# --- nothing survives -----------------------------------------------------------------------------------------------

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_WORD = re.compile(rf"{_UUID}|[0-9A-Za-z_.:-]+")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]*[:.][0-9A-Fa-f:.]*")
_NOTHING_TO_HIDE = {"::", "::1"}


def identities(snapshot: Snapshot) -> set[str]:
    """Return every text in *snapshot* that says whose it is."""
    groups, underlays, members, sleds = snapshot.groups, snapshot.underlay_groups, snapshot.members, snapshot.sleds
    peers = [peer for switch in snapshot.switches.values() for peer in switch.peers or ()]
    boards = snapshot.inventory.service_processors if snapshot.inventory else ()
    addresses: list[Address] = [row.multicast_ip for row in groups]
    addresses += [row.multicast_ip for row in underlays]
    addresses += [address for row in members for address in (row.multicast_ip, *row.source_ips)]
    addresses += [row.underlay_address for row in sleds]
    addresses += [row.underlay_address for row in snapshot.switches.values()]
    addresses += [peer.addr for peer in peers]
    texts = {row.name for row in groups} | {peer.host for peer in peers}
    texts |= {row.serial for row in sleds} | {row.serial for row in boards}
    texts |= {row.tag for row in groups if row.tag} | {row.tag for row in underlays if row.tag}
    texts |= {address.text for address in addresses} - _NOTHING_TO_HIDE
    return texts | ids_in(str(snapshot_document(snapshot)))


def ids_in(text: str) -> set[str]:
    """Return the ids that stand in *text*."""
    return set(re.findall(_UUID, text))


def words_in(value: Any) -> Iterable[str]:
    """Yield every text of a document whole, and its ids, addresses and words."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from words_in(key)
            yield from words_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from words_in(item)
    elif isinstance(value, str):
        yield value
        for word in _WORD.findall(value):
            yield word
            yield from (part.strip(":.") for part in (*re.split(rf"{_UUID}:", word), *ids_in(word)))


def survivors(originals: set[str], *documents: dict[str, Any]) -> set[str]:
    """Return which of *originals* stand in *documents*."""
    words = set(words_in(list(documents)))
    assert len(words) > len(originals) / 2
    return originals & words - {""}


@MANY
@given(snapshots())
def test_nothing_of_a_snapshot_survives(snapshot: Snapshot) -> None:
    """No id, address, serial, name or tag of the original stands in the scrubbed snapshot or in its plan."""
    scrubber = Scrubber.of(KEY, snapshot)
    other = scrubber.snapshot(snapshot)
    planned = file_form(scrubber.blueprint(plan(snapshot)))
    assert survivors(identities(snapshot), snapshot_document(other), planned) == set()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/snapshot.yaml")), ids=str)
def test_nothing_of_an_example_survives(path: Path) -> None:
    """The examples have nothing in common with their scrubbed selves but shape."""
    snapshot = read_snapshot(str(path))
    assert survivors(identities(snapshot), snapshot_document(scrubbed(snapshot, KEY))) == set()


def test_nothing_of_a_full_rack_survives() -> None:
    """A full rack is scrubbed with its plan, and has nothing in common with the original but shape."""
    snapshot = read_snapshot(str(EXAMPLES / "full_rack" / "before.json.gz"))
    scrubber = Scrubber.of(KEY, snapshot)
    other = scrubber.snapshot(snapshot)
    planned = scrubber.blueprint(plan(snapshot))
    assert survivors(identities(snapshot), snapshot_document(other), file_form(planned)) == set()
    assert bytes_of(plan(other)) == bytes_of(planned)


def test_words_about_people_are_dropped() -> None:
    """Who collected, who planned and what they remarked is not passed on; when, and with which version, is."""
    snapshot = big_rack(sleds=2, groups=2, instances=2)
    made = Made(by="jo", comment="for the customer", planner="rackcast 1", at=snapshot.evaluated_at)
    blueprint = evolve(plan(snapshot), made=made)
    scrubber = Scrubber.of(KEY, snapshot)
    assert scrubber.blueprint(blueprint).made == evolve(made, by=None, comment=None)
    assert scrubber.blueprint(plan(snapshot)).made is None
    source = Source(datastore_schema="296", transaction="17 at ten", collected_by="jo")
    assert scrubbed(evolve(snapshot, source=source), KEY).source == Source(datastore_schema="296")


# --- keys and mappings ----------------------------------------------------------------------------------------------


@SOME
@given(lineages())
def test_the_same_key_gives_the_same_bytes(lineage: tuple[Snapshot, Blueprint]) -> None:
    """Key and documents decide alone: neither the order of documents nor what was asked before matters."""
    snapshot, parent = lineage
    one, other = Scrubber.of(KEY, snapshot, parent), Scrubber.of(KEY, parent, snapshot)
    assert other.blueprint(parent) == one.blueprint(parent)
    assert one.snapshot(snapshot) == other.snapshot(snapshot) != Scrubber.of(OTHER_KEY, snapshot).snapshot(snapshot)
    assert one.mapping() == other.mapping()


def test_different_keys_have_next_to_nothing_in_common() -> None:
    """What one key made of a rack says nothing about what another makes of it; only bare numbers repeat by chance."""
    snapshot = big_rack()
    one, other = (Scrubber.of(key, snapshot).mapping() for key in (KEY, OTHER_KEY))
    for table in ("ids", "addresses"):
        assert one[table].keys() == other[table].keys()
        assert len(set(one[table].values()) & set(other[table].values())) < len(one[table]) / 100
    assert one["serials"] != other["serials"]
    assert one["names"] != other["names"]


@SOME
@given(odd_snapshots())
def test_the_owner_can_translate_back(snapshot: Snapshot) -> None:
    """The mapping leads back from every id, address, serial and name; no two things became one."""
    scrubber = Scrubber.of(KEY, snapshot)
    other = scrubber.snapshot(snapshot)
    scrubber.blueprint(plan(snapshot))
    tables = scrubber.mapping()
    for table in tables.values():
        assert len(set(table.values())) == len(table)
    back = {becomes: was for table in tables.values() for was, becomes in table.items()}
    assert [back[str(row.id)] for row in other.members] == [str(row.id) for row in snapshot.members]
    assert [back[row.multicast_ip.text] for row in other.groups] == [row.multicast_ip.text for row in snapshot.groups]
    assert [back[row.serial] for row in other.sleds] == [row.serial for row in snapshot.sleds]
    assert [row.tag and back[row.tag] for row in other.groups] == [row.tag and row.tag for row in snapshot.groups]


@pytest.mark.parametrize("key", [b"", b"fifteen bytes.."])
def test_a_short_key_is_refused(key: bytes) -> None:
    """A key that could be found by trying is refused."""
    with pytest.raises(InputRejectedError, match="the least is 16"):
        Scrubber.of(key)


def test_a_document_that_nobody_gave_is_refused() -> None:
    """A scrubber makes nothing up for ids that it was not made for."""
    scrubber = Scrubber.of(KEY, big_rack(sleds=1, groups=1, instances=1))
    with pytest.raises(InvariantError, match="of no document"):
        scrubber.snapshot(big_rack(sleds=2, groups=1, instances=1))


def test_a_lineage_can_be_scrubbed_as_it_grows() -> None:
    """A plan made later names the scrubbed parent, as long as the scrubber has seen the parent."""
    first, second = big_rack(groups=6, instances=3), big_rack(groups=6, instances=3, seed=2)
    scrubber = Scrubber.of(KEY, first, second)
    parent = plan(first)
    child = plan(second, parent)
    scrubbed_parent = scrubber.blueprint(parent)
    assert scrubber.blueprint(child) == plan(scrubber.snapshot(second), scrubbed_parent)
    assert scrubber.blueprint(child).generation == 2
    digests = scrubber.mapping()["digests"]
    assert digests[parent.digest] == scrubbed_parent.digest
    assert digests[child.digest] == scrubber.blueprint(child).digest


def test_sleds_go_on_sharing_their_tables() -> None:
    """Tables that were one object are one object, so that a scrubbed rack costs no more than the rack."""
    snapshot = big_rack()
    blueprint = plan(snapshot)
    found = Scrubber.of(KEY, snapshot).blueprint(blueprint)
    for tables in ("m2p", "forwarding", "nic_filters"):
        for sleds in (blueprint.sleds, found.sleds):
            assert len({id(getattr(its, tables)) for its in sleds.values()}) == 1


def test_an_ethernet_address_that_follows_from_nothing_follows_from_nothing() -> None:
    """A blueprint edited by hand keeps its breach, and the address that was written is not passed on."""
    snapshot = big_rack(sleds=1, groups=1, instances=1)
    blueprint = plan(snapshot)
    stray = MulticastMac("33:33:12:34:56:78")
    tables = blueprint.switches[SwitchSlot.SWITCH0]
    rows = [evolve(row, inner_mac=stray) for row in tables.external_groups]
    broken = evolve(
        blueprint, switches={SwitchSlot.SWITCH0: evolve(tables, external_groups=rows)}, digest="sha256:broken"
    )
    scrubber = Scrubber.of(KEY, snapshot)
    assert [breach.rule for breach in check(scrubber.blueprint(broken))] == [breach.rule for breach in check(broken)]
    assert "C3" in {breach.rule for breach in check(broken)}
    assert stray.text not in bytes_of(scrubber.blueprint(broken))


def test_a_blueprint_of_unknown_descent_names_nobody() -> None:
    """A parent and a snapshot that are not at hand get names that stand for nothing, always the same."""
    blueprint = evolve(plan(big_rack(sleds=1, groups=1, instances=1)), snapshot_digest="sha256:abc")
    orphan = evolve(blueprint, parent=ParentRef(id=blueprint.rack_id, digest="sha256:def"))
    scrubber = Scrubber.of(KEY, orphan)
    found = scrubber.blueprint(orphan)
    assert found.parent is not None
    assert found.parent.id == found.rack_id != orphan.rack_id
    assert len({found.parent.digest, found.snapshot_digest, found.digest, "sha256:abc", "sha256:def"}) == 5
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", text) for text in (found.parent.digest, found.snapshot_digest))
    assert blueprint_from(file_form(found), "scrubbed") == found
    assert Scrubber.of(KEY, orphan).blueprint(orphan) == found


# --- every field ----------------------------------------------------------------------------------------------------


def texts_of(kind: type, seen: set[type]) -> set[tuple[type, str]]:
    """Return class and name of every field of text of *kind* and of the records in it."""
    if kind in seen:
        return set()
    seen.add(kind)
    found: set[tuple[type, str]] = set()
    for field in (each for each in fields(kind) if each.init):
        for hint in leaves_of(get_type_hints(kind)[field.name]):
            if hint is str:
                found.add((kind, field.name))
            elif is_model(hint):
                found |= texts_of(hint, seen)
    return found


def leaves_of(hint: Any) -> list[Any]:
    """Return the types that *hint* is made of."""
    inner = [leaf for each in get_args(hint) for leaf in leaves_of(each)]
    return inner if get_origin(hint) or inner else [hint]


def test_every_field_of_text_is_listed() -> None:
    """Somebody has said of each field of text what it holds; findings have a way of their own."""
    seen: set[type] = set()
    found = texts_of(Snapshot, seen) | texts_of(Content, seen)
    assert {(kind, name) for kind, name in found if kind.__name__ != "Finding"} == set(TEXTS)


def test_a_field_that_nobody_listed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text of which nobody said what it holds is never passed on."""
    rest = {place: text for place, text in TEXTS.items() if place[1] != "because"}
    monkeypatch.setattr("collector.scrub_records.TEXTS", rest)
    snapshot = big_rack(sleds=1, groups=1, instances=1)
    with pytest.raises(InvariantError, match=r"nobody said what \w+\.because holds"):
        Scrubber.of(KEY, plan(snapshot))


# --- findings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("from_another_version", "sled 7 of the Example Company"),
        ("sled_serial_shared", "the serial is BRM7"),
        ("group_tag_differs", "it is mine"),
        ("group_tag_refused", "mine is not a tag: "),
        ("group_tag_refused", "'mine' is a tag"),
        ("group_tag_refused", "'mine' is not a tag: so it says"),
    ],
)
def test_words_that_cannot_be_read_are_withheld(code: str, message: str) -> None:
    """A message of another form than ours is not passed on, because nobody knows what it says."""
    blueprint = plan(big_rack(sleds=1, groups=1, instances=1))
    found = evolve(finding("sled_serial_shared", "rack", message), code=code)
    told = evolve(blueprint, findings=[found])
    assert Scrubber.of(KEY, told).blueprint(told).findings[0].message == "withheld"


def test_what_a_finding_quotes_is_exchanged_like_the_row() -> None:
    """Serials and tags in messages become what they become in their rows."""
    snapshot = read_case(CASES / "group_tags").snapshot
    scrubber = Scrubber.of(KEY, snapshot)
    blueprint, other = scrubber.blueprint(plan(snapshot)), scrubber.snapshot(snapshot)
    told = {found.subject: found.message for found in blueprint.findings if "tag" in found.code}
    assert told
    for row in other.groups:
        if f"group {row.id}" in told:
            assert repr(row.tag)[1:-1] in told[f"group {row.id}"]
    shared = evolve(snapshot, sleds=[evolve(row, serial="one, for two") for row in snapshot.sleds])
    scrubber = Scrubber.of(KEY, shared)
    serials = {row.serial for row in scrubber.snapshot(shared).sleds}
    messages = {f.message for f in scrubber.blueprint(plan(shared)).findings if f.code == "sled_serial_shared"}
    assert messages == {f"serial {serial}" for serial in serials}


# --- shapes that are kept -------------------------------------------------------------------------------------------


def test_ids_keep_their_order_and_groups_their_switch() -> None:
    """Ids are in the order of the originals, and look like ids that a rack makes."""
    snapshot = big_rack()
    other = scrubbed(snapshot, KEY)
    names = {row.name: row.name for row in snapshot.groups}
    assert len(names) == len({row.name for row in other.groups}) == 60
    assert [row.multicast_ip.family for row in other.groups] == [row.multicast_ip.family for row in snapshot.groups]
    assert [row.sled_id for row in other.members] == [None] * len(snapshot.members)
    assert {row.id.version for row in other.groups} | {row.id.version for row in other.members} == {4}
    before, after = plan(snapshot), plan(other)
    by_id = sorted(before.groups, key=lambda group: group.id), sorted(after.groups, key=lambda group: group.id)
    assert [group.next_hop_switch for group in by_id[0]] == [group.next_hop_switch for group in by_id[1]]


def test_link_local_peers_stay_link_local_and_sleds_keep_host_one() -> None:
    """Addresses still look like what they are: peers of a switch, or where sleds are reached."""
    other = scrubbed(big_rack(), KEY)
    peers = other.switches[SwitchSlot.SWITCH0].peers
    assert peers
    assert all(peer.addr.text.startswith("fe80::") for peer in peers)
    assert {int(IPv6Address(row.underlay_address.text)) & (1 << 64) - 1 for row in other.sleds} == {1}
    assert {row.underlay_address.text[:2] for row in other.sleds} == {"fd"}


@pytest.mark.parametrize(
    ("tag", "named"),
    [("{id}:{ip}", True), ("{id}:{ip}/32", True), ("{id}:{exploded}", True), ("{id}", False), ("by hand", False)],
)
@pytest.mark.parametrize("ip", ["ff0e::1:2", "233.252.0.1"])
def test_tags_that_name_a_group_go_on_naming_it(tag: str, named: bool, ip: str) -> None:
    """A tag made of a group's id and address is one of the new id and address, and no other tag becomes one."""
    snapshot = big_rack(sleds=1, groups=1, instances=1)
    address = Address.parse(ip)
    row = evolve(snapshot.groups[0], multicast_ip=address)
    text = tag.format(id=row.id, ip=address, exploded=address.ip.exploded)
    other = scrubbed(evolve(snapshot, groups=[evolve(row, tag=text)]), KEY).groups[0]
    assert other.tag is not None
    found = named_by(other.tag)
    assert (found is not None and found[:2] == (other.id, other.multicast_ip)) is named
    canonical = other.tag == f"{other.id}:{other.multicast_ip}"
    assert canonical is (text == f"{row.id}:{address}")
