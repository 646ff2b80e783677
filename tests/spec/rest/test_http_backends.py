"""HTTP and HTTP_PROXY integrations whose backend answers, is away, or is late; and compression on the way.

Sources: developer guide, "HTTP integrations for REST APIs", "Enable payload compression"; recorded on the service.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib

import aiohttp
import pytest
from aiohttp import web

from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway
from tests.harness.rest_api import JSON, answers, ask, method, mock, rest_api

BOTH = pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
INTERNAL = {"message": "Internal server error"}


async def test_a_proxys_answer_is_returned_as_it_is(gateway: TestGateway, backend: Backend):
    unused = answers("418", "unused", selection_pattern="4.*")
    gateway.deploy(rest_api(method("GET /", "HTTP_PROXY", f"{backend.url}/in", unused, method="GET")))
    backend.on("/in", status=404, body="gone", headers={"Content-Type": "text/x", "X-A": "a"})
    response = await ask(gateway, "GET", "/")
    assert (response.status, response.body, response.header("x-a")) == (404, b"gone", "a")
    assert response.header("content-type") == "text/x"


async def test_a_proxys_path_is_only_what_the_uri_says(gateway: TestGateway, backend: Backend):
    parameters = {"integration.request.path.proxy": "method.request.path.proxy"}
    uri = f"{backend.url}/base/{{proxy}}"
    gateway.deploy(
        rest_api(
            method("GET /a/{proxy+}", "HTTP_PROXY", f"{backend.url}/base", method="GET"),
            method("GET /b/{proxy+}", "HTTP_PROXY", uri, method="GET", request_parameters=parameters),
        )
    )
    await ask(gateway, "GET", "/a/x/y")
    await ask(gateway, "GET", "/b/x/y")
    assert [one.target for one in backend.requests] == ["/base", "/base/x/y"]


@BOTH
async def test_nobody_there_is_an_integration_failure(gateway: TestGateway, refused_port: int, kind: str):
    gateway.deploy(rest_api(method("GET /", kind, f"http://127.0.0.1:{refused_port}/")))
    response = await ask(gateway, "GET", "/")
    assert (response.status, json.loads(response.body)) == (
        504,
        {"message": "Network error communicating with endpoint"},
    )
    assert response.header("x-amzn-errortype") == "InternalServerErrorException"


@BOTH
@pytest.mark.parametrize("fault", ["tls", "name"])
async def test_tls_and_names_that_fail_are_integration_failures(
    gateway: TestGateway, backend: Backend, kind: str, fault: str
):
    uri = backend.url.replace("http:", "https:") if fault == "tls" else "http://nobody.invalid/"
    gateway.deploy(rest_api(method("GET /", kind, uri, method="GET")))
    assert (await ask(gateway, "GET", "/")).status == 504


@BOTH
async def test_no_answer_in_time_is_an_integration_timeout(gateway: TestGateway, backend: Backend, kind: str):
    async def late(_: Received) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    backend.answer("/in", late)
    gateway.deploy(rest_api(method("GET /", kind, f"{backend.url}/in", method="GET", timeout_ms=60)))
    response = await ask(gateway, "GET", "/")
    assert (response.status, json.loads(response.body)) == (504, {"message": "Endpoint request timed out"})
    assert response.header("x-amzn-errortype") == "InternalServerErrorException"


async def test_an_answer_above_10_mb_is_an_internal_error(gateway: TestGateway, backend: Backend):
    """Unconfirmed."""
    gateway.deploy(rest_api(method("GET /", "HTTP", f"{backend.url}/in", method="GET")))
    backend.on("/in", body=b"x" * 10_485_761)
    response = await ask(gateway, "GET", "/")
    assert (response.status, json.loads(response.body)) == (500, INTERNAL)


@pytest.mark.parametrize("mode", ["BUFFERED", "STREAM"])
async def test_a_proxys_body_is_passed_on_as_it_arrives(gateway: TestGateway, mode: str):
    """STREAM, as in API Gateway; BUFFERED, too, where nothing needs the body whole."""
    seen = asyncio.Event()

    async def two_pieces(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await seen.wait()
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(two_pieces, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        gateway.deploy(
            rest_api(method("GET /", "HTTP_PROXY", url, method="GET", timeout_ms=10_000, response_transfer_mode=mode))
        )
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{gateway.url}/dev/", headers={"Host": "pets.localhost"}) as response,
        ):
            try:
                assert await asyncio.wait_for(response.content.readexactly(5), 5) == b"first"
            finally:
                seen.set()
            assert await response.read() == b"second"


# ---- compression

TEXT = b"compress me " * 100


@pytest.mark.parametrize(
    ("coding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", lambda body: body)]
)
async def test_a_request_is_decoded_before_it_is_mapped(gateway: TestGateway, backend: Backend, coding: str, encode):  # type: ignore[no-untyped-def]
    templates = {JSON: "<$input.body>"}
    gateway.deploy(
        rest_api(method("POST /", "HTTP", backend.url, request_templates=templates), minimum_compression_size=1)
    )
    response = await ask(gateway, "POST", "/", f"Content-Encoding: {coding}", body=encode(TEXT))
    assert (response.status, backend.requests[0].body) == (200, b"<" + TEXT + b">")


async def test_another_coding_is_an_unsupported_media_type(gateway: TestGateway):
    gateway.deploy(rest_api(mock("POST /"), minimum_compression_size=0))
    assert (await ask(gateway, "POST", "/", "Content-Encoding: br", body=b"x")).status == 415


async def test_a_request_without_a_coding_is_untouched(gateway: TestGateway, backend: Backend):
    body = gzip.compress(TEXT)
    one = method("POST /", "HTTP", backend.url)
    gateway.deploy(rest_api(one, minimum_compression_size=0, binary_media_types=("a/b",)))
    await ask(gateway, "POST", "/", "Content-Type: a/b", body=body)
    assert backend.requests[0].body == body


ANSWERS = [
    pytest.param(0, "gzip", "gzip", id="0 compresses any size"),
    pytest.param(1200, "gzip", "gzip", id="a payload of the minimum"),
    pytest.param(1201, "gzip", None, id="a smaller payload"),
    pytest.param(None, "gzip", None, id="null disables"),
    pytest.param(0, "deflate", "deflate", id="deflate"),
    pytest.param(0, "br", None, id="no supported coding"),
    pytest.param(0, "*", None, id="* alone is not enough"),
    pytest.param(0, None, None, id="no Accept-Encoding"),
    pytest.param(0, "deflate;q=0.5, gzip;q=0.9", "gzip", id="the client's order of quality (unconfirmed)"),
    pytest.param(0, "deflate, gzip", "gzip", id="by default gzip (unconfirmed)"),
]


@pytest.mark.parametrize(("minimum", "accepted", "coding"), ANSWERS)
async def test_an_answer_is_compressed(
    gateway: TestGateway, minimum: int | None, accepted: str | None, coding: str | None
):
    gateway.deploy(rest_api(mock("GET /", answers("200", TEXT.decode())), minimum_compression_size=minimum))
    response = await ask(gateway, "GET", "/", *([f"Accept-Encoding: {accepted}"] if accepted else []))
    assert response.header("content-encoding") == coding
    decode = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: lambda body: body}[coding]
    assert decode(response.body) == TEXT


@BOTH
async def test_an_answer_that_has_a_coding_passes_unchanged(gateway: TestGateway, backend: Backend, kind: str):
    mapped = {"method.response.header.Content-Encoding": "integration.response.header.Content-Encoding"}
    ok = answers(response_parameters=mapped)
    gateway.deploy(rest_api(method("GET /", kind, f"{backend.url}/in", ok, method="GET"), minimum_compression_size=0))
    body = gzip.compress(TEXT)
    backend.on("/in", body=body, headers={"Content-Encoding": "gzip"})
    response = await ask(gateway, "GET", "/", "Accept-Encoding: deflate")
    assert (response.header("content-encoding"), response.body) == ("gzip", body)


async def test_mapping_comes_before_compression(gateway: TestGateway, backend: Backend):
    gateway.deploy(
        rest_api(
            method("GET /", "HTTP", f"{backend.url}/in", answers("200", "[$input.body]")), minimum_compression_size=0
        )
    )
    backend.on("/in", body="x")
    response = await ask(gateway, "GET", "/", "Accept-Encoding: gzip")
    assert gzip.decompress(response.body) == b"[x]"
