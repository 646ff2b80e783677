"""A REST API's document, in v1's shapes, becomes an Api."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wsgw.definitions.freeze import freeze
from wsgw.definitions.freeze_rest import broken_rest, freeze_rest, route_key_of
from wsgw.definitions.route import IntegrationResponse, RouteResponse, TlsConfig
from wsgw.errors import DefinitionError

METHOD: dict[str, Any] = {
    "httpMethod": "GET",
    "authorizationType": "CUSTOM",
    "authorizerId": "a1",
    "authorizationScopes": ["pets/read"],
    "apiKeyRequired": True,
    "requestValidatorId": "v1",
    "operationName": "getPet",
    "requestParameters": {"method.request.path.id": True, "method.request.querystring.q": False},
    "requestModels": {"application/json": "Pet"},
    "methodResponses": {
        "200": {
            "statusCode": "200",
            "responseParameters": {"method.response.header.X": True},
            "responseModels": {"application/json": "Pet"},
        }
    },
    "methodIntegration": {
        "type": "HTTP",
        "httpMethod": "POST",
        "uri": "http://localhost:9000/{id}",
        "connectionType": "VPC_LINK",
        "connectionId": "link",
        "credentials": "arn:aws:iam::1:role/r",
        "requestParameters": {"integration.request.path.id": "method.request.path.id"},
        "requestTemplates": {"application/json": "{}"},
        "passthroughBehavior": "NEVER",
        "contentHandling": "CONVERT_TO_TEXT",
        "timeoutInMillis": 1000,
        "cacheNamespace": "ns",
        "cacheKeyParameters": ["method.request.path.id"],
        "tlsConfig": {"insecureSkipVerification": True},
        "responseTransferMode": "STREAM",
        "integrationResponses": {
            "200": {"statusCode": "200", "responseTemplates": {"application/json": "{}"}},
            "400": {
                "statusCode": "400",
                "selectionPattern": "4..",
                "responseParameters": {"method.response.header.X": "'x'"},
                "contentHandling": "CONVERT_TO_BINARY",
            },
        },
    },
}


def document(method: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    return {
        "protocolType": "REST",
        "id": "pets",
        "name": "Pets",
        "resources": [
            {"id": "root", "path": "/", "resourceMethods": {}},
            {"id": "r1", "parentId": "root", "pathPart": "{id}", "path": "/{id}"}
            | {"resourceMethods": {"GET": METHOD if method is None else method}},
        ],
        "models": [model("Pet", {"type": "object"})],
        "requestValidators": [{"id": "v1", "name": "all", "validateRequestBody": True}],
        **members,
    }


def model(name: str, schema: Any) -> dict[str, Any]:
    return {"id": name.lower(), "name": name, "contentType": "application/json", "schema": json.dumps(schema)}


def test_a_method_becomes_a_route_with_everything_it_says():
    route = freeze(document()).routes["GET /{id}"]
    assert route.resource_id == "r1"
    assert (route.authorization_type, route.authorizer, route.api_key_required) == ("CUSTOM", "a1", True)
    assert route.authorization_scopes == ("pets/read",)
    assert route.operation_name == "getPet"
    assert route.request_parameters == {"method.request.path.id": True, "method.request.querystring.q": False}
    assert route.request_models == {"application/json": "Pet"}
    assert route.validator is not None
    assert (route.validator.validate_request_body, route.validator.validate_request_parameters) == (True, False)
    assert route.responses == {
        "200": RouteResponse(
            status_code="200",
            parameters={"method.response.header.X": True},
            models={"application/json": "Pet"},
        )
    }


def test_an_integration_keeps_every_member():
    integration = freeze(document()).routes["GET /{id}"].integration
    assert integration is not None
    assert (integration.type, integration.method, integration.uri) == ("HTTP", "POST", "http://localhost:9000/{id}")
    assert (integration.connection_type, integration.connection_id) == ("VPC_LINK", "link")
    assert integration.credentials == "arn:aws:iam::1:role/r"
    assert integration.request_parameters == {"integration.request.path.id": "method.request.path.id"}
    assert integration.request_templates == {"application/json": "{}"}
    assert (integration.passthrough_behavior, integration.content_handling) == ("NEVER", "CONVERT_TO_TEXT")
    assert integration.timeout_ms == 1000
    assert (integration.cache_namespace, integration.cache_key_parameters) == ("ns", ("method.request.path.id",))
    assert integration.tls == TlsConfig(insecure_skip_verification=True)
    assert integration.response_transfer_mode == "STREAM"
    assert integration.responses == (
        IntegrationResponse(key="200", status_code="200", response_templates={"application/json": "{}"}),
        IntegrationResponse(
            key="400",
            status_code="400",
            selection_pattern="4..",
            response_parameters={"method.response.header.X": "'x'"},
            content_handling="CONVERT_TO_BINARY",
        ),
    )


INVOCATION = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:1:function:f"


@pytest.mark.parametrize(
    "uri",
    [
        f"{INVOCATION}/invocations",
        INVOCATION.replace("2015-03-31", "2021-11-15") + "/response-streaming-invocations",
        "arn:aws:lambda:us-east-1:1:function:f",
    ],
)
def test_the_uri_of_a_lambda_proxy_becomes_the_functions_arn(uri):
    method = {"methodIntegration": {"type": "AWS_PROXY", "httpMethod": "POST", "uri": uri}}
    integration = freeze(document(method)).routes["GET /{id}"].integration
    assert integration is not None
    assert integration.uri == "arn:aws:lambda:us-east-1:1:function:f"


def test_a_method_may_have_no_integration():
    route = freeze(document({"httpMethod": "GET"})).routes["GET /{id}"]
    assert route.integration is None
    assert (route.authorization_type, route.validator) == ("NONE", None)


def test_the_api_has_its_own_members():
    api = freeze(
        document(
            description="sells",
            version="1",
            binaryMediaTypes=["image/png"],
            minimumCompressionSize=0,
            apiKeySource="AUTHORIZER",
            policy='{"Statement": []}',
            disableExecuteApiEndpoint=True,
            gatewayResponses=[
                {
                    "responseType": "THROTTLED",
                    "statusCode": 503,
                    "responseParameters": {"gatewayresponse.header.X": "'x'"},
                    "responseTemplates": {"application/json": "{}"},
                }
            ],
        )
    )
    assert (api.id, api.name, api.protocol, api.description, api.version) == ("pets", "Pets", "REST", "sells", "1")
    assert api.binary_media_types == ("image/png",)
    assert api.minimum_compression_size == 0
    assert api.api_key_source == "AUTHORIZER"
    assert api.policy == {"Statement": []}
    assert api.disable_execute_api_endpoint
    response = api.gateway_responses["THROTTLED"]
    assert response.status_code == "503"
    assert response.response_parameters == {"gatewayresponse.header.X": "'x'"}
    assert response.response_templates == {"application/json": "{}"}


KEYS = [
    ("pets/GET", "GET /pets"),
    ("~1pets/GET", "GET /pets"),
    ("pets~1{id}/ANY", "ANY /pets/{id}"),
    ("~1/GET", "GET /"),
    ("/GET", "GET /"),
]


@pytest.mark.parametrize(("setting", "key"), KEYS)
def test_a_method_settings_key_names_a_route(setting, key):
    assert route_key_of(setting) == key


def test_a_stage_has_its_settings():
    stage = freeze(
        document(
            stages=[
                {
                    "stageName": "v1",
                    "variables": {"a": "b"},
                    "clientCertificateId": "c1",
                    "accessLogSettings": {"format": "$context.requestId"},
                    "methodSettings": {
                        "*/*": {"throttlingRateLimit": 5, "throttlingBurstLimit": 6},
                        "{id}/GET": {"throttlingRateLimit": 7.5},
                        "~1/GET": {"metricsEnabled": True},
                    },
                    "x-wsgw": {"limits": {"payloadBytes": 10, "timeoutMs": 20}},
                }
            ]
        )
    ).stages["v1"]
    assert stage.variables == {"a": "b"}
    assert stage.client_certificate == "c1"
    assert stage.access_log_format == "$context.requestId"
    assert stage.throttle is not None
    assert (stage.throttle.rate_limit, stage.throttle.burst_limit) == (5, 6)
    assert list(stage.route_throttles) == ["GET /{id}"]
    assert stage.route_throttles["GET /{id}"].rate_limit == 7.5
    assert (stage.limits.payload_bytes, stage.limits.timeout_ms) == (10, 20)


def test_an_api_that_names_no_stage_gets_one():
    assert list(freeze_rest(document(), "dev").stages) == ["dev"]


BROKEN = [
    ({"policy": "[1]"}, ("policy",), "no JSON object"),
    ({"policy": "{"}, ("policy",), "no JSON object"),
    ({"policy": ""}, ("policy",), "no JSON object"),
    ({"models": [{**model("Pet", 1), "schema": "{"}]}, ("models", "Pet", "schema"), "no JSON object"),
    ({"models": [model("Pet", 3)]}, ("models", "Pet", "schema"), "no JSON object"),
    ({"requestValidators": []}, ("routes", "GET /{id}", "requestValidator"), "no request validator 'v1'"),
    (
        {"models": [model("Pet", {"$ref": "https://apigateway.amazonaws.com/restapis/pets/models/Dog"})]},
        ("models", "Pet", "schema"),
        "'Dog', which is no model",
    ),
    ({"models": [model("Pet", {"$ref": "#/definitions/x"})]}, ("models", "Pet", "schema"), "#/definitions/x"),
    ({"models": [model("Pet", {"$ref": "http://h/x.json"})]}, ("models", "Pet", "schema"), "http://h/x.json"),
    *(
        (
            {"models": [model("Pet", {"enum": [1], "not": {"$ref": f"#/enum/{index}"}})]},
            ("models", "Pet", "schema"),
            "#/enum",
        )
        for index in ("1", "\u00b2", "9" * 5000)
    ),
    (
        {"models": [{**model("Pet", {}), "schema": '{"items":' * 1000 + "{}" + "}" * 1000}]},
        ("models", "Pet", "schema"),
        "nested more than 100 deep",
    ),
]


@pytest.mark.parametrize(("members", "path", "message"), BROKEN)
def test_what_cannot_be_frozen_is_a_finding(members, path, message):
    (finding,) = broken_rest(document(**members))
    assert finding.path == ("apis", "pets", *path)
    assert message in finding.message
    with pytest.raises(DefinitionError):
        freeze(document(**members))
