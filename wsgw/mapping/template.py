"""Mapping templates: VTL with API Gateway's `$input`, `$util`, `$context` and `$stageVariables`.

Compiled once when an API is deployed, rendered per invocation. Source: developer guide, "Mapping template
transformations for REST APIs in API Gateway" and "WebSocket API mapping template reference".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from wsgw.mapping.velocity.blocks import compile_nodes
from wsgw.mapping.velocity.errors import TemplateRuntimeError, TemplateSyntaxError
from wsgw.mapping.velocity.frame import API_GATEWAY, Break, Dialect, Frame, Stop, TemplateLimits
from wsgw.mapping.velocity.gateway import Input, Util
from wsgw.mapping.velocity.library import LIBRARY

__all__ = [
    "Params",
    "Scope",
    "Template",
    "TemplateLimits",
    "TemplateRuntimeError",
    "TemplateSyntaxError",
    "compile_template",
]

_DEFAULT_LIMITS: Final = TemplateLimits()
_UTIL: Final = Util()


class Params:
    """A request's parameters by kind: one value a name, `$input.params('name')` looks in this order."""

    __slots__ = ("header", "path", "querystring")

    def __init__(self, path: dict[str, str], querystring: dict[str, str], header: dict[str, str]) -> None:
        self.path = path
        self.querystring = querystring
        self.header = header


class Scope:
    """What a template sees.

    body: the payload as text; an empty one is `{}` to a template, as in API Gateway
    context: `$context`, nested; the template may write into it, so its maps belong to this invocation
    stage_variables, params: never changed, a template changes its own copy
    """

    __slots__ = ("body", "context", "params", "stage_variables")

    def __init__(self, body: str, params: Params, context: dict[str, Any], stage_variables: Mapping[str, str]) -> None:
        self.body = body
        self.params = params
        self.context = context
        self.stage_variables = stage_variables


class Template:
    """A compiled template; may be rendered any number of times, one at a time or nested."""

    __slots__ = ("_limits", "_overrides", "_run", "_stage_variables", "source")

    def __init__(self, source: str, limits: TemplateLimits, dialect: Dialect) -> None:
        self.source = source
        self._limits = limits
        self._run = compile_nodes(source, dialect, limits, LIBRARY)
        self._overrides = "Override" in source
        self._stage_variables = "stageVariables" in source

    def render(self, scope: Scope) -> str:
        """The template's text for `scope`; always encodable as UTF-8. Raises TemplateRuntimeError.

        `#set($context.requestOverride.header.X = …)` and its like end up in `scope.context`.
        """
        if self._overrides:
            _add_overrides(scope.context)
        params = scope.params
        kinds = {"path": params.path, "querystring": params.querystring, "header": params.header}
        variables: dict[str, Any] = {
            "input": Input(scope.body, kinds),
            "util": _UTIL,
            "context": scope.context,
        }
        if self._stage_variables:
            variables["stageVariables"] = dict(scope.stage_variables)
        frame = Frame(variables, self._limits)
        try:
            self._run(frame)
        except (Stop, Break):
            pass
        except (ArithmeticError, RecursionError, UnicodeError) as error:
            raise TemplateRuntimeError(f"the template fails: {error}") from error
        return _checked("".join(frame.out), self._limits)


def _add_overrides(context: dict[str, Any]) -> None:
    """The maps that templates write overrides into are there from the start."""
    for name, parts in (
        ("requestOverride", ("header", "path", "querystring")),
        ("responseOverride", ("header",)),
    ):
        override = context.setdefault(name, {})
        if override.__class__ is dict:
            for part in parts:
                override.setdefault(part, {})


def _checked(text: str, limits: TemplateLimits) -> str:
    """`text`, with half a surrogate pair as ?, as Java encodes it. Raises TemplateRuntimeError if it is too long."""
    length = len(text)
    if not text.isascii():
        try:
            length = len(text.encode())
        except UnicodeEncodeError:
            text = text.encode("utf-8", "replace").decode()
            length = len(text.encode())
    if length > limits.output:
        raise TemplateRuntimeError(f"the result is longer than {limits.output} bytes")
    return text


@lru_cache(maxsize=1_024)
def compile_template(source: str, limits: TemplateLimits = _DEFAULT_LIMITS, dialect: Dialect = API_GATEWAY) -> Template:
    """The template `source`; JSONPaths and regular expressions written in it are checked and compiled too.

    Raises TemplateSyntaxError, a ValueError with `line` and `column`, saying what was expected.
    """
    return Template(source, limits, dialect)
