"""Packets through a simulated rack: which to send so that every group is tried, and who was wrong.

What should arrive is read from the snapshot's rows alone, by code that knows no plan. This file does not know what is
programmed.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any
from uuid import UUID

import httpx
from attrs import evolve, frozen

from blueprints.addresses import Address
from blueprints.snapshot import Instance, Snapshot, VmmState
from simrack.expected import Receiver, expected_receivers

STRANGERS = {4: Address.parse("10.99.99.9"), 6: Address.parse("fd00:99:99::9")}
"""Senders that nobody names, by family."""

NAMED = 2
"""How many of the sources that a group's members name are tried."""


@frozen(kw_only=True)
class Probe:
    """One packet to send."""

    group: Address
    source: Address
    origin: Mapping[str, str]
    """Where it starts: ``{"switch": …}`` or ``{"instance": …}``."""

    @property
    def sender(self) -> UUID | None:
        """The instance that sends it, or None from outside."""
        return UUID(self.origin["instance"]) if "instance" in self.origin else None


@frozen(kw_only=True)
class Outcome:
    """What became of many packets."""

    sent: int
    delivered: int
    """Copies that arrived where they should."""

    wrong: tuple[str, ...]
    """One line for each packet that reached somebody else, nobody, or somebody twice."""


def probes(snapshot: Snapshot) -> Iterator[Probe]:
    """Yield packets for every group: from each switch, a member and somebody else; of named and unknown sources."""
    asked: dict[UUID, set[Address]] = {group.id: set() for group in snapshot.groups}
    inside: dict[UUID, list[UUID]] = {group.id: [] for group in snapshot.groups}
    for row in snapshot.members:
        if row.time_deleted is None and row.group_id in asked:
            asked[row.group_id].update(row.source_ips)
            inside[row.group_id].append(row.instance_id)
    running = [instance.id for instance in snapshot.instances if _runs(instance)]
    for number, group in enumerate(snapshot.groups):
        sources = [*sorted(asked[group.id], key=lambda s: s.key)[:NAMED], STRANGERS[group.multicast_ip.family]]
        member = [name for name in running if name in inside[group.id]][:1]
        other = [running[number % len(running)]] if running else []
        for source in sources:
            for origin in (*_switches(snapshot), *_instances({*member, *other})):
                yield Probe(group=group.multicast_ip, source=source, origin=origin)


def _runs(instance: Instance) -> bool:
    return instance.active_vmm is not None and instance.active_vmm.state is VmmState.RUNNING


def _switches(snapshot: Snapshot) -> Iterator[dict[str, str]]:
    return ({"switch": slot.value} for slot in snapshot.switches)


def _instances(names: Iterable[UUID]) -> Iterator[dict[str, str]]:
    return ({"instance": str(name)} for name in sorted(names))


def send(client: httpx.Client, snapshot: Snapshot, packets: Iterable[Probe]) -> Outcome:
    """Send *packets* through the rack behind *client*, its control interface, and judge them by *snapshot*.

    Raises:
        httpx.HTTPError: the rack does not answer.
    """
    sent = delivered = 0
    wrong = []
    for group, alike in groupby(packets, key=lambda probe: probe.group):
        same = tuple(alike)
        rows = _about(snapshot, group, same)
        for probe in same:
            body = {"group": group.text, "source": probe.source.text, "from": dict(probe.origin)}
            answer = client.post("/packets", json=body).raise_for_status().json()
            wanted = expected_receivers(rows, group, probe.source, probe.sender)
            said = _judge(answer["delivered"], wanted)
            sent += 1
            delivered += len(wanted) if not said else 0
            if said:
                wrong.append(f"{group} from {probe.source} at {next(iter(probe.origin.values()))}: {said}")
    return Outcome(sent=sent, delivered=delivered, wrong=tuple(wrong))


def _about(snapshot: Snapshot, group: Address, packets: Iterable[Probe]) -> Snapshot:
    """Return *snapshot* with only the members and instances that *packets* to *group* can be about."""
    groups = {row.id for row in snapshot.groups if row.multicast_ip == group}
    members = [row for row in snapshot.members if row.group_id in groups]
    names = {row.instance_id for row in members} | {probe.sender for probe in packets}
    return evolve(snapshot, members=members, instances=[row for row in snapshot.instances if row.id in names])


def _judge(delivered: list[dict[str, Any]], wanted: set[Receiver]) -> str:
    """Return what is wrong with a delivery, or nothing."""
    got = {
        (UUID(row["instance_id"]), UUID(row["propolis_id"]), UUID(row["sled_id"])): row["copies"] for row in delivered
    }
    troubles = [
        *(f"instance {receiver[0]} did not hear it" for receiver in sorted(wanted - set(got))),
        *(f"instance {receiver[0]} heard it and should not" for receiver in sorted(set(got) - wanted)),
        *(
            f"instance {receiver[0]} heard it {copies} times"
            for receiver, copies in sorted(got.items())
            if copies != 1
        ),
    ]
    return "; ".join(troubles)
