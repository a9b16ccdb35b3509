"""Where each target stands after a run: one word for the weightiest of what is left to do there.

This file does not know how a debt came about, nor what people are shown.
"""

from collections.abc import Collection, Iterable

from attrs import frozen

from blueprints.run_report import TargetState
from executor.targets import Target

WEIGHTS = {state: weight for weight, state in enumerate(TargetState)}
"""Heavier states hide lighter ones: what no run mends, then what somebody has to accept, comes before the rest."""


@frozen(kw_only=True)
class Debt:
    """One thing that is owed to a target, as far as its state goes."""

    target: str
    state: TargetState
    because: str


@frozen(kw_only=True)
class Standing:
    """Where one target stands."""

    target: Target
    state: TargetState

    debts: int = 0
    """How many things are owed to it."""

    because: str = ""
    """Why the first of the weightiest of them is; empty for a target that holds what it should."""


def standings(
    targets: Iterable[Target], debts: Iterable[Debt], differing: Collection[Target], *, waits: bool
) -> tuple[Standing, ...]:
    """Return where each of *targets* stands, in their order.

    Args:
        targets: everything that was meant to be read.
        debts: what is owed, in order.
        differing: targets that differ from the blueprint, whether or not anything was tried.
        waits: nothing was sent because somebody has to accept what goes first.
    """
    of: dict[str, list[Debt]] = {}
    for debt in debts:
        of.setdefault(debt.target, []).append(debt)
    return tuple(_standing(target, of.get(str(target), []), target in differing, waits=waits) for target in targets)


def _standing(target: Target, debts: list[Debt], differs: bool, *, waits: bool) -> Standing:
    default = TargetState.APPLIED
    if differs:
        default = TargetState.CONSENT if waits else TargetState.OWED
    heaviest = max((debt.state for debt in debts), key=WEIGHTS.__getitem__, default=default)
    state = max(heaviest, default, key=WEIGHTS.__getitem__)
    because = next((debt.because for debt in debts if debt.state is state), "")
    return Standing(target=target, state=state, debts=len(debts), because=because)
