"""Gateway responses. Sources: developer guide, "Gateway response types"; statuses, templates and what a type inherits
are recorded on the service (2026)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.mapping.request_samples import REQUEST_ID, request
from wsgw import errors
from wsgw.definitions.api import GatewayResponse
from wsgw.errors import (
    AuthorizerFailure,
    BadRequest,
    GatewayError,
    IntegrationTimeout,
    MissingAuthenticationToken,
    ServiceUnavailable,
    Throttled,
)
from wsgw.invocation import Reply
from wsgw.mapping.parameters import ParameterError
from wsgw.pipeline.refuse_rest import rest_refuser

INTERNAL, REFUSED = "InternalServerErrorException", "ForbiddenException"
TYPES: list[tuple[GatewayError, int, str | None, str, str]] = [
    (errors.AccessDenied(), 403, "Forbidden", "AccessDeniedException", "ACCESS_DENIED"),
    (errors.ApiConfigurationError(), 500, "Internal server error", INTERNAL, "API_CONFIGURATION_ERROR"),
    (
        errors.AuthorizerConfigurationError(), 500, None,
        "AuthorizerConfigurationException", "AUTHORIZER_CONFIGURATION_ERROR",
    ),
    (errors.AuthorizerFailure(), 500, None, "AuthorizerConfigurationException", "AUTHORIZER_FAILURE"),
    (errors.BadRequestBody("x"), 400, "x", "BadRequestException", "BAD_REQUEST_BODY"),
    (errors.BadRequestParameters("x"), 400, "x", "BadRequestException", "BAD_REQUEST_PARAMETERS"),
    (
        errors.ExpiredToken(), 403, "The security token included in the request is expired",
        "ExpiredTokenException", "EXPIRED_TOKEN",
    ),
    (errors.IntegrationFailure(), 504, "Network error communicating with endpoint", INTERNAL, "INTEGRATION_FAILURE"),
    (errors.IntegrationTimeout(), 504, "Endpoint request timed out", INTERNAL, "INTEGRATION_TIMEOUT"),
    (errors.InvalidApiKey(), 403, "Forbidden", REFUSED, "INVALID_API_KEY"),
    (errors.InvalidSignature("x"), 403, "x", "InvalidSignatureException", "INVALID_SIGNATURE"),
    (errors.IncompleteSignature("x"), 403, "x", "IncompleteSignatureException", "INVALID_SIGNATURE"),
    (errors.UnrecognizedClient("x"), 403, "x", "UnrecognizedClientException", "INVALID_SIGNATURE"),
    (
        errors.MissingAuthenticationToken(), 403, "Missing Authentication Token",
        "MissingAuthenticationTokenException", "MISSING_AUTHENTICATION_TOKEN",
    ),
    (errors.QuotaExceeded(), 429, "Limit Exceeded", "LimitExceededException", "QUOTA_EXCEEDED"),
    (errors.RequestTooLarge(), 413, "Request Too Long", "RequestTooLargeException", "REQUEST_TOO_LARGE"),
    (errors.ResourceNotFound(), 404, "Resource not found", "NotFoundException", "RESOURCE_NOT_FOUND"),
    (errors.Throttled(), 429, "Too Many Requests", "TooManyRequestsException", "THROTTLED"),
    (errors.Unauthorized(), 401, "Unauthorized", "UnauthorizedException", "UNAUTHORIZED"),
    (errors.UnsupportedMediaType(), 415, "Unsupported Media Type", "BadRequestException", "UNSUPPORTED_MEDIA_TYPE"),
    (errors.WafFiltered(), 403, "Forbidden", REFUSED, "WAF_FILTERED"),
]  # fmt: skip


def refused(error: GatewayError, *responses: GatewayResponse, **fields: Any) -> Reply:
    return rest_refuser({response.response_type: response for response in responses})(error, request(**fields))


@pytest.mark.parametrize(("error", "status", "message", "error_type", "kind"), TYPES, ids=[case[4] for case in TYPES])
def test_each_type_has_its_status_body_and_error_type(
    error: GatewayError, status: int, message: str | None, error_type: str, kind: str
) -> None:
    reply = refused(error)
    key = "Message" if kind == "ACCESS_DENIED" else "message"
    assert error.response_type == kind
    assert reply.status == status
    assert json.loads(reply.body) == {key: message}
    assert reply.headers == [("Content-Type", "application/json"), ("x-amzn-ErrorType", error_type)]


def test_the_body_is_compact() -> None:
    assert refused(Throttled()).body == b'{"message":"Too Many Requests"}'


def test_a_node_that_drains_says_when_to_come_back() -> None:
    assert refused(ServiceUnavailable()).header("retry-after") == "1"


CUSTOM = GatewayResponse(
    response_type="MISSING_AUTHENTICATION_TOKEN",
    status_code="404",
    response_parameters={
        "gatewayresponse.header.Access-Control-Allow-Origin": "'a.b.c'",
        "gatewayresponse.header.x-query": "method.request.querystring.q",
        "gatewayresponse.header.x-header": "method.request.header.X-In",
        "gatewayresponse.header.x-path": "method.request.path.id",
        "gatewayresponse.header.x-id": "context.requestId",
        "gatewayresponse.header.x-version": "stageVariables.version",
        "gatewayresponse.header.x-none": "method.request.header.none",
    },
    response_templates={"application/json": '{"type":"$context.error.responseType","m":$context.error.messageString}'},
)


def test_a_type_that_is_set_is_as_it_is_set() -> None:
    reply = refused(
        MissingAuthenticationToken(),
        CUSTOM,
        raw_query="q=1",
        headers=(("x-in", "in"),),
        path_parameters={"id": "42"},
        stage_variables={"version": "v1"},
    )
    assert reply.status == 404
    assert json.loads(reply.body) == {"type": "MISSING_AUTHENTICATION_TOKEN", "m": "Missing Authentication Token"}
    assert reply.headers == [
        ("Access-Control-Allow-Origin", "a.b.c"),
        ("x-query", "1"),
        ("x-header", "in"),
        ("x-path", "42"),
        ("x-id", REQUEST_ID),
        ("x-version", "v1"),
        ("Content-Type", "application/json"),
        ("x-amzn-ErrorType", "MissingAuthenticationTokenException"),
    ]


DEFAULT_5XX = GatewayResponse(
    response_type="DEFAULT_5XX",
    status_code="599",
    response_parameters={"gatewayresponse.header.x-default": "'5'"},
    response_templates={"application/json": "broken"},
)
DEFAULT_4XX = GatewayResponse(response_type="DEFAULT_4XX", status_code="444")


def test_a_type_that_is_not_set_takes_all_of_the_default_of_its_class() -> None:
    reply = refused(IntegrationTimeout(), DEFAULT_5XX, DEFAULT_4XX)
    assert (reply.status, reply.body, reply.header("x-default")) == (599, b"broken", "5")
    assert reply.header("x-amzn-ErrorType") == "InternalServerErrorException"
    assert refused(Throttled(), DEFAULT_5XX, DEFAULT_4XX).status == 444
    assert refused(BadRequest(), DEFAULT_5XX, DEFAULT_4XX).status == 444


def test_the_4xx_types_know_nothing_of_the_default_of_5xx() -> None:
    assert refused(Throttled(), DEFAULT_5XX).status == 429


def test_a_type_that_is_set_in_part_takes_nothing_from_the_default() -> None:
    partly = GatewayResponse(
        response_type="AUTHORIZER_FAILURE", response_parameters={"gatewayresponse.header.foo": "'bar'"}
    )
    reply = refused(AuthorizerFailure(), DEFAULT_5XX, partly)
    assert (reply.status, reply.body) == (500, b'{"message":null}')
    assert (reply.header("foo"), reply.header("x-default")) == ("bar", None)


TWO = GatewayResponse(
    response_type="THROTTLED",
    response_templates={"text/html": "<p>", "application/json": "{}", "application/xml": "<x/>"},
)
ACCEPTED = [
    (None, "application/json"),
    ("*/*", "application/json"),
    ("text/html", "text/html"),
    ("Text/HTML;q=0.9, */*", "text/html"),
    ("image/png, application/xml;q=0.5", "application/xml"),
    ("image/png", "application/json"),
]


@pytest.mark.parametrize(("accept", "kind"), ACCEPTED)
def test_the_template_is_the_one_that_accept_asks_for(accept: str | None, kind: str) -> None:
    headers = () if accept is None else (("Accept", accept),)
    reply = refused(Throttled(), TWO, headers=headers)
    assert reply.header("content-type") == kind
    assert reply.body.decode() == TWO.response_templates[kind]


def test_a_content_type_of_its_own_goes_before_the_templates() -> None:
    typed = GatewayResponse(
        response_type="THROTTLED", response_parameters={"gatewayresponse.header.Content-Type": "'text/plain'"}
    )
    headers = refused(Throttled(), typed).headers
    assert [value for name, value in headers if name.lower() == "content-type"] == ["text/plain"]


@pytest.mark.parametrize("query", ["q=a%0d%0aSet-Cookie:+x=1", "q=a%00", "q=%0a"])
def test_a_refusal_never_starts_another_header(query: str) -> None:
    """S-05: the header is left out, the refusal stays what it is."""
    reply = refused(MissingAuthenticationToken(), CUSTOM, raw_query=query)
    assert reply.status == 404
    assert reply.header("x-query") is None


def test_half_a_surrogate_pair_in_a_body_is_replaced() -> None:
    echo = GatewayResponse(
        response_type="THROTTLED", response_templates={"text/plain": "$method.request.querystring.q"}
    )
    one = request()
    one._query = [("q", "a\ud800")]
    assert rest_refuser({"THROTTLED": echo})(Throttled(), one).body == b"a?"


BAD = [
    ({"gatewayresponse.header.x": "method.response.header.x"}, "is no source; there are method.request.header"),
    ({"method.response.header.x": "'1'"}, "is no target; write gatewayresponse.header"),
    ({"gatewayresponse.header.a b": "'1'"}, "is no target"),
    ({"gatewayresponse.header.x": "context.requestID"}, "did you mean $context.requestId"),
]


@pytest.mark.parametrize(("parameters", "text"), BAD)
def test_a_response_that_cannot_be_made_is_refused_at_deployment(parameters: dict[str, str], text: str) -> None:
    with pytest.raises(ParameterError) as raised:
        rest_refuser({"THROTTLED": GatewayResponse(response_type="THROTTLED", response_parameters=parameters)})
    assert text in str(raised.value)


@pytest.mark.parametrize("code", ["", "20", "100", "600", "4xx", "2000"])
def test_a_status_that_is_none_is_refused_at_deployment(code: str) -> None:
    with pytest.raises(ParameterError, match="write one from 200 to 599"):
        rest_refuser({"THROTTLED": GatewayResponse(response_type="THROTTLED", status_code=code)})
