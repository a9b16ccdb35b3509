"""The ports and links of a switch as dpd shows them; what is no fact of the rack is made up.

This file does not know which ports are members of what.
"""

from collections.abc import Iterable
from typing import Any

from blueprints.identifiers import PortId

Link = tuple[PortId, int]

_SERIALS = {"rear": 0x100, "qsfp": 0x200, "int": 0x300}


def _number(link: Link) -> int:
    port, link_id = link
    return _SERIALS[port.kind] + port.number * 4 + link_id


def _mac(link: Link) -> dict[str, Any]:
    return {"a": [0xA8, 0x40, 0x25, 0xFF, *divmod(_number(link), 256)]}


def show_link(link: Link) -> dict[str, Any]:
    """Return *link* as ``GET /links`` has it.

    Source:
        dpd's API document, type Link.
    """
    port, link_id = link
    return {
        "port_id": str(port),
        "link_id": link_id,
        "address": _mac(link),
        "asic_id": _number(link),
        "tofino_connector": port.number,
        "autoneg": False,
        "enabled": True,
        "fec": "RS",
        "fsm_state": "link up",
        "ipv6_enabled": True,
        "kr": port.kind == "rear",
        "link_state": "up",
        "media": "Copper",
        "prbs": "Mission",
        "presence": True,
        "speed": "Speed100G",
    }


def show_tfport(link: Link) -> dict[str, Any]:
    """Return *link* as ``GET /links/tfport_data`` has it."""
    port, link_id = link
    return {
        "port_id": str(port),
        "link_id": link_id,
        "asic_id": _number(link),
        "mac": _mac(link),
        "ipv6_enabled": True,
        "link_local": f"fe80::aa40:25ff:feff:{_number(link):x}",
    }


def in_order(links: Iterable[Link], containing: str = "") -> list[Link]:
    """Return those *links* whose name, such as ``rear14/0``, contains a text."""
    return [link for link in sorted(links) if containing in f"{link[0]}/{link[1]}"]
