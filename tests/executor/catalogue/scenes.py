"""Plans of the small rack, and what the rows of the catalogue do behind a run's back.

This file does not know the rows.
"""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from attrs import evolve

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import GroupState, Snapshot, UnderlayRow
from executor.progress import CallFinished, Event, Observed
from executor.report import Report
from tests.executor.bench import QUICK, Bench, Json, planned, summary
from tests.simrack.rows import (
    G4,
    G6,
    GROUP4,
    GROUP6,
    LISTENER,
    MOVER,
    PICKER,
    READER,
    S4,
    S6,
    SLEDS,
    SWITCH0,
    TAG4,
    group,
    instance,
    member,
    small_rack,
    uid,
)

RACK = small_rack()
PLAN = planned(RACK)
EVERYBODY = {LISTENER: 1, PICKER: 1, MOVER: 1}
SLED0, SLED1, SLED2 = (f"sled {sled}" for sled in SLEDS)
U9 = "ff04::e9fc:8"
ONE_BY_ONE = evolve(QUICK, in_flight=1)


def with_instances(*rows: Any) -> Snapshot:
    """Return the rack with some instances elsewhere."""
    by_id = {row.id: row for row in rows}
    return evolve(RACK, instances=[by_id.get(row.id, row) for row in RACK.instances])


ENDED = evolve(RACK, groups=[RACK.groups[0], group(GROUP6, G6, state=GroupState.DELETING)], members=RACK.members[:3])
"""The second group is being deleted."""

MOVED = with_instances(instance(READER, 1))
"""The only receiver of the second group is on another sled."""

FILTERED = evolve(RACK, members=[member(GROUP4, PICKER, S4), RACK.members[3]])
"""The first group is heard from one source alone."""

ELSEWHERE = evolve(
    RACK,
    underlay_groups=[
        UnderlayRow(id=uid(4, 4), multicast_ip=Address.parse(U9), tag=TAG4),
        *RACK.underlay_groups[1:],
    ],
    groups=[group(GROUP4, G4, underlay_salt=9), RACK.groups[1]],
)
"""The first group has another underlay address."""

END, MOVE, FILTER = (planned(after, PLAN) for after in (ENDED, MOVED, FILTERED))
ANEW = planned(ELSEWHERE)


def when_read(act: Callable[[], object]) -> Callable[[Event], None]:
    """Return a listener that acts once the rack was read, before anything is sent."""

    def listen(event: Event) -> None:
        if isinstance(event, Observed):
            act()

    return listen


def after_call(number: int, act: Callable[[], object]) -> Callable[[Event], None]:
    """Return a listener that acts once so many calls have ended."""
    ended = 0

    def listen(event: Event) -> None:
        nonlocal ended
        if isinstance(event, CallFinished):
            ended += 1
            if ended == number:
                act()

    return listen


def speak(bench: Bench, url: str, method: str, path: str, body: Json = None, *, version: str = "12.0.0") -> Json:
    """Call a daemon as somebody else would, and return what it says."""
    answer = bench.http.request(method, url + path, json=body, headers={"api-version": version})
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def to_dpd(bench: Bench, slot: SwitchSlot, method: str, path: str, body: Json = None) -> Json:
    """Call a dpd."""
    return speak(bench, bench.rack.endpoints.switches[slot].dpd, method, path, body)


def to_mgd(bench: Bench, slot: SwitchSlot, method: str, path: str, body: Json = None) -> Json:
    """Call an mgd."""
    return speak(bench, bench.rack.endpoints.switches[slot].mgd, method, path, body, version="13.0.0")


def to_sled(bench: Bench, sled: UUID, method: str, path: str, body: Json = None) -> Json:
    """Call a sled-agent."""
    return speak(bench, bench.rack.endpoints.sleds[sled], method, path, body, version="49.0.0")


def member_list(*ports: str) -> Json:
    """Return a member list as dpd takes it."""
    return [{"port_id": port, "link_id": 0, "direction": "Underlay"} for port in ports]


def ports_of(bench: Bench, underlay: str, slot: SwitchSlot = SWITCH0) -> set[str]:
    """Return the ports that a chip really copies an underlay group to; none where it has no such group."""
    rows = bench.state()["switches"][slot.value]["underlay_groups"]
    return {port["port_id"] for row in rows if row["group_ip"] == underlay for port in row["members"]}


def sent_to(bench: Bench, target: str, *methods: str) -> list[Json]:
    """Return the calls on record to one target; the reads are left out."""
    return [call for call in bench.calls() if call["target"] == target and (not methods or call["method"] in methods)]


def restart(bench: Bench, target: str, *, keep: bool) -> None:
    """Restart a daemon now."""
    bench.control("POST", "/restarts", {"target": target, "keep_state": keep})


def owed_kinds(report: Report) -> set[tuple[str, str]]:
    """Return targets and kinds of what is owed."""
    return {(target, kind) for target, kind, _ in summary(report)}


def at_rest(bench: Bench, plan: Blueprint) -> None:
    """Assert that *plan* is in effect: one more run converges and writes nothing, and each packet arrives once."""
    report = bench.run(plan)
    assert (report.exit_code, report.counts.get("writes", 0), report.owed) == (0, 0, ())
    wanted = {row.instance_id for tables in plan.sleds.values() for row in tables.subscriptions}
    heard = {**bench.heard(G4, S4), **bench.heard(G6, S6)}
    assert heard == dict.fromkeys(wanted, 1)


def kinds(actions: Iterable[Any]) -> list[str]:
    """Return the kinds of calls, in their order."""
    return [action.call.kind.value for action in actions]


NARROW = evolve(
    RACK,
    switches={
        **RACK.switches,
        SWITCH0: evolve(RACK.switches[SWITCH0], backplane=(RACK.switches[SWITCH0].backplane or ())[:16]),
    },
)
"""The first switch has no port to the third sled."""

NARROW_FILTERED = evolve(NARROW, members=[member(GROUP4, PICKER, S4), member(GROUP4, MOVER, S4), RACK.members[3]])

RETAGGED = evolve(
    RACK,
    groups=[group(uid(3, 5), G4, underlay_group_id=uid(4, 4)), RACK.groups[1]],
    members=[evolve(row, group_id=uid(3, 5)) if row.group_id == GROUP4 else row for row in RACK.members],
)
"""The first group's row is another one, so that its tag is another one too."""
