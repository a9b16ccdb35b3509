"""Comparing a blueprint with a rack, without sending anything but reads.

This file does not know how a difference is shown to people.
"""

from collections import Counter
from typing import Any

from attrs import field, frozen

from blueprints.blueprint import Blueprint
from blueprints.endpoints import Endpoints, SubscriptionForm
from blueprints.observation import Observation
from blueprints.run_report import Outcome
from executor.calls import call_for
from executor.changes import Change
from executor.changeset import Difference
from executor.classes import Classified, classified
from executor.differences import differences
from executor.exchanges import Listener
from executor.limits import Limits
from executor.observe import observe, zones_of
from executor.report import EXIT_CODES, by_observability, call_json, conflict_json
from executor.targets import targets_of


@frozen(kw_only=True)
class Comparison:
    """What a rack holds, and what sets it apart from a blueprint."""

    observation: Observation
    difference: Difference = field(repr=False)
    """Not in the repr, which `asyncio.run` asks for."""

    subscriptions: SubscriptionForm
    classes: Classified
    """What every object is to the blueprint."""

    @property
    def outcome(self) -> Outcome:
        """Differences weigh more than targets that did not answer."""
        if self.difference.changes or self.difference.conflicts:
            return Outcome.DIFFERENCES
        return Outcome.PARTIAL if self.difference.unknown else Outcome.CONVERGED

    @property
    def exit_code(self) -> int:
        """What the command returns."""
        return EXIT_CODES[self.outcome]

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as plain data; each change with the call that would bring it about."""
        return {
            "outcome": self.outcome.value,
            "changes": [self._change(change) for change in self.difference.changes],
            "repeated": dict(sorted(Counter(change.kind.value for change in self.difference.asserts).items())),
            "observability": by_observability((part.kind, len(part)) for part in self.difference.everything.parts),
            "unknown": [{"target": each.target, "reason": each.reason} for each in self.difference.unknown],
            "conflicts": [conflict_json(conflict) for conflict in self.difference.conflicts],
            "foreign": [{"target": str(each.target), "what": each.what} for each in self.difference.foreign],
            "held": [{"target": str(each.target), "what": each.what} for each in self.difference.held],
            "members_elsewhere": len(self.difference.members_elsewhere),
            "objects": self.classes.as_json(),
        }

    def _change(self, change: Change) -> dict[str, Any]:
        return {**call_json(call_for([change], self.subscriptions)), "subject": change.subject.text}


async def compare(
    blueprint: Blueprint, endpoints: Endpoints, *, limits: Limits | None = None, listener: Listener | None = None
) -> Comparison:
    """Return what sets the rack behind *endpoints* apart from *blueprint*; *listener* is told of every request.

    A daemon that does not answer is among the unknown; only what was read is compared.
    """
    observation = await observe(endpoints, targets_of(blueprint), limits=limits, listener=listener)
    return Comparison(
        observation=observation,
        difference=differences(blueprint, observation, zones=zones_of(endpoints)),
        subscriptions=endpoints.subscriptions,
        classes=classified(blueprint, observation),
    )
