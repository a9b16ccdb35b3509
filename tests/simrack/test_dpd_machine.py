"""Whatever is asked of dpd's machine, its tables stay in order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from blueprints.addresses import Address
from blueprints.blueprint import Direction
from blueprints.identifiers import MulticastMac, PortId
from simrack.dpd.chip import TABLE_ROWS, Chip
from simrack.dpd.groups import Dpd
from simrack.dpd.model import External, NatTarget, Port
from simrack.dpd.rules import canonical_sources
from simrack.web.answers import HttpError

PORTS = tuple(Port(PortId("rear", number), 0, Direction.UNDERLAY) for number in range(4))
UNKNOWN = Port(PortId("rear", 9), 0, Direction.UNDERLAY)
UNDERLAYS = tuple(Address.parse(f"ff04::{number}") for number in range(1, 4))
EXTERNALS = tuple(Address.parse(text) for text in ("239.0.0.1", "239.0.0.2", "232.1.1.1", "ff0e::1"))
SOURCES = tuple(Address.parse(text) for text in ("10.0.0.1", "10.0.0.2", "fd00::1"))
TAGS = ("ours", "theirs")
MAC = MulticastMac.parse("33:33:00:00:00:01")

groups = st.sampled_from(UNDERLAYS)
externals = st.sampled_from(EXTERNALS)
tags = st.sampled_from(TAGS)
members = st.lists(st.sampled_from((*PORTS, UNKNOWN)), max_size=5).map(tuple)
attributes = st.builds(
    lambda underlay, sources: External(NatTarget(underlay, MAC, 77), None, canonical_sources(sources)),
    groups,
    st.lists(st.sampled_from((*SOURCES, None)), max_size=3),
)


class Operations(RuleBasedStateMachine):
    """Random calls, each of which works or answers an error of the table of statuses."""

    def __init__(self) -> None:
        super().__init__()
        self.refusing = False
        links = frozenset((port.port_id, port.link_id) for port in PORTS)
        self.dpd = Dpd(Chip(links, lambda: self.refusing))
        self.tags: dict[Address, str] = {}
        self.statuses: set[int] = set()

    def attempt(self, call: object, *arguments: object) -> bool:
        assert callable(call)
        try:
            call(*arguments)
        except HttpError as error:
            self.statuses.add(error.status)
            return False
        return True

    @rule(flag=st.booleans())
    def chip_fails(self, flag: bool) -> None:
        self.refusing = flag

    @rule(group=groups, ports=members, tag=tags)
    def create_underlay(self, group: Address, ports: tuple[Port, ...], tag: str) -> None:
        before = len(self.dpd.groups())
        if self.attempt(self.dpd.create_underlay, group, ports, tag):
            self.tags[group] = tag
            assert len(self.dpd.groups()) == before + 1

    @rule(group=externals, external=attributes, tag=tags)
    def create_external(self, group: Address, external: External, tag: str) -> None:
        if self.attempt(self.dpd.create_external, group, external, tag):
            self.tags[group] = tag
            assert external.nat.internal_ip in self.dpd.underlay

    @rule(group=groups, ports=members, tag=tags)
    def replace_members(self, group: Address, ports: tuple[Port, ...], tag: str) -> None:
        before = self.dpd.underlay[group].members if group in self.dpd.underlay else None
        done = self.attempt(self.dpd.replace_members, group, ports, tag)
        if done:
            assert self.dpd.underlay[group].members == ports
            assert self.dpd.chip.replication[group].ports >= set(ports)
        elif before is not None:
            assert self.dpd.underlay[group].members == before

    @rule(group=externals, external=attributes, tag=tags)
    def replace_external(self, group: Address, external: External, tag: str) -> None:
        if self.attempt(self.dpd.replace_external, group, external, tag):
            assert self.dpd.chip.entries[group].external == external

    @rule(group=st.one_of(groups, externals), tag=tags)
    def delete(self, group: Address, tag: str) -> None:
        if self.attempt(self.dpd.delete, group, tag):
            assert group not in {known.group_ip for known in self.dpd.groups()}

    @rule(tag=tags)
    def delete_tagged(self, tag: str) -> None:
        if self.attempt(self.dpd.delete_tagged, tag):
            assert tag not in {known.tag for known in self.dpd.groups()}

    @rule()
    def restart(self) -> None:
        self.dpd.restart()
        assert self.dpd.groups() == []

    @invariant()
    def soft_state_and_chip_know_the_same_groups(self) -> None:
        assert self.dpd.underlay.keys() == self.dpd.chip.replication.keys()
        assert self.dpd.external.keys() == self.dpd.chip.entries.keys()

    @invariant()
    def only_known_errors_are_answered(self) -> None:
        assert self.statuses <= {400, 404, 409, 500}

    @invariant()
    def tags_never_change(self) -> None:
        assert all(known.tag == self.tags[known.group_ip] for known in self.dpd.groups())

    @invariant()
    def ids_are_given_out_once(self) -> None:
        held = [row.external_group_id for row in self.dpd.underlay.values()]
        held += [row.underlay_group_id for row in self.dpd.underlay.values()]
        ids = self.dpd.ids
        assert len(set(held)) == len(held)
        assert ids.left + len(held) == 65_435
        assert sorted(held + ids.freed) == list(range(ids.lowest, 65_535))

    @invariant()
    def rows_are_counted_right(self) -> None:
        chip = self.dpd.chip
        v4 = [entry for group, entry in chip.entries.items() if group.family == 4]
        v6 = [entry for group, entry in chip.entries.items() if group.family == 6]
        assert chip.rows == {
            "route v4": len(v4),
            "route v6": len(v6) + len(chip.replication),
            "NAT v4": len(v4),
            "NAT v6": len(v6),
            "filter v4": sum(entry.filter_rows(4) for entry in v4),
            "filter v6": sum(entry.filter_rows(6) for entry in v6),
            "replication v6": sum(bool(row.ports) for row in chip.replication.values()),
            "decap bitmap": len(chip.replication),
        }
        assert max(chip.rows.values()) <= TABLE_ROWS


TestOperations = Operations.TestCase
TestOperations.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@given(st.lists(st.sampled_from((*SOURCES, None)), max_size=6))
def test_canonical_sources_do_not_depend_on_order(sources: list[Address | None]) -> None:
    """Any source anywhere, or none at all, is any source; otherwise a sorted list of each once."""
    canonical = canonical_sources(sources)
    assert canonical == canonical_sources(reversed(sources))
    if not sources or None in sources:
        assert canonical is None
    else:
        assert canonical == tuple(sorted({source for source in sources if source is not None}))


def test_ids_run_out() -> None:
    """Two are needed for an underlay group; without them it is 503, and a deletion gives them back."""
    dpd = Dpd(Chip())
    dpd.ids.lowest = 102
    dpd.create_underlay(UNDERLAYS[0], (), "ours")
    with pytest.raises(HttpError) as refusal:
        dpd.create_underlay(UNDERLAYS[1], (), "ours")
    assert (refusal.value.status, refusal.value.message) == (503, "Service Unavailable")
    dpd.delete(UNDERLAYS[0], "ours")
    assert dpd.create_underlay(UNDERLAYS[1], (), "ours").external_group_id == 101
