"""Takes the steps of cases and says what differs, and what could not be compared.

This file does not know where cases and daemons come from, nor how results are shown.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx
from attrs import frozen

from tests.conformance.case import MISSING, Case, Step
from tests.conformance.matching import among, at, filled, filled_path, part, whole
from tests.conformance.targets import NEEDS, Target, UnreachableError, send

Json = Any


NAMES: Mapping[str, Json] = {"ten_kilobytes": "x" * 10_240}
"""What stands for which name in every case."""


@frozen(kw_only=True)
class Result:
    """What became of a case."""

    case: Case
    calls: int
    """Steps that were taken, the one that differs included; without clean-up."""

    differences: tuple[str, ...] = ()
    skipped: str | None = None
    """Why nothing was compared."""


def run(client: httpx.Client, case: Case, target: Target | str, *, risky: bool = False) -> Result:
    """Take the steps of *case*; *target* is the daemon, or why there is none."""
    reason = _reason_to_skip(case, target, risky=risky)
    if reason is not None or isinstance(target, str):
        return Result(case=case, calls=0, skipped=reason)
    names = {**NAMES, **target.names, **case.values}
    walk = _Walk(client, target, names)
    try:
        walk.clean_up(case.cleanup)
        differences = walk.take(case.steps)
    except UnreachableError as error:
        return Result(case=case, calls=walk.calls, skipped=str(error))
    finally:
        _still(walk, case)
    return Result(case=case, calls=walk.calls, differences=differences)


def _still(walk: "_Walk", case: Case) -> None:
    """Clean up once more; a daemon that is gone has nothing to clean."""
    try:
        walk.clean_up(case.cleanup)
    except UnreachableError:
        return


def _reason_to_skip(case: Case, target: Target | str, *, risky: bool) -> str | None:
    if isinstance(target, str):
        return target
    if case.risk is not None and not risky:
        return f"risky: {case.risk}"
    missing = [need for need in case.needs if NEEDS[need][0] not in target.names]
    return None if not missing else f"needs {NEEDS[missing[0]][1]}"


class _Walk:
    """The steps of one case, with what they keep for each other."""

    def __init__(self, client: httpx.Client, target: Target, names: Mapping[str, Json]) -> None:
        self._client = client
        self._target = target
        self._names = dict(names)
        self.calls = 0

    def take(self, steps: Iterable[Step]) -> tuple[str, ...]:
        """Return what differs at the first step that differs."""
        for number, step in enumerate(steps, start=1):
            self.calls += 1
            answer = self._send(step)
            place = f"step {number}, {step.method} {answer.request.url.raw_path.decode()}"
            found = tuple(f"{place}: {difference}" for difference in self._differences(step, answer))
            if found:
                return found
        return ()

    def clean_up(self, steps: Iterable[Step]) -> None:
        """Take *steps* whatever they answer; those about names that nothing was kept under have nothing to do."""
        for step in steps:
            try:
                self._send(step)
            except KeyError:
                continue

    def _send(self, step: Step) -> httpx.Response:
        headers: dict[str, str | None] = {"api-version": step.version or self._target.version, **step.headers}
        content = None if step.raw is None else filled(step.raw, self._names)
        if step.send is not MISSING:
            content = json.dumps(filled(step.send, self._names))
        if content is not None:
            headers = {"content-type": "application/json", **headers}
        return send(
            self._client,
            step.method,
            self._target.url + filled_path(step.path, self._names),
            content=content,
            headers={name: value for name, value in headers.items() if value is not None},
        )

    def _differences(self, step: Step, answer: httpx.Response) -> Iterator[str]:
        if step.statuses and answer.status_code not in step.statuses:
            due = " or ".join(map(str, step.statuses))
            yield f"expected {due}, found {answer.status_code} {answer.text[:200]}"
            return
        wanted = [due for due in (step.answer, step.has, step.lacks) if due is not MISSING]
        if answer.status_code == 204 and answer.content:
            yield f"expected no body, found {answer.text[:200]}"
        if not wanted and not step.keep:
            return
        try:
            body = answer.json()
        except ValueError:
            yield f"expected JSON, found {answer.text[:200]!r}"
            return
        yield from self._compare(step, body)
        for name, place in step.keep.items():
            try:
                self._names[name] = at(body, place)
            except (LookupError, TypeError, ValueError):
                yield f"nothing at {place} of {body!r}"

    def _compare(self, step: Step, body: Json) -> Iterator[str]:
        for due, compare in ((step.answer, whole), (step.has, part), (step.lacks, among)):
            if due is not MISSING:
                yield from compare(filled(due, self._names), body)
