"""The upgrade request: which ones are let through to `$connect`, what it is told, and what all others get.

Checks T-04 over the wire, S-03 (Host), S-04 (versions and h2c), and what stands in front of the gateway. Sources:
RFC 6455 section 4.2, RFC 9110 sections 7.2, 7.6.1 and 7.8, RFC 9112 section 3.2.2; AWS WebSocket developer guide,
"Invoke a WebSocket API"; queries and headers in events as recorded on the service in September 2026.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway, api, http, mock, route
from tests.harness.raw_http import authority, request, split_responses, talk
from tests.harness.raw_websocket import KEY, HandshakeRefused, Response, exchange, handshake, open_socket
from wsgw.definitions.api import Stage
from wsgw.definitions.route import Integration

PING = route("ping", mock('{"pong":true}'), two_way=True)
CONNECT_PYTHON = route("$connect", Integration(type="PYTHON", uri="connect"))


class Recorder:
    """A Python handler that lets everybody in and keeps the events."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    async def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        self.events.append(event)
        return {"statusCode": 200}


def is_forbidden(response: Response) -> bool:
    """What an address gets that leads nowhere."""
    assert (response.status, response.body) == (403, b'{"message":"Forbidden"}')
    assert response.header("content-type") == "application/json"
    assert response.header("x-amzn-errortype") == "ForbiddenException"
    return True


# ---- the path


@pytest.mark.parametrize("path", ["/prod", "/prod/", "/chat/prod", "/chat/prod/", "/prod?", "/prod/?a=1"])
async def test_the_stages_url_opens_with_and_without_a_trailing_slash(gateway: TestGateway, path: str):
    gateway.serve(PING)
    client = await gateway.connect(path)
    await client.send_json({"action": "ping"})
    assert await client.receive_json() == {"pong": True}


NOWHERE = [
    pytest.param("/", id="no-stage"),
    pytest.param("/prod/more", id="a-segment-too-many"),
    pytest.param("/prod/more/", id="a-segment-too-many-and-a-slash"),
    pytest.param("/prod//", id="an-empty-segment-too-many"),
    pytest.param("/chat/prod/more", id="a-segment-behind-api-and-stage"),
    pytest.param("/prod/@connections", id="connections-without-an-id"),
    pytest.param("/PROD", id="stages-have-a-case"),
    pytest.param("/prod%20", id="a-blank"),
    pytest.param("//prod", id="an-empty-first-segment"),
    pytest.param("/./prod", id="dots-are-not-resolved"),
    pytest.param("/prod/../prod", id="double-dots-are-not-resolved"),
    pytest.param("/nothing", id="unknown-stage"),
    pytest.param("/chat/nothing", id="unknown-stage-of-a-known-api"),
    pytest.param("/nothing/prod", id="unknown-api"),
    pytest.param("/chat", id="api-without-a-stage"),
]


@pytest.mark.parametrize("path", NOWHERE)
async def test_any_other_path_is_forbidden(gateway: TestGateway, backend: Backend, path: str):
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    with pytest.raises(HandshakeRefused) as refusal:
        await gateway.connect(path)
    assert is_forbidden(refusal.value.response)
    assert (gateway.connections, backend.requests) == ([], [])


async def test_nothing_is_behind_any_path_before_the_first_deployment(gateway: TestGateway):
    with pytest.raises(HandshakeRefused) as refusal:
        await gateway.connect()
    assert is_forbidden(refusal.value.response)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["/prod", "/nothing"])
async def test_a_request_that_is_no_upgrade_is_forbidden(gateway: TestGateway, method: str, path: str):
    gateway.serve(PING)
    host = authority(gateway.url)
    async with await open_socket(gateway.url) as socket:
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n"
        await socket.send(f"{head}Connection: close\r\n\r\n".encode())
        received = await socket.receive_to_eof()
    if method == "HEAD":
        assert received.endswith(b"\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 403 ")
        return
    (response,) = split_responses(received)
    assert is_forbidden(response)


async def test_after_a_plain_request_the_same_connection_may_be_upgraded(gateway: TestGateway):
    gateway.serve(PING)
    host = authority(gateway.url)
    async with await open_socket(gateway.url) as socket:
        await socket.send(request("/prod", host))
        assert is_forbidden(await socket.receive_response())
        await socket.send(handshake("/prod", host))
        assert (await socket.receive_response()).status == 101
        assert len(gateway.connections) == 1


# ---- its length


def path_of(length: int) -> str:
    return "/prod?q=" + "a" * (length - len("/prod?q="))


async def test_a_url_of_4096_characters_opens(gateway: TestGateway):
    handler = Recorder()
    gateway.serve(CONNECT_PYTHON, handlers={"connect": handler})
    await gateway.connect(path_of(4096))
    assert len(handler.events[0]["queryStringParameters"]["q"]) == 4096 - len("/prod?q=")


@pytest.mark.parametrize("length", [4097, 5000, 9000])
async def test_a_longer_url_is_a_414(gateway: TestGateway, length: int):
    gateway.serve(PING)
    (response,) = split_responses(await talk(gateway.url, handshake(path_of(length), authority(gateway.url))))
    assert (response.status, response.header("connection")) == (414, "close")
    assert gateway.connections == []


# ---- the query

QUERIES = [
    pytest.param("?a=1", [("a", "1")], "a=1", id="one"),
    pytest.param("?a=b+c", [("a", "b c")], "a=b+c", id="plus-is-a-blank"),
    pytest.param("?a=b%20c", [("a", "b c")], "a=b+c", id="encoded-blank"),
    pytest.param("?a=b%2Bc", [("a", "b+c")], "a=b%2Bc", id="encoded-plus-is-a-plus"),
    pytest.param("?k+1=x", [("k 1", "x")], "k+1=x", id="plus-in-a-key"),
    pytest.param("?r=first&a=1&r=last", [("r", "first"), ("a", "1"), ("r", "last")], "r=first&a=1&r=last", id="repeat"),
    pytest.param("?r=same&r=same", [("r", "same"), ("r", "same")], "r=same&r=same", id="repeat-of-a-value"),
    pytest.param("?a", [("a", "")], "a=", id="key-alone"),
    pytest.param("?a=", [("a", "")], "a=", id="empty-value"),
    pytest.param("?=v", [("", "v")], "=v", id="empty-key"),
    pytest.param("?a=b=c", [("a", "b=c")], "a=b%3Dc", id="equals-sign-in-a-value"),
    pytest.param("?a=1;b=2", [("a", "1;b=2")], "a=1%3Bb%3D2", id="semicolons-separate-nothing"),
    pytest.param("?a=%C3%A9", [("a", "é")], "a=%C3%A9", id="utf-8"),
    pytest.param("?a=%26b%3D1", [("a", "&b=1")], "a=%26b%3D1", id="encoded-separators-stay-so"),
    pytest.param("?a=/x?y", [("a", "/x?y")], "a=%2Fx%3Fy", id="slash-and-question-mark"),
    pytest.param("?A=1&a=2", [("A", "1"), ("a", "2")], "A=1&a=2", id="keys-have-a-case"),
    pytest.param("?a=%0d%0aX:1", [("a", "\r\nX:1")], "a=%0D%0AX%3A1", id="line-ends"),
]


@pytest.mark.parametrize(("query", "pairs", "sent"), QUERIES)
async def test_the_query_reaches_the_event_and_the_backend(
    gateway: TestGateway, backend: Backend, query: str, pairs: list[tuple[str, str]], sent: str
):
    handler = Recorder()
    stages = {"prod": Stage(name="prod")}
    gateway.deploy(
        api(CONNECT_PYTHON, id="events", stages=stages),
        api(route("$connect", http(f"{backend.url}/connect")), id="http", stages=stages),
        handlers={"connect": handler},
    )
    await gateway.connect("/events/prod" + query)
    (event,) = handler.events
    assert event["queryStringParameters"] == dict(pairs)  # the last value of a key
    several: dict[str, list[str]] = {}
    for name, value in pairs:
        several.setdefault(name, []).append(value)
    assert event["multiValueQueryStringParameters"] == several
    async with await open_socket(gateway.url) as socket:
        await socket.send(handshake("/http/prod" + query, authority(gateway.url)))
        assert (await socket.receive_response()).status == 101
    (received,) = backend.requests
    assert received.target == f"/connect?{sent}"


@pytest.mark.parametrize("query", ["", "?"])
async def test_without_a_query_there_is_none(gateway: TestGateway, backend: Backend, query: str):
    handler = Recorder()
    stages = {"prod": Stage(name="prod")}
    gateway.deploy(
        api(CONNECT_PYTHON, id="events", stages=stages),
        api(route("$connect", http(f"{backend.url}/connect")), id="http", stages=stages),
        handlers={"connect": handler},
    )
    await gateway.connect("/events/prod" + query)
    await gateway.connect("/http/prod" + query)
    assert not {"queryStringParameters", "multiValueQueryStringParameters"} & handler.events[0].keys()
    assert backend.requests[0].target == "/connect"


async def test_the_clients_query_is_added_to_the_integrations_own(gateway: TestGateway, backend: Backend):
    gateway.serve(route("$connect", http(f"{backend.url}/connect?own=1")))
    await gateway.connect("/prod?a=b+c")
    assert backend.requests[0].target == "/connect?own=1&a=b+c"


async def test_messages_know_nothing_of_the_query(gateway: TestGateway, backend: Backend):
    gateway.serve(route("$default", http(f"{backend.url}/message")))
    client = await gateway.connect("/prod?token=secret")
    await client.send_text("hello")
    (received,) = await backend.wait_for("/message")
    assert received.target == "/message"
    assert "secret" not in str(received.headers)


# ---- T-04

GOOD = {
    "Host": "{host}",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def altered(name: str, *values: str) -> list[tuple[str, str]]:
    """The headers of a good handshake, with these values for one of them."""
    return [(key, value) for key, value in GOOD.items() if key != name] + [(name, value) for value in values]


def raw(gateway: TestGateway, line: str, headers: Sequence[tuple[str, str]], body: bytes = b"") -> bytes:
    """A request's bytes; `{host}` stands for the gateway's own host and port."""
    host = authority(gateway.url)
    lines = [line, *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).replace("{host}", host).encode("latin-1") + body


GOOD_ROWS = [
    pytest.param("GET /prod HTTP/1.1", list(GOOD.items()), id="as-the-rfc-has-it"),
    pytest.param("GET /prod HTTP/1.1", [(n.upper(), v) for n, v in GOOD.items()], id="names-in-capitals"),
    pytest.param("GET /prod HTTP/1.1", [(n.lower(), v) for n, v in GOOD.items()], id="names-in-lower-case"),
    pytest.param("GET /prod HTTP/1.1", altered("Upgrade", "WebSocket"), id="upgrade-has-no-case"),
    pytest.param("GET /prod HTTP/1.1", altered("Connection", "keep-alive, Upgrade"), id="as-firefox-does"),
    pytest.param("GET /prod HTTP/1.1", altered("Connection", "upgrade,keep-alive"), id="without-a-blank"),
    pytest.param("GET /prod HTTP/1.1", altered("Connection", "keep-alive", "UPGRADE"), id="on-two-lines"),
    pytest.param("GET /prod HTTP/1.1", [*GOOD.items(), ("Content-Length", "0")], id="length-0"),
    pytest.param("GET http://{host}/prod HTTP/1.1", list(GOOD.items()), id="absolute-form"),
    pytest.param("GET ws://{host}/prod HTTP/1.1", list(GOOD.items()), id="absolute-form-with-ws"),
]


@pytest.mark.parametrize(("line", "headers"), GOOD_ROWS)
async def test_a_good_handshake_is_accepted(gateway: TestGateway, line: str, headers: list[tuple[str, str]]):
    gateway.serve(PING)
    async with await open_socket(gateway.url) as socket:
        await socket.send(raw(gateway, line.replace("{host}", authority(gateway.url)), headers))
        response = await socket.receive_response()
        assert response.status == 101
        assert response.header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert len(gateway.connections) == 1


GET = "GET /prod HTTP/1.1"
BAD_ROWS = [
    pytest.param("POST /prod HTTP/1.1", list(GOOD.items()), b"", 405, id="post"),
    pytest.param("PUT /prod HTTP/1.1", list(GOOD.items()), b"", 405, id="put"),
    pytest.param("OPTIONS /prod HTTP/1.1", list(GOOD.items()), b"", 405, id="options"),
    pytest.param("POST /prod HTTP/1.1", [*GOOD.items(), ("Content-Length", "4")], b"body", 405, id="post-with-a-body"),
    pytest.param("get /prod HTTP/1.1", list(GOOD.items()), b"", (400, 405), id="method-in-lower-case"),
    pytest.param("GET /prod HTTP/1.0", list(GOOD.items()), b"", 400, id="http-1.0"),
    pytest.param(GET, altered("Sec-WebSocket-Version"), b"", 426, id="no-version"),
    pytest.param(GET, altered("Sec-WebSocket-Version", ""), b"", 426, id="empty-version"),
    pytest.param(GET, altered("Sec-WebSocket-Version", "8"), b"", 426, id="version-8"),
    pytest.param(GET, altered("Sec-WebSocket-Version", "14"), b"", 426, id="version-14"),
    pytest.param(GET, altered("Sec-WebSocket-Version", "013"), b"", 426, id="version-013"),
    pytest.param(GET, altered("Sec-WebSocket-Version", "13, 8"), b"", 426, id="two-versions-in-one"),
    pytest.param(GET, altered("Sec-WebSocket-Version", "13", "13"), b"", 400, id="two-versions"),
    pytest.param(GET, altered("Sec-WebSocket-Key"), b"", 400, id="no-key"),
    pytest.param(GET, altered("Sec-WebSocket-Key", ""), b"", 400, id="empty-key"),
    pytest.param(GET, altered("Sec-WebSocket-Key", "c2hvcnQ="), b"", 400, id="key-of-5-bytes"),
    pytest.param(GET, altered("Sec-WebSocket-Key", "a" * 24), b"", 400, id="key-of-18-bytes"),
    pytest.param(GET, altered("Sec-WebSocket-Key", KEY[:-1]), b"", 400, id="key-without-its-padding"),
    pytest.param(GET, altered("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ!=="), b"", 400, id="key-that-is-no-base64"),
    pytest.param(GET, altered("Sec-WebSocket-Key", KEY, KEY), b"", 400, id="two-equal-keys"),
    pytest.param(GET, altered("Sec-WebSocket-Key", KEY, "AAAAAAAAAAAAAAAAAAAAAA=="), b"", 400, id="two-keys"),
    pytest.param(GET, altered("Sec-WebSocket-Key", f"{KEY}, {KEY}"), b"", 400, id="two-keys-in-one"),
    pytest.param(GET, altered("Upgrade"), b"", 403, id="no-upgrade"),
    pytest.param(GET, altered("Upgrade", ""), b"", 403, id="empty-upgrade"),
    pytest.param(GET, altered("Upgrade", "websockets"), b"", 403, id="upgrade-to-something-else"),
    pytest.param(GET, altered("Upgrade", "h2c"), b"", 403, id="upgrade-to-h2c"),
    pytest.param(GET, altered("Connection"), b"", 403, id="no-connection"),
    pytest.param(GET, altered("Connection", "keep-alive"), b"", 403, id="connection-keep-alive"),
    pytest.param(GET, altered("Connection", "upgraded"), b"", 403, id="connection-upgraded"),
    pytest.param(GET, altered("Connection", "close"), b"", 403, id="connection-close"),
    pytest.param(GET, [*GOOD.items(), ("Content-Length", "4")], b"body", 400, id="a-body"),
    pytest.param(
        GET, [*GOOD.items(), ("Transfer-Encoding", "chunked")], b"4\r\nbody\r\n0\r\n\r\n", 400, id="a-body-in-chunks"
    ),
    pytest.param(GET, [*GOOD.items(), ("Content-Length", "0"), ("Content-Length", "0")], b"", 400, id="two-lengths"),
    pytest.param(GET, altered("Host"), b"", 400, id="no-host"),
    pytest.param(
        GET, [*GOOD.items(), ("Authorization", "a"), ("Authorization", "b")], b"", 400, id="two-authorizations"
    ),
    pytest.param(GET, [*GOOD.items(), ("Authorization", "a"), ("authorization", "a")], b"", 400, id="two-equal-ones"),
]


@pytest.mark.parametrize(("line", "headers", "body", "status"), BAD_ROWS)
async def test_a_bad_handshake_is_never_a_101(
    gateway: TestGateway,
    backend: Backend,
    line: str,
    headers: list[tuple[str, str]],
    body: bytes,
    status: int | tuple[int, ...],
):
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    response = await exchange(gateway.url, raw(gateway, line, headers, body))
    assert response.status in ((status,) if isinstance(status, int) else status)
    assert (gateway.connections, backend.requests) == ([], [])
    assert response.header("sec-websocket-accept") is None
    if response.status == 426:
        assert response.header("sec-websocket-version") == "13"
    if response.status == 405:
        assert response.header("allow") == "GET"


async def test_a_handshake_by_head_gets_a_405_without_a_body(gateway: TestGateway):
    gateway.serve(PING)
    received = await talk(gateway.url, raw(gateway, "HEAD /prod HTTP/1.1", list(GOOD.items())))
    assert received.startswith(b"HTTP/1.1 405 ")
    assert received.endswith(b"\r\n\r\n")
    assert received.count(b"\r\n\r\n") == 1


async def test_a_bad_handshake_ends_the_connection(gateway: TestGateway):
    """Who is not understood may not go on: the next bytes could be anything."""
    gateway.serve(PING)
    bad = raw(gateway, GET, altered("Sec-WebSocket-Version", "8"))
    good = raw(gateway, GET, list(GOOD.items()))
    (response,) = split_responses(await talk(gateway.url, bad + good))
    assert (response.status, response.header("connection")) == (426, "close")
    assert gateway.connections == []


async def test_two_authorizations_are_a_plain_400(gateway: TestGateway):
    gateway.serve(PING)
    headers = [*GOOD.items(), ("Authorization", "a"), ("Authorization", "b")]
    response = await exchange(gateway.url, raw(gateway, GET, headers))
    assert (response.status, response.body) == (400, b'{"message":"Bad Request"}')


async def test_one_authorization_reaches_connect(gateway: TestGateway, backend: Backend):
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    await gateway.connect(headers=[("Authorization", "Basic dTpw")])
    assert backend.requests[0].header("Authorization") == "Basic dTpw"


# ---- S-03: Host

HOSTS = [
    pytest.param(["{host}", "{host}"], id="two-equal-hosts"),
    pytest.param(["{host}", "evil.example"], id="two-hosts"),
    pytest.param(["evil.example", "{host}"], id="two-hosts-the-other-first"),
    pytest.param([""], id="empty"),
    pytest.param(["", "{host}"], id="empty-and-another"),
    pytest.param(["user@{host}"], id="user-information"),
    pytest.param(["user:password@{host}"], id="user-and-password"),
    pytest.param(["chat.localhost@evil.example"], id="user-information-that-looks-like-a-host"),
    pytest.param(["{host}, evil.example"], id="list"),
    pytest.param(["{host} evil.example"], id="blank"),
    pytest.param(["{host}\tevil.example"], id="tab"),
    pytest.param(["{host}/prod"], id="path"),
    pytest.param(["{host}?a"], id="query"),
    pytest.param(["{host}#a"], id="fragment"),
    pytest.param(["http://{host}"], id="url"),
    pytest.param(["{host}\\evil.example"], id="backslash"),
    pytest.param(["<{host}>"], id="angle-brackets"),
    pytest.param(["{host}\x7f"], id="delete-character"),
]


@pytest.mark.parametrize("hosts", HOSTS)
async def test_a_host_that_is_none_is_a_400(gateway: TestGateway, backend: Backend, hosts: list[str]):
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    headers = [("Host", host) for host in hosts] + [item for item in GOOD.items() if item[0] != "Host"]
    (response,) = split_responses(await talk(gateway.url, raw(gateway, GET, headers)))
    assert (response.status, response.header("connection")) == (400, "close")
    assert (gateway.connections, backend.requests) == ([], [])


TARGETS = [
    pytest.param("http://evil.example/prod", id="another-host"),
    pytest.param("http://{host}.evil.example/prod", id="another-host-that-begins-alike"),
    pytest.param("http://user@{host}/prod", id="user-information"),
    pytest.param("http://evil.example\\@{host}/prod", id="backslash"),
    pytest.param("http://{host}:1/prod", id="another-port"),
    pytest.param("http:///prod", id="no-host"),
    pytest.param("ftp://{host}/prod", id="another-scheme"),
    pytest.param("//evil.example/prod", id="no-scheme"),
    pytest.param("{host}", id="authority-form"),
    pytest.param("*", id="asterisk"),
    pytest.param("prod", id="no-slash"),
    pytest.param("http:/prod", id="one-slash"),
]


@pytest.mark.parametrize("target", TARGETS)
async def test_a_target_that_disagrees_with_the_host_leads_nowhere(gateway: TestGateway, backend: Backend, target: str):
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    response = await exchange(gateway.url, raw(gateway, f"GET {target} HTTP/1.1", list(GOOD.items())))
    assert response.status == (403 if target.startswith("//") else 400)
    assert (gateway.connections, backend.requests) == ([], [])


async def test_the_target_of_an_absolute_form_is_not_taken_from_its_query(gateway: TestGateway):
    gateway.serve(PING)
    response = await exchange(gateway.url, raw(gateway, "GET http://{host}?x=/prod HTTP/1.1", list(GOOD.items())))
    assert response.status != 101
    assert gateway.connections == []


# ---- S-04: versions, h2c

VERSIONS = [
    "GET /prod",
    "GET /prod HTTP/0.9",
    "GET /prod HTTP/1.2",
    "GET /prod HTTP/1.10",
    "GET /prod HTTP/1",
    "GET /prod HTTP/1.",
    "GET /prod HTTP/01.1",
    "GET /prod HTTP/2",
    "GET /prod HTTP/2.0",
    "GET /prod HTTP/3.0",
    "GET /prod HTTP/9.9",
    "GET /prod HTTP/-1.1",
    "GET /prod http/1.1",
    "GET /prod HTTPS/1.1",
    "GET /prod WS/1.1",
    "GET /prod HTTP/1.1 HTTP/1.1",
    "PRI * HTTP/2.0",
]


@pytest.mark.parametrize("line", VERSIONS)
async def test_another_version_gets_one_answer_and_the_connection_closes(
    gateway: TestGateway, backend: Backend, line: str
):
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    (response,) = split_responses(await talk(gateway.url, raw(gateway, line, list(GOOD.items()))))
    assert response.status in (400, 505)
    assert response.header("connection") == "close"
    assert (gateway.connections, backend.requests) == ([], [])


H2C = ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")


@pytest.mark.parametrize("upgrade", ["h2c", "h2", "TLS/1.0", "websocket/13", "h2c, h2"])
async def test_other_protocols_are_never_switched_to(gateway: TestGateway, upgrade: str):
    gateway.serve(PING)
    headers = [*altered("Upgrade", upgrade), H2C]
    headers = [("Connection", "Upgrade, HTTP2-Settings") if name == "Connection" else (name, v) for name, v in headers]
    assert is_forbidden(await exchange(gateway.url, raw(gateway, GET, headers)))
    assert gateway.connections == []


async def test_headers_of_the_clients_hop_reach_no_backend(gateway: TestGateway, backend: Backend):
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    of_the_hop = [
        H2C,
        ("Keep-Alive", "timeout=5"),
        ("TE", "trailers"),
        ("Trailer", "X-Own"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic dTpw"),
        ("X-Named", "1"),
    ]
    headers = [*GOOD.items(), *of_the_hop, ("X-Own", "1"), ("Cookie", "a=b"), ("Origin", "https://app.example")]
    connection = ("Connection", "Upgrade, HTTP2-Settings, X-Named")
    headers = [connection if name == "Connection" else (name, value) for name, value in headers]
    async with await open_socket(gateway.url) as socket:
        await socket.send(raw(gateway, GET, headers))
        assert (await socket.receive_response()).status == 101
    (received,) = backend.requests
    names = {name.lower() for name, _ in received.headers}
    assert not names & {name.lower() for name, _ in of_the_hop} | names & {"upgrade", "connection"}
    assert received.header("Host") == authority(backend.url)
    for name, value in [("X-Own", "1"), ("Cookie", "a=b"), ("Origin", "https://app.example"), *GOOD.items()]:
        if name.startswith(("X-", "Cookie", "Origin", "Sec-")):
            assert received.header(name) == value


async def test_a_client_cannot_name_away_what_the_gateway_adds(gateway: TestGateway, backend: Backend):
    """A header that Connection names is dropped: the address of the caller must not be."""
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    named = "Upgrade, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Port, X-Amzn-Trace-Id, Wsgw-Source-Ip"
    headers = [("Connection", named) if name == "Connection" else (name, value) for name, value in GOOD.items()]
    async with await open_socket(gateway.url) as socket:
        await socket.send(raw(gateway, GET, headers))
        assert (await socket.receive_response()).status == 101
    (received,) = backend.requests
    assert received.header("X-Forwarded-For") == received.header("Wsgw-Source-Ip") == "127.0.0.1"
    assert received.header("X-Forwarded-Proto") == "http"
    assert received.header("X-Forwarded-Port") == authority(gateway.url).partition(":")[2]
    assert (received.header("X-Amzn-Trace-Id") or "").startswith("Root=1-")


# ---- who stands in front

FORWARDED = [
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Port", "443"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Prefix", "/evil"),
    ("Forwarded", "for=203.0.113.9;proto=https;host=evil.example"),
]


def forwarded(received: Received) -> dict[str, list[str]]:
    """What a backend is told about the way of a handshake, every value."""
    told: dict[str, list[str]] = {}
    for name, value in received.headers:
        if "forwarded" in name.lower():
            told.setdefault(name.lower(), []).append(value)
    return told


@pytest.mark.parametrize(
    "trusted", [pytest.param((), id="nobody-is-trusted"), pytest.param(("10.0.0.0/8", "::1"), id="others-are-trusted")]
)
async def test_forwarded_headers_of_anybody_are_dropped(
    make_gateway: MakeGateway, backend: Backend, trusted: tuple[str, ...]
):
    gateway = await make_gateway(trust_forwarded=trusted)
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    await gateway.connect(headers=FORWARDED)
    (received,) = backend.requests
    assert forwarded(received) == {
        "x-forwarded-for": ["127.0.0.1"],
        "x-forwarded-proto": ["http"],
        "x-forwarded-port": [authority(gateway.url).partition(":")[2]],
    }
    assert received.header("Wsgw-Source-Ip") == "127.0.0.1"
    assert gateway.connections[0].source_ip == "127.0.0.1"


async def test_forwarded_headers_of_anybody_are_not_in_events(gateway: TestGateway):
    handler = Recorder()
    gateway.serve(CONNECT_PYTHON, handlers={"connect": handler})
    await gateway.connect(headers=FORWARDED)
    (event,) = handler.events
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert {name: values for name, values in event["multiValueHeaders"].items() if "orwarded" in name} == {
        "X-Forwarded-For": ["127.0.0.1"],
        "X-Forwarded-Proto": ["http"],
        "X-Forwarded-Port": [authority(gateway.url).partition(":")[2]],
    }


CHAINS = [
    pytest.param(["203.0.113.9"], "203.0.113.9", id="one-hop"),
    pytest.param(["1.2.3.4, 203.0.113.9"], "203.0.113.9", id="what-the-client-claimed-is-not-believed"),
    pytest.param(["1.2.3.4", "203.0.113.9"], "203.0.113.9", id="on-two-lines"),
    pytest.param(["203.0.113.9, 10.1.2.3"], "203.0.113.9", id="two-trusted-proxies"),
    pytest.param(["1.2.3.4, 203.0.113.9,10.1.2.3"], "203.0.113.9", id="two-trusted-proxies-and-a-claim"),
    pytest.param(["2001:DB8::1"], "2001:db8::1", id="ipv6"),
    pytest.param(["10.9.9.9, 10.1.2.3"], "10.9.9.9", id="all-are-proxies"),
    pytest.param(["unknown"], "127.0.0.1", id="no-address"),
    pytest.param(["203.0.113.9, nonsense"], "127.0.0.1", id="no-address-last"),
    pytest.param(["203.0.113.9\t"], "203.0.113.9", id="tab-behind"),
    pytest.param([""], "127.0.0.1", id="empty"),
    pytest.param([], "127.0.0.1", id="nothing-said"),
]


@pytest.mark.parametrize(("chain", "source"), CHAINS)
async def test_a_trusted_proxy_says_who_calls(
    make_gateway: MakeGateway, backend: Backend, chain: list[str], source: str
):
    gateway = await make_gateway(trust_forwarded=("127.0.0.0/8", "10.0.0.0/8"))
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    await gateway.connect(headers=[("X-Forwarded-For", value) for value in chain])
    (received,) = backend.requests
    assert gateway.connections[0].source_ip == received.header("Wsgw-Source-Ip") == source
    # The chain goes on, with the proxy at its end.
    (told,) = forwarded(received)["x-forwarded-for"]
    assert [hop.strip() for hop in told.split(",")] == [
        *(hop.strip() for value in chain for hop in value.split(",")),
        "127.0.0.1",
    ]


@pytest.mark.parametrize(
    ("said", "proto", "port"),
    [
        pytest.param("https", "https", "443", id="https"),
        pytest.param("HTTPS", "https", "443", id="in-capitals"),
        pytest.param("http", "http", None, id="http"),
        pytest.param("nonsense", "http", None, id="nonsense"),
        pytest.param(None, "http", None, id="nothing-said"),
    ],
)
async def test_a_trusted_proxy_says_how_it_was_reached(
    make_gateway: MakeGateway, backend: Backend, said: str | None, proto: str, port: str | None
):
    gateway = await make_gateway(trust_forwarded=("127.0.0.1",))
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    await gateway.connect(headers=[] if said is None else [("X-Forwarded-Proto", said)])
    told = forwarded(backend.requests[0])
    assert told["x-forwarded-proto"] == [proto]
    assert told["x-forwarded-port"] == [port or authority(gateway.url).partition(":")[2]]


async def test_a_trusted_proxy_does_not_change_names_and_callback_urls(make_gateway: MakeGateway):
    handler = Recorder()
    gateway = await make_gateway(trust_forwarded=("127.0.0.1",))
    gateway.serve(CONNECT_PYTHON, handlers={"connect": handler})
    await gateway.connect(headers=FORWARDED)
    assert handler.events[0]["requestContext"]["domainName"] == authority(gateway.url)
    assert gateway.connections[0].callback_base == gateway.url
