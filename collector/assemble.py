"""One snapshot of what the datastore holds, what the switches said, and what only people can state.

Of the policy and of the sleds' NICs neither a table nor a call tells: they are stated, or stay at their defaults.
This file does not know where anything was read.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from uuid import UUID

from attrs import evolve, field, frozen

from blueprints.addresses import UnderlayUnicast
from blueprints.endpoints import SwitchEndpoints
from blueprints.errors import InputRejectedError, Mistake
from blueprints.findings import Finding, finding
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Policy, Sled, Snapshot, Source, Switch
from collector.live import Live
from collector.stored import Stored
from collector.switch_addresses import locate


@frozen(kw_only=True)
class Stated:
    """What a user states, because nothing tells it or to overrule what does."""

    rack_id: UUID | None = None
    """Which rack, where the datastore knows several or none."""

    policy: Policy = field(factory=Policy)
    underlay_nics: tuple[str, ...] | None = None
    """NICs that every sled has."""

    switches: Mapping[SwitchSlot, UnderlayUnicast] = field(factory=lambda: MappingProxyType({}))
    """Where switch zones are inside the rack."""


@frozen(kw_only=True)
class Assembled:
    """A snapshot, and what was odd about putting it together."""

    snapshot: Snapshot
    findings: tuple[Finding, ...]


def assemble(
    stored: Stored,
    live: Live,
    *,
    stated: Stated,
    endpoints: Mapping[SwitchSlot, SwitchEndpoints],
    collected_by: str,
) -> Assembled:
    """Return the snapshot of one rack.

    Args:
        stored: one cut through the datastore; its time becomes the snapshot's.
        live: what the switches said, or why they did not.
        stated: what the user says.
        endpoints: where the switches were found.
        collected_by: the program, for people.

    Raises:
        InputRejectedError: it is not said which rack is meant, or where some switch is inside the rack.
    """
    rack_id = rack_of(stored, stated.rack_id)
    sleds = [row.sled for row in stored.sleds if row.rack_id == rack_id]
    located = locate(live, stated.switches, endpoints, sleds)
    snapshot = Snapshot(
        rack_id=rack_id,
        evaluated_at=stored.taken_at,
        source=Source(datastore_schema=str(stored.schema), transaction=stored.transaction, collected_by=collected_by),
        policy=stated.policy,
        switches={
            slot: Switch(underlay_address=located.addresses[slot], backplane=facts.backplane, peers=facts.peers)
            for slot, facts in live.switches.items()
        },
        sleds=[_with_nics(sled, stated.underlay_nics) for sled in sleds],
        inventory=stored.inventory,
        groups=stored.groups,
        underlay_groups=stored.underlay_groups,
        members=stored.members,
        instances=stored.instances,
    )
    return Assembled(snapshot=snapshot, findings=(*located.findings, *_oddities(stored, snapshot)))


def rack_of(stored: Stored, stated: UUID | None) -> UUID:
    """Return the rack that is meant: the one that is *stated*, else the only one whose sleds the datastore knows.

    Raises:
        InputRejectedError: nothing is stated and there is no rack or more than one, or there are only others.
    """
    racks = sorted({row.rack_id for row in stored.sleds})
    known = ", ".join(map(str, racks))
    if stated is not None:
        if racks and stated not in racks:
            raise _rejected(f"no sled of the datastore is in rack {stated}; it knows sleds of {known}")
        return stated
    if not racks:
        raise _rejected("the datastore knows no sled, so nothing says which rack this is; pass --rack-id")
    if len(racks) > 1:
        raise _rejected(f"the datastore knows sleds of several racks; pass --rack-id with one of {known}")
    return racks[0]


def _rejected(message: str) -> InputRejectedError:
    return InputRejectedError("rack", [Mistake("", message)])


def _with_nics(sled: Sled, nics: tuple[str, ...] | None) -> Sled:
    return sled if nics is None else evolve(sled, underlay_nics=nics)


def _oddities(stored: Stored, snapshot: Snapshot) -> Iterator[Finding]:
    others = Counter(row.rack_id for row in stored.sleds if row.rack_id != snapshot.rack_id)
    for rack_id, count in sorted(others.items()):
        yield finding("sled_of_other_rack", f"rack {rack_id}", f"{count} of its sleds left out")
    if len(snapshot.switches) < len(SwitchSlot):
        (slot,) = snapshot.switches
        yield finding("switch_missing", "rack", f"only {slot} is known")
    if snapshot.sleds and all(sled.underlay_nics is None for sled in snapshot.sleds):
        yield finding("sled_nics_unstated", "sleds", "--underlay-nics states them for all")
