"""mg-lower: mirrors a switch's selected multicast routes into what its ddmd originates.

Rules:
    L1  A change of routes is passed on at once, and only what it adds or takes away. Of a route that gets another
        underlay group the new origin is added; the old one is no longer anybody's and stays.
    L2  A full comparison withdraws whatever no route asks for and adds what is missing. It takes place once nothing
        has changed for a second: changes that keep coming put it off for ever.
    L3  While nobody holds the clock, a second has always passed.

Source: maghemite, mg-lower/src/mrib.rs. This file does not know HTTP, nor what ddmd does with origins.
"""

from collections.abc import Iterable

from attrs import define, field, frozen

from blueprints.addresses import Address
from simrack.clock import Clock
from simrack.mgd.routes import Mrib, RouteKey, StaticRoute

QUIET_SECONDS = 1.0
"""Without a change, before the full comparison (rule L2)."""


@frozen
class Origin:
    """A group that ddmd tells its peers of."""

    overlay_group: Address
    underlay_group: Address
    vni: int
    source: Address | None

    @property
    def order(self) -> tuple[object, ...]:
        """By group, source, network and underlay group."""
        source = () if self.source is None else self.source.key
        return (self.overlay_group.key, source, self.vni, self.underlay_group.key)


def origin_of(route: StaticRoute) -> Origin:
    """Return the origin that *route* asks for."""
    return Origin(route.key.group, route.underlay_group, route.key.vni, route.key.source)


@define
class MgLower:
    """The mirror of one switch."""

    mrib: Mrib
    clock: Clock
    held: bool = False
    """Whether time passes only by the clock (rule L3)."""

    _mirrored: set[Origin] = field(factory=set)
    _changed_at: float = 0.0

    def hold(self, held: bool) -> None:
        """Start from, or go back to, what a full comparison makes."""
        self.held = held
        self._mirrored = self._wanted()

    def origins(self) -> list[Origin]:
        """Return what ddmd originates now, in order."""
        return sorted(self._mirrored if self.held else self._wanted(), key=lambda origin: origin.order)

    def advertise(self, origins: Iterable[Origin]) -> None:
        """Add *origins* by hand; the next full comparison withdraws those that no route asks for."""
        self._mirrored |= set(origins)
        self._expect_quiet()

    def withdraw(self, origins: Iterable[Origin]) -> None:
        """Take *origins* out by hand; the next full comparison adds those that a route asks for."""
        self._mirrored -= set(origins)
        self._expect_quiet()

    def notice(self, keys: Iterable[RouteKey]) -> None:
        """Pass on that the routes of *keys* changed (rule L1)."""
        if not self.held:
            return
        wanted = {route.key: origin_of(route) for route in self.mrib.selected()}
        for key in keys:
            if key in wanted:
                self._mirrored.add(wanted[key])
            else:
                named = (key.group, key.vni, key.source)
                self._mirrored = {row for row in self._mirrored if (row.overlay_group, row.vni, row.source) != named}
        self._changed_at = self.clock.now
        self._expect_quiet()

    def _wanted(self) -> set[Origin]:
        return {origin_of(route) for route in self.mrib.selected()}

    def _expect_quiet(self) -> None:
        self.clock.at(self.clock.now + QUIET_SECONDS, self._compare_if_quiet)

    def _compare_if_quiet(self) -> None:
        """Rule L2."""
        if self.clock.now - self._changed_at >= QUIET_SECONDS:
            self._mirrored = self._wanted()
