"""One API's documents → one frozen Api: the only file that knows API Gateway's shapes (v2).

A document is what the v2 API's Get operations give, with its routes, integrations, models and stages as lists inside
it; `x-wsgw` of an object holds what API Gateway has no member for.
Source: service model `apigatewayv2`, version 2018-11-29.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import Api, Stage, StageLimits
from wsgw.definitions.finding import Finding, error
from wsgw.definitions.model import Model
from wsgw.definitions.route import Integration, IntegrationResponse, Route
from wsgw.errors import DefinitionError

DEFAULT_STAGE = "prod"
# What an account is allowed where a route or stage says nothing. Source: developer guide, "API Gateway quotas".
_ACCOUNT_RATE, _ACCOUNT_BURST = 10_000.0, 5_000
_INVOCATION_ARN = re.compile(r"arn:[^:]+:apigateway:[^:]*:lambda:path/[0-9-]+/functions/(.+)/invocations")
_LIMITS = {re.sub(r"_(\w)", lambda m: m[1].upper(), name): name for name in StageLimits.__struct_fields__}

Document = Mapping[str, Any]


def freeze(document: Document, default_stage: str = DEFAULT_STAGE) -> Api:
    """The Api that `document` describes, with a stage `default_stage` if it names none.

    Raises DefinitionError where the document refers to an integration that it does not hold, or a model's schema is not
    JSON; `broken` gives the same as findings.
    """
    findings = broken(document)
    if findings:
        raise DefinitionError([str(finding) for finding in findings])
    integrations = {one["integrationId"]: _integration(one) for one in document.get("integrations", ())}
    stages = document.get("stages") or [{"stageName": default_stage}]
    return Api(
        id=document["apiId"],
        name=document["name"],
        protocol=document["protocolType"],
        routes={route["routeKey"]: _route(route, integrations) for route in document.get("routes", ())},
        models={model["name"]: _model(model) for model in document.get("models", ())},
        stages={stage["stageName"]: _stage(stage) for stage in stages},
        **_renamed(
            document,
            routeSelectionExpression="route_selection_expression",
            apiKeySelectionExpression="api_key_selection_expression",
        ),
        **_renamed(document.get("x-wsgw", {}), binaryMessages="binary_messages"),
    )


def broken(document: Document) -> list[Finding]:
    """What keeps `document` from being frozen: dangling targets, and schemas that are no JSON objects."""
    api_id = document["apiId"]
    known = {one["integrationId"] for one in document.get("integrations", ())}
    findings: list[Finding] = []
    for route in document.get("routes", ()):
        target = _target(route)
        if target is not None and target not in known:
            path = ("apis", api_id, "routes", route["routeKey"], "integration")
            findings.append(error(path, f"there is no integration {target!r}", "point target at one of the API's"))
    for model in document.get("models", ()):
        try:
            sound = isinstance(orjson.loads(model["schema"]), dict)
        except orjson.JSONDecodeError:
            sound = False
        if not sound:
            path = ("apis", api_id, "models", model["name"], "schema")
            findings.append(error(path, "the schema is no JSON object", "write a JSON schema, as {type: object}"))
    return findings


def function_of(uri: str) -> str:
    """The Lambda function's name or ARN in an integration URI: an invocation ARN, `lambda:…`, or the name itself."""
    invocation = _INVOCATION_ARN.fullmatch(uri)
    return invocation[1] if invocation else uri.removeprefix("lambda:")


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
        throttle=_throttle(throttle, "rateLimit", "burstLimit") if throttle else None,
        **_renamed(
            route,
            modelSelectionExpression="model_selection_expression",
            requestModels="request_models",
            authorizationType="authorization_type",
            authorizerId="authorizer",
            apiKeyRequired="api_key_required",
            operationName="operation_name",
        ),
    )


def _integration(integration: Document) -> Integration:
    kind, uri = integration["integrationType"], integration.get("integrationUri", "")
    if kind == "AWS_PROXY":
        uri = function_of(uri)
    elif kind == "PYTHON":
        uri = uri.removeprefix("python:")
    return Integration(
        type=kind,
        uri=uri,
        responses=tuple(_response(response) for response in integration.get("integrationResponses", ())),
        **_renamed(
            integration,
            integrationMethod="method",
            timeoutInMillis="timeout_ms",
            passthroughBehavior="passthrough_behavior",
            contentHandlingStrategy="content_handling",
            templateSelectionExpression="template_selection_expression",
            requestTemplates="request_templates",
            requestParameters="request_parameters",
            credentialsArn="credentials",
        ),
    )


def _response(response: Document) -> IntegrationResponse:
    return IntegrationResponse(
        key=response["integrationResponseKey"],
        **_renamed(
            response,
            responseTemplates="response_templates",
            templateSelectionExpression="template_selection_expression",
            responseParameters="response_parameters",
            contentHandlingStrategy="content_handling",
        ),
    )


def _model(model: Document) -> Model:
    return Model(
        name=model["name"], schema=orjson.loads(model["schema"]), **_renamed(model, contentType="content_type")
    )


def _stage(stage: Document) -> Stage:
    extensions: Document = stage.get("x-wsgw", {})
    limits = {_LIMITS[name]: value for name, value in extensions.get("limits", {}).items()}
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
        **_renamed(stage, stageVariables="variables"),
        **_renamed(
            extensions, concurrency="concurrency", heartbeatSeconds="heartbeat_seconds", compression="compression"
        ),
    )


def _route_settings(settings: Document) -> ThrottleSettings | None:
    return _throttle(settings, "throttlingRateLimit", "throttlingBurstLimit")


def _throttle(settings: Document, rate: str, burst: str) -> ThrottleSettings | None:
    if rate not in settings and burst not in settings:
        return None
    return ThrottleSettings(
        rate_limit=float(settings.get(rate, _ACCOUNT_RATE)), burst_limit=int(settings.get(burst, _ACCOUNT_BURST))
    )


def _tuple(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _renamed(document: Document, **names: str) -> dict[str, Any]:
    """The members of `document` that `names` gives another name, where they are set."""
    return {ours: document[theirs] for theirs, ours in names.items() if document.get(theirs) is not None}
