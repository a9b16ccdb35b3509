"""When a target is left alone: after some tries in a row that nobody answered, so that it costs its time once.

Rules:
    K1  a daemon that refuses connections, or drops them, is written to no more after `Limits.silences` tries; it is
        still read where a run reads, each time with one request. That costs next to nothing, finds a daemon that
        came back, and shows what it lost: only a read lets writes through again.
    K2  a daemon that lets requests run into their deadline is left alone altogether after `Limits.hangs` of them:
        each further one would hold up whatever waits for it by another deadline. After the first one it has to
        answer within `Limits.doubted_seconds`.

This file does not know requests, nor how one fails.
"""

from attrs import define

from executor.limits import Limits


@define
class Breaker:
    """What one target did with the last tries of one run."""

    limits: Limits
    _silences: int = 0
    _hangs: int = 0

    @property
    def open(self) -> bool:
        """Whether the target is given up: what fails now is not tried again."""
        return self._silences >= self.limits.silences or self._hanging

    @property
    def patience(self) -> float:
        """How many seconds the next request may take."""
        most = self.limits.request_seconds
        return min(most, self.limits.doubted_seconds) if self._hangs else most

    @property
    def _hanging(self) -> bool:
        return self._hangs >= self.limits.hangs

    def closed_to(self, *, writing: bool) -> str | None:
        """Return why nothing may be sent to the target, or None."""
        if not self.open or not (writing or self._hanging):
            return None
        how = f"{self._hangs} deadlines" if self._hanging else f"{self._silences} tries"
        return f"left alone after {how} without an answer"

    def silent(self, *, hung: bool) -> None:
        """Count a try that nobody answered; *hung* if it ran into its deadline."""
        self._silences += 1
        self._hangs = self._hangs + 1 if hung else 0

    def answered(self) -> None:
        """Forget the silences before an answer."""
        self._silences = self._hangs = 0
