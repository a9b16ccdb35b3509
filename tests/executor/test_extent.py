"""How much a change takes away, and when somebody is asked first."""

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from blueprints.blueprint import Blueprint
from blueprints.run_report import Outcome
from blueprints.snapshot import MemberPorts, Policy
from executor.extent import Loss, losses
from executor.limits import Allowance, Allowances
from executor.safeguards import Safeguards
from tests.executor.bench import Bench, planned
from tests.executor.builders import (
    SILENT_SWITCH,
    SWITCH0,
    SWITCH1,
    G,
    blueprint,
    observation_of,
    port,
    seen_members,
    underlay_ip,
    with_switch,
)
from tests.executor.strategies import FOREIGN_EXTERNAL, FOREIGN_ROUTE, FOREIGN_UNDERLAY, blueprints, racks
from tests.executor.test_faults import END, ENDED
from tests.simrack.rows import G4, LISTENER, S4, small_rack

RACK = small_rack()
PLAN = planned(RACK)
ASKING = Safeguards()


def numbers(plan: Blueprint, observation: Any, allowances: Allowances | None = None) -> dict[str, tuple[int, int]]:
    """Return what goes, of how many, by sort; rows by switch."""
    found = losses(plan, observation, allowances or Allowances())
    return {loss.what if loss.place == "rack" else loss.place: (loss.losing, loss.of) for loss in found}


def four(*numbers: int) -> tuple[G, ...]:
    """Return groups, each heard on two sleds."""
    return tuple(G(number=number, sleds=(0, 1)) for number in numbers)


BEFORE = observation_of(blueprint(*four(1, 2, 3, 4)))


def test_nothing_goes_where_the_rack_holds_the_blueprint() -> None:
    """Eight ports hear four groups, twelve rows a switch, and none goes."""
    assert numbers(blueprint(*four(1, 2, 3, 4)), BEFORE) == {
        "members": (0, 8),
        "groups": (0, 4),
        "switch0": (0, 12),
        "switch1": (0, 12),
    }


def test_a_group_that_ends_takes_its_members_and_rows_along() -> None:
    """A group without a place in the blueprint counts once, its ports each, its rows on every switch."""
    assert numbers(blueprint(*four(1, 2, 3)), BEFORE) == {
        "members": (2, 8),
        "groups": (1, 4),
        "switch0": (3, 12),
        "switch1": (3, 12),
    }


def test_a_port_that_stays_on_one_switch_alone_is_not_lost() -> None:
    """A member counts for the rack: it is lost once no switch of the blueprint delivers to it."""
    one_switch = blueprint(*four(1), slots=(SWITCH0, SWITCH1))
    seen = with_switch(observation_of(one_switch), SWITCH1, underlay_groups=())
    assert numbers(one_switch, seen)["members"] == (0, 2)


@pytest.mark.parametrize(
    ("group", "losing"),
    [
        (G(number=1, sleds=(0,)), 1),
        (G(number=1, sleds=(0,), complete=False), 0),
        (G(number=1, sleds=(0, 1), salt=9), 0),
        (G(number=1, sleds=(0, 2)), 1),
    ],
    ids=["a port goes", "a lower bound removes nothing", "the address moves", "another port comes"],
)
def test_members_that_lose_delivery(group: G, losing: int) -> None:
    """What counts is the pair of group and port: neither where it is translated to, nor who else comes."""
    seen = observation_of(blueprint(G(number=1, sleds=(0, 1))))
    assert numbers(blueprint(group, sleds=(0, 1, 2)), seen)["members"] == (losing, 2)


def test_member_lists_of_others_are_no_loss_while_a_route_asks_for_them() -> None:
    """Where ddmd writes members, a list that differs is its business; a group without routes is ours."""
    seen = with_switch(
        observation_of(blueprint(*four(1))),
        SWITCH0,
        underlay_groups=[
            evolve(row, members=seen_members([port(0), port(1), port(7)]))
            for row in observation_of(blueprint(*four(1))).switches[SWITCH0].underlay_groups or ()
        ],
    )
    derived = Policy(member_ports=MemberPorts.DERIVED)
    assert numbers(blueprint(*four(1), policy=derived), seen)["members"] == (0, 3)
    assert numbers(blueprint(*four(1)), seen)["members"] == (1, 3)
    assert numbers(blueprint(G(number=1, sleds=()), policy=derived), seen)["members"] == (3, 3)


def test_what_is_foreign_held_or_unknown_counts_on_neither_side() -> None:
    """Objects of others and of held groups are no loss, since they stay; a silent switch has no rows to lose."""
    seen = with_switch(
        observation_of(blueprint(*four(1, 20))),
        SWITCH0,
        underlay_groups=[FOREIGN_UNDERLAY, *(BEFORE.switches[SWITCH0].underlay_groups or ())],
        external_groups=[FOREIGN_EXTERNAL],
        mrib_routes=[FOREIGN_ROUTE],
    )
    held = numbers(blueprint(*four(1, 2, 3, 4), held=(20,)), seen)
    assert held == {"members": (0, 8), "groups": (0, 4), "switch0": (0, 4), "switch1": (0, 3)}
    silent = evolve(BEFORE, switches=dict.fromkeys(BEFORE.switches, SILENT_SWITCH))
    assert numbers(blueprint(*four(1, 2, 3)), silent) == {
        "members": (0, 0),
        "groups": (1, 4),
        "switch0": (0, 0),
        "switch1": (0, 0),
    }


@given(plan=blueprints(salts=True, held=True), seen=racks(silent=True))
def test_no_more_goes_than_there_is(plan: Blueprint, seen: Any) -> None:
    """Every number is within what was seen, and nothing goes where the blueprint is what is there."""
    assert all(0 <= loss.losing <= loss.of for loss in losses(plan, seen, Allowances()))
    same = losses(plan, observation_of(plan), Allowances())
    assert not any(loss.losing for loss in same)


@pytest.mark.parametrize(
    ("text", "losing", "of", "permitted"),
    [
        ("3", 3, 3, True),
        ("3", 4, 100, False),
        ("0", 1, 100, False),
        ("20%", 20, 100, True),
        ("20%", 21, 100, False),
        ("20%", 1, 4, False),
        ("0%", 1, 100, False),
        ("100%", 7, 7, True),
    ],
)
def test_an_allowance_by_hand_is_taken_exactly(text: str, losing: int, of: int, permitted: bool) -> None:
    """A number is a number and a share a share, without a margin for small racks."""
    assert Allowance.parse(text).permits(losing, of) is permitted


@pytest.mark.parametrize("text", ["", "x", "-1", "101%", "1.5", "20 percent", "%", "9999999999"])
def test_other_texts_are_no_allowance(text: str) -> None:
    """Anything but a number or a share up to 100 % is refused."""
    with pytest.raises(ValueError, match="neither"):
        Allowance.parse(text)


@pytest.mark.parametrize(
    ("allowance", "most"),
    [(Allowances().members, 500), (Allowances().groups, 50), (Allowances().rows, 500)],
    ids=["members", "groups", "rows"],
)
def test_a_share_of_a_large_rack_has_an_end(allowance: Allowance, most: int) -> None:
    """A fifth of ten thousand is not for one run to take away unasked."""
    assert allowance.permits(most, 10_000)
    assert not allowance.permits(most + 1, 10_000)


@given(losing=st.integers(0, 1000), of=st.integers(0, 10_000))
def test_the_defaults_let_small_racks_change_and_not_lose_most(losing: int, of: int) -> None:
    """A fifth may go, if not hundreds, or a few; more than half only where that is one group, or three members."""
    losing = min(losing, of)
    asked = ((Allowances().members, 4), (Allowances().groups, 2), (Allowances().rows, 20))
    for allowance, from_ in asked:
        most = losing * 2 > of >= from_
        few = losing <= allowance.number or (losing * 5 <= of and losing <= (allowance.share_most or 0))
        assert allowance.permits(losing, of) is (few and not most)


def test_a_loss_says_its_numbers() -> None:
    """People read how many of how many, and what is allowed."""
    loss = Loss(what="groups", place="rack", losing=3, of=4, allowed=Allowances().groups)
    assert str(loss) == "3 of 4 groups would go (allowed: 20 % up to 50 or 5, not more than half of 2 or more)"
    row = Loss(what="rows", place="switch1", losing=1000, of=2000, allowed=Allowance())
    assert str(row) == "1,000 of 2,000 rows of switch1 would go (allowed: none)"


# --- runs -----------------------------------------------------------------------------------------------------------

NOBODY = planned(evolve(RACK, members=()), PLAN)


def test_emptying_the_rack_stops_before_the_first_write(bench: Bench) -> None:
    """A snapshot without members would end everything: nothing is sent, the numbers are told, delivery goes on."""
    bench.run(PLAN)
    bench.forget_calls()
    report = bench.run(NOBODY, safeguards=ASKING)
    assert (report.outcome, report.exit_code, bench.calls()) == (Outcome.CONSENT, 5, [])
    assert [(loss.what, loss.place) for loss in report.losses if loss.beyond] == [
        ("members", "rack"),
    ]
    assert all(owed.consent and "--allow-mass-change" in owed.because for owed in report.owed)
    assert bench.heard(G4, S4)[LISTENER] == 1


def test_accepted_it_is_carried_out_and_still_told(bench: Bench) -> None:
    """With consent the same change goes through, and a run after it has nothing to lose."""
    bench.run(PLAN)
    done = bench.run(NOBODY, safeguards=Safeguards(allow_mass_change=True))
    assert (done.exit_code, any(loss.beyond for loss in done.losses)) == (0, True)
    again = bench.run(NOBODY, safeguards=ASKING)
    assert (again.exit_code, any(loss.losing for loss in again.losses)) == (0, False)


def test_a_dry_run_shows_the_calls_and_asks(bench: Bench) -> None:
    """A dry run lists what would be sent and ends as the run would; accepted, it is an ordinary one."""
    bench.run(PLAN)
    asked = bench.run(NOBODY, dry_run=True, safeguards=ASKING)
    assert (asked.exit_code, bool(asked.actions)) == (5, True)
    assert bench.run(NOBODY, dry_run=True).exit_code == 3


def test_a_change_within_the_limits_asks_nobody(bench: Bench) -> None:
    """One of two groups of a small rack may end, unless less is allowed."""
    bench.run(PLAN)
    bench.enter(ENDED)
    strict = Safeguards(allowances=evolve(Allowances(), groups=Allowance.parse("20%")))
    assert bench.run(END, safeguards=strict).exit_code == 5
    assert bench.run(END, safeguards=ASKING).exit_code == 0


def test_a_rack_whose_multicast_is_off_is_never_asked_about(bench: Bench) -> None:
    """Such a plan removes nothing."""
    bench.run(PLAN)
    off = planned(evolve(RACK, members=(), groups=(), policy=Policy(multicast_enabled=False)), PLAN)
    report = bench.run(off, safeguards=ASKING)
    assert (report.exit_code, dict(report.counts)) == (0, {})
    assert not any(loss.losing for loss in report.losses)


def test_a_run_that_was_stopped_half_way_is_measured_by_what_is_left(bench: Bench) -> None:
    """What is gone already is not counted again."""
    bench.run(PLAN)
    bench.enter(ENDED)
    bench.fault("switch1 dpd", "refuse", times=None, method="DELETE")
    bench.run(END)
    bench.calm()
    left = {loss.place: loss.losing for loss in bench.run(END, dry_run=True).losses if loss.what == "rows"}
    assert left == {"switch0": 0, "switch1": 2}


def test_unknown_addresses_are_not_counted_as_groups() -> None:
    """An underlay group that serves a group of the blueprint under another salt is that group's."""
    moved = blueprint(G(number=1, sleds=(0,), salt=3))
    seen = observation_of(blueprint(G(number=1, sleds=(0,))))
    assert underlay_ip(1, 3) != underlay_ip(1)
    assert numbers(moved, seen)["groups"] == (0, 1)
