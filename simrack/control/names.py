"""The internal DNS zone by hand: what it holds, and racks that publish fewer services.

This file does not know the wire format.
"""

from collections.abc import Callable

from attrs import define

from simrack.naming import SERVICES, RackNames, Zone
from simrack.web.answers import Answer, answer, bad_request
from simrack.web.requests import Request, need
from simrack.web.router import Route


@define
class NameControl:
    """Calls about names."""

    zone: Zone
    names: Callable[[], RackNames]
    """What the rack has to name."""

    def routes(self) -> tuple[Route, ...]:
        """Return the table of calls."""
        return (
            Route("GET", "/names", lambda _: answer(self._shown())),
            Route("PUT", "/names", self._publish),
        )

    def _publish(self, request: Request) -> Answer:
        """Services that are not named are published no longer, those of all switch zones at once."""
        kinds = {label: kind for kind, label in SERVICES.items()}
        services = need(request.json(), "services", list)
        unknown = sorted(str(label) for label in services if label not in kinds)
        if unknown:
            raise bad_request(f"no service {', '.join(unknown)}; there are {', '.join(kinds)}")
        self.zone.publish(self.names().records([kinds[label] for label in services]))
        return answer(self._shown())

    def _shown(self) -> dict[str, object]:
        rows = [{"name": row.name, "type": row.kind, "data": row.text} for row in sorted(self.zone.records)]
        return {"generation": self.zone.generation, "records": rows}
