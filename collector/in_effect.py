"""Whether a report says that a blueprint is in effect: nothing is told to the datastore on weaker grounds.

What a report says of other owners' objects, of held groups and of member lists that ddmd writes does not count: the
blueprint asks nothing of them. Neither does what was sent or lost: only what is owed. A report may come to say more
under the same format; it then still means the same by what it said before.

This file does not know how a blueprint is carried out, nor files.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from attrs import fields, frozen

from blueprints.blueprint import Blueprint
from blueprints.converter import structure
from blueprints.errors import InputRejectedError, Mistake
from blueprints.run_report import REPORT_FORMAT, CarriedOut, Outcome

TOLD_TARGETS = 3
"""How many of the targets that are owed something are named; the report itself has all."""


@frozen(kw_only=True)
class _Owed:
    """Something that is not in effect."""

    target: str
    because: str


@frozen(kw_only=True)
class _Report:
    """What of a report counts; each key has to be there. Others say more, and nothing else."""

    blueprint: CarriedOut
    outcome: Outcome
    dry_run: bool
    owed: tuple[_Owed, ...]
    refusals: tuple[str, ...]


def require_in_effect(blueprint: Blueprint, document: Any, source: str) -> None:
    """Return if *document* is the report of a run after which all of *blueprint* was in effect.

    Args:
        blueprint: what the datastore is going to be told about.
        document: the plain data of the report.
        source: what the report is called in mistakes.

    Raises:
        InputRejectedError: it is no report, of another blueprint, or says anything else; with every reason.
    """
    report = _report_from(document, source)
    reasons = [*_of_another(report.blueprint, blueprint), *_not_in_effect(report)]
    if reasons:
        raise InputRejectedError(source, reasons)


def _report_from(document: Any, source: str) -> _Report:
    if not isinstance(document, dict):
        raise InputRejectedError(source, [Mistake("", f"expected an object with format: {REPORT_FORMAT}")])
    found = document.get("format")
    if found != REPORT_FORMAT:
        said = "is missing" if found is None else f"is {found!r:.60}"
        mistake = Mistake("format", f"{said}; expected {REPORT_FORMAT}, as `execute --report` writes it")
        raise InputRejectedError(source, [mistake])
    counting = _part(document, _Report)
    if isinstance(counting.get("owed"), list):
        counting["owed"] = [_part(each, _Owed) for each in counting["owed"]]
    return structure(counting, _Report, source)


def _part(value: Any, kind: type) -> Any:
    """Return the keys of the object *value* that *kind* has; what is no object is left to be told as a mistake."""
    known = {attribute.name for attribute in fields(kind)}
    return {key: each for key, each in value.items() if key in known} if isinstance(value, dict) else value


def _of_another(named: CarriedOut, blueprint: Blueprint) -> Iterator[Mistake]:
    wanted = CarriedOut.naming(blueprint)
    for name, said, meant in (
        ("id", named.id, wanted.id),
        ("digest", named.digest, wanted.digest),
        ("generation", named.generation, wanted.generation),
    ):
        if said != meant:
            yield Mistake(f"blueprint.{name}", f"is {said}, this blueprint's is {meant}")


def _not_in_effect(report: _Report) -> Iterator[Mistake]:
    if report.dry_run:
        yield Mistake("dry_run", "nothing was sent in a dry run")
    if report.outcome is not Outcome.CONVERGED:
        yield Mistake("outcome", f"is {report.outcome}; only after {Outcome.CONVERGED} the state is in effect")
    if report.owed:
        yield Mistake("owed", f"{len(report.owed)} still to be done: {_told(report.owed)}")
    yield from (Mistake(f"refusals[{index}]", reason) for index, reason in enumerate(report.refusals))


def _told(owed: Iterable[_Owed]) -> str:
    """Return the first targets that are owed something, each once with the first reason."""
    reasons: dict[str, str] = {}
    for each in owed:
        reasons.setdefault(each.target, each.because)
    told = [f"{target} ({because})" for target, because in list(reasons.items())[:TOLD_TARGETS]]
    more = len(reasons) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")
