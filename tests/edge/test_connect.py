"""`$connect` decides the handshake: 101 on 2xx, its own answer on anything else, and what failures look like (T-11).

Sources: AWS WebSocket developer guide, "Manage connected users: the $connect and $disconnect routes"; statuses, bodies
and headers of refusals as recorded on the service in September 2026. What nobody has recorded is named as a choice.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from tests.conftest import MakeGateway
from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.lambda_endpoint import (
    Function,
    LambdaEndpoint,
    Never,
    answers,
    lambda_service,
    raises,
    refuses,
    returns,
)
from tests.harness.pace import SLOWER
from tests.harness.raw_http import authority
from tests.harness.raw_websocket import HandshakeRefused, Response, handshake, open_socket
from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import Stage, StageLimits
from wsgw.definitions.route import Integration, IntegrationResponse, Route

PING = route("ping", mock('{"pong":true}'), two_way=True)
INTERNAL = "Internal server error"
Handler = Callable[[dict[str, Any], Any], Awaitable[Any]]


def python(uri: str = "connect", **members: Any) -> Integration:
    """A PYTHON integration; `serve(…, handlers={uri: function})` says what it runs."""
    return Integration(type="PYTHON", uri=uri, **members)


def giving(result: Any) -> Handler:
    """A Python handler that answers `result`."""

    async def handler(event: dict[str, Any], context: Any) -> Any:
        return result

    return handler


async def failing(event: dict[str, Any], context: Any) -> Any:
    raise RuntimeError("secret detail")


async def hanging(event: dict[str, Any], context: Any) -> Any:
    await asyncio.Event().wait()


async def refused(gateway: TestGateway, path: str = "/prod", **options: Any) -> Response:
    """The answer to a handshake that must not get a 101."""
    with pytest.raises(HandshakeRefused) as refusal:
        await gateway.connect(path, **options)
    return refusal.value.response


def is_own_refusal(response: Response, status: int, message: str) -> bool:
    """`response` is what the gateway itself says, byte for byte but for its ids, with no header more or less."""
    headers = dict(response.headers)
    request_id = headers["x-amz-apigw-id"]
    match = re.fullmatch(
        rb'\{"message": "([^"]*)", "connectionId":"([A-Za-z0-9_=-]+)", "requestId":"([^"]*)"\}', response.body
    )
    assert match is not None, response.body
    assert (response.status, match[1].decode(), match[3].decode()) == (status, message, request_id)
    assert re.fullmatch(r"[A-Za-z0-9_-]{15}=", request_id)
    assert len(response.headers) == len(headers)
    assert headers.pop("date").endswith(" GMT")
    assert headers.pop("retry-after", None) == ("1" if status == 503 else None)
    assert headers == {
        "content-type": "application/json; charset=UTF-8",
        "content-length": str(len(response.body)),
        "connection": "keep-alive",
        "x-amz-apigw-id": request_id,
    }
    return True


@pytest.fixture
async def functions(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LambdaEndpoint]:
    """A Lambda service that botocore finds."""
    async with lambda_service(monkeypatch, "eu-central-1") as endpoint:
        yield endpoint


def serve_functions(gateway: TestGateway, functions: dict[str, Function], endpoint: LambdaEndpoint) -> None:
    """A stage per function, whose `$connect` calls it: making one SDK client takes longer than all the calls."""
    endpoint.functions = functions
    uri = "${stageVariables.function}"
    stages = {name: Stage(name=name, variables={"function": name}) for name in functions}
    gateway.serve(route("$connect", Integration(type="AWS_PROXY", uri=uri)), stages=stages)


# ---- 101


def with_connection(gateway: TestGateway, response: Response) -> bool:
    """`response` is the service's 101, with nothing of the integration's; the gateway has the connection."""
    headers = dict(response.headers)
    assert len(headers) == len(response.headers)
    assert response.status == 101
    assert headers.pop("date").endswith(" GMT")
    assert len(headers.pop("sec-websocket-accept")) == 28
    assert headers == {"connection": "upgrade", "upgrade": "websocket"}
    return len(gateway.connections) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 203, 204, 205, 206, 226, 299])
async def test_any_2xx_of_a_backend_gives_the_101_and_nothing_else_of_it(
    gateway: TestGateway, backend: Backend, status: int
):
    body = b"" if status in (204, 205) else b"welcome"
    backend.on("/connect", status, body, {"Content-Type": "text/plain", "Set-Cookie": "a=b", "X-Own": "1"})
    gateway.serve(route("$connect", http(f"{backend.url}/connect")), PING)
    client = await gateway.connect()
    assert with_connection(gateway, client.response)
    # The body is ignored: the first thing that the client reads is the answer to its first message.
    await client.send_json({"action": "ping"})
    assert await client.receive_json() == {"pong": True}


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"statusCode": 200}, id="number"),
        pytest.param({"statusCode": "200"}, id="digits"),
        pytest.param({"statusCode": 299, "body": "welcome", "headers": {"X-Own": "1"}}, id="with-body-and-headers"),
    ],
)
async def test_a_2xx_of_a_function_gives_the_101_and_nothing_else_of_it(gateway: TestGateway, result: Any):
    gateway.serve(route("$connect", python()), PING, handlers={"connect": giving(result)})
    client = await gateway.connect()
    assert with_connection(gateway, client.response)
    await client.send_json({"action": "ping"})
    assert await client.receive_json() == {"pong": True}


async def test_the_101_waits_for_the_integration(gateway: TestGateway, backend: Backend):
    may_answer = asyncio.Event()

    async def answer(request: Received) -> web.Response:
        await may_answer.wait()
        return web.Response()

    backend.answer("/connect", answer)
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    async with await open_socket(gateway.ws_url) as socket:
        await socket.send(handshake("/prod", authority(gateway.url)))
        await backend.wait_for("/connect")
        assert gateway.connections == []
        may_answer.set()
        assert (await socket.receive_response()).status == 101
    assert len(backend.got("/connect")) == 1


async def test_a_handshake_that_waits_holds_up_no_other(gateway: TestGateway, backend: Backend):
    may_answer = asyncio.Event()

    async def answer(request: Received) -> web.Response:
        if request.query == "slow=1":
            await may_answer.wait()
        return web.Response()

    backend.answer("/connect", answer)
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    slow = asyncio.create_task(gateway.connect("/prod?slow=1"))
    await backend.wait_for("/connect")
    await gateway.connect()
    assert not slow.done()
    may_answer.set()
    await slow
    assert len(gateway.connections) == 2


async def test_without_a_connect_route_everybody_is_let_in_and_nothing_is_called(
    gateway: TestGateway, backend: Backend
):
    gateway.serve(route("$disconnect", http(f"{backend.url}/disconnect")))
    client = await gateway.connect()
    assert with_connection(gateway, client.response)
    await client.close()
    await backend.wait_for("/disconnect")
    assert [request.path for request in backend.requests] == ["/disconnect"]


async def test_a_connect_route_without_integration_lets_everybody_in(gateway: TestGateway, backend: Backend):
    gateway.serve(route("$connect"), route("$disconnect", http(f"{backend.url}/disconnect")))
    client = await gateway.connect()
    assert with_connection(gateway, client.response)
    await client.close()
    await backend.wait_for("/disconnect")
    assert [request.path for request in backend.requests] == ["/disconnect"]


async def test_a_connect_route_without_integration_still_checks_what_it_declares(gateway: TestGateway):
    gateway.serve(route("$connect", request_parameters={"route.request.querystring.token": True}))
    await gateway.connect("/prod?token=1")
    response = await refused(gateway)
    assert is_own_refusal(response, 400, "Missing required request parameters: [token]")
    assert len(gateway.connections) == 1


# ---- the integration's own refusal

REFUSALS = [
    300,
    301,
    302,
    303,
    304,
    307,
    308,
    400,
    401,
    402,
    403,
    404,
    410,
    418,
    429,
    451,
    500,
    501,
    502,
    503,
    504,
    599,
]


@pytest.mark.parametrize("status", REFUSALS)
async def test_any_other_status_of_a_backend_is_the_answer_with_its_body_and_headers(
    gateway: TestGateway, backend: Backend, status: int
):
    body = b"" if status == 304 else b"not\0today \xff"
    headers = {"Content-Type": "text/x-own", "Location": "/else where", "WWW-Authenticate": "Own", "X-Own": "1"}
    backend.on("/connect", status, body, headers)
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    response = await refused(gateway)
    assert (response.status, response.body) == (status, body)
    assert {name: response.header(name) for name in headers} == headers
    assert len(backend.got("/connect")) == 1  # a redirect is not followed
    assert gateway.connections == []


@pytest.mark.parametrize("status", REFUSALS)
async def test_any_other_status_of_a_function_is_the_answer_with_its_body_verbatim(gateway: TestGateway, status: int):
    result = {"statusCode": status, "body": "no: Grüße", "headers": {"X-Own": "1"}}
    gateway.serve(route("$connect", python()), handlers={"connect": giving(result)})
    response = await refused(gateway)
    assert (response.status, response.header("x-own")) == (status, "1")
    assert response.body == (b"" if status == 304 else "no: Grüße".encode())
    assert gateway.connections == []


async def test_headers_of_one_hop_are_not_copied(gateway: TestGateway):
    """RFC 9110 section 7.6.1, and what the gateway says itself."""
    kept = {"X-Own": "1", "WWW-Authenticate": "Own", "Content-Type": "text/plain", "Cache-Control": "no-store"}
    dropped = {
        "Connection": "close, X-Named, content-type-of-mine",
        "X-Named": "1",
        "Content-Type-Of-Mine": "1",
        "Keep-Alive": "timeout=1",
        "Proxy-Authenticate": "Own",
        "Proxy-Connection": "close",
        "TE": "trailers",
        "Trailer": "X-Own",
        "Transfer-Encoding": "chunked",
        "Upgrade": "h2c",
        "Content-Length": "1000",
        "Date": "yesterday",
        "Sec-WebSocket-Accept": "x",
        "Sec-WebSocket-Extensions": "permessage-deflate",
    }
    result = {"statusCode": 403, "body": "no", "headers": {**dropped, **kept}}
    gateway.serve(route("$connect", python()), handlers={"connect": giving(result)})
    response = await refused(gateway)
    headers = dict(response.headers)
    assert len(headers) == len(response.headers)
    assert headers.pop("date").endswith(" GMT")
    assert len(headers.pop("x-amz-apigw-id")) == 16
    own = {"connection": "keep-alive", "content-length": "2"}
    assert headers == own | {name.lower(): value for name, value in kept.items()}
    assert response.body == b"no"


async def test_a_backends_chunked_refusal_has_a_length(gateway: TestGateway, backend: Backend):
    async def answer(request: Received) -> web.StreamResponse:
        response = web.Response(status=403, body=b"in chunks")
        response.enable_chunked_encoding()
        return response

    backend.answer("/connect", answer)
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    response = await refused(gateway)
    assert response.header("transfer-encoding") is None
    assert (response.header("content-length"), response.body) == ("9", b"in chunks")


async def test_a_header_may_come_more_than_once(gateway: TestGateway):
    result = {"statusCode": 401, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "headers": {"X-Own": "1"}}
    gateway.serve(route("$connect", python()), handlers={"connect": giving(result)})
    response = await refused(gateway)
    assert [value for name, value in response.headers if name == "set-cookie"] == ["a=1", "b=2"]


async def test_a_refusal_without_a_body_or_type_has_an_empty_one(gateway: TestGateway):
    gateway.serve(route("$connect", python()), handlers={"connect": giving({"statusCode": 401})})
    response = await refused(gateway)
    assert (response.status, response.body, response.header("content-length")) == (401, b"", "0")


async def test_a_base64_body_is_decoded(gateway: TestGateway):
    result = {"statusCode": 403, "body": "AP8=", "isBase64Encoded": True, "headers": {"Content-Type": "image/x"}}
    gateway.serve(route("$connect", python()), handlers={"connect": giving(result)})
    response = await refused(gateway)
    assert (response.body, response.header("content-type")) == (b"\x00\xff", "image/x")


@pytest.mark.parametrize("result", [{"statusCode": 403, "body": "no"}, {"statusCode": 304, "body": "not for a 304"}])
async def test_the_client_may_try_again_on_the_same_connection(gateway: TestGateway, result: dict[str, Any]):
    async def handler(event: dict[str, Any], context: Any) -> Any:
        return {"statusCode": 200} if "queryStringParameters" in event else result

    gateway.serve(route("$connect", python()), handlers={"connect": handler})
    async with await open_socket(gateway.ws_url) as socket:
        for _ in range(2):
            await socket.send(handshake("/prod", authority(gateway.url)))
            assert (await socket.receive_response()).status == result["statusCode"]
        await socket.send(handshake("/prod?token=1", authority(gateway.url)))
        assert (await socket.receive_response()).status == 101
        assert len(gateway.connections) == 1


# ---- MOCK and mapped answers


@pytest.mark.parametrize("status", [200, 204, 299])
async def test_a_mock_lets_in_with_2xx(gateway: TestGateway, status: int):
    integration = Integration(
        type="MOCK",
        template_selection_expression="200",
        request_templates={"200": f'{{"statusCode":{status}}}'},
        responses=(IntegrationResponse(key="$default"),),
    )
    gateway.serve(route("$connect", integration))
    assert with_connection(gateway, (await gateway.connect()).response)


async def test_a_mock_refuses_with_its_template(gateway: TestGateway):
    response = IntegrationResponse(key="$default", response_templates={"$default": '{"why":"$context.eventType"}'})
    templates = {"$default": '{"statusCode": 403}'}
    gateway.serve(route("$connect", Integration(type="MOCK", request_templates=templates, responses=(response,))))
    answer = await refused(gateway)
    assert (answer.status, answer.body) == (403, b'{"why":"CONNECT"}')


@pytest.mark.parametrize("status", [100, 101, 199])
async def test_a_mock_below_200_is_an_error_and_never_a_101_of_its_own(gateway: TestGateway, status: int):
    templates = {"$default": f'{{"statusCode": {status}}}'}
    gateway.serve(route("$connect", Integration(type="MOCK", request_templates=templates)))
    assert is_own_refusal(await refused(gateway), 500, INTERNAL)
    assert gateway.connections == []


async def test_an_integration_response_makes_the_refusals_body_and_the_status_stays(
    gateway: TestGateway, backend: Backend
):
    backend.on("/connect", 404, "who?")
    response = IntegrationResponse(key="/4../", response_templates={"$default": '{"backend":"$input.body"}'})
    integration = Integration(type="HTTP", uri=f"{backend.url}/connect", responses=(response,))
    gateway.serve(route("$connect", integration))
    answer = await refused(gateway)
    assert (answer.status, answer.body) == (404, b'{"backend":"who?"}')


async def test_a_status_that_no_integration_response_matches_is_a_configuration_error(
    gateway: TestGateway, backend: Backend
):
    backend.on("/connect", 200)
    integration = Integration(type="HTTP", uri=f"{backend.url}/connect", responses=(IntegrationResponse(key="/4../"),))
    gateway.serve(route("$connect", integration))
    assert is_own_refusal(await refused(gateway), 500, INTERNAL)
    assert gateway.connections == []


# ---- failures

UNUSABLE = [
    pytest.param(None, id="nothing"),
    pytest.param("ok", id="text"),
    pytest.param([200], id="list"),
    pytest.param({}, id="no-status"),
    pytest.param({"statusCode": None}, id="null-status"),
    pytest.param({"statusCode": "ok"}, id="word-status"),
    pytest.param({"statusCode": "2OO"}, id="letters-for-digits"),
    pytest.param({"statusCode": True}, id="boolean-status"),
    pytest.param({"statusCode": 0}, id="status-0"),
    pytest.param({"statusCode": 101}, id="status-101"),
    pytest.param({"statusCode": 600}, id="status-600"),
    pytest.param({"statusCode": 200.5}, id="fraction-status"),
    pytest.param({"statusCode": 200, "body": {"a": 1}}, id="object-body"),
    pytest.param({"statusCode": 200, "body": "?", "isBase64Encoded": True}, id="no-base64"),
    pytest.param({"statusCode": 200, "headers": "x"}, id="headers-text"),
    pytest.param({"statusCode": 403, "headers": {"X-Own": "a\r\nX-Other: b"}}, id="header-with-line-end"),
]


@pytest.mark.parametrize("result", UNUSABLE)
async def test_a_result_that_cannot_be_used_is_a_502(gateway: TestGateway, result: Any):
    """Choice: the service answers 500 or 502."""
    gateway.serve(route("$connect", python()), handlers={"connect": giving(result)})
    assert is_own_refusal(await refused(gateway), 502, INTERNAL)
    assert gateway.connections == []


async def test_a_handler_that_raises_is_a_502_that_does_not_say_why(gateway: TestGateway):
    gateway.serve(route("$connect", python()), handlers={"connect": failing})
    response = await refused(gateway)
    assert is_own_refusal(response, 502, INTERNAL)
    assert gateway.connections == []


async def test_functions_behind_the_lambda_api_decide_as_their_results_say(
    gateway: TestGateway, functions: LambdaEndpoint
):
    serve_functions(
        gateway,
        {
            "welcome": returns({"statusCode": 200, "body": "ignored"}),
            "no": returns({"statusCode": 403, "body": "not you", "headers": {"X-Own": "1", "Connection": "close"}}),
            "raises": raises("RuntimeError", "secret detail"),
            "times-out-there": raises("Sandbox.Timedout", "Task timed out after 3.00 seconds"),
            "no-json": answers(200, b"{not json"),
            "nothing": answers(200, b""),
            "null": returns(None),
            "no-status": returns({"body": "?"}),
            "forbidden": refuses(403, "AccessDeniedException"),
            "bad-credentials": refuses(403, "UnrecognizedClientException"),
            "missing": refuses(404, "ResourceNotFoundException"),
            "throttled": refuses(429, "TooManyRequestsException"),
        },
        functions,
    )
    client = await gateway.connect("/welcome")
    assert with_connection(gateway, client.response)
    no = await refused(gateway, "/no")
    assert (no.status, no.body, no.header("x-own"), no.header("connection")) == (403, b"not you", "1", "keep-alive")
    for name in ("raises", "times-out-there", "no-json", "nothing", "null", "no-status"):
        assert is_own_refusal(await refused(gateway, f"/{name}"), 502, INTERNAL), name
    for name in ("forbidden", "bad-credentials", "missing", "throttled"):
        assert is_own_refusal(await refused(gateway, f"/{name}"), 500, INTERNAL), name
    assert len(gateway.connections) == 1
    assert len(functions.calls) == 12  # each was asked once, nothing is tried again


@asynccontextmanager
async def a_backend_that_hangs(backend: Backend) -> AsyncIterator[Route]:
    released = asyncio.Event()

    async def answer(request: Received) -> web.Response:
        await released.wait()
        return web.Response()

    backend.answer("/connect", answer)
    yield route("$connect", http(f"{backend.url}/connect", timeout_ms=100))
    released.set()


async def test_a_backend_that_takes_too_long_is_a_504(gateway: TestGateway, backend: Backend):
    async with a_backend_that_hangs(backend) as connect:
        gateway.serve(connect)
        assert is_own_refusal(await refused(gateway), 504, "Endpoint request timed out")
    assert gateway.connections == []


async def test_a_handler_that_takes_too_long_is_a_504(gateway: TestGateway):
    gateway.serve(route("$connect", python(timeout_ms=100)), handlers={"connect": hanging})
    assert is_own_refusal(await refused(gateway), 504, "Endpoint request timed out")
    assert gateway.connections == []


async def test_a_lambda_function_that_takes_too_long_is_a_504(gateway: TestGateway, functions: LambdaEndpoint):
    never = Never()
    functions.functions = {"never": never, "ok": returns({"statusCode": 200})}
    # Long enough for the call to arrive.
    limit = StageLimits(timeout_ms=100 * SLOWER)
    uri = "${stageVariables.function}"
    stages = {
        # The SDK client is made with the first call, which takes its time.
        "first": Stage(name="first", variables={"function": "ok"}),
        "prod": Stage(name="prod", variables={"function": "never"}, limits=limit),
    }
    gateway.serve(route("$connect", Integration(type="AWS_PROXY", uri=uri)), stages=stages)
    await gateway.connect("/first")
    assert is_own_refusal(await refused(gateway), 504, "Endpoint request timed out")
    await asyncio.wait_for(never.abandoned.wait(), 5)


async def test_a_backend_that_cannot_be_reached_is_a_504(gateway: TestGateway, refused_port: int):
    """Choice: the status of INTEGRATION_FAILURE, the text that WebSocket APIs have for all that is wrong behind."""
    gateway.serve(route("$connect", http(f"http://127.0.0.1:{refused_port}/")))
    assert is_own_refusal(await refused(gateway), 504, INTERNAL)
    assert gateway.connections == []


# ---- throttles and bounds


async def test_new_connections_beyond_the_stages_rate_are_429_and_not_asked_about(
    gateway: TestGateway, backend: Backend
):
    limits = StageLimits(new_connections_per_second=0.01, new_connections_burst=2)
    gateway.serve(route("$connect", http(f"{backend.url}/connect")), stage=Stage(name="prod", limits=limits))
    for _ in range(2):
        await gateway.connect()
    assert is_own_refusal(await refused(gateway), 429, "Too Many Requests")
    assert (len(gateway.connections), len(backend.got("/connect"))) == (2, 2)
    gateway.advance(101)
    await gateway.connect()
    assert is_own_refusal(await refused(gateway), 429, "Too Many Requests")


async def test_a_rate_of_new_connections_is_the_stages_own(gateway: TestGateway):
    tight = StageLimits(new_connections_per_second=0.01, new_connections_burst=1)
    stages = {"tight": Stage(name="tight", limits=tight), "other": Stage(name="other", limits=tight)}
    gateway.serve(stages=stages)
    await gateway.connect("/tight")
    assert (await refused(gateway, "/tight")).status == 429
    await gateway.connect("/other")


async def test_no_rate_of_new_connections_means_no_bound(gateway: TestGateway):
    limits = StageLimits(new_connections_per_second=0, new_connections_burst=0)
    gateway.serve(stage=Stage(name="prod", limits=limits))
    for _ in range(20):
        await gateway.connect()
    assert len(gateway.connections) == 20


async def test_the_connect_routes_own_throttle_is_a_429(gateway: TestGateway, backend: Backend):
    limit = ThrottleSettings(rate_limit=0.01, burst_limit=1)
    gateway.serve(route("$connect", http(f"{backend.url}/connect"), throttle=limit))
    await gateway.connect()
    assert is_own_refusal(await refused(gateway), 429, "Too Many Requests")
    assert len(backend.got("/connect")) == 1


async def test_more_connections_than_a_node_takes_are_503(make_gateway: MakeGateway, backend: Backend):
    gateway = await make_gateway(max_connections=1)
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    client = await gateway.connect()
    assert is_own_refusal(await refused(gateway), 503, "Service Unavailable")
    assert len(backend.got("/connect")) == 1
    await client.close()
    await gateway.connect()


# ---- what a refusal leaves behind


def by_status(backend: Backend) -> tuple[Route, dict[str, Handler]]:
    backend.on("/connect", 403)
    return route("$connect", http(f"{backend.url}/connect")), {}


LEAVING = [
    pytest.param(by_status, id="backends-403"),
    pytest.param(
        lambda backend: (route("$connect", python()), {"connect": giving({"statusCode": 500})}), id="functions-500"
    ),
    pytest.param(lambda backend: (route("$connect", python()), {"connect": failing}), id="function-error"),
    pytest.param(lambda backend: (route("$connect", python(timeout_ms=60)), {"connect": hanging}), id="timeout"),
    pytest.param(
        lambda backend: (
            route("$connect", python()),
            {"connect": giving({"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "never-offered"}})},
        ),
        id="subprotocol-mismatch",
    ),
    pytest.param(
        lambda backend: (route("$connect", request_parameters={"route.request.header.x": True}), {}),
        id="missing-parameter",
    ),
    pytest.param(
        lambda backend: (route("$connect", throttle=ThrottleSettings(rate_limit=0.01, burst_limit=0)), {}),
        id="throttle",
    ),
]


@pytest.mark.parametrize("connect_of", LEAVING)
async def test_after_a_refusal_there_is_no_disconnect_and_no_connection(
    gateway: TestGateway,
    backend: Backend,
    connect_of: Callable[[Backend], tuple[Route, dict[str, Handler]]],
):
    connect, handlers = connect_of(backend)
    disconnect = route("$disconnect", http(f"{backend.url}/disconnect"))
    gateway.serve(connect, disconnect, handlers=handlers)
    response = await refused(gateway)
    assert response.status >= 400
    assert gateway.connections == []
    assert [slot.connections for _, slot in gateway.app.stages.slots()] == [0]
    # Whoever is let in next is the first and only one whose end is told.
    gateway.serve(disconnect)
    client = await gateway.connect()
    id = gateway.connections[0].id
    await client.close()
    (told,) = await backend.wait_for("/disconnect")
    assert told.header("Wsgw-Connection-Id") == id
    await gateway.stop()
    assert len(backend.got("/disconnect")) == 1


async def test_a_refused_connections_id_is_gone_for_pushes(gateway: TestGateway, backend: Backend):
    backend.on("/connect", 403)
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    await refused(gateway)
    (asked,) = backend.got("/connect")
    id = (asked.header("Wsgw-Connection-Id") or "").replace("=", "%3D")
    async with await open_socket(gateway.url) as socket:
        host = authority(gateway.url)
        await socket.send(f"GET /prod/@connections/{id} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert (await socket.receive_response()).status == 410


async def test_the_refusals_ids_are_those_that_the_backend_was_told(gateway: TestGateway):
    told: list[dict[str, Any]] = []

    async def handler(event: dict[str, Any], context: Any) -> Any:
        told.append(event["requestContext"])
        raise RuntimeError

    gateway.serve(route("$connect", python()), handlers={"connect": handler})
    response = await refused(gateway)
    (context,) = told
    body = json.loads(response.body)
    assert (body["connectionId"], body["requestId"]) == (context["connectionId"], context["requestId"])
    assert response.header("x-amz-apigw-id") == context["requestId"]


async def test_every_handshake_has_ids_of_its_own(gateway: TestGateway):
    gateway.serve(route("$connect", python()), handlers={"connect": failing})
    bodies = [json.loads((await refused(gateway)).body) for _ in range(3)]
    assert len({body["connectionId"] for body in bodies} | {body["requestId"] for body in bodies}) == 6
