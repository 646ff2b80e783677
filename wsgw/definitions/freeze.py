"""One API's documents → one frozen Api: the only file that knows API Gateway's v2 shapes (`freeze_rest` knows v1's).

A document is what the v2 API's Get operations give, with its routes, integrations, models and stages as lists inside
it; `x-wsgw` of an object holds what API Gateway has no member for.
Source: service model `apigatewayv2`, version 2018-11-29.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from wsgw.definitions.access import Cors, ThrottleSettings
from wsgw.definitions.api import Api, Stage, StageLimits
from wsgw.definitions.finding import Finding, error
from wsgw.definitions.freeze_access import access_of_stage, authorizer_of_v2
from wsgw.definitions.freeze_parts import (
    DEFAULT_STAGE,
    Document,
    function_of,
    limits_of,
    renamed,
    throttle_of,
)
from wsgw.definitions.freeze_rest import broken_rest, freeze_rest
from wsgw.definitions.model import Model
from wsgw.definitions.model_schema import MOST_NESTED, nested
from wsgw.definitions.route import HTTP_TIMEOUT_MS, TIMEOUT_MS, Integration, IntegrationResponse, Route, TlsConfig
from wsgw.errors import DefinitionError

__all__ = ["DEFAULT_STAGE", "api_id_of", "broken", "freeze", "function_of", "stage_of"]

#: The one of an HTTP API, which has no name in the address.
DEFAULT_HTTP_STAGE = "$default"


def freeze(document: Document, default_stage: str = DEFAULT_STAGE) -> Api:
    """The Api that `document` describes, with a stage `default_stage` if it names none.

    Raises DefinitionError where the document refers to an integration that it does not hold, or a model's schema is not
    JSON; `broken` gives the same as findings.
    """
    findings = broken(document)
    if findings:
        raise DefinitionError([str(finding) for finding in findings])
    if document["protocolType"] == "REST":
        return freeze_rest(document, default_stage)
    is_http = document["protocolType"] == "HTTP"
    integrations = {one["integrationId"]: _integration(one, is_http) for one in document.get("integrations", ())}
    stages = document.get("stages") or [{"stageName": stage_of(document, default_stage)}]
    return Api(
        id=document["apiId"],
        name=document["name"],
        protocol=document["protocolType"],
        routes={route["routeKey"]: _route(route, integrations) for route in document.get("routes", ())},
        models={model["name"]: _model(model) for model in document.get("models", ())},
        authorizers={one["authorizerId"]: authorizer_of_v2(one) for one in document.get("authorizers", ())},
        stages={stage["stageName"]: _stage(stage, is_http) for stage in stages},
        cors=_cors(document.get("corsConfiguration")),
        **renamed(
            document,
            routeSelectionExpression="route_selection_expression",
            apiKeySelectionExpression="api_key_selection_expression",
            description="description",
            version="version",
            disableExecuteApiEndpoint="disable_execute_api_endpoint",
        ),
        **renamed(document.get("x-wsgw", {}), binaryMessages="binary_messages"),
    )


def broken(document: Document) -> list[Finding]:
    """What keeps `document` from being frozen: dangling targets, keys that are there twice, schemas that are none."""
    if document["protocolType"] == "REST":
        return broken_rest(document)
    api_id = document["apiId"]
    known = {one["integrationId"] for one in document.get("integrations", ())}
    findings: list[Finding] = []
    keys: set[str] = set()
    for route in document.get("routes", ()):
        key = route["routeKey"]
        if key in keys:
            findings.append(error(("apis", api_id, "routes", key), "there are two routes with this key", "remove one"))
        keys.add(key)
        target = _target(route)
        if target is not None and target not in known:
            path = ("apis", api_id, "routes", key, "integration")
            findings.append(error(path, f"there is no integration {target!r}", "point target at one of the API's"))
    for model in document.get("models", ()):
        path = ("apis", api_id, "models", model["name"], "schema")
        try:
            schema = orjson.loads(model["schema"])
        except orjson.JSONDecodeError:
            schema = None
        if not isinstance(schema, dict):
            findings.append(error(path, "the schema is no JSON object", "write a JSON schema, as {type: object}"))
        elif nested(schema) > MOST_NESTED:
            findings.append(error(path, f"nested more than {MOST_NESTED} deep", "make it flatter"))
    return findings


def api_id_of(document: Document) -> str:
    """The id of the API: `apiId` in v2 shapes, `id` in v1's."""
    api_id: str = document["id" if document["protocolType"] == "REST" else "apiId"]
    return api_id


def stage_of(document: Document, default_stage: str) -> str:
    """The stage of a `document` that names none: `default_stage`, but an HTTP API's is `$default` unless asked for."""
    if document["protocolType"] == "HTTP" and default_stage == DEFAULT_STAGE:
        return DEFAULT_HTTP_STAGE
    return default_stage


def _target(route: Document) -> str | None:
    target = route.get("target")
    return target.removeprefix("integrations/") if isinstance(target, str) else None


def _route(route: Document, integrations: Mapping[str, Integration]) -> Route:
    target = _target(route)
    # Both are needed: the expression alone changes nothing. Source: developer guide, "Route responses".
    two_way = route.get("routeResponseSelectionExpression") == "$default" and any(
        response["routeResponseKey"] == "$default" for response in route.get("routeResponses", ())
    )
    throttle = route.get("x-wsgw", {}).get("throttle")
    return Route(
        key=route["routeKey"],
        integration=None if target is None else integrations[target],
        two_way=two_way,
        request_parameters={
            name: bool(constraint.get("required", False))
            for name, constraint in route.get("requestParameters", {}).items()
        },
        throttle=throttle_of(throttle, "rateLimit", "burstLimit") if throttle else None,
        **renamed(
            route,
            modelSelectionExpression="model_selection_expression",
            requestModels="request_models",
            authorizationType="authorization_type",
            authorizerId="authorizer",
            apiKeyRequired="api_key_required",
            operationName="operation_name",
        ),
        authorization_scopes=tuple(route.get("authorizationScopes", ())),
    )


def _integration(integration: Document, is_http: bool) -> Integration:
    kind, uri = integration["integrationType"], integration.get("integrationUri", "")
    tls = integration.get("tlsConfig")
    if kind == "AWS_PROXY":
        uri = function_of(uri)
    elif kind == "PYTHON":
        uri = uri.removeprefix("python:")
    return Integration(
        type=kind,
        uri=uri,
        responses=tuple(_response(response) for response in integration.get("integrationResponses", ())),
        timeout_ms=integration.get("timeoutInMillis") or (HTTP_TIMEOUT_MS if is_http else TIMEOUT_MS),
        tls=TlsConfig(server_name_to_verify=tls.get("serverNameToVerify")) if tls else None,
        **renamed(
            integration,
            integrationMethod="method",
            passthroughBehavior="passthrough_behavior",
            contentHandlingStrategy="content_handling",
            templateSelectionExpression="template_selection_expression",
            requestTemplates="request_templates",
            requestParameters="request_parameters",
            responseParameters="response_parameters",
            payloadFormatVersion="payload_format_version",
            integrationSubtype="subtype",
            connectionType="connection_type",
            connectionId="connection_id",
            credentialsArn="credentials",
        ),
    )


def _response(response: Document) -> IntegrationResponse:
    return IntegrationResponse(
        key=response["integrationResponseKey"],
        **renamed(
            response,
            responseTemplates="response_templates",
            templateSelectionExpression="template_selection_expression",
            responseParameters="response_parameters",
            contentHandlingStrategy="content_handling",
        ),
    )


def _model(model: Document) -> Model:
    return Model(name=model["name"], schema=orjson.loads(model["schema"]), **renamed(model, contentType="content_type"))


def _stage(stage: Document, is_http: bool) -> Stage:
    extensions: Document = stage.get("x-wsgw", {})
    limits = limits_of(extensions)
    if is_http:
        limits.setdefault("timeout_ms", HTTP_TIMEOUT_MS)
    log_format: str | None = stage.get("accessLogSettings", {}).get("format", "")
    return Stage(
        name=stage["stageName"],
        throttle=_route_settings(stage.get("defaultRouteSettings", {})),
        route_throttles={
            key: throttle
            for key, settings in stage.get("routeSettings", {}).items()
            if (throttle := _route_settings(settings)) is not None
        },
        limits=StageLimits(**limits),
        access_log_format=None if extensions.get("accessLog") is False else log_format,
        allowed_origins=_tuple(extensions.get("allowedOrigins")),
        subprotocols=_tuple(extensions.get("subprotocols")),
        **access_of_stage(extensions),
        **renamed(stage, stageVariables="variables", clientCertificateId="client_certificate"),
        **renamed(
            extensions, concurrency="concurrency", heartbeatSeconds="heartbeat_seconds", compression="compression"
        ),
    )


def _cors(configuration: Document | None) -> Cors | None:
    """None for an empty one too: it allows nothing, and API Gateway does not store it."""
    if not configuration:
        return None
    return Cors(
        allow_origins=tuple(configuration.get("allowOrigins", ())),
        allow_methods=tuple(configuration.get("allowMethods", ())),
        allow_headers=tuple(configuration.get("allowHeaders", ())),
        expose_headers=tuple(configuration.get("exposeHeaders", ())),
        max_age=configuration.get("maxAge"),
        allow_credentials=configuration.get("allowCredentials", False),
    )


def _route_settings(settings: Document) -> ThrottleSettings | None:
    return throttle_of(settings, "throttlingRateLimit", "throttlingBurstLimit")


def _tuple(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
