"""The lanes and aiohttp are two doors to one gateway: the same request gets the same bytes through both.

Two gateways, one with the lanes on and one with them off, serve the same APIs. What they answer may differ in dates and
ids, and in nothing else: not in the order of headers, not in the case of a letter.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.harness.gateway import TestGateway, api, mock, route
from tests.harness.http_api import answer, http_api
from tests.harness.raw_http import split_responses, talk
from tests.harness.raw_websocket import CLOSE, KEY, TEXT, RawWebSocket, client_frame
from wsgw.definitions.api import Stage, StageLimits
from wsgw.definitions.route import Integration
from wsgw.invocation import HttpInvocation, Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOST = b"Host: gateway.example\r\n"
LAST = b"GET /last HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
GOODBYE = client_frame(CLOSE, b"\x03\xe8")


def get(target: str, *lines: str, method: str = "GET", body: bytes = b"", version: str = "HTTP/1.1") -> bytes:
    head = [f"{method} {target} {version}".encode(), HOST.strip(), *(line.encode("latin-1") for line in lines)]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def post(target: str, body: bytes, *lines: str, version: str = "HTTP/1.1") -> bytes:
    return get(target, f"Content-Length: {len(body)}", *lines, method="POST", body=body, version=version)


def upgrade(target: str = "/chat/prod", *lines: str, without: str = "", method: str = "GET") -> bytes:
    usual = ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13"]
    return get(target, *(line for line in usual if not without or not line.startswith(without)), *lines, method=method)


PUSH = "/chat/prod/@connections/{id}"
REQUESTS: list[tuple[str, bytes]] = [
    # Handshakes
    ("handshake", upgrade() + GOODBYE),
    ("handshake-and-message", upgrade() + client_frame(TEXT, b'{"action":"ping"}') + GOODBYE),
    ("handshake-and-bad-frame", upgrade() + b"GET / HTTP/1.1\r\n\r\n"),
    ("handshake-with-slash", upgrade("/chat/prod/") + GOODBYE),
    ("handshake-with-query", upgrade("/chat/prod?a=b&c=%20") + GOODBYE),
    ("handshake-to-absolute-target", upgrade("http://gateway.example/chat/prod") + GOODBYE),
    ("handshake-with-subprotocol", upgrade("/chat/prod", "Sec-WebSocket-Protocol: a, b") + GOODBYE),
    ("handshake-with-extension", upgrade("/chat/prod", "Sec-WebSocket-Extensions: permessage-deflate") + GOODBYE),
    ("handshake-with-length-0", upgrade("/chat/prod", "Content-Length: 0") + GOODBYE),
    ("handshake-with-body", upgrade("/chat/prod", "Content-Length: 4") + b"body" + LAST),
    ("handshake-with-many-headers", upgrade("/chat/prod", *(f"X-{n}: y" for n in range(300))) + GOODBYE),
    ("handshake-with-obs-text", upgrade("/chat/prod", "X: \xe9\xff") + GOODBYE),
    ("handshake-below-the-stage", upgrade("/chat/prod/more") + LAST),
    ("handshake-to-no-stage", upgrade("/chat/none") + LAST),
    ("handshake-without-key", upgrade(without="Sec-WebSocket-Key")),
    ("handshake-without-version", upgrade(without="Sec-WebSocket-Version")),
    ("handshake-of-version-8", upgrade("/chat/prod", "Sec-WebSocket-Version: 8", without="Sec-WebSocket-Version")),
    ("handshake-without-upgrade", upgrade(without="Upgrade") + LAST),
    ("handshake-without-connection", upgrade(without="Connection") + LAST),
    ("handshake-by-post", upgrade(method="POST") + LAST),
    ("handshake-of-another-protocol", get("/chat/prod", "Upgrade: h2c", "Connection: Upgrade") + LAST),
    ("handshake-refused-by-its-backend", upgrade("/closed/prod") + LAST),
    ("handshake-refused-by-a-function", upgrade("/function/prod") + LAST),
    ("handshake-of-a-bad-origin", upgrade("/origin/prod", "Origin: http://bad.example") + LAST),
    ("handshake-after-another-request", post(PUSH, b"one") + upgrade() + GOODBYE),
    ("handshake-with-two-hosts", upgrade("/chat/prod", "Host: other")),
    ("handshake-with-two-authorizations", upgrade("/chat/prod", "Authorization: a", "Authorization: b")),
    # @connections
    ("post", post(PUSH, b"hello") + LAST),
    ("post-empty", post(PUSH, b"") + LAST),
    ("post-without-length", get(PUSH, method="POST") + LAST),
    ("post-binary", post(PUSH, b"\0\xff", "Content-Type: application/octet-stream") + LAST),
    ("post-chunked", get(PUSH, "Transfer-Encoding: chunked", method="POST", body=b"2\r\nhi\r\n0\r\n\r\n") + LAST),
    ("post-of-the-most", post(PUSH, b"x" * 131_072) + LAST),
    ("post-too-large", post(PUSH, b"x" * 131_073)),
    ("post-and-close", post(PUSH, b"hello", "Connection: close")),
    ("post-in-http-1.0", post(PUSH, b"hello", version="HTTP/1.0")),
    ("post-in-http-1.0-kept-alive", post(PUSH, b"hello", "Connection: keep-alive", version="HTTP/1.0") + LAST),
    ("post-to-absolute-target", post("http://gateway.example" + PUSH, b"hello") + LAST),
    ("post-to-encoded-path", post(PUSH.replace("@", "%40"), b"hello") + LAST),
    ("posts-pipelined", post(PUSH, b"one") * 5 + LAST),
    ("post-to-nobody", post("/chat/prod/@connections/nobody", b"hello") + LAST),
    ("post-to-another-api", post("/closed/prod/@connections/{id}", b"hello") + LAST),
    ("get", get(PUSH) + LAST),
    ("get-with-body", get(PUSH, "Content-Length: 4", body=b"body") + LAST),
    ("head", get(PUSH, method="HEAD") + LAST),
    ("put", get(PUSH, method="PUT") + LAST),
    ("options", get(PUSH, method="OPTIONS") + LAST),
    # Requests to a REST and to an HTTP API
    ("rest-get", get("/pets/prod/cats?a=b") + LAST),
    ("rest-get-twice", get("/pets/prod/cats?a=b") * 2 + LAST),
    ("rest-post", post("/pets/prod/cats", b"body") + LAST),
    (
        "rest-post-chunked",
        get("/pets/prod/cats", "Transfer-Encoding: chunked", method="POST", body=b"2\r\nhi\r\n0\r\n\r\n") + LAST,
    ),
    ("rest-post-of-the-most", post("/pets/prod/cats", b"x" * 1000) + LAST),
    ("rest-post-too-large", post("/pets/prod/cats", b"x" * 1001)),
    ("rest-get-with-body", get("/pets/prod/cats", "Content-Length: 4", body=b"body") + LAST),
    ("rest-get-and-close", get("/pets/prod/cats", "Connection: close")),
    ("rest-get-in-http-1.0", get("/pets/prod/cats", version="HTTP/1.0")),
    ("rest-get-in-http-1.0-kept-alive", get("/pets/prod/cats", "Connection: keep-alive", version="HTTP/1.0") + LAST),
    ("rest-get-with-options-of-the-connection", get("/pets/prod/cats", "Connection: X-A", "X-A: b") + LAST),
    ("rest-get-expecting", post("/pets/prod/cats", b"hi", "Expect: 200-ok") + LAST),
    (
        "rest-get-and-h2c",
        get("/pets/prod/cats", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: x"),
    ),
    ("rest-get-of-absolute-target", get("http://gateway.example/pets/prod/cats?a") + LAST),
    ("rest-get-with-many-slashes", get("//pets//prod//cats//") + LAST),
    ("rest-get-with-dot-segments", get("/pets/prod/x/../cats") + LAST),
    ("rest-get-with-a-bar", get("/pets/prod/cats?a|b") + LAST),
    ("rest-get-with-a-fragment", get("/pets/prod/cats#x") + LAST),
    ("rest-overriding-method", get("/pets/prod/cats", "X-HTTP-Method-Override: PUT") + LAST),
    ("rest-put", post("/pets/prod/cats", b"", "X-A: b").replace(b"POST", b"PUT", 1) + LAST),
    ("rest-options", get("/pets/prod/cats", method="OPTIONS") + LAST),
    ("rest-trace", get("/pets/prod/cats", method="TRACE") + LAST),
    ("rest-handshake", upgrade("/pets/prod/cats") + LAST),
    ("rest-no-route", get("/pets/prod/dogs") + LAST),
    ("rest-no-stage", get("/pets/none/cats") + LAST),
    ("http-get", get("/web/prod/x?a=b") + LAST),
    ("http-post-too-large", post("/web/prod/x", b"x" * 1001)),
    ("http-head", get("/web/prod/x", method="HEAD") + LAST),
    # Anything else
    ("get-of-a-stage", get("/chat/prod") + LAST),
    ("get-of-nothing", get("/") + LAST),
    ("head-of-nothing", get("/", method="HEAD") + LAST),
    ("asterisk", get("*", method="OPTIONS")),
    ("unknown-method", get("/", method="BREW")),
    ("post-of-nothing", post("/", b"hello") + LAST),
    ("http-1.0", get("/", version="HTTP/1.0")),
    ("http-2.0", get("/", version="HTTP/2.0")),
    ("nonsense", b"nonsense\r\n\r\n"),
    ("long-target", get("/" + "x" * 4096)),
    ("long-header", get("/", "X: " + "y" * 11_000)),
    ("very-long-header", get("/", "X: " + "y" * 20_000)),
    ("many-headers", get("/", *(f"X-{n}: y" for n in range(2000)))),
    ("two-lengths", get("/", "Content-Length: 0", "Content-Length: 0", method="POST")),
    ("no-host", b"GET / HTTP/1.1\r\n\r\n"),
    ("connect", get("gateway.example:443", method="CONNECT")),
    # Not on a connection that is used again: it ends the connection that the others push to.
    ("delete", get(PUSH, method="DELETE") + LAST),
]


async def refuse(event: object, context: object) -> dict[str, object]:
    return {"statusCode": 401, "headers": {"WWW-Authenticate": "Bearer", "X-Several": "1"}, "body": "who?"}


def seen(invocation: HttpInvocation) -> Reply:
    said = [invocation.method, invocation.path, invocation.raw_query, invocation.protocol, *invocation.fields.lines]
    return Reply(200, f"{said} {invocation.body!r}".encode(), [("Content-Type", "text/plain")])


async def start(lanes: bool) -> tuple[TestGateway, RawWebSocket]:
    gateway = await TestGateway(lanes, public_url="https://gateway.example").start()
    ping = route("ping", mock('{"pong":true}'), two_way=True)
    closed = Integration(type="MOCK", request_templates={"$default": '{"statusCode": 403}'})
    gateway.deploy(
        api(route("$connect", mock("")), ping),
        api(route("$connect", closed), id="closed"),
        api(route("$connect", Integration(type="PYTHON", uri="refuse")), id="function"),
        api(ping, id="origin", stage=Stage(name="prod", allowed_origins=("https://good.example",))),
        http_api("ANY /cats", limits=StageLimits(payload_bytes=1000)),
        http_api("$default", id="web", protocol="HTTP", limits=StageLimits(payload_bytes=1000)),
        handlers={"refuse": refuse},
    )
    answer(gateway, "GET /cats", seen)
    answer(gateway, "$default", seen, api="web")
    return gateway, await gateway.connect("/chat/prod")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors() -> AsyncIterator[list[tuple[TestGateway, RawWebSocket]]]:
    """The gateway with the lanes on and its client, and the one with them off."""
    both = [await start(True), await start(False)]
    yield both
    for gateway, _ in both:
        await gateway.stop()


_VARIES = [
    (re.compile(rb"(?im)^(date: ).*?\r$"), rb"\1DATE\r"),
    (re.compile(rb"(?im)^(x-amzn-requestid: )[0-9a-f-]{36}\r$"), rb"\1UUID\r"),
    (re.compile(rb"(?im)^(x-amz-apigw-id: |apigw-requestid: )[\w=-]{16}\r$"), rb"\1ID\r"),
    (re.compile(rb"(?im)^(x-amzn-trace-id: )Root=1-[0-9a-f]{8}-[0-9a-f]{24}\r$"), rb"\1TRACE\r"),
    (re.compile(rb'("connectionId": ?")[\w=-]+"'), rb'\1ID"'),
    (re.compile(rb'("requestId": ?")[\w=-]+"'), rb'\1ID"'),
    (re.compile(rb'("(?:connectedAt|lastActiveAt)" : ")[0-9T:.-]+Z"'), rb'\1TIME"'),
]


def normal(received: bytes) -> bytes:
    """`received` without dates and ids; each has its shape, or stays."""
    for pattern, replacement in _VARIES:
        received = pattern.sub(replacement, received)
    return received


@pytest.mark.parametrize("request_bytes", [pytest.param(data, id=name) for name, data in REQUESTS])
async def test_both_doors_answer_with_the_same_bytes(
    doors: list[tuple[TestGateway, RawWebSocket]], request_bytes: bytes
):
    answers = []
    for gateway, _ in doors:
        id = gateway.connections[0].id.replace("=", "%3D")
        received = await talk(gateway.url, request_bytes.replace(b"{id}", id.encode()))
        if b" 101 " not in received and b"HEAD" not in request_bytes:
            assert split_responses(received)
        answers.append(normal(received))
    assert answers[0] == answers[1]
    assert answers[0].startswith(b"HTTP/1.1 ")
