"""The first-class actions of HTTP APIs, each against moto's server or a stand-in for what it lacks."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import web

from tests.harness.aws_services import aws_environment, aws_services, client
from wsgw.errors import ApiConfigurationError, BadRequest, IntegrationTimeout
from wsgw.integrations.aws_actions import AwsActions
from wsgw.integrations.aws_services import AwsServices
from wsgw.integrations.http_pool import HttpPool
from wsgw.invocation import Reply

REGION = "eu-central-1"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with aws_services() as url:
        yield url


@pytest.fixture
async def actions(aws: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AwsActions]:
    aws_environment(monkeypatch, aws)
    pool = HttpPool()
    yield AwsActions(AwsServices(pool))
    await pool.close()


async def call(actions: AwsActions, subtype: str, region: str = "", timeout: float = 10, **parameters: str) -> Reply:
    service, _, operation = subtype.partition("-")
    return await actions.call(service, operation, parameters, region, timeout)


async def answer(actions: AwsActions, subtype: str, **parameters: str) -> Any:
    reply = await call(actions, subtype, **parameters)
    assert reply.status == 200, reply.body
    return json.loads(reply.body) if reply.body else None


@pytest.fixture
def queue(aws: str) -> str:
    url: str = client("sqs", aws).create_queue(QueueName=f"queue{time.time_ns()}")["QueueUrl"]
    return url


async def test_sqs_messages_are_sent_received_and_deleted(actions, queue):
    """Rows SQS-SendMessage, SQS-ReceiveMessage, SQS-DeleteMessage."""
    attributes = json.dumps({"Name": {"DataType": "String", "StringValue": "value"}})
    sent = await answer(
        actions, "SQS-SendMessage", QueueUrl=queue, MessageBody="Grüße", DelaySeconds="0", MessageAttributes=attributes
    )
    got = await answer(
        actions,
        "SQS-ReceiveMessage",
        QueueUrl=queue,
        AttributeNames='["All"]',
        MessageAttributeNames='["All"]',
        MaxNumberOfMessages="5",
        VisibilityTimeout="0",
        WaitTimeSeconds="0",
    )
    [message] = got["Messages"]
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "Grüße")
    assert message["MessageAttributes"]["Name"]["StringValue"] == "value"
    await answer(actions, "SQS-DeleteMessage", QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert not (await answer(actions, "SQS-ReceiveMessage", QueueUrl=queue)).get("Messages")


async def test_sqs_purge_queue_empties_it(actions, queue):
    """Row SQS-PurgeQueue."""
    await answer(actions, "SQS-SendMessage", QueueUrl=queue, MessageBody="one")
    await answer(actions, "SQS-PurgeQueue", QueueUrl=queue)
    assert not (await answer(actions, "SQS-ReceiveMessage", QueueUrl=queue)).get("Messages")


async def test_eventbridge_put_events_puts_one_entry(actions, aws, queue):
    """Row EventBridge-PutEvents: its parameters are those of the one entry."""
    events = client("events", aws)
    arn = f"arn:aws:sqs:{REGION}:123456789012:{queue.split('/')[-1]}"
    events.put_rule(Name="rule", EventPattern='{"source": ["shop"]}')
    events.put_targets(Rule="rule", Targets=[{"Id": "1", "Arn": arn}])
    answered = await answer(
        actions,
        "EventBridge-PutEvents",
        Detail='{"order": 1}',
        DetailType="order",
        Source="shop",
        Time="2026-01-02T03:04:05Z",
        Resources='["arn:aws:s3:::bucket"]',
    )
    assert answered["FailedEntryCount"] == 0
    got = client("sqs", aws).receive_message(QueueUrl=queue)["Messages"][0]
    event = json.loads(got["Body"])
    assert (event["detail-type"], event["detail"], event["resources"]) == (
        "order",
        {"order": 1},
        ["arn:aws:s3:::bucket"],
    )


async def test_kinesis_put_record_puts_the_text_as_bytes(actions, aws):
    """Row Kinesis-PutRecord."""
    kinesis = client("kinesis", aws)
    kinesis.create_stream(StreamName="events", ShardCount=1)
    await answer(actions, "Kinesis-PutRecord", StreamName="events", Data="Grüße", PartitionKey="1")
    shard = kinesis.describe_stream(StreamName="events")["StreamDescription"]["Shards"][0]["ShardId"]
    start = kinesis.get_shard_iterator(StreamName="events", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    assert kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"][0]["Data"] == "Grüße".encode()


@pytest.fixture
def machine(aws: str) -> str:
    definition = json.dumps({"StartAt": "Wait", "States": {"Wait": {"Type": "Succeed"}}})
    role = "arn:aws:iam::123456789012:role/states"
    name = f"machine{time.time_ns()}"
    made = client("stepfunctions", aws).create_state_machine(name=name, definition=definition, roleArn=role)
    arn: str = made["stateMachineArn"]
    return arn


async def test_step_functions_start_and_stop(actions, aws, machine):
    """Rows StepFunctions-StartExecution, StepFunctions-StopExecution."""
    started = await answer(
        actions, "StepFunctions-StartExecution", StateMachineArn=machine, Name="one", Input='{"a": 1}'
    )
    arn = started["executionArn"]
    assert arn.endswith(":one")
    stopped = await answer(actions, "StepFunctions-StopExecution", ExecutionArn=arn, Cause="tired", Error="E")
    assert stopped["stopDate"]
    assert client("stepfunctions", aws).describe_execution(executionArn=arn)["status"] == "ABORTED"


class Endpoint:
    """A service that answers what it was asked, and how."""

    def __init__(self) -> None:
        self.requests: list[tuple[web.Request, bytes]] = []
        self.url = ""

    async def __aenter__(self) -> Endpoint:
        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = "http://{}:{}".format(*self._runner.addresses[0][:2])
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests.append((request, await request.read()))
        return web.Response(body=b"colour: red", content_type="text/plain", headers={"Configuration-Version": "7"})


async def test_step_functions_start_sync_execution(actions, monkeypatch):
    """Row StepFunctions-StartSyncExecution: at a configured endpoint, the host has no `sync-` before it."""
    async with Endpoint() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", endpoint.url)
        reply = await call(
            actions, "StepFunctions-StartSyncExecution", StateMachineArn="arn", Input="{}", TraceHeader="Root=1"
        )
    assert reply.status == 200
    [(asked, body)] = endpoint.requests
    assert asked.headers["X-Amz-Target"] == "AWSStepFunctions.StartSyncExecution"
    assert asked.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert json.loads(body) == {"stateMachineArn": "arn", "input": "{}", "traceHeader": "Root=1"}


async def test_appconfig_get_configuration_gives_it_as_it_is(actions, monkeypatch):
    """Row AppConfig-GetConfiguration: a GET, and an answer in the configuration's own type."""
    async with Endpoint() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_APPCONFIG", endpoint.url)
        reply = await call(
            actions,
            "AppConfig-GetConfiguration",
            Application="shop",
            Environment="prod & more",
            Configuration="colours",
            ClientId="me",
            ClientConfigurationVersion="6",
        )
    assert (reply.status, reply.body, reply.header("configuration-version")) == (200, b"colour: red", "7")
    [(asked, _body)] = endpoint.requests
    assert asked.method == "GET"
    assert asked.raw_path.startswith("/applications/shop/environments/prod%20%26%20more/configurations/colours?")
    assert dict(asked.query) == {"client_id": "me", "client_configuration_version": "6"}


async def test_region_changes_where_it_goes(actions, aws):
    """Region changes the target Region."""
    elsewhere = client("sqs", aws, "us-west-2").create_queue(QueueName="west")["QueueUrl"]
    await call(actions, "SQS-SendMessage", "us-west-2", QueueUrl=elsewhere, MessageBody="west")
    got = client("sqs", aws, "us-west-2").receive_message(QueueUrl=elsewhere)
    assert got["Messages"][0]["Body"] == "west"


async def test_a_services_error_is_the_answer(actions, aws):
    reply = await call(actions, "SQS-SendMessage", QueueUrl=f"{aws}/123456789012/none", MessageBody="one")
    assert reply.status == 400
    assert b"NonExistentQueue" in reply.body or b"QueueDoesNotExist" in reply.body


@pytest.mark.parametrize(
    ("name", "text"), [("DelaySeconds", "soon"), ("MessageAttributes", "{not json"), ("MessageAttributes", "[1]")]
)
async def test_a_parameter_that_is_nothing_of_its_type_is_a_bad_request(actions, queue, name, text):
    with pytest.raises(BadRequest) as raised:
        await call(actions, "SQS-SendMessage", QueueUrl=queue, MessageBody="one", **{name: text})
    assert name in raised.value.detail


async def test_a_parameter_that_the_operation_does_not_have_is_a_configuration_error(actions, queue):
    with pytest.raises(ApiConfigurationError):
        await call(actions, "SQS-SendMessage", QueueUrl=queue, MessageBody="one", Colour="red")


async def test_the_deadline_counts_from_the_call_on(actions, queue):
    with pytest.raises(IntegrationTimeout):
        await call(actions, "SQS-ReceiveMessage", timeout=0.2, QueueUrl=queue, WaitTimeSeconds="5")
