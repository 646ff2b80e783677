from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mapping.mapping_samples import invocation
from tests.mapping.request_samples import REQUEST_ID, request
from wsgw.caller import Principal
from wsgw.definitions.api import Protocol
from wsgw.errors import Forbidden
from wsgw.invocation import Reply
from wsgw.mapping.log_format import DEFAULT_LOG_FORMAT, DEFAULT_LOG_FORMATS, LogFormatError, compile_log_format

CLF = (
    '$context.identity.sourceIp $context.identity.caller [$context.requestTime] "$context.eventType $context.routeKey '
    '$context.connectionId" "$context.identity.userAgent" $context.status $context.requestId'
)
XML = '<r id="$context.requestId"><agent>$context.identity.userAgent</agent><m>$context.messageId</m></r>'
BARE = (
    '{"id":$context.requestId,"status":$context.status,"agent":$context.identity.userAgent,'
    '"message":$context.messageId}'
)


def test_the_default_format_is_a_json_line() -> None:
    line = compile_log_format(DEFAULT_LOG_FORMAT)(invocation(integration_status=200, integration_latency=12))
    assert json.loads(line) == {
        "requestId": "EOn3lGUtIAMEktQ=",
        "ip": "203.0.113.9",
        "requestTime": "25/Sep/2026:00:01:13 +0000",
        "routeKey": "send",
        "eventType": "MESSAGE",
        "status": "200",
        "connectionId": "gbAAAAAAAAAAAAAAAA==",
        "messageId": "gbAAAfAAAAAAAAAAAA==",
        "apiId": "a1b2c3d4e5",
        "stage": "dev",
        "error": "-",
        "integrationLatency": "12",
    }


def test_a_text_format_is_written_as_it_stands() -> None:
    assert compile_log_format(CLF)(invocation()) == (
        '203.0.113.9 - [25/Sep/2026:00:01:13 +0000] "MESSAGE send gbAAAAAAAAAAAAAAAA==" "agent/1.0" 200 '
        "EOn3lGUtIAMEktQ="
    )


def test_a_management_call_is_named_by_its_event_type() -> None:
    called = invocation(route_key="POST /@connections/{connectionId}", status=410)
    called.event_type = "CONNECTION_API"
    line = json.loads(compile_log_format(DEFAULT_LOG_FORMAT)(called))
    assert line["eventType"] == "CONNECTION_API"
    assert (line["routeKey"], line["status"]) == ("POST /@connections/{connectionId}", "410")


@pytest.mark.parametrize(
    "name", ["nothere", "authorizer.role", "messageId", "identity.userAgent", "__class__", "a.b.c"]
)
def test_what_is_unknown_or_empty_is_a_dash(name: str) -> None:
    write = compile_log_format(f'{{"id":"$context.requestId","x":"$context.{name}"}} 100%')
    assert write(invocation(event_type="CONNECT", user_agent="")) == '{"id":"EOn3lGUtIAMEktQ=","x":"-"} 100%'


def test_in_json_a_value_outside_of_quotes_is_a_value_of_its_own() -> None:
    line = compile_log_format(BARE)(invocation(event_type="CONNECT", user_agent='say "x"'))
    assert json.loads(line) == {"id": "EOn3lGUtIAMEktQ=", "status": 200, "agent": 'say "x"', "message": None}


def test_a_quoted_message_needs_no_quotes() -> None:
    write = compile_log_format('{"id":"$context.requestId","error":$context.error.messageString}')
    assert json.loads(write(invocation(error=Forbidden('a "b"'))))["error"] == 'a "b"'
    assert json.loads(write(invocation()))["error"] is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("$context.status", "requestId"),
        ("", "requestId"),
        ("$context.requestIdx", "requestId"),
        ("$context.requestId\n$context.status", "one line"),
        ("$context.requestId" + "x" * 4_000, "at most 3072"),
    ],
)
def test_a_bad_format_is_refused(text: str, says: str) -> None:
    with pytest.raises(LogFormatError, match=says):
        compile_log_format(text)


def test_the_extended_request_id_is_id_enough() -> None:
    assert compile_log_format("$context.extendedRequestId")(invocation()) == "EOn3lGUtIAMEktQ="


HOSTILE = st.text(st.sampled_from('"\\\n\r\t\x00\x7f\x85\u2028\u2029\ud800<>&é% {}ab') | st.characters(), max_size=12)


@given(HOSTILE)
def test_no_value_breaks_out_of_a_json_line(value: str) -> None:
    entered = invocation(user_agent=value, principal=Principal("p", {"role": value}))
    for text in (
        '{"id":"$context.requestId","a":"$context.identity.userAgent","b":"$context.authorizer.role"}',
        '{"id":$context.requestId,"a":$context.identity.userAgent,"b":"$context.authorizer.role"}',
    ):
        line = compile_log_format(text)(entered)
        assert len(line.splitlines()) == 1
        assert json.loads(line)["b"] == (value or "-")


@given(HOSTILE)
def test_no_value_breaks_out_of_a_text_line(value: str) -> None:
    line = compile_log_format(CLF)(invocation(user_agent=value))
    assert len(line.splitlines()) == 1
    assert line.replace("\\\\", "").replace('\\"', "").count('"') == 4


@given(HOSTILE)
def test_no_value_breaks_out_of_an_xml_line(value: str) -> None:
    line = compile_log_format(XML)(invocation(user_agent=value))
    assert len(line.splitlines()) == 1
    assert [element.tag for element in ElementTree.fromstring(line)] == ["agent", "m"]


def test_no_variable_shows_what_came_in_the_query_a_header_or_the_body() -> None:
    """S-11."""
    secret = "canary-1f3a"
    names = [
        "query",
        "headers",
        "body",
        "request",
        "querystring",
        "identity.apiKey",
        "identity.query",
        "reply",
        "document",
    ]
    text = "$context.requestId " + " ".join(f"$context.{name}" for name in names)
    entered = invocation(
        secret.encode(),
        event_type="CONNECT",
        query=[("token", secret)],
        headers=[("Authorization", secret)],
        principal=Principal("p", {}, {"apiKey": secret}),
    )
    for form in (text, DEFAULT_LOG_FORMAT, '{"key":"$context.identity.apiKey","id":"$context.requestId"}'):
        assert secret not in compile_log_format(form)(entered)


# ---- REST and HTTP APIs

SERVED = {
    "requestId": REQUEST_ID,
    "ip": "203.0.113.9",
    "requestTime": "25/Sep/2026:00:01:13 +0000",
    "httpMethod": "GET",
    "status": "201",
    "protocol": "HTTP/1.1",
    "responseLength": "4",
}
DEFAULTS: list[tuple[Protocol, dict[str, str]]] = [
    (
        "REST",
        {**SERVED, "extendedRequestId": "EOn3lGUtIAMEktQ=", "caller": "-", "user": "-", "resourcePath": "/pets/{id}"},
    ),
    ("HTTP", {**SERVED, "routeKey": "GET /pets/{id}"}),
]


@pytest.mark.parametrize(("protocol", "members"), DEFAULTS)
def test_the_default_format_of_requests_is_the_services_own_json(protocol: Protocol, members: dict[str, str]) -> None:
    line = compile_log_format(DEFAULT_LOG_FORMATS[protocol], protocol)(request(status=201, reply=Reply(201, b"four")))
    assert json.loads(line) == members


REST_CLF = (
    "$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] "
    '"$context.httpMethod $context.resourcePath $context.protocol" $context.status $context.responseLength '
    "$context.requestId $context.extendedRequestId"
)
HTTP_CLF = (
    '$context.identity.sourceIp - - [$context.requestTime] "$context.httpMethod $context.routeKey $context.protocol" '
    "$context.status $context.responseLength $context.requestId"
)
REST_XML = (
    '<request id="$context.requestId"><extendedRequestId>$context.extendedRequestId</extendedRequestId>'
    "<httpMethod>$context.httpMethod</httpMethod><caller>$context.identity.caller</caller></request>"
)
REST_CSV = "$context.identity.sourceIp,$context.httpMethod,$context.protocol,$context.status,$context.requestId"
FORMATS: list[tuple[Protocol, str, str]] = [
    (
        "REST",
        REST_CLF,
        f'203.0.113.9 - - [25/Sep/2026:00:01:13 +0000] "GET /pets/{{id}} HTTP/1.1" 200 0 {REQUEST_ID} EOn3lGUtIAMEktQ=',
    ),
    (
        "HTTP",
        HTTP_CLF,
        f'203.0.113.9 - - [25/Sep/2026:00:01:13 +0000] "GET GET /pets/{{id}} HTTP/1.1" 200 0 {REQUEST_ID}',
    ),
    (
        "REST",
        REST_XML,
        f'<request id="{REQUEST_ID}"><extendedRequestId>EOn3lGUtIAMEktQ=</extendedRequestId>'
        "<httpMethod>GET</httpMethod><caller>-</caller></request>",
    ),
    ("REST", REST_CSV, f"203.0.113.9,GET,HTTP/1.1,200,{REQUEST_ID}"),
]


@pytest.mark.parametrize(("protocol", "text", "line"), FORMATS, ids=["CLF", "CLF of HTTP APIs", "XML", "CSV"])
def test_the_formats_that_the_guide_gives(protocol: Protocol, text: str, line: str) -> None:
    assert compile_log_format(text, protocol)(request()) == line


@given(st.text(max_size=30))
def test_a_method_or_path_that_a_client_made_up_stays_in_its_place(value: str) -> None:
    """S-05: a log line is one line, and its JSON stays whole."""
    made_up = request(resource_path=value, method=value)
    line = compile_log_format(DEFAULT_LOG_FORMATS["REST"], "REST")(made_up)
    assert len(line.splitlines()) == 1
    assert json.loads(line)["httpMethod"] == (value or "-")
