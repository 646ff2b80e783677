"""Events of HTTP APIs: payload formats 2.0 and 1.0, member by member."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mapping.request_samples import REQUEST_ID, request
from wsgw.integrations.http_events import Shown, events_of_1_0, events_of_2_0

of_2_0 = events_of_2_0("123456789012")
of_1_0 = events_of_1_0("123456789012")


def test_format_2_0_leaves_out_what_is_not_there():
    event = of_2_0(request())
    assert list(event) == [
        "version",
        "routeKey",
        "rawPath",
        "rawQueryString",
        "headers",
        "requestContext",
        "isBase64Encoded",
    ]
    assert (event["version"], event["rawPath"], event["rawQueryString"]) == ("2.0", "/dev/pets/42", "")


def test_format_2_0_joins_repeated_values_with_commas():
    headers = [("Header1", "a"), ("HEADER1", "b"), ("Cookie", "c1=1; c2=2"), ("cookie", "c3=3"), ("Connection", "x")]
    event = of_2_0(request(raw_query="p=1&p=2&e=&%C3%A9=%20", headers=headers))
    assert event["headers"]["header1"] == "a,b"
    assert event["cookies"] == ["c1=1", "c2=2", "c3=3"]
    assert not {"cookie", "connection"} & event["headers"].keys()
    assert event["queryStringParameters"] == {"p": "1,2", "e": "", "é": " "}
    assert event["headers"]["x-forwarded-for"] == "203.0.113.9"
    assert event["headers"]["x-amzn-trace-id"].startswith("Root=1-")


def test_the_request_context_of_format_2_0():
    context = of_2_0(request("POST", "/a/", route_key="POST /a/"))["requestContext"]
    assert context.pop("time").count("/") == 2
    assert isinstance(context.pop("timeEpoch"), int)
    site: Any = request().site
    assert context == {
        "accountId": "123456789012",
        "apiId": site.api_id,
        "domainName": "api.example.com",
        "domainPrefix": "api",
        "http": {
            "method": "POST",
            "path": "/dev/a/",
            "protocol": "HTTP/1.1",
            "sourceIp": "203.0.113.9",
            "userAgent": "agent/1.0",
        },
        "requestId": REQUEST_ID,
        "routeKey": "POST /a/",
        "stage": site.stage,
    }


@pytest.mark.parametrize("make", [of_1_0, of_2_0])
def test_path_parameters_are_decoded_and_stage_variables_shown(make: Any):
    event = make(request(path_parameters={"id": "a%20b%2Fc"}, stage_variables={"env": "test"}))
    assert event["pathParameters"] == {"id": "a b/c"}
    assert event["stageVariables"] == {"env": "test"}


BODIES = [
    ("text/plain", b"t", False),
    ("text/csv; charset=utf-8", b"t", False),
    ("application/json", b"{}", False),
    ("Application/JSON", b"{}", False),
    ("application/javascript", b"t", False),
    ("application/xml", b"t", False),
    ("application/problem+json", b"{}", False),
    ("image/svg+xml", b"t", False),
    ("application/octet-stream", b"t", True),
    ("application/x-www-form-urlencoded", b"a=1", True),
    ("image/png", b"\x89PNG", True),
    (None, b"t", True),
    ("application/json", b"\xff", True),
    ("text/plain", "é".encode("latin-1"), True),
]


@pytest.mark.parametrize(("content_type", "body", "encoded"), BODIES, ids=[str(one[0]) for one in BODIES])
@pytest.mark.parametrize("make", [of_1_0, of_2_0])
def test_a_body_is_base64_unless_it_is_surely_text(make: Any, content_type: str | None, body: bytes, encoded: bool):
    headers = [] if content_type is None else [("Content-Type", content_type)]
    event = make(request("POST", headers=headers, body=body))
    assert event["isBase64Encoded"] is encoded
    assert (b64decode(event["body"]) if encoded else event["body"].encode()) == body


def test_a_compressed_body_is_base64_whatever_its_type():
    event = of_2_0(request("POST", headers=[("Content-Type", "text/plain"), ("Content-Encoding", "gzip")], body=b"t"))
    assert event["isBase64Encoded"] is True


@given(st.binary(), st.sampled_from([one[0] for one in BODIES]))
def test_no_byte_of_a_body_is_lost(body: bytes, content_type: str | None):
    headers = [] if content_type is None else [("Content-Type", content_type)]
    event = of_2_0(request("POST", headers=headers, body=body))
    text = event.get("body", "")
    assert (b64decode(text) if event["isBase64Encoded"] else text.encode()) == body


def test_format_1_0_is_that_of_rest_apis_and_a_version():
    invocation = request(headers=[("header1", "a"), ("header2", "b"), ("HEADER2", "c")], raw_query="p=1&p=2")
    event = of_1_0(invocation)
    assert (event["version"], event["httpMethod"], event["path"]) == ("1.0", "GET", "/pets/42")
    assert event["resource"] == event["requestContext"]["resourcePath"] == "/pets/{id}"
    assert event["headers"]["Header1"] == "a"
    assert event["headers"]["Header2"] == "c"
    assert event["multiValueHeaders"]["Header2"] == ["b", "c"]
    assert event["queryStringParameters"] == {"p": "2"}
    assert event["multiValueQueryStringParameters"] == {"p": ["1", "2"]}
    assert event["body"] is event["stageVariables"] is event["pathParameters"] is None
    assert event["isBase64Encoded"] is False
    context = event["requestContext"]
    assert context["path"] == "/dev/pets/42"
    assert context["resourceId"] is None
    assert context["authorizer"] == {"claims": None, "scopes": None}
    assert context["identity"]["sourceIp"] == "203.0.113.9"
    assert context["identity"]["caller"] is None


def test_the_default_route_is_a_resource_of_its_own_in_format_1_0():
    event = of_1_0(request(route_key="$default", resource_path="$default"))
    assert event["resource"] == event["requestContext"]["resourcePath"] == "/$default"


def test_events_show_the_request_as_its_mapping_left_it():
    shown = Shown([("X-A", "1")], [("q", "2")], "q=2", "/elsewhere")
    event = of_2_0(request(headers=[("x-b", "1")], raw_query="r=1"), shown)
    assert (event["headers"], event["queryStringParameters"]) == ({"x-a": "1"}, {"q": "2"})
    assert (event["rawPath"], event["requestContext"]["http"]["path"]) == ("/elsewhere", "/elsewhere")
    assert of_1_0(request(), shown)["path"] == "/elsewhere"


def test_each_event_is_made_anew():
    invocation = request(stage_variables={"a": "1"}, headers=[("a", "1")])
    first = of_2_0(invocation)
    first["headers"].clear()
    first["stageVariables"].clear()
    assert of_2_0(invocation)["headers"]["a"] == "1"
    assert of_2_0(invocation)["stageVariables"] == {"a": "1"}
