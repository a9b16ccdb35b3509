"""The facts about the daemons that decide what is safe: which test would go red if a kinder one stood in its place.

Each fact comes with kind versions: code that behaves as one would wish. With a kind version in place every named test
has to fail, so none of these facts can be lost without notice. The numbers are those of the safety design.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from attrs import evolve, frozen

from blueprints.addresses import Address
from blueprints.blueprint import FilterMode
from blueprints.identifiers import SwitchSlot
from simrack import mglower as mglower_module
from simrack import sweep
from simrack.dpd import chip as chip_module
from simrack.dpd import encoding
from simrack.dpd import http as dpd_http
from simrack.dpd.chip import Chip, Entry, Filter
from simrack.dpd.groups import Dpd
from simrack.dpd.ids import GroupIds
from simrack.dpd.model import External, ExternalGroup, Port, UnderlayGroup
from simrack.dpd.rules import check_tag
from simrack.mgd.routes import Mrib, RouteKey
from simrack.mglower import MgLower, Origin
from simrack.sledagent import http as sled_http
from simrack.sledagent import opte as opte_module
from simrack.sledagent.agent import SledAgent
from simrack.sledagent.opte import Hop, Opte, Subscription, listening_to
from simrack.web.answers import NO_CONTENT, HttpError, bad_request, refused
from simrack.web.requests import Request
from simrack.web.router import Route
from simrack.world import World
from tests.simrack import (
    test_delays,
    test_dpd,
    test_dpd_machine,
    test_flows,
    test_leftovers,
    test_mgd,
    test_packets,
    test_sled_agent,
    test_steps,
)
from tests.simrack.program import ok, program
from tests.simrack.rows import TAG4, U4
from tests.simrack.talk import Talk

Check = Callable[[Talk], None]

MAPPINGS, FORWARDING = test_sled_agent.TestMappings(), test_sled_agent.TestForwarding()
SUBSCRIPTIONS, FILTERS = test_sled_agent.TestSubscriptions(), test_sled_agent.TestNicFilters()
HALF_DONE, CAPACITY = test_dpd.TestHalfDone(), test_dpd.TestCapacity()
STEADY, HOPS = test_flows.TestSteadySenders(), test_flows.TestHops()
MIRROR, SWEEP = test_delays.TestMirror(), test_delays.TestSweep()

needs_proc = test_sled_agent.needs_proc


def programmed(check: Check) -> Check:
    """The check on a rack that is programmed."""

    def prepared(talk: Talk) -> None:
        program(talk)
        check(talk)

    return prepared


def held(check: Check) -> Check:
    """The check while the clock is held."""

    def prepared(talk: Talk) -> None:
        test_delays.hold(talk)
        check(talk)

    return prepared


def swept(check: Check) -> Check:
    """The check while ddmd writes members."""

    def prepared(talk: Talk) -> None:
        test_delays.sweep(talk)
        check(talk)

    return prepared


def a_page_names_a_next_one(talk: Talk) -> None:
    """The check with the groups that it is about."""
    pages = test_dpd.TestPages()
    for group in reversed(pages.ADDRESSES):
        ok(talk.dpd("POST", test_dpd.UNDERLAYS, test_dpd.underlay(group=group)))
    ok(talk.dpd("POST", test_dpd.EXTERNALS, test_dpd.external(target=pages.ADDRESSES[0])))
    pages.test_a_page_that_is_not_empty_names_a_next_one(talk, test_dpd.GROUPS)


# --- kind versions --------------------------------------------------------------------------------------------------


def clear_the_pair_alone(self: SledAgent, group: Address, underlay: Address) -> None:
    if self.opte.m2p.get(group) == underlay:
        self.opte.clear_m2p(group)
        self.filters.close(underlay)


def subscribe_anyway(self: Opte, port: Any, group: Address, sources: frozenset[Address]) -> None:
    underlay = self.underlay_of(group) or group
    self.subscriptions.setdefault(port, {})[underlay] = Subscription(group, listening_to(sources))


def unsubscribe_by_group(self: Opte, port: Any, group: Address) -> None:
    heard = self.subscriptions.get(port, {})
    for underlay in [underlay for underlay, row in heard.items() if row.group == group]:
        del heard[underlay]


async def join_again(self: SledAgent, instance_id: Any, group: Address, sources: frozenset[Address]) -> None:
    propolis_id = self.instances.vmm_of(instance_id)
    assert propolis_id is not None
    self.opte.subscribe(propolis_id, group, sources)


_routes_of_sled = sled_http.routes


def routes_with_a_listing(*arguments: Any) -> tuple[Route, ...]:
    listing = Route("GET", sled_http.VMM, lambda _: NO_CONTENT)
    return (*_routes_of_sled(*arguments), listing)


def translate_as_of_now(self: Opte, _port: Any, _source: Address, group: Address, _now: float) -> Address | None:
    return self.underlay_of(group)


def replace_hops(self: Opte, underlay: Address, hops: tuple[Hop, ...]) -> None:
    self.forwarding[underlay] = {hop.next_hop: hop for hop in hops}


def select_always(self: Opte, underlay: Address, source: Address, _group: Address) -> list[Hop]:
    return [hop for hop in self.forwarding.get(underlay, {}).values() if hop.filter.admits(source)][:1]


def set_or_restore(self: SledAgent, group: Address, underlay: Address) -> None:
    old = self.opte.m2p.get(group)
    self.opte.set_m2p(group, underlay)
    if not self.filters.open(underlay):
        self.opte.m2p.pop(group)
        if old is not None:
            self.opte.m2p[group] = old
        raise refused(500)


def set_and_leave_the_old(self: SledAgent, group: Address, underlay: Address) -> None:
    old = self.opte.m2p.get(group)
    self.opte.set_m2p(group, underlay)
    self.filters.open(underlay)
    if old not in (None, underlay):
        assert old is not None
        self.filters.close(old)


def add_first(self: Chip, group: Address, leaving: Any, coming: Any, _counted: bool) -> None:
    ports = self.replication[group].ports
    for port in coming:
        self._add(self.replication[group], port)
        self.stepped(f"port {port.port_id} into {group}")
    for port in leaving:
        ports.remove(port)
        self.stepped(f"port {port.port_id} out of {group}")


_change = Chip._change


def change_or_roll_back(self: Chip, group: Address, leaving: Any, coming: Any, counted: bool) -> None:
    before = set(self.replication[group].ports)
    try:
        _change(self, group, leaving, coming, counted)
    except HttpError:
        self.replication[group].ports = before
        raise


def refilter_at_once(self: Chip, group: Address, wanted: Filter) -> None:
    self.entries[group] = evolve(self.entries[group], admitted=wanted)


_replace_external = Dpd.replace_external


def replace_where_the_target_is(
    self: Dpd, group: Address, external: External, tag: str, *, silent: bool
) -> ExternalGroup:
    if external.nat.internal_ip not in self.underlay:
        raise bad_request("no such underlay group")
    return _replace_external(self, group, external, tag, silent=silent)


def forbid_another_owner(_: Dpd, stored: str, given: str) -> None:
    if stored != given:
        raise refused(403)


def sweep_nothing(*_: Any, **__: Any) -> None:
    return


def originate_exactly(self: MgLower) -> list[Origin]:
    return sorted(self._wanted(), key=lambda origin: origin.order)


def select_everything(_: Mrib, __: RouteKey) -> bool:
    return True


def forget_nothing(self: Dpd, _: UnderlayGroup, *, emptied: bool) -> None:
    del emptied
    if self.misses_entry():
        raise refused(404)


_create_underlay = Dpd.create_underlay


def create_with_a_good_tag(self: Dpd, group: Address, members: tuple[Port, ...], tag: str | None) -> UnderlayGroup:
    if tag is not None:
        check_tag(tag)
    return _create_underlay(self, group, members, tag)


def restart_and_keep(self: SledAgent) -> None:
    self._told.clear()


def admit_everybody(_: Entry, __: Address) -> bool:
    return True


def keep_the_first(self: Opte, group: Address, underlay: Address) -> None:
    self.m2p.setdefault(group, underlay)


def nobody_is_everybody(self: opte_module.Filter, source: Address) -> bool:
    return not self.sources or (source in self.sources) is (self.mode is FilterMode.INCLUDE)


def offer_to_all(self: Opte, underlay: Address, _source: Address, _group: Address) -> list[Hop]:
    return list(self.forwarding.get(underlay, {}).values())


def remember(_: Dpd) -> None:
    return


def create_again(self: Dpd, group: Address, members: tuple[Port, ...], tag: str | None) -> UnderlayGroup:
    known = self.underlay.get(group)
    return _create_underlay(self, group, members, tag) if known is None else known


def guard_nothing(_: Dpd, __: Address) -> None:
    return


_page = encoding.page


def page_without_an_empty_last_one(request: Request, groups: Any) -> Any:
    rows = list(groups)
    found = _page(request, rows)
    shown = {row["group_ip"] for row in found["items"]}
    last = max((row.group_ip for row in rows), default=None)
    return found | ({"next_page": None} if last is None or last.text in shown else {})


def empty_everything(world: World, slot: SwitchSlot, group: UnderlayGroup, *_: Any, **__: Any) -> None:
    world.dpds[slot].replace_members(group.group_ip, (), group.tag)


# --- the table ------------------------------------------------------------------------------------------------------


@frozen
class Kind:
    """A kind version, and the tests that do not let it pass."""

    place: Any
    name: str
    version: Any
    tests: tuple[Check, ...]


FACTS: Mapping[str, tuple[Kind, ...]] = {
    "F1 clearing a mapping goes by group": (
        Kind(
            SledAgent,
            "clear_m2p",
            clear_the_pair_alone,
            (MAPPINGS.test_clearing_goes_by_group_whatever_underlay_group_is_named,),
        ),
    ),
    "F2 subscriptions are kept by underlay group, resolved at the call": (
        Kind(Opte, "subscribe", subscribe_anyway, (SUBSCRIPTIONS.test_a_join_needs_a_mapping,)),
        Kind(
            Opte,
            "unsubscribe",
            unsubscribe_by_group,
            (
                SUBSCRIPTIONS.test_a_leave_goes_through_the_mapping_of_now,
                programmed(test_packets.test_a_leave_after_the_mapping_is_gone_leaves_the_port_hearing),
            ),
        ),
    ),
    "F3 an equal join does not reach the packet engine": (
        Kind(
            SledAgent,
            "join",
            join_again,
            (SUBSCRIPTIONS.test_an_identical_repeat_does_not_reach_the_packet_engine,),
        ),
    ),
    "F4 subscriptions and filters cannot be read": (
        Kind(
            sled_http,
            "routes",
            routes_with_a_listing,
            (test_sled_agent.test_subscriptions_and_filters_cannot_be_read,),
        ),
    ),
    "F5 a flow keeps its translation": (
        Kind(
            Opte,
            "translate",
            translate_as_of_now,
            (
                programmed(STEADY.test_a_mapping_that_changes_does_not_reach_it),
                programmed(STEADY.test_a_mapping_that_is_cleared_does_not_stop_it),
                programmed(STEADY.test_a_busy_flow_is_never_forgotten_and_an_idle_one_after_a_minute),
            ),
        ),
    ),
    "F6 next hops add up, in one step": (Kind(Opte, "set_forwarding", replace_hops, (FORWARDING.test_hops_add_up,)),),
    "F7 every admitting hop gets a copy": (
        Kind(Opte, "hops_for", select_always, (programmed(HOPS.test_every_hop_gets_a_copy),)),
    ),
    "F8 a failed address change loses the old mapping": (
        Kind(SledAgent, "set_m2p", set_or_restore, (FILTERS.test_a_failed_address_change_loses_the_old_mapping,)),
    ),
    "F9 a filter outlives an overwritten mapping": (
        Kind(
            SledAgent,
            "set_m2p",
            set_and_leave_the_old,
            (MAPPINGS.test_another_underlay_group_overwrites,),
        ),
        Kind(
            SledAgent,
            "clear_m2p",
            clear_the_pair_alone,
            (MAPPINGS.test_clearing_an_unmapped_group_releases_a_filter_alone,),
        ),
    ),
    "F10 members leave before members come": (
        Kind(
            Chip,
            "_change",
            add_first,
            (programmed(test_steps.test_a_swap_of_ports_has_a_gap_and_stayers_have_none),),
        ),
    ),
    "F11 a member change that fails is not undone on the chip": (
        Kind(
            Chip,
            "_change",
            change_or_roll_back,
            (
                HALF_DONE.test_a_member_change_that_fails_leaves_the_chip_short,
                HALF_DONE.test_after_that_the_same_change_is_refused_until_the_group_is_made_anew,
            ),
        ),
    ),
    "F12 another source list drops everybody meanwhile, and gates packets between sleds": (
        Kind(
            Chip,
            "_refilter",
            refilter_at_once,
            (
                programmed(test_steps.test_another_source_list_drops_everybody_meanwhile),
                programmed(test_steps.test_the_gap_is_there_for_packets_between_sleds_too),
            ),
        ),
        Kind(
            Entry,
            "admits",
            admit_everybody,
            (programmed(test_packets.test_the_filter_of_a_switch_gates_packets_between_instances_too),),
        ),
    ),
    "F13 an update does not look for the underlay group": (
        Kind(
            Dpd,
            "replace_external",
            replace_where_the_target_is,
            (
                test_dpd.test_an_external_group_needs_its_underlay_group_when_it_is_created,
                programmed(test_packets.test_a_translation_into_an_absent_group_is_a_black_hole),
            ),
        ),
    ),
    "F14 another tag is 400": (
        Kind(Dpd, "_check_owner", forbid_another_owner, (test_dpd.test_the_tag_is_asked_for_and_never_disclosed,)),
    ),
    "F15 ddmd writes members": (
        Kind(
            sweep,
            "_sweep_all",
            sweep_nothing,
            (
                swept(SWEEP.test_members_follow_subscriptions_every_ten_seconds),
                swept(SWEEP.test_a_foreign_writer_is_overruled),
            ),
        ),
    ),
    "F16 selection follows the unicast table, and an old origin stays until it is quiet": (
        Kind(
            Mrib,
            "is_selected",
            select_everything,
            (test_mgd.test_a_source_without_a_unicast_route_is_imported_and_not_selected,),
        ),
        Kind(
            MgLower,
            "origins",
            originate_exactly,
            (
                held(MIRROR.test_the_old_origin_of_a_changed_route_stays_until_a_second_is_quiet),
                held(MIRROR.test_changes_that_keep_coming_put_the_withdrawal_off),
            ),
        ),
    ),
    "F17 404 may mean that dpd has just forgotten the group, 409 that rows of nobody are in the way": (
        Kind(
            Dpd,
            "_need_entry",
            forget_nothing,
            (
                partial(
                    test_leftovers.test_a_missing_entry_makes_dpd_forget_the_group,
                    method="PUT",
                    path=f"/multicast/underlay-groups/{U4}?tag={TAG4}",
                    body={"members": []},
                ),
            ),
        ),
        Kind(
            Dpd,
            "create_underlay",
            create_with_a_good_tag,
            (test_leftovers.test_a_bad_tag_leaks_an_underlay_group,),
        ),
    ),
    "F18 tables have 1024 rows": (
        Kind(chip_module, "TABLE_ROWS", 4096, (CAPACITY.test_the_source_filter_fills_up,)),
    ),
    "F19 a restarted sled is partly full": (
        Kind(SledAgent, "restart", SledAgent.reboot, (FILTERS.test_a_restart_opens_them_again,)),
        Kind(
            SledAgent,
            "restart",
            restart_and_keep,
            (
                FILTERS.test_a_mapping_whose_filter_cannot_be_opened_again_is_cleared,
                test_sled_agent.test_a_restart_may_take_the_ports_along,
            ),
        ),
    ),
}

FURTHER: Mapping[str, tuple[Kind, ...]] = {
    "a group has one mapping, the latest": (
        Kind(Opte, "set_m2p", keep_the_first, (MAPPINGS.test_another_underlay_group_overwrites,)),
    ),
    "a hop that includes nobody gets nothing": (
        Kind(
            opte_module.Filter,
            "admits",
            nobody_is_everybody,
            (programmed(test_packets.test_an_inert_hop_gets_nothing),),
        ),
    ),
    "an engine that selects gives a flow to one of at most four hops": (
        Kind(Opte, "hops_for", offer_to_all, (programmed(HOPS.test_an_engine_that_selects_gives_a_flow_to_one),)),
        Kind(opte_module, "MOST_HOPS", 64, (programmed(HOPS.test_an_engine_that_selects_takes_four_hops),)),
    ),
    "an idle flow is forgotten after a minute": (
        Kind(
            opte_module,
            "FLOW_SECONDS",
            3600.0,
            (programmed(STEADY.test_a_busy_flow_is_never_forgotten_and_an_idle_one_after_a_minute),),
        ),
    ),
    "dpd restarts empty": (Kind(Dpd, "restart", remember, (test_dpd.test_nothing_survives_a_restart,)),),
    "mgd remembers": (Kind(Mrib, "restart", Mrib.forget, (test_mgd.test_static_routes_survive_a_restart,)),),
    "a group that is there is not created again": (
        Kind(Dpd, "create_underlay", create_again, (test_dpd.test_a_second_post_is_refused_even_if_it_is_the_same,)),
    ),
    "an external group that is there guards its underlay group": (
        Kind(Dpd, "_check_unreferenced", guard_nothing, (test_dpd.test_an_underlay_group_in_use_cannot_be_deleted,)),
    ),
    "the last page with groups names another": (
        Kind(dpd_http, "page", page_without_an_empty_last_one, (a_page_names_a_next_one,)),
    ),
    "a switch has ids for some groups, and no more": (
        Kind(GroupIds, "left", property(lambda _: 1 << 16), (lambda _: test_dpd_machine.test_ids_run_out(),)),
    ),
    "ddmd looks every ten seconds, and takes nothing away in its first twenty": (
        Kind(sweep, "PERIOD_SECONDS", 1.0, (swept(SWEEP.test_members_follow_subscriptions_every_ten_seconds),)),
        Kind(sweep, "GRACE_SECONDS", 0.0, (swept(SWEEP.test_nothing_is_drained_in_the_first_twenty_seconds),)),
        Kind(
            sweep, "_sweep", empty_everything, (swept(SWEEP.test_while_a_port_is_not_known_members_are_only_added),)
        ),
    ),
    "mg-lower withdraws after a second of quiet": (
        Kind(
            mglower_module,
            "QUIET_SECONDS",
            0.0,
            (
                held(MIRROR.test_the_old_origin_of_a_changed_route_stays_until_a_second_is_quiet),
                held(MIRROR.test_changes_that_keep_coming_put_the_withdrawal_off),
            ),
        ),
    ),
}
"""What else of the daemons nobody would wish for, and plans and executors have to stand."""

ALL = {**FACTS, **FURTHER}
ROWS = [(kind, check) for kinds in ALL.values() for kind in kinds for check in kind.tests]
NAMES = [
    f"{fact if fact in FURTHER else fact.split()[0]} {kind.name} {number}"
    for fact, kinds in ALL.items()
    for kind in kinds
    for number in range(len(kind.tests))
]


def test_every_fact_has_its_tests() -> None:
    """All of F1 to F19 stand in the table, in order, each with kind versions and each of those with tests."""
    assert [fact.split()[0] for fact in FACTS] == [f"F{number}" for number in range(1, 20)]
    assert all(kinds and all(kind.tests for kind in kinds) for kinds in ALL.values())


@needs_proc
@pytest.mark.parametrize(("kind", "check"), ROWS, ids=NAMES)
def test_a_kind_version_fails_each_test_of_its_fact(
    talk: Talk, kind: Kind, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the code in place that one would wish for, no named test passes."""
    monkeypatch.setattr(kind.place, kind.name, kind.version)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(talk)
