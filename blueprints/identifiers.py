"""Names that devices check: port ids, tags, Ethernet group addresses, switch slots.

Each is a type of its own that cannot hold a wrong value. This file does not know what they are used for.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from typing import Self
from uuid import UUID

from blueprints.addresses import Address, UnderlayGroup
from blueprints.values import Value
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


class PortId(Value):
    """A port of a switch: ``rear0`` to ``rear31``, ``qsfp0`` to ``qsfp31``, ``int0``. Sorts by kind, then number.

    Source:
        dpd's API document, type PortId; case does not matter on input.
    """

    __slots__ = ("kind", "number", "text")

    kind: str
    number: int
    text: str
    """As dpd prints it."""

    def __init__(self, kind: str, number: int) -> None:
        """Take a port that exists."""
        self._keep(kind=kind, number=number, text=f"{kind}{number}")

    def __reduce__(self) -> tuple[type[Self], tuple[str, int]]:
        """Let copies be made from kind and number."""
        return type(self), (self.kind, self.number)

    def __eq__(self, other: object) -> bool:
        return self.text == other.text if isinstance(other, PortId) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)

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


@lru_cache(maxsize=1024)
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


class _Checked(Value):
    """A text of a certain form; sorts by the text."""

    __slots__ = ("text",)

    text: str

    def __init__(self, text: str) -> None:
        """Take *text*.

        Raises:
            ValueError: it has not the form.
        """
        self._check(text)
        self._keep(text=text)

    def _check(self, text: str) -> None:
        raise NotImplementedError

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        """Let copies be made from the text."""
        return type(self), (self.text,)

    def __eq__(self, other: object) -> bool:
        return self.text == other.text if isinstance(other, type(self)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)

    def __lt__(self, other: Self) -> bool:
        return self.text < other.text

    def __str__(self) -> str:
        """Return the text."""
        return self.text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text})"


_TAG = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


class Tag(_Checked):
    """Who owns a group on a switch: 1 to 80 characters of ``A-Z a-z 0-9 _ . : -``; never changes once set.

    Source:
        dpd's API document, type MulticastTag.
    """

    __slots__ = ()

    def _check(self, text: str) -> None:
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


_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


class MulticastMac(_Checked):
    """An Ethernet group address, six lower-case octets with colons."""

    __slots__ = ()

    def _check(self, text: str) -> None:
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
        mac = object.__new__(cls)
        mac._keep(text="33:33:" + underlay.ip.packed[-4:].hex(":"))  # which is one by its making
        return mac

    @property
    def octets(self) -> tuple[int, ...]:
        """Six integers, as dpd writes them."""
        return tuple(bytes.fromhex(self.text.replace(":", "")))
