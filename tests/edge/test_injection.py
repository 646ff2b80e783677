"""Line ends and other control characters, wherever somebody else's text gets into a head: never a line of its own.

Check S-05. Upstream is looked at as bytes: a backend without an HTTP library keeps every head that it gets. Downstream,
every byte that the gateway sends must be part of exactly one response. Sources: RFC 9110 section 5.5, RFC 9112 section
11.1.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.harness import bad_backend as bad
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.line_ends import EVIL
from tests.harness.raw_http import authority, request, split_responses
from tests.harness.raw_websocket import CLOSE, Response, client_frame, handshake, open_socket
from wsgw.definitions.api import Stage
from wsgw.definitions.route import Integration
from wsgw.errors import DefinitionError


@pytest.fixture
async def upstream() -> AsyncIterator[bad.Backend]:
    """A backend that keeps heads as bytes and says `fine` to every request."""
    async with bad.bad_backend(bad.says_always(bad.answer(b"fine"))) as backend:
        yield backend


def without_evil(upstream: bad.Backend) -> list[bad.Request]:
    """What came upstream; fails if any of it has a line that the gateway did not mean to send."""
    for sent in upstream.requests:
        assert b"/evil" not in sent.line
        for line in sent.head.split(b"\r\n"):
            assert not line.lower().startswith(b"x-evil"), sent.head
            assert not any(character in line for character in b"\r\n\0"), line
    return upstream.requests


def value(request: bad.Request, name: str) -> bytes:
    """The one value of a header."""
    wanted = name.lower().encode() + b":"
    (found,) = [line for line in request.headers if line.lower().startswith(wanted)]
    return found[len(wanted) :].strip()


async def shake(gateway: TestGateway, target: str = "/prod", headers: list[tuple[str, str]] | None = None) -> Response:
    """The answer to a handshake, and that it is one answer: what follows it is the answer to what was sent next."""
    async with await open_socket(gateway.url) as socket:
        await socket.send(handshake(target, authority(gateway.url), headers or []))
        answer = await socket.receive_response()
        if answer.status == 101:
            await socket.send(client_frame(CLOSE))
            assert (await socket.receive_to_eof())[:1] == b"\x88"
        else:
            await socket.send(request("/", authority(gateway.url), [("Connection", "close")]))
            (other,) = split_responses(await socket.receive_to_eof())
            assert (other.status, other.body) == (403, b'{"message":"Forbidden"}')
    return answer


# ---- upstream


@pytest.mark.parametrize("text", EVIL)
async def test_a_query_value_mapped_to_a_header_adds_no_line(gateway: TestGateway, upstream: bad.Backend, text: str):
    mapped = {"integration.request.header.X-Token": "route.request.querystring.token"}
    connect = http(upstream.url, request_parameters=mapped)
    gateway.serve(route("$connect", connect, request_parameters={"route.request.querystring.token": False}))
    answer = await shake(gateway, f"/prod?token={quote(text)}")
    assert answer.status in (101, 500)
    if any(character in text for character in "\r\n\0\x1b"):
        assert answer.status == 500
    for sent in without_evil(upstream):
        assert value(sent, "X-Token") == text.encode("utf-8" if max(text) > "\xff" else "latin-1")


@pytest.mark.parametrize("text", EVIL)
async def test_a_query_goes_upstream_percent_encoded(gateway: TestGateway, upstream: bad.Backend, text: str):
    gateway.serve(route("$connect", http(upstream.url)))
    await (await gateway.connect(f"/prod?token={quote(text)}&{quote(text)}=1")).close()
    (sent,) = without_evil(upstream)
    assert sent.line.startswith(b"POST /?token=a")
    assert sent.line.endswith(b" HTTP/1.1")
    assert sent.line.count(b" ") == 2


@pytest.mark.parametrize("text", EVIL)
@pytest.mark.parametrize("place", ["header.X-Name", "querystring.name", "path.name"])
async def test_a_member_of_a_message_mapped_upstream_adds_no_line(
    gateway: TestGateway, upstream: bad.Backend, place: str, text: str
):
    mapped = {f"integration.request.{place}": "route.request.body.name"}
    send = http(f"{upstream.url}at/{{name}}/end", request_parameters=mapped)
    gateway.serve(route("send", send, two_way=True), route("ping", mock("pong"), two_way=True))
    client = await gateway.connect()
    await client.send_json({"action": "send", "name": text})
    answer = await client.receive()
    assert answer == b"fine" or b'"Internal server error"' in answer
    for sent in without_evil(upstream):
        assert sent.line.count(b" ") == 2
    if not place.startswith("header") and "\r" not in text:
        assert answer == b"fine", "percent-encoded, it may go"
    await client.send_json({"action": "ping"})
    assert await client.receive() == b"pong"


@pytest.mark.parametrize("text", EVIL)
async def test_a_close_reason_is_one_header_upstream(gateway: TestGateway, backend: Backend, text: str):
    gateway.serve(route("$disconnect", http(f"{backend.url}/bye")))
    client = await gateway.connect()
    await client.close(4000, text)
    (bye,) = await backend.wait_for("/bye")
    assert [name for name, _ in bye.headers if name.lower() == "x-evil"] == []
    assert bye.header("wsgw-disconnect-code") == "4000"
    assert bye.header("wsgw-disconnect-reason") == quote(text, safe=" !#$&'()*+,/:;=?@[]~.-_")
    assert len(backend.requests) == 1


@pytest.mark.parametrize("text", EVIL)
async def test_a_route_key_is_one_header_upstream(gateway: TestGateway, upstream: bad.Backend, text: str):
    gateway.serve(route(text, http(upstream.url), two_way=True))
    client = await gateway.connect()
    await client.send_json({"action": text})
    assert await client.receive() == b"fine"
    (sent,) = without_evil(upstream)
    assert value(sent, "Wsgw-Route-Key") == quote(text, safe="$ !#&'()*+,/:;=?@[]~|^<>{}").encode()


@pytest.mark.parametrize("text", EVIL)
async def test_a_stage_variable_mapped_to_a_header_adds_no_line(gateway: TestGateway, upstream: bad.Backend, text: str):
    mapped = {"integration.request.header.X-Tier": "stageVariables.tier"}
    stage = Stage(name="prod", variables={"tier": text})
    gateway.serve(route("send", http(upstream.url, request_parameters=mapped), two_way=True), stage=stage)
    client = await gateway.connect()
    await client.send_json({"action": "send"})
    answer = await client.receive()
    assert answer == b"fine" or b'"Internal server error"' in answer
    without_evil(upstream)


@pytest.mark.parametrize("text", EVIL)
async def test_a_stage_variable_that_makes_no_url_is_not_deployed(
    gateway: TestGateway, upstream: bad.Backend, text: str
):
    stage = Stage(name="prod", variables={"path": text})
    with pytest.raises(DefinitionError, match=r"routes\.send: invalid_url"):
        gateway.serve(route("send", http(f"{upstream.url}${{stageVariables.path}}"), two_way=True), stage=stage)


async def test_obs_text_in_a_handshake_goes_upstream_as_the_same_bytes(gateway: TestGateway, upstream: bad.Backend):
    gateway.serve(route("$connect", http(upstream.url)))
    client = await gateway.connect(headers=[("X-Name", "caf\xe9\xff"), ("Cookie", "a=\x80"), ("X-Tab", "a\tb")])
    await client.close()
    (sent,) = without_evil(upstream)
    assert value(sent, "X-Name") == b"caf\xe9\xff"
    assert value(sent, "Cookie") == b"a=\x80"
    assert value(sent, "X-Tab") == b"a\tb"


OURS = [
    "Wsgw-Connection-Id",
    "WSGW-EVENT-TYPE",
    "wsgw-principal-id",
    "Wsgw-Anything",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "Forwarded",
    "X-Amzn-Apigateway-Api-Id",
]


@pytest.mark.parametrize("name", OURS)
async def test_headers_that_are_the_gateways_are_never_a_clients(
    gateway: TestGateway, upstream: bad.Backend, name: str
):
    gateway.serve(route("$connect", http(upstream.url)))
    await (await gateway.connect(headers=[(name, "forged"), (name.swapcase(), "forged")])).close()
    (sent,) = without_evil(upstream)
    assert b"forged" not in sent.head


HOP_BY_HOP = [
    ("Connection", "Upgrade, X-Kept"),
    ("TE", "trailers"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Authorization", "Basic YTpi"),
    ("Proxy-Connection", "keep-alive"),
    ("Expect", "100-continue"),
    ("Trailer", "X-Evil"),
    ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
]


@pytest.mark.parametrize(("name", "text"), [pytest.param(name, text, id=name) for name, text in HOP_BY_HOP])
async def test_headers_of_the_clients_hop_end_at_the_gateway(
    gateway: TestGateway, upstream: bad.Backend, name: str, text: str
):
    gateway.serve(route("$connect", http(upstream.url)))
    answer = await shake(gateway, headers=[(name, text)])
    assert answer.status == 101
    (sent,) = without_evil(upstream)
    assert text.encode() not in sent.head


# ---- downstream


@pytest.mark.parametrize("text", EVIL)
@pytest.mark.parametrize("where", ["value", "name", "several"])
async def test_a_functions_headers_add_no_line_to_a_refused_handshake(gateway: TestGateway, where: str, text: str):
    async def handler(event: Any, context: Any) -> Any:
        if where == "several":
            return {"statusCode": 403, "multiValueHeaders": {"X-Mine": ["good", text]}, "body": "no"}
        return {"statusCode": 403, "headers": {text: "1"} if where == "name" else {"X-Mine": text}, "body": "no"}

    gateway.serve(route("$connect", Integration(type="PYTHON", uri="handler")), handlers={"handler": handler})
    answer = await shake(gateway)
    assert answer.header("x-evil") is None
    assert answer.status in (403, 502)
    if "\r" in text or "\n" in text or "\0" in text or where == "name":
        assert answer.status == 502


@pytest.mark.parametrize(
    "name",
    ["Connection", "Content-Length", "Transfer-Encoding", "Upgrade", "Keep-Alive", "Trailer", "Sec-WebSocket-Accept"],
)
async def test_a_functions_headers_cannot_change_how_its_answer_is_framed(gateway: TestGateway, name: str):
    async def handler(event: Any, context: Any) -> Any:
        return {"statusCode": 403, "headers": {name: "7", name.swapcase(): "chunked"}, "body": "no"}

    gateway.serve(route("$connect", Integration(type="PYTHON", uri="handler")), handlers={"handler": handler})
    refused = await shake(gateway)
    assert (refused.status, refused.body, refused.header("content-length")) == (403, b"no", "2")
    assert refused.header("transfer-encoding") is None


@pytest.mark.parametrize("text", EVIL)
async def test_a_functions_subprotocol_adds_no_line_to_the_101(gateway: TestGateway, text: str):
    async def handler(event: Any, context: Any) -> Any:
        return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": text}}

    gateway.serve(route("$connect", Integration(type="PYTHON", uri="handler")), handlers={"handler": handler})
    answer = await shake(gateway, headers=[("Sec-WebSocket-Protocol", "a, b")])
    assert answer.status in (500, 502)
    assert answer.header("x-evil") is None


async def test_only_the_subprotocol_of_a_backends_headers_gets_into_the_101(gateway: TestGateway, backend: Backend):
    headers = {"Sec-WebSocket-Protocol": "b", "Set-Cookie": "a=b", "X-Evil": "1", "Sec-WebSocket-Extensions": "x"}
    backend.on("/connect", 200, "body", headers)
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    answer = await shake(gateway, headers=[("Sec-WebSocket-Protocol", "a, b")])
    assert answer.status == 101
    assert {name for name, _ in answer.headers} == {
        "date",
        "connection",
        "upgrade",
        "sec-websocket-accept",
        "sec-websocket-protocol",
    }
    assert answer.header("sec-websocket-protocol") == "b"


BAD_HEADS = [
    ("bare-lf", b"X-A: 1\nX-Evil: 1\r\n"),
    ("bare-cr", b"X-A: 1\rX-Evil: 1\r\n"),
    ("fold", b"X-A: 1\r\n X-Evil: 1\r\n"),
    ("nul", b"X-A: 1\0X-Evil: 1\r\n"),
    ("blank-before-colon", b"X-A : 1\r\n"),
    ("no-colon", b"X-A\r\n"),
]


@pytest.mark.parametrize("lines", [pytest.param(lines, id=name) for name, lines in BAD_HEADS])
async def test_a_backends_malformed_headers_add_no_line_to_a_refused_handshake(gateway: TestGateway, lines: bytes):
    async with bad.bad_backend(bad.says_always(bad.answer(b"no", "403 Forbidden", lines))) as backend:
        gateway.serve(route("$connect", http(backend.url)))
        answer = await shake(gateway)
        assert answer.status in (403, 504)
        assert answer.header("x-evil") is None
        await gateway.stop()


async def test_a_backends_obs_text_comes_to_the_client_as_the_same_bytes(gateway: TestGateway):
    refusal = bad.answer(b"no", "403 Forbidden", b"X-Name: caf\xe9\r\n")
    async with bad.bad_backend(bad.says_always(refusal)) as backend:
        gateway.serve(route("$connect", http(backend.url)))
        assert (await shake(gateway)).header("x-name") == "caf\xe9"
        await gateway.stop()
