"""Parameter mapping: headers, query and path of an integration request, each from one expression.

Source: developer guide, "WebSocket API mapping template and parameter reference"; the table of expressions in
"Data mapping for WebSocket APIs".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from wsgw.errors import ApiConfigurationError, BadRequestParameters
from wsgw.invocation import NOT_JSON, HttpInvocation, Invocation
from wsgw.mapping.java_text import java_text
from wsgw.mapping.jsonpath import JsonPathError, compile_path
from wsgw.mapping.selection import document_of
from wsgw.mapping.variables import UnknownVariable, context_reader

Source = Callable[[Invocation], Sequence[str]]

_NAME: Final = r"[a-zA-Z0-9._$-]+"
_TARGET: Final = re.compile(rf"integration\.request\.(header|querystring|path)\.({_NAME})")
_RECEIVED: Final = re.compile(rf"route\.request\.(multivalue)?(header|querystring)\.({_NAME})")
_BODY: Final = re.compile(r"route\.request\.body(?:$|(?=[.\[]))")
_STAGE_VARIABLE: Final = re.compile(r"stageVariables\.([A-Za-z0-9_]+)")
_STAGE_VARIABLE_IN_TEXT: Final = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")
_UNSAFE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: Headers that the gateway adds: `HttpInvocation.headers` has them, its `fields` don't.
_ADDED: Final = frozenset(("x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"))
_TARGETS: Final = "integration.request.header.{name}, .querystring.{name} or .path.{name}"
_LIFECYCLE_SOURCES: Final = (
    "route.request.header.{name}, .querystring.{name}, .multivalueheader.{name}, .multivaluequerystring.{name}"
)
_SOURCES: Final = "stageVariables.{name}, context.{name} or 'literal'"


class ParameterError(ValueError):
    """A parameter mapping that cannot be; the message names it and the forms that are allowed."""


class MappedParameters:
    """What a mapping adds to an integration request.

    `headers` and `query` keep the mapping's order and repeats; values of `query` and `path` are not URL-encoded yet.
    """

    __slots__ = ("headers", "path", "query")

    def __init__(self) -> None:
        self.headers: list[tuple[str, str]] = []
        self.query: list[tuple[str, str]] = []
        self.path: dict[str, str] = {}


def compile_parameters(mapping: Mapping[str, str], lifecycle: bool) -> Callable[[Invocation], MappedParameters]:
    """Maps an invocation's parameters; what has no value is left out. Raises ParameterError.

    lifecycle: the route is `$connect` or `$disconnect`: headers and query, and no body. The result raises
    ApiConfigurationError where a value would end the header that it is for.
    """
    entries = [(*_target(key), _source(key, expression, lifecycle)) for key, expression in mapping.items()]

    def mapped(invocation: Invocation) -> MappedParameters:
        parameters = MappedParameters()
        for place, name, read in entries:
            values = read(invocation)
            if not values:
                continue
            if place == "header":
                parameters.headers.extend([(name, safe_header(name, value)) for value in values])
            elif place == "querystring":
                parameters.query.extend([(name, value) for value in values])
            else:
                parameters.path[name] = ",".join(values)
        return parameters

    return mapped


def required_parameters(declared: Mapping[str, bool]) -> Callable[[Invocation], None]:
    """Checks that a handshake has the parameters a route requires. Raises ParameterError.

    declared: `route.request.header.{name}` or `.querystring.{name}`, and whether it is required. The result raises
    BadRequestParameters, which names what is missing.
    """
    needed: list[tuple[str, Source]] = []
    for key, required in declared.items():
        match = _RECEIVED.fullmatch(key)
        if match is None:
            raise ParameterError(f"request parameter {key!r}: write {_LIFECYCLE_SOURCES}")
        if required:
            needed.append((match[3], _received(match)))

    def check(invocation: Invocation) -> None:
        missing = [name for name, read in needed if not read(invocation)]
        if missing:
            raise BadRequestParameters(f"Missing required request parameters: [{', '.join(missing)}]")

    return check


def stage_variables_in(text: str) -> Callable[[Mapping[str, str]], str]:
    """Fills in each `${stageVariables.name}` of `text`. Raises ParameterError for any other `${`.

    The result raises ParameterError where the stage has no variable of a name.
    """
    parts = _STAGE_VARIABLE_IN_TEXT.split(text)
    for literal in parts[::2]:
        if "${" in literal:
            raise ParameterError(f"{text!r}: after '${{' only stageVariables.{{name}} and '}}' can follow")
    if len(parts) == 1:
        return lambda variables: text

    def fill(variables: Mapping[str, str]) -> str:
        try:
            return "".join(variables[part] if at % 2 else part for at, part in enumerate(parts))
        except KeyError as error:
            raise ParameterError(f"{text!r}: the stage has no variable {error.args[0]!r}") from error

    return fill


# ---- sources


def _target(key: str) -> tuple[str, str]:
    match = _TARGET.fullmatch(key)
    if match is None:
        raise ParameterError(f"request parameter {key!r} is no target; write {_TARGETS}")
    return match[1], match[2]


def _source(key: str, expression: str, lifecycle: bool) -> Source:
    try:
        read = _read(expression, lifecycle)
    except (JsonPathError, UnknownVariable) as error:
        raise ParameterError(f"request parameter {key!r}: {expression!r}: {error}") from error
    if read is None:
        first = _LIFECYCLE_SOURCES if lifecycle else "route.request.body.{JSONPath}"
        kind = "$connect and $disconnect" if lifecycle else "message routes"
        raise ParameterError(f"request parameter {key!r}: {expression!r} is no source; {kind} have {first}, {_SOURCES}")
    return read


def _read(expression: str, lifecycle: bool) -> Source | None:
    if len(expression) >= 2 and expression[0] == expression[-1] == "'":
        literal = (expression[1:-1],)
        return lambda invocation: literal
    if expression.startswith("context."):
        return _from_context(expression.removeprefix("context."))
    variable = _STAGE_VARIABLE.fullmatch(expression)
    if variable is not None:
        return _from_stage(variable[1])
    received = _RECEIVED.fullmatch(expression)
    if received is not None and lifecycle:
        return _received(received)
    body = _BODY.match(expression)
    if body is not None and not lifecycle:
        return _from_body(expression[body.end() :])
    return None


def _received(match: re.Match[str]) -> Source:
    multiple, headers, name = bool(match[1]), match[2] == "header", match[3]
    lowered = name.lower()

    def read(invocation: Invocation) -> Sequence[str]:
        if headers:
            values = [value for key, value in invocation.headers if key.lower() == lowered]
        else:
            values = [value for key, value in invocation.query if key == name]
        return values if multiple else values[-1:]

    return read


def _from_context(name: str) -> Source:
    read = context_reader(name)

    def values(invocation: Invocation) -> Sequence[str]:
        value = read(invocation)
        return () if value is None else (str(value),)

    return values


def _from_stage(name: str) -> Source:
    def values(invocation: Invocation) -> Sequence[str]:
        value = invocation.site.stage_variables.get(name)
        return () if value is None else (value,)

    return values


def _from_body(tail: str) -> Source:
    if not tail:
        return lambda invocation: (invocation.body.decode(errors="replace"),)
    path = compile_path("$" + tail)

    def values(invocation: Invocation) -> Sequence[str]:
        document = document_of(invocation)
        value = None if document is NOT_JSON else path.get(document)
        return () if value is None else (value_text(value),)

    return values


def value_text(value: Any) -> str:
    """A value of a JSON document as a parameter has it. Raises ApiConfigurationError where it is nested too deeply."""
    if not isinstance(value, (dict, list)):
        return java_text(value)
    try:
        # Unlike in selection expressions: a backend can read JSON, and not what Java prints.
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:  # More than 254 levels deep.
        raise ApiConfigurationError(detail=f"a mapped parameter is nested too deeply: {error}") from error


def request_header(name: str) -> Callable[[HttpInvocation], Sequence[str]]:
    """Reads every value, in order, of the header `name` (given in lower case) of a request to a REST or HTTP API."""
    if name in _ADDED:
        return lambda invocation: [value for key, value in invocation.headers if key.lower() == name]
    return lambda invocation: invocation.fields.all(name)


def as_latin(value: str) -> str:
    """`value` as headers have it, in Latin-1; one that has other characters goes out as UTF-8."""
    return value if value.isascii() or max(value) <= "\xff" else value.encode("utf-8", "replace").decode("latin-1")


def safe_header(name: str, value: str) -> str:
    """`value`, which is for the header `name`. Raises ApiConfigurationError where it would end that header."""
    if _UNSAFE.search(value):
        raise ApiConfigurationError(detail=f"the value mapped to header {name} has control characters")
    return value
