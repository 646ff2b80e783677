"""An HTTP service behind a REST API, from its OpenAPI document: one greedy path variable, mapped into the URL."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway
from wsgw.cli.definition_files import read_definitions

FILE = Path(__file__).with_name("service_proxy.yaml")


@pytest.fixture
async def url(gateway: TestGateway, backend: Backend, tmp_path: Path) -> str:
    file = tmp_path / "service.yaml"
    file.write_text(FILE.read_text().replace("http://service.example", backend.url))
    read = read_definitions([file], {})
    assert list(read.findings) == []
    gateway.deploy(*read.apis)
    return f"{gateway.url}/service/prod"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_method_passes_with_its_body_and_headers(url, session, backend, method):
    def made(request: Received) -> web.Response:
        return web.Response(status=203, body=request.body[::-1], headers={"X-Made": "1"})

    backend.answer("/v2/a/b", made)
    async with session.request(method, f"{url}/a/b", data=b"body", headers={"X-Mine": "2"}) as answer:
        # API Gateway sends no body along with these two.
        body = b"" if method in ("GET", "DELETE") else b"ydob"
        assert (answer.status, answer.headers["X-Made"], await answer.read()) == (203, "1", body)
    [received] = backend.requests
    assert (received.method, received.header("X-Mine"), received.header("X-Stage")) == (method, "2", "prod")


async def test_all_of_the_query_passes_and_the_mapped_parameter_with_it(url, session, backend):
    async with session.get(URL(f"{url}/list?a=1&a=2&b=x%26y", encoded=True)) as answer:
        assert answer.status == 200
    assert sorted(backend.requests[0].query.split("&")) == ["a=1", "a=2", "b=x%26y", "tenant=acme"]


async def test_an_encoded_path_stays_below_the_service_s(url, session, backend):
    async with session.get(URL(f"{url}/caf%C3%A9/a%20b", encoded=True)) as answer:
        assert answer.status == 200
    assert backend.requests[0].target.split("?")[0] == "/v2/caf%C3%A9/a%20b"
    for climbing in ("../admin", "%2E%2E/admin", "a/..%2F..%2Fadmin"):
        async with session.get(URL(f"{url}/{climbing}", encoded=True)) as answer:
            await answer.read()
    assert [one.path for one in backend.requests if not one.path.startswith("/v2/")] == []


async def test_the_service_s_failures_pass_as_they_are(url, session, backend):
    backend.on("/v2/broken", 500, json.dumps({"trouble": 1}), {"Content-Type": "application/problem+json"})
    async with session.get(f"{url}/broken") as answer:
        assert (answer.status, answer.content_type) == (500, "application/problem+json")
        assert json.loads(await answer.read()) == {"trouble": 1}


async def test_the_root_has_a_method_of_its_own(url, session, backend):
    async with session.get(f"{url}/") as answer:
        assert answer.status == 200
    assert backend.requests[0].target == "/v2/"


async def test_a_resource_of_its_own_comes_before_the_greedy_one(url, session, backend):
    async with session.get(f"{url}/health") as answer:
        assert await answer.json() == {"ok": True}
    assert backend.requests == []


async def test_a_long_body_passes_in_both_directions(url, session, backend):
    backend.echo("/v2/echo")
    body = bytes(range(256)) * 20_000
    async with session.put(f"{url}/echo", data=io.BytesIO(body), headers={"Content-Type": "text/plain"}) as answer:
        assert await answer.read() == body


async def test_a_service_that_is_down_is_a_504(url, session, backend):
    await backend.stop()
    async with session.get(f"{url}/any") as answer:
        assert answer.status == 504
        assert await answer.json() == {"message": "Network error communicating with endpoint"}
