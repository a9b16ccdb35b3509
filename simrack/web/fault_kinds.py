"""The kinds of fault: whom each strikes, what happens, and what may be said about it.

A fault of a call spoils one exchange over HTTP, one within a daemon strikes where its machine asks for it, and one of
a question spoils an answer of the name server. This file does not know who plays them.
"""

from collections.abc import Mapping
from enum import Flag, auto
from types import MappingProxyType
from typing import Any

from attrs import field, frozen


class Strikes(Flag):
    """What a kind of fault spoils."""

    CALL = auto()
    """An exchange with a daemon."""

    WITHIN = auto()
    """Something that a daemon does."""

    QUESTION = auto()
    """A question to the name server."""


@frozen(kw_only=True)
class FaultKind:
    """One row of the table of kinds."""

    strikes: Strikes
    what: str
    where: str = "*"
    """The targets that it can strike, as a pattern."""

    takes: frozenset[str] = frozenset()
    """Options that mean nothing to other kinds."""

    needs: frozenset[str] = frozenset()
    """Options without which it means nothing."""

    usual: Mapping[str, Any] = field(factory=dict)
    """Values of options that are not given, where they differ from those of other kinds."""

    @property
    def is_within(self) -> bool:
        """Whether it strikes within a daemon."""
        return self.strikes is Strikes.WITHIN

    @property
    def strikes_questions(self) -> bool:
        """Whether the name server plays it."""
        return bool(self.strikes & Strikes.QUESTION)


def _call(what: str, *takes: str, needs: str = "", **usual: Any) -> FaultKind:
    needed = frozenset(needs.split())
    return FaultKind(strikes=Strikes.CALL, what=what, takes=frozenset(takes) | needed, needs=needed, usual=usual)


def _both(what: str) -> FaultKind:
    return FaultKind(strikes=Strikes.CALL | Strikes.QUESTION, what=what)


def _within(where: str, what: str) -> FaultKind:
    return FaultKind(strikes=Strikes.WITHIN, what=what, where=where)


DNS = "dns"
"""How faults name the name server."""

_MEBIBYTE = 1 << 20

FAULT_KINDS: Mapping[str, FaultKind] = MappingProxyType(
    {
        # No answer.
        "refuse": _both("the connection is closed without an answer and without the effect"),
        "timeout_before": _both("no effect, and no answer until the client gives up"),
        "timeout_after": _both("the effect takes place, and no answer comes"),
        "late_effect": _call("no answer; the effect takes place some time after the client gave up"),
        "half_open": _call("no effect; the connection stays open, nothing on it is answered or even closed any more"),
        "restart_empty": _call("the daemon dies instead of answering and comes back with nothing"),
        "restart_with_state": _call("the daemon dies instead of answering and comes back with what outlives it"),
        # Another answer, without the effect.
        "status": _both("the given status instead of the effect; a 1xx and nothing after it"),
        "redirect": _call("no effect; the client is sent elsewhere", needs="location", status=307),
        "not_http": _call("no effect; what comes is not HTTP, and the connection ends"),
        # Half an answer, or one without end, after the effect.
        "stalled_head": _call("the effect takes place; the answer's head stops in the middle of a line"),
        "slow_body": _call("the effect takes place; the body comes one octet at a time"),
        "truncated_body": _call("the effect takes place; the connection is closed halfway through the body"),
        "huge_body": _call("the effect takes place; the body is followed by blanks", "size", size=64 * _MEBIBYTE),
        "endless_chunks": _call("the effect takes place; the body is followed by blanks without end"),
        "gzip_bomb": _call(
            "the effect takes place; the body is followed by blanks, all packed small", "size", size=64 * _MEBIBYTE
        ),
        # Another content, after the effect. An answer without a body stays as it is.
        "content_type": _call("the answer says to be something else", "content_type"),
        "byte_order_mark": _call("the body begins with a byte order mark"),
        "body": _call("the given text is the body", "content_type", needs="body"),
        "empty_body": _call("the body is left out"),
        "not_a_number": _call("the first number of the body is NaN"),
        "duplicate_key": _call("the first object of the body has its first key twice"),
        "deep_nesting": _call("the body holds lists in lists", "depth"),
        "set_field": _call("a field of the body has the given value", needs="field value"),
        "drop_field": _call("a field of the body is left out", needs="field"),
        "partial_list": _call("of the list in the body only the first entries are there", "keep"),
        "repeated_page": _call("each page of a list is followed by the first one again, always under the same token"),
        "endless_pages": _call("each page of a list is followed by the first one again, always under another token"),
        # Somebody else.
        "another_call": _call("another client calls right after the effect and before the answer", needs="call"),
        # Within a daemon.
        "nic_join": _within("sled *", "a sled's NIC refuses to join an underlay group"),
        "m2p_clear": _within("sled *", "a sled's packet engine refuses to clear a mapping"),
        "slow_engine": _within(
            "sled *", "a join or leave, its VMM looked up, takes a while to reach the packet engine"
        ),
        "unknown_vmm": _within("sled *", "a sled-agent answers calls about VMMs unknown to it with the given status"),
        "ports_die": _within("sled *", "a sled-agent that restarts takes all ports of its packet engine along"),
        "no_multicast": _within("* dpd", "a dpd was built without multicast"),
        "entry_missing": _within(
            "* dpd", "a chip lacks an entry that a change or deletion needs: dpd forgets the group"
        ),
        "port_add": _within("* dpd", "a switch's chip refuses to add a port to a group"),
        # Names.
        "records": FaultKind(
            strikes=Strikes.QUESTION,
            where=DNS,
            what="the given records are the answer, each as often as it is given",
            takes=frozenset({"records"}),
            needs=frozenset({"records", "method"}),
        ),
    }
)
