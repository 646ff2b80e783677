"""HTTP proxy integrations: what a backend gets of a request, and a client of its answer.

Source: developer guide, "Create HTTP proxy integrations for HTTP APIs".
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Client, proxy, web_api

UNAVAILABLE = (503, b'{"message":"Service Unavailable"}')

URLS = [
    pytest.param("ANY /{proxy+}", "/to/{proxy}", "/a/b", "/to/a/b", id="URL {proxy} is the path variable"),
    pytest.param("GET /pets/{id}", "/animals/{id}/x", "/pets/7", "/animals/7/x", id="URL variable of the same name"),
    pytest.param("GET /pets/{id}", "/fixed", "/pets/7", "/fixed", id="URL as it is without placeholders"),
    pytest.param("ANY /{proxy+}", "/fixed", "/a/b", "/fixed", id="URL as it is without greedy use"),
    pytest.param("$default", "/base", "/a/b", "/base/a/b", id="URL full path behind that of $default"),
    pytest.param("GET /a", "/b", "/a?x=1&x=2&y", "/b?x=1&x=2&y", id="Query passed through"),
    pytest.param("GET /a", "/b?own=1", "/a?x=1", "/b?own=1&x=1", id="Query behind the URL's own"),
]


@pytest.mark.parametrize(("key", "path", "asked", "sent"), URLS)
async def test_the_url(
    gateway: TestGateway, backend: Backend, client: Client, key: str, path: str, asked: str, sent: str
):
    """Rows URL and Query."""
    gateway.deploy(web_api({key: proxy(backend.url + path)}))
    assert (await client.ask(asked)).status == 200
    assert backend.requests[0].target == sent


@pytest.mark.parametrize(("method", "sent"), [("ANY", "PATCH"), ("PUT", "PUT"), ("POST", "POST")])
async def test_the_method(gateway: TestGateway, backend: Backend, client: Client, method: str, sent: str):
    """Row Method: integrationMethod, or the client's verb if ANY."""
    gateway.deploy(web_api({"PATCH /": proxy(backend.url, method=method)}))
    await client.ask("/", "PATCH", data=b"x")
    assert backend.requests[0].method == sent


HOP_BY_HOP = ["Connection", "Keep-Alive", "TE", "Proxy-Connection", "Upgrade"]


async def test_headers_pass_but_those_of_one_hop(gateway: TestGateway, backend: Backend, client: Client):
    """Row Headers."""
    gateway.deploy(web_api({"GET /": proxy(f"{backend.url}/")}))
    values = {"Connection": "X-Named", "TE": "trailers", "Upgrade": "h2c", "Keep-Alive": "timeout=5"}
    headers = {name: values.get(name, "x") for name in HOP_BY_HOP}
    kept = {"X-Mine": "1", "Accept": "a/b", "Authorization": "secret", "Cookie": "a=1", "Accept-Encoding": "br"}
    await client.ask("/", headers={**headers, **kept, "X-Named": "hop"})
    got = backend.requests[0]
    assert {name: got.header(name) for name in kept} == kept
    assert got.header("x-named") is None
    assert [name for name in HOP_BY_HOP if got.header(name) not in (None, "keep-alive")] == []


ADDED = [
    pytest.param("host", "{backend}", id="Host of the target"),
    pytest.param("x-amzn-trace-id", "Root=1-", id="x-amzn-trace-id added"),
    pytest.param("forwarded", "for=127.0.0.1", id="Forwarded for"),
    pytest.param("forwarded", "host=", id="Forwarded host"),
    pytest.param("forwarded", "proto=http", id="Forwarded proto"),
]


@pytest.mark.parametrize(("name", "part"), ADDED)
async def test_headers_that_are_added(gateway: TestGateway, backend: Backend, client: Client, name: str, part: str):
    """Row Headers."""
    gateway.deploy(web_api({"GET /": proxy(backend.url)}))
    await client.ask("/")
    value = backend.requests[0].header(name)
    assert value is not None
    assert part.format(backend=backend.url.removeprefix("http://")) in value


async def test_a_body_passes_unchanged(gateway: TestGateway, backend: Backend, client: Client):
    """Row Body: binary safe, both ways."""
    backend.echo("/")
    gateway.deploy(web_api({"POST /": proxy(backend.url)}))
    body = bytes(range(256)) * 40
    answer = await client.ask("/", "POST", {"Content-Type": "application/json"}, body)
    assert backend.requests[0].body == body
    assert answer.body == body


async def test_an_answer_comes_as_it_is(gateway: TestGateway, backend: Backend, client: Client):
    """Row Response."""
    headers = {"X-A": "1", "Content-Type": "a/b", "Location": "/else", "Keep-Alive": "timeout=5", "Server": "s"}
    backend.on("/", 302, "moved", headers)
    gateway.deploy(web_api({"GET /": proxy(backend.url)}))
    answer = await client.ask("/")
    assert (answer.status, answer.body) == (302, b"moved")
    assert {name: answer.header(name) for name in ("x-a", "content-type", "location")} == {
        "x-a": "1",
        "content-type": "a/b",
        "location": "/else",
    }
    assert len(answer.all("apigw-requestid")) == 1
    assert answer.header("keep-alive") is None


@pytest.mark.parametrize("status", [200, 204, 301, 400, 404, 418, 500, 502, 503, 504])
async def test_every_status_comes_as_it_is(gateway: TestGateway, backend: Backend, client: Client, status: int):
    """Row Response."""
    backend.on("/", status, b"" if status == 204 else b"said")
    gateway.deploy(web_api({"GET /": proxy(backend.url)}))
    answer = await client.ask("/")
    assert (answer.status, answer.body) == (status, b"" if status == 204 else b"said")


async def test_nobody_there_is_503(gateway: TestGateway, client: Client, refused_port: int):
    """Row network failure."""
    gateway.deploy(web_api({"GET /": proxy(f"http://127.0.0.1:{refused_port}/")}))
    answer = await client.ask("/")
    assert (answer.status, answer.body) == UNAVAILABLE


async def test_a_backend_that_hangs_up_is_503(gateway: TestGateway, client: Client):
    """Row network failure."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    gateway.deploy(web_api({"POST /": proxy(f"http://127.0.0.1:{port}/")}))
    answer = await client.ask("/", "POST", data=b"x")
    assert (answer.status, answer.body) == UNAVAILABLE
    server.close()


async def test_plain_text_where_tls_is_wanted_is_503(gateway: TestGateway, backend: Backend, client: Client):
    """Row TLS failure."""
    gateway.deploy(web_api({"GET /": proxy(backend.url.replace("http", "https"))}))
    answer = await client.ask("/")
    assert (answer.status, answer.body) == UNAVAILABLE


async def test_a_certificate_that_nobody_vouches_for_is_503(gateway: TestGateway, client: Client, tmp_path: Path):
    """Row invalid certificate."""

    async def secret(_request: web.Request) -> web.Response:
        return web.Response(text="secret")

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    app = web.Application()
    app.router.add_get("/", secret)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    gateway.deploy(web_api({"GET /": proxy(f"https://127.0.0.1:{runner.addresses[0][1]}/")}))
    answer = await client.ask("/")
    assert (answer.status, answer.body) == UNAVAILABLE
    await runner.cleanup()


async def test_a_host_that_is_not_there_is_500(gateway: TestGateway, client: Client):
    """Row DNS (unconfirmed)."""
    gateway.deploy(web_api({"GET /": proxy("http://nowhere.invalid/")}))
    answer = await client.ask("/")
    assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')


async def test_backends_are_spoken_to_in_http_1_1(gateway: TestGateway, client: Client):
    """Row Protocol to backend."""
    lines: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append((await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    gateway.deploy(web_api({"GET /": proxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x")}))
    assert (await client.ask("/")).status == 200
    assert lines == [b"GET /x HTTP/1.1"]
    server.close()
