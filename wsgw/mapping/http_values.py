"""Values of an HTTP API's parameter mapping: `$request.header.a`, `$context.b`, text, `${request.path.id}/${…}`.

Each value is compiled once. A variable alone that leads nowhere has no value (None); inside braces it is empty text.
Source: developer guide, "Transform API requests and responses for HTTP APIs".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

import orjson

from wsgw.invocation import NOT_JSON, UNPARSED, HttpInvocation, Reply
from wsgw.mapping.java_text import java_text
from wsgw.mapping.jsonpath import JsonPathError, compile_path
from wsgw.mapping.parameters import ParameterError, request_header
from wsgw.mapping.selection import document_of, parse_json
from wsgw.mapping.variables import UnknownVariable, context_reader

Side = Literal["request", "response"]

#: Of a body, this much is looked at; what follows is cut off, so that longer JSON is none.
BODY_BYTES: Final = 102_400
#: What may stand in a path unencoded (RFC 3986 §3.3).
_PATH_SAFE: Final = "/:@!$&'()*+,;=~"
_BRACED: Final = re.compile(r"\$\{([^{}]*)\}")
_LOOSE: Final = re.compile(r"\$(?:request|response|context|stageVariables)\.")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_STAGE_VARIABLE: Final = re.compile(r"[A-Za-z0-9_]+")
_REQUEST_SOURCES: Final = "$request.header.NAME, .querystring.NAME, .body, .body.PATH, .path, .path.NAME"
_RESPONSE_SOURCES: Final = "$response.header.NAME, .body.PATH"


class Answer:
    """A backend's answer as response mappings read it: its body is parsed at most once."""

    __slots__ = ("_document", "reply")

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self._document: Any = UNPARSED

    @property
    def document(self) -> Any:
        """The body as JSON, or NOT_JSON."""
        if self._document is UNPARSED:
            body = self.reply.body
            self._document = NOT_JSON if len(body) > BODY_BYTES else parse_json(body)
        return self._document


#: Gives a value's text, None where there is none. `answer` is there for response mappings.
Read = Callable[[HttpInvocation, Answer | None], str | None]


class Value:
    """A compiled value. `read` gives its text; `constant` is that text where no request can change it.

    `needs_body`: of the request or the response, the one that it is compiled for.
    """

    __slots__ = ("constant", "needs_body", "read")

    def __init__(self, read: Read, constant: str | None, needs_body: bool) -> None:
        self.read = read
        self.constant = constant
        self.needs_body = needs_body


def compile_value(expression: str, side: Side, *, for_path: bool = False) -> Value:
    """The compiled `expression`. Raises ParameterError that says which forms there are.

    for_path: the text is to be a path: what the request has of a path is taken raw, all else is percent-encoded.
    """
    if _BRACED.search(expression):
        return _joined(expression, side, for_path)
    if _LOOSE.match(expression):
        source = expression[1:]
        read = _source(expression, source, side, for_path)
        return Value(read, None, _reads_body(source))
    if _LOOSE.search(expression):
        raise ParameterError(f"{expression!r}: write variables inside text as ${{request.header.name}}, in braces")
    return _constant(_path_text(expression) if for_path else expression)


def _path_text(text: str) -> str:
    """Text of the definition as part of a path: what is percent-encoded there already stays so."""
    return quote(text, safe=_PATH_SAFE + "%")


def _constant(text: str) -> Value:
    return Value(lambda invocation, answer: text, text, False)


def _joined(expression: str, side: Side, for_path: bool) -> Value:
    parts = _BRACED.split(expression)
    for literal in parts[::2]:
        if _LOOSE.search(literal) or "${" in literal:
            raise ParameterError(f"{expression!r}: put each variable in braces, as ${{context.requestId}}")
    names = parts[1::2]
    readers: list[str | Read] = [
        _source(expression, part, side, for_path) if at % 2 else _path_text(part) if for_path else part
        for at, part in enumerate(parts)
    ]
    needs_body = any(map(_reads_body, names))

    def read(invocation: HttpInvocation, answer: Answer | None) -> str | None:
        return "".join(
            [part if isinstance(part, str) else part(invocation, answer) or "" for part in readers if part != ""]
        )

    return Value(read, None, needs_body)


def _reads_body(source: str) -> bool:
    return source.startswith(("request.body", "response.body"))


def _source(expression: str, source: str, side: Side, for_path: bool) -> Read:
    """What `source` (without its dollar sign) reads."""
    try:
        read = _reader(source, side, for_path)
    except (JsonPathError, UnknownVariable) as error:
        raise ParameterError(f"{expression!r}: {error}") from error
    if read is None:
        own = _REQUEST_SOURCES if side == "request" else _RESPONSE_SOURCES
        raise ParameterError(
            f"{expression!r}: a {side} mapping has no ${source}; it has {own}, $context.NAME, $stageVariables.NAME "
            "and text"
        )
    if for_path and not source.startswith("request.path"):
        return _encoded(read)
    return read


def _encoded(read: Read) -> Read:
    def encoded(invocation: HttpInvocation, answer: Answer | None) -> str | None:
        text = read(invocation, answer)
        return None if text is None else quote(text, safe=_PATH_SAFE, errors="replace")

    return encoded


def _reader(source: str, side: Side, raw_path: bool) -> Read | None:
    root, _, rest = source.partition(".")
    if root == "context":
        context = context_reader(rest, "HTTP")
        return lambda invocation, answer: None if (value := context(invocation)) is None else str(value)
    if root == "stageVariables":
        if not _STAGE_VARIABLE.fullmatch(rest):
            return None
        return lambda invocation, answer: invocation.site.stage_variables.get(rest)
    if root != side:
        return None
    if rest.startswith(("body.", "body[")) or (rest == "body" and side == "request"):
        return _body(rest.removeprefix("body"), side)
    kind, _, name = rest.partition(".")
    if kind == "header" and _HEADER.fullmatch(name):
        return _request_header(name.lower()) if side == "request" else _response_header(name.lower())
    if side == "request" and kind == "querystring" and name:
        return _querystring(name)
    if side == "request" and rest == "path":
        return lambda invocation, answer: invocation.rest
    if side == "request" and kind == "path" and name:
        return _path_variable(name, raw_path)
    return None


def _commas(values: Sequence[str]) -> str | None:
    return ",".join(values) if values else None


def _request_header(name: str) -> Read:
    values = request_header(name)
    return lambda invocation, answer: _commas(values(invocation))


def _response_header(name: str) -> Read:
    def read(invocation: HttpInvocation, answer: Answer | None) -> str | None:
        assert answer is not None
        return _commas([text for key, text in answer.reply.headers if key.lower() == name])

    return read


def _querystring(name: str) -> Read:
    return lambda invocation, answer: _commas([text for key, text in invocation.query if key == name])


def _path_variable(name: str, raw: bool) -> Read:
    if raw:
        return lambda invocation, answer: invocation.path_parameters.get(name)

    def decoded(invocation: HttpInvocation, answer: Answer | None) -> str | None:
        value = invocation.path_parameters.get(name)
        return None if value is None else unquote(value)

    return decoded


def _body(tail: str, side: Side) -> Read:
    if not tail:
        return _whole_body
    if ".." in tail or "?(" in tail.replace(" ", ""):
        raise JsonPathError("paths into bodies have no recursive descent (..) and no filters (?())")
    path = compile_path("$" + tail)

    def read(invocation: HttpInvocation, answer: Answer | None) -> str | None:
        if answer is not None:
            document = answer.document
        else:
            document = NOT_JSON if len(invocation.body) > BODY_BYTES else document_of(invocation)
        return None if document is NOT_JSON else _text(path.get(document))

    return read


def _whole_body(invocation: HttpInvocation, answer: Answer | None) -> str | None:
    body = invocation.body if answer is None else answer.reply.body
    return body[:BODY_BYTES].decode("utf-8", "replace")


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, (dict, list)):
        return java_text(value)
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # More than 254 levels deep.
        return None
