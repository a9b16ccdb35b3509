"""YAML to plain data. Only what means the same everywhere: no tags, no dates, no numbers in base 60, no "yes".

This file does not know what the data mean, nor files.
"""

import re
from typing import Any, NoReturn

import yaml
from attrs import define, field

from blueprints.text import MAX_DEPTH, TOO_DEEP, reject

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_PLAIN_WORDS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
"""The words of YAML's core schema (YAML 1.2 section 10.3.2)."""

MAX_VALUES = 20_000_000
"""How many values a document may come to once its aliases are spelled out; a large snapshot has a million."""


@define
class _Open:
    """A collection that is being read."""

    collection: Any
    anchor: str | None
    key: list[str] = field(factory=list)
    """The key that waits for its value; empty: none."""
    size: int = 1
    height: int = 1


class YamlReader:
    """Builds data from YAML events, without recursion, so that no text can exhaust the stack."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int, int]] = {}
        """What a name stands for, with its size and height, once it is whole."""
        self.document: Any = None

    def read(self, text: str) -> Any:
        """Return the data of the one document in *text*.

        Raises:
            InputRejectedError: not the YAML we read; says where.
        """
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            reject(self.source, line, column, error.problem or "not YAML")
        except yaml.YAMLError as error:
            reject(self.source, 1, 1, str(error).splitlines()[0])
        return self.document

    def _refuse(self, event: Any, message: str) -> NoReturn:
        reject(self.source, event.start_mark.line + 1, event.start_mark.column + 1, message)

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.DocumentStartEvent) and self.document is not None:
            self._refuse(event, "one file holds one document")
        if isinstance(event, yaml.AliasEvent):
            self._place_alias(event)
        elif isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
            self._place(value, event)
            self._count(event, 1, 0)
            if event.anchor:
                self.anchors[event.anchor] = (value, 1, 0)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._close(event)

    def _open(self, event: Any) -> None:
        if event.tag is not None and not event.implicit:
            self._refuse(event, f"tags such as {event.tag} are not read")
        if len(self.stack) >= MAX_DEPTH:
            self._refuse(event, TOO_DEEP)
        collection: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._place(collection, event)
        self.stack.append(_Open(collection, event.anchor))

    def _close(self, event: Any) -> None:
        closed = self.stack.pop()
        if closed.anchor:
            self.anchors[closed.anchor] = (closed.collection, closed.size, closed.height)
        self._count(event, closed.size, closed.height)

    def _place_alias(self, event: Any) -> None:
        """Put what the name stands for in its place; limits hold as if it were written out."""
        if event.anchor not in self.anchors:
            self._refuse(event, f"*{event.anchor} stands for nothing that is whole yet")
        value, size, height = self.anchors[event.anchor]
        if len(self.stack) + height > MAX_DEPTH:
            self._refuse(event, TOO_DEEP)
        self._place(value, event)
        self._count(event, size, height)

    def _count(self, event: Any, size: int, height: int) -> None:
        if self.stack:
            self.stack[-1].size += size
            self.stack[-1].height = max(self.stack[-1].height, height + 1)
            if self.stack[-1].size > MAX_VALUES:
                self._refuse(event, f"comes to more than {MAX_VALUES} values")

    def _scalar(self, event: Any) -> Any:
        plain, quoted = event.implicit
        if not plain and not quoted:
            self._refuse(event, f"tags such as {event.tag} are not read")
        if event.style:
            return event.value
        if event.value in _PLAIN_WORDS:
            return _PLAIN_WORDS[event.value]
        return int(event.value) if _PLAIN_NUMBER.fullmatch(event.value) else event.value

    def _place(self, value: Any, event: Any) -> None:
        if not self.stack:
            self.document = value
            return
        collection, key = self.stack[-1].collection, self.stack[-1].key
        if isinstance(collection, list):
            collection.append(value)
        elif key:
            collection[key.pop()] = value
        elif not isinstance(value, str):
            self._refuse(event, f"{value!r} cannot be a key: put it in quotes")
        elif value in collection:
            self._refuse(event, f"key {value!r} is given twice in one object")
        else:
            key.append(value)
