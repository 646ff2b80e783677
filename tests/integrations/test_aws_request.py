"""What the URIs of AWS integrations ask for, without a service: forms, headers, bodies."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from wsgw.errors import ApiConfigurationError, BadRequest
from wsgw.integrations.aws_endpoints import Service
from wsgw.integrations.aws_request import FORM, AwsUri, aws_uri, in_envelope, service_request
from wsgw.integrations.aws_services import AwsRequest
from wsgw.integrations.aws_shapes import value_of
from wsgw.invocation import IntegrationRequest

REGION = "eu-west-1"
JSON = {"protocol": "json", "targetPrefix": "Shop_2026", "jsonVersion": "1.1"}
QUERY = {"protocol": "query", "apiVersion": "2010-03-31"}
BOTH = {**JSON, "apiVersion": "2012-11-05", "awsQueryCompatible": {}}


def service(metadata: dict[str, Any], name: str = "shop", custom: bool = False) -> Service:
    return Service("https://shop.example", "", REGION, name, custom, SimpleNamespace(metadata=metadata))


def asked(
    resource: str,
    metadata: dict[str, Any],
    *headers: tuple[str, str],
    body: bytes = b"",
    method: str = "POST",
    lines: bytes = b"",
) -> AwsRequest:
    url = f"arn:aws:apigateway:{REGION}:shop:{resource}"
    request = IntegrationRequest(method, url, headers, body, 10, lines=lines)
    return service_request(aws_uri(url.partition("?")[0]), service(metadata), request, None)


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("arn:aws:apigateway:us-east-1:sqs:path/1/q", AwsUri("us-east-1", "", "sqs", False, "1/q")),
        ("arn:aws:apigateway:us-east-1:s3:path", AwsUri("us-east-1", "", "s3", False, "")),
        ("arn:aws-cn:apigateway:cn-north-1:states:action/A", AwsUri("cn-north-1", "", "states", True, "A")),
        ("arn:aws:apigateway::a.b.s3:path/k", AwsUri("", "a.b", "s3", False, "k")),
    ],
)
def test_a_uris_parts(uri, parts):
    assert aws_uri(uri) == parts


def test_what_is_filled_into_a_path_names_no_other_service():
    uri = "arn:aws:apigateway:us-east-1:s3:path/b/x:action/Delete:iam:path/y"
    assert aws_uri(uri) == AwsUri("us-east-1", "", "s3", False, "b/x:action/Delete:iam:path/y")


@given(some.text(max_size=60) | some.from_regex(r"arn:aws:apigateway:.{0,30}", fullmatch=True))
def test_any_text_is_a_uri_or_a_configuration_error(text):
    try:
        parts = aws_uri(text)
    except ApiConfigurationError:
        return
    assert text.startswith("arn:aws")
    assert text.endswith(parts.rest)


def test_a_json_operation_is_named_in_a_header_and_posted():
    """Row dynamodb:action/PutItem."""
    got = asked("action/Put", JSON, ("X-Amz-Target", "Other.Op"), body=b'{"a": 1}', method="PUT")
    assert (got.method, got.path, got.query, got.body) == ("POST", "/", [], b'{"a": 1}')
    assert got.headers == [
        ("Accept", "application/json"),
        ("Content-Type", "application/x-amz-json-1.1"),
        ("X-Amz-Target", "Shop_2026.Put"),
    ]


def test_a_json_operation_without_a_body_has_an_empty_object():
    assert asked("action/Put", JSON).body == b"{}"


@pytest.mark.parametrize(
    ("mapped", "sent"),
    [
        ("application/json; charset=utf-8", "application/x-amz-json-1.1"),
        ("application/x-amz-json-1.0", "application/x-amz-json-1.0"),
        ("text/plain", "text/plain"),
    ],
)
def test_a_mapped_content_type_of_its_own_stays(mapped, sent):
    assert ("Content-Type", sent) in asked("action/Put", JSON, ("Content-Type", mapped)).headers


def test_a_query_operation_is_a_form_with_action_and_version_first():
    """Row sns:action/Publish."""
    got = asked("action/Publish?Message=a%20b", QUERY, ("content-type", FORM), body=b"TopicArn=t")
    assert got.body == b"Action=Publish&Version=2010-03-31&Message=a%20b&TopicArn=t"
    assert got.headers == [("Accept", "application/json"), ("Content-Type", FORM)]


@pytest.mark.parametrize("name", ["Action", "action", "%41ction", "Action+", "Version"])
def test_nobody_but_the_uri_says_which_operation_is_signed_for(name):
    """A form may be what the client has sent."""
    got = asked(f"action/Publish?{name}=DeleteTopic", QUERY, ("Content-Type", FORM), body=f"a=1&{name}=x&b=2".encode())
    assert got.body == b"Action=Publish&Version=2010-03-31&a=1&b=2"
    got = asked(f"action/Publish?{name}=DeleteTopic", QUERY, method="GET")
    assert got.query == [("Action", "Publish"), ("Version", "2010-03-31")]


def test_a_query_operation_by_get_is_a_query():
    got = asked("action/Publish?Message=a", QUERY, method="GET")
    assert (got.query, got.body) == ([("Action", "Publish"), ("Version", "2010-03-31"), ("Message", "a")], b"")


@pytest.mark.parametrize(
    ("resource", "headers", "body", "is_json"),
    [
        ("action/Send", (), b' {"a": 1}', True),
        ("action/Send?a=1", (), b"{}", False),
        ("action/Send", (("Content-Type", FORM),), b"a=1", False),
        ("action/Send", (), b"", False),
    ],
)
def test_a_service_that_speaks_both_gets_what_the_mapping_makes(resource, headers, body, is_json):
    got = asked(resource, BOTH, *headers, body=body)
    assert (got.body == body) is is_json
    assert any(name == "X-Amz-Target" for name, _ in got.headers) is is_json


def test_a_path_gets_method_headers_and_body_as_they_are():
    """Row sqs:path/{account}/{queue}; a Content-Type defaults to application/json."""
    got = asked("path/1/q?a=b", JSON, ("X-A", "1"), body=b"text", method="PUT")
    assert (got.method, got.path, got.query, got.body) == ("PUT", "/1/q", [("a", "b")], b"text")
    assert got.headers == [("X-A", "1"), ("Content-Type", "application/json"), ("Accept", "application/json")]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_method_without_a_body_has_no_content_type(method):
    assert asked("path/1/q", JSON, method=method).headers == [("Accept", "application/json")]


def test_lines_that_are_made_once_are_headers_too_and_mapped_ones_replace_them():
    got = asked("path/k", JSON, ("Accept", "text/xml"), lines=b"Accept: a/b\r\nUser-Agent: gw\r\n", method="GET")
    assert got.headers == [("Accept", "text/xml"), ("User-Agent", "gw")]


def test_an_envelope_is_named_for_its_operation():
    """Row ssm:action/GetParameter; recorded."""
    text = b'{"GetResponse":{"GetResult":{"a":1},"ResponseMetadata":{"RequestId":"r"}}}'
    assert in_envelope("Get", b'{"a":1}', "r") == text


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "5", 5),
        ("long", "5", 5),
        ("double", "0.5", 0.5),
        ("boolean", "True", True),
        ("boolean", "false", False),
        ("list", '["a"]', ["a"]),
        ("map", '{"a": {}}', {"a": {}}),
        ("string", "5", "5"),
        ("blob", "Grüße", "Grüße"),
        ("timestamp", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("integer", 5, 5),
    ],
)
def test_a_text_becomes_what_its_member_is(kind, text, value):
    assert value_of(SimpleNamespace(type_name=kind), "Name", text) == value


@pytest.mark.parametrize(("kind", "text"), [("integer", "x"), ("boolean", "maybe"), ("list", "[")])
def test_a_text_that_is_not_what_its_member_is_names_the_parameter(kind, text):
    with pytest.raises(BadRequest) as raised:
        value_of(SimpleNamespace(type_name=kind), "Count", text)
    assert "Count" in raised.value.detail
