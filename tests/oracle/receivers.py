"""Who hears what, worked out a second time: straight from the rows, member by member, without the planner's help.

Written from the state tables of the rack's own documentation. Slow and flat on purpose; imports nothing of
the planner.
"""

from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import NamedTuple
from uuid import UUID

from blueprints.snapshot import Group, Instance, Member, Snapshot, Vmm


class Hearing(NamedTuple):
    """One subscription that shall stand."""

    group_id: UUID
    sled_id: UUID
    instance_id: UUID
    propolis_id: UUID
    group_ip: str
    sources: tuple[str, ...]


def good_group(ip: IPv4Address | IPv6Address) -> bool:
    """Return whether a customer's group may have this address."""
    if isinstance(ip, IPv4Address):
        bad = ("224.0.0.0/24", "232.0.0.0/24")
        return ip in ip_network("224.0.0.0/4") and not any(ip in ip_network(net) for net in bad)
    digits = ip.exploded.replace(":", "")
    if digits[:2] != "ff" or digits[3] not in "458e" or digits[:4] == "ff04":
        return False
    if digits[2] == "3" and digits[4:8] == "0000":  # source-specific
        return digits[8:24] == "0" * 16 and digits[24] in "89abcdef"
    return True


def source_specific(ip: IPv4Address | IPv6Address) -> bool:
    """Return whether the group needs named sources."""
    if isinstance(ip, IPv4Address):
        return ip in ip_network("232.0.0.0/8")
    digits = ip.exploded.replace(":", "")
    return digits[:3] == "ff3" and digits[4:8] == "0000"


def good_source(ip: IPv4Address | IPv6Address) -> bool:
    """Return whether somebody can send from this address."""
    nets = {
        4: ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),
        6: ("::/128", "::1/128", "fe80::/10", "ff00::/8"),
    }
    return not any(ip in ip_network(net) for net in nets[ip.version])


def wanted_group(snapshot: Snapshot, group: Group) -> bool:
    """Return whether the rows alone allow *group* to be planned (underlay addresses aside), for a first plan."""
    live = [row for row in snapshot.groups if row.state in ("creating", "active") and row.time_deleted is None]
    if group not in live or group.vni != 77 or not good_group(group.multicast_ip.ip):
        return False
    claims = [row for row in snapshot.groups if row.state in ("creating", "active")]
    if Counter(row.multicast_ip.text for row in claims)[group.multicast_ip.text] > 1:
        return False
    going = [row.multicast_ip for row in snapshot.groups if row.state == "deleting" and row.underlay_group_id]
    return not (group.state == "creating" and group.multicast_ip in going)


def live_members(snapshot: Snapshot, group: Group) -> list[Member]:
    """Return the live members of *group*, one for each instance."""
    found: dict[UUID, Member] = {}
    for row in sorted(snapshot.members, key=lambda row: row.id):
        if row.group_id == group.id and row.time_deleted is None:
            found.setdefault(row.instance_id, row)
    return list(found.values())


def granted(group: Group, member: Member) -> list[str] | None:
    """Return the sources *member* may hear, empty for any, None if it can hear nothing."""
    if not member.source_ips:
        return None if source_specific(group.multicast_ip.ip) else []
    same = [source.ip for source in member.source_ips if source.family == group.multicast_ip.family]
    good = [ip for ip in same if good_source(ip)]
    return [str(ip) for ip in sorted(good, key=int)] or None


def on_a_sled(vmm: Vmm | None) -> list[Vmm]:
    """Return the process if it exists on its sled."""
    return [] if vmm is None or vmm.state in ("creating", "saga_unwound", "destroyed") else [vmm]


def hearing_processes(member: Member, instance: Instance | None) -> list[Vmm]:
    """Return the processes that shall hear for *member*, whatever sleds they are on."""
    if instance is None or instance.state != "vmm":
        return []
    active = instance.active_vmm
    if instance.migration_id is not None:
        return on_a_sled(active) + on_a_sled(instance.target_vmm)
    if active is None:
        return []
    if active.state in ("starting", "running", "rebooting", "migrating"):
        return [active]
    if active.state in ("stopping", "stopped", "failed") and member.state == "joined":
        return [active]
    return []


def serving_sleds(snapshot: Snapshot) -> set[UUID]:
    """Return the sleds that take part in the rack's virtual networks."""
    return {row.id for row in snapshot.sleds if row.policy != "expunged" and row.state == "active"}


def would_hear(snapshot: Snapshot, without: set[UUID]) -> set[Hearing]:
    """Return every subscription that a first plan of *snapshot* would hold if all sleds served.

    Args:
        snapshot: the rows.
        without: groups that are held for the sake of their underlay addresses.
    """
    instances = {row.id: row for row in snapshot.instances}
    found = set()
    for group in snapshot.groups:
        if group.id in without or not wanted_group(snapshot, group):
            continue
        for member in live_members(snapshot, group):
            sources = granted(group, member)
            for vmm in hearing_processes(member, instances.get(member.instance_id)):
                if sources is not None:
                    found.add(
                        Hearing(
                            group_id=group.id,
                            sled_id=vmm.sled_id,
                            instance_id=member.instance_id,
                            propolis_id=vmm.id,
                            group_ip=group.multicast_ip.text,
                            sources=tuple(sources),
                        )
                    )
    return found


def hearings(snapshot: Snapshot, without: set[UUID]) -> set[Hearing]:
    """Return every subscription that a first plan of *snapshot* shall hold, but for the groups *without*."""
    sleds = serving_sleds(snapshot)
    return {row for row in would_hear(snapshot, without) if row.sled_id in sleds}


def astray(snapshot: Snapshot, without: set[UUID]) -> set[UUID]:
    """Return the groups that somebody would hear on a sled that has no row."""
    known = {row.id for row in snapshot.sleds}
    return {row.group_id for row in would_hear(snapshot, without) if row.sled_id not in known}
