"""Names that devices check: port ids, tags, Ethernet group addresses, switch slots.

Each is a type of its own that cannot hold a wrong value. This file does not know what they are used for.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from typing import Self
from uuid import UUID

from attrs import field, frozen

from blueprints.addresses import Address, UnderlayGroup
from blueprints.words import Word

FLEET_VNI = 77
"""The network identifier of all multicast of a rack; guests' own start at 1024."""


class SwitchSlot(Word):
    """The two places of a rack that hold a switch."""

    SWITCH0 = "switch0"
    SWITCH1 = "switch1"

    @property
    def number(self) -> int:
        """The slot as switches and service processors count it."""
        return int(self[-1])


def rendezvous(group: UUID, slots: Iterable[SwitchSlot]) -> SwitchSlot:
    """Return the one of *slots* whose SHA-256 of ``<group uuid>/<slot>`` is the highest.

    When a switch goes, only the groups that had it get another.
    """
    return max(slots, key=lambda slot: sha256(f"{group}/{slot}".encode()).digest())


_PORT = re.compile(r"(rear|qsfp|int)(0|[1-9][0-9]?)", re.IGNORECASE | re.ASCII)
_PORT_LIMITS = {"int": 1, "qsfp": 32, "rear": 32}


@frozen(repr=False)
class PortId:
    """A port of a switch: ``rear0`` to ``rear31``, ``qsfp0`` to ``qsfp31``, ``int0``. Sorts by kind, then number.

    Source:
        dpd's API document, type PortId; case does not matter on input.
    """

    kind: str
    number: int
    text: str = field(init=False, eq=False)
    """As dpd prints it."""

    @text.default
    def _text(self) -> str:
        return f"{self.kind}{self.number}"

    def __lt__(self, other: "PortId") -> bool:
        return (self.kind, self.number) < (other.kind, other.number)

    @staticmethod
    def parse(text: str) -> "PortId":
        """Return the port written as *text*.

        Raises:
            ValueError: no such port exists on a switch.
        """
        return _parse_port(text)

    def __str__(self) -> str:
        """Return it as dpd prints it."""
        return self.text

    def __repr__(self) -> str:
        return f"PortId({self})"


@lru_cache(maxsize=1024)
def _parse_port(text: str) -> PortId:
    match = _PORT.fullmatch(text)
    if match is None or int(match[2]) >= _PORT_LIMITS[match[1].lower()]:
        raise ValueError(f"{text!r} is not a port; ports are rear0 to rear31, qsfp0 to qsfp31 and int0")
    return PortId(match[1].lower(), int(match[2]))


_TFPORT = re.compile(r"tfport(rear|qsfp)(0|[1-9][0-9]?)_([0-9]{1,3})(\.[0-9]+)?")


def port_of_interface(if_name: str) -> tuple[PortId, int] | None:
    """Return port and link of a switch-zone interface, or None for a name of another form.

    Source:
        ddmd's API document, peers' ``if_name``: ``tfport{rear|qsfp}{port}_{link}``, perhaps with ``.vlan``.

    >>> port_of_interface("tfportrear14_0")
    (PortId(rear14), 0)
    """
    match = _TFPORT.fullmatch(if_name)
    if match is None or int(match[2]) > 31 or int(match[3]) > 255:
        return None
    return PortId(match[1], int(match[2])), int(match[3])


_TAG = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


@frozen(order=True, repr=False)
class Tag:
    """Who owns a group on a switch: 1 to 80 characters of ``A-Z a-z 0-9 _ . : -``; never changes once set.

    Source:
        dpd's API document, type MulticastTag.
    """

    text: str = field()

    @text.validator
    def _allowed(self, _: object, text: str) -> None:
        if not _TAG.fullmatch(text):
            raise ValueError(f"{text!r} is not a tag: 1 to 80 characters of A-Z a-z 0-9 _ . : -")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the tag written as *text*.

        Raises:
            ValueError: a character or a length that dpd refuses.
        """
        return cls(text)

    @classmethod
    def of_group(cls, group_id: UUID, address: Address) -> Self:
        """Return the canonical tag, ``<group uuid>:<address>``."""
        return cls(f"{group_id}:{address}")

    @property
    def group_id(self) -> UUID | None:
        """The group that a canonical tag names, or None for a tag of another owner."""
        head, _, tail = self.text.partition(":")
        try:
            Address.parse(tail)
            group = UUID(head)
        except ValueError:
            return None
        return group if head == str(group) else None

    def __str__(self) -> str:
        """Return the tag itself."""
        return self.text

    def __repr__(self) -> str:
        return f"Tag({self.text})"


_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@frozen(order=True, repr=False)
class MulticastMac:
    """An Ethernet group address, six lower-case octets with colons."""

    text: str = field()

    @text.validator
    def _allowed(self, _: object, text: str) -> None:
        if not _MAC.fullmatch(text) or not int(text[:2], 16) & 1:
            raise ValueError(f"{text!r} is not a multicast Ethernet address such as 33:33:e9:fc:00:01")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address written as *text*, in either case.

        Raises:
            ValueError: not six octets, or the multicast bit is not set.
        """
        return cls(text.lower())

    @classmethod
    def of_group(cls, underlay: UnderlayGroup) -> Self:
        """Return the address on which frames for *underlay* are sent.

        Source:
            RFC 2464 section 7: 33:33, then the last four octets.

        >>> str(MulticastMac.of_group(UnderlayGroup.parse("ff04::e9fc:1")))
        '33:33:e9:fc:00:01'
        """
        return cls("33:33:" + underlay.ip.packed[-4:].hex(":"))

    @property
    def octets(self) -> tuple[int, ...]:
        """Six integers, as dpd writes them."""
        return tuple(bytes.fromhex(self.text.replace(":", "")))

    def __str__(self) -> str:
        """Return lower-case text with colons."""
        return self.text

    def __repr__(self) -> str:
        return f"MulticastMac({self.text})"
