"""What an HTTP backend gets on `$connect`, for a message and on `$disconnect`, and the `Wsgw-*` headers beside it.

Source: AWS WebSocket developer guide, "Set up a WebSocket API integration request"; logs of backends that people have
published. Rows that nobody has recorded are named as choices; `Wsgw-*` is ours.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway, api, route
from tests.harness.raw_http import request
from tests.harness.raw_websocket import BINARY, exchange
from wsgw.definitions.route import Integration

TRACE = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}")
EVENTS = {"$connect": "CONNECT", "x": "MESSAGE", "$disconnect": "DISCONNECT"}
ON_EVERY_EVENT = {
    "Wsgw-Event-Type",
    "Wsgw-Route-Key",
    "Wsgw-Connection-Id",
    "Wsgw-Request-Id",
    "Wsgw-Api-Id",
    "Wsgw-Stage",
    "Wsgw-Connected-At",
    "Wsgw-Source-Ip",
    "Wsgw-Callback-Url",
}
ENDING = {"Wsgw-Disconnect-Code", "Wsgw-Disconnect-Reason", "Wsgw-Event-Id"}
OF_AN_EVENT = {"$connect": set(), "x": {"Wsgw-Message-Id"}, "$disconnect": ENDING}
KINDS = pytest.mark.parametrize("kind", ["HTTP_PROXY", "HTTP"])
KEYS = pytest.mark.parametrize("key", list(EVENTS))
MESSAGE = '{"action": "x",  "text":"\\u00fc"}'


def all_routes(backend: Backend, kind: Any = "HTTP_PROXY", **members: Any) -> list[Any]:
    """A route per event, each to a path of its own."""
    return [
        route(key, Integration(type=kind, uri=f"{backend.url}/{event}?from=config", **members))
        for key, event in EVENTS.items()
    ]


async def a_life(gateway: TestGateway, backend: Backend, **options: Any) -> dict[str, Received]:
    """Connect, send a message, close with 4000; what the backend got, by route key."""
    client = await gateway.connect(**options)
    await client.send_text(MESSAGE)
    await backend.wait_for("/MESSAGE")
    await client.close(4000, "enough")
    await backend.wait_for("/DISCONNECT")
    return {key: backend.got(f"/{event}")[0] for key, event in EVENTS.items()}


def by_name(received: Received) -> dict[str, str]:
    """The headers; fails where one comes twice."""
    lowered = [name.lower() for name, _ in received.headers]
    assert len(set(lowered)) == len(lowered), received.headers
    return dict(received.headers)


# ---- as the service does it


@KINDS
@pytest.mark.parametrize("method", ["POST", "GET", "PUT"])
async def test_the_method_is_the_integrations(gateway: TestGateway, backend: Backend, kind: str, method: str):
    gateway.serve(*all_routes(backend, kind, method=method))
    assert {received.method for received in (await a_life(gateway, backend)).values()} == {method}


async def test_http_proxy_gets_the_clients_query_on_connect_and_only_there(gateway: TestGateway, backend: Backend):
    gateway.serve(*all_routes(backend))
    life = await a_life(gateway, backend, path="/prod?room=a&room=b")
    queries = {key: received.query for key, received in life.items()}
    assert queries == {"$connect": "from=config&room=a&room=b", "x": "from=config", "$disconnect": "from=config"}


async def test_http_gets_no_query_of_the_client(gateway: TestGateway, backend: Backend):
    gateway.serve(*all_routes(backend, "HTTP"))
    life = await a_life(gateway, backend, path="/prod?room=a")
    assert {received.query for received in life.values()} == {"from=config"}


@KINDS
async def test_only_messages_have_a_body_and_it_is_as_sent(gateway: TestGateway, backend: Backend, kind: str):
    gateway.serve(*all_routes(backend, kind))
    bodies = {key: received.text for key, received in (await a_life(gateway, backend)).items()}
    assert bodies == {"$connect": "", "x": MESSAGE, "$disconnect": ""}


CLIENT = [
    ("Cookie", "session=1; other=2"),
    ("Origin", "https://app.example"),
    ("User-Agent", "Mozilla/5.0"),
    ("Sec-WebSocket-Protocol", "v1, v2"),
    ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ("x-MiXeD-case", "kept"),
    ("Authorization", "Bearer t"),
]


async def test_http_proxy_gets_the_clients_headers_on_connect_spelled_as_sent(gateway: TestGateway, backend: Backend):
    gateway.serve(*all_routes(backend))
    backend.on("/CONNECT", 200, headers={"Sec-WebSocket-Protocol": "v1"})
    received = (await a_life(gateway, backend, headers=CLIENT))["$connect"]
    assert [header for header in received.headers if header in CLIENT] == CLIENT
    headers = by_name(received)
    assert headers["Sec-WebSocket-Version"] == "13"
    assert len(headers["Sec-WebSocket-Key"]) == 24
    assert headers["x-amzn-apigateway-api-id"] == "chat"
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Proto"] == "http"
    assert headers["X-Forwarded-Port"] == str(urlsplit(gateway.url).port)
    assert TRACE.fullmatch(headers["X-Amzn-Trace-Id"])


async def test_what_belongs_to_the_clients_hop_ends_at_the_gateway(gateway: TestGateway, backend: Backend):
    gateway.serve(*all_routes(backend))
    sent = [
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authorization", "Basic eA=="),
        ("TE", "trailers"),
        ("Connection", "X-Only-For-This-Hop"),
        ("X-Only-For-This-Hop", "1"),
        ("x-amzn-apigateway-api-id", "another"),
    ]
    headers = by_name((await a_life(gateway, backend, headers=sent))["$connect"])
    lowered = {name.lower(): value for name, value in headers.items()}
    gone = {"connection", "upgrade", "keep-alive", "proxy-authorization", "te", "x-only-for-this-hop"}
    assert not gone & set(lowered)
    assert lowered["host"] == urlsplit(backend.url).netloc
    assert lowered["x-amzn-apigateway-api-id"] == "chat"


@KINDS
async def test_messages_and_disconnects_have_the_gateways_own_headers_alone(
    gateway: TestGateway, backend: Backend, kind: str
):
    gateway.serve(*all_routes(backend, kind))
    life = await a_life(gateway, backend, headers=CLIENT[:3] + CLIENT[5:])
    for key in ("x", "$disconnect"):
        headers = by_name(life[key])
        own = {name for name in headers if not name.startswith("Wsgw-")}
        # Only what has a body says of what type it is; for disconnects, that is what a template makes.
        typed = {"Content-Type"} if key == "x" or kind == "HTTP" else set()
        names = {"Host", "User-Agent", "x-amzn-apigateway-api-id", "X-Amzn-Trace-Id", "Content-Length"} | typed
        assert own == names, key
        assert headers["User-Agent"] == "AmazonAPIGateway_chat"
        assert headers["x-amzn-apigateway-api-id"] == "chat"
        assert TRACE.fullmatch(headers["X-Amzn-Trace-Id"])
        assert headers.get("Content-Type", "application/json") == "application/json"


async def test_http_gets_none_of_the_clients_headers_on_connect(gateway: TestGateway, backend: Backend):
    """A choice: only what is mapped comes from the client, as for messages."""
    gateway.serve(*all_routes(backend, "HTTP"))
    headers = by_name((await a_life(gateway, backend, headers=CLIENT[:3] + CLIENT[5:]))["$connect"])
    own = {name for name in headers if not name.startswith("Wsgw-")}
    names = {"Host", "User-Agent", "x-amzn-apigateway-api-id", "X-Amzn-Trace-Id", "Content-Length", "Content-Type"}
    assert own == names
    assert headers["User-Agent"] == "AmazonAPIGateway_chat"


async def test_the_trace_of_the_client_goes_on_to_connect(gateway: TestGateway, backend: Backend):
    trace = "Root=1-66f00000-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1"
    for kind in ("HTTP_PROXY", "HTTP"):
        gateway.serve(*all_routes(backend, kind))
        await gateway.connect(headers=[("x-amzn-trace-id", trace)])
        assert backend.got("/CONNECT")[-1].header("X-Amzn-Trace-Id") == trace


async def test_every_message_has_a_trace_of_its_own(gateway: TestGateway, backend: Backend):
    gateway.serve(*all_routes(backend))
    client = await gateway.connect()
    for _ in range(3):
        await client.send_text(MESSAGE)
    received = await backend.wait_for("/MESSAGE", 3)
    assert len({one.header("X-Amzn-Trace-Id") for one in received}) == 3


async def test_a_binary_message_is_an_octet_stream(gateway: TestGateway, backend: Backend):
    gateway.serve(route("$default", Integration(type="HTTP_PROXY", uri=f"{backend.url}/x")), binary_messages="PASS")
    client = await gateway.connect()
    await client.send_frame(BINARY, b"\x00\xff")
    (received,) = await backend.wait_for("/x")
    assert (received.body, by_name(received)["Content-Type"]) == (b"\x00\xff", "application/octet-stream")


# ---- Wsgw-*


@KINDS
async def test_each_event_says_all_that_it_knows(gateway: TestGateway, backend: Backend, kind: str):
    gateway.serve(*all_routes(backend, kind))
    life = await a_life(gateway, backend)
    for key, received in life.items():
        headers = by_name(received)
        assert {name for name in headers if name.startswith("Wsgw-")} == ON_EVERY_EVENT | OF_AN_EVENT[key], key
        assert headers["Wsgw-Event-Type"] == EVENTS[key]
        assert headers["Wsgw-Route-Key"] == key
        assert (headers["Wsgw-Api-Id"], headers["Wsgw-Stage"]) == ("chat", "prod")
        assert headers["Wsgw-Source-Ip"] == "127.0.0.1"
    for name in ("Wsgw-Connection-Id", "Wsgw-Connected-At", "Wsgw-Callback-Url"):
        assert len({by_name(received)[name] for received in life.values()}) == 1, name
    assert len({by_name(received)["Wsgw-Request-Id"] for received in life.values()}) == 3
    ending = by_name(life["$disconnect"])
    assert (ending["Wsgw-Disconnect-Code"], ending["Wsgw-Disconnect-Reason"]) == ("4000", "enough")


@KINDS
async def test_connected_at_is_the_time_of_the_handshake(gateway: TestGateway, backend: Backend, kind: str):
    gateway.serve(*all_routes(backend, kind))
    before = gateway.clock.wall_ms()
    client = await gateway.connect()
    after = gateway.clock.wall_ms()
    gateway.advance(100)
    await client.send_text(MESSAGE)
    (received,) = await backend.wait_for("/MESSAGE")
    assert before <= int(by_name(received)["Wsgw-Connected-At"]) <= after


@KINDS
async def test_strict_sends_none_of_them(make_gateway: MakeGateway, backend: Backend, kind: str):
    gateway = await make_gateway(strict=True)
    gateway.serve(*all_routes(backend, kind))
    for received in (await a_life(gateway, backend)).values():
        assert not [name for name, _ in received.headers if name.lower().startswith("wsgw")]
        assert received.header("x-amzn-apigateway-api-id") == "chat"
        assert received.header("X-Amzn-Trace-Id") is not None


@pytest.mark.parametrize("strict", [False, True], ids=["usual", "strict"])
async def test_what_a_client_calls_so_is_dropped(make_gateway: MakeGateway, backend: Backend, strict: bool):
    gateway = await make_gateway(strict=strict)
    gateway.serve(*all_routes(backend))
    forged = [("Wsgw-Connection-Id", "forged"), ("wsgw-principal-id", "admin"), ("WSGW-ANYTHING", "forged")]
    life = await a_life(gateway, backend, headers=forged)
    for received in life.values():
        assert not {"forged", "admin"} & {value for _, value in received.headers}


@pytest.mark.parametrize("at", ["$connect", "x"])
async def test_the_callback_url_answers_the_client_when_it_is_posted_to(
    gateway: TestGateway, backend: Backend, at: str
):
    gateway.deploy(api(*all_routes(backend)), api(*all_routes(backend), id="other"))
    client = await gateway.connect("/chat/prod")
    await client.send_text(MESSAGE)
    await backend.wait_for("/MESSAGE")
    url = by_name(backend.got(f"/{EVENTS[at]}")[0])["Wsgw-Callback-Url"]
    parts = urlsplit(url)
    # To the letter, as a backend that knows nothing of us would: no decoding, no second look.
    assert (parts.scheme, f"http://{parts.netloc}") == ("http", gateway.url)
    assert unquote(parts.path.rpartition("/")[2]) == gateway.connections[0].id
    assert "=" not in parts.path
    response = await exchange(url, request(parts.path, parts.netloc, body=b"hello", method="POST"))
    assert response.status == 200
    assert await client.receive_text() == "hello"


async def test_the_callback_url_is_the_public_one_whatever_host_the_client_names(
    make_gateway: MakeGateway, backend: Backend
):
    gateway = await make_gateway(public_url="https://ws.example.com/")
    gateway.serve(*all_routes(backend))
    life = await a_life(gateway, backend, headers=[("Host", "evil.example")])
    for received in life.values():
        url = by_name(received)["Wsgw-Callback-Url"]
        assert re.fullmatch(r"https://ws\.example\.com/chat/prod/@connections/[A-Za-z0-9_-]+(%3D){0,2}", url)


async def test_without_a_public_url_the_callback_url_is_the_listeners_whatever_host_the_client_names(
    gateway: TestGateway, backend: Backend
):
    gateway.serve(*all_routes(backend))
    life = await a_life(gateway, backend, headers=[("Host", "evil.example")])
    for received in life.values():
        assert by_name(received)["Wsgw-Callback-Url"].startswith(f"{gateway.url}/chat/prod/@connections/")


async def test_the_event_id_is_of_the_connection_and_of_no_other(gateway: TestGateway, backend: Backend):
    gateway.serve(*all_routes(backend))
    for _ in range(2):
        client = await gateway.connect()
        await client.close()
    received = await backend.wait_for("/DISCONNECT", 2)
    ids = [(one.header("Wsgw-Event-Id"), one.header("Wsgw-Connection-Id")) for one in received]
    assert len({event for event, _ in ids}) == 2
    # Nothing but the connection is in it, so that another delivery of the event has the same.
    assert all(event == f"{connection}.disconnect" for event, connection in ids)


REASONS = [
    pytest.param("", "", id="empty"),
    pytest.param("bye, all: 100% [ok]", "bye, all: 100%25 [ok]", id="a percent sign"),
    pytest.param("a\r\nX-Injected: 1", "a%0D%0AX-Injected: 1", id="a line break"),
    pytest.param("Grüße", "Gr%C3%BC%C3%9Fe", id="letters beyond ASCII"),
]


@pytest.mark.parametrize(("reason", "header"), REASONS)
async def test_a_reason_the_client_chose_adds_no_header(
    gateway: TestGateway, backend: Backend, reason: str, header: str
):
    gateway.serve(*all_routes(backend))
    client = await gateway.connect()
    await client.close(4000, reason)
    (received,) = await backend.wait_for("/DISCONNECT")
    headers = by_name(received)
    assert headers["Wsgw-Disconnect-Reason"] == header
    assert unquote(header) == reason
    assert "X-Injected" not in headers


async def test_a_route_key_of_any_script_is_percent_encoded(gateway: TestGateway, backend: Backend):
    key = "größe\r\nX: 1%"
    gateway.serve(route(key, Integration(type="HTTP_PROXY", uri=f"{backend.url}/x")))
    client = await gateway.connect()
    await client.send_json({"action": key})
    (received,) = await backend.wait_for("/x")
    headers = by_name(received)
    assert unquote(headers["Wsgw-Route-Key"]) == key
    assert headers["Wsgw-Route-Key"].isascii()
    assert "X" not in headers
