"""Which addresses the daemons refuse, each rule with its reason; dpd and mgd share the rules of groups.

Where branches of dpd differ, the stricter one is taken. Written apart from the checks of `blueprints`, so that a
mistake there meets a second opinion here. This file does not know what the addresses are for.
"""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from blueprints.addresses import Address

Networks = tuple[tuple[IPv4Network | IPv6Network, str], ...]


def _networks(*rows: tuple[str, str]) -> Networks:
    return tuple((ip_network(network), reason) for network, reason in rows)


_GROUPS = _networks(
    ("224.0.0.0/24", "in the link-local control block 224.0.0.0/24"),
    ("232.0.0.0/24", "in the reserved source-specific block 232.0.0.0/24"),
    ("ff04::/64", "in the underlay subnet ff04::/64"),
)

_DPD_SOURCES = _networks(
    ("224.0.0.0/4", "multicast"),
    ("0.0.0.0/32", "unspecified"),
    ("127.0.0.0/8", "loopback"),
    ("255.255.255.255/32", "broadcast"),
    ("ff00::/8", "multicast"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("fe80::/10", "link-local"),
)

_MGD_SOURCES = _networks(
    ("224.0.0.0/4", "multicast"),
    ("0.0.0.0/8", "in 0.0.0.0/8"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("240.0.0.0/4", "reserved or broadcast"),
    ("ff00::/8", "multicast"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("fe80::/10", "link-local"),
)

_ROUTED_SCOPES = (0x4, 0x5, 0x8, 0xE)
"""admin-local, site, organization, global."""


def _within(address: Address, networks: Networks) -> str | None:
    for network, reason in networks:
        if address.family == network.version and address.ip in network:
            return reason
    return None


def is_source_specific(group: Address) -> bool:
    """Return whether *group* is in 232.0.0.0/8 or one of ff30::/32 to ff3f::/32."""
    number = int(group.ip)
    if group.family == 4:
        return number >> 24 == 232
    return number >> 116 == 0xFF3 and (number >> 96) & 0xFFFF == 0


def is_underlay(address: Address) -> bool:
    """Return whether *address* is an underlay group to dpd and mgd: in ff04::/64."""
    family, number = address.key
    return family == 6 and number >> 64 == 0xFF04 << 48


def is_admin_local(address: Address) -> bool:
    """Return whether *address* is an underlay group to the packet engine of a sled: in ff04::/16."""
    family, number = address.key
    return family == 6 and number >> 112 == 0xFF04


def is_multicast(address: Address) -> bool:
    """Return whether *address* is a group's: in 224.0.0.0/4 or ff00::/8."""
    family, number = address.key
    return number >> 120 == 0xFF if family == 6 else number >> 28 == 0xE


@lru_cache(maxsize=1 << 14)
def group_refusal(group: Address) -> str | None:
    """Return why dpd and mgd refuse *group* as an external group, or None.

    Source:
        dpd's end-to-end branch, mcast/validate.rs: scopes 4, 5, 8 and e; group ids of source-specific IPv6
        groups from ff3x::8000:0 on.
    """
    if not is_multicast(group):
        return f"{group} is not a multicast address"
    reason = _within(group, _GROUPS)
    if reason is not None:
        return f"{group} is {reason}"
    if group.family == 4:
        return None
    number = int(group.ip)
    if number >> 112 & 0xF not in _ROUTED_SCOPES:
        return f"{group} has a scope that is not routed"
    if is_source_specific(group) and (number >> 32 & (1 << 64) - 1 or not number & 1 << 31):
        return f"{group} is source-specific with a group id outside ff3x::8000:0 to ff3x::ffff:ffff"
    return None


@lru_cache(maxsize=1 << 14)
def dpd_source_refusal(source: Address) -> str | None:
    """Return why dpd refuses *source*, or None. The family is not dpd's concern."""
    reason = _within(source, _DPD_SOURCES)
    return None if reason is None else f"source {source} is {reason}"


@lru_cache(maxsize=1 << 14)
def mgd_source_refusal(source: Address, group: Address) -> str | None:
    """Return why mgd refuses *source* for *group*, or None."""
    if source.family != group.family:
        return f"source {source} and group {group} are of different families"
    reason = _within(source, _MGD_SOURCES)
    return None if reason is None else f"source {source} is {reason}"
