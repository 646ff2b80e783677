"""AWS service integrations: the call that each form of URI makes, and how the service's answer becomes the method's.

Sources: developer guide, "Integration URI" of AWS integrations, and its tutorials; the idioms of SQS and Systems
Manager as recorded. tests/integrations has the same against a server that speaks for the services.
"""

from __future__ import annotations

import json

import pytest

from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway
from tests.harness.rest_api import JSON, answers, ask, method, rest_api

FORM = "'application/x-www-form-urlencoded'"


@pytest.fixture(autouse=True)
def environment(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every service is the backend."""
    for name, value in (
        ("AWS_ENDPOINT_URL", backend.url),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
    ):
        monkeypatch.setenv(name, value)


async def called(gateway: TestGateway, backend: Backend, uri: str, body: bytes = b"", **members: object) -> Received:
    """What the service gets for a POST of `body`."""
    ok = answers("200")
    gateway.deploy(rest_api(method("POST /", "AWS", f"arn:aws:apigateway:eu-west-1:{uri}", ok, **members)))
    response = await ask(gateway, "POST", "/", body=body)
    assert response.status == 200, response.body
    return backend.requests[-1]


JSON_ACTIONS = [
    pytest.param("dynamodb:action/PutItem", "DynamoDB_20120810.PutItem", id="DynamoDB"),
    pytest.param("kinesis:action/PutRecord", "Kinesis_20131202.PutRecord", id="Kinesis"),
    pytest.param("states:action/StartExecution", "AWSStepFunctions.StartExecution", id="Step Functions"),
    pytest.param("events:action/PutEvents", "AWSEvents.PutEvents", id="EventBridge"),
]


@pytest.mark.parametrize(("uri", "target"), JSON_ACTIONS)
async def test_an_action_of_a_json_service_sets_its_target(
    gateway: TestGateway, backend: Backend, uri: str, target: str
):
    templates = {JSON: '{"TableName": "Comments", "Item": $input.json("$")}'}
    got = await called(gateway, backend, uri, b'{"id": 1}', request_templates=templates)
    assert (got.method, got.target, got.header("x-amz-target")) == ("POST", "/", target)
    assert json.loads(got.body) == {"TableName": "Comments", "Item": {"id": 1}}
    service = uri.partition(":")[0]
    assert f"/eu-west-1/{service}/aws4_request" in (got.header("authorization") or "")


async def test_a_path_is_called_with_the_templates_body(gateway: TestGateway, backend: Backend):
    """The recorded idiom for SQS; of an empty request the queue receives `{}`."""
    got = await called(
        gateway,
        backend,
        "sqs:path/123456789012/queue",
        request_parameters={"integration.request.header.Content-Type": FORM},
        request_templates={JSON: "Action=SendMessage&MessageBody=$input.body"},
    )
    assert (got.method, got.target) == ("POST", "/123456789012/queue")
    assert got.header("content-type") == "application/x-www-form-urlencoded"
    assert got.text == "Action=SendMessage&MessageBody={}"


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE"])
async def test_s3_is_called_with_the_integrations_verb(gateway: TestGateway, backend: Backend, verb: str):
    parameters = {"integration.request.path.key": "'a/b.txt'"}
    got = await called(gateway, backend, "s3:path/bucket/{key}", b"x", method=verb, request_parameters=parameters)
    assert (got.method, got.target) == (verb, "/bucket/a/b.txt")
    assert "/eu-west-1/s3/aws4_request" in (got.header("authorization") or "")


async def test_an_action_of_a_query_service_has_action_and_version(gateway: TestGateway, backend: Backend):
    parameters = {
        "integration.request.querystring.TopicArn": "'arn:t'",
        "integration.request.querystring.Message": "method.request.body.text",
    }
    got = await called(gateway, backend, "sns:action/Publish", b'{"text": "a b"}', request_parameters=parameters)
    sent = got.query or got.text
    assert sent.startswith("Action=Publish&Version=2010-03-31")
    assert "TopicArn=arn%3At" in sent
    assert "Message=a%20b" in sent or "Message=a+b" in sent


async def test_systems_manager_answers_in_an_envelope(gateway: TestGateway, backend: Backend):
    """Recorded: `{"GetParameterResponse": {"GetParameterResult": …}}`."""
    backend.on("/", body='{"Parameter": {"Value": "v"}}', headers={"Content-Type": "application/x-amz-json-1.1"})
    parameters = {"integration.request.querystring.Name": "'p'"}
    uri = "arn:aws:apigateway:eu-west-1:ssm:action/GetParameter"
    gateway.deploy(rest_api(method("POST /", "AWS", uri, request_parameters=parameters)))
    response = await ask(gateway, "POST", "/")
    result = json.loads(response.body)["GetParameterResponse"]["GetParameterResult"]
    assert result == {"Parameter": {"Value": "v"}}
    assert json.loads(backend.requests[0].body) == {"Name": "p"}


async def test_a_connection_of_a_websocket_api_is_reached(gateway: TestGateway, backend: Backend):
    parameters = {"integration.request.path.id": "method.request.body.id"}
    uri = "abc123.execute-api:path/prod/@connections/{id}"
    got = await called(gateway, backend, uri, b'{"id": "c1"}', request_parameters=parameters)
    assert (got.method, got.target.replace("%40", "@")) == ("POST", "/prod/@connections/c1")
    assert "/eu-west-1/execute-api/aws4_request" in (got.header("authorization") or "")


async def test_the_content_type_is_json_unless_mapped(gateway: TestGateway, backend: Backend):
    got = await called(gateway, backend, "sqs:path/1/q", b"{}")
    assert got.header("content-type") == JSON


ERRORS = [
    pytest.param(400, 400, id="a pattern on the service's status"),
    pytest.param(503, 200, id="no pattern: the default"),
]


@pytest.mark.parametrize(("given", "status"), ERRORS)
async def test_a_services_error_selects_by_its_status(gateway: TestGateway, backend: Backend, given: int, status: int):
    backend.on("/", status=given, body='{"__type": "ResourceNotFoundException"}')
    responses = (answers("200"), answers("400", "$input.path('$.__type')", selection_pattern=r"4\d{2}"))
    uri = "arn:aws:apigateway:eu-west-1:dynamodb:action/PutItem"
    gateway.deploy(rest_api(method("POST /", "AWS", uri, *responses)))
    response = await ask(gateway, "POST", "/", body=b"{}")
    assert response.status == status
    assert b"ResourceNotFoundException" in response.body
    assert response.header("x-amzn-trace-id")


async def test_bytes_go_to_s3_as_they_are(gateway: TestGateway, backend: Backend):
    uri = "arn:aws:apigateway:eu-west-1:s3:path/bucket/k"
    one = method("PUT /", "AWS", uri, method="PUT", content_handling="CONVERT_TO_BINARY")
    gateway.deploy(rest_api(one, binary_media_types=("image/png",)))
    await ask(gateway, "PUT", "/", "Content-Type: image/png", body=b"\x89PNG\xff")
    assert backend.requests[0].body == b"\x89PNG\xff"
