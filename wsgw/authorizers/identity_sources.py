"""Identity sources: where in a request or handshake an authorizer finds who is calling, as each kind of API writes it.

Source: developer guide, "Create an API Gateway Lambda REQUEST authorizer", "… for HTTP APIs" (identity sources), "… for
WebSocket APIs"; which context variables of a handshake have no value yet is recorded on the service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from wsgw.definitions.api import Protocol
from wsgw.errors import Unauthorized
from wsgw.invocation import Invocation
from wsgw.mapping.variables import context_reader

#: The text of one identity source in an invocation, "" where it has none.
ReadSource = Callable[[Any], str]

_NAME: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_RECEIVED: Final[dict[Protocol, re.Pattern[str]]] = {
    "REST": re.compile(rf"method\.request\.(header|querystring)\.({_NAME})"),
    "HTTP": re.compile(rf"\$request\.(header|querystring)\.({_NAME})"),
    "WEBSOCKET": re.compile(rf"route\.request\.(header|querystring)\.({_NAME})"),
}
_ELSEWHERE: Final = re.compile(r"(\$?)(context|stageVariables)\.([A-Za-z0-9_.$-]+)")
_WRITTEN: Final[dict[Protocol, str]] = {
    "REST": "method.request.header.NAME, method.request.querystring.NAME, stageVariables.NAME or context.NAME",
    "HTTP": "$request.header.NAME, $request.querystring.NAME, $stageVariables.NAME or $context.NAME",
    "WEBSOCKET": "route.request.header.NAME, route.request.querystring.NAME, stageVariables.NAME or context.NAME",
}
#: Of a handshake, these have no value when its authorizer is asked.
_NOT_YET: Final = frozenset(("eventType", "messageDirection"))


class IdentitySources:
    """The identity sources of one authorizer, ready. Each must have a value.

    of_headers: all are header lines of a request, so that the same lines have the same values.
    """

    __slots__ = ("_readers", "of_headers")

    def __init__(self, readers: Sequence[ReadSource], *, of_headers: bool = False) -> None:
        self._readers = tuple(readers)
        self.of_headers = of_headers

    def values(self, invocation: Invocation) -> list[str]:
        """Their values, in order. Raises Unauthorized where one is missing or empty."""
        values = [read(invocation) for read in self._readers]
        if "" in values:
            raise Unauthorized(detail="an identity source is missing or empty")
        return values


def compile_identity_sources(sources: Sequence[str], protocol: Protocol) -> IdentitySources:
    """`sources` made ready. Raises ValueError naming the one that is none, and the forms there are."""
    received = [_RECEIVED[protocol].fullmatch(source) for source in sources]
    return IdentitySources(
        [compile_identity_source(source, protocol) for source in sources],
        of_headers=protocol != "WEBSOCKET" and all(found is not None and found[1] == "header" for found in received),
    )


def compile_identity_source(source: str, protocol: Protocol) -> ReadSource:
    """What reads `source`; the values of what is repeated are joined with commas. Raises ValueError."""
    received = _RECEIVED[protocol].fullmatch(source)
    if received is not None:
        return _header(received[2].lower(), protocol) if received[1] == "header" else _query(received[2])
    elsewhere = _ELSEWHERE.fullmatch(source)
    if elsewhere is None or bool(elsewhere[1]) is not (protocol == "HTTP"):
        raise ValueError(f"identitySource {source!r}: write {_WRITTEN[protocol]}")
    if elsewhere[2] == "stageVariables":
        name = elsewhere[3]
        return lambda invocation: invocation.site.stage_variables.get(name, "")
    return _context(source, elsewhere[3], protocol)


def _header(name: str, protocol: Protocol) -> ReadSource:
    def of_handshake(invocation: Any) -> str:
        return ",".join([value for key, value in invocation.headers if key.lower() == name])

    def of_request(invocation: Any) -> str:
        return ",".join(invocation.fields.all(name))

    return of_handshake if protocol == "WEBSOCKET" else of_request


def _query(name: str) -> ReadSource:
    return lambda invocation: ",".join([value for key, value in invocation.query if key == name])


def _context(source: str, name: str, protocol: Protocol) -> ReadSource:
    try:
        read = context_reader(name, protocol)
    except ValueError as error:
        raise ValueError(f"identitySource {source!r}: {error}") from error
    if protocol == "WEBSOCKET" and name in _NOT_YET:
        return lambda invocation: ""

    def value(invocation: Any) -> str:
        found = read(invocation)
        return "" if found is None else str(found)

    return value
