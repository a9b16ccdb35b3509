"""What became of many calls, held small: nearly all end alike, so that of each only the number of its ending is kept.

A call and its outcome are put together again when somebody asks. This file does not know what an outcome means.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from attrs import field, frozen

from executor.calls import Call
from executor.changes import Kind
from executor.joined import Joined, Lazy, Made, some
from executor.sending import CallOutcome, Sent


@frozen
class Endings:
    """The ways in which calls of one run ended. Grows as the run goes on."""

    _sent: list[Sent] = field(factory=list, init=False)
    """One of each."""

    _numbers: dict[tuple[object, ...], int] = field(factory=dict, init=False)

    tally: Counter[tuple[Kind, CallOutcome]] = field(factory=Counter, init=False)
    """How many calls of which kind came to which outcome."""

    def number(self, sent: Sent) -> int:
        """Return which ending *sent* has."""
        key = (sent.outcome, sent.status, sent.note, sent.step, sent.wedged)
        number = self._numbers.setdefault(key, len(self._sent))
        if number == len(self._sent):
            self._sent.append(sent)
        return number

    def of(self, call: Call, number: int) -> Sent:
        """Return *call* with the ending of this *number*."""
        one = self._sent[number]
        return Sent(
            call=call, outcome=one.outcome, status=one.status, note=one.note, step=one.step, wedged=one.wedged
        )

    def done(self, number: int) -> bool:
        """Return whether that ending is a good one."""
        return self._sent[number].done


@frozen(kw_only=True, eq=False)
class Lane(Lazy[Sent]):
    """What became of the calls of one target in one stage, in the order of the calls."""

    calls: Sequence[Call] = field(repr=False)
    endings: Endings = field(repr=False)
    _numbers: "array[int]" = field(init=False, repr=False)
    _others: dict[int, Sequence[Sent]] = field(factory=dict, init=False, repr=False)
    """By place, where the result is not just the call with an ending: a batch taken apart, a call made up for it."""

    @_numbers.default
    def _none_yet(self) -> "array[int]":
        return array("I", bytes(4 * len(self.calls)))

    def note(self, place: int, call: Call, results: Sequence[Sent]) -> None:
        """Keep what the *call* at *place* came to."""
        for sent in results:
            self.endings.tally[sent.call.kind, sent.outcome] += 1
        if len(results) == 1 and results[0].call is call:
            self._numbers[place] = self.endings.number(results[0])
        else:
            self._others[place] = results

    def undone(self) -> Iterator[Sent]:
        """Yield what did not come to a good end."""
        for place, number in enumerate(self._numbers):
            if place in self._others:
                yield from (sent for sent in self._others[place] if not sent.done)
            elif not self.endings.done(number):
                yield self.endings.of(self.calls[place], number)

    def __len__(self) -> int:
        """Return how many results there are."""
        return len(self.calls) + sum(len(results) - 1 for results in self._others.values())

    def items(self, start: int, stop: int) -> Iterator[Sent]:
        """Yield some of the results."""
        if self._others:
            return islice(self._all(), start, stop)
        return map(self.endings.of, some(self.calls, start, stop), self._numbers[start:stop])

    def _all(self) -> Iterator[Sent]:
        for place, call in enumerate(self.calls):
            if place in self._others:
                yield from self._others[place]
            else:
                yield self.endings.of(call, self._numbers[place])


@frozen
class Log:
    """Everything that one run sent, in the order of its stages. Grows as the run goes on."""

    endings: Endings = field(factory=Endings, init=False)
    lanes: list[Lane] = field(factory=list, init=False)

    def lane(self, calls: Sequence[Call]) -> Lane:
        """Return a lane for *calls*, to be added once they have ended."""
        return Lane(calls=calls, endings=self.endings)

    def sent(self, since: int = 0) -> Joined[Sent]:
        """Return what was sent, or only what the lanes from *since* on say."""
        return Joined(self.lanes[since:])


def planned(calls: Sequence[Call]) -> Sequence[Sent]:
    """Return the calls of a dry run, which were not sent."""
    return Made(calls, lambda call: Sent(call=call, outcome=CallOutcome.PLANNED))
