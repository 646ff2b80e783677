"""Throttles of callers that could not be enforced: whoever asks for one must not find that nobody is held to it."""

from __future__ import annotations

from collections.abc import Iterator

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.finding import Finding, Path, error


def check_caller_throttles(path: Path, api: Api, stage: Stage) -> Iterator[Finding]:
    """Each of the `callerThrottles` of `stage`, which stand at `path`, that nothing would ask for."""
    throttles = stage.caller_throttles
    if throttles.connection is not None and api.protocol != "WEBSOCKET":
        message = "only connections of WebSocket APIs have a throttle of their own"
        yield error((*path, "connection"), message, "use sourceIp or principal")
    if throttles.principal is not None and not has_principals(api, stage):
        message = "no route has an authorizer that would say who is calling"
        yield error((*path, "principal"), message, "add one, or use sourceIp")


def has_principals(api: Api, stage: Stage) -> bool:
    """Whether anything says who is calling `stage`."""
    if api.protocol != "WEBSOCKET":
        return any(route.authorization_type != "NONE" for route in api.routes.values())
    connect = api.routes.get("$connect")
    return bool(stage.tokens.ticket) or (connect is not None and connect.authorization_type != "NONE")
