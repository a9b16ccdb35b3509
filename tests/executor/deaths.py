"""Runs that end in the middle, as the tests of the executor need them."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import define, field

from blueprints.blueprint import Blueprint
from executor import durable
from executor.journal import JournalFile
from executor.progress import CallFinished, Event
from executor.safeguards import Safeguards
from tests.executor.bench import Bench


class KilledError(Exception):
    """Ends a run as a signal would: nothing of it goes on."""


def keeping(journal: JournalFile, **more: Any) -> Safeguards:
    """Return the safeguards of a run with a journal."""
    return Safeguards(allow_mass_change=True, journal=journal, **more)


def killed_after(call: int) -> Callable[[Event], None]:
    """Return a listener that kills the run once that many calls have ended."""
    ended = 0

    def listen(event: Event) -> None:
        nonlocal ended
        if isinstance(event, CallFinished):
            ended += 1
            if ended == call:
                raise KilledError

    return listen


@define
class KillingWriter:
    """Writes a journal until it is killed in the middle of it."""

    fatal: int
    """The writing that is the last; 1 is the first."""

    moment: str
    """``before`` anything of it, ``half`` way, or ``after`` all of it."""

    written: int = field(default=0, init=False)

    def __call__(self, path: Path, data: bytes) -> None:
        self.written += 1
        if self.written < self.fatal:
            durable.write(path, data)
            return
        if self.moment == "half":
            path.with_name(f".{path.name}.new").write_bytes(data[: len(data) // 2])
        elif self.moment == "after":
            durable.write(path, data)
        raise KilledError


def orphans(bench: Bench, plan: Blueprint) -> list[tuple[str, str, str]]:
    """Return the subscriptions that *plan* does not want where they are, or not under that underlay group."""
    underlays = {row.multicast_ip.text: row.underlay_ip.text for row in plan.groups}
    wanted = {
        (str(sled), str(row.instance_id), underlays[row.group_ip.text])
        for sled, tables in plan.sleds.items()
        for row in tables.subscriptions
    }
    return [
        found
        for sled, its in bench.state()["sleds"].items()
        for row in its["subscriptions"]
        if (found := (sled, row["instance_id"], row["underlay"])) not in wanted
    ]


def killed(bench: Bench, plan: Blueprint, **options: Any) -> bool:
    """Run *plan* and return whether it was killed."""
    with suppress(KilledError):
        bench.run(plan, **options)
        return False
    return True
