r"""Access-log formats: one line of text with `$context.…` variables, compiled once per stage.

What is unknown or empty is written as `-`. No value can break out of its place: inside double quotes, `"`, `\` and
control characters are escaped as JSON has them; in a JSON format, what stands outside of quotes becomes a JSON value
of its own; in an XML format, markup is escaped. Line breaks of every kind are escaped everywhere.
Source: developer guide, "Set up logging for WebSocket APIs", "… for REST APIs" and "… for HTTP APIs".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Final
from xml.sax.saxutils import escape

from wsgw.definitions.api import Protocol
from wsgw.invocation import Invocation
from wsgw.mapping.variables import UnknownVariable, Value, context_reader

DEFAULT_LOG_FORMAT: Final = (
    '{"requestId":"$context.requestId","ip":"$context.identity.sourceIp","requestTime":"$context.requestTime",'
    '"routeKey":"$context.routeKey","eventType":"$context.eventType","status":"$context.status",'
    '"connectionId":"$context.connectionId","messageId":"$context.messageId","apiId":"$context.apiId",'
    '"stage":"$context.stage","error":"$context.error.responseType",'
    '"integrationLatency":"$context.integrationLatency"}'
)
#: What a stage of each protocol logs that asks for a log and gives no format: the service's own JSON formats.
DEFAULT_LOG_FORMATS: Final[Mapping[Protocol, str]] = {
    "WEBSOCKET": DEFAULT_LOG_FORMAT,
    "REST": (
        '{"requestId":"$context.requestId","extendedRequestId":"$context.extendedRequestId",'
        '"ip":"$context.identity.sourceIp","caller":"$context.identity.caller","user":"$context.identity.user",'
        '"requestTime":"$context.requestTime","httpMethod":"$context.httpMethod",'
        '"resourcePath":"$context.resourcePath","status":"$context.status","protocol":"$context.protocol",'
        '"responseLength":"$context.responseLength"}'
    ),
    "HTTP": (
        '{"requestId":"$context.requestId","ip":"$context.identity.sourceIp","requestTime":"$context.requestTime",'
        '"httpMethod":"$context.httpMethod","routeKey":"$context.routeKey","status":"$context.status",'
        '"protocol":"$context.protocol","responseLength":"$context.responseLength"}'
    ),
}

_VARIABLE: Final = re.compile(r"\$context\.([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)")
_MAX_LENGTH: Final = 3_072
#: Written as if it were a name: a secret that this variable would put into a log.
_SECRET: Final = "identity.apiKey"

Finish = Callable[[Value], str]


class LogFormatError(ValueError):
    """A text that is no access-log format."""


def compile_log_format(text: str, protocol: Protocol = "WEBSOCKET") -> Callable[[Invocation], str]:
    """Writes the line, without its end, that `text` makes of an invocation of `protocol`. Raises LogFormatError."""
    _check(text)
    pieces, names, finishers = _split(text)
    readers = [_reader(name, protocol) for name in names]
    if all(finish is _in_quotes for finish in finishers):
        return _quoted_line(pieces, names, readers)
    slots = tuple(zip(readers, finishers, pieces[1:], strict=True))
    first = pieces[0]

    def line(invocation: Invocation) -> str:
        return first + "".join([finish(read(invocation)) + piece for read, finish, piece in slots])

    return line


def _check(text: str) -> None:
    if len(text) > _MAX_LENGTH:
        raise LogFormatError(f"an access-log format of {len(text)} characters; at most {_MAX_LENGTH} are allowed")
    if len(text.splitlines()) > 1:
        raise LogFormatError("an access-log format is one line; write it without line breaks")
    if not {"requestId", "extendedRequestId"} & set(_VARIABLE.findall(text)):
        raise LogFormatError("an access-log format must contain $context.requestId or $context.extendedRequestId")


def _quoted_line(
    pieces: Sequence[str], names: Sequence[str], readers: Sequence[Callable[[Invocation], Value]]
) -> Callable[[Invocation], str]:
    """Every value stands in quotes: one look at the whole line tells that nothing in it needs escaping."""
    # What is an attribute is read in one call for all.
    paths = [_attribute(read) for read in readers]
    attributes = [at for at, path in enumerate(paths) if path is not None]
    if len(attributes) < 2:
        attributes = []
    others = [at for at in range(len(readers)) if at not in attributes]
    plain = attrgetter(*[path for at in attributes if (path := paths[at]) is not None]) if attributes else _nothing
    computed = [readers[at] for at in others]
    places = {at: place for place, at in enumerate([*attributes, *others])}
    escaped = [piece.replace("{", "{{").replace("}", "}}") for piece in pieces]
    template = escaped[0] + "".join(f"{{{places[at]}}}{piece}" for at, piece in enumerate(escaped[1:]))
    filled = template.format
    quotes = "".join(pieces).count('"')

    def line(invocation: Invocation) -> str:
        values: list[Value] = [*plain(invocation), *[read(invocation) for read in computed]]
        if None in values or "" in values:
            values = ["-" if value is None or value == "" else value for value in values]
        text = filled(*values)
        if text.isprintable() and "\\" not in text and text.count('"') == quotes:
            return text
        return filled(*[_in_quotes(value) for value in values])

    return line


def _attribute(read: Callable[[Invocation], Value]) -> str | None:
    """The dotted attribute that `read` gets, if that is all that it does."""
    if not isinstance(read, attrgetter):
        return None
    path: str = read.__reduce__()[1][0]
    return path


def _nothing(_invocation: Invocation) -> tuple[Value, ...]:
    return ()


def _reader(name: str, protocol: Protocol) -> Callable[[Invocation], Value]:
    try:
        return context_reader(name, protocol)
    except UnknownVariable:
        return lambda invocation: None


def _split(text: str) -> tuple[list[str], list[str], list[Finish]]:
    """The literal pieces, the variables between them, and how each one's value is finished there."""
    pieces: list[str] = []
    names: list[str] = []
    finishers: list[Finish] = []
    at, quoted = 0, False
    start = text.lstrip()[:1]
    for match in _VARIABLE.finditer(text):
        piece = text[at : match.start()]
        quoted ^= _quotes(piece) % 2 == 1
        pieces.append(piece)
        names.append(match[1])
        finishers.append(_finisher(match[1], start, quoted))
        at = match.end()
    return [*pieces, text[at:]], names, finishers


def _quotes(piece: str) -> int:
    return len(re.findall(r'"', re.sub(r"\\.", "", piece)))


def _finisher(name: str, start: str, quoted: bool) -> Finish:
    if name == _SECRET:
        return _secret
    if start == "<":
        return _in_xml
    if quoted:
        return _in_quotes
    if start != "{":
        return _on_line
    return _as_is if name == "error.messageString" else _in_json


def _plain(value: Value) -> str:
    return "-" if value is None or value == "" else str(value)


def _secret(value: Value) -> str:
    return "-" if value is None or value == "" else "***"


def _in_quotes(value: Value) -> str:
    text = _plain(value)
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join([char if char.isprintable() and char not in '"\\' else _escaped(char) for char in text])


def _escaped(char: str) -> str:
    return json.dumps(char)[1:-1] if char != "\x7f" else "\\u007f"


def _on_line(value: Value) -> str:
    text = _plain(value)
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else _escaped(char) for char in text])


def _in_xml(value: Value) -> str:
    return escape(_on_line(value), {'"': "&quot;", "'": "&apos;"})


def _in_json(value: Value) -> str:
    return "null" if value is None or value == "" else json.dumps(value)


def _as_is(value: Value) -> str:
    """For what is quoted already."""
    return "null" if value is None else _on_line(value)
