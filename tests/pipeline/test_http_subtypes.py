"""First-class actions of HTTP APIs: parameters, and the calls that requests make of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mapping.request_samples import request
from wsgw.errors import BadRequest
from wsgw.mapping.parameters import ParameterError
from wsgw.pipeline.http_subtypes import SUBTYPES, compile_action

QUEUE = "http://localhost/1/queue"
#: The subtype reference: required and optional parameters.
REFERENCE = {
    "EventBridge-PutEvents": ("Detail DetailType Source", "Time EventBusName Resources Region TraceHeader"),
    "SQS-SendMessage": (
        "QueueUrl MessageBody",
        "DelaySeconds MessageAttributes MessageDeduplicationId MessageGroupId MessageSystemAttributes Region",
    ),
    "SQS-ReceiveMessage": (
        "QueueUrl",
        "AttributeNames MaxNumberOfMessages MessageAttributeNames ReceiveRequestAttemptId VisibilityTimeout "
        "WaitTimeSeconds Region",
    ),
    "SQS-DeleteMessage": ("ReceiptHandle QueueUrl", "Region"),
    "SQS-PurgeQueue": ("QueueUrl", "Region"),
    "AppConfig-GetConfiguration": (
        "Application Environment Configuration ClientId",
        "ClientConfigurationVersion Region",
    ),
    "Kinesis-PutRecord": ("StreamName Data PartitionKey", "SequenceNumberForOrdering ExplicitHashKey Region"),
    "StepFunctions-StartExecution": ("StateMachineArn", "Name Input Region"),
    "StepFunctions-StartSyncExecution": ("StateMachineArn", "Name Input Region TraceHeader"),
    "StepFunctions-StopExecution": ("ExecutionArn", "Cause Error Region"),
}


def test_there_are_the_subtypes_of_the_reference_and_no_other():
    assert SUBTYPES.keys() == REFERENCE.keys()


@pytest.mark.parametrize("name", REFERENCE)
def test_each_subtype_needs_its_required_parameters_and_takes_its_optional_ones(name: str):
    required, optional = (texts.split() for texts in REFERENCE[name])
    numbers = {"DelaySeconds", "MaxNumberOfMessages", "VisibilityTimeout", "WaitTimeSeconds"}
    given_text = {
        key: "5" if key in numbers else "[]" if key.endswith(("Attributes", "Names", "Resources")) else "text"
        for key in required + optional
    }
    call = compile_action(name, given_text).call(request())
    assert f"{call.service}-{call.operation}" == name
    assert call.parameters.keys() == {*required, *optional} - {"Region"}
    assert call.region == "text"
    for key in required:
        with pytest.raises(ParameterError, match=key):
            compile_action(name, {other: text for other, text in given_text.items() if other != key})
    with pytest.raises(ParameterError, match="Unheard"):
        compile_action(name, {**given_text, "Unheard": "x"})


def test_a_version_behind_the_name_is_the_same_subtype():
    assert compile_action("SQS-PurgeQueue-1.0", {"QueueUrl": QUEUE}).call(request()).operation == "PurgeQueue"


@pytest.mark.parametrize("name", ["SQS-Nothing", "SNS-Publish", "", "SQS-SendMessage-2.0"])
def test_an_unknown_subtype_is_refused_with_those_that_there_are(name: str):
    with pytest.raises(ParameterError, match="SQS-SendMessage,"):
        compile_action(name, {})


def test_values_are_mapped_from_the_request():
    action = compile_action(
        "SQS-SendMessage",
        {
            "QueueUrl": QUEUE,
            "MessageBody": "$request.body.message",
            "MessageGroupId": "${request.header.group}-${context.stage}",
            "DelaySeconds": "$request.querystring.delay",
            "MessageDeduplicationId": "$request.header.nothing",
        },
        "arn:aws:iam::1:role/r",
    )
    invocation = request("POST", raw_query="delay=3", headers=[("group", "g")], body=b'{"message": {"a": 1}}')
    call = action.call(invocation)
    assert call.parameters == {
        "QueueUrl": QUEUE,
        "MessageBody": '{"a":1}',
        "MessageGroupId": f"g-{invocation.site.stage}",
        "DelaySeconds": "3",
    }
    assert (call.region, call.role) == ("", "arn:aws:iam::1:role/r")


def test_a_required_parameter_without_a_value_is_the_clients_fault():
    action = compile_action("SQS-SendMessage", {"QueueUrl": QUEUE, "MessageBody": "$request.body.message"})
    with pytest.raises(BadRequest):
        action.call(request())


@pytest.mark.parametrize("region", ["evil.example/", "a b", "us-east-1.evil.example", "-", "A"])
def test_a_region_never_becomes_another_host(region: str):
    """S-40"""
    action = compile_action("SQS-PurgeQueue", {"QueueUrl": QUEUE, "Region": "$request.header.region"})
    assert action.call(request(headers=[("region", "eu-west-1")])).region == "eu-west-1"
    with pytest.raises(BadRequest):
        action.call(request(headers=[("region", region)]))


@pytest.mark.parametrize(
    ("key", "value"), [("DelaySeconds", "soon"), ("MessageAttributes", "text"), ("MessageAttributes", "5")]
)
def test_constants_of_a_wrong_type_are_refused_when_compiled(key: str, value: str):
    with pytest.raises(ParameterError, match=key):
        compile_action("SQS-SendMessage", {"QueueUrl": QUEUE, "MessageBody": "x", key: value})


@given(st.text())
def test_a_value_never_breaks_out_of_the_json_that_it_is_part_of(value: str):
    """S-05: message attributes are those of the definition, whatever a request says."""
    attributes = '{"Name": {"DataType": "String", "StringValue": "<${request.body.x}>"}}'
    action = compile_action("SQS-SendMessage", {"QueueUrl": QUEUE, "MessageBody": "m", "MessageAttributes": attributes})
    body = json.dumps({"x": value}).encode()
    made = json.loads(action.call(request("POST", body=body)).parameters["MessageAttributes"])
    assert made.keys() == {"Name"}
    assert made["Name"] == {"DataType": "String", "StringValue": f"<{value}>"}


def test_a_whole_list_may_come_from_the_request():
    action = compile_action("SQS-ReceiveMessage", {"QueueUrl": QUEUE, "AttributeNames": "$request.body.names"})
    call = action.call(request("POST", body=b'{"names": ["All"]}'))
    assert call.parameters["AttributeNames"] == '["All"]'
