"""JSONPath as API Gateway's own engine, Jayway JsonPath, reads it: compiled once, run per message.

A definite path (`$.a.b[0]`) gives the value, or raises PathNotFound. An indefinite one (`..`, `[*]`, filters, slices,
several indexes) gives a list, empty where nothing is found. Documents are what a JSON parser gives: dicts, lists, str,
int, float, bool, None. Source: Jayway JsonPath 2.0, run as an oracle in tests/mapping/jsonpath_oracle, and its README.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from wsgw.mapping.jsonpath_operators import MISSING
from wsgw.mapping.jsonpath_parse import JsonPathError, parse
from wsgw.mapping.jsonpath_plan import Plan, step_into
from wsgw.mapping.jsonpath_run import Run, TooMuch
from wsgw.mapping.jsonpath_tree import Segment

__all__ = ["JsonPath", "JsonPathError", "PathNotFound", "compile_path"]


class PathNotFound(LookupError):
    """A definite path leads nowhere in this document, or a path has more to look at than a run may (`MAX_VISITS`)."""


class JsonPath:
    """A compiled path. `definite`: `find` gives one value, not a list.

    `member`: the name, where the path is just one member of the document (`$.action`); callers may have a shorter way.
    """

    __slots__ = ("_keys", "_plan", "definite", "expression", "member")

    def __init__(self, expression: str, segments: Sequence[Segment]) -> None:
        self.expression = expression
        plan = Plan(segments)
        self.definite = plan.definite
        self._keys = plan.keys
        self._plan = None if plan.plain else plan
        only = plan.keys[0][1] if plan.plain and len(plan.keys) == 1 else None
        self.member: str | None = only if isinstance(only, str) else None

    def find(self, document: Any) -> Any:
        """The value at a definite path, a new list of values at an indefinite one. Raises PathNotFound."""
        value = self.get(document, MISSING)
        if value is MISSING:
            raise PathNotFound(f"no value at {self.expression}")
        return value

    def get(self, document: Any, default: Any = None) -> Any:
        """As `find`, but `default` where that raises."""
        if self._plan is None:
            value = step_into(document, self._keys)
        else:
            try:
                value = self._plan.value(document, Run(document))
            except TooMuch:
                return default
        return default if value is MISSING else value

    def __repr__(self) -> str:
        return f"JsonPath({self.expression!r})"


@lru_cache(maxsize=2_048)
def compile_path(expression: str) -> JsonPath:
    """The path that `expression` (`$.a.b`, or without `$`: `a.b`) writes. Raises JsonPathError."""
    return JsonPath(expression, parse(expression))
