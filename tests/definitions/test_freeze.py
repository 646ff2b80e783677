"""Documents in API Gateway's shapes become frozen Apis."""

from __future__ import annotations

import pytest

from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import Api, Stage, StageLimits
from wsgw.definitions.freeze import broken, freeze, function_of
from wsgw.definitions.model import Model
from wsgw.definitions.route import Integration, IntegrationResponse, Route
from wsgw.errors import DefinitionError


def document(**members: object) -> dict:
    return {"apiId": "a1b2c3d4e5", "name": "chat", "protocolType": "WEBSOCKET", **members}


def frozen_route(integration: dict | None = None, **members: object) -> Route:
    route = {"routeKey": "send", **members}
    integrations = []
    if integration is not None:
        route["target"] = "integrations/i1"
        integrations = [{"integrationId": "i1", **integration}]
    return freeze(document(routes=[route], integrations=integrations)).routes["send"]


def test_an_api_without_anything_has_a_default_stage():
    assert freeze(document()) == Api(
        id="a1b2c3d4e5", name="chat", protocol="WEBSOCKET", stages={"prod": Stage(name="prod")}
    )
    assert list(freeze(document(), "dev").stages) == ["dev"]


def test_an_api_keeps_its_expressions_and_models():
    api = freeze(
        document(
            routeSelectionExpression="$request.body.action",
            apiKeySelectionExpression="$context.authorizer.usageIdentifierKey",
            models=[{"modelId": "m", "name": "M", "schema": '{"type":"object"}', "contentType": "text/json"}],
            **{"x-wsgw": {"binaryMessages": "PASS"}},
        )
    )
    assert api.route_selection_expression == "$request.body.action"
    assert api.api_key_selection_expression == "$context.authorizer.usageIdentifierKey"
    assert api.models == {"M": Model(name="M", schema={"type": "object"}, content_type="text/json")}
    assert api.binary_messages == "PASS"


def test_an_integration_keeps_every_property():
    route = frozen_route(
        {
            "integrationType": "HTTP",
            "integrationUri": "http://h/${stageVariables.v}",
            "integrationMethod": "PUT",
            "timeoutInMillis": 100,
            "passthroughBehavior": "NEVER",
            "contentHandlingStrategy": "CONVERT_TO_BINARY",
            "templateSelectionExpression": "x",
            "requestTemplates": {"x": "t"},
            "requestParameters": {"integration.request.header.a": "'b'"},
            "credentialsArn": "arn:aws:iam::1:role/r",
            "integrationResponses": [
                {
                    "integrationResponseKey": "/2../",
                    "responseTemplates": {"y": "u"},
                    "templateSelectionExpression": "y",
                    "responseParameters": {"p": "q"},
                    "contentHandlingStrategy": "CONVERT_TO_TEXT",
                },
                {"integrationResponseKey": "$default"},
            ],
        }
    )
    assert route.integration == Integration(
        type="HTTP",
        uri="http://h/${stageVariables.v}",
        method="PUT",
        timeout_ms=100,
        passthrough_behavior="NEVER",
        content_handling="CONVERT_TO_BINARY",
        template_selection_expression="x",
        request_templates={"x": "t"},
        request_parameters={"integration.request.header.a": "'b'"},
        responses=(
            IntegrationResponse(
                key="/2../",
                response_templates={"y": "u"},
                template_selection_expression="y",
                response_parameters={"p": "q"},
                content_handling="CONVERT_TO_TEXT",
            ),
            IntegrationResponse(key="$default"),
        ),
        credentials="arn:aws:iam::1:role/r",
    )


FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:chat"
FUNCTIONS = [
    (f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION_ARN}/invocations", FUNCTION_ARN),
    (
        f"arn:aws-cn:apigateway:cn-north-1:lambda:path/2015-03-31/functions/{FUNCTION_ARN}:live/invocations",
        f"{FUNCTION_ARN}:live",
    ),
    (
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${stageVariables.fn}/invocations",
        "${stageVariables.fn}",
    ),
    ("lambda:chat", "chat"),
    (f"lambda:{FUNCTION_ARN}", FUNCTION_ARN),
    ("chat", "chat"),
]


@pytest.mark.parametrize(("uri", "function"), FUNCTIONS)
def test_a_lambda_uri_is_reduced_to_the_function(uri, function):
    assert function_of(uri) == function
    assert frozen_route({"integrationType": "AWS_PROXY", "integrationUri": uri}).integration.uri == function


def test_a_python_function_loses_its_prefix():
    assert frozen_route({"integrationType": "PYTHON", "integrationUri": "python:a:b"}).integration.uri == "a:b"


TWO_WAY = [
    ("$default", [{"routeResponseKey": "$default"}], True),
    ("$default", [], False),
    (None, [{"routeResponseKey": "$default"}], False),
    ("$default", [{"routeResponseKey": "other"}], False),
]


@pytest.mark.parametrize(("expression", "responses", "two_way"), TWO_WAY)
def test_a_route_is_two_way_with_both_expression_and_response(expression, responses, two_way):
    route = frozen_route(routeResponseSelectionExpression=expression, routeResponses=responses)
    assert route.two_way is two_way


def test_a_route_keeps_every_property():
    route = frozen_route(
        authorizationType="CUSTOM",
        authorizerId="abc",
        apiKeyRequired=True,
        operationName="Send",
        modelSelectionExpression="$request.body.kind",
        requestModels={"$default": "M"},
        requestParameters={"route.request.header.a": {"required": True}, "route.request.header.b": {}},
        **{"x-wsgw": {"throttle": {"rateLimit": 1, "burstLimit": 2}}},
    )
    assert route == Route(
        key="send",
        authorization_type="CUSTOM",
        authorizer="abc",
        api_key_required=True,
        operation_name="Send",
        model_selection_expression="$request.body.kind",
        request_models={"$default": "M"},
        request_parameters={"route.request.header.a": True, "route.request.header.b": False},
        throttle=ThrottleSettings(rate_limit=1, burst_limit=2),
    )


def test_a_stage_keeps_every_property():
    stage = {
        "stageName": "prod",
        "stageVariables": {"tier": "prod"},
        "defaultRouteSettings": {"throttlingRateLimit": 10, "throttlingBurstLimit": 20},
        "routeSettings": {"send": {"throttlingRateLimit": 1.5}, "other": {"loggingLevel": "OFF"}},
        "accessLogSettings": {"format": "$context.requestId"},
        "x-wsgw": {
            "limits": {"frameBytes": 1, "idleSeconds": 2.5, "newConnectionsPerSecond": 3, "timeoutMs": 0},
            "concurrency": 4,
            "allowedOrigins": ["https://a"],
            "subprotocols": ["v1"],
            "heartbeatSeconds": 30,
            "compression": True,
        },
    }
    assert freeze(document(stages=[stage])).stages["prod"] == Stage(
        name="prod",
        variables={"tier": "prod"},
        throttle=ThrottleSettings(rate_limit=10, burst_limit=20),
        route_throttles={"send": ThrottleSettings(rate_limit=1.5, burst_limit=5000)},
        limits=StageLimits(frame_bytes=1, idle_seconds=2.5, new_connections_per_second=3, timeout_ms=0),
        access_log_format="$context.requestId",
        concurrency=4,
        allowed_origins=("https://a",),
        subprotocols=("v1",),
        heartbeat_seconds=30,
        compression=True,
    )


def test_an_access_log_can_be_turned_off():
    stage = {"stageName": "prod", "accessLogSettings": {"format": "x"}, "x-wsgw": {"accessLog": False}}
    assert freeze(document(stages=[stage])).stages["prod"].access_log_format is None


def test_what_cannot_be_frozen_is_said_whole():
    faulty = document(
        routes=[{"routeKey": "send", "target": "integrations/gone"}],
        models=[{"name": "M", "schema": "{"}, {"name": "N", "schema": "[]"}],
    )
    messages = [
        "error: apis.a1b2c3d4e5.routes.send.integration: there is no integration 'gone' (point target at one of the "
        "API's)",
        "error: apis.a1b2c3d4e5.models.M.schema: the schema is no JSON object (write a JSON schema, as {type: object})",
        "error: apis.a1b2c3d4e5.models.N.schema: the schema is no JSON object (write a JSON schema, as {type: object})",
    ]
    assert [str(finding) for finding in broken(faulty)] == messages
    with pytest.raises(DefinitionError) as caught:
        freeze(faulty)
    assert caught.value.findings == messages
