"""A REST API's document → one frozen Api: the only file that knows API Gateway's v1 shapes.

The document is one object: the RestApi's members, with its resources, authorizers, models, request validators, gateway
responses and stages as lists inside it, each as the v1 API's Get operations give it.
Source: service model `apigateway`, version 2015-07-09.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import Api, GatewayResponse, Stage, StageLimits
from wsgw.definitions.finding import Finding, Path, error
from wsgw.definitions.freeze_access import access_of_stage, authorizer_of_v1
from wsgw.definitions.freeze_parts import (
    DEFAULT_STAGE,
    Document,
    function_of,
    limits_of,
    renamed,
    throttle_of,
)
from wsgw.definitions.model import Model, RequestValidator
from wsgw.definitions.model_schema import MOST_NESTED, nested, self_contained, unknown_models
from wsgw.definitions.route import Integration, IntegrationResponse, Route, RouteResponse, TlsConfig
from wsgw.errors import DefinitionError

_NO_SETTINGS: Document = {}


def freeze_rest(document: Document, default_stage: str = DEFAULT_STAGE) -> Api:
    """The Api that `document` describes, with a stage `default_stage` if it names none.

    Raises DefinitionError for what `broken_rest` finds.
    """
    findings = broken_rest(document)
    if findings:
        raise DefinitionError([str(finding) for finding in findings])
    validators = {one["id"]: _validator(one) for one in document.get("requestValidators", ())}
    routes = [_route(path, verb, resource, method, validators) for path, verb, resource, method in methods_of(document)]
    policy = document.get("policy")
    stages = document.get("stages") or [{"stageName": default_stage}]
    return Api(
        id=document["id"],
        name=document["name"],
        protocol="REST",
        routes={route.key: route for route in routes},
        models=_models(document),
        authorizers={one["id"]: authorizer_of_v1(one) for one in document.get("authorizers", ())},
        stages={stage["stageName"]: _stage(stage) for stage in stages},
        binary_media_types=tuple(document.get("binaryMediaTypes", ())),
        gateway_responses={one["responseType"]: _gateway_response(one) for one in document.get("gatewayResponses", ())},
        policy=orjson.loads(policy) if policy else None,
        private="PRIVATE" in document.get("endpointConfiguration", {}).get("types", ()),
        **renamed(
            document,
            description="description",
            version="version",
            minimumCompressionSize="minimum_compression_size",
            apiKeySource="api_key_source",
            disableExecuteApiEndpoint="disable_execute_api_endpoint",
        ),
    )


def broken_rest(document: Document) -> list[Finding]:
    """What keeps `document` from being frozen: schemas and policies that are no JSON objects, names of nothing."""
    at: Path = ("apis", document["id"])
    return [*_broken_whole(at, document), *_broken_models(at, document), *_broken_methods(at, document)]


def methods_of(document: Document) -> Iterator[tuple[str, str, Document, Document]]:
    """Path, verb, Resource and Method of each method in a REST API's `document`."""
    for resource in document.get("resources", ()):
        for verb, method in resource.get("resourceMethods", {}).items():
            yield resource["path"], verb, resource, method


def route_key_of(setting: str) -> str:
    """The route key of a method setting's: `GET /pets/{id}` for `pets~1{id}/GET`, or `~1pets~1{id}/GET`."""
    path, _, verb = setting.rpartition("/")
    path = path.replace("~1", "/").replace("~0", "~")
    return f"{verb} /{path.lstrip('/')}"


def _broken_whole(at: Path, document: Document) -> Iterator[Finding]:
    policy = document.get("policy")
    # An empty one, too: whoever left it so must not find the API open.
    if policy is not None and not isinstance(_json(policy), dict):
        yield error((*at, "policy"), "the policy is no JSON object", "write it as IAM policies are")


def _broken_models(at: Path, document: Document) -> Iterator[Finding]:
    schemas = {model["name"]: _json(model["schema"]) for model in document.get("models", ())}
    sound = {name: schema for name, schema in schemas.items() if isinstance(schema, dict)}
    for name in schemas.keys() - sound.keys():
        path = (*at, "models", name, "schema")
        yield error(path, "the schema is no JSON object", "write a JSON schema, as {type: object}")
    for name in [name for name, schema in sound.items() if nested(schema) > MOST_NESTED]:
        del sound[name]
        yield error((*at, "models", name, "schema"), f"nested more than {MOST_NESTED} deep", "make it flatter")
    for name, schema in sound.items():
        for wanted in unknown_models(schema, schemas.keys()):
            known = ", ".join(sorted(schemas)) or "there are none"
            path = (*at, "models", name, "schema")
            yield error(path, f"it refers to {wanted!r}, which is no model", f"models of this API: {known}")


def _broken_methods(at: Path, document: Document) -> Iterator[Finding]:
    validators = {one["id"] for one in document.get("requestValidators", ())}
    seen: set[str] = set()
    for path, verb, _, method in methods_of(document):
        key = f"{verb} {path}"
        if key in seen:
            yield error((*at, "routes", key), "there are two methods with this verb and path", "remove one")
        seen.add(key)
        validator = method.get("requestValidatorId")
        if validator and validator not in validators:
            message = f"there is no request validator {validator!r}"
            yield error((*at, "routes", key, "requestValidator"), message, "name one of the API's")


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _models(document: Document) -> dict[str, Model]:
    models = {model["name"]: model for model in document.get("models", ())}
    schemas = self_contained({name: orjson.loads(model["schema"]) for name, model in models.items()})
    return {
        name: Model(name=name, schema=schemas[name], **renamed(model, contentType="content_type"))
        for name, model in models.items()
    }


def _route(
    path: str, verb: str, resource: Document, method: Document, validators: Mapping[str, RequestValidator]
) -> Route:
    integration = method.get("methodIntegration")
    validator = method.get("requestValidatorId")
    throttle = method.get("x-wsgw", {}).get("throttle")
    return Route(
        key=f"{verb} {path}",
        throttle=throttle_of(throttle, "rateLimit", "burstLimit") if throttle else None,
        integration=_integration(integration) if integration else None,
        request_parameters={name: bool(required) for name, required in method.get("requestParameters", {}).items()},
        responses={str(status): _response(status, one) for status, one in method.get("methodResponses", {}).items()},
        authorization_scopes=tuple(method.get("authorizationScopes", ())),
        validator=validators[validator] if validator else None,
        resource_id=resource.get("id", ""),
        **renamed(
            method,
            requestModels="request_models",
            authorizationType="authorization_type",
            authorizerId="authorizer",
            apiKeyRequired="api_key_required",
            operationName="operation_name",
        ),
    )


def _integration(integration: Document) -> Integration:
    kind, uri, tls = integration["type"], integration.get("uri", ""), integration.get("tlsConfig")
    if kind == "AWS_PROXY":
        uri = function_of(uri)
    elif kind == "PYTHON":
        uri = uri.removeprefix("python:")
    return Integration(
        type=kind,
        uri=uri,
        responses=tuple(
            _integration_response(status, response)
            for status, response in integration.get("integrationResponses", {}).items()
        ),
        tls=TlsConfig(insecure_skip_verification=bool(tls.get("insecureSkipVerification"))) if tls else None,
        cache_key_parameters=tuple(integration.get("cacheKeyParameters", ())),
        **renamed(
            integration,
            httpMethod="method",
            timeoutInMillis="timeout_ms",
            passthroughBehavior="passthrough_behavior",
            contentHandling="content_handling",
            requestTemplates="request_templates",
            requestParameters="request_parameters",
            credentials="credentials",
            connectionType="connection_type",
            connectionId="connection_id",
            responseTransferMode="response_transfer_mode",
            cacheNamespace="cache_namespace",
        ),
    )


def _integration_response(status: str, response: Document) -> IntegrationResponse:
    return IntegrationResponse(
        key=str(status),
        status_code=str(response.get("statusCode", status)),
        **renamed(
            response,
            selectionPattern="selection_pattern",
            responseTemplates="response_templates",
            responseParameters="response_parameters",
            contentHandling="content_handling",
        ),
    )


def _response(status: str, response: Document) -> RouteResponse:
    return RouteResponse(
        status_code=str(response.get("statusCode", status)),
        parameters={name: bool(required) for name, required in response.get("responseParameters", {}).items()},
        **renamed(response, responseModels="models"),
    )


def _validator(validator: Document) -> RequestValidator:
    return RequestValidator(
        name=validator.get("name", ""),
        validate_request_body=bool(validator.get("validateRequestBody", False)),
        validate_request_parameters=bool(validator.get("validateRequestParameters", False)),
    )


def _gateway_response(response: Document) -> GatewayResponse:
    status = response.get("statusCode")
    return GatewayResponse(
        response_type=response["responseType"],
        status_code=str(status) if status else None,
        **renamed(response, responseParameters="response_parameters", responseTemplates="response_templates"),
    )


def _stage(stage: Document) -> Stage:
    extensions: Document = stage.get("x-wsgw", {})
    settings: Mapping[str, Document] = stage.get("methodSettings", {})
    throttles: dict[str, ThrottleSettings] = {}
    for key, one in settings.items():
        throttle = throttle_of(one, "throttlingRateLimit", "throttlingBurstLimit")
        if throttle is not None and key != "*/*":
            throttles[route_key_of(key)] = throttle
    log_format: str | None = stage.get("accessLogSettings", {}).get("format", "")
    return Stage(
        name=stage["stageName"],
        throttle=throttle_of(settings.get("*/*", _NO_SETTINGS), "throttlingRateLimit", "throttlingBurstLimit"),
        route_throttles=throttles,
        limits=StageLimits(**limits_of(extensions)),
        access_log_format=None if extensions.get("accessLog") is False else log_format,
        **access_of_stage(extensions),
        **renamed(stage, variables="variables", clientCertificateId="client_certificate"),
    )
