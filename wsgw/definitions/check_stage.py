"""What is wrong with a stage: its name, variables, limits, throttles and handshake."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.check_firewall import check_firewall
from wsgw.definitions.check_parts import check_stage_timeout
from wsgw.definitions.check_throttles import check_caller_throttles, has_principals
from wsgw.definitions.check_tokens import check_tokens
from wsgw.definitions.finding import Finding, Path, error, warning

MOST_VARIABLES = 100
MOST_VARIABLE_NAME = 64
MOST_VARIABLE = 512
_KINDS = {"WEBSOCKET": "WebSocket", "REST": "REST"}
#: What stages of WebSocket APIs say of who was let in, and the fields of Stage.
_OF_CONNECTIONS = {"tokens": "tokens", "tokenExpiry": "token_expiry", "authorizeMessages": "authorize_messages"}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_]+")
_VARIABLE = re.compile(r"[A-Za-z0-9\-._~:/?#&=,]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def check_stage(path: Path, api: Api, stage: Stage) -> Iterator[Finding]:
    """What is wrong with `stage` of `api`, at `path`."""
    if not _NAME.fullmatch(stage.name) and not (api.protocol == "HTTP" and stage.name == "$default"):
        kind = "an HTTP API" if api.protocol == "HTTP" else f"a {_KINDS[api.protocol]} API"
        remedy = "use 1 to 128 letters, digits, - and _"
        yield error(path, f"no name that a stage of {kind} can have", remedy)
    yield from _variables((*path, "variables"), stage)
    yield from check_stage_timeout((*path, "limits"), stage)
    yield from _throttles(path, api, stage)
    yield from check_enforceable(path, api, stage)
    yield from _guards(path, api, stage)
    if api.protocol == "WEBSOCKET":
        yield from _sizes((*path, "limits"), stage)
        yield from _handshake(path, stage)


def _variables(path: Path, stage: Stage) -> Iterator[Finding]:
    if len(stage.variables) > MOST_VARIABLES:
        yield warning(path, f"{len(stage.variables)} stage variables; API Gateway allows {MOST_VARIABLES}")
    for name, value in stage.variables.items():
        at: Path = (*path, name)
        if not _VARIABLE_NAME.fullmatch(name) or len(name) > MOST_VARIABLE_NAME:
            remedy = f"use up to {MOST_VARIABLE_NAME} letters, digits and _"
            yield error(at, "no name that a stage variable can have", remedy)
        # It becomes a part of URLs and headers: nothing may be smuggled into them.
        if _CONTROL.search(value):
            yield error(at, "a stage variable cannot hold control characters", "remove them")
        elif not _VARIABLE.fullmatch(value) or len(value) > MOST_VARIABLE:
            message = f"API Gateway allows up to {MOST_VARIABLE} letters, digits and -._~:/?#&=, here"
            yield warning(at, message)


def _sizes(path: Path, stage: Stage) -> Iterator[Finding]:
    limits = stage.limits
    if 0 < limits.message_bytes < limits.frame_bytes:
        message = f"a frame may be larger ({limits.frame_bytes}) than a message ({limits.message_bytes})"
        yield warning((*path, "frameBytes"), message, "lower it, or raise messageBytes")


def _throttles(path: Path, api: Api, stage: Stage) -> Iterator[Finding]:
    yield from _throttle((*path, "throttle"), stage.throttle)
    for key, throttle in stage.route_throttles.items():
        at: Path = (*path, "methodSettings" if api.protocol == "REST" else "routeSettings", key)
        if key not in api.routes:
            yield warning(at, "there is no route with this key", f"routes: {', '.join(api.routes)}")
        yield from _throttle(at, throttle)


def _throttle(path: Path, throttle: ThrottleSettings | None) -> Iterator[Finding]:
    if throttle is not None and throttle.burst_limit < 1:
        yield warning(path, "a burst of 0 lets nothing through", "raise burstLimit")


def _guards(path: Path, api: Api, stage: Stage) -> Iterator[Finding]:
    """Who may call the stage, and how often."""
    if stage.web_acl is not None:
        yield from check_firewall((*path, "webAcl"), stage.web_acl)
    throttles = stage.caller_throttles
    for name, throttle in (
        ("connection", throttles.connection),
        ("principal", throttles.principal),
        ("sourceIp", throttles.source_ip),
    ):
        yield from _throttle((*path, "callerThrottles", name), throttle)
    if api.protocol == "WEBSOCKET":
        yield from _tokens((*path, "tokens"), stage)


def check_enforceable(path: Path, api: Api, stage: Stage) -> Iterator[Finding]:
    """What `stage`, at `path`, asks of its callers that nothing would look at. Its errors no deployment may have."""
    yield from _of_connections(path, api, stage)
    yield from check_caller_throttles((*path, "callerThrottles"), api, stage)
    yield from check_tokens(path, api, stage)


def _of_connections(path: Path, api: Api, stage: Stage) -> Iterator[Finding]:
    """Each member about who was let in that nothing would look at."""
    message, remedy = "only WebSocket APIs have connections: nothing would look at it", "remove it"
    if api.protocol == "WEBSOCKET":
        if has_principals(api, stage):
            return
        message = "$connect has no authorization and the stage no tickets: there is nothing to go by"
        remedy = "give $connect an authorizer, or remove it"
    nobody = Stage(name=stage.name)
    for name, field in _OF_CONNECTIONS.items():
        if getattr(stage, field) != getattr(nobody, field):
            yield error((*path, name), message, remedy)


def _tokens(path: Path, stage: Stage) -> Iterator[Finding]:
    tokens = stage.tokens
    named = [(name, value) for name in ("query", "cookie", "ticket") if (value := getattr(tokens, name)) is not None]
    for name, value in named:
        if not _TOKEN.fullmatch(value):
            yield error((*path, name), "not a name that it can have", "use letters, digits, - and _")
    if tokens.query is not None and tokens.query == tokens.ticket:
        yield error((*path, "ticket"), "the token's parameter has this name, too", "choose another one")


def _handshake(path: Path, stage: Stage) -> Iterator[Finding]:
    if stage.concurrency < 1:
        yield error((*path, "concurrency"), "less than one message at a time", "use 1 or more")
    for index, origin in enumerate(stage.allowed_origins or ()):
        if not is_origin(origin):
            remedy = "write scheme://host, with its port if that is not the usual one"
            yield error((*path, "allowedOrigins", index), "not an Origin as browsers send it", remedy)
    for index, subprotocol in enumerate(stage.subprotocols or ()):
        if not _TOKEN.fullmatch(subprotocol):
            message = "not a name that a subprotocol can have"
            yield error((*path, "subprotocols", index), message, "use letters, digits, - and .")


def is_origin(text: str) -> bool:
    """Whether a browser may send `text` as Origin. Source: RFC 6454, section 6.2."""
    if text == "null":
        return True
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    written = f"{parts.scheme}://{parts.netloc}"
    return bool(parts.scheme and parts.hostname and port != 0) and text == written and "@" not in parts.netloc
