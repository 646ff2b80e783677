"""What comes back to the client: every kind of integration, on a one-way and on a two-way route.

Source: AWS WebSocket developer guide, "Set up a WebSocket API integration response" and "Route responses";
recordings of the service. Rows that nobody has recorded are named as choices.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.lambda_endpoint import LambdaEndpoint, answers, lambda_service, raises, refuses, returns
from tests.harness.raw_websocket import CLOSE, TEXT, HandshakeRefused, RawWebSocket
from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.model import Model
from wsgw.definitions.route import Integration, IntegrationResponse

#: More turns than a loop may take.
FAILING = "#foreach($i in [1..2000])x#end"
INTERNAL = "Internal server error"
PING = route("ping", mock("pong"), two_way=True)
WAYS = pytest.mark.parametrize("two_way", [False, True], ids=["one-way", "two-way"])


async def answers_to(client: RawWebSocket, message: str) -> list[str]:
    """What the client gets for `message`: messages are answered in order, so whatever comes before the pong."""
    await client.send_text(message)
    await client.send_json({"action": "ping"})
    got: list[str] = []
    while not got or got[-1] != "pong":
        got.append(await client.receive_text())
    return got[:-1]


def is_error(gateway: TestGateway, text: str, message: str) -> bool:
    """`text` is the error frame that says `message`, byte for byte but for its request id."""
    id = gateway.connections[0].id
    frame = json.loads(text)
    expected = f'{{"message": {json.dumps(message)}, "connectionId":"{id}", "requestId":"{frame["requestId"]}"}}'
    return text == expected and len(frame["requestId"]) == 16


def http_full(uri: str, *responses: IntegrationResponse, **members: Any) -> Integration:
    """An HTTP (non-proxy) integration with these integration responses."""
    return Integration(type="HTTP", uri=uri, responses=responses, **members)


def answering(key: str, template: str | None = None, **members: Any) -> IntegrationResponse:
    templates = {} if template is None else {"$default": template}
    return IntegrationResponse(key=key, response_templates=templates, **members)


# ---- HTTP_PROXY

HTTP_PROXY = [
    pytest.param(200, b'{"a": 1}', ['{"a": 1}'], id="200"),
    pytest.param(200, "Grüße".encode(), ["Grüße"], id="text of any script"),
    pytest.param(200, b"", [], id="no body: nothing is sent"),
    pytest.param(204, b"", [], id="204"),
    pytest.param(302, b"elsewhere", ["elsewhere"], id="a redirect is not followed (choice: its body)"),
    pytest.param(404, b"not here", ["not here"], id="4xx (choice: the body)"),
    pytest.param(500, b"broken", ["broken"], id="5xx (choice: the body)"),
    pytest.param(200, b"\xff", ["\N{REPLACEMENT CHARACTER}"], id="bytes that are no text"),
]


@WAYS
@pytest.mark.parametrize(("status", "body", "sent"), HTTP_PROXY)
async def test_http_proxy_gives_the_backends_body(
    gateway: TestGateway, backend: Backend, status: int, body: bytes, sent: list[str], two_way: bool
):
    backend.on("/x", status, body, {"X-Of-The-Backend": "1"})
    gateway.serve(PING, route("x", http(f"{backend.url}/x"), two_way=two_way))
    client = await gateway.connect()
    assert await answers_to(client, '{"action":"x"}') == (sent if two_way else [])
    assert len(backend.got("/x")) == 1


# ---- HTTP

KEYS = (answering(r"/2\d\d/", "fine"), answering("/404/", "none"), answering(r"/4\d\d/", "yours"))
HTTP = [
    pytest.param(200, (answering("$default"),), "as it came", id="no template: the backend's payload"),
    pytest.param(200, (answering("$default", '{"s":"$input.body"}'),), '{"s":"as it came"}', id="a template over it"),
    pytest.param(201, KEYS, "fine", id="a pattern for a class of statuses"),
    pytest.param(404, KEYS, "none", id="the first key that matches"),
    pytest.param(409, KEYS, "yours", id="a later key"),
    pytest.param(500, (*KEYS, answering("$default", "else")), "else", id="no key: $default"),
    pytest.param(500, (*KEYS, answering("\\$default", "else")), "else", id="$default with its backslash"),
    pytest.param(200, (answering("$default", "else"), *KEYS), "fine", id="$default waits, wherever it stands"),
    pytest.param(200, (answering("/20/", "part"), answering("$default", "else")), "else", id="a key matches all of it"),
    pytest.param(500, KEYS, None, id="no key and no $default: an error"),
    pytest.param(200, (), None, id="no integration response: an error"),
    pytest.param(200, (answering("$default", "#set($x = 1)"),), "", id="a template that gives nothing"),
    pytest.param(200, (answering("$default", FAILING),), None, id="a template that fails: an error"),
]


@WAYS
@pytest.mark.parametrize(("status", "responses", "sent"), HTTP)
async def test_http_gives_what_its_integration_response_makes_of_the_answer(
    gateway: TestGateway,
    backend: Backend,
    status: int,
    responses: tuple[IntegrationResponse, ...],
    sent: str | None,
    two_way: bool,
):
    backend.on("/x", status, "as it came")
    gateway.serve(PING, route("x", http_full(f"{backend.url}/x", *responses), two_way=two_way))
    client = await gateway.connect()
    got = await answers_to(client, '{"action":"x"}')
    assert len(backend.got("/x")) == 1
    if not two_way or sent == "":
        assert got == []
    elif sent is None:
        assert len(got) == 1
        assert is_error(gateway, got[0], INTERNAL)
    else:
        assert got == [sent]


async def test_the_response_template_can_be_selected_by_the_answers_headers_and_the_message(
    gateway: TestGateway, backend: Backend
):
    backend.on("/x", 201, '{"id":7}', {"X-Kind": "new"})
    expression = "${integration.response.statuscode}-${integration.response.header.x-kind}-${request.body.lang}"
    response = IntegrationResponse(
        key="$default",
        template_selection_expression=expression,
        response_templates={"201-new-de": 'neu: $input.path("$.id")', "$default": "new: $input.body"},
    )
    gateway.serve(PING, route("x", http_full(f"{backend.url}/x", response), two_way=True))
    client = await gateway.connect()
    assert await answers_to(client, '{"action":"x","lang":"de"}') == ["neu: 7"]
    assert await answers_to(client, '{"action":"x","lang":"en"}') == ['new: {"id":7}']


# ---- MOCK


def mocking(request: str | None, *responses: IntegrationResponse, **members: Any) -> Integration:
    """A MOCK whose request template is `request`."""
    templates = {} if request is None else {"$default": request}
    return Integration(type="MOCK", request_templates=templates, responses=responses, **members)


GOOD, BAD = answering(r"/2\d\d/", "good"), answering(r"/4\d\d/", "bad")
MOCK = [
    pytest.param('{"statusCode": 200}', (GOOD, BAD), "good", id="the status that the request template gives"),
    pytest.param('{"statusCode": 404}', (GOOD, BAD), "bad", id="another status"),
    pytest.param('{"statusCode": "404"}', (GOOD, BAD), "bad", id="a status in quotes"),
    pytest.param(
        '{"statusCode": $input.path("$.status")}', (GOOD, BAD), "bad", id="a status that the message decides (404)"
    ),
    pytest.param('{"statusCode": 200}', (answering("$default", "$input.body"),), "{}", id="there is no payload"),
    pytest.param('{"statusCode": 200}', (answering("$default"),), "", id="no template: nothing"),
    pytest.param('{"statusCode": 500}', (GOOD, BAD), None, id="no key and no $default: an error"),
    pytest.param('{"statusCode": 200}', (), None, id="no integration response: an error"),
]


@WAYS
@pytest.mark.parametrize(("request_template", "responses", "sent"), MOCK)
async def test_mock_gives_what_the_response_template_of_its_status_gives(
    gateway: TestGateway,
    request_template: str,
    responses: tuple[IntegrationResponse, ...],
    sent: str | None,
    two_way: bool,
):
    gateway.serve(PING, route("x", mocking(request_template, *responses), two_way=two_way))
    client = await gateway.connect()
    got = await answers_to(client, '{"action":"x","status":404}')
    if not two_way or sent == "":
        assert got == []
    elif sent is None:
        assert len(got) == 1
        assert is_error(gateway, got[0], INTERNAL)
    else:
        assert got == [sent]


@WAYS
@pytest.mark.parametrize("template", ['{"status": 200}', "no JSON", FAILING, None], ids=str)
async def test_a_mock_without_a_status_is_an_error_on_both_kinds_of_route(
    gateway: TestGateway, template: str | None, two_way: bool
):
    gateway.serve(PING, route("x", mocking(template, answering("$default", "x")), two_way=two_way))
    client = await gateway.connect()
    (frame,) = await answers_to(client, '{"action":"x"}')
    assert is_error(gateway, frame, INTERNAL)


# ---- functions: AWS_PROXY and PYTHON

#: What a function returns, and what a client of a two-way route gets for it; None: an error frame on either kind.
RESULTS: dict[str, tuple[Any, str | None]] = {
    "body": ({"statusCode": 200, "body": "hello"}, "hello"),
    "headers-are-not-sent": ({"statusCode": 200, "headers": {"X": "y"}, "body": "hello"}, "hello"),
    "status-4xx": ({"statusCode": 404, "body": "not here"}, "not here"),
    "status-5xx": ({"statusCode": 500, "body": "broken"}, "broken"),
    "no-status": ({"body": "hello"}, "hello"),
    "no-body": ({"statusCode": 200}, ""),
    "empty-body": ({"statusCode": 200, "body": ""}, ""),
    "base64": ({"statusCode": 200, "body": "aGVsbG8=", "isBase64Encoded": True}, "hello"),
    "no-base64": ({"statusCode": 200, "body": "?", "isBase64Encoded": True}, None),
    "body-no-text": ({"statusCode": 200, "body": {"a": 1}}, None),
    "nothing": (None, ""),
    "text": ("hello", ""),
    "list": ([1], ""),
}


async def check_functions(gateway: TestGateway, two_way: bool, errors: tuple[str, ...]) -> None:
    """Whatever the routes called as in RESULTS, and those in `errors`, answer."""
    client = await gateway.connect()
    for name, (_, sent) in RESULTS.items():
        got = await answers_to(client, json.dumps({"action": name}))
        if sent is None:
            assert len(got) == 1, name
            assert is_error(gateway, got[0], INTERNAL), name
        else:
            assert got == ([sent] if two_way and sent else []), name
    for name in errors:
        (frame,) = await answers_to(client, json.dumps({"action": name}))
        assert is_error(gateway, frame, INTERNAL), name


@pytest.fixture
async def functions(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LambdaEndpoint]:
    """A Lambda service that botocore finds."""
    async with lambda_service(monkeypatch, "eu-central-1") as endpoint:
        yield endpoint


@WAYS
async def test_aws_proxy_gives_the_results_body(gateway: TestGateway, functions: LambdaEndpoint, two_way: bool):
    functions.functions = {name: returns(result) for name, (result, _) in RESULTS.items()}
    failing = {
        "raised": raises("ValueError"),
        "timed-out": raises("Sandbox.Timedout", "Task timed out after 3.00 seconds"),
        "crashed": raises("Runtime.ExitError"),
        "no-json": answers(200, b"<html>"),
        "may-not-be-invoked": refuses(403, "AccessDeniedException"),
        "throttled": refuses(429, "TooManyRequestsException"),
        "service-broken": refuses(500, "ServiceException"),
    }
    functions.functions |= failing
    names = (*RESULTS, *failing, "not-there")
    gateway.serve(PING, *(route(name, Integration(type="AWS_PROXY", uri=name), two_way=two_way) for name in names))
    await check_functions(gateway, two_way, (*failing, "not-there"))
    # Nothing was tried twice.
    assert [call.function for call in functions.calls] == list(names)


@WAYS
async def test_a_python_handler_gives_its_results_body(gateway: TestGateway, two_way: bool):
    def returning(result: Any) -> Any:
        async def handler(event: dict[str, Any], context: Any) -> Any:
            return result

        return handler

    async def raising(event: dict[str, Any], context: Any) -> Any:
        raise ValueError("secret")

    async def exiting(event: dict[str, Any], context: Any) -> Any:
        raise SystemExit(1)

    def raising_in_a_thread(event: dict[str, Any], context: Any) -> Any:
        raise KeyError("secret")

    handlers = {name: returning(result) for name, (result, _) in RESULTS.items()}
    failing = {"raised": raising, "exited": exiting, "raised-in-a-thread": raising_in_a_thread}
    handlers |= failing
    routes = [route(name, Integration(type="PYTHON", uri=name), two_way=two_way) for name in handlers]
    gateway.serve(PING, *routes, handlers=handlers)
    await check_functions(gateway, two_way, tuple(failing))


# ---- errors of the gateway itself

_NEVER = Integration(
    type="MOCK",
    request_templates={"one": '{"statusCode": 200}'},
    template_selection_expression="two",
    passthrough_behavior="NEVER",
)
_NOTHING_PASSES = ThrottleSettings(rate_limit=0.001, burst_limit=0)
_A_NUMBER = Model(name="Number", schema={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})


@WAYS
async def test_errors_of_the_gateway_are_told_on_both_kinds_of_route(
    gateway: TestGateway, backend: Backend, two_way: bool
):
    async def never(request: Received) -> Any:
        await backend.wait_for("/over", timeout=60)

    backend.answer("/slow", never)
    gateway.serve(
        PING,
        route("slow", http(f"{backend.url}/slow", timeout_ms=50), two_way=two_way),
        route("away", http("http://127.0.0.1:1/"), two_way=two_way),
        route("never", _NEVER, two_way=two_way),
        route("throttled", mock("x"), two_way=two_way, throttle=_NOTHING_PASSES),
        route(
            "invalid",
            http(f"{backend.url}/invalid"),
            two_way=two_way,
            model_selection_expression="$default",
            request_models={"$default": "Number"},
        ),
        models={"Number": _A_NUMBER},
    )
    client = await gateway.connect()
    told = {
        "slow": "Endpoint request timed out",
        "away": INTERNAL,
        "never": "Unsupported Media Type",
        "throttled": "Too Many Requests",
        "nowhere": "Forbidden",
    }
    for action, message in told.items():
        (frame,) = await answers_to(client, json.dumps({"action": action}))
        assert is_error(gateway, frame, message), action
    (frame,) = await answers_to(client, '{"action":"invalid"}')
    assert json.loads(frame)["message"] == "Bad request body"
    assert backend.got("/invalid") == []


async def test_an_answer_is_one_text_message_whatever_its_size(gateway: TestGateway, backend: Backend):
    backend.on("/x", 200, "x" * 131_072)
    gateway.serve(PING, route("x", http(f"{backend.url}/x"), two_way=True))
    client = await gateway.connect()
    await client.send_json({"action": "x"})
    parts = []
    while not parts or not parts[-1].fin:
        frame = await client.receive_frame()
        assert frame is not None
        parts.append(frame)
    assert [part.opcode for part in parts] == [TEXT] + [0] * (len(parts) - 1)
    assert b"".join(part.payload for part in parts) == b"x" * 131_072


async def test_an_answer_above_the_message_limit_closes_with_1009(gateway: TestGateway, backend: Backend):
    """A choice: an emulator of the service does so, nobody has recorded it."""
    backend.on("/x", 200, "x" * 131_073)
    gateway.serve(PING, route("x", http(f"{backend.url}/x"), two_way=True))
    client = await gateway.connect()
    await client.send_json({"action": "x"})
    frame = await client.receive_frame()
    assert frame is not None
    assert (frame.opcode, frame.payload) == (CLOSE, b"\x03\xf1Message too big")


# ---- lifecycle routes


@pytest.mark.parametrize("kind", ["MOCK", "HTTP", "HTTP_PROXY"])
async def test_a_two_way_connect_sends_no_first_message(gateway: TestGateway, backend: Backend, kind: str):
    backend.on("/connect", 200, "welcome")
    integration = {
        "MOCK": mock("welcome"),
        "HTTP": http_full(f"{backend.url}/connect", answering("$default")),
        "HTTP_PROXY": http(f"{backend.url}/connect"),
    }[kind]
    gateway.serve(PING, route("$connect", integration, two_way=True))
    client = await gateway.connect()
    # The first thing that comes is the pong.
    await client.send_json({"action": "ping"})
    assert await client.receive_text() == "pong"


async def test_a_failing_disconnect_is_nobodys_business(gateway: TestGateway, backend: Backend):
    backend.on("/bye", 500, "x")
    gateway.serve(PING, route("$disconnect", http(f"{backend.url}/bye"), two_way=True))
    client = await gateway.connect()
    assert await client.close(1000, "done") == (1000, "done")
    assert len(await backend.wait_for("/bye")) == 1


async def test_connect_through_an_integration_response_keeps_the_status_of_the_backend(
    gateway: TestGateway, backend: Backend
):
    backend.on("/connect", 403, "raw")
    responses = (answering("/403/", '{"why":"$input.body"}'), answering("$default"))
    gateway.serve(PING, route("$connect", http_full(f"{backend.url}/connect", *responses)))
    with pytest.raises(HandshakeRefused) as refused:
        await gateway.connect()
    assert (refused.value.response.status, refused.value.response.body) == (403, b'{"why":"raw"}')
