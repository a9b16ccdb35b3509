"""What may be sent now: consent for losses that no order avoids, and gates that wait for what came before.

Rules:
    G1  a group whose move lacks consent is left alone in that place, and narrowed nowhere; if its new underlay
        address is used nowhere in the rack yet, nothing of it is sent anywhere but leaves and repeated mappings.
        A source filter whose rewriting lacks consent waits alone.
    G2  a change that failed, was held back or did not come into effect closes the gates of its group that name it.
    G3  a target that could not be read closes no gate of another target, except where the table says so, and
        except for what must hold a group before another place may let go of it (`Change.via`). Nor does a switch
        let go of a group that goes on by another one while a sled is silent: it may still send by this one.
    G4  a group whose address still belongs to another one is widened nowhere (`executor.intents`), but for what
        ports need that have to leave, unless a group that stays is still led to its underlay address; they leave
        under the mapping that stands. So is a group that is new to the rack while a switch has no room for it
        (`executor.room`).
    G5  a group is not created on a switch that has no room for it.
    G6  a sled that has several hops in use for a group, and could not be left with one, gets no mapping that it does
        not have: what its instances send would be heard twice.
    G7  a sled that is not turned, because by the other switch nobody would hear the group, follows a move all the
        same: it sends by the switch that it has, and under the former address nobody would hear it.

This file does not know what became of a call, only that it failed.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from attrs import field, frozen

from blueprints.addresses import Address
from blueprints.identifiers import SwitchSlot
from blueprints.observation import SeenForwarding
from executor.actions import FORMS, Gate, Scope
from executor.changes import ADDRESS_MOVES, Change, Kind
from executor.changeset import Changes, Difference
from executor.targets import Target

_HARMLESS = frozenset({Kind.LEAVE, Kind.M2P_ASSERT})
"""Sent even for a group that waits for consent elsewhere: they follow the mapping that stands."""


CREATIONS = frozenset({Kind.UNDERLAY_CREATE, Kind.EXTERNAL_CREATE})
"""What puts a group on a switch."""

_LOSSY = frozenset(kind for kind, form in FORMS.items() if form.consent)
"""What somebody may have to accept."""


def accepted(change: Change, *, allow_loss: bool, moves: Collection[Address]) -> bool:
    """Return whether *change* may be sent although it costs packets in any order, or needs no consent for that.

    An address that moves is asked for by the name of its group; what else is lost, by allowing loss.
    """
    if change.lossless or not FORMS[change.kind].consent:
        return True
    return all(group in moves for group in change.groups) if moves_address(change) else allow_loss


def moves_address(change: Change) -> bool:
    """Return whether *change* belongs to the move of a group to another underlay address."""
    return change.kind in ADDRESS_MOVES or change.kind is Kind.MOVE_LEAVE


def split_by_consent(
    difference: Difference, *, allow_loss: bool, moves: Collection[Address] = ()
) -> tuple[Changes, Changes]:
    """Return what may be sent, and what waits until somebody accepts a loss (rule G1).

    Args:
        difference: what differs.
        allow_loss: whether losses are accepted, but for those of moves.
        moves: groups whose underlay address may move.
    """
    if all(accepted(c, allow_loss=allow_loss, moves=moves) for c in difference.everything.of(_LOSSY)):
        return difference.everything, Changes()
    everything = tuple(difference.everything)
    asked = {id(c) for c in everything if not accepted(c, allow_loss=allow_loss, moves=moves)}
    unmoved = [change for change in everything if id(change) in asked and change.kind is not Kind.REFILTER_LIVE]
    places = {(group, move.target.place) for move in unmoved for group in move.groups}
    groups = {group for group, _ in places}
    unsettled = {group for move in unmoved if move.kind in ADDRESS_MOVES for group in move.groups}
    unsettled -= difference.settled

    def waits(change: Change) -> bool:
        if id(change) in asked:
            return True
        if change.kind in _HARMLESS or not groups:
            return False
        here = any((group, change.target.place) in places or group in unsettled for group in change.groups)
        return here or (FORMS[change.kind].tier.narrows and not groups.isdisjoint(change.groups))

    return (
        Changes.made(change for change in everything if not waits(change)),
        Changes.made(change for change in everything if waits(change)),
    )


def waits_for_address(change: Change) -> bool:
    """Return whether *change* waits while the address of its group belongs to another one (rule G4)."""
    return not FORMS[change.kind].tier.narrows and change.kind not in _HARMLESS


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names)


@frozen(kw_only=True)
class Wait:
    """Why a group must wait, for its address or for room."""

    because: str
    places: frozenset[str] = field(converter=_names)
    """Targets by name that have to let go of something."""

    leaves: bool = False
    """Ports must leave there: what that needs does not wait."""

    def needs(self, change: Change) -> bool:
        """Return whether a port that must leave needs *change*: without a mapping no leave has an effect."""
        return self.leaves and change.kind is Kind.M2P_SET and str(change.target) in self.places

    @property
    def what(self) -> str:
        """For what it waits, and where."""
        return f"{self.because}, at {', '.join(sorted(self.places))}"

    def __str__(self) -> str:
        """Return what people are told."""
        return f"waits: {self.what}"


@frozen(kw_only=True)
class Ledger:
    """What went wrong so far in one run, and the gates that it closes. Grows as the run goes on."""

    unknown: set[str] = field(factory=set)
    """Targets that could not be read, as text."""

    blocked: set[tuple[Address, str]] = field(factory=set)
    """Group and place: what stands there belongs to somebody else."""

    troubles: defaultdict[tuple[Kind, Address], set[Target]] = field(factory=lambda: defaultdict(set))
    """Kind and group to the targets where it is not in effect."""

    doubling: set[tuple[Address, Target]] = field(factory=set)
    """Groups that a sled would send twice (rule G6)."""

    staying: set[tuple[Address, Target]] = field(factory=set)
    """Groups that a sled goes on sending by the switch that it has (rule G7)."""

    occupied: Mapping[Address, Wait] = field(factory=dict)
    """Groups that must wait everywhere (rule G4)."""

    short: Mapping[tuple[Address, Target], Wait] = field(factory=dict)
    """Groups that must wait on one switch (rule G5)."""

    @property
    def clear(self) -> bool:
        """Whether nothing went wrong, so that no gate is closed."""
        return not (self.unknown or self.blocked or self.troubles or self.occupied or self.short)

    def take(self, difference: Difference) -> None:
        """Note what *difference* says about silent targets and foreign objects."""
        self.unknown.update(silence.target for silence in difference.unknown)
        self.blocked.update((conflict.group, conflict.target.place) for conflict in difference.conflicts)

    def trouble(self, changes: Iterable[Change]) -> None:
        """Note that *changes* are not in effect (rule G2)."""
        for change in changes:
            for group in change.groups:
                self.troubles[change.kind, group].add(change.target)
                if change.kind is Kind.HOP_CHANGE and _doubles(change.seen):
                    self.doubling.add((group, change.target))
                elif change.kind is Kind.HOP_CHANGE and change.held:
                    self.staying.add((group, change.target))

    def left_behind(self, leaves: Iterable[Change]) -> None:
        """Note that the mapping may be gone which *leaves* went through: what tells of it stays."""
        for change in leaves:
            for group in change.groups:
                self.troubles[Kind.M2P_SET, group].add(change.target)

    def closed(self, change: Change) -> str | None:
        """Return why *change* may not be sent now, or None where nothing holds it."""
        for group in change.groups:
            wait = self.occupied.get(group)
            if wait is not None and waits_for_address(change) and not wait.needs(change):
                return str(wait)
            wait = self.short.get((group, change.target)) if change.kind in CREATIONS else None
            if wait is not None:
                return str(wait)
            if change.kind is Kind.M2P_SET and (group, change.target) in self.doubling:
                return f"waits for {Kind.HOP_CHANGE} of {group}: it would be heard twice"
        if change.held:
            return change.held
        for gate in FORMS[change.kind].gates:
            reason = self._closed_gate(change, gate)
            if reason:
                return reason
        return self._closed_via(change) if change.via else None

    def _closed_gate(self, change: Change, gate: Gate) -> str | None:
        for kind in gate.kinds:
            for group in change.groups:
                if self._settles(kind, change, group):
                    continue
                for target in self.troubles.get((kind, group), ()):
                    if _in_scope(gate.scope, change.target, target):
                        return f"waits for {kind} of {group} {gate.scope.value}"
        if gate.reads is not None:
            witness = Target(daemon=gate.reads, place=change.target.place)
            if str(witness) in self.unknown:
                return f"waits for {witness}: what it holds is unknown"
        return None

    def _settles(self, kind: Kind, change: Change, group: Address) -> bool:
        """Return whether *change* goes by what stands where *kind* was held back."""
        if kind is Kind.M2P_MOVE and change.kind is Kind.LEAVE:
            return group in self.occupied  # rule G4: the mapping stands that the port joined under
        return kind is Kind.HOP_CHANGE and change.kind is Kind.M2P_MOVE and (group, change.target) in self.staying

    def _closed_via(self, change: Change) -> str | None:
        """Return why the switch that must hold the group first does not, as far as is known."""
        dpd = Target.dpd(SwitchSlot(change.via))
        if str(dpd) in self.unknown:
            return f"waits for {change.via}: whether it holds the group is unknown"
        for group in change.groups:
            troubled = any(dpd in self.troubles.get((kind, group), ()) for kind in _HOLDING)
            if troubled or (group, change.via) in self.blocked:
                return f"waits for {change.via} to hold {group}"
        return self._closed_by_silent_sleds() if change.kind is Kind.EXTERNAL_DELETE else None

    def _closed_by_silent_sleds(self) -> str | None:
        """Return which sleds may still send by a switch that lets go of a group, because nobody could turn them."""
        silent = sorted(target for target in self.unknown if target.startswith("sled "))
        return f"waits for {', '.join(silent)}: by which switch it sends is unknown" if silent else None


def _doubles(seen: SeenForwarding | None) -> bool:
    return seen is not None and sum(not hop.inert for hop in seen.next_hops) > 1


_HOLDING = (
    Kind.REBUILD_EXTERNAL,
    Kind.REBUILD_UNDERLAY,
    Kind.UNDERLAY_CREATE,
    Kind.MEMBERS_ADD,
    Kind.EXTERNAL_CREATE,
    Kind.EXTERNAL_UPDATE,
    Kind.EXTERNAL_RETARGET,
    Kind.REFILTER_LIVE,
    Kind.REFILTER_DRAINED,
)
"""What has to be in effect for a switch to hold a group."""


def _in_scope(scope: Scope, here: Target, there: Target) -> bool:
    if scope is Scope.ANYWHERE:
        return True
    return here == there if scope is Scope.TARGET else here.place == there.place
