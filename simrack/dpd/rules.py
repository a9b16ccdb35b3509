"""What dpd refuses before it touches a table.

Each function returns nothing or raises the 400. This file does not know tables.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv6Network

from blueprints.addresses import Address
from simrack.addresses import dpd_source_refusal, group_refusal, is_source_specific, is_underlay
from simrack.dpd.model import External, Sources
from simrack.web.answers import bad_request

_TAG = re.compile(r"[A-Za-z0-9_.:-]{1,80}")

TAG_MISMATCH = "tag mismatch: provided tag does not match the group's tag"
"""Never says what the stored tag is."""


def check_tag(tag: str) -> None:
    """Refuse a tag that dpd cannot store.

    Raises:
        HttpError: 400.
    """
    if not _TAG.fullmatch(tag):
        raise bad_request("invalid tag: 1 to 80 characters of A-Z a-z 0-9 _ . : -")


def check_group(group: Address) -> None:
    """Refuse what may not be an external group.

    Raises:
        HttpError: 400.
    """
    reason = group_refusal(group)
    if reason is not None:
        raise bad_request(reason)


def check_underlay(group: Address) -> None:
    """Refuse what is no underlay group.

    Raises:
        HttpError: 400.
    """
    if not is_underlay(group):
        raise bad_request(f"{group} is not in ff04::/64")


_MAIN_SSM = IPv6Network("ff30::/12")


def check_external(group: Address, external: External, *, main: bool = False) -> None:
    """Refuse attributes that do not fit *group* or each other.

    The revision *main* takes more groups of IPv6 to be source-specific.

    Raises:
        HttpError: 400.
    """
    check_underlay(external.nat.internal_ip)
    if not 0 <= external.nat.vni < 1 << 24:
        raise bad_request(f"VNI {external.nat.vni} does not fit into 24 bits")
    if external.vlan_id is not None and not 2 <= external.vlan_id <= 4095:
        raise bad_request(f"VLAN {external.vlan_id} is not 2 to 4095")
    for source in external.sources or ():
        reason = dpd_source_refusal(source)
        if reason is not None:
            raise bad_request(reason)
    if external.sources is None and (is_source_specific(group) or (main and group.ip in _MAIN_SSM)):
        raise bad_request(f"{group} is source-specific and needs at least one source")


def canonical_sources(sources: Iterable[Address | None]) -> Sources:
    """Return *sources* sorted and once each; an empty list or one with any source (None) is any source."""
    exact: list[Address] = []
    for source in sources:
        if source is None:
            return None
        exact.append(source)
    return tuple(sorted(set(exact))) or None
