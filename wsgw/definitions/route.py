"""Routes and what they call: Route, Integration, IntegrationResponse.

Members carry API Gateway's names in snake case; texts that are expressions or templates stay as written, `live/compile`
makes them ready.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.model import RequestValidator

IntegrationType = Literal["HTTP_PROXY", "HTTP", "MOCK", "AWS_PROXY", "AWS", "PYTHON"]
PassthroughBehavior = Literal["WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"]
ContentHandling = Literal["CONVERT_TO_BINARY", "CONVERT_TO_TEXT"]
ConnectionType = Literal["INTERNET", "VPC_LINK"]
ResponseTransferMode = Literal["BUFFERED", "STREAM"]

#: How long an integration that says nothing may take; the second one of an HTTP API.
TIMEOUT_MS, HTTP_TIMEOUT_MS = 29_000, 30_000
LIFECYCLE_KEYS = frozenset({"$connect", "$disconnect"})
DEFAULT_KEY = "$default"


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How a backend's certificate is looked at: by another name (HTTP APIs), or hardly (REST APIs)."""

    server_name_to_verify: str | None = None
    insecure_skip_verification: bool = False


class IntegrationResponse(msgspec.Struct, frozen=True, kw_only=True):
    """How a backend's answer becomes the route's.

    WebSocket: `key` is `$default` or `/regex/`, matched in declaration order against what the integration's type
    selects by. REST: `key` and `status_code` are the status that the client gets, `selection_pattern` is a regular
    expression over the backend's status or a function's errorMessage, None or "" for the default.
    """

    key: str
    status_code: str = ""
    selection_pattern: str | None = None
    response_templates: Mapping[str, str] = {}
    template_selection_expression: str | None = None
    response_parameters: Mapping[str, str] = {}
    content_handling: ContentHandling | None = None


class Integration(msgspec.Struct, frozen=True, kw_only=True):
    """What a route calls.

    `uri` by type: an http(s) URL (HTTP, HTTP_PROXY), or for an HTTP API's VPC_LINK the ARN of a listener or service; a
    Lambda function's name or ARN, already taken out of API Gateway's invocation ARN (AWS_PROXY); an
    `arn:aws:apigateway:…` (AWS); `module:function` (PYTHON, ours); empty (MOCK, and where `subtype` names an action).
    It may hold `${stageVariables.name}`. `method` may be ANY, the caller's own (HTTP and REST APIs). `timeout_ms`: AWS
    allows 50 to 29000 (HTTP APIs: 30000).

    `request_parameters` and `response_parameters` are as each protocol has them: target → source; an HTTP API's
    responses by status code (`{"404": {"overwrite:statuscode": "200"}}`), a REST API's stand in `responses`.
    `subtype`: a first-class action of HTTP APIs, as `SQS-SendMessage`.
    """

    type: IntegrationType
    uri: str = ""
    method: str = "POST"
    timeout_ms: int = TIMEOUT_MS
    passthrough_behavior: PassthroughBehavior = "WHEN_NO_MATCH"
    content_handling: ContentHandling | None = None
    template_selection_expression: str | None = None
    request_templates: Mapping[str, str] = {}
    request_parameters: Mapping[str, str] = {}
    responses: tuple[IntegrationResponse, ...] = ()
    credentials: str | None = None
    response_parameters: Mapping[str, Mapping[str, str]] = {}
    payload_format_version: Literal["1.0", "2.0"] = "1.0"
    subtype: str | None = None
    connection_type: ConnectionType = "INTERNET"
    connection_id: str | None = None
    tls: TlsConfig | None = None
    response_transfer_mode: ResponseTransferMode = "BUFFERED"
    cache_namespace: str | None = None
    cache_key_parameters: tuple[str, ...] = ()


class RouteResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A REST API's MethodResponse: which headers an answer of this status declares, and its models by content type.

    `parameters`: `method.response.header.NAME` → whether it is required.
    """

    status_code: str
    parameters: Mapping[str, bool] = {}
    models: Mapping[str, str] = {}


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One way through an API.

    `key`: for WebSocket `$connect`, `$disconnect`, `$default` or the value that selects it; for HTTP and REST
    `METHOD /path/{variable}`, METHOD one of HTTP's or ANY, and HTTP's `$default`.
    `request_parameters` says which `route.request.querystring.x` / `.header.x` (REST: `method.request.…`, `.path.x`,
    too) are declared, and whether required. `two_way`: it has a RouteResponse `$default` and the selection expression
    for it. `integration` may be None: `$connect` then lets everybody in. `request_models` by content type (REST).
    `responses` by status code, `validator` and `resource_id` are a REST API's.
    """

    key: str
    integration: Integration | None = None
    two_way: bool = False
    request_parameters: Mapping[str, bool] = {}
    model_selection_expression: str | None = None
    request_models: Mapping[str, str] = {}
    throttle: ThrottleSettings | None = None
    authorization_type: str = "NONE"
    authorizer: str | None = None
    api_key_required: bool = False
    authorization_scopes: tuple[str, ...] = ()
    operation_name: str | None = None
    responses: Mapping[str, RouteResponse] = {}
    validator: RequestValidator | None = None
    resource_id: str = ""
