"""From method, path and version to a handler: a table of routes, kept as a tree of path segments.

This file does not know what handlers do.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator

from attrs import define, field, frozen

from simrack.web.answers import Answer, refused
from simrack.web.requests import Request
from simrack.web.versions import FIRST, Version

Handler = Callable[[Request], Answer | Awaitable[Answer]]
"""Most answer at once; some have to wait for their turn."""


@frozen
class Route:
    """A row of a daemon's table. ``{name}`` in the pattern leaves one segment open."""

    method: str
    pattern: str
    handler: Handler
    since: Version = FIRST
    """The first version that has this route."""

    until: Version | None = None
    """The first version that no longer has it, None while it lasts."""

    def serves(self, version: Version) -> bool:
        """Return whether *version* has this route."""
        return self.since <= version and (self.until is None or version < self.until)


@define
class _Node:
    literal: dict[str, "_Node"] = field(factory=dict)
    open: "_Node | None" = None
    name: str = ""
    routes: dict[str, list[Route]] = field(factory=dict)
    """By method; several of one method serve versions apart."""

    def child(self, segment: str) -> "_Node":
        if not segment.startswith("{"):
            return self.literal.setdefault(segment, _Node())
        if self.open is None:
            self.open = _Node(name=segment[1:-1])
        return self.open


class Router:
    """The routes of one daemon."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Build the tree; of rows that serve one version the first counts."""
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in route.pattern.strip("/").split("/"):
                node = node.child(segment)
            node.routes.setdefault(route.method, []).append(route)

    def patterns(self) -> Iterator[tuple[str, str]]:
        """Yield method and pattern of every route."""
        return self._below(self._root, "")

    def _below(self, node: _Node, path: str) -> Iterator[tuple[str, str]]:
        yield from ((method, path) for method in node.routes)
        for segment, child in node.literal.items():
            yield from self._below(child, f"{path}/{segment}")
        if node.open is not None:
            yield from self._below(node.open, f"{path}/{{{node.open.name}}}")

    def handler(self, request: Request) -> Handler:
        """Return who handles *request*, after filling in its open segments.

        Raises:
            HttpError: 404, no such path in this version; 405, the path has no such method.
        """
        node = self._root
        for segment in request.segments:
            step = node.literal.get(segment)
            if step is None:
                step = node.open
                if step is None:
                    raise refused(404)
                request.params[step.name] = segment
            node = step
        for route in node.routes.get(request.method, ()):
            if route.serves(request.version):
                return route.handler
        if any(route.serves(request.version) for rows in node.routes.values() for route in rows):
            raise refused(405)
        raise refused(404)
