"""The shape of `protocol: HTTP` in a native definition file: API Gateway's v2 property names."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, field

from wsgw.formats.native_schema_access import AuthorizerEntry, CallerThrottlesEntry, WebAcl
from wsgw.formats.native_schema_parts import (
    AccessLog,
    ConnectionType,
    Entry,
    Maybe,
    Parameters,
    PayloadLimitsEntry,
    RouteSettingsEntry,
    StageVariables,
    ThrottleEntry,
    Timeout,
)

HttpIntegrationType = Literal["HTTP_PROXY", "AWS_PROXY", "PYTHON"]


class TlsConfigEntry(Entry, frozen=True, kw_only=True):
    """How a private backend's certificate is looked at."""

    server_name_to_verify: Annotated[str, Meta(min_length=1)]


class HttpIntegrationEntry(Entry, frozen=True, kw_only=True):
    """What a route of an HTTP API calls."""

    type: Maybe[HttpIntegrationType] = UNSET
    integration_type: Maybe[HttpIntegrationType] = UNSET
    uri: Maybe[Annotated[str, Meta(description="By type: a URL, a function's name or ARN, module:function")]] = UNSET
    integration_uri: Maybe[str] = UNSET
    method: Maybe[Annotated[str, Meta(description="HTTP method; ANY, the caller's, unless said otherwise")]] = UNSET
    integration_method: Maybe[str] = UNSET
    integration_subtype: Maybe[Annotated[str, Meta(description="An action of an AWS service, as SQS-SendMessage")]] = (
        UNSET
    )
    payload_format_version: Maybe[
        Annotated[Literal["1.0", "2.0"], Meta(description="Of a function's event; 1.0 unless said otherwise")]
    ] = UNSET
    timeout_in_millis: Maybe[Timeout] = UNSET
    request_parameters: Maybe[Parameters] = UNSET
    response_parameters: Maybe[
        Annotated[dict[str, dict[str, str]], Meta(description="By the backend's status code: target → source")]
    ] = UNSET
    connection_type: Maybe[ConnectionType] = UNSET
    connection_id: Maybe[Annotated[str, Meta(description="Of the VPC link")]] = UNSET
    tls_config: Maybe[TlsConfigEntry] = UNSET
    credentials_arn: Maybe[str] = UNSET
    description: Maybe[str] = UNSET


class HttpRouteEntry(Entry, frozen=True, kw_only=True):
    """One way through an HTTP API."""

    integration: Maybe[
        Annotated[
            str | HttpIntegrationEntry,
            Meta(description="What the route calls; or a URL, python:module:function, lambda:name-or-ARN"),
        ]
    ] = UNSET
    authorization_type: Maybe[Literal["NONE", "AWS_IAM", "CUSTOM", "JWT"]] = UNSET
    authorizer: Maybe[Annotated[str, Meta(description="One of authorizers; it implies the authorizationType")]] = UNSET
    authorizer_id: Maybe[str] = UNSET
    authorization_scopes: Maybe[Annotated[list[str], Meta(description="One of them must be the token's")]] = UNSET
    operation_name: Maybe[str] = UNSET
    throttle: Maybe[ThrottleEntry] = UNSET


class CorsEntry(Entry, frozen=True, kw_only=True):
    """What pages of other origins may do."""

    allow_origins: Maybe[
        Annotated[list[str], Meta(description="scheme://host[:port], https://*, http://*, or * for all")]
    ] = UNSET
    allow_methods: Maybe[Annotated[list[str], Meta(description="Methods, or * for all")]] = UNSET
    allow_headers: Maybe[Annotated[list[str], Meta(description="Headers, or * for all")]] = UNSET
    expose_headers: Maybe[list[str]] = UNSET
    max_age: Maybe[Annotated[int, Meta(ge=-1, le=86_400, description="Seconds")]] = UNSET
    allow_credentials: Maybe[bool] = UNSET


class HttpStageEntry(Entry, frozen=True, kw_only=True):
    """A named, deployed state of an HTTP API; $default has no name in the address."""

    description: Maybe[str] = UNSET
    variables: Maybe[StageVariables] = UNSET
    throttle: Maybe[Annotated[ThrottleEntry, Meta(description="For each route of the stage")]] = UNSET
    route_settings: Maybe[Annotated[dict[str, RouteSettingsEntry], Meta(description="By route key")]] = UNSET
    limits: Maybe[PayloadLimitsEntry] = UNSET
    caller_throttles: Maybe[CallerThrottlesEntry] = UNSET
    web_acl: Maybe[WebAcl] = UNSET
    access_log: AccessLog = True


class HttpApiEntry(Entry, frozen=True, kw_only=True, tag_field="protocol", tag="HTTP"):
    """An HTTP API."""

    name: Maybe[str] = UNSET
    description: Maybe[str] = UNSET
    version: Maybe[str] = UNSET
    routes: Annotated[
        dict[str, str | HttpRouteEntry],
        Meta(description="By route key, as GET /pets/{id}; or a URL, python:module:function, lambda:name-or-ARN"),
    ] = field(default_factory=dict)
    authorizers: Annotated[dict[str, AuthorizerEntry], Meta(description="By name")] = field(default_factory=dict)
    cors: Maybe[CorsEntry] = UNSET
    cors_configuration: Maybe[CorsEntry] = UNSET
    stages: Annotated[dict[str, HttpStageEntry | None], Meta(description="By name; $default if there are none")] = (
        field(default_factory=dict)
    )
    disable_execute_api_endpoint: Maybe[bool] = UNSET
    tags: Maybe[dict[str, str]] = UNSET
