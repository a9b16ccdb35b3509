"""Twins of the executor that each have one mistake, to show that the campaign finds such mistakes.

A twin is a table of names in modules and what stands there instead. This file does not know what is wrong then.
"""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from attrs import evolve

from blueprints.addresses import Address
from executor import bodies, differences, gates, sled_differences
from executor.actions import FORMS, Form, Tier
from executor.changes import Change, Kind
from executor.changeset import Difference, Part
from executor.fence import Fence
from executor.gates import Ledger
from executor.journal import Intents, JournalFile
from executor.memory import Memory
from executor.ownership import Ownership
from executor.run import Run
from executor.sled_differences import SledView

Bug = tuple[Any, str, Any]
"""A module or a class, a name in it, and what stands there instead."""


def _forms(**changed: Form) -> list[Bug]:
    """Return the table of actions with other rows, wherever it was imported to."""
    table = MappingProxyType({**FORMS, **{Kind(name): form for name, form in changed.items()}})
    users = [module for name, module in sorted(sys.modules.items()) if name.startswith("executor.")]
    return [(module, "FORMS", table) for module in users if getattr(module, "FORMS", None) is FORMS]


def _tiers(**tiers: Tier) -> list[Bug]:
    return _forms(**{name: evolve(FORMS[Kind(name)], tier=tier) for name, tier in tiers.items()})


async def _nothing_read_back(self: Run, difference: Difference, *, narrowed: bool) -> Difference:
    del narrowed
    self.unread.clear()
    return evolve(difference, changes=())


def _joins_once() -> list[Bug]:
    told = sled_differences._subscriptions

    def again(view: SledView, moved: Mapping[Address, bool]) -> Iterator[Any]:
        mapped = {pair.group for pair in view.seen.m2p or ()}
        for item in told(view, moved):
            for change in item if isinstance(item, Part) else (item,):
                if change.kind is not Kind.JOIN or change.subject not in mapped:
                    yield change

    return [(sled_differences, "_subscriptions", again)]


def _without_sources(row: Any) -> Any:
    return {"group_ip": str(row.group_ip), "sources": []}


def _undrained(changes: Collection[Change], *_: Any, **__: Any) -> list[Change]:
    return list(changes)


TWINS: Mapping[str, Callable[[], list[Bug]]] = MappingProxyType(
    {
        "leaves after the mapping was cleared": lambda: _tiers(leave=Tier.M2P_CLEAR, m2p_clear=Tier.LEAVE),
        "clears a next hop before it sets another": lambda: _forms(
            hop_change=evolve(FORMS[Kind.HOP_CHANGE], method="DELETE", body=bodies.forwarding_clear_body)
        ),
        "leaves the old next hop in use": lambda: [(sled_differences, "switched_off", lambda hop: hop)],
        "deletes a group before sleds turn away from it": lambda: _tiers(external_delete=Tier.DRAIN),
        "ignores the journal": lambda: [(JournalFile, "read", lambda *_: Intents())],
        "believes calls instead of reading back": lambda: [(Run, "_read_back", _nothing_read_back)],
        "takes every external group for its own": lambda: [(Ownership, "owns_external", lambda *_: True)],
        "takes every mapping for its own": lambda: [(Ownership, "owns_mapping", lambda *_: True)],
        "looks at no fence": lambda: [(Fence, "closed", lambda _: None)],
        "joins only where it has just mapped": _joins_once,
        "tells joins without their sources": lambda: _forms(join=evolve(FORMS[Kind.JOIN], body=_without_sources)),
        "waits for nothing that failed": lambda: [(Ledger, "closed", lambda *_: None)],
        "rewrites filters where sleds send": lambda: [(differences, "drained", _undrained)],
        "asks nobody before it costs packets": lambda: [(gates, "accepted", lambda *_, **__: True)],
        "does not wait for an address to be free": lambda: [(Memory, "occupied", lambda *_: {})],
        "takes what it could not read for empty": lambda: [(differences._Comparison, "knows", lambda *_: True)],
    }
)
"""What each does wrong."""


@contextmanager
def seeded(twin: str) -> Iterator[None]:
    """Let the executor be *twin* while the context lasts."""
    bugs = TWINS[twin]()
    right = [(owner, name, owner.__dict__[name]) for owner, name, _ in bugs]
    try:
        for owner, name, wrong in bugs:
            setattr(owner, name, wrong)
        yield
    finally:
        for owner, name, was in right:
            setattr(owner, name, was)
