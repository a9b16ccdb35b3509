"""What many daemons say alike is read once, and makes no difference to what is found."""

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings

from blueprints.blueprint import Blueprint
from blueprints.errors import BadAnswerError
from blueprints.observation import Observation
from blueprints.ordering import InOrder
from executor.differences import differences
from executor.shelf import Shelf
from executor.targets import targets_of
from tests.executor.bench import QUICK, Bench, planned
from tests.executor.strategies import blueprints, racks
from tests.simrack.rows import small_rack


def test_equal_answers_are_one_object_until_the_shelf_is_cleared() -> None:
    """The same bytes are parsed and decoded once; what is read later is read anew."""
    shelf = Shelf()
    first, second = (shelf.parsed(b'[{"a": 1}]', depth=4) for _ in range(2))
    assert (first.json, second.json) == ([{"a": 1}], None)
    seen: list[Any] = []

    def decode(answer: Any) -> tuple[Any, ...]:
        seen.append(answer)
        return tuple(answer)

    assert shelf.decoded(first, decode) is shelf.decoded(second, decode)
    assert len(seen) == 1
    shelf.clear()
    assert shelf.decoded(second, decode) == ({"a": 1},)
    assert len(seen) == 2


def test_a_bad_answer_is_bad_every_time() -> None:
    """What cannot be read is not kept."""
    shelf = Shelf()
    for _ in range(2):
        with pytest.raises(BadAnswerError):
            shelf.parsed(b'{"a": 1, "a": 2}', depth=4)


def test_a_list_that_is_too_long_is_not_decoded_however_often_it_is_said() -> None:
    """Sleds that say the same are refused alike, the first and every other."""
    shelf = Shelf()
    for _ in range(2):
        with pytest.raises(BadAnswerError, match="more than 2 rows"):
            shelf.decoded(shelf.parsed(b"[1, 2, 3]", depth=4), tuple, rows=2)
    assert shelf.decoded(shelf.parsed(b"[1, 2, 3]", depth=4), tuple, rows=3) == (1, 2, 3)


def test_daemons_that_list_more_than_a_run_takes_are_owed_everything(bench: Bench) -> None:
    """Sled-agents and mgd as well as dpd; nothing is derived from such a list."""
    plan = planned(small_rack())
    bench.run(plan)
    bench.forget_calls()
    report = bench.run(plan, limits=evolve(QUICK, rows=1))
    targets = {str(target) for target in targets_of(plan)}
    assert {owed.target for owed in report.owed if "more than 1 " in owed.because} == targets
    assert bench.calls() == []


def test_sleds_that_say_the_same_share_their_tables(bench: Bench) -> None:
    """A rack in effect is observed with one table of mappings for all sleds."""
    bench.run(planned(small_rack()))
    seen = bench.observe()
    for name in ("m2p", "forwarding"):
        assert len({id(getattr(its, name)) for its in seen.sleds.values()}) == 1


@settings(max_examples=40)
@given(blueprints(salts=True, held=True), racks())
def test_sharing_tables_makes_no_difference(plan: Blueprint, rack: Observation) -> None:
    """The same is found whether equal tables of sleds are one object or several."""
    first = next(iter(plan.sleds.values()))
    alike = {s: evolve(its, m2p=first.m2p, forwarding=first.forwarding) for s, its in plan.sleds.items()}
    plan = evolve(plan, sleds=alike)
    one = next(iter(rack.sleds.values()))
    shared = evolve(rack, sleds=dict.fromkeys(rack.sleds, one))
    apart = evolve(
        rack,
        sleds={
            sled: evolve(one, m2p=InOrder(list(one.m2p or ())), forwarding=InOrder(list(one.forwarding or ())))
            for sled in rack.sleds
        },
    )
    assert differences(plan, shared) == differences(plan, apart)
