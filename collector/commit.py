"""Telling the datastore: each transition by a statement that checks, in a transaction that ends before the next.

One transition that fails does not hold up the others. What conflicts with another transaction (SQLSTATE class 40) is
tried again, a bounded number of times; the row is asked anew each time, so that trying again is harmless.

This file does not know which transitions there are, nor whether the state is in effect.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from time import sleep

from blueprints.blueprint import Blueprint
from blueprints.errors import DeviceError, InputRejectedError, Mistake, SilentError
from collector.refusals import DatastoreRefusedError
from collector.schema import DATASTORE, Feature
from collector.session import LIMITS, Limits, Row, Session, writing
from collector.swaps import Swap
from collector.told import Account, Found, Telling, Told, account
from collector.transitions import swaps

PAUSES_SECONDS = (0.0, 0.0, 0.02, 0.1, 0.5)
"""How long to wait before each attempt."""

SECONDS_EACH = 0.1
"""How much longer a session may last for each transition."""

_CONFLICT = "40"
_NOT_TOLD = "not told: the datastore does not answer any more"


def commit(blueprint: Blueprint, dsn: str, *, dry_run: bool = False, limits: Limits | None = None) -> Account:
    """Tell the datastore at *dsn* the transitions of *blueprint*, and return what became of each.

    Told again, also after a crash half way, nothing is done twice and nothing is undone.

    Args:
        blueprint: what is in effect on the rack; that it is has to be made sure of before.
        dsn: where the datastore is.
        dry_run: only look; nothing is changed.
        limits: how long it may take; by default longer for more transitions.

    Raises:
        InputRejectedError: a transition that cannot be told, no connection string, a schema that is not understood.
        DeviceError: the datastore cannot be reached, or refuses the session.
    """
    todo = swaps(blueprint, rehearsing=dry_run)
    if not todo:
        return account(blueprint, (), dry_run=dry_run)
    with writing(dsn, limits or _limits_for(len(todo))) as session:
        if not session.schema.has(Feature.GROUPS):
            raise InputRejectedError(DATASTORE, [Mistake("", f"schema {session.schema} has no groups to tell of")])
        session.rows("SET default_transaction_isolation = 'serializable'")
        if dry_run:
            session.rows("SET default_transaction_read_only = on")
        tell = _rehearsed if dry_run else _told
        return account(blueprint, _in_turn(session, todo, tell), dry_run=dry_run)


def _in_turn(session: Session, todo: Iterable[Swap], tell: Callable[[Session, Swap], Told]) -> Iterator[Told]:
    silent = False
    for swap in todo:
        told = (
            Told(transition=swap.transition, outcome=Telling.FAILED, note=_NOT_TOLD)
            if silent
            else tell(session, swap)
        )
        silent = silent or (told.outcome is Telling.FAILED and not _answers(session))
        yield told


def _answers(session: Session) -> bool:
    try:
        return bool(session.rows("SELECT 1"))
    except DeviceError:
        return False


def _limits_for(count: int) -> Limits:
    return Limits(total_seconds=LIMITS.total_seconds + SECONDS_EACH * count)


def _rehearsed(session: Session, swap: Swap) -> Told:
    try:
        return _seen(session, swap) or Told(transition=swap.transition, outcome=Telling.PLANNED)
    except DeviceError as error:
        return Told(transition=swap.transition, outcome=Telling.FAILED, note=str(error))


def _told(session: Session, swap: Swap) -> Told:
    note = ""
    for pause in PAUSES_SECONDS:
        sleep(pause)
        try:
            if _swapped(session, swap):
                return Told(transition=swap.transition, outcome=Telling.APPLIED)
            seen = _seen(session, swap)
        except SilentError as error:
            note = f"{error}; whether it was applied is not known, telling it again will say"
            break
        except DatastoreRefusedError as error:
            note = str(error)
            if (error.sqlstate or "")[:2] != _CONFLICT:
                break
        else:
            if seen is not None:
                return seen
            note = "the row changes faster than it can be told"
    return Told(transition=swap.transition, outcome=Telling.FAILED, note=note)


def _swapped(session: Session, swap: Swap) -> bool:
    """Return whether the row was changed, with all that changes with it; else nothing was."""
    change = swap.change(session.schema)
    before = swap.before()
    if not before:
        return session.changed(*change) == 1
    session.rows("BEGIN")
    try:
        for step in before:
            session.changed(*step)
        swapped = session.changed(*change) == 1
        session.rows("COMMIT" if swapped else "ROLLBACK")
    except DeviceError:
        _roll_back(session)
        raise
    return swapped


def _roll_back(session: Session) -> None:
    """End a transaction that failed; where nobody answers, or none is left, the server has ended it."""
    try:
        session.rows("ROLLBACK")
    except DeviceError:
        return


def _seen(session: Session, swap: Swap) -> Told | None:
    """Return why *swap* has no effect, or None where nothing stands in its way."""
    rows = session.rows(*swap.look())
    if not rows:
        outcome = Telling.ALREADY if swap.rule.ends_the_row else Telling.OVERTAKEN
        return Told(transition=swap.transition, outcome=outcome)
    return _judged(swap, rows[0])


def _judged(swap: Swap, row: Row) -> Told | None:
    state, time_deleted, linked_to, there, *holding = row
    found = Found(state=state, time_deleted=time_deleted, pointer=swap.pointer, linked_to=linked_to)
    if there:
        return Told(transition=swap.transition, outcome=Telling.ALREADY, found=found)
    unmet = _unmet(swap, holding)
    if unmet:
        return Told(transition=swap.transition, outcome=Telling.OVERTAKEN, found=found, unmet=unmet)
    return None


def _unmet(swap: Swap, holding: Sequence[bool | None]) -> tuple[str, ...]:
    """Return the conditions that do not hold, or of which nobody can say."""
    return tuple(compress((each.says for each in swap.rule.conditions), (not holds for holds in holding)))
