"""The shape of `protocol: REST` in a native definition file: API Gateway's v1 property names."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, field

from wsgw.formats.native_schema_access import CallerThrottlesEntry, RestAuthorizerEntry, WebAcl
from wsgw.formats.native_schema_parts import (
    AccessLog,
    ConnectionType,
    ContentHandling,
    Entry,
    Maybe,
    ModelEntry,
    Parameters,
    PayloadLimitsEntry,
    StageVariables,
    Status,
    Templates,
    ThrottleEntry,
    Timeout,
)

RestIntegrationType = Literal["HTTP_PROXY", "HTTP", "MOCK", "AWS_PROXY", "AWS", "PYTHON"]


class RestResponseEntry(Entry, frozen=True, kw_only=True):
    """How a backend's answer becomes the method's."""

    response_parameters: Maybe[Parameters] = UNSET
    response_templates: Maybe[Templates] = UNSET
    content_handling: Maybe[ContentHandling] = UNSET


class StatusResponseEntry(RestResponseEntry, frozen=True, kw_only=True):
    """The same by the status that the client gets."""

    selection_pattern: Maybe[
        Annotated[
            str,
            Meta(
                description="Regular expression over the backend's status, or a function's errorMessage; "
                "left out in the default response"
            ),
        ]
    ] = UNSET


class PatternResponseEntry(RestResponseEntry, frozen=True, kw_only=True):
    """The same by selection pattern."""

    status_code: Annotated[Status, Meta(description="What the client gets")]


class RestTlsConfigEntry(Entry, frozen=True, kw_only=True):
    """How a backend's certificate is looked at."""

    insecure_skip_verification: bool = False


class RestIntegrationEntry(Entry, frozen=True, kw_only=True):
    """What a method calls."""

    type: Maybe[RestIntegrationType] = UNSET
    uri: Maybe[
        Annotated[
            str, Meta(description="By type: a URL, a function's name or ARN, arn:aws:apigateway:…, module:function")
        ]
    ] = UNSET
    method: Maybe[
        Annotated[str, Meta(description="HTTP method; ANY, the caller's, for URLs, POST for AWS unless said otherwise")]
    ] = UNSET
    http_method: Maybe[str] = UNSET
    credentials: Maybe[str] = UNSET
    request_parameters: Maybe[Parameters] = UNSET
    request_templates: Maybe[Templates] = UNSET
    passthrough_behavior: Maybe[Literal["WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"]] = UNSET
    content_handling: Maybe[ContentHandling] = UNSET
    timeout_in_millis: Maybe[Timeout] = UNSET
    connection_type: Maybe[ConnectionType] = UNSET
    connection_id: Maybe[Annotated[str, Meta(description="Of the VPC link")]] = UNSET
    tls_config: Maybe[RestTlsConfigEntry] = UNSET
    response_transfer_mode: Maybe[Literal["BUFFERED", "STREAM"]] = UNSET
    cache_namespace: Maybe[str] = UNSET
    cache_key_parameters: Maybe[list[str]] = UNSET
    integration_responses: Maybe[
        Annotated[dict[str, StatusResponseEntry], Meta(description="By the status that the client gets")]
    ] = UNSET
    responses: Maybe[
        Annotated[
            dict[str, PatternResponseEntry],
            Meta(description="By selection pattern, as OpenAPI documents have them; default where none fits"),
        ]
    ] = UNSET
    response_templates: Maybe[
        Annotated[dict[str, str], Meta(description="Short form: the templates of one integration response, 200")]
    ] = UNSET


class MethodResponseEntry(Entry, frozen=True, kw_only=True):
    """What an answer of one status declares."""

    response_parameters: Maybe[
        Annotated[dict[str, bool], Meta(description="method.response.header.NAME → whether it is required")]
    ] = UNSET
    response_models: Maybe[Annotated[dict[str, str], Meta(description="Content type → model name")]] = UNSET


class ValidatorEntry(Entry, frozen=True, kw_only=True):
    """What is checked of a request."""

    validate_request_body: bool = False
    validate_request_parameters: bool = False


class MethodEntry(Entry, frozen=True, kw_only=True):
    """One method of a resource."""

    integration: Maybe[
        Annotated[
            str | RestIntegrationEntry,
            Meta(description="What the method calls; or a URL, python:module:function, lambda:name-or-ARN"),
        ]
    ] = UNSET
    authorization_type: Maybe[Literal["NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS"]] = UNSET
    authorizer: Maybe[Annotated[str, Meta(description="One of authorizers; it implies the authorizationType")]] = UNSET
    authorizer_id: Maybe[str] = UNSET
    authorization_scopes: Maybe[Annotated[list[str], Meta(description="One of them must be the token's")]] = UNSET
    api_key_required: Maybe[bool] = UNSET
    operation_name: Maybe[str] = UNSET
    request_validator: Maybe[
        Annotated[str | ValidatorEntry, Meta(description="One of requestValidators, or what it checks")]
    ] = UNSET
    request_parameters: Maybe[
        Annotated[
            dict[str, bool],
            Meta(description="method.request.path.NAME, .querystring.NAME or .header.NAME → whether it is required"),
        ]
    ] = UNSET
    request_models: Maybe[Annotated[dict[str, str], Meta(description="Content type → model name")]] = UNSET
    method_responses: Maybe[
        Annotated[
            dict[str, MethodResponseEntry | None],
            Meta(description="By status; if left out, those that the integration's responses need"),
        ]
    ] = UNSET
    throttle: Maybe[ThrottleEntry] = UNSET


class GatewayResponseEntry(Entry, frozen=True, kw_only=True):
    """What is answered where the gateway itself refuses."""

    status_code: Maybe[Status] = UNSET
    response_parameters: Maybe[Annotated[dict[str, str], Meta(description="gatewayresponse.header.NAME → source")]] = (
        UNSET
    )
    response_templates: Maybe[
        Annotated[dict[str, str], Meta(description="Content type → text with $context.… in it")]
    ] = UNSET


class MethodSettingsEntry(Entry, frozen=True, kw_only=True):
    """What a stage sets for one of its methods, in API Gateway's names."""

    throttling_rate_limit: Maybe[float] = UNSET
    throttling_burst_limit: Maybe[int] = UNSET
    metrics_enabled: Maybe[bool] = UNSET
    logging_level: Maybe[Literal["OFF", "ERROR", "INFO"]] = UNSET
    data_trace_enabled: Maybe[bool] = UNSET
    caching_enabled: Maybe[bool] = UNSET
    cache_ttl_in_seconds: Maybe[int] = UNSET
    cache_data_encrypted: Maybe[bool] = UNSET
    require_authorization_for_cache_control: Maybe[bool] = UNSET
    unauthorized_cache_control_header_strategy: Maybe[
        Literal["FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER"]
    ] = UNSET


class RestStageEntry(Entry, frozen=True, kw_only=True):
    """A named, deployed state of a REST API; its name is in the address."""

    description: Maybe[str] = UNSET
    variables: Maybe[StageVariables] = UNSET
    throttle: Maybe[Annotated[ThrottleEntry, Meta(description="For each method of the stage")]] = UNSET
    method_settings: Maybe[
        Annotated[
            dict[str, MethodSettingsEntry],
            Meta(description="By route key (GET /pets/{id}), or as API Gateway writes it: */*, pets~1{id}/GET"),
        ]
    ] = UNSET
    limits: Maybe[PayloadLimitsEntry] = UNSET
    caller_throttles: Maybe[CallerThrottlesEntry] = UNSET
    web_acl: Maybe[WebAcl] = UNSET
    access_log: AccessLog = True
    client_certificate_id: Maybe[
        Annotated[str, Meta(description="Of the setting backend_certificates: what HTTP backends are shown")]
    ] = UNSET
    tracing_enabled: Maybe[bool] = UNSET
    cache_cluster_enabled: Maybe[bool] = UNSET
    cache_cluster_size: Maybe[str] = UNSET
    canary_settings: Maybe[dict[str, Any]] = UNSET


class RestApiEntry(Entry, frozen=True, kw_only=True, tag_field="protocol", tag="REST"):
    """A REST API."""

    name: Maybe[str] = UNSET
    description: Maybe[str] = UNSET
    version: Maybe[str] = UNSET
    routes: Annotated[
        dict[str, str | MethodEntry],
        Meta(description="By route key, as GET /pets/{id}; or a URL, python:module:function, lambda:name-or-ARN"),
    ] = field(default_factory=dict)
    authorizers: Annotated[dict[str, RestAuthorizerEntry], Meta(description="By name")] = field(default_factory=dict)
    models: Annotated[dict[str, ModelEntry], Meta(description="By name")] = field(default_factory=dict)
    request_validators: Annotated[dict[str, ValidatorEntry], Meta(description="By name")] = field(default_factory=dict)
    gateway_responses: Annotated[
        dict[str, GatewayResponseEntry], Meta(description="By type, as DEFAULT_4XX or UNAUTHORIZED")
    ] = field(default_factory=dict)
    binary_media_types: Maybe[Annotated[list[str], Meta(description="As image/png, image/* or */*")]] = UNSET
    minimum_compression_size: Maybe[
        Annotated[int, Meta(ge=0, le=10_485_760, description="Bytes from which answers are compressed")]
    ] = UNSET
    api_key_source: Maybe[
        Annotated[
            Literal["HEADER", "AUTHORIZER"],
            Meta(description="Where callers' API keys are: x-api-key, or what an authorizer answers"),
        ]
    ] = UNSET
    policy: Maybe[Annotated[dict[str, Any] | str, Meta(description="The resource policy, or its JSON text")]] = UNSET
    disable_execute_api_endpoint: Maybe[bool] = UNSET
    endpoint_configuration: Maybe[Annotated[dict[str, Any], Meta(description="Kept for exports")]] = UNSET
    tags: Maybe[dict[str, str]] = UNSET
    stages: Annotated[dict[str, RestStageEntry | None], Meta(description="By name; prod if there are none")] = field(
        default_factory=dict
    )
