"""The three families of error, and no fourth.

    RackcastError
    ├── InputRejectedError   the reader can mend it; carries every mistake, each with its path
    ├── DeviceError          a device refused, kept silent or answered badly; becomes an outcome
    │   ├── SilentError          no whole answer came: what the device did is unknown
    │   ├── RefusedError         the device answered with an error status
    │   └── BadAnswerError       an answer came that cannot be trusted
    └── InvariantError       a rule of our own is broken: our bug, keeps its traceback

Things that merely could not be planned are findings (`blueprints.findings`), not errors.
This file does not know who raises what, nor how an error is printed.
"""

from collections.abc import Iterable

from attrs import frozen


class RackcastError(Exception):
    """Base of every error this project raises on purpose; never raised itself."""


@frozen(order=True)
class Mistake:
    """One thing a reader of a file has to mend."""

    path: str
    """Where in the file, such as ``groups[3].multicast_ip``; empty for the file as a whole."""

    message: str
    """What is wrong, and what was expected."""

    def __str__(self) -> str:
        """Return one line: path first, so that lines of one place stand together."""
        return f"{self.path}: {self.message}" if self.path else self.message


class InputRejectedError(RackcastError):
    """A file or an argument was rejected; nothing was done with it.

    ``mistakes`` holds all of them, in the order of the file, so that one run gives one round of mending.
    """

    def __init__(self, source: str, mistakes: Iterable[Mistake]) -> None:
        """Collect *mistakes* found in *source* (a file name, or what the input was)."""
        self.source = source
        self.mistakes = tuple(mistakes)
        super().__init__(f"{source}: {self._told()}")

    def _told(self) -> str:
        """Return the mistakes: one of the file as a whole in its own words, others counted and a line each."""
        if len(self.mistakes) == 1 and not self.mistakes[0].path:
            return self.mistakes[0].message
        noun = "mistake" if len(self.mistakes) == 1 else "mistakes"
        return f"{len(self.mistakes)} {noun}" + "".join(f"\n  {mistake}" for mistake in self.mistakes)


class FieldError(ValueError):
    """A value that a field refuses; says which field, so that a reader of a file can be told the path."""

    def __init__(self, field: str, message: str) -> None:
        """Name the *field*."""
        self.field = field
        super().__init__(message)


class DeviceError(RackcastError):
    """A device did not do what it was asked; never raised itself."""


class SilentError(DeviceError):
    """No whole answer came in time. Whether the device acted is unknown."""


class RefusedError(DeviceError):
    """The device answered with an error status."""

    def __init__(self, status: int, message: str) -> None:
        """Keep the HTTP *status* and the device's own *message*."""
        self.status = status
        super().__init__(f"{status} {message}")


class BadAnswerError(DeviceError):
    """An answer came that is not what the device's API document promises; nothing is derived from it."""


class InvariantError(RackcastError):
    """A rule that the code itself should keep does not hold."""

    def __init__(self, rule: str, message: str) -> None:
        """Name the *rule* by its number at the head of the type that keeps it."""
        self.rule = rule
        super().__init__(f"{rule}: {message}")
