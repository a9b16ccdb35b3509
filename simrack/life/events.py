"""Events as people write them: one over the control interface, many in a story (`rackcast.story/1`).

    format: rackcast.story/1
    seed: 7                                                     # of the faults that name none
    events:
      - {event: start, instance: 00000000-…, sled: BRM42220014}
      - {at: 30, event: fail, machine: switch0, how: refused}   # seconds on the rack's clock; 0 unless said
      - {at: 90, event: return, machine: switch0}

A story is rehearsed when it is read: what cannot be is told before anything is done. This file does not know how an
event is played.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from attrs import evolve, field, frozen

from blueprints.addresses import Address
from blueprints.errors import FieldError, Mistake
from simrack.fault_orders import FaultReader
from simrack.forms import (
    Form,
    anything,
    at,
    document_rows,
    flag,
    identifier,
    list_of,
    number,
    one_of,
    or_null,
    parsed,
    refuse_any,
    text,
    whole,
)
from simrack.life import changes
from simrack.life.changes import Change
from simrack.life.state import Fields, How, Life

STORY_FORMAT = "rackcast.story/1"

_INSTANCE = {"instance": identifier}
_HOW = parsed(lambda word: How(one_of(tuple(How))(word)))


@frozen
class EventKind:
    """One row of the table of events."""

    form: Form
    change: Change
    what: str


EVENTS: Mapping[str, EventKind] = MappingProxyType(
    {
        "start": EventKind(
            Form({**_INSTANCE, "sled": text}), changes.start, "an instance that has none gets a VMM on a sled"
        ),
        "stopping": EventKind(Form(_INSTANCE), changes.stopping, "its VMM has been told to stop, and is still there"),
        "stop": EventKind(Form(_INSTANCE), changes.stop, "its VMM is gone, and its members have left"),
        "crash": EventKind(Form(_INSTANCE), changes.crash, "the same, and the instance has failed"),
        "migrate": EventKind(
            Form({**_INSTANCE, "to": text}),
            changes.migrate,
            "a second VMM is on another sled, the first still active",
        ),
        "commit": EventKind(Form(_INSTANCE), changes.commit, "the second VMM is the active one, the first is gone"),
        "abort": EventKind(Form(_INSTANCE), changes.abort, "the second VMM is gone"),
        "join": EventKind(
            Form({**_INSTANCE, "group": text}, {"sources": list_of(parsed(Address.parse))}),
            changes.join,
            "an instance becomes a member of a group, or takes other sources from now on",
        ),
        "leave": EventKind(Form({**_INSTANCE, "group": text}), changes.leave, "it is a member no longer"),
        "fail": EventKind(
            Form({"machine": text}, {"how": _HOW}),
            changes.fail,
            "a sled, a switch or one daemon is down: silent unless it is said to be refused",
        ),
        "return": EventKind(
            Form({"machine": text}, {"rebooted": flag}),
            changes.come_back,
            "it is there again; rebooted unless said otherwise: it has lost what does not outlive that",
        ),
        "expunge": EventKind(Form({"sled": text}), changes.expunge, "a sled is out of service for good"),
        "plug": EventKind(
            Form({"sled": text, "cubby": or_null(whole(0, 31))}),
            changes.plug,
            "a sled's cables lead to another cubby, or nowhere",
        ),
        "restart": EventKind(
            Form({"target": text, "keep_state": flag}), changes.restart, "a daemon dies and comes back at once"
        ),
        "fault": EventKind(Form({"fault": anything}), changes.nothing, "a fault is ordered"),
        "calm": EventKind(Form(), changes.nothing, "all faults are withdrawn"),
    }
)


@frozen(kw_only=True)
class Event:
    """Something that happens."""

    kind: str
    fields: Fields = field(factory=dict)
    at: float | None = None
    """Seconds on the rack's clock; None: at once."""

    told: Mapping[str, Any] = field(factory=dict)
    """As people wrote it."""

    def change(self, life: Life) -> Life:
        """Return what becomes of *life*.

        Raises:
            FieldError: it cannot be.
        """
        after = EVENTS[self.kind].change(life, self.fields)
        return evolve(after, made=life.made + 1)


@frozen
class EventReader:
    """Reads events of one rack."""

    faults: FaultReader

    def one(self, value: Any, source: str) -> Event:
        """Return the event that *value* tells.

        Raises:
            InputRejectedError: all mistakes in form, each with its path.
        """
        mistakes: list[Mistake] = []
        event = self._row(value, "", mistakes)
        refuse_any(source, mistakes)
        assert event is not None  # noqa: S101  # without one there is a mistake
        return event

    def story(self, value: Any, source: str, life: Life) -> tuple[Event, ...]:
        """Return the events of a document of format `STORY_FORMAT`, which begins with *life*.

        Raises:
            InputRejectedError: all mistakes, each with its path; where there is none in form, those of the rehearsal.
        """
        head, rows, mistakes = document_rows(value, STORY_FORMAT, "events", source, Form({}, {"seed": whole(0)}))
        seed = head.get("seed", 0)
        events = [self._row(row, f"events[{place}]", mistakes, seed=seed) for place, row in enumerate(rows)]
        refuse_any(source, mistakes)
        told = tuple(evolve(event, at=event.at or 0.0) for event in events if event is not None)
        refuse_any(source, rehearse(life, told))
        return told

    def _row(self, value: Any, path: str, mistakes: list[Mistake], *, seed: int = 0) -> Event | None:
        kind = value.get("event") if type(value) is dict else None
        form = EVENTS[kind].form if isinstance(kind, str) and kind in EVENTS else None
        if form is None:
            form = Form(dict.fromkeys(value, anything) if type(value) is dict else {})
        known = {"event": one_of(tuple(EVENTS))}
        fields = Form({**form.needed, **known}, {**form.optional, "at": number(0)}).read(value, path, mistakes)
        if fields is None:
            return None
        moment, kind = fields.pop("at", None), fields.pop("event")
        if "fault" in fields:
            fields["fault"] = self.faults.row(fields["fault"], at(path, "fault"), mistakes, seed=seed)
        return Event(kind=kind, fields=fields, at=moment, told=value)


def rehearse(life: Life, events: Iterable[Event]) -> list[Mistake]:
    """Return what cannot be in a story, in the order of the file.

    Events are taken in the order of their times. What follows from a mistake is not told again: later events about
    the same instance or machine are passed over.
    """
    mistakes: dict[int, Mistake] = {}
    doubtful: set[Any] = set()
    listed = sorted(enumerate(events), key=lambda row: row[1].at or 0.0)
    for place, event in listed:
        subject = event.fields.get("instance", event.fields.get("machine"))
        if subject is not None and subject in doubtful:
            continue
        try:
            life = event.change(life)
        except FieldError as error:
            mistakes[place] = Mistake(at(f"events[{place}]", error.field), str(error))
            doubtful.add(subject)
    return [mistakes[place] for place in sorted(mistakes)]
