"""How refusals of HTTP APIs look: each row of the table of errors."""

from __future__ import annotations

import pytest

from tests.mapping.request_samples import request
from wsgw import errors
from wsgw.pipeline.refuse_http import http_reply

TABLE = [
    (errors.BadRequest(), 400, "Bad Request"),
    (errors.Unauthorized(), 401, "Unauthorized"),
    (errors.AccessDenied(), 403, "Forbidden"),
    (errors.Forbidden(), 403, "Forbidden"),
    (errors.NotFound(), 404, "Not Found"),
    (errors.RequestTooLarge(), 413, "Request Entity Too Large"),
    (errors.Throttled(), 429, "Too Many Requests"),
    (errors.GatewayError(), 500, "Internal Server Error"),
    (errors.ApiConfigurationError(), 500, "Internal Server Error"),
    (errors.FunctionError(), 500, "Internal Server Error"),
    (errors.IntegrationFailure(), 503, "Service Unavailable"),
    (errors.IntegrationFailure(detail="dns_failure"), 500, "Internal Server Error"),
    (errors.IntegrationTimeout(), 503, "Service Unavailable"),
    (errors.ServiceUnavailable(), 503, "Service Unavailable"),
]


@pytest.mark.parametrize(("error", "status", "message"), TABLE, ids=[type(row[0]).__name__ for row in TABLE])
def test_each_error_has_its_status_and_a_compact_body(error: errors.GatewayError, status: int, message: str):
    reply = http_reply(error, request())
    assert (reply.status, reply.body) == (status, f'{{"message":"{message}"}}'.encode())
    assert ("content-type", "application/json") in reply.headers


@pytest.mark.parametrize(
    ("error", "length"), [(errors.NotFound(), 23), (errors.AccessDenied(), 23), (errors.Unauthorized(), 26)]
)
def test_bodies_are_as_long_as_recorded(error: errors.GatewayError, length: int):
    assert len(http_reply(error, request()).body) == length


def test_nothing_of_an_errors_detail_reaches_the_client():
    reply = http_reply(errors.ApiConfigurationError("worded", detail="secret"), request())
    assert b"secret" not in reply.body
    assert b"worded" not in reply.body
