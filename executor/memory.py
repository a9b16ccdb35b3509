"""What one run remembers, and keeps in a journal if it was given one.

On disk stands what is owed before the first call, and what is left after the last. In between the file says too
much, never too little: a leave that is sent once more does no harm.

This file does not know calls, nor when one may be sent.
"""

from collections.abc import Iterable, Mapping

from attrs import define, evolve, field

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from blueprints.observation import Observation
from executor import doubts
from executor.changes import Change, Kind
from executor.changeset import Difference
from executor.gates import Wait
from executor.intents import occupied, owed_leave, owed_leaves, retired, unproven
from executor.journal import Intents, JournalFile

_LEAVING = (Kind.LEAVE, Kind.MOVE_LEAVE)


@define(kw_only=True, eq=False)
class Memory:
    """What one run remembers."""

    blueprint: Blueprint
    """With the leaves that the journal adds."""

    file: JournalFile | None = None
    on_disk: Intents = field(factory=Intents)
    """What the journal is known to hold."""

    intents: Intents = field(factory=Intents, init=False)
    """What is owed now."""

    new: frozenset[Address] = field(factory=frozenset, init=False)
    """Groups that were not in the rack before this run."""

    @property
    def kept(self) -> Intents | None:
        """What the journal holds; None if there is none."""
        return None if self.file is None else self.on_disk

    def look(self, difference: Difference, seen: Observation) -> None:
        """Find out what is owed before anything is sent."""
        self.new = unproven(self.blueprint, seen, self.on_disk.retired)
        self.intents = Intents(
            leaves=set(owed_leaves(self.blueprint, difference, self.on_disk.leaves)),
            retired=self.on_disk.retired,
            doubted=doubts.standing(self.on_disk.doubted, seen),
        )
        self._update(seen)

    def begin(self, difference: Difference, seen: Observation) -> str | None:
        """Put on disk what is owed, and return why nothing may be sent, or None."""
        self.look(difference, seen)
        return self._kept()

    def occupied(self, difference: Difference) -> Mapping[Address, Wait]:
        """Return the groups that must wait for their addresses now."""
        return occupied(self.blueprint, difference, self.intents, self.new)

    def acknowledge(self, changes: Iterable[Change]) -> None:
        """Forget the leaves among *changes*, which are in effect, and doubts about what they made anew."""
        done = {owed_leave(change) for change in changes if change.kind in _LEAVING}
        if done:
            self.intents = evolve(self.intents, leaves=set(self.intents.leaves) - done)
        if self.intents.doubted:
            for change in changes:
                self.intents = evolve(self.intents, doubted=doubts.proven(self.intents.doubted, change))

    def doubt(self, changes: Iterable[Change]) -> None:
        """Remember that *changes* of members were refused."""
        for change in changes:
            self.intents = evolve(self.intents, doubted=doubts.refused(self.intents.doubted, change))

    def still_occupied(self, difference: Difference, seen: Observation) -> Mapping[Address, Wait]:
        """Return the groups that must go on waiting for their addresses, by what was *seen* last."""
        self._update(seen)
        return self.occupied(difference)

    def end(self, seen: Observation) -> str | None:
        """Put on disk what is left by what was *seen* last, and return why that could not be done, or None."""
        self._update(seen)
        return self._kept()

    def _update(self, seen: Observation) -> None:
        waiting = self.new.intersection(leave.group_ip for leave in self.intents.leaves)
        left = retired(self.blueprint, seen, self.intents.retired, waiting)
        self.intents = evolve(self.intents, retired=left)

    def _kept(self) -> str | None:
        if self.file is None or self.intents == self.on_disk:
            return None
        try:
            self.file.record(self.blueprint.rack_id, self.intents)
        except OSError as error:
            return f"the journal {self.file.path} cannot be written: {error.strerror or error}"
        self.on_disk = self.intents
        return None
