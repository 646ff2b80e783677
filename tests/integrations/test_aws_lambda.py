"""Lambda custom integrations (type AWS with a Lambda uri) and the answers of proxy integrations of REST APIs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.harness.aws_services import aws_environment
from tests.harness.lambda_endpoint import Answer, LambdaEndpoint, answers, raises, refuses, returns
from wsgw.errors import FunctionError, GatewayError
from wsgw.integrations.aws_request import function_of
from wsgw.integrations.aws_service import AwsIntegration
from wsgw.integrations.aws_services import AwsServices
from wsgw.integrations.http_pool import HttpPool
from wsgw.integrations.lambda_ import LambdaClients, LambdaIntegration
from wsgw.integrations.local import PythonIntegration
from wsgw.integrations.rest_events import rest_proxy_answer
from wsgw.invocation import FunctionReply, IntegrationRequest

ARN = "arn:aws:lambda:us-east-1:123456789012:function:greet:live"
URI = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{ARN}/invocations"


@pytest.fixture
async def endpoint(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LambdaEndpoint]:
    async with LambdaEndpoint() as endpoint:
        aws_environment(monkeypatch)
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", endpoint.url)
        yield endpoint


@pytest.fixture
async def integration() -> AsyncIterator[AwsIntegration]:
    pool = HttpPool()
    yield AwsIntegration(AwsServices(pool))
    await pool.close()


async def invoke(integration: AwsIntegration, body: bytes = b"{}", *headers: tuple[str, str]) -> FunctionReply:
    reply = await integration.invoke(IntegrationRequest("POST", URI, headers, body, 10))
    assert isinstance(reply, FunctionReply)
    return reply


async def test_a_function_gets_the_body_and_its_result_is_the_body(endpoint, integration):
    """Payload is the rendered template; the response body is the function's JSON result text."""
    endpoint.functions[ARN] = returns("Pass")
    reply = await invoke(integration, b'{"statusCode": "200"}')
    assert (reply.status, reply.body, reply.error_message) == (200, b'"Pass"', None)
    [call] = endpoint.calls
    assert (call.event, call.region) == ({"statusCode": "200"}, "us-east-1")


async def test_a_functions_error_has_its_message_to_choose_by(endpoint, integration):
    """Body {"errorMessage", "errorType", "stackTrace"}; patterns are matched against errorMessage."""
    endpoint.functions[ARN] = raises("Exception", "four hundred")
    reply = await invoke(integration)
    assert reply.error_message == "four hundred"
    assert json.loads(reply.body) == {"errorMessage": "four hundred", "errorType": "Exception", "stackTrace": []}


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b'{"errorType": "x"}', b'{"errorMessage": 5}'])
async def test_an_error_without_a_message_has_an_empty_one(endpoint, integration, body):
    async def function(_event: Any) -> Answer:
        return Answer(200, body, {"X-Amz-Function-Error": "Unhandled"})

    endpoint.functions[ARN] = function
    assert (await invoke(integration)).error_message == ""


async def test_an_asynchronous_call_is_answered_202_without_a_body(endpoint, integration):
    """Integration.request.header.X-Amz-Invocation-Type 'Event'."""
    endpoint.functions[ARN] = answers(202, b"")
    reply = await invoke(integration, b"{}", ("X-Amz-Invocation-Type", "Event"))
    assert (reply.status, reply.body, reply.error_message) == (202, b"", None)


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AccessDeniedException"), (404, "ResourceNotFoundException"), (429, "TooManyRequestsException")],
)
async def test_a_function_that_lambda_does_not_run_is_a_500(endpoint, integration, status, code):
    """Lambda invocation refused (no permission): 500. Throttled: 500, too."""
    endpoint.functions[ARN] = refuses(status, code)
    with pytest.raises(GatewayError) as raised:
        await invoke(integration)
    assert (raised.value.status, raised.value.message) == (500, "Internal server error")
    assert code in raised.value.detail


@pytest.mark.parametrize(
    ("uri", "function"),
    [
        (URI, ARN),
        (URI + "?Qualifier=1", ARN),
        ("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/greet/invocations", "greet"),
        ("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions", None),
        ("arn:aws:apigateway:us-east-1:sqs:path/2015-03-31/functions/greet/invocations", None),
        ("https://example.com/", None),
    ],
)
def test_which_uris_call_a_function(uri, function):
    assert function_of(uri) == function


# ---- proxy integrations: the result through an answer of a REST API's


def png(media: str | None) -> bool:
    return media is not None and media.partition(",")[0] == "image/png"


EVENT = {"requestContext": {"requestId": "1"}}
PROXIED = IntegrationRequest("POST", "greet", (), b"", 10, EVENT, target="image/png")


async def test_a_proxy_integration_reads_the_result_with_the_answer_it_is_given(endpoint):
    endpoint.functions["greet"] = returns({"body": "aGVsbG8=", "isBase64Encoded": True})
    clients = LambdaClients(max_connections=1)
    reply = await LambdaIntegration(clients, rest_proxy_answer(png)).invoke(PROXIED)
    await clients.close()
    assert (reply.status, reply.body) == (200, b"hello")


async def test_a_python_handlers_result_is_read_so_too():
    async def handler(event: Any, _context: Any) -> Any:
        return {"statusCode": "201", "body": "aGVsbG8=", "isBase64Encoded": True}

    python = PythonIntegration(handler, None, "greet", rest_proxy_answer(png))  # type: ignore[arg-type]
    reply = await python.invoke(PROXIED)
    assert (reply.status, reply.body) == (201, b"hello")
    with pytest.raises(FunctionError):
        await PythonIntegration(lambda event, context: "text", None, "x", rest_proxy_answer(png)).invoke(  # type: ignore[arg-type]
            PROXIED
        )
