"""An API as a whole: Api, Stage, StageLimits, GatewayResponse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from wsgw.definitions.access import CallerThrottles, Cors, ThrottleSettings, TokenPlaces
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.firewall import WebAcl
from wsgw.definitions.model import Model
from wsgw.definitions.route import TIMEOUT_MS, Route

Protocol = Literal["WEBSOCKET", "HTTP", "REST"]


class StageLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage allows; each default is API Gateway's number, 0 turns a limit off.

    Bytes and seconds, `timeout_ms` in milliseconds (30000 for an HTTP API). Frames, messages, `idle_seconds`,
    `duration_seconds` and new connections are a WebSocket API's, `payload_bytes` bounds the bodies of HTTP and REST
    APIs, both ways. Source: developer guide, "API Gateway quotas".
    """

    frame_bytes: int = 32_768
    message_bytes: int = 131_072
    idle_seconds: float = 600
    duration_seconds: float = 7_200
    timeout_ms: int = TIMEOUT_MS
    new_connections_per_second: float = 500
    new_connections_burst: int = 500
    payload_bytes: int = 10_485_760


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A named, deployed state of an API.

    `throttle` is the stage's defaultRouteSettings, `route_throttles` its routeSettings by route key.
    `access_log_format` is one line with `$context.…` variables, None for no access log, "" for the default format.
    `concurrency` is how many messages of one connection may run at once (1 keeps their order). `allowed_origins` None
    lets every Origin in, as API Gateway does. `subprotocols` are chosen from where no `$connect` integration chooses.
    `heartbeat_seconds` and `compression` None: as the settings say. `client_certificate` names one of the settings'
    `backend_certificates`, which HTTP backends are shown.
    `caller_throttles` and `web_acl` guard every kind of API. A WebSocket API's: `tokens`, where handshakes may carry
    theirs; `token_expiry`, what becomes of a connection whose token's time is over (nothing, as on the service; it is
    closed; it is asked for another one); `authorize_messages`, whether each message's route must be allowed by the
    policy that `$connect` was let in by.
    """

    name: str
    variables: Mapping[str, str] = {}
    throttle: ThrottleSettings | None = None
    route_throttles: Mapping[str, ThrottleSettings] = {}
    limits: StageLimits = StageLimits()
    access_log_format: str | None = ""
    concurrency: int = 1
    allowed_origins: tuple[str, ...] | None = None
    subprotocols: tuple[str, ...] | None = None
    heartbeat_seconds: float | None = None
    compression: bool | None = None
    client_certificate: str | None = None
    caller_throttles: CallerThrottles = CallerThrottles()
    web_acl: WebAcl | None = None
    tokens: TokenPlaces = TokenPlaces()
    token_expiry: Literal["IGNORE", "CLOSE", "REFRESH"] = "IGNORE"
    authorize_messages: bool = False


class GatewayResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a REST API answers where the gateway itself refuses, as far as the definition says.

    `status_code` None keeps the type's own. `response_parameters`: `gatewayresponse.header.NAME` → source;
    `response_templates` by content type, plain text with `$context.…`, no VTL.
    """

    response_type: str
    status_code: str | None = None
    response_parameters: Mapping[str, str] = {}
    response_templates: Mapping[str, str] = {}


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """One API. `id` is its apiId; `routes` by route key, `models` by name, `authorizers` by id, `gateway_responses` by
    type.

    `minimum_compression_size` None: answers are not compressed. `policy` is the resource policy, parsed; a `private`
    API (endpoint type PRIVATE) without one lets nobody in.
    """

    id: str
    name: str
    protocol: Protocol
    route_selection_expression: str = ""
    api_key_selection_expression: str = "$request.header.x-api-key"
    routes: Mapping[str, Route] = {}
    models: Mapping[str, Model] = {}
    authorizers: Mapping[str, Authorizer] = {}
    stages: Mapping[str, Stage] = {}
    binary_messages: Literal["REJECT", "PASS"] = "REJECT"
    description: str = ""
    version: str = ""
    cors: Cors | None = None
    binary_media_types: tuple[str, ...] = ()
    minimum_compression_size: int | None = None
    gateway_responses: Mapping[str, GatewayResponse] = {}
    api_key_source: Literal["HEADER", "AUTHORIZER"] = "HEADER"
    policy: dict[str, Any] | None = None
    private: bool = False
    disable_execute_api_endpoint: bool = False


class ApiMapping(msgspec.Struct, frozen=True, kw_only=True):
    """Which stage of which API a path of a domain name leads to. `key`: the base path without slashes, "" for all.

    `stage` "": the first segment behind the base path names it (REST, base path mappings).
    """

    api_id: str
    stage: str
    key: str = ""


class DomainName(msgspec.Struct, frozen=True, kw_only=True):
    """A custom domain name, perhaps with `*.` at its start, and what its paths lead to.

    `certificate` and `certificate_key` are files (PEM), None for the listener's own; `truststore` is a file of
    certificates (PEM) one of which must have signed a client's (mutual TLS), None to ask for none.
    """

    name: str
    mappings: tuple[ApiMapping, ...] = ()
    certificate: str | None = None
    certificate_key: str | None = None
    truststore: str | None = None
