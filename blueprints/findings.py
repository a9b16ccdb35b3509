"""Findings: what a planner or a check wants people to know, as data.

`FINDINGS` is the one table of codes; the documentation quotes it. This file does not know who finds what.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from attrs import frozen

from blueprints.errors import InvariantError


class Severity(StrEnum):
    """How much a finding weighs; sorts from heavy to light by `WEIGHTS`."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


WEIGHTS: Mapping[Severity, int] = MappingProxyType({s: place for place, s in enumerate(Severity)})

_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE

FINDINGS: Mapping[str, tuple[Severity, str]] = MappingProxyType(
    {
        "multicast_disabled": (_N, "the feature is off: nothing is planned and nothing removed"),
        "capacity_exceeded": (_E, "a switch has no room for what is planned: nothing of the plan is carried out"),
        "switch_missing": (_W, "a rack has two switches and the snapshot knows one"),
        "switch_address_contradicted": (_W, "witnesses disagree on where a switch is: the first one is believed"),
        "sled_of_other_rack": (_N, "the datastore knows sleds of other racks: left out"),
        "sled_nics_unstated": (_N, "nothing can be asked which NICs sleds have, and nobody stated it"),
        "sled_row_missing": (_W, "the parent knows a sled that has no row: kept as it was"),
        "sled_nics_unknown": (_W, "nobody said which NICs a sled has: its filters are those of the parent"),
        "sled_serial_shared": (_W, "two sleds carry one serial: it names neither"),
        "port_unknown": (_W, "no source says behind which port a sled is: its groups only gain members there"),
        "port_conflict": (_W, "DDM, or the parent's memory of it, and inventory disagree on a port: DDM wins"),
        "port_ambiguous": (_W, "one sled is seen behind several ports of one switch: none is believed"),
        "port_claimed_twice": (_W, "two sleds are said to be behind one port: the weaker claim is dropped"),
        "port_not_on_backplane": (_W, "a port is not in the switch's backplane list: not believed"),
        "backplane_unknown": (_W, "neither switch told its backplane: no port can be checked"),
        "peers_unknown": (_W, "a switch did not tell its DDM peers: ports come from inventory"),
        "inventory_unknown": (_W, "no inventory: ports come from DDM alone"),
        "inventory_errors": (_N, "the inventory collection had errors: absence from it proves nothing"),
        "inventory_stale": (_W, "the inventory is old, or from the future: ports that rest on it remove nothing"),
        "slot_claimed_twice": (_W, "two service processors of sleds say one slot: neither is believed"),
        "group_address_refused": (_E, "a group's address is outside the permitted ranges: group held"),
        "group_address_shared": (_E, "two live groups on one address: both held"),
        "group_underlay_shared": (_E, "two live groups on one underlay group: both held"),
        "group_row_contradicts_itself": (_E, "a live state with a deletion time: group held"),
        "group_vni_refused": (_E, "a group's network identifier is not the rack's: group held"),
        "group_tag_refused": (_W, "the stored tag is one that switches refuse: the canonical one is used"),
        "group_tag_differs": (_N, "the stored tag is not the canonical one: the stored one is kept"),
        "group_waits_for_teardown": (_N, "an older group on the same address is still being taken down"),
        "group_without_members": (_N, "no live member: nothing is added; removed once the grace is over"),
        "underlay_row_missing": (_W, "a group names an underlay row that is not there"),
        "underlay_row_differs": (_W, "row and parent disagree on the underlay address: the parent's is kept"),
        "underlay_address_refused": (_E, "the stored underlay address is outside ff04::/64: group held"),
        "underlay_salt_differs": (_N, "the stored salt does not lead to the stored underlay address: address kept"),
        "underlay_exhausted": (_E, "all salts lead to taken addresses: group held"),
        "underlay_row_orphaned": (_N, "no group names this underlay row; its address stays taken"),
        "member_of_unknown_group": (_W, "a live member's group has no row: member not planned"),
        "member_of_ending_group": (_W, "a live member of a group that is going: not planned"),
        "member_address_differs": (_W, "a member's copy of the group address is not the group's: group's is used"),
        "member_repeated": (_W, "an instance is twice a live member of one group: the first row counts"),
        "member_instance_unknown": (_W, "a live member's instance has no row: no receiver"),
        "member_sled_unknown": (_W, "a receiver's sled has no row and no parent: not planned"),
        "member_sled_out_of_service": (_N, "a receiver's sled is expunged or decommissioned: not called"),
        "member_source_refused": (_E, "a member's source is not one that switches accept: left out"),
        "member_sources_refused": (_E, "no acceptable source remains: the parent's are kept, or no receiver"),
        "member_sources_many": (
            _W,
            "a member names more sources than a join may: somebody wrote the row past the API",
        ),
        "group_sources_many": (_W, "members name more sources than a group may have: planned, if a switch has room"),
        "member_without_source": (_E, "a source-specific group needs sources: the parent's are kept, or no receiver"),
    }
)


@frozen(kw_only=True)
class Finding:
    """One thing found, about one subject."""

    code: str
    severity: Severity
    subject: str
    """What it is about, such as ``group 5f0c…`` or ``sled …``."""

    message: str


def finding(code: str, subject: str, message: str) -> Finding:
    """Return the finding *code* with the severity of the table.

    Raises:
        InvariantError: the table does not know *code*.
    """
    if code not in FINDINGS:
        raise InvariantError("FINDINGS", f"no such code: {code}")
    return Finding(code=code, severity=FINDINGS[code][0], subject=subject, message=message)


def sorted_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return each finding once, by code, subject and message."""
    return tuple(sorted(set(findings), key=lambda f: (f.code, f.severity, f.subject, f.message)))


def heaviest_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return *findings* as people want to read them: errors, warnings, notes."""
    return tuple(sorted(findings, key=lambda f: (WEIGHTS[f.severity], f.code, f.subject, f.message)))
