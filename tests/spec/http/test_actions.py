"""First-class integrations of AWS services: parameters of each subtype, and what a client gets.

Source: developer guide, "Integration subtype reference" and "Create AWS service integrations for HTTP APIs".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from tests.harness.aws_services import aws_environment
from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Client, web_api
from wsgw.live.prove import prove

MACHINE = "arn:aws:states:eu-west-1:1:stateMachine:m"
QUEUE = "http://localhost/1/q"
ATTRIBUTES = '{"Name": {"DataType": "String", "StringValue": "${request.header.who}"}}'
#: What a definition says of the required parameters, and of some optional ones.
SUBTYPES = {
    "EventBridge-PutEvents": ({"Detail": "$request.body", "DetailType": "sold", "Source": "shop"}, {"Resources": "[]"}),
    "SQS-SendMessage": ({"QueueUrl": QUEUE, "MessageBody": "$request.body.text"}, {"DelaySeconds": "5"}),
    "SQS-ReceiveMessage": ({"QueueUrl": QUEUE}, {"MaxNumberOfMessages": "5", "AttributeNames": '["All"]'}),
    "SQS-DeleteMessage": ({"ReceiptHandle": "$request.header.who", "QueueUrl": QUEUE}, {}),
    "SQS-PurgeQueue": ({"QueueUrl": QUEUE}, {}),
    "AppConfig-GetConfiguration": (
        {"Application": "a", "Environment": "e", "Configuration": "c", "ClientId": "$context.requestId"},
        {"ClientConfigurationVersion": "3"},
    ),
    "Kinesis-PutRecord": (
        {"StreamName": "s", "Data": "$request.body", "PartitionKey": "$request.header.who"},
        {"ExplicitHashKey": "7"},
    ),
    "StepFunctions-StartExecution": ({"StateMachineArn": MACHINE}, {"Input": "$request.body", "Name": "n"}),
    "StepFunctions-StartSyncExecution": ({"StateMachineArn": MACHINE}, {"Input": "$request.body", "TraceHeader": "t"}),
    "StepFunctions-StopExecution": ({"ExecutionArn": MACHINE}, {"Cause": "$request.body.text", "Error": "E"}),
}
#: What the service is asked for: its target or path, and a look at the body.
SENT: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "EventBridge-PutEvents": (
        "AWSEvents.PutEvents",
        lambda body: json.loads(body["Entries"][0]["Detail"]) == {"text": "hello"},
    ),
    "SQS-SendMessage": ("AmazonSQS.SendMessage", lambda body: body["MessageBody"] == "hello"),
    "SQS-ReceiveMessage": ("AmazonSQS.ReceiveMessage", lambda body: body["MaxNumberOfMessages"] == 5),
    "SQS-DeleteMessage": ("AmazonSQS.DeleteMessage", lambda body: body["ReceiptHandle"] == "me"),
    "SQS-PurgeQueue": ("AmazonSQS.PurgeQueue", lambda body: body == {"QueueUrl": QUEUE}),
    "AppConfig-GetConfiguration": ("/applications/a/environments/e/configurations/c", lambda body: body is None),
    "Kinesis-PutRecord": ("Kinesis_20131202.PutRecord", lambda body: body["PartitionKey"] == "me"),
    "StepFunctions-StartExecution": (
        "AWSStepFunctions.StartExecution",
        lambda body: json.loads(body["input"]) == {"text": "hello"},
    ),
    "StepFunctions-StartSyncExecution": (
        "AWSStepFunctions.StartSyncExecution",
        lambda body: body["traceHeader"] == "t",
    ),
    "StepFunctions-StopExecution": ("AWSStepFunctions.StopExecution", lambda body: body["cause"] == "hello"),
}


@pytest.fixture
def lanes() -> bool:
    """Services are called alike behind either door."""
    return True


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, backend: Backend) -> Backend:
    """A backend that stands for every service."""
    aws_environment(monkeypatch, backend.url, "eu-west-1")

    def say(_request: Received) -> web.Response:
        return web.Response(text='{"Said":"yes"}', content_type="application/x-amz-json-1.1")

    for path in ("/", "/1/q", "/applications/a/environments/e/configurations/c"):
        backend.answer(path, say)
    return backend


def action(name: str, parameters: dict[str, str], **members: Any) -> dict[str, Any]:
    return {
        "integration": {
            "type": "AWS_PROXY",
            "integrationSubtype": name,
            "credentialsArn": "arn:aws:iam::1:role/r",
            "requestParameters": parameters,
            **members,
        }
    }


@pytest.mark.parametrize("name", SUBTYPES)
async def test_each_subtype(gateway: TestGateway, service: Backend, client: Client, name: str):
    """The service's answer is the client's: body and content type as returned."""
    required, optional = SUBTYPES[name]
    gateway.deploy(web_api({"POST /": action(name, {**required, **optional})}))
    answer = await client.ask("/", "POST", {"who": "me", "Content-Type": "application/json"}, b'{"text":"hello"}')
    assert (answer.status, answer.body) == (200, b'{"Said":"yes"}'), answer.body
    assert (answer.header("content-type") or "").startswith("application/x-amz-json-1.1")
    (got,) = service.requests
    target, right = SENT[name]
    assert target in (got.header("x-amz-target"), got.path)
    assert right(json.loads(got.body) if got.body else None), got.body
    assert "/eu-west-1/" in (got.header("authorization") or "")


@pytest.mark.parametrize(
    ("name", "missing"), [(name, missing) for name, (required, _) in SUBTYPES.items() for missing in required]
)
def test_each_required_parameter_is_needed(name: str, missing: str):
    required, _ = SUBTYPES[name]
    api = web_api({"$default": action(name, {key: text for key, text in required.items() if key != missing})})
    (finding,) = prove(api)
    assert (finding.severity, missing in finding.message) == ("error", True)


VALUES = [
    pytest.param("text", "text", id="static text"),
    pytest.param("$request.body.text", "hello", id="body"),
    pytest.param("$request.header.who", "me", id="header"),
    pytest.param("$request.querystring.q", "1", id="querystring"),
    pytest.param("$request.path.id", "7", id="path"),
    pytest.param("$context.routeKey", "POST /{id}", id="context"),
    pytest.param("$stageVariables.tier", "gold", id="stageVariables"),
    pytest.param("${request.header.who}-${request.path.id}", "me-7", id="several in braces"),
]


@pytest.mark.parametrize(("value", "sent"), VALUES)
async def test_each_value(gateway: TestGateway, service: Backend, client: Client, value: str, sent: str):
    stages = {"$default": {"variables": {"tier": "gold"}}}
    route = action("SQS-SendMessage", {"QueueUrl": QUEUE, "MessageBody": value})
    gateway.deploy(web_api({"POST /{id}": route}, stages=stages))
    await client.ask("/7?q=1", "POST", {"who": "me"}, b'{"text":"hello"}')
    assert json.loads(service.requests[0].body)["MessageBody"] == sent


async def test_maps_are_json_text(gateway: TestGateway, service: Backend, client: Client):
    """MessageAttributes"""
    parameters = {"QueueUrl": QUEUE, "MessageBody": "b", "MessageAttributes": ATTRIBUTES}
    gateway.deploy(web_api({"POST /": action("SQS-SendMessage", parameters)}))
    await client.ask("/", "POST", {"who": 'a"b'})
    sent = json.loads(service.requests[0].body)["MessageAttributes"]
    assert sent == {"Name": {"DataType": "String", "StringValue": 'a"b'}}


async def test_region_changes_the_target_region(gateway: TestGateway, service: Backend, client: Client):
    gateway.deploy(web_api({"POST /": action("SQS-PurgeQueue", {"QueueUrl": QUEUE, "Region": "us-west-2"})}))
    await client.ask("/", "POST")
    assert "/us-west-2/" in (service.requests[0].header("authorization") or "")


async def test_response_parameter_mapping_applies(gateway: TestGateway, service: Backend, client: Client):
    mapping = {"200": {"overwrite:statuscode": "202", "append:header.said": "$response.body.Said"}}
    route = action("SQS-PurgeQueue", {"QueueUrl": QUEUE}, responseParameters=mapping)
    gateway.deploy(web_api({"POST /": route}))
    answer = await client.ask("/", "POST")
    assert (answer.status, answer.header("said")) == (202, "yes")
