"""What is fixed about the report of a run (`format: rackcast.report/1`), for who writes it and who rests on it.

This file does not know how a blueprint is carried out, nor what follows from a report.
"""

from enum import StrEnum
from typing import Any
from uuid import UUID

from attrs import frozen

from blueprints.blueprint import Blueprint

REPORT_FORMAT = "rackcast.report/1"


class Outcome(StrEnum):
    """How a run ended."""

    CONVERGED = "converged"
    DIFFERENCES = "differences"
    PARTIAL = "partial"
    CONSENT = "consent"
    REFUSED = "refused"
    FENCED = "fenced"


class TargetState(StrEnum):
    """Where one target stands after a run; the later of two that hold is the one that is told."""

    APPLIED = "applied"
    """It holds what the blueprint has, as far as that can be read."""
    OWED = "owed"
    """Something is missing; running again may bring it about."""
    FOREIGN = "foreign"
    """Somebody else's object, or one that is held, stands where ours should; the rest of it is done."""
    CONSENT = "needs_consent"
    """Somebody has to accept a loss first."""
    WEDGED = "wedged"
    """Running again will not mend it: somebody has to look."""


@frozen(kw_only=True)
class CarriedOut:
    """The blueprint that a run was about."""

    id: UUID
    digest: str
    generation: int

    @classmethod
    def naming(cls, blueprint: Blueprint) -> "CarriedOut":
        """Return the name of *blueprint*."""
        return cls(id=blueprint.id, digest=blueprint.digest, generation=blueprint.generation)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"id": str(self.id), "digest": self.digest, "generation": self.generation}
