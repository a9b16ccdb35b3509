"""mgd's machine: static multicast routes, and which of them are selected.

Rules:
    G1  A route is known by group, source and VNI; adding is an upsert, an equal one changes nothing.
    G2  A batch is checked whole before anything is written.
    G3  (*,G) is selected at once, (S,G) while there is a unicast route to S.
    G4  Static routes outlive mgd's process.

Source: maghemite, rdb/src/mrib; API document 13.0.0. This file does not know HTTP.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from attrs import define, field, frozen

from blueprints.addresses import Address
from simrack.addresses import group_refusal, is_source_specific, is_underlay, mgd_source_refusal
from simrack.web.answers import bad_request


@frozen
class RouteKey:
    """What tells routes apart."""

    group: Address
    source: Address | None
    vni: int

    @property
    def order(self) -> tuple[object, ...]:
        """IPv4 first, then by group, (*,G) before (S,G)."""
        return (self.group.key, () if self.source is None else self.source.key, self.vni)


@frozen
class StaticRoute:
    """A route as mgd keeps it."""

    key: RouteKey
    underlay_group: Address
    created: datetime
    updated: datetime


def check_key(key: RouteKey) -> None:
    """Refuse a key that names nothing routable.

    Raises:
        HttpError: 400.
    """
    reason = group_refusal(key.group)
    if reason is None and key.source is not None:
        reason = mgd_source_refusal(key.source, key.group)
    if reason is None and not 0 <= key.vni < 1 << 24:
        reason = f"VNI {key.vni} does not fit into 24 bits"
    if reason is not None:
        raise bad_request(reason)


def _check_route(key: RouteKey, underlay_group: Address) -> None:
    check_key(key)
    if key.source is None and is_source_specific(key.group):
        raise bad_request(f"{key.group} is source-specific and needs a source")
    if not is_underlay(underlay_group):
        raise bad_request(f"underlay group {underlay_group} is not in ff04::/64")


def _nobody(_: list[RouteKey]) -> None:
    """Nobody listens."""


@define
class Mrib:
    """The multicast routes of one switch."""

    routes: dict[RouteKey, StaticRoute] = field(factory=dict)
    unreachable: frozenset[Address] = frozenset()
    """Sources without a unicast route (rule G3)."""

    changed: Callable[[list[RouteKey]], None] = _nobody
    """Told which routes changed, after each call that changed any."""

    def put(self, batch: Iterable[tuple[RouteKey, Address]], now: datetime) -> None:
        """Add or replace routes.

        Raises:
            HttpError: 400, one of them is refused; none is written (rule G2).
        """
        rows = tuple(batch)
        for key, underlay_group in rows:
            _check_route(key, underlay_group)
        changed = []
        for key, underlay_group in rows:
            old = self.routes.get(key)
            if old is None or old.underlay_group != underlay_group:
                created = now if old is None else old.created
                self.routes[key] = StaticRoute(key, underlay_group, created, now)
                changed.append(key)
        self._tell(changed)

    def delete(self, keys: Iterable[RouteKey]) -> None:
        """Remove routes; those that are not there need no removing.

        Raises:
            HttpError: 400, a key is refused; none is removed.
        """
        gone = tuple(keys)
        for key in gone:
            check_key(key)
        self._tell([key for key in gone if self.routes.pop(key, None) is not None])

    def reroute(self, unreachable: frozenset[Address]) -> None:
        """Take *unreachable* for the sources without a unicast route."""
        differing = self.unreachable ^ unreachable
        self.unreachable = unreachable
        self._tell([key for key in self.routes if key.source in differing])

    def restart(self) -> None:
        """Read the store again: static routes are durable, so nothing is lost."""

    def forget(self) -> None:
        """Lose the store."""
        self.delete(tuple(self.routes))

    def _tell(self, keys: list[RouteKey]) -> None:
        if keys:
            self.changed(keys)

    def is_selected(self, key: RouteKey) -> bool:
        """Return whether the route of *key* is in use (rule G3)."""
        return key.source is None or key.source not in self.unreachable

    def imported(self) -> list[StaticRoute]:
        """Return all routes, sorted."""
        return sorted(self.routes.values(), key=lambda route: route.key.order)

    def selected(self) -> list[StaticRoute]:
        """Return the routes in use, sorted."""
        return [route for route in self.imported() if self.is_selected(route.key)]
