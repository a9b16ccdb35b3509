"""Orders of faults as people write them: one over the control interface, many in a file (`rackcast.faults/1`).

    format: rackcast.faults/1
    seed: 7                                   # of the faults that name none; 0 unless said
    faults:
      - {target: switch0 dpd, kind: status, status: 503, times: null, from: 10, until: 20}
      - {target: sled *, kind: timeout_after, chance: 0.2, times: 5}

This file does not know what a fault does.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from attrs import frozen

from blueprints.errors import InputRejectedError, Mistake
from simrack.forms import (
    Form,
    Read,
    anything,
    at,
    document_rows,
    list_of,
    number,
    one_of,
    or_null,
    refuse_any,
    text,
    whole,
)
from simrack.web.calls import OtherCall
from simrack.web.fault_kinds import DNS, FAULT_KINDS
from simrack.web.faults import FILE_NAMES, SPECIAL, Fault

FAULTS_FORMAT = "rackcast.faults/1"

_METHODS = ("GET", "PUT", "POST", "DELETE")

_CALL = Form(
    {"target": text, "method": one_of(_METHODS), "path": text},
    {"body": anything},
)


def _call(value: Any) -> OtherCall:
    mistakes: list[Mistake] = []
    fields = _CALL.read(value, "", mistakes)
    if fields is None:
        raise ValueError("; ".join(map(str, mistakes)))
    return OtherCall(**fields)


_OPTIONS: Mapping[str, Read] = MappingProxyType(
    {
        "times": or_null(whole(1)),
        "skip": whole(0),
        "method": or_null(text),
        "path": or_null(text),
        "from": number(0),
        "until": or_null(number(0)),
        "chance": number(0, 1),
        "seed": whole(0),
        "status": whole(0, 599),
        "error_code": or_null(text),
        "nic": or_null(text),
        "interval": number(0),
        "location": text,
        "content_type": text,
        "body": text,
        "field": text,
        "value": anything,
        "keep": whole(0),
        "depth": whole(1, 10_000_000),
        "size": whole(0, 1 << 34),
        "call": _call,
        "records": list_of(text),
    }
)

_FAULT = Form({"target": text, "kind": one_of(tuple(FAULT_KINDS))}, _OPTIONS)

_STATUSES = {DNS: (0, 15), "redirect": (300, 399)}
_USUAL_STATUSES = (100, 599)
_PYTHON_NAMES = {name: field for field, name in FILE_NAMES.items()}


@frozen
class FaultReader:
    """Reads orders for the targets of one rack."""

    targets: Collection[str]

    def one(self, value: Any, source: str) -> Fault:
        """Return the fault that *value* orders.

        Raises:
            InputRejectedError: all mistakes, each with its path.
        """
        mistakes: list[Mistake] = []
        fault = self.row(value, "", mistakes)
        refuse_any(source, mistakes)
        if fault is None:
            raise InputRejectedError(source, mistakes)
        return fault

    def document(self, value: Any, source: str) -> tuple[Fault, ...]:
        """Return the faults that a document of format `FAULTS_FORMAT` orders.

        Raises:
            InputRejectedError: all mistakes, each with its path.
        """
        head, rows, mistakes = document_rows(value, FAULTS_FORMAT, "faults", source, Form({}, {"seed": whole(0)}))
        faults = [
            self.row(row, f"faults[{place}]", mistakes, seed=head.get("seed", 0)) for place, row in enumerate(rows)
        ]
        refuse_any(source, mistakes)
        return tuple(fault for fault in faults if fault is not None)

    def row(self, value: Any, path: str, mistakes: list[Mistake], *, seed: int = 0) -> Fault | None:
        """Return the fault that *value* at *path* orders, or None after adding to *mistakes* what is wrong."""
        fields = _FAULT.read(value, path, mistakes)
        if fields is None:
            return None
        options = {"seed": seed, **FAULT_KINDS[fields["kind"]].usual, **fields}
        found = [Mistake(at(path, name), message) for name, message in self._mistakes(options, set(fields))]
        mistakes += found
        if found:
            return None
        return Fault(**{_PYTHON_NAMES.get(name, name): option for name, option in options.items()})

    def _mistakes(self, options: Mapping[str, Any], given: set[str]) -> Iterator[tuple[str, str]]:
        """Yield what does not go together: a field, and what is wrong with it."""
        kind = FAULT_KINDS[options["kind"]]
        struck = [target for target in self.targets if _is_meant(options["target"], target)]
        if not struck:
            yield "target", f"there is no target {options['target']}; there are {', '.join(self.targets)}"
        elif not any(fnmatchcase(target, kind.where) and _plays(target, options["kind"]) for target in struck):
            yield "kind", f"{options['target']} does not play {options['kind']}"
        for name in sorted(given & (SPECIAL - kind.takes)):
            yield name, f"means nothing to {options['kind']}"
        for name in sorted(kind.needs - given):
            yield name, f"{options['kind']} needs it"
        yield from _mistakes_of_calls(options, given)
        lowest, highest = _STATUSES.get(DNS if struck == [DNS] else options["kind"], _USUAL_STATUSES)
        if "status" in given and not lowest <= options["status"] <= highest:
            yield "status", f"expected {lowest} to {highest}, found {options['status']}"
        if options.get("until") is not None and options["until"] <= options.get("from", 0):
            yield "until", "is not after from"
        if {"records", "method"} <= given:
            yield from _mistakes_of_records(options["method"], options["records"])
        call = options.get("call")
        if call is not None and call.target not in self.targets:
            yield "call", f"there is no target {call.target}"


def _mistakes_of_calls(options: Mapping[str, Any], given: set[str]) -> Iterator[tuple[str, str]]:
    if FAULT_KINDS[options["kind"]].is_within:
        for name in sorted(given & {"method", "path"}):
            yield name, f"{options['kind']} strikes within a daemon"


def _mistakes_of_records(kind: str, records: Iterable[str]) -> Iterator[tuple[str, str]]:
    for place, record in enumerate(records):
        try:
            dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), record)
        except (dns.exception.DNSException, ValueError) as error:
            yield f"records[{place}]", f"{record!r:.60} is no {kind} record: {error}"


def _is_meant(pattern: str, target: str) -> bool:
    return target == pattern or fnmatchcase(target, pattern)


def _plays(target: str, kind: str) -> bool:
    return target != DNS or FAULT_KINDS[kind].strikes_questions
