"""The target store: which blueprint a rack shall hold now (`format: rackcast.target/1`), and the fence that it makes.

Rules:
    T1  a blueprint becomes the target if its parent is the target, if there is none yet, or if it is the target
        already. So of two that were planned after the same one, the second finds the first there and is refused.
    T2  the generation of the target grows; a plan to go back is an ordinary plan, with a generation of its own.
    T3  a store is of one rack.

Daemons take writes from anybody and know no versions, so an older run is stopped on our side: before every write it
is asked whether the store has changed, which costs one look at the file's name.

This file does not know what a run does.
"""

from datetime import datetime
from pathlib import Path
from uuid import UUID

from attrs import define, field, frozen

from blueprints.blueprint import Blueprint
from blueprints.errors import InputRejectedError, Mistake
from blueprints.run_report import CarriedOut
from blueprints.text import dumps
from executor import durable

TARGET_FORMAT = "rackcast.target/1"


@frozen(kw_only=True)
class CurrentTarget:
    """What a store says."""

    rack_id: UUID
    blueprint: CarriedOut
    set_at: datetime | None = None

    def names(self, blueprint: Blueprint) -> bool:
        """Return whether *blueprint* is the target."""
        return (self.blueprint.id, self.blueprint.digest) == (blueprint.id, blueprint.digest)


@frozen(kw_only=True)
class TargetStore:
    """One rack's target, in a file."""

    path: Path

    @classmethod
    def at(cls, name: str) -> "TargetStore":
        """Return the store in the file *name*; see `durable.place`."""
        return cls(path=durable.place(name))

    def read(self) -> CurrentTarget | None:
        """Return the target, or None where none was ever set.

        Raises:
            InputRejectedError: the store is there and does not say.
        """
        document = durable.read_document(self.path, TARGET_FORMAT)
        from blueprints.converter import structure

        return None if document is None else structure(document, CurrentTarget, str(self.path))

    def advance(self, blueprint: Blueprint, *, at: datetime | None = None) -> str | None:
        """Make *blueprint* the target, or return why rule T1 or T2 does not let it.

        Raises:
            InputRejectedError: rule T3, or the store does not say what the target is.
            OSError: the store cannot be written.
        """
        with durable.locked(self.path, wait=True):
            current = self.read()
            if current is not None:
                _check_rack(current, blueprint, str(self.path))
                if current.names(blueprint):
                    return None
                refused = _no_succession(current, blueprint)
                if refused:
                    return refused
            target = CurrentTarget(rack_id=blueprint.rack_id, blueprint=CarriedOut.naming(blueprint), set_at=at)
            from blueprints.converter import unstructure

            durable.write(self.path, dumps({"format": TARGET_FORMAT, **unstructure(target)}).encode())
        return None


def _check_rack(current: CurrentTarget, blueprint: Blueprint, source: str) -> None:
    if current.rack_id != blueprint.rack_id:
        message = f"is {current.rack_id}, and the blueprint's is {blueprint.rack_id}"
        raise InputRejectedError(source, [Mistake("rack_id", message)])


def _no_succession(current: CurrentTarget, blueprint: Blueprint) -> str | None:
    told = _told(current)
    parent = blueprint.parent
    if parent is None or (parent.id, parent.digest) != (current.blueprint.id, current.blueprint.digest):
        after = "no blueprint" if parent is None else str(parent.id)
        return f"it was planned after {after}, and the target is {told}"
    if blueprint.generation <= current.blueprint.generation:
        return f"its generation is {blueprint.generation}, and the target is {told}"
    return None


def _told(current: CurrentTarget) -> str:
    return f"{current.blueprint.id}, generation {current.blueprint.generation}"


@define(kw_only=True, eq=False)
class Fence:
    """Stops a run of a blueprint that is not the target, or no longer."""

    store: TargetStore
    blueprint: Blueprint
    _stamp: tuple[int, ...] | None = field(default=None, init=False)
    _closed: str | None = field(default=None, init=False)

    def check_store(self) -> None:
        """Read the store.

        Raises:
            InputRejectedError: it does not say what the target is, or is of another rack.
        """
        current = self.store.read()
        if current is not None:
            _check_rack(current, self.blueprint, str(self.store.path))

    def closed(self) -> str | None:
        """Return why nothing may be written any more, or None; once closed it stays closed."""
        if self._closed is None:
            try:
                status = self.store.path.stat()
                stamp = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
                if stamp != self._stamp:
                    self._closed = self._judged()
                    self._stamp = stamp
            except FileNotFoundError:
                self._closed = self._judged()
            except OSError as error:
                self._closed = f"the target store cannot be read: {error.strerror or error}"
        return self._closed

    def _judged(self) -> str | None:
        try:
            current = self.store.read()
        except InputRejectedError as error:
            return f"the target store cannot be read: {error}"
        if current is None:
            return "no blueprint is the target: `rackcast target set` names one"
        if current.names(self.blueprint):
            return None
        ours = self.blueprint.generation
        kind = "a newer" if current.blueprint.generation > ours else "another"
        return f"{kind} blueprint is the target: {_told(current)}; this one's generation is {ours}"
