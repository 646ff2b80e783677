"""Parameter mapping of REST APIs: what an integration request gets from a method request, and an answer from a reply.

A source that has no value leaves its target out. Source: developer guide, "Parameter mapping in API Gateway"; what it
leaves open is recorded on the service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

from wsgw.errors import BadRequestBody, BadRequestParameters
from wsgw.invocation import NOT_JSON, HttpInvocation, Reply
from wsgw.mapping.jsonpath import JsonPath, JsonPathError, compile_path
from wsgw.mapping.parameters import MappedParameters, ParameterError, request_header, safe_header, value_text
from wsgw.mapping.request_body import json_of, request_document
from wsgw.mapping.variables import UnknownVariable, context_reader

__all__ = [
    "MappedParameters",
    "compile_request_parameters",
    "compile_response_parameters",
    "required_request_parameters",
]

Source = Callable[[HttpInvocation], Sequence[str]]
ReplySource = Callable[[HttpInvocation, Reply], Sequence[str]]
#: Whose a value is: the request's path, percent-encoded already; whoever wrote the definition; anybody else.
Origin = Literal["PATH", "DEFINITION", "REQUEST"]

_NAME: Final = r"[a-zA-Z0-9._$-]+"
_TARGET: Final = re.compile(rf"integration\.request\.(header|querystring|path)\.({_NAME})")
_ANSWER_TARGET: Final = re.compile(rf"method\.response\.header\.({_NAME})")
_RECEIVED: Final = re.compile(
    rf"method\.request\.(path|querystring|header|multivaluequerystring|multivalueheader)\.({_NAME})"
)
_DECLARED: Final = re.compile(rf"method\.request\.(path|querystring|header)\.({_NAME})")
_REPLIED: Final = re.compile(rf"integration\.response\.(multivalue)?header\.({_NAME})")
_BODY: Final = re.compile(r"(?:method\.request|integration\.response)\.body(?:$|(?=[.\[]))")
_STAGE_VARIABLE: Final = re.compile(r"stageVariables\.([A-Za-z0-9_]+)")
_SOURCES: Final = (
    "method.request.{path,querystring,multivaluequerystring,header,multivalueheader}.{name}, "
    "method.request.body or .body.{JSONPath}, stageVariables.{name}, context.{name} or 'literal'"
)
_REPLY_SOURCES: Final = (
    "integration.response.{header,multivalueheader}.{name}, integration.response.body or .body.{JSONPath}, "
    "stageVariables.{name}, context.{name} or 'literal'"
)
#: What a literal or a stage variable may bring into a path as it is: it may be several segments.
_CONFIGURED_IN_PATH: Final = "/%:@!$&'()*+,;=~"


def compile_request_parameters(mapping: Mapping[str, str]) -> Callable[[HttpInvocation], MappedParameters]:
    """Maps a request's parameters: integration target → source expression. Raises ParameterError.

    Values of `path` are percent-encoded already and go into the URL as they are: a path variable stays as it was sent,
    so that `{proxy+}` keeps its slashes. Those of `query` are not encoded yet, so one from the path is decoded. The
    result raises BadRequestBody where a body that is no JSON is asked for a part of it, and ApiConfigurationError where
    a value would end its header.
    """
    entries = [(*_target(key), _source(key, expression)) for key, expression in mapping.items()]

    def mapped(invocation: HttpInvocation) -> MappedParameters:
        parameters = MappedParameters()
        for place, name, (read, origin) in entries:
            values = read(invocation)
            if not values:
                continue
            if place == "header":
                parameters.headers.append((name, safe_header(name, ",".join(values))))
            elif place == "querystring":
                parameters.query.extend([(name, unquote(value) if origin == "PATH" else value) for value in values])
            else:
                parameters.path[name] = _in_path(",".join(values), origin)
        return parameters

    return mapped


def compile_response_parameters(
    mapping: Mapping[str, str],
) -> Callable[[HttpInvocation, Reply], list[tuple[str, str]]]:
    """Maps a backend's answer to the headers that the client gets: `method.response.header.X` → source expression.

    Raises ParameterError. The result raises ApiConfigurationError where a value would end its header.
    """
    entries = [(_answer_target(key), _reply_source(key, expression)) for key, expression in mapping.items()]

    def mapped(invocation: HttpInvocation, reply: Reply) -> list[tuple[str, str]]:
        found = []
        for name, read in entries:
            values = read(invocation, reply)
            if values:
                found.append((name, safe_header(name, ",".join(values))))
        return found

    return mapped


def required_request_parameters(declared: Mapping[str, bool]) -> Callable[[HttpInvocation], None]:
    """Checks that a request has the parameters that its method requires. Raises ParameterError.

    declared: `method.request.{path,querystring,header}.NAME`, and whether it is required. The result raises
    BadRequestParameters naming what is missing or empty: headers first, then paths, then the query's, each in order.
    """
    needed: list[tuple[str, Source]] = []
    for key, required in sorted(declared.items()):
        match = _DECLARED.fullmatch(key)
        if match is None:
            raise ParameterError(
                f"request parameter {key!r}: write method.request.path.{{name}}, .querystring.{{name}} or "
                ".header.{name}"
            )
        if required:
            needed.append((match[2], received(match[1], match[2])))

    def check(invocation: HttpInvocation) -> None:
        missing = [name for name, read in needed if not "".join(read(invocation))]
        if missing:
            raise BadRequestParameters(f"Missing required request parameters: [{', '.join(missing)}]")

    return check


# ---- targets


def _target(key: str) -> tuple[str, str]:
    match = _TARGET.fullmatch(key)
    if match is None:
        raise ParameterError(
            f"request parameter {key!r} is no target; write integration.request.path.{{name}}, .querystring.{{name}} "
            "or .header.{name}"
        )
    return match[1], match[2]


def _answer_target(key: str) -> str:
    match = _ANSWER_TARGET.fullmatch(key)
    if match is None:
        raise ParameterError(f"response parameter {key!r} is no target; write method.response.header.{{name}}")
    return match[1]


# ---- sources


def _in_path(value: str, origin: Origin) -> str:
    if origin == "PATH":
        return value
    return quote(value, safe=_CONFIGURED_IN_PATH if origin == "DEFINITION" else "", errors="replace")


def _source(key: str, expression: str) -> tuple[Source, Origin]:
    """Reads the source, and says where its values are from."""
    try:
        shared = shared_source(expression)
        if shared is not None:
            return shared, "REQUEST" if expression.startswith("context.") else "DEFINITION"
        match = _RECEIVED.fullmatch(expression)
        if match is not None:
            return received(match[1], match[2]), "PATH" if match[1] == "path" else "REQUEST"
        body = _BODY.match(expression)
        if body is not None and expression.startswith("method."):
            return _from_body(expression[body.end() :]), "REQUEST"
    except (JsonPathError, UnknownVariable) as error:
        raise ParameterError(f"request parameter {key!r}: {expression!r}: {error}") from error
    raise ParameterError(f"request parameter {key!r}: {expression!r} is no source; there are {_SOURCES}")


def _reply_source(key: str, expression: str) -> ReplySource:
    try:
        shared = shared_source(expression)
        if shared is not None:
            return lambda invocation, reply: shared(invocation)
        replied = _REPLIED.fullmatch(expression)
        if replied is not None:
            return _from_reply_header(replied[2].lower(), multiple=bool(replied[1]))
        body = _BODY.match(expression)
        if body is not None and expression.startswith("integration."):
            return _from_reply_body(expression[body.end() :])
    except (JsonPathError, UnknownVariable) as error:
        raise ParameterError(f"response parameter {key!r}: {expression!r}: {error}") from error
    raise ParameterError(f"response parameter {key!r}: {expression!r} is no source; there are {_REPLY_SOURCES}")


def shared_source(expression: str) -> Source | None:
    """Reads `'literal'`, `context.NAME` or `stageVariables.NAME`; None for any other. Raises UnknownVariable."""
    if len(expression) >= 3 and expression[0] == expression[-1] == "'":
        literal = (expression[1:-1],)
        return lambda invocation: literal
    if expression.startswith("context."):
        return _from_context(expression.removeprefix("context."))
    variable = _STAGE_VARIABLE.fullmatch(expression)
    return None if variable is None else _from_stage(variable[1])


def _from_context(name: str) -> Source:
    read = context_reader(name, "REST")

    def values(invocation: HttpInvocation) -> Sequence[str]:
        value = read(invocation)
        return () if value is None else (str(value),)

    return values


def _from_stage(name: str) -> Source:
    def values(invocation: HttpInvocation) -> Sequence[str]:
        value = invocation.site.stage_variables.get(name)
        return () if value is None else (value,)

    return values


def received(place: str, name: str) -> Source:
    """A parameter of the method request: the last value of a repeated one, unless all are asked for."""

    def path(invocation: HttpInvocation) -> Sequence[str]:
        value = invocation.path_parameters.get(name)
        return () if value is None else (value,)

    def query(invocation: HttpInvocation) -> Sequence[str]:
        return [value for key, value in invocation.query if key == name]

    if place == "path":
        return path
    all_values = query if place.endswith("querystring") else request_header(name.lower())
    return all_values if place.startswith("multivalue") else lambda invocation: all_values(invocation)[-1:]


def _from_body(tail: str) -> Source:
    if not tail:
        return lambda invocation: (invocation.body.decode(errors="replace") or "{}",)
    path = compile_path("$" + tail)

    def values(invocation: HttpInvocation) -> Sequence[str]:
        document = request_document(invocation)
        if document is NOT_JSON:
            if invocation.body.lstrip()[:1] in (b"{", b"[", b'"', b"'"):
                raise BadRequestBody("Invalid JSON in request body")
            return ()
        return _value_at(path, document)

    return values


def _value_at(path: JsonPath, document: Any) -> Sequence[str]:
    value = path.get(document)
    return () if value is None else (value_text(value),)


def _from_reply_header(lowered: str, *, multiple: bool) -> ReplySource:
    def values(invocation: HttpInvocation, reply: Reply) -> Sequence[str]:
        found = [value for key, value in reply.headers if key.lower() == lowered]
        return found if multiple else found[-1:]

    return values


def _from_reply_body(tail: str) -> ReplySource:
    if not tail:
        return lambda invocation, reply: (reply.body.decode(errors="replace") or "{}",)
    path = compile_path("$" + tail)

    def values(invocation: HttpInvocation, reply: Reply) -> Sequence[str]:
        document = json_of(reply.body)
        return () if document is NOT_JSON else _value_at(path, document)

    return values
