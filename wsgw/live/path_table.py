"""Which route a request's method and path take: `METHOD /path/{variable}/{rest+}` keys, looked up segment by segment.

What a look-up costs depends on the path's segments, not on the number of routes.
Source: developer guide, "Routing API requests" (HTTP APIs) and "Set up a proxy resource" (REST APIs).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from wsgw.live.route_table import LiveRoute

_NOTHING: Mapping[str, str] = {}
ANY = "ANY"
#: What ANY stands for in a REST API; TRACE, CONNECT and made-up methods find nothing there.
_REST_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
#: With TRACE a backend would send back what the gateway has told it alone; CONNECT asks for a tunnel.
NOT_FORWARDED = frozenset(("CONNECT", "TRACE"))
#: Paths that were asked for and are known again: how many, and how long each may be.
_MOST_KNOWN = 1_024
_LONGEST_KNOWN = 128


class Match(NamedTuple):
    """The route of a request, and its path variables by name, raw."""

    route: LiveRoute
    parameters: Mapping[str, str]


class _Route(NamedTuple):
    live: LiveRoute
    names: tuple[str, ...]


class _Node:
    """One segment of paths. `routes` end here, `greedy` ones take whatever follows; both by method."""

    __slots__ = ("greedy", "literal", "routes", "variable")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.routes: dict[str, _Route] = {}
        self.greedy: dict[str, _Route] = {}


class PathTable:
    """Finds routes. `rest` says by whose rules: a REST API's or an HTTP API's.

    REST: a trailing slash is ignored; segment for segment a literal is tried before a variable, a variable before a
    greedy one. HTTP: a path with a trailing slash is another path; whatever matches in full, segment for segment, goes
    before a greedy variable. With both, a route that lacks the method is passed over for a less specific one.
    """

    def __init__(self, routes: Iterable[LiveRoute], *, rest: bool) -> None:
        self._rest = rest
        self._root = _Node()
        self._known: dict[tuple[str, str], Match | None] = {}
        for live in routes:
            method, _, template = live.key.partition(" ")
            self._add(method, template, live)

    def find(self, method: str, path: str) -> Match | None:
        """The route for `method` and the raw `path`, which begins with a slash; None where there is none."""
        key = (method, path)
        try:
            return self._known[key]
        except KeyError:
            found = self._find(method, path)
        if len(method) + len(path) <= _LONGEST_KNOWN:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[key] = found
        return found

    def _find(self, method: str, path: str) -> Match | None:
        if method in NOT_FORWARDED:
            return None
        if self._rest:
            if method not in _REST_METHODS:
                return None
            if path[-1] == "/":
                path = path.rstrip("/") or "/"
        segments = path[1:].split("/") if path != "/" else []
        values: list[str] = []
        if self._rest:
            route = self._descend(self._root, method, segments, 0, values, greedy=True)
        else:
            route = self._descend(self._root, method, segments, 0, values, greedy=False)
            if route is None:
                values = []
                route = self._descend(self._root, method, segments, 0, values, greedy=True)
        if route is None:
            return None
        return Match(route.live, dict(zip(route.names, values, strict=True)) if route.names else _NOTHING)

    def _add(self, method: str, template: str, live: LiveRoute) -> None:
        node = self._root
        names: list[str] = []
        greedy = False
        for segment in template[1:].split("/") if template != "/" else ():
            if segment.startswith("{") and segment.endswith("+}"):
                names.append(segment[1:-2])
                greedy = True
            elif segment.startswith("{") and segment.endswith("}"):
                names.append(segment[1:-1])
                if node.variable is None:
                    node.variable = _Node()
                node = node.variable
            else:
                node = node.literal.setdefault(segment, _Node())
        (node.greedy if greedy else node.routes)[method] = _Route(live, tuple(names))

    def _descend(
        self, node: _Node, method: str, segments: list[str], at: int, values: list[str], *, greedy: bool
    ) -> _Route | None:
        """The best route below `node` for the segments from `at` on. `values` gets those of its variables."""
        if at == len(segments):
            return _of(node.routes, method)
        segment = segments[at]
        below = node.literal.get(segment)
        if below is not None:
            route = self._descend(below, method, segments, at + 1, values, greedy=greedy)
            if route is not None:
                return route
        if node.variable is not None and segment:
            values.append(segment)
            route = self._descend(node.variable, method, segments, at + 1, values, greedy=greedy)
            if route is not None:
                return route
            values.pop()
        if greedy and node.greedy:
            rest = "/".join(segments[at:]).rstrip("/")
            route = _of(node.greedy, method) if rest else None
            if route is not None:
                values.append(rest)
                return route
        return None


def _of(routes: dict[str, _Route], method: str) -> _Route | None:
    return routes.get(method) or routes.get(ANY)
