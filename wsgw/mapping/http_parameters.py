"""Parameter mapping of HTTP APIs: `append|overwrite|remove:header.N`, `…:querystring.N`, `overwrite:path`, and the same
of responses, by status code.

All values are read from the request or answer as it came; then what is removed or overwritten goes, what is overwritten
comes, what is appended comes last. What has no value adds nothing.
Source: developer guide, "Transform API requests and responses for HTTP APIs".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote_plus, urlencode

from wsgw.errors import ApiConfigurationError, BadRequest
from wsgw.invocation import HttpInvocation, Reply
from wsgw.mapping.http_values import Answer, Side, Value, compile_value
from wsgw.mapping.parameters import ParameterError, as_latin

#: Names that no mapping may set or take away, in either direction, beside those that begin with `access-control-`,
#: `apigw-`, `x-amz-` or `x-amzn-`.
RESERVED_HEADERS: Final = frozenset(
    ("authorization", "connection", "content-encoding", "content-length", "content-location", "forwarded")
) | {
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
}
_RESERVED_PREFIXES: Final = ("access-control-", "apigw-", "x-amz-", "x-amzn-")
#: Ours to say as well: a mapping of one would be ignored without a word.
_UNMAPPABLE: Final = frozenset(("expect", "http2-settings", "proxy-connection", "trailer"))
_KEY: Final = re.compile(r"(append|overwrite|remove):(header|querystring)\.(.+)")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_STATUS: Final = re.compile(r"[2-5][0-9]{2}")
_STATUS_KEYS: Final = ("overwrite:statuscode", "overwrite.statuscode")
_DOTS: Final = frozenset((".", ".."))
_AUTHORITY: Final = re.compile(r"[A-Za-z0-9._-]+(?::[0-9]{1,5})?")
_REQUEST_KEYS: Final = (
    "append:header.NAME, overwrite:header.NAME, remove:header.NAME, the same of querystring, or overwrite:path"
)
_RESPONSE_KEYS: Final = "append:header.NAME, overwrite:header.NAME, remove:header.NAME or overwrite:statuscode"


class _Changes:
    """What a mapping does to headers or to a query: `gone` are the names that nothing of before keeps."""

    __slots__ = ("added", "gone")

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.added: list[tuple[str, Value]] = []


class MappedRequest(NamedTuple):
    """What a mapping makes of one request. `path` is percent-encoded and begins with a slash; `authority` is a Host."""

    headers: list[tuple[str, str]]
    query: list[tuple[str, str]]
    path: str | None
    authority: str | None


class RequestMapping:
    """A compiled `requestParameters`. `headers_gone` (lower case) and `query_gone`: what the client's own are less."""

    __slots__ = ("_headers", "_host", "_path", "_query", "headers_gone", "query_gone")

    def __init__(self, headers: _Changes, query: _Changes, path: Value | None, host: Value | None) -> None:
        self._headers = headers.added
        self._query = query.added
        self._path = path
        self._host = host
        self.headers_gone = frozenset(headers.gone)
        self.query_gone = frozenset(query.gone)

    def apply(self, invocation: HttpInvocation) -> MappedRequest:
        """Raises BadRequest where a value of the request would end a header, or make a dot segment of a path."""
        headers = [
            (name, _sent(name, text))
            for name, value in self._headers
            if (text := value.read(invocation, None)) is not None
        ]
        query = [(name, text) for name, value in self._query if (text := value.read(invocation, None)) is not None]
        path = None if self._path is None else self._path.read(invocation, None)
        host = None if self._host is None else self._host.read(invocation, None)
        return MappedRequest(
            headers, query, None if path is None else _whole_path(path), None if host is None else _authority(host)
        )

    def query_of(self, raw_query: str, added: Sequence[tuple[str, str]]) -> str:
        """The client's query less `query_gone`, as it was sent, and `added` behind it."""
        parts = self.kept_query(raw_query)
        if added:
            parts = [*parts, urlencode(added, errors="replace")]
        return "&".join(parts)

    def kept_query(self, raw_query: str) -> list[str]:
        """The parts of a raw query less `query_gone`."""
        if not self.query_gone:
            return [raw_query] if raw_query else []
        # Backends differ in whether a semicolon separates, too: nothing that has a name to remove passes either way,
        # and what stays keeps the separators that it had.
        kept = []
        for part in raw_query.split("&"):
            pieces = [
                piece for piece in part.split(";") if unquote_plus(piece.partition("=")[0]) not in self.query_gone
            ]
            if part and pieces:
                kept.append(";".join(pieces))
        return kept


class ResponseMapping:
    """The compiled `responseParameters` of one status code."""

    __slots__ = ("_added", "_gone", "_status", "needs_body")

    def __init__(self, headers: _Changes, status: Value | None) -> None:
        self._added = headers.added
        self._gone = frozenset(headers.gone)
        self._status = status
        self.needs_body = any(value.needs_body for _, value in headers.added) or bool(status and status.needs_body)

    def apply(self, invocation: HttpInvocation, reply: Reply) -> None:
        """Change `reply`. Raises ApiConfigurationError for a value that is no header's, or no status code."""
        answer = Answer(reply)
        added = [
            (name, _answered(name, text))
            for name, value in self._added
            if (text := value.read(invocation, answer)) is not None
        ]
        status = None if self._status is None else self._status.read(invocation, answer)
        if self._gone:
            reply.headers = [pair for pair in reply.headers if pair[0].lower() not in self._gone]
        if added:
            reply.headers = [*reply.headers, *added]
        if status is not None:
            if not _STATUS.fullmatch(status):
                raise ApiConfigurationError(detail="overwrite:statuscode gives no status code from 200 to 599")
            reply.status = int(status)


def compile_request_mapping(parameters: Mapping[str, str]) -> RequestMapping | None:
    """The mapping that `requestParameters` say, None where they say nothing. Raises ParameterError (a ValueError)."""
    if not parameters:
        return None
    headers, query = _Changes(), _Changes()
    path = host = None
    for key, expression in _in_order(parameters):
        if key == "overwrite:path":
            path = _value(key, expression, "request", for_path=True)
            continue
        match = _KEY.fullmatch(key)
        if match is None:
            raise ParameterError(f"request parameter {key!r} is no target; write {_REQUEST_KEYS}")
        operation, place, name = match.groups()
        if place == "querystring":
            _change(query, operation, name, name, key, expression, "request")
        elif name.lower() == "host" and operation == "overwrite":
            host = _value(key, expression, "request")
        else:
            _check_header("request", key, name)
            _change(headers, operation, name, name.lower(), key, expression, "request")
    return RequestMapping(headers, query, path, host)


def compile_response_mappings(by_status: Mapping[str, Mapping[str, str]]) -> dict[int, ResponseMapping]:
    """The mappings that `responseParameters` say, by the backend's status. Raises ParameterError (a ValueError)."""
    mappings: dict[int, ResponseMapping] = {}
    for code, parameters in by_status.items():
        if not _STATUS.fullmatch(code):
            raise ParameterError(f"response parameters of {code!r}: write a status code from 200 to 599")
        mappings[int(code)] = _response_mapping(parameters)
    return mappings


def _response_mapping(parameters: Mapping[str, str]) -> ResponseMapping:
    headers = _Changes()
    status = None
    for key, expression in _in_order(parameters):
        if key in _STATUS_KEYS:
            status = _value(key, expression, "response")
            if status.constant is not None and not _STATUS.fullmatch(status.constant):
                raise ParameterError(f"response parameter {key!r}: {expression!r} is no status code from 200 to 599")
            continue
        match = _KEY.fullmatch(key)
        if match is None or match[2] != "header":
            raise ParameterError(f"response parameter {key!r} is no target; write {_RESPONSE_KEYS}")
        _check_header("response", key, match[3])
        _change(headers, match[1], match[3], match[3].lower(), key, expression, "response")
    return ResponseMapping(headers, status)


def _in_order(parameters: Mapping[str, str]) -> list[tuple[str, str]]:
    """What is appended comes behind what is overwritten, however the definition orders them."""
    return sorted(parameters.items(), key=lambda item: item[0].startswith("append:"))


def _change(changes: _Changes, operation: str, name: str, known_as: str, key: str, expression: str, side: Side) -> None:
    if operation != "append":
        changes.gone.add(known_as)
    if operation != "remove":
        changes.added.append((name, _value(key, expression, side)))


def _value(key: str, expression: str, side: Side, *, for_path: bool = False) -> Value:
    try:
        value = compile_value(expression, side, for_path=for_path)
    except ParameterError as error:
        raise ParameterError(f"{side} parameter {key!r}: {error}") from error
    if "header." in key and value.constant is not None and _UNSAFE.search(value.constant):
        raise ParameterError(f"{side} parameter {key!r}: the value has control characters")
    return value


def _check_header(side: Side, key: str, name: str) -> None:
    lower = name.lower()
    if not _TOKEN.fullmatch(name):
        raise ParameterError(f"{side} parameter {key!r}: {name!r} is no header name")
    if lower in RESERVED_HEADERS or lower in _UNMAPPABLE or lower.startswith(_RESERVED_PREFIXES):
        raise ParameterError(f"{side} parameter {key!r}: the header {name} is reserved; map another one")
    if lower == "host" and side == "request":
        raise ParameterError(f"{side} parameter {key!r}: Host can only be overwritten")


def _sent(name: str, text: str) -> str:
    if _UNSAFE.search(text):
        raise BadRequest(detail=f"the value mapped to header {name} has control characters")
    return text


def _answered(name: str, text: str) -> str:
    if _UNSAFE.search(text):
        raise ApiConfigurationError(detail=f"the value mapped to header {name} has control characters")
    return as_latin(text)


def _authority(text: str) -> str:
    if not _AUTHORITY.fullmatch(text):
        raise BadRequest(detail="the value mapped to header Host is no host name")
    return text


def _whole_path(text: str) -> str:
    path = text if text.startswith("/") else "/" + text
    if not _DOTS.isdisjoint(segment.partition(";")[0] for segment in path.split("/")):
        raise BadRequest(detail="a mapped value makes a dot segment of the path")
    return path
