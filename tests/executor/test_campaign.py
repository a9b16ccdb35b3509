"""Seeded histories over loopback: plans follow each other while daemons fail and runs are killed, then all is calm.

Without sockets, and with a packet after every step, `tests/campaign` plays hundreds.
"""

from random import Random

import pytest
from attrs import evolve

from blueprints.run_report import Outcome
from blueprints.snapshot import GroupState, Snapshot
from executor.journal import Intents, JournalFile
from tests.executor.bench import IMPATIENT, Bench, planned
from tests.executor.deaths import keeping, killed, killed_after, orphans
from tests.simrack.rows import (
    G4,
    G6,
    GROUP6,
    LISTENER,
    MOVER,
    PICKER,
    READER,
    S4,
    S6,
    SLEDS,
    group,
    instance,
    small_rack,
)

RACK = small_rack()
HISTORY: dict[str, Snapshot] = {
    "all": RACK,
    "nobody": evolve(RACK, members=()),
    "one group": evolve(
        RACK, groups=[RACK.groups[0], group(GROUP6, G6, state=GroupState.DELETING)], members=RACK.members[:3]
    ),
    "moved": evolve(
        RACK,
        instances=[
            {MOVER: instance(MOVER, 2), PICKER: instance(PICKER, 0), READER: instance(READER, 2)}.get(row.id, row)
            for row in RACK.instances
        ],
    ),
}
"""Snapshots of one rack, in any order."""

TARGETS = ["switch0 dpd", "switch1 dpd", "switch0 mgd", "switch1 mgd", *(f"sled {sled}" for sled in SLEDS)]
KINDS = [
    "refuse",
    "timeout_before",
    "timeout_after",
    "status",
    "truncated_body",
    "restart_empty",
    "restart_with_state",
]
METHODS = [None, "GET", "POST", "PUT", "DELETE"]

HEARD = {
    "all": ({LISTENER: 1, PICKER: 1, MOVER: 1}, {READER: 1}),
    "nobody": ({}, {}),
    "one group": ({LISTENER: 1, PICKER: 1, MOVER: 1}, {}),
    "moved": ({LISTENER: 1, PICKER: 1, MOVER: 1}, {READER: 1}),
}
"""Who hears the two groups in the end."""


def spoil(bench: Bench, random: Random) -> None:
    """Order some faults."""
    for _ in range(random.randint(1, 4)):
        bench.fault(
            random.choice(TARGETS),
            random.choice(KINDS),
            times=random.randint(1, 3),
            method=random.choice(METHODS),
            status=random.choice([400, 404, 409, 418, 500, 503, 507]),
        )


@pytest.mark.parametrize("seed", range(3))
def test_after_the_last_fault_three_runs_are_enough(bench: Bench, journal: JournalFile, seed: int) -> None:
    """Whatever happened, the rack gets to its last plan, stays there without a write, and every packet is right."""
    random = Random(seed)
    plan = None
    name = ""
    for _ in range(3):
        name = random.choice(sorted(HISTORY))
        bench.enter(HISTORY[name])
        plan = planned(HISTORY[name], plan)
        spoil(bench, random)
        killed(
            bench, plan, limits=IMPATIENT, progress=killed_after(random.randint(1, 80)), safeguards=keeping(journal)
        )
    bench.calm()
    assert plan is not None
    reports = [bench.run(plan, safeguards=keeping(journal)) for _ in range(3)]
    assert reports[-1].outcome is Outcome.CONVERGED, reports[-1].owed
    assert bench.run(plan).counts.get("writes", 0) == 0
    assert (bench.heard(G4, S4), bench.heard(G6, S6)) == HEARD[name]
    assert (orphans(bench, plan), journal.read(RACK.rack_id)) == ([], Intents())
