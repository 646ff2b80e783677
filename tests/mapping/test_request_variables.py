"""`$context` of requests. Sources: developer guide, "$context variables …", "Customizing HTTP API access logs"; which
members templates see is recorded on the service (2026)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mapping.mapping_samples import TIME
from tests.mapping.request_samples import REQUEST_ID, request
from wsgw.caller import Principal
from wsgw.definitions.api import Protocol
from wsgw.errors import BadRequestBody, IntegrationTimeout
from wsgw.invocation import HttpInvocation, Reply
from wsgw.mapping.request_variables import request_context
from wsgw.mapping.template import Params, Scope, compile_template
from wsgw.mapping.variables import UnknownVariable, context_of, context_reader

PRINCIPAL = Principal(
    "user-1", {"role": "admin", "level": "7"}, {"userArn": "arn:aws:iam::1:user/u", "accessKey": "AK"}
)

RECORDED_MEMBERS = {
    "resourceId", "resourcePath", "httpMethod", "extendedRequestId", "requestTime", "path", "accountId", "protocol",
    "requestOverride", "stage", "domainPrefix", "requestTimeEpoch", "requestId", "identity", "domainName",
    "deploymentId", "responseOverride", "apiId",
}  # fmt: skip
RECORDED_IDENTITY = {
    "cognitoIdentityPoolId", "accountId", "cognitoIdentityId", "caller", "sourceIp", "principalOrgId", "accessKey",
    "cognitoAuthenticationType", "cognitoAuthenticationProvider", "userArn", "userAgent", "user",
}  # fmt: skip

BOTH: list[tuple[str, Any]] = [
    ("accountId", "123456789012"),
    ("apiId", "a1b2c3d4e5"),
    ("stage", "dev"),
    ("domainName", "api.example.com"),
    ("domainPrefix", "api"),
    ("httpMethod", "GET"),
    ("path", "/dev/pets/42"),
    ("protocol", "HTTP/1.1"),
    ("requestId", REQUEST_ID),
    ("extendedRequestId", "EOn3lGUtIAMEktQ="),
    ("requestTime", "25/Sep/2026:00:01:13 +0000"),
    ("requestTimeEpoch", TIME),
    ("status", 200),
    ("responseLength", 4),
    ("responseLatency", 12),
    ("routeKey", "GET /pets/{id}"),
    ("identity.sourceIp", "203.0.113.9"),
    ("identity.userAgent", "agent/1.0"),
    ("identity.userArn", "arn:aws:iam::1:user/u"),
    ("identity.clientCert.subjectDN", None),
    ("authorizer.principalId", "user-1"),
    ("authorizer.role", "admin"),
    ("authorizer.claims.sub", None),
    ("customDomain.basePathMatched", "shop"),
    ("integration.status", 201),
    ("integrationStatus", 201),
    ("integration.latency", 5),
    ("integrationLatency", 5),
    ("integrationErrorMessage", None),
    ("awsEndpointRequestId", None),
]
ONLY_REST: list[tuple[str, Any]] = [
    ("deploymentId", "dep123"),
    ("resourceId", "r3s0rc"),
    ("resourcePath", "/pets/{id}"),
    ("operationName", "GetPet"),
    ("identity.accessKey", "AK"),
    ("xrayTraceId", "1-5759e988-bd862e3fe1be46a994272793"),
    ("wafResponseCode", None),
    ("isCanaryRequest", None),
    ("error.validationErrorString", None),
]
ONLY_HTTP: list[tuple[str, Any]] = [("dataProcessed", 10), ("awsEndpointRequestId2", None)]
CASES: list[tuple[Protocol, str, Any]] = [
    *[("REST", *case) for case in BOTH + ONLY_REST],
    *[("HTTP", *case) for case in BOTH + ONLY_HTTP],
]  # type: ignore[list-item]


def served(**fields: Any) -> HttpInvocation:
    usual: dict[str, Any] = {
        "body": b"6 byte",
        "principal": PRINCIPAL,
        "operation_name": "GetPet",
        "base_path": "shop",
        "reply": Reply(200, b"four"),
        "response_latency": 12,
        "integration_status": 201,
        "integration_latency": 5,
    }
    return request(**{**usual, **fields})


@pytest.mark.parametrize(("protocol", "name", "value"), CASES, ids=[f"{case[0]} {case[1]}" for case in CASES])
def test_a_variable_of_a_request(protocol: Protocol, name: str, value: Any) -> None:
    assert context_reader(name, protocol)(served()) == value


UNKNOWN: list[tuple[Protocol, str, str]] = [
    ("HTTP", "resourcePath", "see the list of HTTP API variables"),
    ("REST", "connectionId", "$context has no variable 'connectionId'"),
    ("REST", "httpmethod", "did you mean $context.httpMethod?"),
    ("WEBSOCKET", "httpMethod", "$context has no variable 'httpMethod'"),
]


@pytest.mark.parametrize(("protocol", "name", "text"), UNKNOWN)
def test_a_variable_of_another_protocol_is_refused(protocol: Protocol, name: str, text: str) -> None:
    with pytest.raises(UnknownVariable) as raised:
        context_reader(name, protocol)
    assert text in str(raised.value)


def test_an_error_of_a_request() -> None:
    late = request(error=IntegrationTimeout())
    names = ("error.message", "error.messageString", "error.responseType", "integration.error")
    assert [context_reader(name, "REST")(late) for name in names] == [
        "Endpoint request timed out",
        '"Endpoint request timed out"',
        "INTEGRATION_TIMEOUT",
        "Endpoint request timed out",
    ]
    invalid = request(error=BadRequestBody("Invalid request body", detail="[[a] is missing]"))
    assert context_reader("error.validationErrorString", "REST")(invalid) == "[[a] is missing]"


def test_a_template_sees_the_recorded_members_and_no_others() -> None:
    context = request_context(request())
    assert set(context) == RECORDED_MEMBERS
    assert set(context["identity"]) == RECORDED_IDENTITY
    assert context["identity"]["sourceIp"] == "203.0.113.9"
    assert context["identity"]["user"] is None


def test_members_that_have_something_to_say_are_there_then() -> None:
    context = request_context(served(error=IntegrationTimeout()))
    assert context["authorizer"] == {"role": "admin", "level": "7", "principalId": "user-1"}
    assert context["identity"]["userArn"] == "arn:aws:iam::1:user/u"
    assert context["operationName"] == "GetPet"
    assert context["error"]["responseType"] == "INTEGRATION_TIMEOUT"


def test_a_request_has_one_context_from_its_first_template_to_its_last() -> None:
    one = request()
    compile_template("#set($context.requestOverride.header.x = 'y')#set($context.responseOverride.custom = 1)").render(
        Scope("", Params({}, {}, {}), context_of(one), {})
    )
    again = request_context(one)
    assert again["requestOverride"] == {"header": {"x": "y"}, "path": {}, "querystring": {}}
    assert again["responseOverride"] == {"header": {}, "custom": 1}
    assert request_context(request())["requestOverride"] == {"header": {}, "path": {}, "querystring": {}}


PRINTED = [
    ("[$context.identity.user]", "[]"),
    ("[$context.authorizer.keySet()]", "[]"),
    ("[$context.authorizer.claims.sub]", "[]"),
    ("$context.httpMethod $context['path']", "GET /dev/pets/42"),
    ("$context.requestTimeEpoch", str(TIME)),
]


@pytest.mark.parametrize(("template", "text"), PRINTED)
def test_members_without_a_value_print_empty(template: str, text: str) -> None:
    scope = Scope("", Params({}, {}, {}), request_context(request()), {})
    assert compile_template(template).render(scope) == text


LENGTHS = [(None, "GET", 0), (Reply(200, b"abc"), "GET", 3), (Reply(200, b"abc"), "HEAD", 0)]


@pytest.mark.parametrize(("reply", "method", "length"), LENGTHS)
def test_the_length_of_an_answer_is_that_of_its_body(reply: Reply | None, method: str, length: int) -> None:
    assert context_reader("responseLength", "REST")(request(method, reply=reply)) == length
