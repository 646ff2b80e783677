"""T-05: WebSocket clients of independent makers hold the same conversation, with and without TLS and compression."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from tests.conftest import MakeGateway
from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway, api, http, route
from tests.sdk.conftest import Authority, needs_node_packages
from tests.sdk.websocket_clients import Heard, Talk, by_aiohttp, by_picows, by_websockets, by_ws

Client = Callable[[Talk], Awaitable[Heard]]

NPM_WS = pytest.param(by_ws, id="ws", marks=[pytest.mark.node, needs_node_packages])
CLIENTS = [
    pytest.param(by_websockets, id="websockets"),
    pytest.param(by_aiohttp, id="aiohttp"),
    pytest.param(by_picows, id="picows"),
    NPM_WS,
]
#: picows leaves compression out.
DEFLATING = [pytest.param(by_websockets, id="websockets"), pytest.param(by_aiohttp, id="aiohttp"), NPM_WS]

LONG = '{"text":"' + "lorem ipsum dolor sit amet " * 1000 + '"}'
MESSAGES = ["Grüße 👋", '{"action":"none"}', bytes(range(256)), LONG, b"\0" * 20_000, "the last"]
ENOUGH = (4001, "that is enough")


@pytest.fixture
async def serve(
    make_gateway: MakeGateway, backend: Backend, scheme: str, authority: Authority
) -> Callable[[bool], Awaitable[TestGateway]]:
    """Starts gateways that send everything back as what it was, and close on `{"action":"leave"}`."""

    async def start(compression: bool) -> TestGateway:
        tls = {"tls_cert": authority.certificate, "tls_key": authority.key} if scheme == "https" else {}
        gateway = await make_gateway(compression=compression, **tls)

        async def leave(request: Received) -> web.Response:
            id = request.header("Wsgw-Connection-Id") or ""
            gateway.app.push.find(id).end_normally()
            return web.Response()

        backend.answer(
            "/echo",
            lambda request: web.Response(
                body=request.body, headers={"Content-Type": request.header("Content-Type") or ""}
            ),
        )
        backend.answer("/leave", leave)
        gateway.deploy(
            api(
                route("$default", http(f"{backend.url}/echo"), two_way=True),
                route("leave", http(f"{backend.url}/leave")),
                route("$disconnect", http(f"{backend.url}/gone")),
                binary_messages="PASS",
            )
        )
        return gateway

    return start


def talk(
    gateway: TestGateway,
    authority: Authority,
    *,
    close: tuple[int, str] | None = ENOUGH,
    deflate: bool = False,
    messages: list[str | bytes] = MESSAGES,
) -> Talk:
    tls = authority.context if gateway.url.startswith("https") else None
    return Talk(gateway.ws_url + "/prod", messages, close, deflate, tls, authority.file)


Serve = Callable[[bool], Awaitable[TestGateway]]


@pytest.mark.parametrize("client", CLIENTS)
async def test_text_and_bytes_come_back_as_they_were_and_the_clients_close_is_told(
    serve: Serve, backend: Backend, authority: Authority, client: Client
):
    gateway = await serve(False)
    heard = await client(talk(gateway, authority))
    assert heard == Heard(MESSAGES, False, *ENOUGH)
    (gone,) = await backend.wait_for("/gone")
    told = gone.header("Wsgw-Disconnect-Code"), gone.header("Wsgw-Disconnect-Reason")
    assert told == (str(ENOUGH[0]), ENOUGH[1])


@pytest.mark.parametrize("client", CLIENTS)
async def test_the_servers_close_is_seen(serve: Serve, authority: Authority, client: Client):
    gateway = await serve(False)
    heard = await client(talk(gateway, authority, close=None, messages=["hello", '{"action":"leave"}']))
    assert heard == Heard(["hello"], False, 1000, "Connection Closed Normally")


@pytest.mark.parametrize("client", DEFLATING)
async def test_compression_is_agreed_on_where_it_is_switched_on(
    serve: Serve, backend: Backend, authority: Authority, client: Client
):
    gateway = await serve(True)
    heard = await client(talk(gateway, authority, deflate=True))
    assert heard == Heard(MESSAGES, True, *ENOUGH)
    assert [request.body for request in backend.got("/echo")][3] == LONG.encode()


@pytest.mark.parametrize("client", DEFLATING)
async def test_an_offer_of_compression_is_ignored_where_it_is_not(serve: Serve, authority: Authority, client: Client):
    gateway = await serve(False)
    assert await client(talk(gateway, authority, deflate=True)) == Heard(MESSAGES, False, *ENOUGH)


@pytest.mark.parametrize("client", CLIENTS)
async def test_who_offers_no_compression_gets_none_where_it_is_switched_on(
    serve: Serve, authority: Authority, client: Client
):
    gateway = await serve(True)
    assert await client(talk(gateway, authority)) == Heard(MESSAGES, False, *ENOUGH)


async def test_a_gateway_stops_though_a_client_takes_no_part_in_closing_tls(serve: Serve, authority: Authority):
    gateway = await serve(False)
    host, port = gateway.url.rpartition("/")[2].split(":")

    def keep_a_connection() -> socket.socket:
        """A plain or TLS connection that has been answered, and is left alone by a client that reads no more."""
        plain = socket.create_connection((host, int(port)), 5)
        tls = authority.context.wrap_socket(plain, server_hostname=host) if gateway.url.startswith("https") else plain
        tls.sendall(f"GET /prod HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert tls.recv(65_536).startswith(b"HTTP/1.1 403")
        # Below TLS from here on: nothing answers the gateway's close_notify.
        return socket.socket(fileno=tls.detach())

    kept = await asyncio.to_thread(keep_a_connection)
    await gateway.stop()
    with kept:
        kept.settimeout(5)

        def to_the_end() -> bool:
            try:
                while kept.recv(65_536):
                    pass
            except ConnectionResetError:
                pass
            return True

        assert await asyncio.to_thread(to_the_end)
