"""Asking an authorizer: what becomes of errors of a call."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from wsgw.authorizers.lambda_verifier import Answered
from wsgw.errors import (
    ApiConfigurationError,
    AuthorizerConfigurationError,
    AuthorizerFailure,
    FunctionError,
    GatewayError,
    IntegrationFailure,
    IntegrationTimeout,
    Unauthorized,
)
from wsgw.pipeline.authorizer_calls import call_endpoint, call_function


def told(message: str) -> FunctionError:
    error = FunctionError(detail="function error: Error")
    error.function_message = message
    return error


MEANINGS = [
    pytest.param(told("Unauthorized"), Unauthorized, id="the function says Unauthorized"),
    pytest.param(told("unauthorized"), AuthorizerFailure, id="the function says something else"),
    pytest.param(told(""), AuthorizerFailure, id="the function says nothing"),
    pytest.param(IntegrationTimeout(), AuthorizerFailure, id="timeout"),
    pytest.param(IntegrationFailure(detail="dns_failure"), AuthorizerFailure, id="not reachable"),
    pytest.param(GatewayError(detail="AccessDeniedException"), AuthorizerConfigurationError, id="no permission"),
    pytest.param(ApiConfigurationError(detail="url"), AuthorizerConfigurationError, id="an address that is none"),
]


@pytest.mark.parametrize(("raised", "meaning"), MEANINGS)
async def test_what_an_error_of_a_call_means(raised: GatewayError, meaning: type[GatewayError]):
    class Clients:
        async def invoke(self, function: str, payload: bytes, timeout: float, heard: Any) -> bytes:
            raise raised

    clients: Any = Clients()
    with pytest.raises(GatewayError) as got:
        await call_function(clients, "auth", 1)({}, "id", Answered())
    assert type(got.value) is meaning
    assert "Unauthorized" not in got.value.detail


async def test_operators_read_which_endpoint_did_not_answer():
    class Pool:
        async def send_to(self, *_: Any) -> Any:
            raise IntegrationFailure(detail="connection_refused")

    pool: Any = Pool()
    target: Any = SimpleNamespace(authority="auth.example:8443")
    with pytest.raises(AuthorizerFailure) as got:
        await call_endpoint(pool, target, 1)({}, "id", Answered())
    assert got.value.detail == "auth.example:8443: connection_refused"
