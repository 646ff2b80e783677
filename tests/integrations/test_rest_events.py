"""Payload format 1.0 of REST APIs: what a function is told, and what its answer means.

Values marked as recorded were seen on the service (2026).
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from wsgw.caller import Caller, Principal
from wsgw.errors import ApiConfigurationError, FunctionError
from wsgw.header_fields import HeaderFields
from wsgw.integrations.rest_events import Binary, rest_events, rest_proxy_answer
from wsgw.invocation import HttpInvocation

TIME = 1_790_000_000_000


class Site:
    api_id, stage, account_id, deployment_id = "abc", "prod", "123456789012", "d1"
    stage_variables: dict[str, str] = {}  # noqa: RUF012  # a test gives its own
    log_line = None


def invocation(
    rest: str = "/proxy-value",
    *headers: tuple[str, str],
    query: str = "",
    body: bytes = b"",
    method: str = "GET",
    parameters: dict[str, str] | None = None,
) -> HttpInvocation:
    caller = Caller()
    caller.source_ip, caller.user_agent, caller.domain_name = "203.0.113.7", "curl/8", "abc.example.com"
    caller.principal = None
    one = HttpInvocation(
        Site(), caller, "request-1", TIME, method, f"/prod{rest}", rest, query, HeaderFields(headers), body
    )
    one.forwarded = (("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Port", "443"), ("X-Forwarded-Proto", "https"))
    one.trace = "Root=1-5-6"
    one.resource_path, one.resource_id = "/{proxy+}", "r1"
    one.domain_prefix, one.extended_request_id = "abc", "extended="
    one.path_parameters = parameters or {}
    return one


def never(_media: str | None) -> bool:
    return False


def event(one: HttpInvocation, binary: Binary = never) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(json.dumps(rest_events(binary)(one)))
    return result


def test_an_event_has_these_members():
    """All rows; key set recorded."""
    assert event(invocation("/a", ("Host", "abc.example.com"), ("tEsT", "aValUE"))) == {
        "resource": "/{proxy+}",
        "path": "/a",
        "httpMethod": "GET",
        "headers": {
            "Host": "abc.example.com",
            "tEsT": "aValUE",
            "X-Forwarded-For": "203.0.113.7",
            "X-Forwarded-Port": "443",
            "X-Forwarded-Proto": "https",
            "X-Amzn-Trace-Id": "Root=1-5-6",
        },
        "multiValueHeaders": {
            "Host": ["abc.example.com"],
            "tEsT": ["aValUE"],
            "X-Forwarded-For": ["203.0.113.7"],
            "X-Forwarded-Port": ["443"],
            "X-Forwarded-Proto": ["https"],
            "X-Amzn-Trace-Id": ["Root=1-5-6"],
        },
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc",
            "deploymentId": "d1",
            "domainName": "abc.example.com",
            "domainPrefix": "abc",
            "extendedRequestId": "extended=",
            "httpMethod": "GET",
            "identity": {
                "accessKey": None,
                "accountId": None,
                "caller": None,
                "cognitoAuthenticationProvider": None,
                "cognitoAuthenticationType": None,
                "cognitoIdentityId": None,
                "cognitoIdentityPoolId": None,
                "principalOrgId": None,
                "sourceIp": "203.0.113.7",
                "user": None,
                "userAgent": "curl/8",
                "userArn": None,
            },
            "path": "/prod/a",
            "protocol": "HTTP/1.1",
            "requestId": "request-1",
            "requestTime": "21/Sep/2026:14:13:20 +0000",
            "requestTimeEpoch": TIME,
            "resourceId": "r1",
            "resourcePath": "/{proxy+}",
            "stage": "prod",
        },
        "body": None,
        "isBase64Encoded": False,
    }


def test_the_last_of_repeated_values_counts_and_all_are_there():
    """Rows headers, multiValueHeaders, queryStringParameters, multiValueQueryStringParameters; recorded."""
    one = event(invocation("/a", ("x", "1"), ("X", "2"), query="c=electronics&c=books&p=%31+0"))
    assert one["headers"]["x"] == "2"
    assert one["multiValueHeaders"]["x"] == ["1", "2"]
    assert one["queryStringParameters"] == {"c": "books", "p": "1 0"}
    assert one["multiValueQueryStringParameters"] == {"c": ["electronics", "books"], "p": ["1 0"]}


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("aUThorization", "Authorization"),
        ("user-Agent", "User-Agent"),
        ("host", "Host"),
        ("tEsT-HEADeR", "tEsT-HEADeR"),
        ("foobar", "foobar"),
    ],
)
def test_names_are_as_received_but_for_a_few(sent, shown):
    """Row headers; recorded."""
    assert event(invocation("/a", (sent, "value")))["headers"][shown] == "value"


@pytest.mark.parametrize(
    "name",
    [
        *("Connection", "Content-Length", "Content-MD5", "Expect", "Max-Forwards", "Proxy-Authenticate", "Server"),
        *("TE", "Trailer", "Transfer-Encoding", "Upgrade", "WWW-Authenticate"),
    ],
)
def test_headers_that_are_dropped_are_not_there(name):
    """Content-Length, Connection and the other dropped request headers are absent."""
    assert name not in event(invocation("/a", (name, "value")))["headers"]


def test_a_path_keeps_its_trailing_slash_and_its_encoding():
    """Row path; recorded."""
    raw = "/api/test%2Balias@gmail.com//test+alias@gmail.com/"
    one = event(invocation(raw, parameters={"proxy": raw[1:-1]}))
    assert (one["path"], one["pathParameters"]) == (raw, {"proxy": raw[1:-1]})
    assert one["requestContext"]["path"] == f"/prod{raw}"


def test_a_path_has_its_base_path_on_a_custom_domain():
    """Row path: with base path on custom domains."""
    one = invocation("/pets")
    one.base_path = "v1"
    assert event(one)["path"] == "/v1/pets"


def test_stage_variables_and_the_operations_name_are_there_if_there_are_any():
    one = invocation()
    one.site.stage_variables = {"colour": "red"}  # type: ignore[misc]
    one.operation_name = "ListPets"
    made = event(one)
    assert (made["stageVariables"], made["requestContext"]["operationName"]) == ({"colour": "red"}, "ListPets")


def test_an_authorizers_answer_has_a_section_and_a_signers_identity_fills_in_nulls():
    """Row requestContext.authorizer; IAM: absent, data in identity."""
    one = invocation()
    one.caller.principal = Principal("me", {"principalId": "not me", "role": "admin"})
    assert event(one)["requestContext"]["authorizer"] == {"principalId": "me", "role": "admin"}
    one.caller.principal = Principal("arn", {}, {"accessKey": "AKID", "userArn": "arn"}, kind="IAM")
    context = event(one)["requestContext"]
    assert "authorizer" not in context
    assert (context["identity"]["accessKey"], context["identity"]["user"]) == ("AKID", None)


@pytest.mark.parametrize(
    ("body", "binary", "shown", "encoded"),
    [
        (b"", False, None, False),
        (b"", True, None, False),
        ("Grüße".encode(), False, "Grüße", False),
        (b"\xff\x00", False, "�\x00", False),
        (b"\xff\x00", True, "/wA=", True),
    ],
)
def test_a_body_is_text_or_base64_by_the_requests_media_type(body, binary, shown, encoded):
    """Lambda proxy, request."""
    asked: list[str | None] = []

    def matches(media: str | None) -> bool:
        asked.append(media)
        return binary

    one = event(invocation("/a", ("content-type", "image/png"), body=body, method="POST"), matches)
    assert (one["body"], one["isBase64Encoded"]) == (shown, encoded)
    assert asked == (["image/png"] if body else [])


def test_a_handler_may_change_its_event():
    one = invocation("/a", ("x", "1"))
    make = rest_events(never)
    first = make(one)
    first["multiValueHeaders"]["x"].append("2")
    first["requestContext"]["identity"]["user"] = "me"
    first["headers"].clear()
    assert make(one)["multiValueHeaders"]["x"] == ["1"]
    assert make(one)["requestContext"]["identity"]["user"] is None


# ---- answers

answer = rest_proxy_answer(lambda media: media == "image/png")


def read(result: Any, accept: str | None = None) -> tuple[int, bytes, list[tuple[str, str]]]:
    reply = answer(json.dumps(result).encode(), accept)
    return reply.status, reply.body, list(reply.headers)


ANSWERS = [
    ({}, (200, b"", [])),
    ({"statusCode": 200}, (200, b"", [])),
    ({"statusCode": "201"}, (201, b"", [])),
    ({"statusCode": 200, "headers": None}, (200, b"", [])),
    (
        {"headers": {"a": "value", "b": True, "c": 1, "d": None}},
        (200, b"", [("a", "value"), ("b", "true"), ("c", "1")]),
    ),
    ({"multiValueHeaders": {"m": ["1", "2"]}}, (200, b"", [("m", "1"), ("m", "2")])),
    (
        {"multiValueHeaders": {"tesT-Multi": ["value-multi"]}, "headers": {"test-multi": "value-solo"}},
        (200, b"", [("tesT-Multi", "value-multi"), ("tesT-Multi", "value-solo")]),
    ),
    ({"body": None}, (200, b"", [])),
    ({"body": "Grüße", "isBase64Encoded": False}, (200, "Grüße".encode(), [])),
]


@pytest.mark.parametrize(("result", "reply"), ANSWERS)
def test_what_a_result_stands_for(result, reply):
    """Recorded."""
    assert read(result) == reply
    assert answer(result, None).status == reply[0]


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": 200, "wrongValue": "value"},
        {"statusCode": "test"},
        {"statusCode": 99},
        {"statusCode": {}},
        {"multiValueHeaders": {"m": "value1"}},
        {"multiValueHeaders": []},
        {"headers": "text"},
        {"headers": {"a": {}}},
        {"headers": {"a": "b\r\nc: d"}},
        {"headers": {"a b": "c"}},
        {"body": {}},
        {"body": 5},
        "justAString",
        [],
        None,
        5,
    ],
)
def test_what_is_no_proxy_result_is_a_502(result):
    """Any extra key, non-numeric status, values that are no lists, object bodies, strings, lists, null."""
    with pytest.raises(FunctionError) as raised:
        read(result)
    assert (raised.value.status, raised.value.message) == (502, "Internal server error")


@pytest.mark.parametrize("result", [{"headers": {5: "c"}}, {"multiValueHeaders": {5: ["c"]}}])
def test_a_python_handlers_header_whose_name_is_no_text_is_a_502(result):
    with pytest.raises(FunctionError):
        answer(result, None)


@pytest.mark.parametrize("payload", [b"", b"not json", b"\xff"])
def test_what_is_no_json_is_a_502(payload):
    with pytest.raises(FunctionError):
        answer(payload, None)


@pytest.mark.parametrize(
    ("accept", "encoded", "body"),
    [
        ("image/png", True, b"hello"),
        ("image/png", False, b"aGVsbG8="),
        ("image/png", None, b"aGVsbG8="),
        ("text/plain", True, b"aGVsbG8="),
        (None, True, b"aGVsbG8="),
    ],
)
def test_base64_is_decoded_only_for_who_takes_binary(accept, encoded, body):
    """Lambda proxy, response; recorded."""
    assert read({"body": "aGVsbG8=", "isBase64Encoded": encoded}, accept)[1] == body


def test_what_is_said_to_be_base64_and_is_not_is_a_500():
    """Undecodable base64 → 500; recorded."""
    with pytest.raises(ApiConfigurationError) as raised:
        read({"body": "èé+à)(", "isBase64Encoded": True}, "image/png")
    assert raised.value.status == 500


def streamed(prelude: Any, body: bytes) -> tuple[int, bytes, list[tuple[str, str]]]:
    reply = answer(json.dumps(prelude).encode() + bytes(8) + body, None)
    return reply.status, reply.body, list(reply.headers)


def test_what_a_streaming_function_wrote_is_a_prelude_and_the_body_as_it_is():
    """Response transfer mode STREAM: JSON, eight zeros, body."""
    prelude = {"statusCode": 201, "headers": {"Content-Type": "image/png"}, "cookies": ["a=1", "b=2"]}
    headers = [("Content-Type", "image/png"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    body = b"\xff" + bytes(9)
    assert streamed(prelude, body) == (201, body, headers)
    assert streamed({}, b"") == (200, b"", [])


@pytest.mark.parametrize("prelude", [[], None, {"body": "x"}, {"cookies": "a=1"}, {"cookies": ["a\r\nb"]}])
def test_a_prelude_that_is_none_is_a_502(prelude):
    with pytest.raises(FunctionError):
        streamed(prelude, b"")


@given(some.recursive(some.none() | some.booleans() | some.integers() | some.text(), some.lists))
def test_whatever_a_function_returns_is_a_reply_or_a_gateway_error(value):
    for result in (value, {"headers": value}, {"multiValueHeaders": {"a": value}}, {"statusCode": value}):
        try:
            assert 200 <= answer(result, "image/png").status < 600
        except (FunctionError, ApiConfigurationError):
            pass
