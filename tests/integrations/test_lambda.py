"""T-11 over the Lambda API: what each way of answering, failing and being away means for an invocation."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.harness.aws_services import share_models
from tests.harness.lambda_endpoint import LambdaEndpoint, Never, answers, raises, refuses, returns
from tests.harness.pace import SLOWER
from tests.harness.until import until
from wsgw.errors import FunctionError, GatewayError, IntegrationFailure, IntegrationTimeout
from wsgw.integrations.lambda_ import LambdaClients, LambdaIntegration, region_of
from wsgw.invocation import IntegrationRequest, Reply


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which botocore finds a region and credentials, and nothing of this machine's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture
async def endpoint(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LambdaEndpoint]:
    async with LambdaEndpoint() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", endpoint.url)
        yield endpoint


@pytest.fixture
async def clients(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LambdaClients]:
    share_models(monkeypatch)
    clients = LambdaClients(max_connections=4)
    yield clients
    await clients.close()


@pytest.fixture
def integration(clients: LambdaClients) -> LambdaIntegration:
    return LambdaIntegration(clients)


def request(
    function: str = "chat", event_type: str = "MESSAGE", timeout: float = 10, body: str = "{}"
) -> IntegrationRequest:
    event = {"requestContext": {"eventType": event_type, "requestId": "EOAAAAAAIAMEAAA="}, "body": body}
    return IntegrationRequest("POST", function, (), b"", timeout, event)


async def ready(clients: LambdaClients) -> None:
    """Have clients of functions without a region made ready."""
    clients.look("chat")
    await until(lambda: clients._clients)


async def test_a_function_gets_the_event_and_its_result_is_the_reply(endpoint, integration):
    endpoint.functions["chat"] = returns({"statusCode": 403, "headers": {"X-Why": "full"}, "body": "no room"})
    reply = await integration.invoke(request(event_type="CONNECT", body="Grüße"))
    assert (reply.status, reply.body, list(reply.headers)) == (403, b"no room", [("X-Why", "full")])
    assert endpoint.calls[0].function == "chat"
    assert endpoint.calls[0].event == request(event_type="CONNECT", body="Grüße").event


RESULTS = [
    ("MESSAGE", {"statusCode": 200, "body": "hello"}, b"hello"),
    ("MESSAGE", {"statusCode": 200}, b""),
    ("MESSAGE", None, b""),
    ("MESSAGE", "text", b""),
    ("DISCONNECT", None, b""),
]


@pytest.mark.parametrize(("event_type", "result", "body"), RESULTS)
async def test_the_type_of_event_decides_what_a_result_means(endpoint, integration, event_type, result, body):
    endpoint.functions["chat"] = returns(result)
    assert (await integration.invoke(request(event_type=event_type))).body == body


@pytest.mark.parametrize("result", [None, "text", {}, {"statusCode": "soon"}])
async def test_a_handshake_needs_a_status(endpoint, integration, result):
    endpoint.functions["chat"] = returns(result)
    with pytest.raises(FunctionError) as caught:
        await integration.invoke(request(event_type="CONNECT"))
    assert caught.value.status == 502


@pytest.mark.parametrize("event_type", ["CONNECT", "MESSAGE", "DISCONNECT"])
@pytest.mark.parametrize("kind", ["Handled", "Unhandled"])
async def test_a_function_that_fails_is_a_function_error_that_names_its_type(endpoint, integration, event_type, kind):
    endpoint.functions["chat"] = raises("ValueError", "card 4111 refused", kind)
    with pytest.raises(FunctionError) as caught:
        await integration.invoke(request(event_type=event_type))
    assert caught.value.message == "Internal server error"
    assert caught.value.detail == "function error: ValueError"


@pytest.mark.parametrize("body", [b"", b"crashed", b"null", b'{"errorMessage": "2026-09-25 Task timed out"}'])
async def test_a_failure_that_says_little_is_a_function_error_all_the_same(endpoint, integration, body):
    endpoint.functions["chat"] = answers(200, body, **{"X-Amz-Function-Error": "Unhandled"})
    with pytest.raises(FunctionError) as caught:
        await integration.invoke(request())
    assert caught.value.detail == "function error"


REFUSALS = [
    (429, "TooManyRequestsException"),
    (403, "AccessDeniedException"),
    (404, "ResourceNotFoundException"),
    (400, "InvalidRequestContentException"),
    (403, "ExpiredTokenException"),
    (500, "ServiceException"),
    (502, "InvalidRuntimeException"),
]


@pytest.mark.parametrize(("status", "code"), REFUSALS)
async def test_a_call_that_lambda_refuses_is_500_asked_once_and_tells_only_the_operator_why(
    endpoint, integration, status, code
):
    endpoint.functions["chat"] = refuses(status, code, "this is why")
    with pytest.raises(GatewayError) as caught:
        await integration.invoke(request())
    assert type(caught.value) is GatewayError
    assert (caught.value.status, caught.value.message) == (500, "Internal server error")
    assert caught.value.detail == f"lambda chat: {code}: this is why"
    assert len(endpoint.calls) == 1


async def test_a_refusal_by_something_that_is_not_lambda_is_500_too(endpoint, integration):
    endpoint.functions["chat"] = answers(503, b"<html>busy</html>", **{"Content-Type": "text/html"})
    with pytest.raises(GatewayError) as caught:
        await integration.invoke(request())
    assert caught.value.status == 500
    assert len(endpoint.calls) == 1


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_an_event_larger_than_lambda_takes_is_500_as_lambda_words_it(endpoint, integration):
    endpoint.functions["chat"] = returns(None)
    with pytest.raises(GatewayError, match="RequestTooLargeException"):
        await integration.invoke(request(body="x" * 6_291_456))


async def test_a_result_larger_than_lambda_gives_is_a_function_error(endpoint, integration):
    endpoint.functions["chat"] = raises("Function.ResponseSizeTooLarge")
    with pytest.raises(FunctionError, match=r"Function\.ResponseSizeTooLarge"):
        await integration.invoke(request())


async def test_a_function_that_takes_too_long_is_let_go_at_the_deadline(endpoint, integration, clients):
    await ready(clients)
    endpoint.functions["chat"] = never = Never()
    # On a busy machine the deadline may come before the function has heard of the call.
    while not never.started.is_set():
        before = asyncio.get_running_loop().time()
        with pytest.raises(IntegrationTimeout):
            await integration.invoke(request(timeout=0.2))
        # uvloop's clock counts milliseconds: as floats their difference may lie a hair below.
        assert 0.2 <= round(asyncio.get_running_loop().time() - before, 3) < 2 * SLOWER
    await asyncio.wait_for(never.abandoned.wait(), 5)


async def test_after_a_timeout_the_next_call_works(endpoint, integration, clients):
    await ready(clients)
    endpoint.functions |= {"slow": Never(), "chat": returns({"body": "fine"})}
    with pytest.raises(IntegrationTimeout):
        await integration.invoke(request("slow", timeout=0.05))
    assert (await integration.invoke(request())).body == b"fine"


async def test_a_cancelled_call_leaves_nothing_behind(endpoint, integration):
    endpoint.functions["chat"] = never = Never()
    task = asyncio.create_task(integration.invoke(request()))
    await asyncio.wait_for(never.started.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(never.abandoned.wait(), 5)


async def test_nobody_at_the_endpoint_is_an_integration_failure(monkeypatch, integration, unused_port):
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{unused_port}")
    with pytest.raises(IntegrationFailure) as caught:
        await integration.invoke(request())
    assert caught.value.status == 504
    assert "chat" in caught.value.detail


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
)
async def test_an_answer_that_breaks_off_is_an_integration_failure(monkeypatch, integration, half):
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(half)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(break_off, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{port}")
        with pytest.raises(IntegrationFailure):
            await integration.invoke(request())


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port that nobody listens on and nobody else gets: bound, but not listening."""
    import socket

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.mark.parametrize(
    ("function", "region"),
    [
        ("chat", None),
        ("chat:live", None),
        ("000000000000:function:chat", None),
        ("arn:aws:lambda:us-west-2:000000000000:function:chat", "us-west-2"),
        ("arn:aws-cn:lambda:cn-north-1:000000000000:function:chat:7", "cn-north-1"),
        ("arn:aws:lambda::000000000000:function:chat", None),
        ("arn", None),
    ],
)
def test_a_functions_arn_names_its_region(function, region):
    assert region_of(function) == region


async def test_a_function_is_called_by_the_name_given_in_the_region_of_its_arn(endpoint, integration):
    names = ["chat:live", "000000000000:function:chat", "arn:aws:lambda:us-west-2:000000000000:function:chat:7"]
    for name in names:
        endpoint.functions[name] = returns({"body": name})
        assert (await integration.invoke(request(name))).body == name.encode()
    assert [(call.function, call.region) for call in endpoint.calls] == [
        (names[0], "eu-central-1"),
        (names[1], "eu-central-1"),
        (names[2], "us-west-2"),
    ]


async def test_calls_at_once_share_one_client_and_its_connections(endpoint, integration, clients):
    endpoint.functions["chat"] = returns({"body": "x"})
    replies: list[Reply] = await asyncio.gather(*[integration.invoke(request()) for _ in range(20)])
    assert [reply.body for reply in replies] == [b"x"] * 20
    assert len({call.peer for call in endpoint.calls}) <= 4
    assert len(clients._clients) == 1


async def test_a_missing_region_is_said_with_its_remedy(monkeypatch, integration, clients):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    clients.look("chat")  # says nothing, and is no reason for anybody not to be told
    for _ in range(2):
        with pytest.raises(GatewayError, match="AWS_DEFAULT_REGION") as caught:
            await integration.invoke(request())
        assert caught.value.message == "Internal server error"


async def test_missing_credentials_are_said_with_their_remedy_and_found_once_they_are_there(
    monkeypatch, endpoint, integration
):
    endpoint.functions["chat"] = returns({"body": "x"})
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    # Two at once: they share one attempt to find them.
    failures = await asyncio.gather(*[integration.invoke(request()) for _ in range(2)], return_exceptions=True)
    assert [type(failure) for failure in failures] == [GatewayError, GatewayError]
    assert all("AWS_ACCESS_KEY_ID" in str(failure) for failure in failures)
    assert endpoint.calls == []
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    assert (await integration.invoke(request())).body == b"x"


async def test_a_caller_that_goes_while_the_client_is_made_does_not_stop_the_others(endpoint, integration):
    endpoint.functions["chat"] = returns({"body": "x"})
    with pytest.raises(IntegrationTimeout):
        await integration.invoke(request(timeout=0))
    impatient = asyncio.create_task(integration.invoke(request()))
    patient = asyncio.create_task(integration.invoke(request()))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).body == b"x"
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_closing_while_a_client_is_made_ends_cleanly(endpoint):
    clients = LambdaClients()
    task = asyncio.create_task(clients.invoke("chat", b"{}", 10))
    await asyncio.sleep(0)
    await clients.close()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert endpoint.calls == []


async def test_an_endpoint_that_is_no_url_is_said(monkeypatch, integration):
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "localhost:4566")
    with pytest.raises(GatewayError, match="Invalid endpoint"):
        await integration.invoke(request())


async def test_a_failure_to_open_is_not_remembered(monkeypatch, endpoint, integration):
    endpoint.functions["chat"] = returns({"body": "x"})
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "localhost:4566")
    with pytest.raises(GatewayError):
        await integration.invoke(request())
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", endpoint.url)
    assert (await integration.invoke(request())).body == b"x"


async def test_a_profile_of_the_config_file_is_honoured(monkeypatch, tmp_path, endpoint, integration):
    config = tmp_path / "config"
    config.write_text(
        "[profile other]\nregion = ap-south-1\naws_access_key_id = AKIDOTHER\naws_secret_access_key = secret\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "other")
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    endpoint.functions["chat"] = returns({"body": "x"})
    await integration.invoke(request())
    assert endpoint.calls[0].region == "ap-south-1"


async def test_the_general_endpoint_variable_is_honoured(monkeypatch, endpoint, integration):
    monkeypatch.delenv("AWS_ENDPOINT_URL_LAMBDA")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
    endpoint.functions["chat"] = returns({"body": "x"})
    assert (await integration.invoke(request())).body == b"x"


async def test_a_client_made_ready_beforehand_is_the_one_that_calls(endpoint):
    endpoint.functions["chat"] = returns({"body": "x"})
    clients = LambdaClients()
    await ready(clients)
    made = clients._clients[None]
    clients.look("chat")
    assert not clients._making
    assert (await LambdaIntegration(clients).invoke(request())).body == b"x"
    assert clients._clients == {None: made}
    await clients.close()
    await clients.close()


def test_outside_of_a_loop_nothing_is_made_ready_beforehand():
    clients = LambdaClients()
    clients.look("chat")
    assert not clients._making


def test_the_sdk_is_not_imported_before_it_is_needed():
    program = (
        "import sys, wsgw.integrations.lambda_ as l; l.LambdaIntegration(l.LambdaClients())\n"
        "sys.exit(any(name.split('.')[0] in ('botocore', 'aiobotocore') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


@pytest.mark.slow
async def test_a_function_of_an_aws_compatible_server_is_called(monkeypatch, clients):
    """The wire format, as a server of another make reads it. This one gives back the event as the result."""
    import aiohttp
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        async with aiohttp.ClientSession() as http:
            await (await http.post(f"{url}/moto-api/config", json={"lambda": {"use_docker": False}})).read()
        result = await clients.invoke("chat", json.dumps({"body": "Grüße"}).encode(), 10)
        assert json.loads(result) == {"body": "Grüße"}
    finally:
        server.stop()
