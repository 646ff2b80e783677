"""The shape of `protocol: WEBSOCKET` in a native definition file."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, field

from wsgw.formats.native_schema_access import AuthorizerEntry, SocketThrottlesEntry, TokensEntry, WebAcl
from wsgw.formats.native_schema_parts import (
    ContentHandling,
    Entry,
    Maybe,
    ModelEntry,
    Parameters,
    RouteSettingsEntry,
    Templates,
    ThrottleEntry,
)


class ResponseEntry(Entry, frozen=True, kw_only=True):
    """How a backend's answer becomes the route's."""

    response_templates: Maybe[Templates] = UNSET
    template_selection_expression: Maybe[str] = UNSET
    response_parameters: Maybe[Parameters] = UNSET
    content_handling_strategy: Maybe[ContentHandling] = UNSET


class KeyedResponseEntry(ResponseEntry, frozen=True, kw_only=True):
    """The same in a list, with its key."""

    integration_response_key: Annotated[str, Meta(description="$default or /regular expression/")]


class IntegrationEntry(Entry, frozen=True, kw_only=True):
    """What a route calls."""

    type: Maybe[Literal["HTTP_PROXY", "HTTP", "MOCK", "AWS_PROXY", "AWS", "PYTHON"]] = UNSET
    integration_type: Maybe[Literal["HTTP_PROXY", "HTTP", "MOCK", "AWS_PROXY", "AWS", "PYTHON"]] = UNSET
    uri: Maybe[Annotated[str, Meta(description="By type: a URL, a function's name or ARN, module:function")]] = UNSET
    integration_uri: Maybe[str] = UNSET
    method: Maybe[Annotated[str, Meta(description="HTTP method; POST unless said otherwise")]] = UNSET
    integration_method: Maybe[str] = UNSET
    timeout_in_millis: Maybe[Annotated[int, Meta(ge=50, le=900_000, description="29000 unless said otherwise")]] = UNSET
    passthrough_behavior: Maybe[Literal["WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"]] = UNSET
    content_handling_strategy: Maybe[ContentHandling] = UNSET
    template_selection_expression: Maybe[str] = UNSET
    request_templates: Maybe[Templates] = UNSET
    request_parameters: Maybe[Parameters] = UNSET
    integration_responses: Maybe[
        Annotated[
            dict[str, ResponseEntry] | list[KeyedResponseEntry],
            Meta(description="By key, $default or /regular expression/; the first that matches is taken"),
        ]
    ] = UNSET
    response_templates: Maybe[
        Annotated[dict[str, str], Meta(description="Short form: the templates of one $default integration response")]
    ] = UNSET
    credentials_arn: Maybe[str] = UNSET
    description: Maybe[str] = UNSET


class ParameterEntry(Entry, frozen=True, kw_only=True):
    required: bool = False


class RouteEntry(Entry, frozen=True, kw_only=True):
    """One way through an API."""

    integration: Maybe[
        Annotated[
            str | IntegrationEntry,
            Meta(description="What the route calls; or a URL, python:module:function, lambda:name-or-ARN"),
        ]
    ] = UNSET
    two_way: Annotated[bool, Meta(description="Send the integration's answer to the client")] = False
    authorization_type: Maybe[
        Annotated[Literal["NONE", "AWS_IAM", "CUSTOM", "JWT"], Meta(description="Of $connect")]
    ] = UNSET
    authorizer: Maybe[Annotated[str, Meta(description="One of authorizers; it implies the authorizationType")]] = UNSET
    authorizer_id: Maybe[str] = UNSET
    authorization_scopes: Maybe[Annotated[list[str], Meta(description="One of them must be the token's")]] = UNSET
    api_key_required: Maybe[bool] = UNSET
    operation_name: Maybe[str] = UNSET
    model_selection_expression: Maybe[str] = UNSET
    request_models: Maybe[Annotated[dict[str, str], Meta(description="Selection key → model name")]] = UNSET
    request_parameters: Maybe[
        Annotated[
            dict[str, bool | ParameterEntry],
            Meta(description="route.request.header.NAME or .querystring.NAME → whether it is required"),
        ]
    ] = UNSET
    throttle: Maybe[ThrottleEntry] = UNSET


class LimitsEntry(Entry, frozen=True, kw_only=True):
    """What a stage allows; defaults are API Gateway's numbers, 0 turns a limit off."""

    frame_bytes: Maybe[Annotated[int, Meta(ge=0, description="Largest frame of a client; 32768")]] = UNSET
    message_bytes: Maybe[Annotated[int, Meta(ge=0, description="Largest message, both ways; 131072")]] = UNSET
    idle_seconds: Maybe[Annotated[float, Meta(ge=0, description="Longest time without a message; 600")]] = UNSET
    duration_seconds: Maybe[Annotated[float, Meta(ge=0, description="Longest life of a connection; 7200")]] = UNSET
    timeout_ms: Maybe[Annotated[int, Meta(ge=0, le=900_000, description="Most an integration may take; 29000")]] = UNSET
    new_connections_per_second: Maybe[Annotated[float, Meta(ge=0, description="500")]] = UNSET
    new_connections_burst: Maybe[Annotated[int, Meta(ge=0, description="500")]] = UNSET


class StageEntry(Entry, frozen=True, kw_only=True):
    """A named, deployed state of the API; its name is in the address."""

    description: Maybe[str] = UNSET
    variables: Maybe[Annotated[dict[str, str], Meta(description="Stage variables")]] = UNSET
    throttle: Maybe[Annotated[ThrottleEntry, Meta(description="For each route of the stage")]] = UNSET
    route_settings: Maybe[Annotated[dict[str, RouteSettingsEntry], Meta(description="By route key")]] = UNSET
    limits: Maybe[LimitsEntry] = UNSET
    caller_throttles: Maybe[SocketThrottlesEntry] = UNSET
    web_acl: Maybe[WebAcl] = UNSET
    tokens: Maybe[TokensEntry] = UNSET
    token_expiry: Maybe[
        Annotated[
            Literal["IGNORE", "CLOSE", "REFRESH"],
            Meta(description="What becomes of a connection whose token's time is over; IGNORE, as API Gateway does"),
        ]
    ] = UNSET
    authorize_messages: Maybe[
        Annotated[bool, Meta(description="Ask the policy that $connect was let in by about each message's route, too")]
    ] = UNSET
    access_log: Annotated[
        str | bool, Meta(description="One line with $context.… variables; true is the default format, false is no log")
    ] = True
    concurrency: Maybe[
        Annotated[int, Meta(ge=1, description="Messages of one connection that run at once; 1 keeps their order")]
    ] = UNSET
    allowed_origins: Maybe[
        Annotated[list[str], Meta(description="Origins that may connect, as https://example.com; all if left out")]
    ] = UNSET
    subprotocols: Maybe[Annotated[list[str], Meta(description="Chosen from where no $connect integration chooses")]] = (
        UNSET
    )
    heartbeat_seconds: Maybe[
        Annotated[float, Meta(ge=0, description="Ping a client after this long without a byte from it; 0 = never")]
    ] = UNSET
    compression: Maybe[Annotated[bool, Meta(description="Accept permessage-deflate")]] = UNSET


class ApiEntry(Entry, frozen=True, kw_only=True, tag_field="protocol", tag="WEBSOCKET"):
    """A WebSocket API."""

    name: Maybe[str] = UNSET
    description: Maybe[str] = UNSET
    route_selection_expression: Maybe[
        Annotated[str, Meta(description="Gives a message's route key, as $request.body.action")]
    ] = UNSET
    api_key_selection_expression: Maybe[
        Annotated[str, Meta(description="$request.header.x-api-key or $context.authorizer.usageIdentifierKey")]
    ] = UNSET
    routes: Annotated[
        dict[str, str | RouteEntry],
        Meta(description="By route key; or a URL (HTTP_PROXY, POST), python:module:function, lambda:name-or-ARN"),
    ] = field(default_factory=dict)
    authorizers: Annotated[dict[str, AuthorizerEntry], Meta(description="By name; they guard $connect")] = field(
        default_factory=dict
    )
    models: Annotated[dict[str, ModelEntry], Meta(description="By name")] = field(default_factory=dict)
    stages: Annotated[dict[str, StageEntry | None], Meta(description="By name; prod if there are none")] = field(
        default_factory=dict
    )
    binary_messages: Maybe[
        Annotated[Literal["REJECT", "PASS"], Meta(description="REJECT closes with 1003, as API Gateway does")]
    ] = UNSET
    disable_execute_api_endpoint: Maybe[bool] = UNSET
