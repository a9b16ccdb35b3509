"""Findings rewritten: ids and addresses in their words, and the three codes whose messages quote free text.

Messages are words and punctuation around ids and addresses; a range such as ``ff04::/64`` is part of a rule and not
an address. What cannot be read with certainty is withheld, never passed on. This file does not know who found what.
"""

import re
from ast import literal_eval
from collections.abc import Callable, Mapping
from types import MappingProxyType
from uuid import UUID

from attrs import evolve

from blueprints.addresses import Address
from blueprints.findings import FINDINGS, Finding
from blueprints.identifiers import Tag
from collector.scrub_records import Leaves

WITHHELD = "withheld"
"""Stands for words of which nobody knows what they say."""

_WORD = re.compile(r"[^\s,;()'\"]+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ADDRESS = re.compile(r"[0-9A-Fa-f]*[:.][0-9A-Fa-f:.]+")
_SERIAL = re.compile(r"serial (.*)", re.DOTALL)
_TAGS = re.compile(r"stored (\S+), canonical (\S+)")
_QUOTED = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*") is not a tag: .*""", re.DOTALL)


def rewritten(finding: Finding, leaves: Leaves) -> Finding:
    """Return *finding* about the same things under their other names."""
    if finding.code not in FINDINGS:
        return evolve(finding, subject=WITHHELD, message=WITHHELD)
    message = _QUOTING.get(finding.code, _words)(finding.message, leaves)
    return evolve(finding, subject=_words(finding.subject, leaves), message=message)


def _words(text: str, leaves: Leaves) -> str:
    return _WORD.sub(lambda match: _word(match[0], leaves), text)


def _word(word: str, leaves: Leaves) -> str:
    if _UUID.fullmatch(word):
        return str(leaves.id(UUID(word)))
    if _ADDRESS.fullmatch(word):
        try:
            address = Address.parse(word)
        except ValueError:
            return word
        return str(leaves.address(address))
    return word


def _shared_serial(message: str, leaves: Leaves) -> str:
    match = _SERIAL.fullmatch(message)
    return WITHHELD if match is None else f"serial {leaves.serial(match[1])}"


def _differing_tags(message: str, leaves: Leaves) -> str:
    match = _TAGS.fullmatch(message)
    return WITHHELD if match is None else f"stored {leaves.tag(match[1])}, canonical {leaves.tag(match[2])}"


def _refused_tag(message: str, leaves: Leaves) -> str:
    """Return what is said of the other tag, which is refused as well."""
    match = _QUOTED.fullmatch(message)
    if match is None:
        return WITHHELD
    try:
        Tag.parse(leaves.tag(literal_eval(match[1])))
    except ValueError as error:
        return str(error)
    return WITHHELD


_QUOTING: Mapping[str, Callable[[str, Leaves], str]] = MappingProxyType(
    {
        "sled_serial_shared": _shared_serial,
        "group_tag_differs": _differing_tags,
        "group_tag_refused": _refused_tag,
    }
)
"""Codes whose messages hold more than ids, addresses and our own words."""
