"""Grounds: what an entry of a blueprint rests on, while it is collected and when it is told.

`RULES` is the table of everything that a cause may say. This file does not know which entries there are.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from attrs import field, frozen

RULES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "group_row": ("a live row of a group is planned", "admitted_groups"),
        "group_peopled": ("a group that is still being created is planned once it has a live member", "receivers"),
        "group_succeeds": ("a group that is planned already does not wait for an older one", "admitted_groups"),
        "underlay_kept": ("the parent's address, else the row's, else the first free one", "underlay_addresses"),
        "underlay_taken": ("addresses to which lower salts lead are taken, or would be first", "underlay_addresses"),
        "next_hop": ("the parent's choice while its switch is there, else rendezvous hashing", "next_hops"),
        "switch": ("the snapshot has the switch", "switch_tables"),
        "membership": ("a live membership lets an instance hear", "receivers"),
        "instance": ("an instance hears while its process is on a sled", "receivers"),
        "hearing_sled": ("a process hears on a sled that takes part", "receivers"),
        "sources_kept": ("where no source can be granted, those of the parent stay", "receivers"),
        "source_named": ("every live member's sources count, parked ones too", "group_sources"),
        "source_any": ("a live member that names no source takes any", "group_sources"),
        "source_kept": ("a group that lost its last member keeps the sources it had", "group_sources"),
        "sled": ("a sled takes part while its row says so, or while no row contradicts the parent", "routing_sleds"),
        "nic": ("NICs are those that the row tells, else those of the parent", "routing_sleds"),
        "port": ("a sled is behind the port that DDM, else inventory, else the parent names", "sled_ports"),
        "incomplete": ("behind a port that nobody vouches for somebody hears", "switch_tables"),
        "owed": ("a leave is owed while the process lives", "departures"),
        "transition": ("the row is told what will be in effect", "transitions"),
        "process_gone": ("a member is parked once its instance's VMM is gone", "transitions"),
        "group_ends": ("members of a group that is being deleted end with it", "transitions"),
        "leave_sent": ("a tombstone needs its sled until the leave is sent", "transitions"),
        "held": ("a row that cannot be right is neither planned nor removed", "admitted_groups"),
        "held_with": ("of several groups on one address none is planned", "admitted_groups"),
        "asleep": ("what the parent had is remembered while the feature is off", "plan"),
    }
)
"""Name of a rule to what it says, and the pass whose head promises it."""


@frozen(kw_only=True)
class Cause:
    """A rule, and the facts of which any one would do for it."""

    rule: str
    any_of: tuple[str, ...]


@frozen(kw_only=True)
class Entry:
    """The smallest thing that a table says."""

    table: str
    names: Mapping[str, str]
    """What it is about: ``group``, ``switch``, ``sled`` and so on."""

    value: str

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it the same entry in another blueprint."""
        return (self.table, *self.names, *self.names.values())


@frozen(kw_only=True)
class Explanation:
    """An entry with what it rests on."""

    entry: Entry
    because: tuple[Cause, ...]
    given: frozenset[str]
    """Facts that could have made it another entry, or none, and did not."""

    @property
    def cited(self) -> frozenset[str]:
        """Every fact that the entry depends on."""
        return self.given.union(*(cause.any_of for cause in self.because))


@frozen
class Grounds:
    """What is found to matter, while it is collected."""

    because: dict[Cause, None] = field(factory=dict)
    given: set[str] = field(factory=set)

    def on(self, rule: str, any_of: Iterable[str]) -> "Grounds":
        """Add a cause; one without facts is none."""
        several = tuple(dict.fromkeys(any_of))
        if several:
            self.because[Cause(rule=rule, any_of=several)] = None
        return self

    def but(self, *given: str) -> "Grounds":
        """Add facts that could have made a difference."""
        self.given.update(given)
        return self

    def also(self, *others: "Grounds") -> "Grounds":
        """Add all that others rest on."""
        for other in others:
            self.because.update(other.because)
            self.given.update(other.given)
        return self

    def aside(self, *others: "Grounds") -> "Grounds":
        """Add what others rest on as facts that could have made a difference."""
        for other in others:
            self.given.update(other.given, *(cause.any_of for cause in other.because))
        return self

    def of(self, table: str, value: object, **names: object) -> Explanation:
        """Return the explanation of the entry."""
        entry = Entry(table=table, names={kind: str(name) for kind, name in names.items()}, value=str(value))
        return Explanation(entry=entry, because=tuple(self.because), given=frozenset(self.given))
