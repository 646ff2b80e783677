"""How a GatewayError looks to a caller of a REST API: its GatewayResponse.

A type that the API sets is as it sets it, and what it leaves out is the type's own; one that it doesn't set takes what
DEFAULT_4XX or DEFAULT_5XX say. Source: developer guide, "Gateway responses in API Gateway"; what a type inherits and
the names in x-amzn-ErrorType are recorded on the service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import orjson

from wsgw.definitions.api import GatewayResponse
from wsgw.errors import AccessDenied, GatewayError, ServiceUnavailable
from wsgw.invocation import HttpInvocation, Reply
from wsgw.mapping.gateway_template import Text, compile_gateway_template
from wsgw.mapping.parameters import ParameterError
from wsgw.mapping.rest_parameters import received, shared_source
from wsgw.pipeline.refuse import blocked_reply

_TARGET: Final = re.compile(r"gatewayresponse\.header\.([A-Za-z0-9!#$%&'*+.^_`|~-]+)")
_RECEIVED: Final = re.compile(r"method\.request\.(header|querystring|path)\.([a-zA-Z0-9._$-]+)")
_SOURCES: Final = (
    "method.request.header.{name}, .querystring.{name}, .path.{name}, stageVariables.{name}, context.{name} or "
    "'literal'"
)
_STATUS: Final = re.compile(r"[2-5][0-9][0-9]")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_JSON: Final = "application/json"

HeaderSource = Callable[[HttpInvocation], Sequence[str]]


def rest_refuser(
    responses: Mapping[str, GatewayResponse],
) -> Callable[[GatewayError, HttpInvocation], Reply]:
    """Gives the reply to an error of an invocation, by the GatewayResponses that the API sets.

    Raises ParameterError for a status that is none, or a header without a source.
    """
    compiled = {kind: _compiled(kind, response) for kind, response in responses.items()}
    others = {4: compiled.get("DEFAULT_4XX", _PLAIN), 5: compiled.get("DEFAULT_5XX", _PLAIN)}

    def refuse(error: GatewayError, invocation: HttpInvocation) -> Reply:
        # The reply is an error's: what variables say of it is read from here.
        invocation.error = error
        blocked = blocked_reply(error)
        if blocked is not None:
            return blocked
        response = compiled.get(error.response_type) or others[5 if error.status >= 500 else 4]
        return response.reply(error, invocation)

    return refuse


class _Response:
    """A GatewayResponse made ready: its status, None for the error's own, its headers and its templates."""

    __slots__ = ("headers", "status", "templates")

    def __init__(self, response: GatewayResponse) -> None:
        self.status = None if response.status_code is None else _status(response.status_code)
        self.headers = [
            (_header_name(target), _source(target, source)) for target, source in response.response_parameters.items()
        ]
        self.templates: dict[str, Text] = {
            kind: compile_gateway_template(text) for kind, text in response.response_templates.items()
        }

    def reply(self, error: GatewayError, invocation: HttpInvocation) -> Reply:
        headers = self._mapped(invocation)
        named = {name.lower() for name, _ in headers}
        content_type, body = self._body(error, invocation)
        if "content-type" not in named:
            headers.append(("Content-Type", content_type))
        headers.append(("x-amzn-ErrorType", error.error_type))
        if isinstance(error, ServiceUnavailable) and "retry-after" not in named:
            headers.append(("Retry-After", str(error.retry_after)))
        return Reply(error.status if self.status is None else self.status, body, headers)

    def _body(self, error: GatewayError, invocation: HttpInvocation) -> tuple[str, bytes]:
        if not self.templates:
            return _JSON, _default_body(error)
        kind = self._accepted(invocation.fields.first("accept"))
        return kind, self.templates[kind](invocation).encode("utf-8", "replace")

    def _accepted(self, accept: str | None) -> str:
        """The key of the template that an Accept asks for: the first that is there, else JSON's, else the first."""
        if accept is not None and len(self.templates) > 1:
            for part in accept.split(",", 20)[:20]:
                kind = part.partition(";")[0].strip().lower()
                if kind in self.templates:
                    return kind
        return _JSON if _JSON in self.templates else next(iter(self.templates))

    def _mapped(self, invocation: HttpInvocation) -> list[tuple[str, str]]:
        """The headers that have a value. One that would start another line is left out: what refuses cannot refuse."""
        found = []
        for name, read in self.headers:
            values = read(invocation)
            if values and not _CONTROLS.search(value := ",".join(values)):
                found.append((name, value))
        return found


def _compiled(kind: str, response: GatewayResponse) -> _Response:
    try:
        return _Response(response)
    except ParameterError as error:
        raise ParameterError(f"{kind}: {error}") from error


_PLAIN: Final = _Response(GatewayResponse(response_type=""))


def _default_body(error: GatewayError) -> bytes:
    # The one type whose key is a capital; an error without a message says null.
    key = "Message" if isinstance(error, AccessDenied) else "message"
    return orjson.dumps({key: error.message or None})


def _status(code: str) -> int:
    # No 1xx: it would not be the answer, and the client would wait for one.
    if not _STATUS.fullmatch(code):
        raise ParameterError(f"statusCode {code!r} is none; write one from 200 to 599")
    return int(code)


def _header_name(target: str) -> str:
    match = _TARGET.fullmatch(target)
    if match is None:
        raise ParameterError(f"response parameter {target!r} is no target; write gatewayresponse.header.{{name}}")
    return match[1]


def _source(target: str, expression: str) -> HeaderSource:
    try:
        shared = shared_source(expression)
    except ValueError as error:
        raise ParameterError(f"response parameter {target!r}: {expression!r}: {error}") from error
    if shared is not None:
        return shared
    match = _RECEIVED.fullmatch(expression)
    if match is None:
        raise ParameterError(f"response parameter {target!r}: {expression!r} is no source; there are {_SOURCES}")
    return received(match[1], match[2])
