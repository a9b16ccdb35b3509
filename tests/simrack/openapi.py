"""As much of OpenAPI 3.0 as the daemons' documents use: finding an operation, checking requests and values."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import UUID

from attrs import frozen

Json = Any


def _date_time(text: str) -> None:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text!r} has no zone")


FORMATS: Mapping[str, Callable[[str], object]] = {
    "uuid": UUID,
    "ip": ip_address,
    "ipv4": IPv4Address,
    "ipv6": IPv6Address,
    "date-time": _date_time,
}
RANGES = {f"uint{bits}": (0, 1 << bits) for bits in (8, 16, 32, 64)} | {
    f"int{bits}": (-1 << bits - 1, 1 << bits - 1) for bits in (8, 16, 32, 64)
}
TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def _fits(template: list[str], segments: list[str]) -> bool:
    return len(template) == len(segments) and all(
        there == here or (there.startswith("{") and here != "")
        for there, here in zip(template, segments, strict=True)
    )


def _read(text: str, schema: Json) -> Json:
    """The value that a parameter's *text* stands for, the text itself where it cannot be read as its type."""
    if schema.get("type") in ("integer", "boolean"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


@frozen
class Document:
    """One daemon's API."""

    content: Json

    @staticmethod
    def load(path: Path) -> "Document":
        return Document(json.loads(path.read_text()))

    def operation(self, method: str, template: str) -> Json:
        return self.content["paths"][template][method.lower()]

    def find(self, method: str, path: str) -> str | None:
        """The template that *path*, without its query, fits; None where no call is so documented."""
        segments = path.split("/")
        fitting = [
            template
            for template, operations in self.content["paths"].items()
            if method.lower() in operations and _fits(template.split("/"), segments)
        ]
        return min(fitting, key=lambda template: template.count("{"), default=None)

    def request_problems(self, method: str, target: str, body: Json) -> list[str]:
        """What of a request is not as documented; *target* is its path with its query, no *body* is None."""
        path, _, query = target.partition("?")
        template = self.find(method, path)
        if template is None:
            return [f"{method} {path}: not documented"]
        operation = self.operation(method, template)
        segments = zip(template.split("/"), path.split("/"), strict=True)
        given = {("path", name[1:-1]): unquote(value) for name, value in segments if name.startswith("{")}
        given |= {("query", name): value for name, value in parse_qsl(query, keep_blank_values=True)}
        return [*self._parameter_problems(operation, given), *self._body_problems(operation, body)]

    def _parameter_problems(self, operation: Json, given: Mapping[tuple[str, str], str]) -> Iterator[str]:
        known = {(row["in"], row["name"]): row for row in operation.get("parameters", ())}
        yield from (f"{place} {name}: not documented" for place, name in given.keys() - known.keys())
        for (place, name), row in known.items():
            if (place, name) in given:
                schema = self._followed(row["schema"])
                yield from self.problems(_read(given[place, name], schema), schema, f"{place} {name}")
            elif row.get("required"):
                yield f"{place} {name}: missing"

    def _body_problems(self, operation: Json, body: Json) -> Iterator[str]:
        documented = operation.get("requestBody")
        if documented is None:
            if body is not None:
                yield "body: not documented"
        elif body is None:
            yield "body: missing"
        else:
            yield from self.problems(body, documented["content"]["application/json"]["schema"], "body")

    def response_schema(self, method: str, template: str, status: int) -> Json | None:
        """The schema of an answer of *status*, None where it has no body.

        KeyError: such a status is not documented.
        """
        responses = self.operation(method, template)["responses"]
        response = responses.get(str(status)) or responses[f"{status // 100}XX"]
        content = self._followed(response).get("content")
        return None if content is None else content["application/json"]["schema"]

    def request_schema(self, method: str, template: str) -> Json:
        return self.operation(method, template)["requestBody"]["content"]["application/json"]["schema"]

    def problems(self, value: Json, schema: Json, path: str = "") -> list[str]:
        """What of *value* breaks *schema*, each with its place."""
        return list(self._problems(value, self._followed(schema), path))

    def _followed(self, schema: Json) -> Json:
        while "$ref" in schema:
            place = self.content
            for step in schema["$ref"].removeprefix("#/").split("/"):
                place = place[step]
            schema = place
        return schema

    def _problems(self, value: Json, schema: Json, path: str) -> Iterator[str]:
        if value is None and schema.get("nullable"):
            return
        for part in schema.get("allOf", ()):
            yield from self.problems(value, part, path)
        for word, most in (("oneOf", 1), ("anyOf", len(schema.get("anyOf", ())))):
            if word in schema:
                fits = sum(not self.problems(value, part, path) for part in schema[word])
                if not 1 <= fits <= most:
                    yield f"{path}: {value!r} fits {fits} of {word}"
        if "enum" in schema and value not in schema["enum"]:
            yield f"{path}: {value!r} is none of {schema['enum']}"
        if "type" in schema:
            yield from self._typed(value, schema, path)

    def _typed(self, value: Json, schema: Json, path: str) -> Iterator[str]:
        kind = schema["type"]
        if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
            yield f"{path}: {value!r} is no {kind}"
            return
        checks = {"object": self._object, "array": self._array, "string": self._string, "integer": self._integer}
        if kind in checks:
            yield from checks[kind](value, schema, path)

    def _array(self, value: Json, schema: Json, path: str) -> Iterator[str]:
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{path}: {len(value)} items"
        if schema.get("uniqueItems") and len({json.dumps(item, sort_keys=True) for item in value}) < len(value):
            yield f"{path}: an item stands there twice"
        for place, item in enumerate(value):
            yield from self.problems(item, schema["items"], f"{path}[{place}]")

    def _integer(self, value: Json, schema: Json, path: str) -> Iterator[str]:
        lowest, beyond = RANGES.get(schema.get("format", ""), (value, value + 1))
        lowest, highest = max(lowest, schema.get("minimum", lowest)), schema.get("maximum", value)
        if not lowest <= value < beyond or value > highest:
            yield f"{path}: {value} is out of range"

    def _object(self, value: Json, schema: Json, path: str) -> Iterator[str]:
        properties = schema.get("properties", {})
        yield from (f"{path}.{name}: missing" for name in schema.get("required", ()) if name not in value)
        extra = schema.get("additionalProperties", True)
        for name, item in value.items():
            if name in properties:
                yield from self.problems(item, properties[name], f"{path}.{name}")
            elif isinstance(extra, dict):
                yield from self.problems(item, extra, f"{path}.{name}")
            elif extra is False or properties:
                yield f"{path}.{name}: not documented"

    def _string(self, value: Json, schema: Json, path: str) -> Iterator[str]:
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{path}: {value!r} does not match {schema['pattern']}"
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            yield f"{path}: {len(value)} characters"
        try:
            FORMATS.get(schema.get("format", ""), str)(value)
        except ValueError:
            yield f"{path}: {value!r} is no {schema['format']}"
