"""Only the report of a run after which all of this blueprint was in effect opens the way to the datastore."""

from typing import Any

import pytest
from attrs import evolve

from blueprints.blueprint import Blueprint
from blueprints.errors import InputRejectedError
from blueprints.run_report import CarriedOut, Outcome
from collector.in_effect import require_in_effect
from planner import plan
from tests.simrack.rows import small_rack

PLAN: Blueprint = plan(small_rack())
OTHER = plan(evolve(small_rack(), members=()))


def report(**changes: Any) -> dict[str, Any]:
    """Return the report of a run that went well, changed."""
    usual = {
        "format": "rackcast.report/1",
        "blueprint": named(PLAN),
        "outcome": "converged",
        "exit_code": 0,
        "dry_run": False,
        "actions": [{"target": "switch0 dpd", "method": "POST"}],
        "owed": [],
        "counts": {"reads": 14, "writes": 10, "reasserts": 4},
        "foreign": [{"target": "switch0 dpd", "what": "group 233.252.0.9"}],
        "held": [{"target": "switch0 dpd", "what": "group 233.252.0.8"}],
        "conflicts": [],
        "members_elsewhere": 2,
        "refusals": [],
    }
    return {**usual, **changes}


def named(blueprint: Blueprint) -> dict[str, Any]:
    """Return how a report names *blueprint*."""
    about = CarriedOut.naming(blueprint)
    return {"id": str(about.id), "digest": about.digest, "generation": about.generation}


def owed(*targets: str) -> list[dict[str, Any]]:
    """Return debts of *targets*."""
    return [{"target": each, "kind": None, "groups": [], "because": "silent", "consent": False} for each in targets]


def told(document: Any, blueprint: Blueprint = PLAN) -> list[str]:
    """Return the mistakes for which *document* is refused, a line each; none where it is accepted."""
    try:
        require_in_effect(blueprint, document, "report.json")
    except InputRejectedError as error:
        return [str(mistake) for mistake in error.mistakes]
    return []


def test_a_converged_run_of_this_blueprint_is_enough() -> None:
    """Others' objects, held groups and lists that ddmd writes do not stand in the way, nor what later reports add."""
    assert told(report()) == []
    assert told(report(journal=None, losses=[])) == []


def test_a_report_of_another_blueprint_is_refused() -> None:
    """Id, digest and generation have to be those of the blueprint; what differs is told, with both sides."""
    assert told(report(), OTHER) == [
        f"blueprint.id: is {PLAN.id}, this blueprint's is {OTHER.id}",
        f"blueprint.digest: is {PLAN.digest}, this blueprint's is {OTHER.digest}",
    ]
    edited = {**named(PLAN), "digest": "sha256:" + "0" * 64}
    assert [line.partition(":")[0] for line in told(report(blueprint=edited))] == ["blueprint.digest"]
    assert [line.partition(":")[0] for line in told(report(blueprint={**named(PLAN), "generation": 2}))] == [
        "blueprint.generation"
    ]


def test_a_dry_run_is_refused_however_it_ended() -> None:
    """A rack that held everything before is not enough: what cannot be read back was not repeated."""
    assert told(report(dry_run=True)) == ["dry_run: nothing was sent in a dry run"]


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.CONVERGED])
def test_every_other_outcome_is_refused_by_its_name(outcome: Outcome) -> None:
    """Only converged will do."""
    (line,) = told(report(outcome=outcome.value))
    assert line == f"outcome: is {outcome.value}; only after converged the state is in effect"


def test_what_is_owed_is_counted_and_its_first_targets_are_named() -> None:
    """All is counted, each target is named once with its reason, and more than three are counted too."""
    debts = owed("switch0 dpd", "switch0 dpd", "switch1 mgd", "sled a", "sled b", "sled c")
    assert told(report(outcome="partial", owed=debts))[1:] == [
        "owed: 6 still to be done: switch0 dpd (silent), switch1 mgd (silent), sled a (silent) and 2 more"
    ]
    assert told(report(owed=debts[:1])) == ["owed: 1 still to be done: switch0 dpd (silent)"]


def test_refusals_are_repeated() -> None:
    """Why a blueprint was not carried out at all is said again."""
    assert told(report(outcome="refused", refusals=["one key twice"]))[1:] == ["refusals[0]: one key twice"]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], ": expected an object with format: rackcast.report/1"),
        ("converged", ": expected an object with format: rackcast.report/1"),
        ({"outcome": "converged"}, "format: is missing; expected rackcast.report/1"),
        (report(format="rackcast.report/2"), "format: is 'rackcast.report/2'; expected rackcast.report/1"),
        (report(format=["x"]), "format: is ['x']; expected rackcast.report/1"),
    ],
    ids=["list", "text", "no format", "later format", "format of another type"],
)
def test_what_is_no_report_is_said_to_be_none(document: Any, expected: str) -> None:
    """Another file, or another version of a report, is refused in one line."""
    (line,) = told(document)
    assert line.startswith(expected.removeprefix(": "))


@pytest.mark.parametrize("key", ["blueprint", "outcome", "dry_run", "owed", "refusals"])
def test_every_key_that_matters_has_to_be_there(key: str) -> None:
    """A report without one of its keys is refused by the path of the key."""
    document = report()
    del document[key]
    assert told(document) == [f"{key}: required, and missing"]


def test_mistakes_of_a_report_are_told_together() -> None:
    """Keys of another type or another value, and names with more to them, are told at once, each with its path."""
    about = {**named(PLAN), "id": "x", "but": "only half of it"}
    document = report(outcome="great", dry_run="no", owed=[{"target": 3, "kind": None}, "all"], blueprint=about)
    assert sorted(line.partition(":")[0] for line in told(document)) == [
        *("blueprint.but", "blueprint.id", "dry_run", "outcome"),
        *("owed[0].because", "owed[0].target", "owed[1]"),
    ]
    assert told(report(owed=None)) == ["owed: expected a list, found nothing (null)"]
