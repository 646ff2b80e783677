"""AWS integrations against moto's server: what each form of URI calls, and what comes back."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.harness.aws_services import aws_environment, aws_services, client
from wsgw.errors import ApiConfigurationError
from wsgw.integrations.aws_service import AwsIntegration
from wsgw.integrations.aws_services import AwsServices
from wsgw.integrations.http_pool import HttpPool
from wsgw.invocation import IntegrationRequest, Reply

REGION = "eu-central-1"
FORM = ("Content-Type", "application/x-www-form-urlencoded")


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with aws_services() as url:
        yield url


@pytest.fixture
async def integration(aws: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AwsIntegration]:
    aws_environment(monkeypatch, aws)
    pool = HttpPool()
    yield AwsIntegration(AwsServices(pool))
    await pool.close()


def request(
    uri: str, body: Any = b"", method: str = "POST", headers: tuple[tuple[str, str], ...] = ()
) -> IntegrationRequest:
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return IntegrationRequest(method, f"arn:aws:apigateway:{REGION}:{uri}", headers, body, 29)


def document(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


@pytest.fixture
def table(aws: str) -> str:
    name = f"Comments{time.time_ns()}"
    client("dynamodb", aws).create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


async def test_dynamodb_action_puts_an_item_and_queries_it(integration, table):
    """Row dynamodb:action/PutItem: JSON protocol, X-Amz-Target set from the action."""
    put = {"TableName": table, "Item": {"id": {"S": "1"}, "text": {"S": "Grüße"}}}
    assert document(await integration.invoke(request("dynamodb:action/PutItem", put))) == {}
    query = {
        "TableName": table,
        "KeyConditionExpression": "id = :v",
        "ExpressionAttributeValues": {":v": {"S": "1"}},
    }
    found = document(await integration.invoke(request("dynamodb:action/Query", query)))
    assert found["Items"] == [{"id": {"S": "1"}, "text": {"S": "Grüße"}}]


async def test_a_services_error_is_an_answer_with_its_status(integration):
    """Service error answers flow through integration response selection by status."""
    reply = await integration.invoke(request("dynamodb:action/GetItem", {"TableName": "none", "Key": {}}))
    assert reply.status == 400
    assert "ResourceNotFoundException" in reply.body.decode()


@pytest.fixture
def queue(aws: str) -> str:
    url: str = client("sqs", aws).create_queue(QueueName=f"queue{time.time_ns()}")["QueueUrl"]
    return url


def messages(aws: str, queue: str) -> list[str]:
    got = client("sqs", aws).receive_message(QueueUrl=queue).get("Messages", [])
    return [one["Body"] for one in got]


async def test_sqs_path_takes_a_form_as_its_body(integration, aws, queue):
    """Row sqs:path/{account}/{queue}, and the recorded idiom `Action=SendMessage&MessageBody=…`."""
    path = queue.split("/", 3)[3]
    reply = await integration.invoke(
        request(f"sqs:path/{path}", b"Action=SendMessage&MessageBody=hello%20there", headers=(FORM,))
    )
    assert reply.status == 200, reply.body
    assert b"<MessageId>" in reply.body
    assert messages(aws, queue) == ["hello there"]


async def test_sqs_action_sends_the_mapped_query(integration, aws, queue):
    """Row sqs:action/SendMessage: query protocol, Action and Version added."""
    uri = f"sqs:action/SendMessage?QueueUrl={queue.replace(':', '%3A').replace('/', '%2F')}&MessageBody=a+b%26c"
    reply = await integration.invoke(request(uri))
    assert reply.status == 200, reply.body
    assert messages(aws, queue) == ["a b&c"]


async def test_sqs_action_takes_json(integration, aws, queue):
    sent = await integration.invoke(request("sqs:action/SendMessage", {"QueueUrl": queue, "MessageBody": "json"}))
    assert document(sent)["MessageId"]
    assert messages(aws, queue) == ["json"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_sns_action_publishes_the_mapped_query(integration, aws, queue, method):
    """Row sns:action/Publish: parameters from integration.request.querystring."""
    sns = client("sns", aws)
    topic = sns.create_topic(Name="topic")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:123456789012:{queue.split('/')[-1]}")
    uri = f"sns:action/Publish?TopicArn={topic}&Message=hello"
    reply = await integration.invoke(request(uri, method=method))
    assert reply.status == 200, reply.body
    assert json.loads(messages(aws, queue)[0])["Message"] == "hello"


async def test_sns_action_publishes_a_form(integration, aws):
    """Row sns:action/Publish: parameters from a form body."""
    topic = client("sns", aws).create_topic(Name="form")["TopicArn"]
    body = f"TopicArn={topic}&Message=hello".encode()
    reply = await integration.invoke(request("sns:action/Publish", body, headers=(FORM,)))
    assert reply.status == 200, reply.body
    assert b"<MessageId>" in reply.body


async def test_kinesis_action_puts_a_record(integration, aws):
    """Row kinesis:action/PutRecord."""
    client("kinesis", aws).create_stream(StreamName="events", ShardCount=1)
    record = {"StreamName": "events", "Data": "aGVsbG8=", "PartitionKey": "1"}
    assert document(await integration.invoke(request("kinesis:action/PutRecord", record)))["SequenceNumber"]


async def test_events_action_puts_events(integration):
    """Row events:action/PutEvents."""
    entries = {"Entries": [{"Source": "shop", "DetailType": "order", "Detail": "{}"}]}
    assert document(await integration.invoke(request("events:action/PutEvents", entries)))["FailedEntryCount"] == 0


async def test_states_action_starts_an_execution(integration, aws):
    """Row states:action/StartExecution."""
    role = "arn:aws:iam::123456789012:role/states"
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    machine = client("stepfunctions", aws).create_state_machine(name="machine", definition=definition, roleArn=role)
    started = {"stateMachineArn": machine["stateMachineArn"], "input": "{}"}
    assert document(await integration.invoke(request("states:action/StartExecution", started)))["executionArn"]


async def test_ssm_action_is_asked_by_parameters_and_answers_in_an_envelope(integration, aws):
    """Row ssm:action/GetParameter: {"GetParameterResponse": {"GetParameterResult": …}}. Recorded."""
    client("ssm", aws).put_parameter(Name="/key", Value="secret", Type="SecureString")
    uri = "ssm:action/GetParameter?Name=%2Fkey&WithDecryption=true"
    answer = document(await integration.invoke(request(uri)))
    assert answer["GetParameterResponse"]["GetParameterResult"]["Parameter"]["Value"] == "secret"
    assert set(answer["GetParameterResponse"]) == {"GetParameterResult", "ResponseMetadata"}


BINARY = bytes(range(256))


@pytest.fixture
def bucket(aws: str) -> str:
    name = f"bucket{time.time_ns()}"
    client("s3", aws).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


@pytest.mark.parametrize("key", ["cat.png", "a b/ü+%.png", "a//b"])
async def test_s3_path_stores_and_gives_bytes(integration, aws, bucket, key):
    """Row s3:path/{bucket}/{key}: verb from integrationHttpMethod; bytes stay bytes."""
    encoded = key.replace("%", "%25").replace(" ", "%20").replace("ü", "%C3%BC").replace("+", "%2B")
    uri = f"s3:path/{bucket}/{encoded}"
    put = await integration.invoke(request(uri, BINARY, "PUT", (("Content-Type", "image/png"),)))
    assert put.status == 200, put.body
    got = await integration.invoke(request(uri, method="GET"))
    assert (got.status, got.body, got.header("content-type")) == (200, BINARY, "image/png")
    assert client("s3", aws).get_object(Bucket=bucket, Key=key)["Body"].read() == BINARY


async def test_a_subdomain_of_s3_is_its_bucket(integration, aws, bucket):
    client("s3", aws).put_object(Bucket=bucket, Key="index", Body=b"hello")
    got = await integration.invoke(request(f"{bucket}.s3:path/index", method="GET"))
    assert (got.status, got.body) == (200, b"hello")


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("s3:path/bucket/../other", "dot segment"),
        ("s3:path/bucket/%2E%2e/other", "dot segment"),
        ("s3:action/GetObject", "write its uri as path"),
        ("dynamodb:action/", "names no operation"),
        ("dynamodb:action/Put/Item", "names no operation"),
        ("dynamodb:PutItem", "no uri of an AWS integration"),
    ],
)
async def test_what_cannot_be_called_is_a_configuration_error_that_says_why(integration, uri, why):
    with pytest.raises(ApiConfigurationError) as raised:
        await integration.invoke(request(uri))
    assert why in raised.value.detail
