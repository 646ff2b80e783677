"""Several addresses of one data plane: each serves, knows itself by its own name, and is guarded as the first is."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.issuer import Issuer
from tests.harness.raw_http import authority
from tests.harness.raw_websocket import RawWebSocket
from wsgw.edge.listeners import Address, addresses, bind
from wsgw.settings import Settings

WHERE = route("where", mock('{"domain":"$context.domainName"}'), two_way=True)


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


def without_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return False
    except OSError:
        return True


needs_ipv6 = pytest.mark.skipif(without_ipv6(), reason="this machine has no IPv6 loopback")


async def domain(client: RawWebSocket) -> str:
    """By what name the gateway calls itself towards this client."""
    await client.send_json({"action": "where"})
    answer = await client.receive_json()
    return str(answer["domain"])


def free(port: int) -> bool:
    """Nobody listens on this port of the loopback interface."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


# ---- what the settings say

ADDRESSES = [
    pytest.param({}, ["http://127.0.0.1:8080"], id="the default"),
    pytest.param({"tls_cert": "c"}, ["https://127.0.0.1:8080"], id="TLS"),
    pytest.param({"host": "::1", "port": 1}, ["http://[::1]:1"], id="IPv6"),
    pytest.param(
        {"tls_cert": "c", "listen": ("http://10.0.0.7:80", "https://[::]:443", "https://gw.example:0")},
        ["https://127.0.0.1:8080", "http://10.0.0.7:80", "https://[::]:443", "https://gw.example:0"],
        id="more of them",
    ),
]


@pytest.mark.parametrize(("settings", "urls"), ADDRESSES)
def test_the_settings_own_address_comes_first_and_then_more(settings: dict[str, object], urls: list[str]):
    assert [address.url for address in addresses(Settings(**settings))] == urls  # type: ignore[arg-type]


# ---- serving


@needs_ipv6
async def test_each_listener_serves_and_calls_itself_by_its_own_address(
    make_gateway: MakeGateway, backend: Backend, issuer: Issuer
):
    listen = ("http://127.0.0.1:0", "https://[::1]:0", "http://[::1]:0")
    gateway = await make_gateway(**issuer.issue("localhost").settings, listen=listen)
    gateway.serve(route("$connect", http(f"{backend.url}/connect")), WHERE)
    starts = ["https://127.0.0.1:", "http://127.0.0.1:", "https://[::1]:", "http://[::1]:"]
    assert [url[: url.rindex(":") + 1] for url in gateway.urls] == starts
    assert len({authority(url).rpartition(":")[2] for url in gateway.urls}) >= 2
    for url in gateway.urls:
        async with await RawWebSocket.connect(url.replace("http", "ws", 1) + "/prod", tls=issuer.trusting) as client:
            assert await domain(client) == authority(url)
        callback = backend.requests[-1].header("Wsgw-Callback-Url") or ""
        assert callback.startswith(f"{url}/chat/prod/@connections/")
        assert backend.requests[-1].header("X-Forwarded-Proto") == url.partition(":")[0]


async def test_a_connection_of_one_listener_is_reached_through_another(make_gateway: MakeGateway, issuer: Issuer):
    gateway = await make_gateway(**issuer.issue("localhost").settings, listen=("http://127.0.0.1:0",))
    gateway.serve(WHERE)
    client = await gateway.connect(tls=issuer.trusting)
    id = gateway.connections[0].id.replace("=", "%3D")
    host, port = authority(gateway.urls[1]).split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST /chat/prod/@connections/{id} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 5\r\n\r\nhello".encode()
    )
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
    assert await client.receive() == b"hello"
    writer.close()


async def test_a_name_of_several_addresses_listens_on_one_port_of_each(make_gateway: MakeGateway):
    gateway = await make_gateway(host="localhost")
    found = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)
    assert len(gateway.urls) == len({one[4][0] for one in found})
    assert len({url.rpartition(":")[2] for url in gateway.urls}) == 1


async def test_stopping_frees_every_address(make_gateway: MakeGateway):
    gateway = await make_gateway(listen=("http://127.0.0.1:0",))
    ports = [int(url.rpartition(":")[2]) for url in gateway.urls]
    assert not any(map(free, ports))
    await gateway.app.stop(drain=0)
    assert all(map(free, ports))


# ---- sockets that somebody else has bound


async def test_given_sockets_are_served_in_the_order_of_the_addresses(lanes: bool, issuer: Issuer):
    gateway = TestGateway(lanes, listen=("https://127.0.0.1:0",), **issuer.issue("localhost").settings)
    bound = bind(addresses(gateway.settings))
    # Whoever passes sockets on keeps them: a client may be waiting in them when they are passed to the next.
    kept = [one.dup() for group in bound for one in group]
    ports = [one.getsockname()[1] for one in kept]
    await gateway.app.prepare()
    listening = await gateway.app.listen(bound)
    gateway.serve(WHERE)
    assert [listening.data, *listening.also] == [f"https://127.0.0.1:{port}" for port in ports]
    async with await RawWebSocket.connect(f"wss://127.0.0.1:{ports[1]}/prod", tls=issuer.trusting) as client:
        assert await domain(client) == f"127.0.0.1:{ports[1]}"
    await gateway.stop()
    waiting = socket.create_connection(("127.0.0.1", ports[0]))
    accepted, _ = kept[0].accept()
    for one in (waiting, accepted, *kept):
        one.close()


# ---- addresses that cannot be


async def test_an_address_that_is_taken_is_told_by_its_option_and_frees_the_others(lanes: bool):
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as first:
        port, own = taken.getsockname()[1], first.getsockname()[1]
        first.close()
        gateway = TestGateway(lanes, listen=(f"http://127.0.0.1:{own}", f"http://127.0.0.1:{port}"))
        with pytest.raises(OSError, match=f"port {port} of 127.0.0.1 is taken: choose another with --listen"):
            await gateway.start()
        assert free(own)
        await gateway.stop()


def test_a_host_that_is_not_this_machines_says_so():
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1 port 0"):
        bind([Address.of("http://192.0.2.1:0")])
